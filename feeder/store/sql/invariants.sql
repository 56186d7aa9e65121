-- What must hold in every state, by name: each statement finds what breaks it. "mend_" and a name: the statements that mend
-- it, in their order. ":now" is the time in seconds.

-- name: views
CREATE TEMP VIEW IF NOT EXISTS counted_paths AS
SELECT paths.path, coalesce(found.number, 0) AS sightings FROM paths LEFT JOIN (
    SELECT each.value AS path, count(*) AS number
    FROM sightings, json_each('[' || sightings.paths || ']') AS each GROUP BY each.value
) AS found ON found.path = paths.path;

CREATE TEMP VIEW IF NOT EXISTS wanted_memberships AS
SELECT (SELECT node FROM nodes WHERE identity = '[]') AS node, published, id
FROM articles WHERE source IS NOT NULL AND NOT held
UNION
SELECT above.node, articles.published, articles.id
FROM articles CROSS JOIN json_each('[' || articles.paths || ']') AS each
    CROSS JOIN (SELECT DISTINCT path, node FROM path_nodes) AS above  -- by itself, so that it gets an index by path
WHERE above.path = each.value AND articles.source IS NOT NULL AND NOT held;

CREATE TEMP VIEW IF NOT EXISTS counted_memberships AS
SELECT node, count(*) AS articles FROM memberships GROUP BY node;

CREATE TEMP VIEW IF NOT EXISTS wanted_labels AS
SELECT node, min(json_extract(labels, '$[' || (depth - 1) || ']')) AS label
FROM path_nodes JOIN paths USING (path) WHERE sightings > 0 AND depth > 0 GROUP BY node;

-- name: sightings_of_nothing
SELECT DISTINCT id FROM sightings WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = sightings.id);

-- name: mend_sightings_of_nothing
INSERT OR IGNORE INTO articles (id, first_seen)
SELECT id, min(first_seen) FROM sightings WHERE id IS NOT NULL GROUP BY id;

-- name: keys_of_nothing
SELECT DISTINCT id FROM keys WHERE NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = keys.id);

-- name: mend_keys_of_nothing
INSERT OR IGNORE INTO articles (id, first_seen) SELECT DISTINCT id, :now FROM keys;

-- name: articles_without_a_key
SELECT DISTINCT id FROM sightings WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = sightings.id);

-- name: mend_articles_without_a_key
UPDATE sources SET fingerprint = NULL, next_poll = min(next_poll, :now) WHERE source IN (
    SELECT source FROM sightings WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = sightings.id)
);

-- name: shown_without_a_sighting
SELECT id FROM articles WHERE source IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM sightings
    WHERE sightings.source = articles.source AND sightings.locator = articles.locator AND sightings.id = articles.id
);

-- name: not_shown
SELECT id FROM articles WHERE source IS NULL AND NOT removed AND EXISTS (
    SELECT 1 FROM sightings JOIN sources USING (source) WHERE sightings.id = articles.id AND enabled
);

-- name: shown_though_taken_down
SELECT id FROM articles WHERE removed AND source IS NOT NULL;

-- name: counts_of_spellings
SELECT labels FROM paths JOIN counted_paths USING (path) WHERE paths.sightings <> counted_paths.sightings;

-- name: mend_counts_of_spellings
CREATE TEMP TABLE recounted AS SELECT path, sightings FROM counted_paths;
UPDATE paths SET sightings = (SELECT sightings FROM recounted WHERE recounted.path = paths.path);
DROP TABLE recounted;

-- name: memberships
SELECT id FROM (SELECT node, published, id FROM wanted_memberships EXCEPT SELECT node, published, id FROM memberships)
UNION
SELECT id FROM (SELECT node, published, id FROM memberships EXCEPT SELECT node, published, id FROM wanted_memberships);

-- name: mend_memberships
CREATE TEMP TABLE amiss AS
SELECT node, published, id, 1 AS wanted
FROM (SELECT node, published, id FROM wanted_memberships EXCEPT SELECT node, published, id FROM memberships)
UNION ALL
SELECT node, published, id, 0
FROM (SELECT node, published, id FROM memberships EXCEPT SELECT node, published, id FROM wanted_memberships);
INSERT INTO memberships (node, published, id) SELECT node, published, id FROM amiss WHERE wanted;
DELETE FROM memberships WHERE (node, published, id) IN (SELECT node, published, id FROM amiss WHERE NOT wanted);
INSERT INTO marks (node, seq) SELECT DISTINCT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM amiss WHERE true
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, retry_at = NULL;
DROP TABLE amiss;

-- name: tallies
SELECT coalesce(identity, '?') FROM (
    SELECT node, articles FROM counted_memberships EXCEPT SELECT node, articles FROM tallies
    UNION
    SELECT node, articles FROM tallies
    WHERE articles <> coalesce((SELECT articles FROM counted_memberships AS c WHERE c.node = tallies.node), 0)
) LEFT JOIN nodes USING (node);

-- name: mend_tallies
DELETE FROM tallies;
INSERT INTO tallies (node, articles) SELECT node, articles FROM counted_memberships;
INSERT INTO marks (node, seq) SELECT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM tallies WHERE true
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, retry_at = NULL;

-- name: labels
SELECT identity FROM nodes JOIN wanted_labels USING (node) WHERE nodes.label IS NOT wanted_labels.label;

-- name: mend_labels
CREATE TEMP TABLE relabeled AS
SELECT node, wanted_labels.label FROM nodes JOIN wanted_labels USING (node) WHERE nodes.label IS NOT wanted_labels.label;
UPDATE nodes SET label = (SELECT label FROM relabeled WHERE relabeled.node = nodes.node)
WHERE node IN (SELECT node FROM relabeled);
INSERT INTO marks (node, seq) SELECT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM relabeled WHERE true
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, retry_at = NULL;
DROP TABLE relabeled;

-- name: marks_of_nothing
SELECT node FROM marks WHERE node NOT IN (SELECT node FROM nodes);

-- name: mend_marks_of_nothing
DELETE FROM marks WHERE node NOT IN (SELECT node FROM nodes);

-- name: feeds_of_nothing
SELECT coalesce((SELECT key FROM json_each(files) LIMIT 1), '?') FROM feeds WHERE node NOT IN (SELECT node FROM nodes);

-- name: mend_feeds_of_nothing
DELETE FROM feeds WHERE node NOT IN (SELECT node FROM nodes);

-- name: entries_of_nothing
SELECT id FROM feed_entries
WHERE node NOT IN (SELECT node FROM feeds) OR NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = feed_entries.id);

-- name: mend_entries_of_nothing
DELETE FROM feed_entries WHERE node NOT IN (SELECT node FROM feeds);
INSERT INTO marks (node, seq) SELECT DISTINCT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM feed_entries
WHERE NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = feed_entries.id)
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, retry_at = NULL;
DELETE FROM feed_entries WHERE NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = feed_entries.id);

-- name: feeds_that_are_missing
SELECT identity FROM tallies JOIN nodes USING (node)
WHERE articles > 0 AND node NOT IN (SELECT node FROM feeds) AND node NOT IN (SELECT node FROM marks);

-- name: mend_feeds_that_are_missing
INSERT INTO marks (node, seq) SELECT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM tallies
WHERE articles > 0 AND node NOT IN (SELECT node FROM feeds) AND node NOT IN (SELECT node FROM marks);

-- name: feeds_that_are_over
SELECT identity FROM feeds JOIN nodes USING (node)
WHERE node NOT IN (SELECT node FROM memberships) AND node NOT IN (SELECT node FROM marks);

-- name: mend_feeds_that_are_over
INSERT INTO marks (node, seq) SELECT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM feeds
WHERE node NOT IN (SELECT node FROM memberships) AND node NOT IN (SELECT node FROM marks);

-- name: archived_nowhere
SELECT id FROM archived WHERE page IS NOT NULL AND page NOT IN (SELECT page FROM archive_pages);

-- name: mend_archived_nowhere
UPDATE archived SET page = NULL WHERE page IS NOT NULL AND page NOT IN (SELECT page FROM archive_pages);
INSERT INTO marks (node, seq) SELECT node, (SELECT coalesce(max(seq), 0) + 1 FROM marks) FROM nodes WHERE identity = '[]'
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, retry_at = NULL;
