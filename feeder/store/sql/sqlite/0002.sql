-- What few documents and articles are is found without reading all of them.

CREATE INDEX sightings_failing ON sightings (status) WHERE status <> 'good';

CREATE INDEX articles_removed ON articles (id) WHERE removed;
