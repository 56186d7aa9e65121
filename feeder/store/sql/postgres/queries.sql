-- What PostgreSQL is told in a way of its own, or because many write at once.

-- name: due_sources
SELECT source, name FROM sources
WHERE rank IS NOT NULL AND enabled AND NOT paused AND next_poll <= :now AND (leased_until IS NULL OR leased_until <= :now)
ORDER BY next_poll, rank LIMIT :limit FOR UPDATE SKIP LOCKED;

-- Its values are columns: many rows go at once.
-- name: polls_succeeded
UPDATE sources SET leased_until = NULL, next_poll = polled.next, why = polled.why, last_poll = polled.now,
    last_success = polled.now, failures = 0, error = NULL, failed_with = NULL, accepted = FALSE
FROM unnest(?::text[], ?::bigint[], ?::text[], ?::bigint[]) AS polled (name, next, why, now)
WHERE sources.name = polled.name;

-- Shard by shard: of a million sources that are due, none is read but those that are wanted.
-- name: due_shards
SELECT shard FROM generate_series(0, :last) AS each (shard)
WHERE EXISTS (
    SELECT 1 FROM sources
    WHERE sources.shard = each.shard AND rank IS NOT NULL AND enabled AND NOT paused AND next_poll <= :now
)
ORDER BY shard;

-- name: newest_of
SELECT name, published FROM sources CROSS JOIN LATERAL (
    SELECT published FROM sightings WHERE sightings.source = sources.source AND inode = 0 AND dating <> 'none'
    ORDER BY published DESC LIMIT ?
) AS found
WHERE name IN (?*) ORDER BY name, published DESC;

-- name: clear_scan
TRUNCATE scan;

-- One by one, in the one part where a key can be: "= ANY" would look into all parts, and a join might read all keys.
-- name: owners
SELECT wanted.key, id FROM unnest(?*::bytea[]) AS wanted (key)
    CROSS JOIN LATERAL (SELECT id FROM keys WHERE keys.key = wanted.key LIMIT 1) AS owner;

-- Put last: the default of a new row is a new number.
-- name: put_departure
INSERT INTO departures (directory, identity) VALUES (?, ?)
ON CONFLICT (directory) DO UPDATE SET identity = excluded.identity, seq = excluded.seq;

-- name: put_news
INSERT INTO news (listener, path) VALUES (?, ?) ON CONFLICT (listener, path) DO UPDATE SET seq = excluded.seq;

-- A new version of the row is what others stumble over who decide at the same time.
-- name: hold_article
UPDATE articles SET first_seen = first_seen WHERE id IN (?*);

-- name: next_seq
SELECT nextval('marks_made');

-- name: put_mark
INSERT INTO marks (node, seq) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: put_late_mark
WITH given AS (SELECT ? AS node, ? AS seq, ? AS retry_at),
late AS (UPDATE marks SET retry_at = given.retry_at FROM given WHERE marks.node = given.node RETURNING marks.node)
INSERT INTO marks (node, seq, retry_at) SELECT node, seq, retry_at FROM given WHERE NOT EXISTS (SELECT 1 FROM late);

-- name: stale
SELECT identity, seqs FROM (
    SELECT node, string_agg(seq::text, ',') AS seqs,
        bool_or(retry_at IS NULL OR retry_at <= :now OR retry_at > :now + 3600) AS may_be_written
    FROM marks GROUP BY node
) AS marked JOIN nodes USING (node) LEFT JOIN feeds USING (node)
WHERE may_be_written AND (published_at IS NULL OR published_at + :settle <= :now OR published_at > :now);

-- name: marked
SELECT DISTINCT identity FROM marks JOIN nodes USING (node);

-- name: put_page
WITH next AS (UPDATE archive_numbers SET last = last + 1 RETURNING last)
INSERT INTO archive_pages (page) SELECT last FROM next RETURNING page;

-- name: put_page_number
UPDATE archive_numbers SET last = greatest(last, :number);

-- name: put_path_step
INSERT INTO path_steps (path, sightings) VALUES (?, ?);

-- name: has_path_steps
SELECT 1 FROM path_steps LIMIT 1;

-- Rows are locked in one order, whoever does it.
-- name: add_up_path_steps
WITH gone AS (
    DELETE FROM path_steps WHERE ctid = ANY (ARRAY(SELECT ctid FROM path_steps FOR UPDATE SKIP LOCKED))
    RETURNING path, sightings
),
added AS (SELECT path, sum(sightings)::bigint AS by FROM gone GROUP BY path),
held AS (SELECT path, by FROM paths JOIN added USING (path) ORDER BY path FOR NO KEY UPDATE OF paths)
UPDATE paths SET sightings = sightings + by FROM held WHERE held.path = paths.path RETURNING paths.path, sightings, by;

-- name: last_number
SELECT last FROM archive_numbers;

-- name: spellings
SELECT labels::json ->> (depth - 1)::int FROM path_nodes JOIN paths USING (path)
WHERE node = ? AND sightings > 0 AND depth > 0;

-- Its spellings may not have been counted yet, and whoever is to do that may have died.
-- name: live_nodes
SELECT identity, coalesce(label, (
    SELECT min((labels::json ->> (depth - 1)::int) COLLATE "C") FROM path_nodes JOIN paths USING (path)
    WHERE path_nodes.node = nodes.node AND depth > 0
), '') FROM nodes
WHERE EXISTS (SELECT 1 FROM memberships WHERE memberships.node = nodes.node);

-- name: expired
WITH bounds AS (
    SELECT source, name, CASE WHEN latest < :before THEN latest ELSE :before END AS bound
    FROM sources CROSS JOIN LATERAL (
        SELECT max(offered) AS latest FROM sightings WHERE sightings.source = sources.source AND offered IS NOT NULL
    ) AS last
    WHERE enabled AND rank IS NOT NULL AND latest IS NOT NULL
)
SELECT name, locator, id FROM bounds JOIN sightings USING (source)
WHERE offered IS NOT NULL AND offered < bound
    AND NOT EXISTS (
        SELECT 1 FROM sightings AS other LEFT JOIN bounds AS theirs ON theirs.source = other.source
        WHERE other.id = sightings.id AND NOT coalesce(other.offered < theirs.bound, FALSE)
    )
    AND NOT EXISTS (SELECT 1 FROM feed_entries WHERE feed_entries.id = sightings.id)
    AND NOT EXISTS (SELECT 1 FROM archived WHERE archived.id = sightings.id)
    AND NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = sightings.id AND (held OR removed))
LIMIT :limit;

-- The steps of a node become one.
-- name: add_up
WITH gone AS (
    DELETE FROM tally_steps WHERE node IN (SELECT node FROM tally_steps GROUP BY node HAVING count(*) > 1)
    RETURNING node, articles
)
INSERT INTO tally_steps (node, articles) SELECT node, sum(articles) FROM gone GROUP BY node;

-- name: clock
SELECT extract(epoch FROM clock_timestamp())::bigint;

-- name: take_lease
INSERT INTO leases (name, holder, node, until) VALUES (:name, :holder, :node, extract(epoch FROM clock_timestamp())::bigint + :lasting)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, node = excluded.node, until = excluded.until
WHERE leases.until <= extract(epoch FROM clock_timestamp())::bigint;

-- name: keep_leases
UPDATE leases SET until = extract(epoch FROM clock_timestamp())::bigint + ? WHERE holder IN (?*) AND until > 0;

-- Whoever takes the lease writes another holder, which is part of a unique index: so this waits for nobody who only makes
-- it last, and holds off the next one until the end of the transaction.
-- name: hold_lease
SELECT 1 FROM leases WHERE name = :name AND holder = :holder FOR KEY SHARE;

-- name: forget_leases
DELETE FROM leases WHERE until < extract(epoch FROM clock_timestamp())::bigint - :since;

-- name: put_peer
INSERT INTO peers (node, started, seen, facts) VALUES (:node, :started, extract(epoch FROM clock_timestamp())::bigint, :facts)
ON CONFLICT (node) DO UPDATE SET started = excluded.started, seen = excluded.seen, facts = excluded.facts;

-- name: forget_silent
DELETE FROM peers WHERE seen < extract(epoch FROM clock_timestamp())::bigint - :since;

-- name: stale_in
SELECT identity, seqs FROM (
    SELECT node, string_agg(seq::text, ',') AS seqs,
        bool_or(retry_at IS NULL OR retry_at <= :now OR retry_at > :now + 3600) AS may_be_written
    FROM marks GROUP BY node
) AS marked JOIN nodes USING (node) LEFT JOIN feeds USING (node)
WHERE may_be_written AND (published_at IS NULL OR published_at + :settle <= :now OR published_at > :now)
    AND CASE identity WHEN '[]' THEN -1 ELSE node % :feeds END = :shard;

-- name: stale_shards
SELECT DISTINCT CASE identity WHEN '[]' THEN -1 ELSE node % :feeds END AS shard
FROM marks JOIN nodes USING (node) LEFT JOIN feeds USING (node)
WHERE (retry_at IS NULL OR retry_at <= :now OR retry_at > :now + 3600)
    AND (published_at IS NULL OR published_at + :settle <= :now OR published_at > :now)
ORDER BY shard;
