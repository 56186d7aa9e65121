"""All that the operator has decided, as everything else knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from feeder.config import values
from feeder.model import AlertAfter, CategoryPath, FeedSettings, PageSettings, Redirect, Site, Source
from feeder.output import Bucket
from feeder.store.address import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Who is told of silence, and the categories whose silence is told."""

    command: tuple[str, ...] = ()  # with its words
    timeout: timedelta = timedelta(minutes=1)
    categories: tuple[tuple[CategoryPath, AlertAfter], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where the state of a site is, and the files of this machine."""

    state: State
    local: Path
    site_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that the operator has decided, checked."""

    path: Path
    site: Site
    feeds: FeedSettings
    pages: PageSettings
    state: State
    local: Path  # what files of this machine lie beside, and are called after: the state, if it is a file
    output: Path | Bucket
    keep: timedelta | None = None  # how long articles are remembered that nobody offers any more; None: for good
    listen: values.Address | None
    admin: values.Address | None = None  # where health and status are told as well
    cache: int = 64 << 20  # bytes of files that the server keeps in memory
    sources: tuple[Source, ...]
    redirects: tuple[Redirect, ...] = ()
    after_publish: tuple[str, ...] = ()  # the command and its words
    after_publish_timeout: timedelta = timedelta(minutes=10)
    pinged_at_once: int = 1  # feeds that one ping to the hub names
    status_every: timedelta = timedelta(minutes=1)  # the file of the status is looked after; 0: there is none
    alerts: Alerts = Alerts()
    warnings: tuple[str, ...] = ()

    @property
    def kept(self) -> Kept:
        """Where the state is."""
        return Kept(state=self.state, local=self.local, site_id=self.site.id)
