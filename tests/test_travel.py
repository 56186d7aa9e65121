"""Values are what they were after a journey to another process."""

from __future__ import annotations

from copy import copy
from dataclasses import FrozenInstanceError, fields, replace
from multiprocessing.reduction import ForkingPickler
from typing import Any

import build
import feed_values
import pytest

from feeder.model import ContentPolicy, Reading, Status
from feeder.pipeline import work
from feeder.store.records import Seen

PLACE = build.place("a.md")
READING = Reading(place=PLACE, status=Status.GOOD, digest=b"d", article=build.article(tags=("a", "b")))
ENTRY = feed_values.rendered_entry(feed_values.entry())
JOB = work.EntryJob(
    shown=feed_values.shown(), source=build.source(), categories=(), content=ContentPolicy.FULL, digest=b"d"
)
TRAVELLERS = [
    PLACE,
    READING,
    READING.article,
    Seen(place=PLACE),
    JOB.shown,
    JOB,
    ENTRY,
    work.Served(id="1", entry=ENTRY),
]


def there(value: Any) -> Any:
    """Return *value* as another process gets it."""
    return ForkingPickler.loads(ForkingPickler.dumps(value))


@pytest.mark.parametrize("value", TRAVELLERS, ids=lambda value: type(value).__name__)
def test_a_value_arrives_as_it_went(value: Any) -> None:
    arrived = there(value)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


@pytest.mark.parametrize("value", TRAVELLERS, ids=lambda value: type(value).__name__)
def test_a_value_that_has_arrived_is_frozen_and_can_be_copied(value: Any) -> None:
    arrived = there(value)
    assert copy(arrived) == replace(arrived) == value
    with pytest.raises(FrozenInstanceError):
        setattr(arrived, fields(arrived)[0].name, None)
