"""Waiting for what happens elsewhere: in another thread, another process, on another node."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 60.0  # seconds, on a slow machine


def until(
    is_so: Callable[[], object],
    told: Callable[[], str] = lambda: "it has not come to it",
    *,
    seconds: float = PATIENCE,
) -> None:
    """Wait until *is_so*, and fail with what is *told* if it never is."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, told()
        time.sleep(0.02)
