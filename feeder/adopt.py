"""Takes over the ids of feeds that subscribers already have, so that no reader shows an article twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from feeder import dedup
from feeder.app import Progress
from feeder.asking import poll_all
from feeder.characters import safe_text
from feeder.config import Config
from feeder.errors import FetchError, InvalidItem, ParseError
from feeder.fetch.web import Download, download
from feeder.likeness import title_key
from feeder.model import Memory, Problem, Sighting, Site
from feeder.normalize import MAX_GUID
from feeder.opening import opened, rehearsed
from feeder.parse.published import PublishedEntry, PublishedPage, feed_files, parse_published, read_published
from feeder.store import Store
from feeder.store.tables import prefix
from feeder.urls import article_path
from feeder.wording import many

SHOWN: Final = 20  # entries of a kind that a report names
MAX_PAGES: Final = 100  # of one feed

# RFC 3987: a scheme, then what an IRI may hold.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[^\x00-\x20\x7f-\xa0<>\"{}|\\^`%\ufffd\ud800-\udfff]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """An entry that may be adopted, and the keys by which its article will find it."""

    entry: PublishedEntry
    memory: Memory
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What the sources hold of the entries now. `waiting` are those whose articles they do not hold."""

    by_id: int  # that the article itself gives
    by_link: int
    by_title: int
    waiting: tuple[Problem, ...]
    new: int  # articles in the site's feed that none of the entries is, but for those that are younger than all of them
    feed_size: int  # entries that a feed may have
    unpolled: tuple[Problem, ...]  # sources that cannot be read now


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What adopting came to. `refused` are entries, `unread` are files and addresses, each with the reason."""

    read: int
    adopted: int = 0
    known: int = 0
    present: int = 0  # articles that were polled before, and keep the ids they have
    refused: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()
    matches: Matches | None = None


def adopt(feeds: Iterable[str], settings: Config, *, now: datetime, progress: Progress | None = None) -> Adoption:
    """Let the articles that are polled from now on have the ids of the entries in *feeds*.

    An article is the entry whose id it gives as its own, else that with its link, else that with its title and day. A feed that cannot be used is
    reported, and nothing is taken from it; without a single entry to adopt the state is not touched.

    Args:
        feeds: Paths of files, and addresses on the web.
        settings: The config.
        now: The first sight of articles that bring no date.
        progress: Told how many articles were read to find out which of them match.

    Raises:
        ParseError: None of the feeds can be used.
        StoreError: The state cannot be used, or another process uses it.
    """
    entries, unread = _read(feeds, settings.site)
    if unread and not entries:
        raise ParseError("; ".join(f"{problem.where}: {problem.reason}" for problem in unread))
    waiting, refused = _prepare(entries, settings.site, now)
    done = Adoption(read=len(entries), refused=tuple(refused), unread=tuple(unread))
    if not waiting:
        return done
    with opened(settings, is_fresh=True) as app, app.store.transaction():
        present = app.store.counts()["articles"]
        adopted = app.store.adopt((each.memory, each.keys) for each in waiting)
    done = replace(done, adopted=adopted, known=len(waiting) - adopted, present=present)
    return replace(done, matches=_matches(waiting, settings, now, progress))


def take_over(feeds: Iterable[str], store: Store, site: Site, *, now: datetime) -> Adoption:
    """Let *store* know the ids of the entries in *feeds* that it does not know yet; nothing is polled."""
    entries, unread = _read(feeds, site)
    waiting, refused = _prepare(entries, site, now)
    with store.transaction():
        adopted = store.adopt((each.memory, each.keys) for each in waiting)
    return Adoption(
        read=len(entries),
        adopted=adopted,
        known=len(waiting) - adopted,
        refused=tuple(refused),
        unread=tuple(unread),
    )


def report(done: Adoption) -> tuple[str, ...]:
    """Return *done* in a few lines for people; ids stand in them as they were written."""
    lines = [
        f"{many(done.read, 'entry', 'entries')} read: {done.adopted} adopted, {done.known} known already, {len(done.refused)} refused"
    ]
    lines += _named("refused", done.refused)
    lines += [f"  not read: {problem.where}: {problem.reason}" for problem in done.unread]
    lines += _matching(done.matches) if done.matches else []
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


def _named(kind: str, problems: Sequence[Problem]) -> list[str]:
    lines = [f"  {kind}: {problem.where}: {problem.reason}" for problem in problems[:SHOWN]]
    return lines + ([f"  … and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])


def _matching(matches: Matches) -> list[str]:
    counts = f"{matches.by_id} by id, {matches.by_link} by link, {matches.by_title} by title and day"
    return [
        f"Articles in the sources: {counts}; {many(len(matches.waiting), 'entry waits', 'entries wait')} for an article",
        *_named("waiting", matches.waiting),
        *_flood(matches),
        *_named("not read", matches.unpolled),
    ]


def _flood(matches: Matches) -> list[str]:
    if not matches.new:
        return []
    told = f"Of the {matches.feed_size} newest articles, {matches.new} are in none of these feeds: subscribers will see them as new."
    return [f'{told} As many `entries` as the feeds had, and `window = "0s"`, under [feeds] leave them out']


# ---------------------------------------------------------------- reading


def _read(feeds: Iterable[str], site: Site) -> tuple[tuple[PublishedEntry, ...], list[Problem]]:
    """Return every entry once, and the feeds that cannot be used."""
    found: dict[str | None, PublishedEntry] = {}
    unread: list[Problem] = []
    nameless: list[PublishedEntry] = []
    for feed in feeds:
        read = _from_web if "://" in feed else _from_file
        for entry in read(feed, site, unread):
            if entry.guid is None:
                nameless.append(entry)
            else:
                found[entry.guid] = _merged(found.get(entry.guid, entry), entry)
    return (*found.values(), *nameless), unread


def _from_web(address: str, site: Site, unread: list[Problem]) -> list[PublishedEntry]:
    """Return the entries of all pages of a feed; those of another host are none of its own."""
    entries: list[PublishedEntry] = []
    asked: set[str] = set()
    older: str | None = address
    while older and older not in asked and len(asked) < MAX_PAGES:
        asked.add(older)
        try:
            found = download(older)
            page = _page(found, site)
        except FetchError as error:
            unread.append(Problem(where=error.where, reason=error.reason))
            break
        except ParseError as error:
            unread.append(Problem(where=found.url, reason=str(error)))
            break
        entries += page.entries
        older = page.older if page.older and _host(page.older) == _host(found.url) else None
    else:
        if older and older not in asked:
            unread.append(Problem(where=older, reason=f"page {MAX_PAGES + 1} of a feed; no more are read"))
    return entries


def _page(found: Download, site: Site) -> PublishedPage:
    return parse_published(found.body, zone=site.timezone, url=found.url)


def _host(url: str) -> tuple[str, str]:
    scheme, host, *_ = urlsplit(url)
    return scheme, host


def _from_file(name: str, site: Site, unread: list[Problem]) -> list[PublishedEntry]:
    try:
        feeds = feed_files(Path(name))
    except ParseError as error:
        unread.append(Problem(where=name, reason=str(error)))
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
        waiting.append(_Waiting(entry=entry, memory=memory, keys=(dedup.given_key(memory.id), *free)))
    return waiting, refused


def _free(keys: tuple[bytes, ...], taken: set[bytes]) -> tuple[bytes, ...]:
    free = tuple(key for key in keys if key not in taken)
    if not free:
        raise InvalidItem("another entry has the same link, title and day")
    return free


def _waiting(entry: PublishedEntry, site: Site, now: datetime) -> tuple[Memory, tuple[bytes, ...]]:
    """Return what is remembered of *entry*, and by which keys its article will find it."""
    id_, start = _id(entry.guid), prefix(site.id)
    first = dedup.minted_key(id_, start)
    if id_.startswith(start) and first is None:
        raise InvalidItem("it begins like an id that Feeder makes, and is none")
    title = title_key(safe_text(entry.title)) if entry.title else None
    date = entry.published or entry.updated
    day = date.astimezone(site.timezone).date().isoformat() if date else None
    link = _link(entry, id_, site)
    keys = dedup.adopted_keys(title_key=title, day=day, link=link)
    if not keys and first is None:
        raise InvalidItem("it has neither link nor title, so nobody can tell which article it is")
    adopted = min(date, now) if date else None
    memory = Memory(id=id_, first_seen=now, adopted=adopted, link=link, text_since=_text_since(entry, now))
    return memory, (*keys, first) if first else keys


def _link(entry: PublishedEntry, id_: str, site: Site) -> str | None:
    """Return the link of *entry*, unless that is the page which Feeder gave the article for want of a link."""
    is_page = entry.link and entry.link.endswith(f"/{article_path(id_, site)}")
    return None if is_page else entry.link


def _id(guid: str | None) -> str:
    """Return a guid that may stand in all feeds as it is: readers compare it letter by letter."""
    if guid is None:
        raise InvalidItem("it has neither an id nor a link")
    if not _IRI.fullmatch(guid):
        raise InvalidItem("its id is no absolute IRI, as Atom needs one (RFC 4287, 4.2.6); it gets a new one")
    if len(guid.encode()) > MAX_GUID:
        raise InvalidItem(f"its id is longer than {MAX_GUID} bytes; it gets a new one")
    return guid


def _text_since(entry: PublishedEntry, now: datetime) -> datetime | None:
    if entry.updated and entry.published and entry.published < entry.updated:
        return min(entry.updated, now)
    return None


# ---------------------------------------------------------------- what waits to articles


def _matches(waiting: Sequence[_Waiting], settings: Config, now: datetime, progress: Progress | None) -> Matches:
    """Poll all sources on a copy of the state, and return which articles the entries would be."""
    with rehearsed(settings, is_fresh=True, progress=progress) as app:
        app.prepare(now)
        polls = poll_all(app, [source.name for source in settings.sources if source.enabled], now)
        copies = app.store.copies([each.memory.id for each in waiting])
        listed = tuple(islice(app.store.newest(()), settings.feeds.entries))
    last = next((number for number, each in enumerate(listed) if copies.get(each.id)), len(listed))
    found = Counter(_match(each.entry, copies[each.memory.id][1]) for each in waiting)
    return Matches(
        by_id=found["id"],
        by_link=found["link"],
        by_title=found["title"],
        new=sum(1 for each in listed[last:] if each.id not in copies),
        feed_size=settings.feeds.entries,
        waiting=tuple(_absent(each.entry) for each in waiting if not copies[each.memory.id][1]),
        unpolled=tuple(Problem(where=polled.source, reason=polled.error) for polled in polls if polled.error),
    )


def _match(entry: PublishedEntry, copies: Sequence[Sighting]) -> str | None:
    if any(copy.article.guid == entry.guid for copy in copies):
        return "id"
    linked = set(dedup.adopted_keys(title_key=None, day=None, link=entry.link))
    if any(linked.intersection(dedup.waiting_keys(copy.article)) for copy in copies):
        return "link"
    return "title" if copies else None


def _absent(entry: PublishedEntry) -> Problem:
    return Problem(where=entry.guid or "", reason=entry.title or entry.link or "it has no title")
