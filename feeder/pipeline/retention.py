"""Forgetting: what no source offers any more, and nothing shows, does not stay for ever if the operator says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

import structlog

from feeder.pipeline import Parts, polling

log = structlog.get_logger(__name__)

MOST = 1000  # at a time: the daemon has other work, and comes again


def forget(parts: Parts, keep: timedelta, now: datetime) -> int:
    """Forget articles that were last offered longer than *keep* ago, with their ids; return how many.

    What a source still offers, what is in a feed or in the archive, and what was taken down stays.
    """
    store, before = parts.store, now - keep
    with store.transaction():
        lost = _let_go(parts, before, now)
        ids = (*lost, *store.forgettable(before, MOST))
        store.erase(ids)
    if ids:
        log.info("forgotten", articles=len(ids))
    return len(ids)


def _let_go(parts: Parts, before: datetime, now: datetime) -> tuple[str, ...]:
    """Remove the sightings that have expired; return the articles that have none any more."""
    store = parts.store
    expired = sorted(store.expired(before, MOST), key=itemgetter(0, 1))
    for name, group in groupby(expired, key=itemgetter(0)):
        store.forget(name, [locator for _, locator, _ in group], now)
    ids = sorted({id_ for _, _, id_ in expired if id_})
    polling.restand(ids, parts, now=now)
    return tuple(id_ for id_, (_, copies) in store.copies(ids).items() if not copies)
