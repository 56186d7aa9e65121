"""What a process and its children take of the machine, sampled while they live, and whether that grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path
from statistics import median
from typing import TypeAlias

PROC = Path("/proc")
KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was taken *age* seconds after a process was started, the number *life* of a row."""

    life: int
    age: float
    taken: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How something went: what it was at first and at last, what it grew by in *seconds*, and by how much it may."""

    name: str
    first: float
    last: float
    most: float
    growth: float
    seconds: float
    allowed: float | None

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than it may; what nobody set a limit to is only shown."""
        return self.allowed is None or self.growth <= self.allowed


# ---------------------------------------------------------------- samples


def sample(process: int, state: Path, *, life: int, born: float) -> Sample:
    """Measure a process, all that it started, and the files of its state."""
    family = descendants(process)
    taken = {name: float(sum(measure(number) for number in family)) for name, measure in MEASURES.items()}
    files = {"state file": size(state), "journal": size(state.with_name(f"{state.name}-wal"))}
    return Sample(life=life, age=time.monotonic() - born, taken={**taken, "processes": len(family), **files})


def descendants(process: int) -> list[int]:
    """Return a process and all below it that are alive."""
    parents = dict(_parents())
    found = [process] if process in parents else []
    for number in found:
        found += [child for child, parent in parents.items() if parent == number]
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in PROC.iterdir():
        with suppress(OSError, ValueError):
            status, parent = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()[:2]
            if status not in {"Z", "X"}:
                yield int(entry.name), int(parent)


def size(path: Path) -> int:
    """Return the size of a file, 0 if there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def memory(process: int) -> int:
    """Return the bytes of memory of a process, those that it shares divided among those who share them."""
    with suppress(OSError):
        for line in (PROC / str(process) / "smaps_rollup").read_text("utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
    return 0


def _entries(folder: str) -> Callable[[int], int]:
    def count(process: int) -> int:
        with suppress(OSError):
            return sum(1 for _ in (PROC / str(process) / folder).iterdir())
        return 0

    return count


MEASURES: Mapping[str, Callable[[int], int]] = {
    "memory": memory,
    "descriptors": _entries("fd"),
    "threads": _entries("task"),
}


# ---------------------------------------------------------------- trends

Limits: TypeAlias = Mapping[str, float | None]


def trends(
    samples: Sequence[Sample], limits: Limits, *, warm: Callable[[float], float], lull: float = 0
) -> list[Trend]:
    """Return how each thing in *limits* went.

    Every life has a level of its own, and its beginning is left out: as much as `warm` says of its length. Of so many
    seconds (*lull*) the least counts, for what comes and goes. What all lives grew by together is told for the length of
    the longest.
    """
    lives = [
        settled for _, life in groupby(samples, lambda each: each.life) if len(settled := _settled(life, warm)) > 1
    ]
    return [_trend(name, allowed, lives, lull) for name, allowed in limits.items()]


def _settled(life: Iterator[Sample], warm: Callable[[float], float]) -> list[Sample]:
    every = list(life)
    return [each for each in every if each.age >= warm(every[-1].age)]


def _trend(name: str, allowed: float | None, lives: Sequence[Sequence[Sample]], lull: float) -> Trend:
    seconds = max(life[-1].age - life[0].age for life in lives)
    rows = [[(each.age, each.taken[name]) for each in life] for life in lives]
    values = [value for row in rows for _, value in row]
    return Trend(
        name=name,
        first=values[0],
        last=values[-1],
        most=max(values),
        growth=slope([_least(row, lull) for row in rows]) * seconds,
        seconds=seconds,
        allowed=allowed,
    )


def _least(row: Sequence[tuple[float, float]], lull: float) -> Sequence[tuple[float, float]]:
    if not lull:
        return row
    return [min(pairs, key=lambda pair: pair[1]) for _, pairs in groupby(row, lambda pair: pair[0] // lull)]


def slope(rows: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Return by how much the second of each pair grows while the first grows by one; each row has a level of its own.

    It is the median of what any two pairs of a row say (Theil and Sen): a worker that comes for a minute does not count.
    """
    pairs = (two for row in rows for two in combinations(row, 2))
    return median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairs if x1 != x2)


def shown(value: float) -> str:
    """Return a value as text: what is large is a size."""
    return f"{value / MIB:.1f} MiB" if value > KIB else f"{value:.0f}"


def table(found: Sequence[Trend]) -> str:
    """Return *found* as text, a line each; sizes in MiB."""
    head = f"{'':12} {'first':>9} {'last':>9} {'most':>9} {'grew by':>9} {'allowed':>9}"
    return "\n".join([head, *map(_line, found)])


def _line(trend: Trend) -> str:
    unit = MIB if trend.most > KIB else 1
    shown = (trend.first, trend.last, trend.most, trend.growth)
    allowed = "" if trend.allowed is None else f"{trend.allowed / unit:9.1f}"
    numbers = " ".join(f"{value / unit:9.1f}" for value in shown)
    return f"{trend.name:12} {numbers} {allowed:>9}  {'' if trend.is_flat else 'GREW'}".rstrip()
