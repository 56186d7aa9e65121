"""What the config says of deciding and showing, and the order of an article's copies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feeder.model import FuturePolicy, Sighting

AHEAD = timedelta(hours=24)  # zones are often wrong, by less than a day
UNRANKED = 1 << 30  # of a source that has left the config


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the config says of deciding. `prefix` is what minted ids begin with."""

    prefix: str
    never: frozenset[str] = frozenset()  # title keys that are never shared
    ranks: Mapping[str, int] = field(default_factory=dict)  # source name -> place in the config
    future: Mapping[str, FuturePolicy] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()  # sources that are turned off


def rank(sighting: Sighting, rules: Rules) -> tuple[int, float, datetime, str, str]:
    """Return what the smallest of an article's copies is chosen by: that one is shown.

    What is missing comes after what its source has, and what was missed first comes last: a document that goes is shown
    as it was. It comes before what others have, until it is gone for good: a generator that writes its documents anew
    must not change what readers see.
    """
    source = rules.ranks.get(sighting.source, UNRANKED)
    missing = -sighting.missing_since.timestamp() if sighting.missing_since else -math.inf
    return source, missing, sighting.published, sighting.locator, sighting.source


def is_near(published: datetime, seen: datetime) -> bool:
    """Tell if *published* is so little ahead that the zone may be wrong."""
    return timedelta() < published - seen <= AHEAD
