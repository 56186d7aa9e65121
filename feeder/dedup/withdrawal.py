"""Which sightings that are missing are gone for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feeder.model import Source

GUARD_SHARE = 5  # more than a fifth of a source ...
GUARD_COUNT = 20  # ... and over 20 articles vanishing at once look like a fault, not like an editor
SCANS = 2  # a locator must be missed in so many scans


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A sighting whose locator is not there any more."""

    locator: str
    id: str | None
    since: datetime
    scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Which locators are gone; or why none is, although so many are missing."""

    locators: tuple[str, ...] = ()
    refused: str | None = None


def withdraw(
    missing: Sequence[Missing], *, total: int, source: Source, now: datetime, accepted: bool = False
) -> Withdrawal:
    """Return which of *missing* are gone for good; *total* counts all sightings of the source, missing ones too."""
    if accepted:
        return Withdrawal(locators=tuple(gone.locator for gone in missing))
    count = sum(1 for gone in missing if gone.id)
    if count and (count == total or (count > GUARD_COUNT and count * GUARD_SHARE > total)):
        return Withdrawal(refused=f"{count} of {total} articles vanished at once; nothing is withdrawn")
    patient = now - source.withdraw_after
    return Withdrawal(locators=tuple(m.locator for m in missing if m.scans >= SCANS and m.since <= patient))
