"""TOML to tables, of bounded depth. Only this module knows tomllib."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Any, Final

MAX_LEVELS: Final = 100  # of brackets inside one another, and of one dotted key

# Texts and comments are stepped over. What ends a key also ends what is counted of it.
_TOKENS = re.compile(
    r'''"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5}|\Z)|"(?:[^"\\\n]++|\\.)*+"?'''
    r"""|'''(?:[^']++|'(?!''))*+(?:'{3,5}|\Z)|'[^'\n]*+'?"""
    r"|\#[^\n]*+|[\[\]{}.,=\n]",
    re.DOTALL,
)
_STEP: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_KEY_ENDS: Final = frozenset("[]{},=\n")


def loads(text: str, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return the tables of *text*.

    Raises:
        ValueError: It is not TOML, or goes too far; says what and, where known, "(at line 1, column 2)" behind it.
    """
    _check_levels(text)
    return tomllib.loads(text, parse_float=parse_float)


def _check_levels(text: str) -> None:
    """Refuse what tomllib recurses for, and keys for which it takes memory by the square of their dots."""
    if max(text.count("[") + text.count("{"), text.count(".")) < MAX_LEVELS:
        return
    depth, names = 0, 1
    for token in _TOKENS.finditer(text):
        depth += _STEP.get(token[0], 0)
        names = names + 1 if token[0] == "." else 1 if token[0] in _KEY_ENDS else names
        if max(depth, names) > MAX_LEVELS:
            raise ValueError(f"nested deeper than {MAX_LEVELS} levels (at {_place(text, token.start())})")


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - text.rfind(chr(10), 0, at)}"
