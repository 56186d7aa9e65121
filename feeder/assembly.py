"""What polling and publishing work with, put together from the config."""

from __future__ import annotations

import time
from collections.abc import Iterator

from feeder import config, dedup, render
from feeder.config import Config
from feeder.output import Output
from feeder.pipeline import Parts
from feeder.pipeline.announcing import Announcing
from feeder.pipeline.larder import Larder
from feeder.store import Store
from feeder.store.records import Listener
from feeder.store.tables import prefix
from feeder.workers import Workers


def assembled(settings: Config, store: Store, output: Output, workers: Workers) -> Parts:
    """Return the parts of a site with these settings."""
    return Parts(
        site=settings.site,
        feeds=settings.feeds,
        pages=settings.pages,
        sources={source.name: source for source in settings.sources},
        fingerprints={source.name: config.fingerprint(source, settings.site) for source in settings.sources},
        fingerprint=config.render_fingerprint(settings, look=render.look(settings.site)),
        rules=_rules(settings),
        store=store,
        output=output,
        workers=workers,
        larder=Larder(),
        wait=time.sleep,
        listeners=tuple(_listeners(settings)),
    )


def announcing(settings: Config, store: Store, output: Output) -> Output:
    """Return *output*, noting in the state what is to be told to whom, if there is anybody."""
    listeners = tuple(_listeners(settings))
    return Announcing(output, store, listeners) if listeners else output


def _rules(settings: Config) -> dedup.Rules:
    return dedup.Rules(
        prefix=prefix(settings.site.id),
        never=dedup.never_shared(settings.site),
        ranks={source.name: source.order for source in settings.sources},
        future={source.name: source.future for source in settings.sources},
        hidden=frozenset(source.name for source in settings.sources if not source.enabled),
    )


def _listeners(settings: Config) -> Iterator[Listener]:
    if settings.after_publish:
        yield Listener.COMMAND
    if settings.feeds.hub:
        yield Listener.HUB
