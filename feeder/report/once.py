"""What one run came to, and what other settings did to what was there before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from feeder.model import REJECTED, Node, Problem, Status, Verdict
from feeder.pipeline.edition import Published
from feeder.pipeline.polling import Polled
from feeder.screen import FEW, Block
from feeder.store import Store
from feeder.wording import many, named

IN_WORDS = {Verdict.MERGED: "merged as copies"}
NEWS = tuple(verdict for verdict in Verdict if verdict is not Verdict.UNCHANGED)


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


def values(done: Summary) -> dict[str, object]:
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


def blocks(done: Summary) -> Iterator[Block]:
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
