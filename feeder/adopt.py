"""Takes over the ids of feeds that subscribers already have, so that no reader shows an article twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from feeder import dedup
from feeder.app import opened
from feeder.config import Config
from feeder.errors import InvalidItem, ParseError
from feeder.html import safe_text
from feeder.model import Memory, Problem, Site
from feeder.normalize import title_key
from feeder.parse.published import PublishedEntry, feed_files, read_published
from feeder.report import many
from feeder.store.sqlite import prefix

SHOWN: Final = 20  # entries that a report names

# RFC 3987: a scheme, then what an IRI may hold.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[^\x00-\x20\x7f-\xa0<>\"{}|\\^`%\ufffd\ud800-\udfff]|%[0-9A-Fa-f]{2})+")

_Waiting: TypeAlias = tuple[Memory, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What adopting came to. `refused` are entries, `unread` are files, each with the reason."""

    read: int
    adopted: int = 0
    known: int = 0
    present: int = 0  # articles that were polled before, and keep the ids they have
    refused: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()


def adopt(files: Iterable[Path], settings: Config, *, now: datetime) -> Adoption:
    """Let the articles that are polled from now on have the ids of the entries in *files*.

    An article is the entry that has its link, else the one that has its title and day. A file that cannot be used is
    reported, and nothing is taken from it; without a single entry to adopt the state is not touched.

    Raises:
        ParseError: None of the files can be used.
        StoreError: The state cannot be used, or another process uses it.
    """
    entries, unread = _read(files, settings.site)
    if unread and not entries:
        raise ParseError("; ".join(f"{problem.where}: {problem.reason}" for problem in unread))
    waiting, refused = _prepare(entries, settings.site, now)
    done = Adoption(read=len(entries), refused=tuple(refused), unread=tuple(unread))
    if not waiting:
        return done
    with opened(settings, is_fresh=True) as app, app.store.transaction():
        present = app.store.counts()["articles"]
        adopted = app.store.adopt(waiting)
    return replace(done, adopted=adopted, known=len(waiting) - adopted, present=present)


def report(done: Adoption) -> tuple[str, ...]:
    """Return *done* in a few lines for people; ids stand in them as they were written."""
    lines = [
        f"{many(done.read, 'entry', 'entries')} read: {done.adopted} adopted, {done.known} known already, {len(done.refused)} refused"
    ]
    lines += [f"  refused: {problem.where}: {problem.reason}" for problem in done.refused[:SHOWN]]
    if len(done.refused) > SHOWN:
        lines.append(f"  … and {len(done.refused) - SHOWN} more")
    lines += [f"  not read: {problem.where}: {problem.reason}" for problem in done.unread]
    if done.present and done.adopted:
        lines.append(
            f"{many(done.present, 'article was', 'articles were')} polled before, with ids that stay as they are; "
            "adopt before the first poll to give adopted ids to all"
        )
    if done.adopted:
        lines.append(
            "Its article gets this id at the next poll, where it counts as returned."
            if done.adopted == 1
            else "Their articles get these ids at the next poll, where they count as returned."
        )
    return tuple(lines)


# ---------------------------------------------------------------- reading


def _read(files: Iterable[Path], site: Site) -> tuple[tuple[PublishedEntry, ...], list[Problem]]:
    """Return every entry once, and the files that cannot be used."""
    found: dict[str | None, PublishedEntry] = {}
    unread: list[Problem] = []
    nameless: list[PublishedEntry] = []
    for file in files:
        for entry in _entries_of(file, site, unread):
            if entry.guid is None:
                nameless.append(entry)
            else:
                found[entry.guid] = _merged(found.get(entry.guid, entry), entry)
    return (*found.values(), *nameless), unread


def _entries_of(file: Path, site: Site, unread: list[Problem]) -> list[PublishedEntry]:
    try:
        feeds = feed_files(file)
    except ParseError as error:
        unread.append(Problem(where=str(file), reason=str(error)))
        return []
    return [entry for copies in feeds for entry in _entries(copies, site, unread)]


def _entries(copies: Sequence[Path], site: Site, unread: list[Problem]) -> tuple[PublishedEntry, ...]:
    """Return the entries of the first copy of a feed that can be read; if there is none, the first one is to blame."""
    problems = []
    for path in copies:
        try:
            return read_published(path, zone=site.timezone)
        except ParseError as error:
            problems.append(Problem(where=str(path), reason=str(error)))
    unread.append(problems[0])
    return ()


def _merged(first: PublishedEntry, second: PublishedEntry) -> PublishedEntry:
    return PublishedEntry(
        guid=first.guid,
        link=first.link or second.link,
        title=first.title or second.title,
        published=first.published or second.published,
        updated=first.updated or second.updated,
    )


# ---------------------------------------------------------------- entries to what waits


def _prepare(entries: Iterable[PublishedEntry], site: Site, now: datetime) -> tuple[list[_Waiting], list[Problem]]:
    waiting: list[_Waiting] = []
    refused: list[Problem] = []
    taken: set[bytes] = set()
    for entry in entries:
        try:
            memory, keys = _waiting(entry, site, now)
            free = _free(keys, taken)
        except InvalidItem as error:
            refused.append(Problem(where=entry.guid or entry.title or "an entry", reason=str(error)))
            continue
        taken.update(free)
        waiting.append((memory, free))
    return waiting, refused


def _free(keys: tuple[bytes, ...], taken: set[bytes]) -> tuple[bytes, ...]:
    free = tuple(key for key in keys if key not in taken)
    if not free:
        raise InvalidItem("another entry has the same link, title and day")
    return free


def _waiting(entry: PublishedEntry, site: Site, now: datetime) -> _Waiting:
    """Return what is remembered of *entry*, and by which keys its article will find it."""
    id_, start = _id(entry.guid), prefix(site.id)
    first = dedup.minted_key(id_, start)
    if id_.startswith(start) and first is None:
        raise InvalidItem("it begins like an id that Feeder makes, and is none")
    title = title_key(safe_text(entry.title)) if entry.title else None
    date = entry.published or entry.updated
    day = date.astimezone(site.timezone).date().isoformat() if date else None
    keys = dedup.adopted_keys(title_key=title, day=day, link=entry.link)
    if not keys and first is None:
        raise InvalidItem("it has neither link nor title, so nobody can tell which article it is")
    adopted = min(date, now) if date else None
    memory = Memory(id=id_, first_seen=now, adopted=adopted, text_since=_text_since(entry, now))
    return memory, (*keys, first) if first else keys


def _id(guid: str | None) -> str:
    """Return a guid that may stand in all feeds as it is: readers compare it letter by letter."""
    if guid is None:
        raise InvalidItem("it has neither an id nor a link")
    if not _IRI.fullmatch(guid):
        raise InvalidItem("its id is no absolute IRI, as Atom needs one (RFC 4287, 4.2.6); it gets a new one")
    return guid


def _text_since(entry: PublishedEntry, now: datetime) -> datetime | None:
    if entry.updated and entry.published and entry.published < entry.updated:
        return min(entry.updated, now)
    return None
