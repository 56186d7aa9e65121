"""What is known while a batch of one source is decided: the one thing in this room that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from feeder.dedup.identity import keys
from feeder.dedup.rules import Rules
from feeder.model import Article, Memory, Sighting, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An item as read now, with what `keys` and `waiting_keys` say of it.

    `same_bytes`: the document is as before, and is read again under other settings.
    """

    locator: str
    article: Article
    keys: tuple[bytes, ...]
    waiting: tuple[bytes, ...]
    same_bytes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows that touches a batch of candidates of one source."""

    sightings: Mapping[str, Sighting] = field(default_factory=dict)  # by locator
    vanished: tuple[Sighting, ...] = ()  # of this source, at locators that are not there any more
    owners: Mapping[bytes, str] = field(default_factory=dict)  # key -> id
    memories: Mapping[str, Memory] = field(default_factory=dict)  # id -> memory
    copies: Mapping[str, tuple[Sighting, ...]] = field(default_factory=dict)  # id -> its current sightings
    present: frozenset[str] | None = None  # the locators in a feed or on a page; None: it is no such window


@dataclass(slots=True, kw_only=True)
class Desk:
    """The one mutable thing: what is known, as the decisions of this batch change it."""

    source: Source
    rules: Rules
    now: datetime
    sightings: dict[str, Sighting]
    vanished: dict[tuple[object, ...], list[Sighting]]
    owners: dict[bytes, str]
    memories: dict[str, Memory]
    copies: dict[str, dict[tuple[str, str], Sighting]]
    present: frozenset[str] | None
    claims: set[tuple[object, ...]] = field(default_factory=set)  # what unknown locators bring: trace and title
    touched: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, known: Known, *, source: Source, rules: Rules, now: datetime) -> Desk:
        """Return a desk with what is known before the first decision."""
        return cls(
            source=source,
            rules=rules,
            now=now,
            sightings=dict(known.sightings),
            vanished=_by_trace(known.vanished),
            owners=dict(known.owners),
            memories=dict(known.memories),
            copies={id_: {(s.source, s.locator): s for s in group} for id_, group in known.copies.items()},
            present=known.present,
        )


def keys_of(article: Article, locator: str, desk: Desk) -> tuple[bytes, ...]:
    """Return the keys of *article* as the batch's source and settings have it."""
    return keys(article, source=desk.source, locator=locator, never=desk.rules.never)


def trace_of(article: Article) -> tuple[object, ...]:
    """Return what an article takes along when its file gets another name."""
    return article.body_hash, article.dating, article.published


def _by_trace(vanished: Iterable[Sighting]) -> dict[tuple[object, ...], list[Sighting]]:
    found: dict[tuple[object, ...], list[Sighting]] = {}
    for sighting in sorted(vanished, key=lambda s: s.locator):
        found.setdefault(trace_of(sighting.article), []).append(sighting)
    return found
