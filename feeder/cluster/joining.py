"""Nodes work by one configuration: the first that comes with a newer one brings the state in line with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

import structlog

from feeder import config
from feeder.app import App
from feeder.errors import StoreError
from feeder.store import Lease

log = structlog.get_logger(__name__)

SETTINGS: Final = "settings"  # a note of what configuration all nodes go by
LASTING: Final = timedelta(minutes=10)  # to bring a large state in line takes a while; nobody else does it meanwhile
PATIENCE_SECONDS: Final = 660.0
STEP_SECONDS: Final = 0.5


def join(app: App, lease: Lease, clock: Callable[[], datetime]) -> None:
    """Bring the state in line with the configuration, unless another node has done so.

    Raises:
        StoreError: The configuration in force is newer, or another node does not come to an end.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_current(app):
        _refuse_older(app)
        if _taken(app, lease):
            _prepare(app, lease, clock)
        elif time.monotonic() > end:
            raise StoreError(
                "another node brings the state in line with its configuration, and does not come to an end"
            )
        else:
            time.sleep(STEP_SECONDS)


def is_current(app: App) -> bool:
    """Tell whether the configuration of *app* is that by which all nodes work."""
    noted = app.store.noted(SETTINGS)
    return noted is not None and json.loads(noted)["mark"] == _mark(app)


def _refuse_older(app: App) -> None:
    noted = app.store.noted(SETTINGS)
    if noted and json.loads(noted)["written"] > _written(app):
        raise StoreError(
            f"{app.config.path}: other nodes work by a newer configuration (this file was written before theirs): "
            "bring it up to date; if it is the right one, `touch` it"
        )


def _taken(app: App, lease: Lease) -> bool:
    with app.store.transaction():
        return app.store.take_lease(lease, lasting=LASTING)


def _prepare(app: App, lease: Lease, clock: Callable[[], datetime]) -> None:
    try:
        with app.store.under(lease):
            if not is_current(app):
                app.prepare(clock())
                with app.store.transaction():
                    app.store.note(SETTINGS, json.dumps({"mark": _mark(app), "written": _written(app)}))
                log.info("configuration_in_force", sources=len(app.config.sources))
    finally:
        with app.store.transaction():
            app.store.end_lease(lease)


def _mark(app: App) -> str:
    """Return what is another one whenever sources are read, or feeds rendered, in another way."""
    settings, parts = app.config, app.parts
    told = (
        parts.fingerprint,
        sorted(parts.fingerprints.items()),
        [(source.name, source.order, config.whole_fingerprint(source)) for source in settings.sources],
        settings.feeds.settle,
        settings.after_publish,
        settings.feeds.hub,
    )
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _written(app: App) -> int:
    return int(app.config.path.stat().st_mtime)
