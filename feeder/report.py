"""What happened and how things stand, as blocks for people and as values for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from feeder import memo as memory
from feeder.categories import parse_path
from feeder.config import Address, Config, address_text
from feeder.errors import FetchError
from feeder.fetch import fetcher_of
from feeder.memo import Memo
from feeder.model import (
    PATH_MARK,
    Node,
    Place,
    Problem,
    Sighting,
    Source,
    SourceKind,
    Status,
    Unlisted,
    Verdict,
)
from feeder.pipeline.polling import Polled
from feeder.pipeline.publishing import Published
from feeder.screen import Block, Table
from feeder.store import Alert, AlertKind, Fault, FaultKind, Peer, SourceState, Store

FEW = 5  # of a kind that a summary names
NODE_COLUMNS = ("node", "does", "started", "last heard", "in hand", "done", "waiting")
MANY = 20  # of a kind that `status` names; JSON has all
IN_WORDS = {Verdict.MERGED: "merged as copies"}
NEWS = tuple(verdict for verdict in Verdict if verdict is not Verdict.UNCHANGED)
REJECTED = (Status.BROKEN, Status.UNSETTLED, Status.UNREADABLE)
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
COUNTED = {  # what the store counts, in words
    "articles": "articles",
    "sightings": "sightings of them",
    "merged": "articles with several sightings",
    "held": "articles held until their date",
    "removed": "articles taken down",
    "left_out": "documents left out",
    "rejected": "documents rejected",
    "missing": "sightings missing",
    "feeds": "feeds",
    "stale": "feeds to be published",
}
UNTITLED = "(the whole site)"


def local(moment: datetime | None, zone: ZoneInfo) -> str:
    """Return *moment* as the site's people read it."""
    if moment is None:
        return "-"
    there = moment.astimezone(zone)
    return f"{there:%Y-%m-%d %H:%M:%S} {there:%z}"


def stamp(moment: datetime | None) -> str | None:
    """Return *moment* as JSON has it."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def apart(moment: datetime | None, now: datetime) -> str:
    """Return how far *moment* is from *now*, in one unit."""
    if moment is None:
        return "never"
    length = span(abs(moment - now))
    return "now" if length == "0 s" else f"in {length}" if moment > now else f"{length} ago"


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit."""
    seconds = int(length.total_seconds())
    size, unit = next((each for each in UNITS if seconds >= each[0]), UNITS[-1])
    return f"{seconds // size} {unit}"


def named(node: Node) -> str:
    """Return the category *node* as people read it."""
    return PATH_MARK.join(node) or UNTITLED


def many(count: int, one: str, more: str | None = None) -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else more or one + 's'}"


# ---------------------------------------------------------------- once


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What other settings did to articles and feeds that were there before."""

    sources: tuple[str, ...]  # those that were read anew
    new_days: int
    merged: int
    moved: int  # feeds
    new_ids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one run came to."""

    polls: tuple[Polled, ...]
    published: Published
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    effect: Effect | None = None
    rehearsal: bool = False

    @property
    def failed(self) -> tuple[Polled, ...]:
        """The polls that did not succeed."""
        return tuple(polled for polled in self.polls if polled.error)


def summary_values(done: Summary) -> dict[str, object]:
    """Return *done* as JSON has it."""
    verdicts, statuses = _totals(done)
    effect = done.effect
    return {
        "dry_run": done.rehearsal,
        "sources": len(done.polls),
        "failed": {polled.source: polled.error for polled in done.failed},
        **{verdict.value: verdicts[verdict] for verdict in NEWS},
        "held": sum(polled.held for polled in done.polls),
        "left_out": statuses[Status.LEFT_OUT],
        "rejected": sum(statuses[status] for status in REJECTED),
        "feeds": done.published.nodes,
        "feeds_failed": {"/".join(node): reason for node, reason in done.published.failed.items()},
        "entries_left_out": dict(done.published.left_out),
        "written": sorted(done.published.written),
        "removed": sorted(done.published.removed),
        "state": dict(done.counts),
        "settings": None if effect is None else _effect_values(effect),
    }


def summary(done: Summary) -> Iterator[Block]:
    """Yield *done* in a few lines."""
    yield from _polled_lines(done)
    yield from _published_lines(done)
    if done.effect:
        yield _effect_line(done.effect)
    if done.rehearsal:
        yield from (f"would write {path}" for path in sorted(done.published.written))
        yield from (f"would remove {path}" for path in sorted(done.published.removed))


def _totals(done: Summary) -> tuple[Counter[Verdict], Counter[Status]]:
    verdicts: Counter[Verdict] = Counter()
    statuses: Counter[Status] = Counter()
    for polled in done.polls:
        verdicts.update(polled.verdicts)
        statuses.update(polled.statuses)
    return verdicts, statuses


def _polled_lines(done: Summary) -> Iterator[str]:
    verdicts, statuses = _totals(done)
    counted = [(IN_WORDS.get(verdict, verdict.value), verdicts[verdict]) for verdict in NEWS]
    counted.append(("held", sum(polled.held for polled in done.polls)))
    counted.append(("left out", statuses[Status.LEFT_OUT]))
    counted.append(("rejected", sum(statuses[status] for status in REJECTED)))
    news = ", ".join(f"{count} {name}" for name, count in counted if count)
    yield f"{many(len(done.polls), 'source')} polled: {news or 'nothing new'}"
    yield from (f"  failed: {polled.source}: {polled.error}" for polled in done.failed)
    if counted[-1][1]:
        yield from (f"  rejected: {problem.where}: {problem.reason}" for problem in done.problems[:FEW])
        if len(done.problems) > FEW:
            yield f"  … and {len(done.problems) - FEW} more; `feeder status` lists them"


def _published_lines(done: Summary) -> Iterator[str]:
    published = done.published
    files = f"{many(len(published.written), 'file')} written, {len(published.removed)} removed"
    would = "would be " if done.rehearsal else ""
    yield f"{many(published.nodes, 'feed')} {would}published: {files}"
    yield from (f"  failed: {named(node)}: {reason}" for node, reason in published.failed.items())
    yield from (f"  left out: {id_}: {reason}" for id_, reason in published.left_out.items())


def _effect_line(effect: Effect) -> str:
    sources = f"{many(len(effect.sources), 'source')} changed ({', '.join(effect.sources)})"
    days = many(effect.new_days, "article changes day", "articles change day")
    merges = many(effect.merged, "merges", "merge")
    feeds, ids = many(effect.moved, "feed moves", "feeds move"), many(effect.new_ids, "new id")
    whose = sources if effect.sources else "the feeds changed"
    return f"the settings of {whose}: {days}, {merges}; {feeds}; {ids}"


def _effect_values(effect: Effect) -> dict[str, object]:
    return {
        "sources": list(effect.sources),
        "new_days": effect.new_days,
        "merged": effect.merged,
        "feeds_moved": effect.moved,
        "new_ids": effect.new_ids,
    }


# ---------------------------------------------------------------- what other settings do


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What must not change by itself: each article's day, each feed's place."""

    days: Mapping[str, date | None]
    places: Mapping[Node, tuple[str, ...]]


def census(store: Store) -> Census:
    """Return what readers see now, as far as `effect_of` compares it."""
    days = {id_: shown.article.day for ids in store.id_slices() for id_, shown in store.shown(ids).items()}
    return Census(days=days, places={feed.node: tuple(path for path, _, _ in feed.files) for feed in store.feeds()})


def effect_of(sources: Sequence[str], store: Store, *, before: Census) -> Effect:
    """Return what became of *before* when *sources* were read with other settings."""
    after = census(store)
    stayed, gone = before.days.keys() & after.days.keys(), before.days.keys() - after.days.keys()
    return Effect(
        sources=tuple(sources),
        new_days=sum(1 for id_ in stayed if before.days[id_] != after.days[id_]),
        merged=sum(1 for id_ in gone if _is_merged(id_, store)),
        moved=sum(1 for node, paths in before.places.items() if after.places.get(node) != paths),
        new_ids=len(after.days.keys() - before.days.keys()),
    )


def _is_merged(id_: str, store: Store) -> bool:
    """Tell an article whose documents are another's now from one that was withdrawn, replaced or hidden."""
    history = store.history(id_)
    return bool(history) and history[-1].verdict == Verdict.MERGED


# ---------------------------------------------------------------- check


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A source, and how many documents it holds now; or why nobody knows."""

    source: Source
    documents: int = 0
    problem: str | None = None


def look(source: Source) -> Look:
    """Count the documents of *source*; nothing is read, and no server is asked."""
    if source.url:
        return Look(source=source)
    count, unlisted = 0, []
    try:
        for found in fetcher_of(source).look(source):
            if isinstance(found, Place):
                count += 1
            else:
                unlisted.append(found)
    except FetchError as error:
        return Look(source=source, problem=error.reason)
    return Look(source=source, documents=count, problem=_unlisted(unlisted))


def _unlisted(unlisted: Sequence[Unlisted]) -> str | None:
    return "; ".join(f"{each.locator} cannot be listed: {each.reason}" for each in unlisted[:FEW]) or None


def check(settings: Config, looks: Sequence[Look]) -> Iterator[Block]:
    """Yield what is configured."""
    site = settings.site
    yield Table(
        title=f"{settings.path}: good",
        rows=(
            ("site", f"{site.title} <{site.url}>"),
            ("ids", f"tag:{site.id}:…"),
            ("time zone", f"{site.timezone}"),
            ("formats", ", ".join(settings.feeds.formats)),
            ("output", str(settings.output)),
            ("state", _place(settings)),
            ("server", _where(settings.listen)),
            ("for the operator", _where(settings.admin)),
        ),
    )
    yield Table(
        title=many(len(looks), "source"),
        columns=("source", "documents", "polled", "path or url"),
        rows=tuple(map(_look, looks)),
    )


def _place(settings: Config) -> str:
    is_missing = isinstance(settings.state, Path) and not settings.state.exists()
    return f"{settings.state}{' (not there yet)' if is_missing else ''}"


def _where(address: Address | None) -> str:
    if address is None:
        return "off"
    return address_text(address) if isinstance(address, Path) else f"http://{address_text(address)}/"


def _look(look: Look) -> tuple[str, ...]:
    source = look.source
    polled = source.cron or ("as it publishes" if source.is_adaptive else f"every {span(source.interval)}")
    documents = str(look.documents) if look.documents or not (look.problem or source.url) else "?"
    place = f"{source.url or source.path}" + (f" ({look.problem})" if look.problem else "")
    return source.name, documents, polled if source.enabled else "no (enabled = false)", place


def check_values(settings: Config, looks: Sequence[Look]) -> dict[str, object]:
    """Return what is configured, as JSON has it."""
    return {
        "config": str(settings.path),
        "site": {"title": settings.site.title, "url": settings.site.url, "id": settings.site.id},
        "formats": [made.value for made in settings.feeds.formats],
        "output": str(settings.output),
        "state": str(settings.state),
        "state_exists": settings.state.exists() if isinstance(settings.state, Path) else None,
        "listen": None if settings.listen is None else address_text(settings.listen),
        "admin": None if settings.admin is None else address_text(settings.admin),
        "sources": [
            {
                "name": each.source.name,
                "path": None if each.source.path is None else str(each.source.path),
                "url": each.source.url,
                "enabled": each.source.enabled,
                "documents": None if each.source.url else each.documents,
                "problem": each.problem,
            }
            for each in looks
        ],
        "warnings": list(settings.warnings),
    }


# ---------------------------------------------------------------- status


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How a source stands.

    `state` is ok, failing, ended (gone for good, as its server says), paused, off, new (never polled) or gone (left the
    config).
    """

    name: str
    state: str
    url: str | None = None
    asked: str | None = None  # in place of the url
    has_moved: bool = False  # to there, for good; else the page there announces it
    kind: str | None = None  # what the URL was found to be
    sightings: int = 0
    missing: int = 0
    last_success: datetime | None = None
    next_poll: datetime | None = None
    why: str | None = None  # it is polled no earlier
    failures: int = 0  # in a row
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How everything stands."""

    sources: tuple[SourceStatus, ...]
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]
    faults: tuple[Fault, ...] = ()
    alerts: tuple[Alert, ...] = ()  # of what is silent now
    merges: tuple[tuple[str, tuple[Sighting, ...]], ...] | None = None  # None: not asked for
    peers: tuple[Peer, ...] = ()  # the nodes that share the state


def standing(settings: Config, store: Store | None, *, merges: bool) -> Standing:
    """Return how everything stands; without a *store* nothing was polled yet."""
    if store is None:
        sources = tuple(_new(source) for source in settings.sources)
        return Standing(sources=sources, counts=dict.fromkeys(COUNTED, 0), problems=(), merges=() if merges else None)
    states = {state.name: state for state in store.sources()}
    known = {source.name: source for source in settings.sources}
    new = (_new(source) for name, source in known.items() if name not in states)
    return Standing(
        sources=(*(_status(state, known.get(name), store) for name, state in states.items()), *new),
        counts=store.counts(),
        problems=store.problems(),
        faults=store.faults(),
        alerts=_silent(store),
        merges=store.merges() if merges else None,
        peers=store.peers(),
    )


def _silent(store: Store) -> tuple[Alert, ...]:
    return tuple(alert for alert in store.alerts() if alert.cause)


def _new(source: Source) -> SourceStatus:
    return SourceStatus(name=source.name, state="new" if source.enabled else "off", url=source.url)


def _status(state: SourceState, source: Source | None, store: Store) -> SourceStatus:
    memo = memory.load(state.memo)
    said = _state(state, source, memo)
    is_due = said in {"ok", "failing", "new"}
    return SourceStatus(
        name=state.name,
        state=said,
        url=source.url if source else None,
        asked=memo.url,
        has_moved=memo.has_moved,
        kind=None if memo.kind is SourceKind.AUTO else memo.kind.value,
        sightings=store.count(state.name),
        missing=sum(1 for gone in store.missing(state.name) if gone.id),
        last_success=state.last_success,
        next_poll=state.next_poll if is_due else None,
        why=state.why if is_due else None,
        failures=state.failures,
        error=state.error,
    )


def _state(state: SourceState, source: Source | None, memo: Memo) -> str:
    claims = (
        ("gone", source is None),
        ("off", source is not None and not source.enabled),
        ("paused", state.is_paused),
        ("ended", memo.is_gone),
        ("failing", state.error is not None),
        ("new", state.last_poll is None),
    )
    return next((word for word, is_so in claims if is_so), "ok")


def status(stands: Standing, now: datetime) -> Iterator[Block]:
    """Yield how everything stands."""
    columns = ("source", "state", "sightings", "last success", "next poll", "why", "error")
    yield Table(title="Sources", columns=columns, rows=tuple(_source_row(each, now) for each in stands.sources))
    yield Table(title="Notes", rows=tuple(note for each in stands.sources for note in _notes(each)))
    yield Table(title="Nodes", columns=NODE_COLUMNS, rows=tuple(_node_row(each, now) for each in stands.peers))
    if stands.peers:
        yield f"The source that waits longest has been due for {span(_lag(stands.sources, now))}."
    counts = tuple((words, str(stands.counts.get(name, 0))) for name, words in COUNTED.items())
    yield Table(title="Counts", columns=("what", "how many"), rows=counts)
    rejected = tuple((problem.where, problem.reason) for problem in stands.problems)
    yield Table(title="Rejected documents", columns=("document", "reason"), rows=rejected[:MANY])
    if len(rejected) > MANY:
        yield f"… and {len(rejected) - MANY} more; --json lists all"
    faults = tuple((_faulty(fault), apart(fault.since, now), fault.reason) for fault in stands.faults)
    yield Table(title="Cannot be published", columns=("what", "since", "reason"), rows=faults[:MANY])
    if len(faults) > MANY:
        yield f"… and {len(faults) - MANY} more; --json lists all"
    silent = tuple((_alerted(alert), str(alert.cause), apart(alert.since, now)) for alert in stands.alerts)
    yield Table(title="Silent", columns=("what", "why", "since"), rows=silent[:MANY])
    if len(silent) > MANY:
        yield f"… and {len(silent) - MANY} more; --json lists all"
    if stands.merges is not None:
        yield from _merged(stands.merges)


def _source_row(each: SourceStatus, now: datetime) -> tuple[str, ...]:
    sightings = f"{each.sightings}" + (f" ({each.missing} missing)" if each.missing else "")
    due = "-" if each.next_poll is None else "due" if each.next_poll <= now else apart(each.next_poll, now)
    why = (each.why or "-") if each.next_poll and each.next_poll > now else "-"
    return each.name, each.state, sightings, apart(each.last_success, now), due, why, each.error or "-"


def _node_row(each: Peer, now: datetime) -> tuple[str, ...]:
    facts = json.loads(each.facts)
    shown = (_tally(facts.get(key, {})) for key in ("in_hand", "done", "waiting"))
    return each.name, ", ".join(facts.get("roles", ())), apart(each.started, now), apart(each.seen, now), *shown


def _tally(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "-"


def _lag(sources: Iterable[SourceStatus], now: datetime) -> timedelta:
    times = (each.next_poll for each in sources if each.state in {"ok", "failing", "new"})
    return max((now - due for due in times if due and due <= now), default=timedelta())


def _notes(each: SourceStatus) -> Iterator[tuple[str, str]]:
    """Yield what an operator may want to do about a source."""
    if each.asked and each.has_moved:
        yield each.name, f"has moved for good to {each.asked}, which is asked since; its url may be changed to that"
    elif each.asked:
        yield each.name, f"is a page that announces the feed that is read: {each.asked}"
    if each.state == "ended":
        yield each.name, f"is gone for good, as its server says; `feeder poll {each.name}` asks once more"


def _faulty(fault: Fault) -> str:
    return {
        FaultKind.FEED: f"feed of {named(parse_path(fault.subject))}",
        FaultKind.INDEXES: "lists of all feeds",
        FaultKind.ENTRY: fault.subject,
        FaultKind.COMMAND: "news to after_publish",
        FaultKind.HUB: "news to the hub",
        FaultKind.ALERT: "alerts to their command",
        FaultKind.CONFIG: "the configuration as it is written now; the one of before holds",
    }[fault.kind]


def _alerted(alert: Alert) -> str:
    return alert.subject if alert.kind is AlertKind.SOURCE else named(parse_path(alert.subject))


def _merged(merges: Sequence[tuple[str, tuple[Sighting, ...]]]) -> Iterator[Block]:
    rows = tuple(
        (id_.rpartition("/")[2], f"{sighting.source}: {sighting.locator}", sighting.article.title)
        for id_, sightings in merges
        for sighting in sorted(sightings, key=lambda s: (s.source, s.locator))
    )
    title = "Merged although their texts differ"
    yield Table(title=title, columns=("id", "document", "title"), rows=rows)
    if not rows:
        yield "No merged articles differ in their texts."


def status_values(stands: Standing) -> dict[str, object]:
    """Return how everything stands, as JSON has it."""
    values: dict[str, object] = {
        "sources": [_source_values(each) for each in stands.sources],
        "counts": dict(stands.counts),
        "rejected": [{"document": problem.where, "reason": problem.reason} for problem in stands.problems],
        "unpublished": [_fault_values(fault) for fault in stands.faults],
        "silent": [_alert_values(alert) for alert in stands.alerts],
        "nodes": [_node_values(each) for each in stands.peers],
    }
    if stands.merges is not None:
        values["merges"] = [
            {"id": id_, "documents": [_sighting_values(sighting) for sighting in sightings]}
            for id_, sightings in stands.merges
        ]
    return values


def brief(settings: Config, store: Store, now: datetime) -> dict[str, object]:
    """Return how everything stands at a moment as JSON has it, in short: what takes long to count is left out."""
    known = {source.name: source for source in settings.sources}
    return {
        "now": stamp(now),
        "sources": [_brief(state, known.get(state.name)) for state in store.sources()],
        "counts": dict(store.counts()),
        "unpublished": [_fault_values(fault) for fault in store.faults()],
        "silent": [_alert_values(alert) for alert in _silent(store)],
    }


def _brief(state: SourceState, source: Source | None) -> dict[str, object]:
    return {
        "name": state.name,
        "state": _state(state, source, memory.load(state.memo)),
        "last_success": stamp(state.last_success),
        "next_poll": stamp(state.next_poll),
        "failures": state.failures,
        "error": state.error,
    }


def _fault_values(fault: Fault) -> dict[str, object]:
    return {"kind": fault.kind.value, "what": fault.subject, "since": stamp(fault.since), "reason": fault.reason}


def _node_values(each: Peer) -> dict[str, object]:
    return {"name": each.name, "started": stamp(each.started), "seen": stamp(each.seen), **json.loads(each.facts)}


def _alert_values(alert: Alert) -> dict[str, object]:
    return {
        "kind": alert.kind.value,
        "what": alert.subject,
        "cause": alert.cause,
        "since": stamp(alert.since),
    }


def _source_values(each: SourceStatus) -> dict[str, object]:
    return {
        "name": each.name,
        "state": each.state,
        "url": each.url,
        "asked": each.asked,
        "has_moved": each.has_moved,
        "kind": each.kind,
        "sightings": each.sightings,
        "missing": each.missing,
        "last_success": stamp(each.last_success),
        "next_poll": stamp(each.next_poll),
        "why": each.why,
        "failures": each.failures,
        "error": each.error,
    }


def _sighting_values(sighting: Sighting) -> dict[str, object]:
    return {"source": sighting.source, "locator": sighting.locator, "title": sighting.article.title}
