"""What every output refuses: paths that could mean something else, and feeds that no strict reader could read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias
from xml.parsers import expat

from feeder.errors import OutputError
from feeder.model import FeedFile

NAME_MAX: Final = 255  # bytes of a name on the usual file systems
STRAY: Final = re.compile(r"\.feeder-[0-9a-f]{16}\.tmp")
BAD_SIGN: Final = re.compile("[\x00-\x1f\x7f\\\\\ud800-\udfff]")

Parts: TypeAlias = tuple[str, ...]

_NOT_NAMES: Final = frozenset({"", ".", ".."})


def parts_of(path: str) -> Parts:
    """Return the names that *path* consists of.

    Raises:
        OutputError: It could mean a file elsewhere, or none, or one that only a run writes.
    """
    parts = names_of(path)
    if STRAY.fullmatch(parts[-1]):
        raise _refusal(path)
    return parts


def names_of(path: str) -> Parts:
    """Return the names that *path* consists of, also that of a temporary file.

    Raises:
        OutputError: It could mean a file elsewhere, or none.
    """
    parts = tuple(path.split("/"))
    is_long = any(len(part.encode("utf-8", "surrogatepass")) > NAME_MAX for part in parts)
    if is_long or BAD_SIGN.search(path) or not _NOT_NAMES.isdisjoint(parts):
        raise _refusal(path)
    return parts


def is_temporary(path: str) -> bool:
    """Tell whether the file at *path* is one that a run writes before it takes the place of another."""
    return bool(STRAY.fullmatch(path.rpartition("/")[2]))


def check(file: FeedFile) -> None:
    """Read *file* back as strictly as the strictest reader would.

    Raises:
        OutputError: It is not well-formed.
    """
    read = _CHECKS.get(file.path.rpartition(".")[2])
    if read is None:
        return
    try:
        read(file.body)
    except (expat.ExpatError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise OutputError(f"{file.path}: is not well-formed, so it is not published: {reason}") from error


def _refusal(path: str) -> OutputError:
    return OutputError(f"{path!a}: is not a path for a published file")


def _check_xml(body: bytes) -> None:
    # expat is as strict as lxml, namespaces included, and takes a third of its time: it builds no tree.
    expat.ParserCreate(namespace_separator=" ").Parse(body, True)


def _check_json(body: bytes) -> None:
    json.loads(body.decode(), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259, section 6)")


_CHECKS: Final[dict[str, Callable[[bytes], Any]]] = {"xml": _check_xml, "opml": _check_xml, "json": _check_json}
