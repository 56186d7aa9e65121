"""Articles that other settings show to be one after all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feeder.dedup.identity import keys, minted_key
from feeder.dedup.rules import Rules, rank
from feeder.model import Memory, Sighting, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Reunion:
    """Which articles turn out to be others (id -> id), and whose each key is now."""

    merged: Mapping[str, str]
    owners: Mapping[bytes, str]


def reunite(
    namesakes: Sequence[Sighting], memories: Mapping[str, Memory], *, sources: Mapping[str, Source], rules: Rules
) -> Reunion:
    """Return what other settings make of articles with one title: those that now share its day are the oldest of them.

    While documents are read anew one by one, a day that is taken may be about to be left: only after all is that known.
    """
    holders: dict[bytes, set[str]] = {}
    ages: dict[str, tuple[object, ...]] = {}
    for sighting in (s for s in namesakes if s.article.day and not memories[s.id].removed):
        own = keys(sighting.article, source=sources[sighting.source], locator=sighting.locator, never=rules.never)
        if minted_key(sighting.id, rules.prefix) in own[1:]:
            continue  # it stands apart from others of its title and day
        holders.setdefault(own[0], set()).add(sighting.id)
        age = (memories[sighting.id].first_seen, *rank(sighting, rules))
        ages[sighting.id] = min(age, ages.get(sighting.id, age))
    into: dict[str, str] = {}
    for ids in holders.values():
        oldest, *rest = sorted({_last(id_, into) for id_ in ids}, key=ages.__getitem__)
        into |= dict.fromkeys(rest, oldest)
    return Reunion(
        merged={id_: _last(id_, into) for id_ in into},
        owners={key: _last(min(ids), into) for key, ids in holders.items()},
    )


def _last(id_: str, into: Mapping[str, str]) -> str:
    while id_ in into:
        id_ = into[id_]
    return id_
