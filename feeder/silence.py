"""When silence is news: a source that fails, or a source or category without a new article, for longer than is usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from feeder.model import AlertAfter

HOURS: Final = 1500  # with articles that a rhythm is learned from, the newest: two months of a source that never sleeps
WINDOW: Final = timedelta(days=60)  # before the newest article that it is learned from
ENOUGH: Final = 5  # hours with articles; from fewer nothing is learned
LEAST: Final = timedelta(days=1)  # so that no night is an alert
TIMES: Final = 2  # the longest silence there was


class Cause(StrEnum):
    """What is the matter."""

    FAILING = "failing"  # no poll has succeeded
    SILENT = "silent"  # no article is new


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What there is to be seen of a source or a category. A category does not fail."""

    alert_after: AlertAfter
    watched: datetime  # since when; it counts where there is nothing else
    published: Sequence[datetime]  # newest first; none is ahead of now
    is_failing: bool = False
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What is the matter, since when, and for how long that would have been nothing."""

    cause: Cause
    since: datetime
    allowed: timedelta


def judge(signs: Signs, now: datetime) -> Silence | None:
    """Return what is the matter, if anything is; that it fails outweighs that it brings nothing."""
    learned = patience(signs.published) if signs.alert_after == "auto" else signs.alert_after
    fails_since = signs.last_success or signs.watched
    if signs.is_failing and now - fails_since > (learned or LEAST):
        return Silence(cause=Cause.FAILING, since=fails_since, allowed=learned or LEAST)
    silent_since = signs.published[0] if signs.published else signs.watched
    if learned and now - silent_since > learned:
        return Silence(cause=Cause.SILENT, since=silent_since, allowed=learned)
    return None


def patience(published: Sequence[datetime]) -> timedelta | None:
    """Return twice the longest silence between articles, a day at least; None if too little is known of them.

    Only the two months before the newest article count.

    Args:
        published: Newest first.
    """
    recent = [moment for moment in published if published[0] - moment <= WINDOW]
    if len(recent) < ENOUGH:
        return None
    return max(LEAST, TIMES * max(newer - older for newer, older in pairwise(recent)))
