"""Why an article is where it is, or is not: its documents, its keys, its feeds and its history."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from feeder import categories, dedup, memo, normalize, takedowns, urls
from feeder.app import App
from feeder.errors import FeederError, FetchError, ParseError, UnknownName
from feeder.fetch import fetcher_of
from feeder.fetch.directory import locator_of
from feeder.model import (
    Article,
    Dating,
    Memory,
    Node,
    Place,
    RawItem,
    Shown,
    Sighting,
    Source,
    Status,
    Unlisted,
    Verdict,
)
from feeder.parse import parser_of
from feeder.pipeline import choosing, receiving, tree, work
from feeder.screen import Block, Table
from feeder.store import Event, FaultKind, Row
from feeder.wording import apart, local, many, named, span, stamp

DATINGS = {
    Dating.ZONED: "with a time zone",
    Dating.NAIVE: "without a time zone",
    Dating.NONE: "no date that can be used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the operator asks about: an article by its id, or what lies at a place."""

    id: str | None
    rows: tuple[Row, ...]  # of the article; or, if it is none, of the document


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One of an article's documents, as it was read and as it reads now."""

    row: Row
    role: str
    source: Source | None  # None: it has left the config
    url: str | None = None  # that was asked for it
    raw: RawItem | None = None
    doubt: str | None = None  # about what `raw` says of the reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed of one of the article's categories. `reason` says why it does not hold the article."""

    node: Node
    title: str
    urls: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All there is to know. `state` is one word, `verdict` a sentence."""

    state: str
    verdict: str
    id: str | None = None
    shown: Shown | None = None
    memory: Memory | None = None
    documents: tuple[Document, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    feeds: tuple[Feed, ...] = ()
    history: tuple[Event, ...] = ()


# ---------------------------------------------------------------- finding


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
    return f"{word}: {_why_not_polled(locator, source)}.{_failing(source.name, app)}".rstrip(".")


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


# ---------------------------------------------------------------- explaining


def explain(found: Found, app: App, now: datetime) -> Explanation:
    """Return why what was *found* is where it is, or is not."""
    if found.id is None:
        (row,) = found.rows
        document = _document(row, "no article", app)
        return Explanation(state=row.status, verdict=_unread(row) + _failing(row.source, app), documents=(document,))
    memory = app.store.copies([found.id])[found.id][0]
    shown = app.store.shown([found.id]).get(found.id)
    feeds = tuple(_feeds(shown, app, now)) if shown and not shown.held else ()
    history = app.store.history(found.id)
    state, verdict = _verdict(found, memory, shown, feeds, app=app, now=now, history=history)
    return Explanation(
        state=state,
        verdict=verdict + (_failing(found.rows[0].source, app) if found.rows else ""),
        id=found.id,
        shown=shown,
        memory=memory,
        documents=tuple(_document(row, _role(row, found, shown, app), app) for row in found.rows),
        keys=tuple(dict.fromkeys(key for row in found.rows if row.sighting for key in keys(row.sighting.article))),
        feeds=feeds,
        history=history,
    )


def keys(article: Article) -> Iterator[tuple[str, str]]:
    """Yield by what copies of *article* are found, in the order of `dedup.keys`."""
    if article.day:
        yield "title and day", f"{article.title_key} · {article.day.isoformat()}"
    if article.guid:
        yield "given id", article.guid
    if article.dating is not Dating.ZONED:
        yield "title and text", f"{article.title_key} · {article.text_hash.hex()[:12]}…"


def _failing(name: str, app: App) -> str:
    """Return a sentence about the source if its last poll failed."""
    state = next((state for state in app.store.sources() if state.name == name), None)
    if state is None or state.error is None:
        return ""
    return f" The last poll of source {name} failed ({state.error}); what was read before stands."


def _unread(row: Row) -> str:
    if row.reason == receiving.OLDER:
        return f"Left out: {row.reason} (`first`)."
    reasons = {
        Status.LEFT_OUT: f"Left out: {row.reason}.",
        Status.BROKEN: f"Rejected: {row.reason}. It is read again when it changes.",
        **dict.fromkeys(
            (Status.UNSETTLED, Status.UNREADABLE),
            f"Could not be read: {row.reason}. It is tried again at the next poll.",
        ),
    }
    return reasons.get(Status(row.status), "It was read, and is no article.")


def _document(row: Row, role: str, app: App) -> Document:
    source = app.parts.sources.get(row.source)
    if source is None:
        return Document(row=row, role=role, source=None, doubt="its source has left the config")
    url = _asked(row.source, app)
    if source.path is None:
        return Document(row=row, role=role, source=source, url=url)
    try:
        snapshot = fetcher_of(source).read(source, row.place.locator)
        is_same = work.digest_of(snapshot) == row.digest
        raw = parser_of(source).parse(snapshot, source)
    except FetchError as error:
        return Document(row=row, role=role, source=source, url=url, doubt=error.reason)
    except ParseError as error:
        return Document(row=row, role=role, source=source, url=url, doubt=str(error))
    doubt = None if is_same else "it has changed since it was polled"
    if row.sighting and is_same:
        told = normalize.warnings(raw, row.sighting.article, source, app.config.site)
        raw = replace(raw, warnings=(*raw.warnings, *told))
    return Document(row=row, role=role, source=source, url=url, raw=raw, doubt=doubt)


def _asked(name: str, app: App) -> str | None:
    """Return the address that is asked for a source, its own or where that led to; a directory has none."""
    source = next(source for source in app.config.sources if source.name == name)
    state = next(state for state in app.store.sources() if state.name == name)
    return source.url and (memo.load(state.memo).url or source.url)


def _role(row: Row, found: Found, shown: Shown | None, app: App) -> str:
    if row.source in app.parts.rules.hidden:
        return "not shown: its source is turned off"
    if shown is None:
        return "not shown"
    if _is_winner(row, shown) and shown.held:
        return f"held until {local(shown.published, app.config.site.timezone)}"
    if _is_winner(row, shown):
        return "shown" if len(found.rows) == 1 else "wins"
    winner = next((other for other in found.rows if _is_winner(other, shown)), row)
    return f"merged: {_why_lost(row, winner, app)}"


def _is_winner(row: Row, shown: Shown) -> bool:
    return (row.source, row.place.locator) == (shown.source, shown.locator)


def _why_lost(row: Row, winner: Row, app: App) -> str:
    ranks = app.parts.rules.ranks
    mine, other = ranks.get(row.source, dedup.UNRANKED), ranks.get(winner.source, dedup.UNRANKED)
    if mine != other:
        return f"{winner.source} comes before {row.source} in the config"
    if _published(row) != _published(winner):
        return "the other was published earlier"
    return "of equals the first by name is shown"


def _published(row: Row) -> datetime | None:
    return row.sighting.published if row.sighting else None


# ---------------------------------------------------------------- the verdict


def _verdict(
    found: Found,
    memory: Memory,
    shown: Shown | None,
    feeds: tuple[Feed, ...],
    *,
    app: App,
    now: datetime,
    history: tuple[Event, ...],
) -> tuple[str, str]:
    if memory.removed:
        return "removed", f"Taken down{_note(found.id, app)}. It is in no feed and cannot return."
    if shown is None:
        return _unshown(found, history)
    if shown.held:
        zone = app.config.site.timezone
        return "held", f"Held until {local(shown.published, zone)} ({apart(shown.published, now)}): its date is ahead."
    return _shown_verdict(found.rows[0], shown, feeds)


def _unshown(found: Found, history: tuple[Event, ...]) -> tuple[str, str]:
    if found.rows:
        names = ", ".join(dict.fromkeys(row.source for row in found.rows))
        return (
            "hidden",
            f"Hidden: {names} is turned off (enabled = false). Turned on, it has the article back as it was.",
        )
    if not history:
        return "adopted", "Adopted from a feed that subscribers have; it waits for its article."
    if history[-1].verdict == Verdict.MERGED:
        where = history[-1].note or "into another article"
        return "merged", f"Merged {where}: its documents have a title and day, or a text, of that one."
    return "withdrawn", "Withdrawn: no source holds it any more. If it returns, it keeps its id."


def _note(id_: str | None, app: App) -> str:
    own = app.store.keys_of(id_) if id_ else ()
    taken = takedowns.load(app.config.path.parent / takedowns.NAME)
    entry = next((each for each in taken if each.id == id_ or not set(each.keys).isdisjoint(own)), None)
    return f": {entry.note}" if entry and entry.note else ""


def _shown_verdict(row: Row, shown: Shown, feeds: tuple[Feed, ...]) -> tuple[str, str]:
    holding = sum(1 for feed in feeds if feed.reason is None)
    where = f"in {holding} of {many(len(feeds), 'feed')}"
    broken = f" Its document is broken now ({row.reason}); what was read before stands." if row.reason else ""
    gone = f" Its document is missing since {stamp(row.missing_since)}." if row.missing_since else ""
    if not _is_winner(row, shown):
        return "merged", f"Merged: {shown.source}: {shown.locator} is shown in its place, {where}.{broken}{gone}"
    if holding:
        return "shown", f"Shown {where}.{broken}{gone}"
    reasons = "; ".join(dict.fromkeys(feed.reason for feed in feeds if feed.reason))
    state = "too_old" if any(_is_beyond(feed) for feed in feeds) else "waiting"
    return state, f"In no feed: {reasons}.{broken}{gone}"


def _is_beyond(feed: Feed) -> bool:
    return bool(feed.reason and feed.reason.startswith("beyond"))


def _feeds(shown: Shown, app: App, now: datetime) -> Iterator[Feed]:
    labels = app.store.nodes()
    holding = set(app.store.feeds_of(shown.id))
    stale = {mark.node for mark in app.store.stale(now, settle=timedelta())}
    faults = {fault.subject: fault.reason for fault in app.store.faults() if fault.kind is FaultKind.FEED}
    nodes = {node for path in shown.categories for node in categories.lineage(categories.node(path))} | {()}
    for node in sorted(nodes):
        place = tree.place_of(node, labels, app.parts)
        made = urls.feed_urls(place, app.config.site, app.config.feeds.formats)
        yield Feed(
            node=node,
            title=named(place.labels),
            urls=tuple(url for _, url in made),
            reason=None
            if node in holding
            else faults.get(categories.join_path(node)) or _why_not_held(node, shown.id, app, is_stale=node in stale),
        )


def _why_not_held(node: Node, id_: str, app: App, *, is_stale: bool) -> str:
    chosen = choosing.selected(node, app.parts)
    if id_ not in chosen:
        rank = next((at for at, each in enumerate(app.store.newest(node), start=1) if each.id == id_), 0)
        return f"beyond the newest {len(chosen)}: it is number {rank}"
    if is_stale:
        return "waits for the next publish"
    return "its text could not be read when the feed was written"


# ---------------------------------------------------------------- for people


def blocks(told: Explanation, app: App, now: datetime) -> Iterator[Block]:
    """Yield *told* as people read it."""
    yield told.verdict
    zone = app.config.site.timezone
    yield Table(title="Article", rows=tuple(_facts(told, app)))
    documents = tuple(_document_row(each, app) for each in told.documents)
    columns = ("document", "status", "role", "first seen", "published", "missing since")
    yield Table(title="Documents", columns=columns, rows=documents)
    yield Table(title="How it was read", rows=tuple(fact for each in told.documents for fact in _reading(each, app)))
    yield Table(
        title="Feeds",
        columns=("category", "holds it", "feed"),
        rows=tuple((feed.title, feed.reason or "yes", feed.urls[0] if feed.urls else "-") for feed in told.feeds),
    )
    yield Table(
        title="History",
        columns=("at", "ago", "what", "document"),
        rows=tuple(
            (local(e.at, zone), span(now - e.at), e.verdict + (f" ({e.note})" if e.note else ""), _called(e))
            for e in told.history
        ),
    )


def _called(event: Event) -> str:
    return f"{event.source}: {event.locator}"


def _facts(told: Explanation, app: App) -> Iterator[tuple[str, str]]:
    zone = app.config.site.timezone
    if told.id:
        yield "id", told.id
    if told.shown:
        article = told.shown.article
        yield "title", article.title
        yield "published", local(told.shown.published, zone)
        yield "updated", local(told.shown.updated, zone)
        yield from (("category", named(path)) for path in told.shown.categories)
        yield from ((name, text) for name, text in (("author", article.author), ("link", article.link)) if text)
    if told.memory and told.documents:
        yield "first seen", local(told.memory.first_seen, zone)
    yield from ((f"key: {kind}", value) for kind, value in told.keys)


def _document_row(document: Document, app: App) -> tuple[str, ...]:
    row, zone = document.row, app.config.site.timezone
    sighting = row.sighting
    return (
        f"{row.source}: {row.place.locator}",
        row.status.replace("_", " ") + (f" ({row.reason})" if row.reason else ""),
        document.role,
        local(sighting.first_seen, zone) if sighting else "-",
        local(sighting.published, zone) if sighting else "-",
        local(row.missing_since, zone),
    )


def _reading(document: Document, app: App) -> Iterator[tuple[str, str]]:
    yield "document", f"{document.row.source}: {document.row.place.locator}"
    if document.doubt:
        yield "  but", document.doubt
    raw, sighting = document.raw, document.row.sighting
    if document.url:
        yield "  from", document.url
    if sighting and document.url:
        origin = sighting.article.origin
        written = {
            "published in": origin and (origin.title or origin.url),
            "guid as read": sighting.article.guid,
            "link as read": sighting.article.link,
        }
        yield from ((f"  {name}", text) for name, text in written.items() if text)
    if raw:
        yield "  title as written", raw.title or "-"
    if sighting:
        yield "  title as read", sighting.article.title
    if raw:
        yield "  date as written", raw.date or "-"
        yield from (("  read leniently", warning) for warning in raw.warnings)
    if sighting:
        yield "  date as read", f"{local(sighting.article.published, app.config.site.timezone)} ({_dated(sighting)})"


def _dated(sighting: Sighting) -> str:
    how = DATINGS[sighting.article.dating]
    if sighting.article.published is None:
        return (
            f"{how}: {'the first sight' if sighting.published == sighting.first_seen else 'an earlier date'} stands in"
        )
    if sighting.article.published != sighting.published:
        return f"{how}, and not believed: it looks like the time of a generator's run"
    return how


# ---------------------------------------------------------------- for programs


def values(told: Explanation) -> dict[str, object]:
    """Return *told* as JSON has it."""
    return {
        "state": told.state,
        "verdict": told.verdict,
        "id": told.id,
        "title": told.shown.article.title if told.shown else None,
        "published": stamp(told.shown.published) if told.shown else None,
        "updated": stamp(told.shown.updated) if told.shown else None,
        "held_until": stamp(told.shown.published) if told.shown and told.shown.held else None,
        "categories": [list(path) for path in told.shown.categories] if told.shown else [],
        "removed": bool(told.memory and told.memory.removed),
        "first_seen": stamp(told.memory.first_seen) if told.memory else None,
        "keys": [{"kind": kind, "value": value} for kind, value in told.keys],
        "documents": [_document_values(each) for each in told.documents],
        "feeds": [
            {
                "category": list(f.node),
                "title": f.title,
                "holds": f.reason is None,
                "reason": f.reason,
                "urls": [*f.urls],
            }
            for f in told.feeds
        ],
        "history": [
            {"at": stamp(e.at), "what": e.verdict, "source": e.source, "locator": e.locator, "note": e.note}
            for e in told.history
        ],
    }


def _document_values(document: Document) -> dict[str, object]:
    row, raw = document.row, document.raw
    sighting = row.sighting
    return {
        "source": row.source,
        "locator": row.place.locator,
        "status": row.status,
        "reason": row.reason,
        "role": document.role,
        "doubt": document.doubt,
        "url": document.url,
        "origin": sighting.article.origin.title if sighting and sighting.article.origin else None,
        "guid": sighting.article.guid if sighting else None,
        "link": sighting.article.link if sighting else None,
        "missing_since": stamp(row.missing_since),
        "raw_title": raw.title if raw else None,
        "raw_date": raw.date if raw else None,
        "title": sighting.article.title if sighting else None,
        "date": stamp(sighting.article.published) if sighting else None,
        "dating": sighting.article.dating.value if sighting else None,
        "first_seen": stamp(sighting.first_seen) if sighting else None,
        "published": stamp(sighting.published) if sighting else None,
    }
