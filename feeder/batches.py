"""Many things, some at a time (itertools.batched, for Python 3.11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield *values* in their order, *size* of them at a time; the last time, what is left."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
