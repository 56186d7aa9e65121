"""What a look at the whole finds: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FEW: Final = 3  # paths that a sentence names


class Area(StrEnum):
    """Where something is wrong."""

    CONFIG = "configuration"
    PLACES = "permissions"
    DISK = "disk"
    CLOCK = "clock"
    STATE = "state"
    OUTPUT = "output"
    SOURCES = "sources"
    NODES = "nodes"


class Mend(StrEnum):
    """How something can be mended."""

    REBUILD = "rebuild"  # what the state has counted and listed
    PUBLISH = "publish"  # feeds are written once more
    COMPACT = "compact"  # the state's file gives back what it does not need
    CLEAR = "clear"  # what runs left behind is removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    area: Area
    what: str
    do: str  # for the operator
    is_fault: bool = True  # else it should be looked at, and may well be right
    mend: Mend | None = None  # None: nothing of ours can


def few(paths: Sequence[str]) -> str:
    """Return the first of *paths*, for a sentence."""
    return ", ".join(paths[:FEW]) + (", …" if len(paths) > FEW else "")
