"""The list of articles that were taken down: removed.txt beside the config, one line for each.

A line holds the article's id, its keys (hexadecimal, joined by commas) and, after " # ", a note. The keys make the
takedown hold for copies in other sources and for a state that is built anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feeder.errors import ConfigError, OutputError

NAME = "removed.txt"

_WAY_OUT = "mend the line, as `feeder remove` writes it: an id, its keys, and after ` # ` a note; or delete it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedown:
    """An article that must not be shown, under whatever name it returns."""

    id: str
    keys: tuple[bytes, ...]
    note: str = ""


def load(path: Path) -> tuple[Takedown, ...]:
    """Return the takedowns in the file at *path*; none if there is no such file.

    Raises:
        ConfigError: The file cannot be read, or a line is not a takedown: nobody may be shown by mistake.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    numbered = ((number, line.strip()) for number, line in enumerate(lines, start=1))
    return tuple(_parsed(path, number, line) for number, line in numbered if line and not line.startswith("#"))


def append(path: Path, takedown: Takedown) -> None:
    """Add a line to the file at *path*, durably, and keep what is there.

    Raises:
        OutputError: The file cannot be written.
    """
    note = " ".join(takedown.note.split())
    keys = ",".join(key.hex() for key in takedown.keys)
    line = f"{takedown.id} {keys}" + (f" # {note}" if note else "") + "\n"
    try:
        _write(path, [line])
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _write(path: Path, lines: Sequence[str]) -> None:
    with path.open("a+", encoding="utf-8", errors="backslashreplace") as file:
        file.seek(0)
        whole = file.read()
        file.write("\n" if whole and not whole.endswith("\n") else "")
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())


def _parsed(path: Path, number: int, line: str) -> Takedown:
    facts, _, note = line.partition(" # ")
    id_, *keys = facts.split()
    if ":" not in id_:
        raise ConfigError(f'{path}: line {number}: "{id_}" is not the id of an article; {_WAY_OUT}')
    try:
        return Takedown(id=id_, keys=tuple(bytes.fromhex(key) for part in keys for key in part.split(",")), note=note)
    except ValueError as error:
        raise ConfigError(f"{path}: line {number}: a key is not hexadecimal; {_WAY_OUT}") from error
