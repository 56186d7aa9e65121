-- What invariants.sql says to PostgreSQL alone.

-- name: views
CREATE OR REPLACE TEMP VIEW counted_paths AS
SELECT paths.path, coalesce(found.number, 0) - coalesce(steps.number, 0) AS sightings FROM paths LEFT JOIN (
    SELECT path, sum(sightings)::bigint AS number FROM path_steps GROUP BY path
) AS steps USING (path) LEFT JOIN (
    SELECT each.path, count(*) AS number
    FROM sightings CROSS JOIN unnest(string_to_array(sightings.paths, ',')::bigint[]) AS each (path) GROUP BY each.path
) AS found ON found.path = paths.path;

CREATE OR REPLACE TEMP VIEW wanted_memberships AS
SELECT (SELECT node FROM nodes WHERE identity = '[]') AS node, published, id
FROM articles WHERE source IS NOT NULL AND NOT held
UNION
SELECT above.node, articles.published, articles.id
FROM articles CROSS JOIN unnest(string_to_array(articles.paths, ',')::bigint[]) AS each (path)
    JOIN path_nodes AS above USING (path)
WHERE articles.source IS NOT NULL AND NOT held;

CREATE OR REPLACE TEMP VIEW counted_memberships AS
SELECT node, count(*) AS articles FROM memberships GROUP BY node;

CREATE OR REPLACE TEMP VIEW wanted_labels AS
SELECT node, min((labels::json ->> (depth - 1)::int) COLLATE "C") AS label
FROM path_nodes JOIN paths USING (path) WHERE sightings > 0 AND depth > 0 GROUP BY node;

-- name: feeds_of_nothing
SELECT coalesce((SELECT min(path) FROM json_object_keys(files::json) AS each (path)), '?') FROM feeds WHERE node NOT IN (SELECT node FROM nodes);

-- name: mend_tallies
DELETE FROM tally_steps;
INSERT INTO tally_steps (node, articles) SELECT node, articles FROM counted_memberships;
SELECT node FROM tallies;
