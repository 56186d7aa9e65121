-- What SQLite is told in a way of its own.

-- name: due_sources
SELECT source, name FROM sources
WHERE rank IS NOT NULL AND enabled AND NOT paused AND next_poll <= :now AND (leased_until IS NULL OR leased_until <= :now)
ORDER BY next_poll, rank LIMIT :limit;

-- name: polls_succeeded
UPDATE sources SET leased_until = NULL, next_poll = ?2, why = ?3, last_poll = ?4, last_success = ?4,
    failures = 0, error = NULL, failed_with = NULL, accepted = FALSE
WHERE name = ?1;

-- name: due_shards
SELECT DISTINCT shard FROM sources
WHERE shard <= :last AND rank IS NOT NULL AND enabled AND NOT paused AND next_poll <= :now ORDER BY shard;

-- name: newest_of
WITH wanted (most) AS (SELECT ?)
SELECT name, published FROM (
    SELECT name, published, row_number() OVER (PARTITION BY source ORDER BY published DESC) AS number
    FROM sources CROSS JOIN sightings INDEXED BY sightings_remote USING (source)
    WHERE name IN (?*) AND inode = 0 AND dating <> 'none'
) CROSS JOIN wanted WHERE number <= most ORDER BY name, number;

-- name: clear_scan
DELETE FROM scan;

-- name: owners
SELECT key, id FROM keys WHERE key IN (?*);

-- name: put_departure
INSERT OR REPLACE INTO departures (directory, identity) VALUES (?, ?);

-- name: put_news
INSERT OR REPLACE INTO news (listener, path) VALUES (?, ?);

-- Where others decide at the same time, whoever decides about an article that stays as it is tells them so.
-- name: hold_article
SELECT id FROM articles WHERE FALSE AND id IN (?*);

-- name: next_seq
SELECT coalesce(max(seq), 0) + 1 FROM marks;

-- name: put_mark
INSERT INTO marks (node, seq) VALUES (?, ?)
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, retry_at = NULL;

-- name: put_late_mark
INSERT INTO marks (node, seq, retry_at) VALUES (?, ?, ?)
ON CONFLICT (node) DO UPDATE SET retry_at = excluded.retry_at;

-- name: stale
SELECT nodes.identity, CAST(marks.seq AS TEXT) FROM marks JOIN nodes USING (node) LEFT JOIN feeds USING (node)
WHERE (coalesce(retry_at, 0) <= :now OR retry_at > :now + 3600)  -- a time far ahead: the clock was set back
    AND (published_at IS NULL OR published_at + :settle <= :now OR published_at > :now);

-- name: marked
SELECT identity FROM marks JOIN nodes USING (node);

-- name: put_page
INSERT INTO archive_pages DEFAULT VALUES RETURNING page;

-- name: put_page_number
INSERT INTO archive_pages (page)
SELECT :number WHERE :number > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'archive_pages'), 0)
ON CONFLICT DO NOTHING;

-- name: last_number
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'archive_pages'), 0);

-- name: spellings
SELECT json_extract(labels, '$[' || (depth - 1) || ']') FROM path_nodes JOIN paths USING (path)
WHERE node = ? AND sightings > 0 AND depth > 0;

-- What was in the last document of its source that brought anything is offered still, however long ago that was.
-- name: expired
WITH bounds AS (
    SELECT source, name, min(:before, (
        SELECT max(offered) FROM sightings INDEXED BY sightings_offered WHERE sightings.source = sources.source AND offered IS NOT NULL
    )) AS bound
    FROM sources WHERE enabled AND rank IS NOT NULL
)
SELECT name, locator, id FROM bounds CROSS JOIN sightings INDEXED BY sightings_offered USING (source)
WHERE offered IS NOT NULL AND offered < bound
    AND NOT EXISTS (
        SELECT 1 FROM sightings AS other LEFT JOIN bounds AS theirs ON theirs.source = other.source
        WHERE other.id = sightings.id AND coalesce(other.offered < theirs.bound, 0) = 0
    )
    AND NOT EXISTS (SELECT 1 FROM feed_entries WHERE feed_entries.id = sightings.id)
    AND NOT EXISTS (SELECT 1 FROM archived WHERE archived.id = sightings.id)
    AND NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = sightings.id AND (held OR removed))
LIMIT :limit;

-- name: clock
SELECT unixepoch();

-- name: take_lease
INSERT INTO leases (name, holder, node, until) VALUES (:name, :holder, :node, unixepoch() + :lasting)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, node = excluded.node, until = excluded.until
WHERE leases.until <= unixepoch();

-- name: keep_leases
UPDATE leases SET until = unixepoch() + ? WHERE holder IN (?*) AND until > 0;

-- name: hold_lease
SELECT 1 FROM leases WHERE name = :name AND holder = :holder;

-- name: forget_leases
DELETE FROM leases WHERE until < unixepoch() - :since;

-- name: put_peer
INSERT INTO peers (node, started, seen, facts) VALUES (:node, :started, unixepoch(), :facts)
ON CONFLICT (node) DO UPDATE SET started = excluded.started, seen = excluded.seen, facts = excluded.facts;

-- name: forget_silent
DELETE FROM peers WHERE seen < unixepoch() - :since;

-- name: stale_in
SELECT nodes.identity, CAST(marks.seq AS TEXT) FROM marks JOIN nodes USING (node) LEFT JOIN feeds USING (node)
WHERE (coalesce(retry_at, 0) <= :now OR retry_at > :now + 3600)
    AND (published_at IS NULL OR published_at + :settle <= :now OR published_at > :now)
    AND CASE identity WHEN '[]' THEN -1 ELSE node % :feeds END = :shard;

-- name: stale_shards
SELECT DISTINCT CASE identity WHEN '[]' THEN -1 ELSE node % :feeds END AS shard
FROM marks JOIN nodes USING (node) LEFT JOIN feeds USING (node)
WHERE (coalesce(retry_at, 0) <= :now OR retry_at > :now + 3600)
    AND (published_at IS NULL OR published_at + :settle <= :now OR published_at > :now)
ORDER BY shard;
