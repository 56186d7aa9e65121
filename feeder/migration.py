"""A state moved from one kind of database to another: no id and no byte of a feed is another one afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from feeder.config import Config, places
from feeder.errors import ConfigError, StoreError
from feeder.lock import alone
from feeder.store.address import State
from feeder.store.moving import copy
from feeder.store.opening import is_there, open_store
from feeder.store.tables import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was moved, and where to."""

    source: State
    target: State
    articles: int


def move(source: str, target: str, settings: Config) -> Moved:
    """Copy the state at *source* to *target*, which must be empty; the source stays as it is.

    Args:
        source: As `storage.state` names it.
        target: Likewise.
        settings: Whose site it is.

    Raises:
        ConfigError: One of them is no address of a state, or the target is a place for none.
        StoreError: There is no state, or there is one where it is to go; StateInUse: a process works with one of them.
    """
    old, new = _place(source, settings), _place(target, settings)
    if isinstance(new, Path) and (faults := tuple(places.faults_of_storage(new, settings.output))):
        raise ConfigError(*faults)
    site_id = settings.site.id
    if not is_there(old, site_id=site_id):
        raise StoreError(f"{old}: there is no state")
    with _opened(old, site_id) as ours, _opened(new, site_id) as theirs:
        if theirs.sources() or theirs.counts()["articles"]:
            raise StoreError(f"{new}: is not empty; a state moves only to where none is")
        copy(ours, theirs)
        return Moved(source=old, target=new, articles=theirs.counts()["articles"])


def report(done: Moved) -> tuple[str, ...]:
    """Return *done* in a few lines for people."""
    return (
        f"{done.target}: holds all that {done.source} does, {done.articles} articles among it",
        f'Set state = "…" to it in [storage], and start again; {done.source} stays as it is, and is not read any more.',
    )


def _place(text: str, settings: Config) -> State:
    try:
        return places.state(settings.path.parent.absolute(), text)
    except ValueError as error:
        raise ConfigError(f"{text.partition('://')[0]}: {error}") from error


@contextmanager
def _opened(place: State, site_id: str) -> Iterator[Tables]:
    with ExitStack() as stack:
        if isinstance(place, Path):
            stack.enter_context(alone(place))
        store = stack.enter_context(closing(open_store(place, site_id=site_id)))
        assert isinstance(store, Tables)  # noqa: S101 - all that are opened so are
        yield store
