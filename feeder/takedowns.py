"""The list of articles that were taken down: removed.txt beside the config, one line for each.

A line holds the article's id, its keys (hexadecimal, joined by commas) and, after " # ", a note. The keys make the
takedown hold for copies in other sources and for a state that is built anew. The file is the operator's to edit; two
processes may write it at the same time.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from feeder.errors import ConfigError, OutputError

NAME = "removed.txt"
PATIENCE_SECONDS = 5.0  # for another process of ours, which holds the file for moments; a stranger may do so for ever
STEP_SECONDS = 0.02

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
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse(path, text)


def parse(path: Path, text: str) -> tuple[Takedown, ...]:
    """Return the takedowns in *text*, which is called by *path*.

    Raises:
        ConfigError: A line is not a takedown.
    """
    return tuple(taken for _, taken in _lines(path, text) if taken)


def write(path: Path, text: str) -> None:
    """Write the whole list, where there must be none.

    Raises:
        OutputError: The file cannot be written.
    """
    with _told(path), path.open("x", encoding="utf-8", newline="") as file:
        file.write(text)
        _flush(file)


def append(path: Path, takedown: Takedown) -> None:
    """Add a line to the file at *path*, durably, and keep what is there.

    Raises:
        OutputError: The file cannot be written.
    """
    note = " ".join(takedown.note.split())
    keys = ",".join(key.hex() for key in takedown.keys)
    line = f"{takedown.id} {keys}" + (f" # {note}" if note else "") + "\n"
    with _told(path), _held(path, "a+") as file:
        file.seek(0)
        whole = file.read()
        file.write("\n" if whole and not whole.endswith("\n") else "")
        file.write(line)
        _flush(file)


def complete(path: Path, removed: Iterable[tuple[str, bytes]]) -> int:
    """Write into the lines of the file at *path* the keys that their articles earned since; return to how many lines.

    All else stays as the operator wrote it.

    Args:
        path: No file: nothing is taken down.
        removed: Each key of each article that is taken down, with the article's id.

    Raises:
        ConfigError: As `load`.
        OutputError: The file cannot be written.
    """
    known = _Known.of(removed)
    if not any(known.gained(taken) for taken in load(path)):
        return 0
    with _told(path), _held(path, "r") as file:
        lines = list(_lines(path, file.read()))  # once more: another process may have written meanwhile
        gained = [known.gained(taken) if taken else () for _, taken in lines]
        _replace(path, "".join(_extended(line, new) for (line, _), new in zip(lines, gained, strict=True)))
    return sum(map(bool, gained))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The keys of articles that are taken down, and whose each is."""

    keys: Mapping[str, set[bytes]]
    owners: Mapping[bytes, str]

    @classmethod
    def of(cls, removed: Iterable[tuple[str, bytes]]) -> _Known:
        owners = {key: id_ for id_, key in removed}
        keys: dict[str, set[bytes]] = {}
        for key, id_ in owners.items():
            keys.setdefault(id_, set()).add(key)
        return cls(keys=keys, owners=owners)

    def gained(self, taken: Takedown) -> tuple[bytes, ...]:
        """Return the keys that a line lacks: of its article, and of those that share a key with it."""
        ids = {taken.id, *(self.owners[key] for key in taken.keys if key in self.owners)}
        return tuple(sorted({key for id_ in ids for key in self.keys.get(id_, ())}.difference(taken.keys)))


def _extended(line: str, keys: tuple[bytes, ...]) -> str:
    if not keys:
        return line
    facts, mark, note = line.partition(" # ")
    bare = facts.rstrip()
    comma = "," if len(bare.split()) > 1 else " "
    return "".join((bare, comma, ",".join(key.hex() for key in keys), facts[len(bare) :], mark, note))


def _replace(path: Path, text: str) -> None:
    """Put *text* in place of the file at *path*, in one step; of a link, in place of what it leads to."""
    real = Path(os.path.realpath(path))
    temp = real.with_name(f".feeder-{secrets.token_hex(8)}.tmp")
    status = real.stat()
    try:
        with temp.open("x", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            with suppress(OSError):  # only root gives files away
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            file.write(text)
            _flush(file)
        temp.replace(real)
    finally:
        temp.unlink(missing_ok=True)


def _flush(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _held(path: Path, mode: str) -> Iterator[IO[str]]:
    """Open the file at *path* while no other process of ours writes it: what one adds, another must not undo."""
    while True:
        with path.open(mode, encoding="utf-8", errors="backslashreplace", newline="") as file:
            _lock(file, path)
            if _is_in_place(file, path):  # else it was replaced while we waited
                yield file
                return


def _lock(file: IO[str], path: Path) -> None:
    """Lock *file*; whoever may only read it can hold it locked as well, so this has an end."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise OutputError(f"{path}: cannot be written: another process holds it locked") from error
            time.sleep(STEP_SECONDS)
        else:
            return


def _is_in_place(file: IO[str], path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _lines(path: Path, text: str) -> Iterator[tuple[str, Takedown | None]]:
    """Yield every line as it stands, and the takedown that it is."""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        bare = line.lstrip("\ufeff").strip()
        yield line, _parsed(path, number, bare) if bare and not bare.startswith("#") else None


def _parsed(path: Path, number: int, line: str) -> Takedown:
    facts, _, note = line.partition(" # ")
    id_, *keys = facts.split()
    if ":" not in id_:
        raise ConfigError(f'{path}: line {number}: "{id_}" is not the id of an article; {_WAY_OUT}')
    try:
        return Takedown(id=id_, keys=tuple(bytes.fromhex(key) for part in keys for key in part.split(",")), note=note)
    except ValueError as error:
        raise ConfigError(f"{path}: line {number}: a key is not hexadecimal; {_WAY_OUT}") from error
