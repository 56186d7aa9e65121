-- Times are whole seconds since 1970 in UTC; days are proleptic Gregorian ordinals; lists of texts are JSON, lists of paths are
-- numbers joined by commas.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sources (
    source       INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    rank         INTEGER,                     -- place in the config; NULL: it has left the config
    on_remove    TEXT NOT NULL DEFAULT 'withdraw',
    enabled      INTEGER NOT NULL DEFAULT 1,
    fingerprint  TEXT,                        -- of the settings its documents were read with
    next_poll    INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER,
    paused       INTEGER NOT NULL DEFAULT 0,
    accepted     INTEGER NOT NULL DEFAULT 0,  -- an operator says that what is missing is gone
    failures     INTEGER NOT NULL DEFAULT 0,
    last_poll    INTEGER,
    last_success INTEGER,
    error        TEXT,
    failed_with  TEXT,                        -- fingerprint of the settings of the poll that failed
    why          TEXT,                        -- why it is polled no earlier than next_poll
    memo         TEXT                         -- JSON: what a URL's last answers told
);

-- A path of labels as spelled in articles, and the nodes it passes through, the site included.
CREATE TABLE paths (
    path      INTEGER PRIMARY KEY,
    labels    TEXT NOT NULL UNIQUE,
    sightings INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE nodes (
    node     INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    label    TEXT                             -- the code-point-smallest current spelling
);

CREATE TABLE path_nodes (
    node  INTEGER NOT NULL REFERENCES nodes,
    path  INTEGER NOT NULL REFERENCES paths,
    depth INTEGER NOT NULL,                   -- 0 is the site, 1 a top category
    PRIMARY KEY (node, path)
) WITHOUT ROWID;

-- What is remembered of an article for good, and (while it has sightings) what readers see of it.
CREATE TABLE articles (
    id         TEXT PRIMARY KEY,              -- minted ids without their common prefix
    first_seen INTEGER NOT NULL,
    adopted    INTEGER,                       -- the date that subscribers have, from a feed of before
    link       TEXT,                          -- that they have; the article's own outweighs it
    text_hash  BLOB,
    text_since INTEGER,
    removed    INTEGER NOT NULL DEFAULT 0,
    source     INTEGER REFERENCES sources,    -- the winner's; NULL: nothing is shown
    locator    TEXT,
    item_hash  BLOB,
    published  INTEGER,
    updated    INTEGER,
    held       INTEGER NOT NULL DEFAULT 0,
    paths      TEXT
) WITHOUT ROWID;

CREATE INDEX articles_held ON articles (published) WHERE held;

CREATE TABLE keys (
    key BLOB PRIMARY KEY,
    id  TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX keys_of ON keys (id);

-- Every document that a source holds; `id` is NULL where it is no article (a draft, a broken file).
CREATE TABLE sightings (
    source        INTEGER NOT NULL REFERENCES sources,
    locator       TEXT NOT NULL,
    size          INTEGER NOT NULL,
    mtime_ns      INTEGER NOT NULL,
    inode         INTEGER NOT NULL,
    digest        BLOB NOT NULL,
    status        TEXT NOT NULL,
    reason        TEXT,
    missing_since INTEGER,
    missing_scans INTEGER NOT NULL DEFAULT 0,
    id            TEXT,
    first_seen    INTEGER,
    published     INTEGER,                    -- as believed
    text_since    INTEGER,
    title         TEXT,
    title_key     TEXT,                       -- NULL: equal to the title
    date          INTEGER,                    -- as read
    day           INTEGER,
    dating        TEXT,
    updated       INTEGER,
    paths         TEXT,
    tags          TEXT,
    author        TEXT,
    image         TEXT,
    link          TEXT,
    guid          TEXT,
    summary       TEXT,
    body_hash     BLOB,
    text_hash     BLOB,
    item_hash     BLOB,
    dated_since   INTEGER,
    extra         TEXT,                       -- JSON: what an article brings from a feed of somebody else's
    PRIMARY KEY (source, locator)
) WITHOUT ROWID;

-- What the last scan of a source could not list: below it, nothing is known to be missing.
CREATE TABLE unlisted (
    source INTEGER NOT NULL REFERENCES sources,
    prefix TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, prefix)
) WITHOUT ROWID;

CREATE INDEX sightings_of ON sightings (id) WHERE id IS NOT NULL;
-- Of those that lie in no file: what is asked for at each answer of their server.
CREATE INDEX sightings_remote ON sightings (source, first_seen DESC, digest, published, dating, paths) WHERE inode = 0;
CREATE INDEX sightings_missing ON sightings (source, body_hash) WHERE missing_since IS NOT NULL;

-- The body of a sighting that lies in no file: what was read from the web may not be had again.
CREATE TABLE documents (
    source  INTEGER NOT NULL REFERENCES sources,
    locator TEXT NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (source, locator)
);

CREATE TRIGGER documents_go AFTER DELETE ON sightings BEGIN
    DELETE FROM documents WHERE source = old.source AND locator = old.locator;
END;

-- The feed order of every node: published descending, then id.
CREATE TABLE memberships (
    node      INTEGER NOT NULL,
    published INTEGER NOT NULL,
    id        TEXT NOT NULL,
    PRIMARY KEY (node, published DESC, id)
) WITHOUT ROWID;

-- How many articles each node has: counting them takes a while where there are a hundred thousand.
CREATE TABLE tallies (
    node     INTEGER PRIMARY KEY,
    articles INTEGER NOT NULL
);

CREATE TRIGGER memberships_come AFTER INSERT ON memberships BEGIN
    INSERT OR IGNORE INTO tallies (node, articles) VALUES (new.node, 0);
    UPDATE tallies SET articles = articles + 1 WHERE node = new.node;
END;

CREATE TRIGGER memberships_go AFTER DELETE ON memberships BEGIN
    UPDATE tallies SET articles = articles - 1 WHERE node = old.node;
END;

CREATE TABLE marks (
    node     INTEGER PRIMARY KEY,
    seq      INTEGER NOT NULL,
    retry_at INTEGER
);

CREATE TABLE feeds (
    node         INTEGER PRIMARY KEY,
    fingerprint  TEXT NOT NULL,
    updated      INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    files        TEXT NOT NULL                -- {path: [sha256, stamp]}
);

CREATE TABLE feed_entries (
    node INTEGER NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (node, id)
) WITHOUT ROWID;

CREATE INDEX feeds_of ON feed_entries (id);

-- With row numbers: without them a row of this size leaves most of a page empty.
CREATE TABLE bodies (
    id   TEXT NOT NULL PRIMARY KEY,
    key  BLOB NOT NULL,                       -- of the text and of everything that cleaning depends on
    body BLOB NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0           -- even when the article is in no feed
);

-- The articles that have been in the site's feed, in the order in which they first were.
CREATE TABLE archived (
    seq  INTEGER PRIMARY KEY,
    id   TEXT NOT NULL UNIQUE,
    page INTEGER                              -- NULL: the site's feed held it when it was last written
);

CREATE INDEX archived_on ON archived (page);

-- A number is never given twice.
CREATE TABLE archive_pages (
    page        INTEGER PRIMARY KEY AUTOINCREMENT,
    changes     INTEGER NOT NULL DEFAULT 1,
    written     INTEGER NOT NULL DEFAULT 0,   -- the number of changes that its files show
    fingerprint TEXT NOT NULL DEFAULT '',
    files       TEXT NOT NULL DEFAULT '{}'    -- as those of a feed
);

CREATE INDEX archive_pages_stale ON archive_pages (page) WHERE changes <> written;

-- Entries that a feed held and that readers see no more.
CREATE TABLE deletions (
    node INTEGER NOT NULL,
    id   TEXT NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (node, id)
) WITHOUT ROWID;

CREATE INDEX deletions_of ON deletions (id);
CREATE INDEX deletions_at ON deletions (at);


-- The pages of articles that have one of their own, while they are in a feed.
CREATE TABLE article_pages (
    id     TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    stamp  TEXT NOT NULL
) WITHOUT ROWID;

-- What could not be published when it was last tried.
CREATE TABLE faults (
    kind    TEXT NOT NULL,                    -- as in store.FaultKind
    subject TEXT NOT NULL,                    -- the path of a feed's node, nothing, or an article's id
    since   INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;

-- The sources and categories that are watched, and whether they are silent.
CREATE TABLE alerts (
    kind    TEXT NOT NULL,                    -- source or category
    subject TEXT NOT NULL,                    -- a source's name, or a category's path as configured
    watched INTEGER NOT NULL,                 -- since when
    cause   TEXT,                             -- NULL: it is as it should be
    since   INTEGER,
    told    INTEGER NOT NULL DEFAULT 0,       -- the operator's command knows of it
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;

-- The directories that feeds were published in and left, in that order, and whose feeds they were.
CREATE TABLE departures (
    seq       INTEGER PRIMARY KEY,
    directory TEXT NOT NULL UNIQUE,
    identity  TEXT NOT NULL                   -- as in nodes, which forget what is gone
);

-- What changed in the output, and who has not been told yet. Numbers are not used twice: what changes while somebody is
-- being told has another one.
CREATE TABLE news (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    listener TEXT NOT NULL,
    path     TEXT NOT NULL,
    UNIQUE (listener, path)
);

CREATE TABLE history (
    id      TEXT NOT NULL,
    at      INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    source  TEXT NOT NULL,
    locator TEXT NOT NULL,
    note    TEXT
);

CREATE INDEX history_of ON history (id, at);
