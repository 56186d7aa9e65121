-- Fills a new state with many articles, each in three categories; the names in braces are put in by large.py.

INSERT INTO nodes (node, identity) VALUES (1, '[]');

INSERT INTO nodes (node, identity, label) SELECT n + 1, format('["c%s"]', n), format('C%s', n)
FROM generate_series(1, {nodes}) AS n;

INSERT INTO paths (path, labels, sightings) SELECT n, format('["C%s"]', n), {articles} * {each} / {nodes}
FROM generate_series(1, {nodes}) AS n;

INSERT INTO path_nodes (node, path, depth) SELECT 1, n, 0
FROM generate_series(1, {nodes}) AS n
UNION ALL SELECT n + 1, n, 1
FROM generate_series(1, {nodes}) AS n;

CREATE TEMP TABLE made AS SELECT n, substr(md5(n::text), 1, 26) AS id, {since} + n * 60 AS published, decode(md5(n::text), 'hex') AS hash, concat_ws(',', n % {nodes} + 1, (n * 7 + 3) % {nodes} + 1, (n * 13 + 5) % {nodes} + 1) AS paths
FROM generate_series(1, {articles}) AS n;

INSERT INTO articles (id, first_seen, text_hash, text_since, source, locator, item_hash, published, updated, paths) SELECT id, published, hash, published, 1, n || '.md', hash, published, published, paths
FROM made;

INSERT INTO sightings (source, locator, size, mtime_ns, inode, digest, status, id, first_seen, published, text_since, title, date, day, dating, paths, body_hash, text_hash, item_hash) SELECT 1, n || '.md', 4000, n, n, hash, 'good', id, published, published, published, 'An article with the number ' || n, published, published / 86400 + 719163, 'zoned', paths, hash, hash, hash
FROM made;

INSERT INTO keys (key, id) SELECT hash, id
FROM made;

INSERT INTO memberships (node, published, id) SELECT 1, published, id
FROM made;

INSERT INTO memberships (node, published, id) SELECT DISTINCT path + 1, published, id
FROM made CROSS JOIN unnest(string_to_array(paths, ',')::bigint[]) AS path;

DROP TABLE made;

SELECT setval(pg_get_serial_sequence('nodes', 'node'), {nodes} + 1), setval(pg_get_serial_sequence('paths', 'path'), {nodes});
