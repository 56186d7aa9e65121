"""Secrets by name, read when they are needed: the config names them and never holds them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from feeder.errors import FetchError

MAX_SIZE: Final = 64 << 10  # bytes

_CREDENTIAL_NAME: Final = re.compile(r"[^/\0]+")


def revealed(text: str, *, where: str) -> str:
    """Return the secret that *text* names ("env:NAME", "credential:NAME"), or *text* if it names none.

    Raises:
        FetchError: There is no such secret; only its name is told.
    """
    kind, separator, name = text.partition(":")
    if not separator or kind not in _KEEPERS:
        return text
    found = _KEEPERS[kind](name)
    if not found:
        raise FetchError(where, f'the secret "{text}" {_MISSING[kind]}')
    return found


def _of_environment(name: str) -> str | None:
    return os.environ.get(name)


def _of_systemd(name: str) -> str | None:
    """Return a credential of the unit: systemd.exec(5), LoadCredential=."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or not _CREDENTIAL_NAME.fullmatch(name) or name in {".", ".."}:
        return None
    try:
        with (Path(directory) / name).open("rb") as file:
            return file.read(MAX_SIZE).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None


_KEEPERS: Final[Mapping[str, Callable[[str], str | None]]] = MappingProxyType(
    {"env": _of_environment, "credential": _of_systemd}
)
_MISSING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "env": "is not in the environment",
        "credential": "is not in $CREDENTIALS_DIRECTORY, or is no text",
    }
)
