-- What invariants.sql says to SQLite alone.

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

-- name: feeds_of_nothing
SELECT coalesce((SELECT key FROM json_each(files) LIMIT 1), '?') FROM feeds WHERE node NOT IN (SELECT node FROM nodes);

-- name: mend_tallies
DELETE FROM tallies;
INSERT INTO tallies (node, articles) SELECT node, articles FROM counted_memberships;
SELECT node FROM tallies;
