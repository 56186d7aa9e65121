"""Which of an article's copies readers see, with the categories of all, and from when on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from feeder.dedup.rules import Rules, is_near, rank
from feeder.model import CategoryPath, FuturePolicy, Memory, Shown, Sighting


def show(copies: Collection[Sighting], memory: Memory, *, rules: Rules, now: datetime) -> Shown | None:
    """Return the article that *copies* make together, or None if nothing of it is to be seen."""
    ranked = sorted((c for c in copies if c.source not in rules.hidden), key=lambda sighting: rank(sighting, rules))
    if not ranked or memory.removed:
        return None
    winner = ranked[0]
    published = _shown_date(winner, rules)
    return Shown(
        id=memory.id,
        source=winner.source,
        locator=winner.locator,
        article=winner.article,
        published=published,
        updated=winner.article.updated or winner.text_since or published,
        categories=_union(ranked),
        text_since=winner.text_since,
        held=published > now,
    )


def _shown_date(winner: Sighting, rules: Rules) -> datetime:
    """Return the date of the winner; one that was a little ahead when it was first read is that moment."""
    seen = winner.dated_since or winner.first_seen
    if is_near(winner.published, seen) and rules.future.get(winner.source, FuturePolicy.SHOW) is FuturePolicy.SHOW:
        return seen
    return winner.published


def _union(ranked: Sequence[Sighting]) -> tuple[CategoryPath, ...]:
    return tuple(dict.fromkeys(path for sighting in ranked for path in sighting.article.categories))
