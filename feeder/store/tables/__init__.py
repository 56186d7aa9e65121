"""The Store over a database, in rooms by what it is about. What databases do in different ways lies below, in `Database`."""

from __future__ import annotations

from feeder.store.tables.archive import Archive
from feeder.store.tables.asking import Asking
from feeder.store.tables.health import Health
from feeder.store.tables.keeping import Keeping
from feeder.store.tables.publishing import Publishing
from feeder.store.tables.scanning import Scanning
from feeder.store.tables.sharing import Sharing
from feeder.store.tables.sources import Sources
from feeder.store.tables.telling import Telling


class Tables(Sources, Scanning, Keeping, Asking, Publishing, Archive, Telling, Health, Sharing):
    """The Store. Ids that begin with *prefix* are kept without it."""


def prefix(site_id: str) -> str:
    """Return what the ids that a site mints begin with (a tag URI, RFC 4151)."""
    return f"tag:{site_id}:article/"
