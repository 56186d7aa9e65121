"""How the C library keeps memory: what is let go is given back, so that a daemon stays as small as its work."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# As <malloc.h> of glibc numbers them; see mallopt(3). Left to itself, glibc learns from the bodies of feeds, which come
# and go in any order, to cut large pieces out of its heaps, one for each thread, and these only grow: reading 3,000 feeds
# took 190 MB instead of 115.
_SETTINGS: Final[Mapping[int, int]] = MappingProxyType(
    {
        -1: 256 << 10,  # M_TRIM_THRESHOLD: bytes that may lie unused at the end of the heap
        -3: 64 << 10,  # M_MMAP_THRESHOLD: a piece of so many bytes is one by itself
        -8: 1,  # M_ARENA_MAX: one heap, since Python lets one thread at a time ask for memory
    }
)


def keep_small() -> None:
    """Have this process, and those that are copied from it, hold little memory that they do not use."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):  # others have no such settings, or other numbers for them
        for setting, value in _SETTINGS.items():
            libc.mallopt(setting, value)
