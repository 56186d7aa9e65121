-- The statements of the tables, by name, that all databases read; those that not all do are in files of their own.
-- "(?*)" stands for as many placeholders as there are values; INDEXED BY and CROSS and +id are for SQLite alone.

-- name: set_meta
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: get_meta
SELECT value FROM meta WHERE name = ?;

-- name: sources
SELECT name, rank, next_poll, paused, accepted, failures, fingerprint, last_poll, last_success, error, failed_with, why, memo
FROM sources ORDER BY rank IS NULL, rank, name;

-- name: source
SELECT name, rank, next_poll, paused, accepted, failures, fingerprint, last_poll, last_success, error, failed_with, why, memo
FROM sources WHERE name = ?;

-- name: states
SELECT name, rank, next_poll, paused, accepted, failures, fingerprint, last_poll, last_success, error, failed_with, why, memo
FROM sources WHERE name IN (?*);

-- name: known_digests
SELECT digest FROM sightings INDEXED BY sightings_remote WHERE source = ? AND inode = 0 ORDER BY first_seen DESC LIMIT ?;

-- name: source_ids
SELECT name, source FROM sources;

-- name: rename_source
UPDATE sources SET name = :name, fingerprint = 'of another name' -- so that all is read anew
WHERE name = :was AND NOT EXISTS (SELECT 1 FROM sources AS other WHERE other.name = :name);

-- name: unrank_sources
UPDATE sources SET rank = NULL, leased_until = NULL;

-- name: put_source
INSERT INTO sources (name, rank, on_remove, enabled, shard) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET rank = excluded.rank, on_remove = excluded.on_remove, enabled = excluded.enabled,
    shard = excluded.shard;

-- name: left_sources
SELECT name FROM sources WHERE rank IS NULL AND on_remove = 'withdraw' ORDER BY name;

-- name: lease
UPDATE sources SET leased_until = ? WHERE source = ?;

-- name: poll_failed
UPDATE sources SET leased_until = NULL, next_poll = :next, why = :why, last_poll = :now, failures = failures + 1,
    error = :error, failed_with = :failed_with
WHERE name = :name;

-- name: set_memo
UPDATE sources SET memo = ? WHERE name = ?;

-- name: set_fingerprint
UPDATE sources SET fingerprint = ? WHERE name = ?;

-- name: request_poll
UPDATE sources SET next_poll = CASE WHEN next_poll < :now THEN next_poll ELSE :now END WHERE name = :name;

-- name: set_paused
UPDATE sources SET paused = ? WHERE name = ?;

-- name: accept
UPDATE sources SET accepted = TRUE, next_poll = CASE WHEN next_poll < :now THEN next_poll ELSE :now END WHERE name = :name;

-- name: scan_place
INSERT INTO scan (locator, size, mtime_ns, inode) VALUES (?, ?, ?, ?)
ON CONFLICT (locator) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode;

-- name: count_scan
SELECT count(*) FROM scan;

-- name: unlisted
SELECT prefix, reason FROM unlisted WHERE source = ? ORDER BY prefix;

-- name: clear_unlisted
DELETE FROM unlisted WHERE source = ?;

-- name: put_unlisted
INSERT INTO unlisted (source, prefix, reason) VALUES (?, ?, ?)
ON CONFLICT (source, prefix) DO UPDATE SET reason = excluded.reason;

-- name: scan_returns
SELECT DISTINCT id FROM sightings INDEXED BY sightings_missing
WHERE source = :source AND missing_since IS NOT NULL AND locator IN (SELECT locator FROM scan)
    AND EXISTS (SELECT 1 FROM sightings AS other
        WHERE other.id = sightings.id AND other.source = :source AND other.locator <> sightings.locator)
ORDER BY id;

-- name: scan_leaves
SELECT DISTINCT id FROM sightings INDEXED BY sightings_missing
WHERE source = :source AND missing_since IS NOT NULL AND missing_scans = 1
    AND EXISTS (SELECT 1 FROM sightings AS other
        WHERE other.id = sightings.id AND other.source = :source AND other.locator <> sightings.locator)
ORDER BY id;

-- name: scan_found_again
UPDATE sightings INDEXED BY sightings_missing SET missing_since = NULL, missing_scans = 0
WHERE source = ? AND missing_since IS NOT NULL AND locator IN (SELECT locator FROM scan);

-- name: scan_missing
UPDATE sightings SET missing_since = coalesce(missing_since, :now), missing_scans = missing_scans + 1
WHERE source = :source
    AND NOT EXISTS (SELECT 1 FROM scan WHERE scan.locator = sightings.locator)
    AND NOT EXISTS (SELECT 1 FROM unlisted WHERE unlisted.source = :source AND substr(sightings.locator, 1, length(prefix)) = prefix);

-- name: scan_missing_at
UPDATE sightings SET missing_since = coalesce(missing_since, :now), missing_scans = missing_scans + 1
WHERE source = :source AND locator = :at
    AND NOT EXISTS (SELECT 1 FROM scan WHERE scan.locator = sightings.locator)
    AND NOT EXISTS (SELECT 1 FROM unlisted WHERE unlisted.source = :source AND substr(sightings.locator, 1, length(prefix)) = prefix);

-- name: scan_missing_below
UPDATE sightings SET missing_since = coalesce(missing_since, :now), missing_scans = missing_scans + 1
WHERE source = :source AND locator > :at || '/' AND locator < :at || '0'  -- "0" follows "/"
    AND NOT EXISTS (SELECT 1 FROM scan WHERE scan.locator = sightings.locator)
    AND NOT EXISTS (SELECT 1 FROM unlisted WHERE unlisted.source = :source AND substr(sightings.locator, 1, length(prefix)) = prefix);

-- name: changed
SELECT scan.locator, scan.size, scan.mtime_ns, scan.inode, seen.digest, seen.status, seen.reason
FROM scan LEFT JOIN sightings AS seen ON seen.source = :source AND seen.locator = scan.locator
WHERE :everything OR seen.locator IS NULL OR seen.size <> scan.size OR seen.mtime_ns <> scan.mtime_ns
    OR seen.inode <> scan.inode
ORDER BY scan.locator;

-- name: sightings_at
SELECT $sighting, locator FROM sightings WHERE id IS NOT NULL AND source = ? AND locator IN (?*);

-- name: vanished
SELECT $sighting, locator FROM sightings INDEXED BY sightings_missing
WHERE id IS NOT NULL AND missing_since IS NOT NULL AND source = ? AND body_hash IN (?*);

-- name: memories
SELECT id, first_seen, adopted, link, text_hash, text_since, removed FROM articles WHERE id IN (?*);

-- name: copies
SELECT $sighting, locator, name FROM sightings JOIN sources USING (source) WHERE id IN (?*);

-- name: put_sighting
INSERT INTO sightings (source, locator, $place, $sighting) VALUES (?, ?, $place_values, $sighting_values)
ON CONFLICT (source, locator) DO UPDATE SET missing_scans = 0, $place_updates, $sighting_updates;

-- name: put_place
INSERT INTO sightings (source, locator, $place) VALUES (?, ?, $place_values)
ON CONFLICT (source, locator) DO UPDATE SET missing_since = NULL, missing_scans = 0, $place_updates;

-- name: put_date
UPDATE sightings SET date = ? WHERE source = ? AND locator = ?;

-- name: delete_sighting
DELETE FROM sightings WHERE source = ? AND locator = ?;

-- name: sighting_paths
SELECT id, paths FROM sightings WHERE source = ? AND locator = ?;

-- name: put_key
INSERT INTO keys (key, id) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: take_key
UPDATE keys SET id = ? WHERE key = ?;

-- name: namesakes
SELECT $sighting, locator, name FROM sightings JOIN sources USING (source)
WHERE status = 'good' AND missing_since IS NULL AND coalesce(title_key, title) IN (
    SELECT coalesce(title_key, title) FROM sightings WHERE id IS NOT NULL GROUP BY 1 HAVING min(id) <> max(id)
) AND name IN (?*);

-- name: sightings_of
SELECT id, name, locator FROM sightings JOIN sources USING (source) WHERE id IN (?*) ORDER BY name, locator;

-- name: move_sightings
UPDATE sightings SET id = ? WHERE id = ?;

-- name: move_keys
UPDATE keys SET id = ? WHERE id = ?;

-- name: put_event
INSERT INTO history (id, at, verdict, source, locator, note) VALUES (?, ?, ?, ?, ?, ?);

-- name: trim_history
DELETE FROM history WHERE rowid IN (SELECT rowid FROM history WHERE id = ? ORDER BY at DESC, rowid DESC LIMIT 1000000000 OFFSET ?);

-- name: standing
SELECT id, source, locator, item_hash, published, updated, held, paths FROM articles WHERE id IN (?*);

-- name: put_article
INSERT INTO articles
    (id, first_seen, text_hash, text_since, removed, source, locator, item_hash, published, updated, held, paths)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET text_hash = excluded.text_hash, text_since = excluded.text_since,
    removed = excluded.removed, source = excluded.source, locator = excluded.locator,
    item_hash = excluded.item_hash, published = excluded.published, updated = excluded.updated,
    held = excluded.held, paths = excluded.paths;

-- name: put_membership
INSERT INTO memberships (node, published, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: delete_membership
DELETE FROM memberships WHERE node = ? AND published = ? AND id = ?;

-- name: seen_at
SELECT locator, digest, status, reason FROM sightings WHERE source = ? AND locator IN (?*);

-- name: put_document
INSERT INTO documents (source, locator, body) VALUES (?, ?, ?)
ON CONFLICT (source, locator) DO UPDATE SET body = excluded.body;

-- name: documents
SELECT articles.id, body FROM articles JOIN documents USING (source, locator) WHERE articles.id IN (?*);

-- In this order: documents are few beside what lies in files.
-- name: old_documents
SELECT source, locator FROM documents CROSS JOIN sources USING (source) CROSS JOIN sightings USING (source, locator)
WHERE enabled AND first_seen < ?
    AND NOT EXISTS (SELECT 1 FROM feed_entries WHERE feed_entries.id = sightings.id)
    AND NOT EXISTS (SELECT 1 FROM articles WHERE articles.id = sightings.id AND held);

-- name: delete_document
DELETE FROM documents WHERE source = ? AND locator = ?;

-- Without a digest, it is read anew if its source still has it.
-- name: forget_reading
UPDATE sightings SET digest = ? WHERE source = ? AND locator = ?;

-- name: put_offered
UPDATE sightings SET offered = ? WHERE source = ? AND (offered IS NULL OR offered < ?) AND inode = 0 AND locator IN (?*);

-- name: forgettable
SELECT id FROM articles INDEXED BY articles_unshown
WHERE source IS NULL AND NOT removed AND first_seen < :before
    AND NOT EXISTS (SELECT 1 FROM sightings WHERE sightings.id = articles.id)
    AND NOT EXISTS (SELECT 1 FROM feed_entries WHERE feed_entries.id = articles.id)
    AND NOT EXISTS (SELECT 1 FROM archived WHERE archived.id = articles.id)
    AND NOT EXISTS (SELECT 1 FROM history WHERE history.id = articles.id AND at >= :before)
LIMIT :limit;

-- name: erase_history
DELETE FROM history WHERE id IN (?*);

-- name: erase_body
DELETE FROM bodies WHERE id IN (?*);

-- name: erase_keys
DELETE FROM keys WHERE id IN (?*);

-- name: erase_article
DELETE FROM articles WHERE id IN (?*) AND NOT removed;

-- name: source_paths
SELECT DISTINCT paths FROM sightings INDEXED BY sightings_remote WHERE source = ? AND inode = 0 AND paths IS NOT NULL;

-- name: missing
SELECT locator, id, missing_since, missing_scans FROM sightings INDEXED BY sightings_missing
WHERE source = ? AND missing_since IS NOT NULL ORDER BY locator;

-- name: count
SELECT count(*) FROM sightings WHERE source = ? AND id IS NOT NULL;

-- name: locators
SELECT locator FROM sightings WHERE source = ? ORDER BY locator;

-- name: held_due
SELECT id, published, paths FROM articles WHERE held AND published <= ?;

-- name: unhold
UPDATE articles SET held = FALSE WHERE id = ?;

-- name: delete_mark
DELETE FROM marks WHERE node = ? AND seq IN (?*);

-- name: newest
SELECT memberships.id, memberships.published, name
FROM memberships JOIN articles USING (id) JOIN sources USING (source)
WHERE node = :node AND memberships.published <= :published AND (memberships.published < :published OR memberships.id > :id)
ORDER BY memberships.published DESC, memberships.id LIMIT :limit;

-- name: live_nodes
SELECT identity, coalesce(label, '') FROM nodes
WHERE EXISTS (SELECT 1 FROM memberships WHERE memberships.node = nodes.node);

-- name: shown
SELECT $sighting, sightings.locator, name, articles.published, articles.updated, articles.held, articles.paths,
    articles.link
FROM articles JOIN sightings USING (source, locator) JOIN sources USING (source) WHERE articles.id IN (?*);

-- name: digests
SELECT articles.id, sightings.digest FROM articles JOIN sightings USING (source, locator) WHERE articles.id IN (?*);

-- name: bodies
SELECT id, key, body FROM bodies WHERE id IN (?*);

-- name: put_body
INSERT INTO bodies (id, key, body, kept) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET key = excluded.key, body = excluded.body, kept = bodies.kept OR excluded.kept;

-- name: prune_bodies
DELETE FROM bodies WHERE id IN (?*) AND NOT kept
    AND NOT EXISTS (SELECT 1 FROM feed_entries WHERE feed_entries.id = bodies.id)
    AND NOT EXISTS (SELECT 1 FROM archived WHERE archived.id = bodies.id);

-- name: enter_archive
INSERT INTO archived (id) VALUES (?) ON CONFLICT DO NOTHING;

-- name: waiting
SELECT id FROM archived WHERE page IS NULL ORDER BY seq;

-- name: put_on_page
UPDATE archived SET page = ? WHERE id = ?;

-- name: clear_page
DELETE FROM archived WHERE page = ? RETURNING id;

-- name: clear_waiting
DELETE FROM archived WHERE page IS NULL RETURNING id;

-- name: page_sizes
SELECT page, (SELECT count(*) FROM archived WHERE archived.page = archive_pages.page) FROM archive_pages ORDER BY page;

-- name: stale_pages
SELECT page FROM archive_pages WHERE changes <> written ORDER BY page DESC;

-- name: page
SELECT changes, files,
    (SELECT max(page) FROM archive_pages WHERE page < :page), (SELECT min(page) FROM archive_pages WHERE page > :page)
FROM archive_pages WHERE page = :page;

-- name: page_ids
SELECT id FROM archived WHERE page = ? ORDER BY seq DESC;

-- name: last_page
SELECT max(page) FROM archive_pages;

-- name: pages
SELECT page, fingerprint, files FROM archive_pages ORDER BY page;

-- name: change_pages
UPDATE archive_pages SET changes = changes + 1 WHERE page IN (?*);

-- name: change_pages_of
UPDATE archive_pages SET changes = changes + 1 WHERE page IN (SELECT page FROM archived WHERE id IN (?*));

-- name: change_pages_at
UPDATE archive_pages SET changes = changes + 1
WHERE page IN (SELECT page FROM archived JOIN memberships USING (id) WHERE node = ?);

-- name: save_page
UPDATE archive_pages SET written = ?, fingerprint = ?, files = ? WHERE page = ?;

-- name: delete_page
DELETE FROM archive_pages WHERE page = ?;

-- name: leave_archive
DELETE FROM archived WHERE id IN (?*);

-- name: delete_from_feeds
INSERT INTO deletions (node, id, at) SELECT node, id, ? FROM feed_entries WHERE id IN (?*)
ON CONFLICT (node, id) DO UPDATE SET at = excluded.at;

-- name: delete_from_archive
INSERT INTO deletions (node, id, at) SELECT ?, id, ? FROM archived WHERE id IN (?*)
ON CONFLICT (node, id) DO UPDATE SET at = excluded.at;

-- name: undelete
DELETE FROM deletions WHERE id IN (?*) RETURNING node;

-- name: end_deletions
DELETE FROM deletions WHERE at <= ? RETURNING node;

-- name: drop_deletions
DELETE FROM deletions WHERE node = ?;

-- name: deletions
SELECT id, at FROM deletions WHERE node = ? ORDER BY at DESC, id LIMIT ?;

-- name: shows_removed
SELECT EXISTS (SELECT 1 FROM feed_entries JOIN articles USING (id) WHERE node = ? AND removed);

-- name: put_feed
INSERT INTO feeds (node, fingerprint, updated, published_at, files) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (node) DO UPDATE SET fingerprint = excluded.fingerprint, updated = excluded.updated,
    published_at = excluded.published_at, files = excluded.files;

-- name: delete_feed
DELETE FROM feeds WHERE node = ?;

-- name: feeds
SELECT identity, fingerprint, updated, files, (SELECT count(*) FROM feed_entries WHERE feed_entries.node = feeds.node)
FROM feeds JOIN nodes USING (node);

-- name: feed_ids
SELECT id FROM feed_entries WHERE node = ?;

-- name: put_feed_entry
INSERT INTO feed_entries (node, id) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: delete_feed_entry
DELETE FROM feed_entries WHERE node = ? AND id = ?;

-- name: departures
SELECT directory, identity FROM departures ORDER BY seq;

-- name: set_departure
UPDATE departures SET identity = ? WHERE directory = ?;

-- name: delete_departure
DELETE FROM departures WHERE directory = ?;

-- name: news
SELECT seq, path FROM news WHERE listener = ? ORDER BY seq LIMIT ?;

-- name: delete_news
DELETE FROM news WHERE seq = ?;

-- name: silence
DELETE FROM news WHERE listener = ?;

-- name: census
SELECT identity, articles, newest.published, title
FROM tallies JOIN nodes USING (node)
JOIN articles AS newest ON newest.id = (
    SELECT id FROM memberships WHERE memberships.node = tallies.node ORDER BY memberships.published DESC, id LIMIT 1
)
JOIN sightings USING (source, locator);

-- name: published_since
SELECT published FROM memberships WHERE node = ? AND published >= ?;

-- name: article_pages
SELECT id, digest, stamp FROM article_pages;

-- name: article_pages_of
SELECT id, digest, stamp FROM article_pages WHERE id IN (?*);

-- name: put_article_page
INSERT INTO article_pages (id, digest, stamp) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, stamp = excluded.stamp;

-- name: delete_article_page
DELETE FROM article_pages WHERE id = ?;

-- name: left_article_pages
SELECT id FROM article_pages
WHERE digest = '' OR NOT (
    EXISTS (SELECT 1 FROM feed_entries WHERE feed_entries.id = article_pages.id)
    OR EXISTS (SELECT 1 FROM archived WHERE archived.id = article_pages.id)
);

-- name: pages_of
SELECT DISTINCT page FROM archived WHERE page IS NOT NULL AND id IN (?*);

-- name: faults
SELECT kind, subject, since, reason FROM faults ORDER BY kind, subject;

-- name: put_fault
INSERT INTO faults (kind, subject, since, reason) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, subject) DO UPDATE SET since = excluded.since, reason = excluded.reason;

-- name: delete_fault
DELETE FROM faults WHERE kind = ? AND subject = ?;

-- name: alerts
SELECT kind, subject, watched, cause, since, told FROM alerts ORDER BY kind, subject;

-- name: put_alert
INSERT INTO alerts (kind, subject, watched, cause, since, told) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, subject) DO UPDATE SET cause = excluded.cause, since = excluded.since, told = excluded.told;

-- name: delete_alert
DELETE FROM alerts WHERE kind = ? AND subject = ?;

-- name: rhythm_of_source
SELECT max(published) FROM sightings
WHERE source = (SELECT source FROM sources WHERE name = ?) AND id IS NOT NULL AND published <= ?
GROUP BY published / 3600 ORDER BY 1 DESC LIMIT ?;

-- name: rhythm_of_node
SELECT max(published) FROM memberships WHERE node = (SELECT node FROM nodes WHERE identity = ?) AND published <= ?
GROUP BY published / 3600 ORDER BY 1 DESC LIMIT ?;

-- name: paths
SELECT path, labels FROM paths;

-- Another process may have made the same one.
-- name: put_path
INSERT INTO paths (labels) VALUES (?) ON CONFLICT (labels) DO UPDATE SET labels = excluded.labels RETURNING path;

-- name: nodes
SELECT node, identity FROM nodes;

-- name: put_node
INSERT INTO nodes (identity) VALUES (?) ON CONFLICT (identity) DO UPDATE SET identity = excluded.identity RETURNING node;

-- name: put_path_node
INSERT INTO path_nodes (node, path, depth) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: unused_paths
SELECT path FROM paths WHERE sightings = 0;

-- name: is_member
SELECT 1 FROM memberships WHERE node = ? LIMIT 1;

-- name: delete_path_node
DELETE FROM path_nodes WHERE node = ? AND path = ?;

-- name: delete_path
DELETE FROM paths WHERE path = ?;

-- name: delete_unused_nodes
DELETE FROM nodes WHERE identity <> '[]'
    AND NOT EXISTS (SELECT 1 FROM path_nodes WHERE path_nodes.node = nodes.node)
    AND NOT EXISTS (SELECT 1 FROM memberships WHERE memberships.node = nodes.node)
    AND NOT EXISTS (SELECT 1 FROM marks WHERE marks.node = nodes.node)
    AND NOT EXISTS (SELECT 1 FROM feeds WHERE feeds.node = nodes.node);

-- name: count_path
UPDATE paths SET sightings = sightings + ? WHERE path = ? RETURNING sightings;

-- name: get_label
SELECT label FROM nodes WHERE node = ?;

-- name: set_label
UPDATE nodes SET label = ? WHERE node = ?;

-- name: nodes_beside
SELECT DISTINCT paths FROM articles
WHERE source IS NOT NULL AND NOT held AND id IN (SELECT id FROM memberships WHERE node = ?);

-- name: row
SELECT name, locator, $place, missing_since, $sighting FROM sightings JOIN sources USING (source)
WHERE name = ? AND locator = ?;

-- name: rows
SELECT name, locator, $place, missing_since, $sighting FROM sightings JOIN sources USING (source)
WHERE id = ? ORDER BY rank IS NULL, rank, locator;

-- name: history
SELECT at, verdict, source, locator, note FROM history WHERE id = ? ORDER BY at, rowid;

-- name: feeds_of
SELECT identity FROM feed_entries JOIN nodes USING (node) WHERE id = ? ORDER BY identity;

-- name: keys_of
SELECT key FROM keys WHERE id = ? ORDER BY key;

-- name: merged_ids
SELECT id FROM sightings WHERE id IS NOT NULL GROUP BY id
HAVING count(*) > 1 AND count(DISTINCT text_hash) > 1 ORDER BY id;

-- name: problems
SELECT name, locator, reason FROM sightings JOIN sources USING (source)
WHERE status <> 'good' AND status IN ('broken', 'unsettled', 'unreadable') ORDER BY name, locator;

-- name: links
SELECT id, link FROM sightings WHERE id IS NOT NULL AND link IS NOT NULL
UNION SELECT id, link FROM articles WHERE link IS NOT NULL;

-- name: live_ids
SELECT DISTINCT id FROM sightings WHERE id IS NOT NULL ORDER BY id;

-- name: adopt
INSERT INTO articles (id, first_seen, adopted, text_since, link) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: removed_ids
SELECT id FROM articles WHERE removed;

-- name: removed_keys
SELECT id, key FROM keys WHERE id IN (SELECT id FROM articles WHERE removed) ORDER BY id, key;

-- name: set_removed
UPDATE articles SET removed = ? WHERE id = ?;

-- name: counts
SELECT 'articles', count(*) FROM articles WHERE source IS NOT NULL
UNION ALL SELECT 'held', count(*) FROM articles WHERE held
UNION ALL SELECT 'removed', count(*) FROM articles WHERE removed
UNION ALL SELECT 'sightings', count(*) FROM sightings WHERE id IS NOT NULL
UNION ALL SELECT 'merged', count(*) FROM (SELECT 1 FROM sightings WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1) AS merged
UNION ALL SELECT 'left_out', count(*) FROM sightings WHERE status <> 'good' AND status = 'left_out'
UNION ALL SELECT 'rejected', count(*) FROM sightings WHERE status <> 'good' AND status IN ('broken', 'unsettled', 'unreadable')
UNION ALL SELECT 'missing', count(*) FROM sightings WHERE missing_since IS NOT NULL AND +id IS NOT NULL
UNION ALL SELECT 'feeds', count(*) FROM feeds
UNION ALL SELECT 'stale', count(DISTINCT node) FROM marks;

-- name: due_in
SELECT name FROM sources
WHERE shard = :shard AND rank IS NOT NULL AND enabled AND NOT paused AND next_poll <= :now
ORDER BY next_poll, rank LIMIT :limit;

-- name: end_lease
UPDATE leases SET until = 0, node = '' WHERE name = :name AND holder = :holder;

-- name: take_away_leases
UPDATE leases SET holder = '', node = '', until = 0 WHERE name <> :name;

-- name: forget_peer
DELETE FROM peers WHERE node = :node;

-- name: peers
SELECT node, started, seen, facts FROM peers ORDER BY node;
