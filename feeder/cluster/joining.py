"""Nodes work by one configuration: the first that comes with a newer one brings the state in line with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

import structlog

from feeder import config
from feeder.app import TERMS, App
from feeder.errors import StoreError
from feeder.store.records import Lease

log = structlog.get_logger(__name__)

LASTING: Final = timedelta(seconds=30)  # a lease, after its node was last heard
STEP_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a node works by: `mark` is another one whenever sources are read, or feeds rendered, in another way."""

    mark: str
    written: int  # when the file of the configuration was, in nanoseconds since 1970

    def note(self, *, is_ready: bool) -> str:
        """Return what all nodes are told."""
        return json.dumps({"mark": self.mark, "written": self.written, "is_ready": is_ready})


def terms_of(app: App) -> Terms:
    """Return the terms of the configuration of *app*; that takes a moment where there are many sources."""
    settings, parts = app.config, app.parts
    told = (
        parts.fingerprint,
        sorted(parts.fingerprints.items()),
        [(source.name, source.order, config.whole_fingerprint(source)) for source in settings.sources],
        settings.feeds.settle,
        settings.after_publish,
        settings.feeds.hub,
    )
    mark = blake2b(repr(told).encode(), digest_size=16).hexdigest()
    return Terms(mark=mark, written=settings.path.stat().st_mtime_ns)


def join(app: App, terms: Terms, lease: Lease, clock: Callable[[], datetime], is_over: Callable[[], bool]) -> None:
    """Bring the state in line with the configuration, unless another node has done so or does it now.

    Args:
        app: Of this node.
        terms: Of its configuration.
        lease: That of the one who does it; somebody keeps it meanwhile.
        clock: The time of day.
        is_over: Tells whether this node is to end.

    Raises:
        StoreError: The configuration in force is newer.
    """
    while not is_current(app, terms) and not is_over():
        _refuse_older(app, terms)
        if _taken(app, lease):
            _prepare(app, terms, lease, clock)
        else:
            time.sleep(STEP_SECONDS)
    app.add_takedowns(clock())  # the list of this machine may know what the state does not, one restored of before


def is_current(app: App, terms: Terms) -> bool:
    """Tell whether all nodes work by *terms*, and the state is in line with them."""
    noted = app.store.noted(TERMS)
    said = json.loads(noted) if noted else {}
    return said.get("mark") == terms.mark and bool(said.get("is_ready"))


def _refuse_older(app: App, terms: Terms) -> None:
    """Refuse the older configuration; of two with one date, as of images that date all files alike, always the same."""
    noted = app.store.noted(TERMS)
    said = json.loads(noted) if noted else {}
    if said and (said["written"], said["mark"]) > (terms.written, terms.mark):
        raise StoreError(
            f"{app.config.path}: other nodes work by a newer configuration (this file was not written after theirs): "
            "bring it up to date; if it is the right one, `touch` it"
        )


def _taken(app: App, lease: Lease) -> bool:
    with app.store.transaction():
        return app.store.take_lease(lease, lasting=LASTING)


def _prepare(app: App, terms: Terms, lease: Lease, clock: Callable[[], datetime]) -> None:
    try:
        with app.store.under(lease):
            if not is_current(app, terms):
                with app.store.transaction():
                    app.store.note(TERMS, terms.note(is_ready=False))
                with app.store.transaction():  # from here on, nobody publishes what the one of before said
                    app.store.take_away_leases(but=lease)
                app.prepare(clock(), is_node=True)
                with app.store.transaction():
                    app.store.note(TERMS, terms.note(is_ready=True))
                log.info("configuration_in_force", sources=len(app.config.sources))
    finally:
        with app.store.transaction():
            app.store.end_lease(lease)
