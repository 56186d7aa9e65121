"""How sources, articles and feeds stand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from feeder import memo as memory
from feeder.categories import parse_path
from feeder.config import Config
from feeder.model import Problem, Sighting, Source, SourceKind
from feeder.screen import Block, Table, clipped
from feeder.store import Store
from feeder.store.records import Alert, AlertKind, Fault, FaultKind, Peer, SourceState
from feeder.wording import apart, named, span, stamp

NODE_COLUMNS = ("node", "does", "started", "last heard", "in hand", "done", "waiting")
WITHOUT: Final[Mapping[str, str]] = MappingProxyType(  # a role: what then becomes of the whole cluster
    {
        "poll": "no source is asked or read",
        "publish": "no feed is written",
        "dispatch": "nobody hands out what there is to do",
    }
)
UNHEARD: Final = timedelta(minutes=1)  # a node of which nothing was heard for so long does nothing
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
    told = (_status(state, _state(state, known.get(name)), known.get(name), store) for name, state in states.items())
    return _standing((*told, *new), store, merges=merges)


def remembered(store: Store, *, merges: bool) -> Standing:
    """Return how everything stands by the config that was last good, as far as the *store* knows what that said."""
    told = (_status(s, "gone" if s.rank is None else _health(s), None, store) for s in store.sources())
    return _standing(tuple(told), store, merges=merges)


def _standing(sources: tuple[SourceStatus, ...], store: Store, *, merges: bool) -> Standing:
    return Standing(
        sources=sources,
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


def _status(state: SourceState, said: str, source: Source | None, store: Store) -> SourceStatus:
    memo = memory.load(state.memo)
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


def _state(state: SourceState, source: Source | None) -> str:
    if source is None:
        return "gone"
    return _health(state) if source.enabled else "off"


def _health(state: SourceState) -> str:
    claims = (
        ("paused", state.is_paused),
        ("ended", memory.load(state.memo).is_gone),
        ("failing", state.error is not None),
        ("new", state.last_poll is None),
    )
    return next((word for word, is_so in claims if is_so), "ok")


def blocks(stands: Standing, now: datetime) -> Iterator[Block]:
    """Yield how everything stands."""
    columns = ("source", "state", "sightings", "last success", "next poll", "why", "error")
    yield Table(title="Sources", columns=columns, rows=tuple(_source_row(each, now) for each in stands.sources))
    yield Table(title="Notes", rows=tuple(note for each in stands.sources for note in _notes(each)))
    yield Table(title="Nodes", columns=NODE_COLUMNS, rows=tuple(_node_row(each, now) for each in stands.peers))
    yield from unfilled(stands.peers, now)
    if stands.peers:
        yield f"The source that waits longest has been due for {span(_lag(stands.sources, now))}."
    counts = tuple((words, str(stands.counts.get(name, 0))) for name, words in COUNTED.items())
    yield Table(title="Counts", columns=("what", "how many"), rows=counts)
    rejected = tuple((problem.where, problem.reason) for problem in stands.problems)
    yield from clipped(Table(title="Rejected documents", columns=("document", "reason"), rows=rejected))
    faults = tuple((_faulty(fault), apart(fault.since, now), fault.reason) for fault in stands.faults)
    yield from clipped(Table(title="Cannot be published", columns=("what", "since", "reason"), rows=faults))
    silent = tuple((_alerted(alert), str(alert.cause), apart(alert.since, now)) for alert in stands.alerts)
    yield from clipped(Table(title="Silent", columns=("what", "why", "since"), rows=silent))
    if stands.merges is not None:
        yield from _merged(stands.merges)


def unfilled(peers: Sequence[Peer], now: datetime) -> tuple[str, ...]:
    """Return what no node does that was heard of late; nothing if there are no nodes at all."""
    roles = {role for each in peers if now - each.seen < UNHEARD for role in json.loads(each.facts).get("roles", ())}
    return tuple(
        f"No node has the role {role}: {then}." for role, then in WITHOUT.items() if peers and role not in roles
    )


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
    times = (each.next_poll for each in sources if each.state in {"ok", "failing"})
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


def values(stands: Standing) -> dict[str, object]:
    """Return how everything stands, as JSON has it."""
    told: dict[str, object] = {
        "sources": [_source_values(each) for each in stands.sources],
        "counts": dict(stands.counts),
        "rejected": [{"document": problem.where, "reason": problem.reason} for problem in stands.problems],
        "unpublished": [_fault_values(fault) for fault in stands.faults],
        "silent": [_alert_values(alert) for alert in stands.alerts],
        "nodes": [_node_values(each) for each in stands.peers],
    }
    if stands.merges is not None:
        told["merges"] = [
            {"id": id_, "documents": [_sighting_values(sighting) for sighting in sightings]}
            for id_, sightings in stands.merges
        ]
    return told


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
        "state": _state(state, source),
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
