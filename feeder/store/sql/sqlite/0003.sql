-- What a source on the web offers no more is known by the day on which it last did.

ALTER TABLE sightings ADD COLUMN offered INTEGER;  -- that day's beginning; NULL: it lies in a file, or nobody knows

UPDATE sightings SET offered = (SELECT last_success - last_success % 86400 FROM sources WHERE sources.source = sightings.source)
WHERE inode = 0;

CREATE INDEX sightings_offered ON sightings (source, offered) WHERE offered IS NOT NULL;

CREATE INDEX articles_unshown ON articles (id) WHERE source IS NULL;
