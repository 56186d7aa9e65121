"""All that is wrong with a config, by file, table and key."""

from __future__ import annotations

from collections.abc import Collection

from feeder.config import values
from feeder.config.files import File
from feeder.config.schema import TOP_KEYS, AnyTable, read, unknown_key


class Faults:
    """The faults found so far, a line each, in the order of the file."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, file: File, *parts: str) -> None:
        """Note a fault: the table, the key, and what is wrong with it."""
        self.lines.append(line_of(file, *parts))

    def add_unknown_keys(self, file: File, known: Collection[str]) -> None:
        """Note what stands at the top of *file* and means nothing there."""
        for key in file.tables:
            if key not in known:
                main_only = f"{values.shown(key)} may stand in the main file only"
                self.add(file, main_only if key in TOP_KEYS else unknown_key(key, known))


def table_of(file: File, name: str, kind: type[AnyTable], faults: Faults) -> AnyTable | None:
    """Return a table that stands once, without its faulty keys; None if it makes no sense without them."""
    table, found = read(kind, file.tables.get(name, {}))
    for fault in found:
        faults.add(file, name, fault)
    return table


def line_of(file: File, *parts: str) -> str:
    """Return what an operator reads of a fault in *file*."""
    return ": ".join((values.printable(str(file.path)), *parts))
