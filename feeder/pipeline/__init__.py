"""The two verbs, `poll` a source and `publish` what changed. Everything they touch is an argument, time included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass

from feeder.dedup import Rules
from feeder.model import FeedSettings, PageSettings, Site, Source
from feeder.output import Output
from feeder.pipeline.larder import Larder
from feeder.store import Store
from feeder.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What polling and publishing work with."""

    site: Site
    feeds: FeedSettings
    pages: PageSettings
    sources: MutableMapping[str, Source]  # an archive is the directory that it was unpacked into
    fingerprints: Mapping[str, str]  # source name -> of the settings and the code that read it
    fingerprint: str  # of the settings and the code that render feeds
    rules: Rules
    store: Store
    output: Output
    workers: Workers
    larder: Larder
    wait: Callable[[float], None]  # sleep so many seconds; a document still being written gets a moment
    listeners: tuple[str, ...] = ()  # who is told which files changed
