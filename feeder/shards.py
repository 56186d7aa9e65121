"""Which part of all work a source or a feed belongs to. Each part has one node at a time: one that asks a host, one that writes a feed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

from feeder.model import Source

SOURCES: Final = 64  # parts that all sources fall into
FEEDS: Final = 16  # and all feeds
SITE: Final = -1  # the site's own feed, which is written with what there is once


def of_source(source: Source) -> int:
    """Return the shard of *source*: that of the host that is asked, so that one node keeps the distance between requests."""
    host = urlsplit(source.url).netloc.rpartition("@")[2].lower() if source.url else source.name
    return int.from_bytes(blake2b(host.encode(), digest_size=8).digest()) % SOURCES
