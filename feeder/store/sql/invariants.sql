-- What must hold in every state, by name: each statement finds what breaks it. "mend_" and a name: the statements that mend
-- it, in their order; a SELECT among them yields the nodes that are stale by it. ":now" is the time in seconds.

-- name: sightings_of_nothing
SELECT DISTINCT id FROM sightings WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = sightings.id);

-- name: mend_sightings_of_nothing
INSERT INTO articles (id, first_seen)
SELECT id, min(first_seen) FROM sightings WHERE id IS NOT NULL GROUP BY id ON CONFLICT DO NOTHING;

-- name: keys_of_nothing
SELECT DISTINCT id FROM keys WHERE NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = keys.id);

-- name: mend_keys_of_nothing
INSERT INTO articles (id, first_seen) SELECT DISTINCT id, CAST(:now AS bigint) FROM keys WHERE TRUE ON CONFLICT DO NOTHING;

-- name: articles_without_a_key
SELECT DISTINCT id FROM sightings WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = sightings.id);

-- name: mend_articles_without_a_key
UPDATE sources SET fingerprint = NULL, next_poll = CASE WHEN next_poll < :now THEN next_poll ELSE :now END WHERE source IN (
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
SELECT id FROM (SELECT node, published, id FROM wanted_memberships EXCEPT SELECT node, published, id FROM memberships) AS amiss
UNION
SELECT id FROM (SELECT node, published, id FROM memberships EXCEPT SELECT node, published, id FROM wanted_memberships) AS amiss;

-- name: mend_memberships
CREATE TEMP TABLE amiss AS
SELECT node, published, id, TRUE AS wanted
FROM (SELECT node, published, id FROM wanted_memberships EXCEPT SELECT node, published, id FROM memberships) AS amiss
UNION ALL
SELECT node, published, id, FALSE
FROM (SELECT node, published, id FROM memberships EXCEPT SELECT node, published, id FROM wanted_memberships) AS amiss;
INSERT INTO memberships (node, published, id) SELECT node, published, id FROM amiss WHERE wanted;
DELETE FROM memberships WHERE (node, published, id) IN (SELECT node, published, id FROM amiss WHERE NOT wanted);
SELECT DISTINCT node FROM amiss;
DROP TABLE amiss;

-- name: tallies
SELECT coalesce(identity, '?') FROM (
    SELECT node, articles FROM counted_memberships EXCEPT SELECT node, articles FROM tallies
    UNION
    SELECT node, articles FROM tallies
    WHERE articles <> coalesce((SELECT articles FROM counted_memberships AS c WHERE c.node = tallies.node), 0)
) AS amiss LEFT JOIN nodes USING (node);

-- name: labels
SELECT identity FROM nodes JOIN wanted_labels USING (node) WHERE coalesce(nodes.label, '') <> wanted_labels.label;

-- name: mend_labels
CREATE TEMP TABLE relabeled AS
SELECT node, wanted_labels.label FROM nodes JOIN wanted_labels USING (node) WHERE coalesce(nodes.label, '') <> wanted_labels.label;
UPDATE nodes SET label = (SELECT label FROM relabeled WHERE relabeled.node = nodes.node)
WHERE node IN (SELECT node FROM relabeled);
SELECT node FROM relabeled;
DROP TABLE relabeled;

-- name: marks_of_nothing
SELECT node FROM marks WHERE node NOT IN (SELECT node FROM nodes);

-- name: mend_marks_of_nothing
DELETE FROM marks WHERE node NOT IN (SELECT node FROM nodes);

-- name: mend_feeds_of_nothing
DELETE FROM feeds WHERE node NOT IN (SELECT node FROM nodes);

-- name: entries_of_nothing
SELECT id FROM feed_entries
WHERE node NOT IN (SELECT node FROM feeds) OR NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = feed_entries.id);

-- name: mend_entries_of_nothing
DELETE FROM feed_entries WHERE node NOT IN (SELECT node FROM feeds);
SELECT DISTINCT node FROM feed_entries
WHERE NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = feed_entries.id);
DELETE FROM feed_entries WHERE NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = feed_entries.id);

-- name: feeds_that_are_missing
SELECT identity FROM tallies JOIN nodes USING (node)
WHERE articles > 0 AND node NOT IN (SELECT node FROM feeds) AND node NOT IN (SELECT node FROM marks);

-- name: mend_feeds_that_are_missing
SELECT node FROM tallies
WHERE articles > 0 AND node NOT IN (SELECT node FROM feeds) AND node NOT IN (SELECT node FROM marks);

-- name: feeds_that_are_over
SELECT identity FROM feeds JOIN nodes USING (node)
WHERE node NOT IN (SELECT node FROM memberships) AND node NOT IN (SELECT node FROM marks);

-- name: mend_feeds_that_are_over
SELECT node FROM feeds
WHERE node NOT IN (SELECT node FROM memberships) AND node NOT IN (SELECT node FROM marks);

-- name: archived_nowhere
SELECT id FROM archived WHERE page IS NOT NULL AND page NOT IN (SELECT page FROM archive_pages);

-- name: mend_archived_nowhere
UPDATE archived SET page = NULL WHERE page IS NOT NULL AND page NOT IN (SELECT page FROM archive_pages);
SELECT node FROM nodes WHERE identity = '[]';
