"""What the operator asks about: an id, a link, a file, or what `status` calls it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feeder import dedup
from feeder.app import App
from feeder.errors import FeederError, FetchError, UnknownName
from feeder.fetch import fetcher_of
from feeder.fetch.directory import locator_of
from feeder.model import Place, Source, Unlisted
from feeder.store.records import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the operator asks about: an article by its id, or what lies at a place."""

    id: str | None
    rows: tuple[Row, ...]  # of the article; or, if it is none, of the document


def find(word: str, app: App) -> Found:
    """Return what *word* names: an id, its last 26 characters, a link, a file, or a file as `status` calls it.

    Raises:
        FeederError: Nothing that is known has that name; the text says what it may be.
    """
    id_ = _known_id(_text(word), app) or _linked_id(_text(word), app)
    if id_:
        return Found(id=id_, rows=app.store.rows(id_))
    for source, locator in _places(word, app):
        row = app.store.row(source.name, locator)
        if row and row.sighting:
            return Found(id=row.sighting.id, rows=_first(row, app.store.rows(row.sighting.id)))
        if row:
            return Found(id=None, rows=(row,))
    raise FeederError(_why_unknown(word, app))


def failing(name: str, app: App) -> str:
    """Return a sentence about the source if its last poll failed."""
    state = next((state for state in app.store.sources() if state.name == name), None)
    if state is None or state.error is None:
        return ""
    return f" The last poll of source {name} failed ({state.error}); what was read before stands."


def _text(word: str) -> str:
    """Return *word* as the state can be asked for it: a file's name may hold bytes that are no text."""
    return os.fsencode(word).decode(errors="replace")


def _known_id(word: str, app: App) -> str | None:
    wanted = dict.fromkeys((word, word.lower()))
    return next(iter(app.store.copies(tuple(wanted))), None)


def _linked_id(word: str, app: App) -> str | None:
    """Return whose link *word* is, however it is spelled."""
    if "://" not in word:
        return None
    wanted = dedup.address(word)
    found = sorted({id_ for id_, link in app.store.links() if dedup.address(link) == wanted})
    if len(found) > 1:
        raise UnknownName(f"{word}: {len(found)} articles have this link; name one by its id: {' '.join(found)}")
    return found[0] if found else None


def _first(row: Row, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return (row, *(other for other in rows if (other.source, other.place) != (row.source, row.place)))


def _places(word: str, app: App) -> Iterator[tuple[Source, str]]:
    """Yield where a file may lie in the sources: by its path, by its real path, by what `status` calls it."""
    for path in dict.fromkeys((os.path.abspath(word), os.path.realpath(word))):  # noqa: PTH100 - ".." goes, links stay
        yield from _below(Path(path), app)
    for source in app.config.sources:
        yield source, _text(word).removeprefix(f"{source.name}:").lstrip()


def _below(path: Path, app: App) -> Iterator[tuple[Source, str]]:
    for source in app.config.sources:
        root = source.path
        if root is None or path in {root, root.resolve()}:
            continue
        if path.is_relative_to(root):
            yield source, locator_of(root, path)
        elif path.is_relative_to(root.resolve()):
            yield source, locator_of(root.resolve(), path)


def _why_unknown(word: str, app: App) -> str:
    path = Path(word)
    source, locator = next(_below(Path(os.path.abspath(path)), app), (None, ""))  # noqa: PTH100 - as above
    if os.path.isdir(word):  # noqa: PTH112 - a name may be too long for pathlib
        return f"{word}: is a directory; name a document"
    if source is None and os.path.exists(word):  # noqa: PTH110 - likewise
        return f"{word}: lies in no source; `feeder preview` shows how it would be read"
    if source is None:
        return f"{word}: no article has this id or link, and there is no such file{_elsewhere(word, app)}"
    if not path.exists():
        return f"{word}: there is no such file, and source {source.name} had none when it was polled"
    if not source.enabled:
        return f"{word}: source {source.name} is turned off (enabled = false)"
    return f"{word}: {_why_not_polled(locator, source)}.{failing(source.name, app)}".rstrip(".")


def _elsewhere(word: str, app: App) -> str:
    """Return what else *word* is."""
    named_so = next((source.name for source in app.config.sources if word in {source.name, source.url}), None)
    return f"; it is a source: `feeder preview {named_so}` shows what it holds" if named_so else ""


def _why_not_polled(locator: str, source: Source) -> str:
    try:
        for found in fetcher_of(source).look(source):
            if isinstance(found, Place) and found.locator == locator:
                return f"has not been polled yet; `feeder poll {source.name}` asks for it"
            if isinstance(found, Unlisted) and locator.startswith(found.locator):
                return f"its directory cannot be listed: {found.reason}"
    except FetchError as error:
        return f"source {source.name} cannot be listed: {error.reason}"
    wanted = " ".join(source.include) + (f", but for {' '.join(source.exclude)}" if source.exclude else "")
    return f"source {source.name} does not take it: it takes {wanted}; and nothing hidden, linked or in _drafts"
