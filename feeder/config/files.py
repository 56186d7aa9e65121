"""The files of a config as raw tables: TOML read, nothing checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from feeder import toml
from feeder.config.values import printable
from feeder.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A config file as TOML has it; nothing is checked yet."""

    path: Path  # as people know it
    tables: Mapping[str, Any]

    @property
    def directory(self) -> Path:
        """What relative paths in the file are relative to."""
        return Path(os.path.abspath(self.path)).parent  # noqa: PTH100 - a linked config stays where its link is


def read_file(path: Path) -> File:
    """Return the file at *path*.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device would never end
            raise ConfigError(printable(f"{path}: is not a regular file"))
        return File(path=path, tables=toml.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 at byte {error.start}"
    except ValueError as error:  # of TOML, and one of int() for a number of thousands of digits
        reason = _syntax(str(error))
    raise ConfigError(printable(f"{path}: {reason}"))


def included(main: File, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the files that *patterns* name, each pattern's in order, none twice and *main* never.

    A name without wildcards is yielded whether there is such a file or not.
    """
    seen = {os.path.realpath(main.path)}
    for pattern in patterns:
        found = _matches(main.directory, pattern) if has_magic(pattern) else [pattern]
        for path in (main.path.parent / name for name in found):
            if os.path.realpath(path) not in seen:
                seen.add(os.path.realpath(path))
                yield path


def _matches(directory: Path, pattern: str) -> list[str]:
    # Path.glob refuses absolute patterns, such as that of a config in /etc.
    return sorted(glob(pattern, root_dir=directory, recursive=True))  # noqa: PTH207


def _syntax(message: str) -> str:
    """Return tomllib's message with the place in front."""
    sentence, at, place = message.removesuffix(")").rpartition(" (at ")
    if not at:
        return f"is not TOML: {message}"
    return f"{place.replace('document', 'file')}: {sentence[:1].lower()}{sentence[1:]}"
