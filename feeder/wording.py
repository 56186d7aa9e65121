"""Moments, spans, counts and categories, as they are written for people and for programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from feeder.model import PATH_MARK, Node

UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
UNTITLED: Final = "(the whole site)"


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
