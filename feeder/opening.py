"""Opens the whole: alone for the daemon, shared in a cluster, beside whoever works with it, as a rehearsal, or blank."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from feeder.app import App, Progress
from feeder.assembly import announcing, assembled
from feeder.config import Config
from feeder.errors import StoreError
from feeder.lock import alone
from feeder.model import FeedSettings, PageSettings, Site, Source
from feeder.output import Output
from feeder.output.rehearsal import Rehearsal
from feeder.outputs import output_of
from feeder.store import Store, sqlite
from feeder.store.opening import copy_state, is_there, open_existing, open_shared, open_store
from feeder.workers import Workers

ARCHIVES = "archives"  # beside the state
INDEX = "feeds.json"


def has_state(settings: Config) -> bool:
    """Tell whether anything was kept yet.

    Raises:
        StoreError: What lies in the state's place cannot be used.
    """
    return is_there(settings.state, site_id=settings.site.id)


def is_begun(settings: Config) -> bool:
    """Tell whether anything was kept yet, as `has_state` does.

    Raises:
        StoreError: As `has_state`, or it was lost: there are feeds without it.
    """
    _check_not_lost(settings, output_of(settings))
    return has_state(settings)


@contextmanager
def opened(
    settings: Config, *, is_fresh: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Iterator[App]:
    """Open the state for writing, alone, and yield the whole.

    Raises:
        StoreError: The state cannot be used, another process uses it, or it is new beside feeds that exist.
    """
    output = output_of(settings)
    with alone(settings.local):
        if not is_fresh:
            _check_not_lost(settings, output)
        store = open_store(settings.state, site_id=settings.site.id)
        parts = assembled(settings, store, announcing(settings, store, output), Workers(workers))
        with closing(App(config=settings, parts=parts, archives=_archives(settings), progress=progress)) as app:
            app.polls.find_archives()
            gc.freeze()  # what is there by now stays; to look through it for garbage would hold up everything, for 50 ms
            yield app


@contextmanager
def shared(settings: Config, *, workers: Workers) -> Iterator[App]:
    """Open the state for one of many that work with it at the same time, and yield the whole.

    Raises:
        StoreError: The state cannot be used so, or it is new beside feeds that exist.
    """
    output = output_of(settings)
    _check_not_lost(settings, output)
    with closing(open_shared(settings.state, site_id=settings.site.id)) as store:
        parts = assembled(settings, store, announcing(settings, store, output), workers)
        app = App(config=settings, parts=parts, archives=_archives(settings))
        app.polls.find_archives()
        yield app


@contextmanager
def beside(settings: Config) -> Iterator[App]:
    """Yield the whole for questions and for notes to the process that works with the state: not to poll or publish.

    Raises:
        StoreError: There is no state yet, it was lost, or it cannot be used.
    """
    output = output_of(settings)
    _check_not_lost(settings, output)
    store = open_existing(settings.state, site_id=settings.site.id)
    parts = assembled(settings, store, output, Workers(1))
    with closing(App(config=settings, parts=parts, archives=_archives(settings))) as app:
        app.polls.find_archives()
        yield app


@contextmanager
def rehearsed(
    settings: Config, *, is_fresh: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Iterator[App]:
    """Yield the whole as `opened` does, but with a copy of the state and an output that only notes what it would do.

    Raises:
        StoreError: As `opened`, but that another process uses the state is no matter.
    """
    output = output_of(settings)
    with TemporaryDirectory(prefix="feeder-") as folder:
        if not is_fresh:
            _check_not_lost(settings, output)
        store = _copied(settings, Path(folder))
        parts = assembled(settings, store, Rehearsal(output), Workers(workers))
        archives = Path(folder) / ARCHIVES
        app = App(config=settings, parts=parts, archives=archives, progress=progress, is_rehearsal=True)
        with closing(app):
            yield app


@contextmanager
def blank(site: Site, sources: tuple[Source, ...]) -> Iterator[App]:
    """Yield the whole with a state that is empty and nowhere to publish: to see what *sources* would bring."""
    with TemporaryDirectory(prefix="feeder-") as folder:
        settings = _bare(site, sources, Path(folder))
        store = open_store(settings.state, site_id=site.id)
        parts = assembled(settings, store, output_of(settings), Workers())
        with closing(App(config=settings, parts=parts, archives=_archives(settings), is_rehearsal=True)) as app:
            with store.transaction():
                store.sync_sources(sources)
            yield app


def _archives(settings: Config) -> Path:
    return settings.local.parent / ARCHIVES


def _copied(settings: Config, folder: Path) -> Store:
    """Copy the state, if there is one, and the trees from archives; return the copy."""
    state = folder / "state.db"
    if has_state(settings):
        copy_state(settings.state, state, site_id=settings.site.id)
    with suppress(OSError):  # there are none, or one is being replaced; what is stored of its articles serves
        shutil.copytree(_archives(settings), folder / ARCHIVES, symlinks=True)
    return sqlite.open_store(state, site_id=settings.site.id, called=settings.state)


def _bare(site: Site, sources: tuple[Source, ...], folder: Path) -> Config:
    return Config(
        path=folder / "config.toml",
        site=site,
        feeds=FeedSettings(),
        pages=PageSettings(),
        state=folder / "state.db",
        local=folder / "state.db",
        output=folder / "public",
        listen=None,
        sources=sources,
    )


def _check_not_lost(settings: Config, output: Output) -> None:
    """A new state beside published feeds would make old articles new again, for every subscriber."""
    if has_state(settings) or output.read(INDEX) is None:
        return
    found = "the state is empty" if settings.local.exists() else "there is no state"
    raise StoreError(
        f"{settings.state}: {found}, but {settings.output} holds feeds that Feeder wrote. "
        f"Restore the state from a backup; or take over their ids: `feeder adopt {_published_index(settings)}`; "
        "or begin anew, with new ids where the old ones cannot be derived: add `--fresh`"
    )


def _published_index(settings: Config) -> str:
    """Return where `feeder adopt` finds the list of all feeds: nobody but Feeder's output itself opens a bucket."""
    place = settings.output
    return str(place / INDEX) if isinstance(place, Path) else settings.site.url + INDEX
