"""Signs that reach beyond themselves: heaps of combining marks, and changes of direction that nobody ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from unicodedata import combining

MOST_MARKS: Final = 30  # in a row: https://unicode.org/reports/tr15/#Stream_Safe_Text_Format
MOST_OPEN: Final = 100  # changes of direction inside one another; readers bear 125

_END_EMBEDDING: Final = "\u202c"
_END_ISOLATE: Final = "\u2069"
_DROPPED: Final = ""
# An override shows letters in an order that they are not in: its only use in a title is to deceive.
_ENDS: Final = {
    **dict.fromkeys("\u202a\u202b", _END_EMBEDDING),
    **dict.fromkeys("\u202d\u202e", _DROPPED),
    **dict.fromkeys("\u2066\u2067\u2068", _END_ISOLATE),
}
_DIRECTION: Final = re.compile(f"[{''.join(_ENDS)}{_END_EMBEDDING}{_END_ISOLATE}]")


def tamed(text: str) -> str:
    """Return *text* with no more combining marks in a row than any script has, and what it opens closed.

    Taming twice changes nothing.
    """
    if text.isascii():
        return text
    if not text.isprintable() and _DIRECTION.search(text):  # they are not printable
        text = "".join(_balanced(text))
    # A heap is longer than the steps taken here, so one of them steps on it.
    return "".join(_without_heaps(text)) if any(map(combining, text[MOST_MARKS :: MOST_MARKS + 1])) else text


def _balanced(text: str) -> Iterator[str]:
    """Yield *text* with an end for each change of direction, in its place, and none but those."""
    ends: list[str] = []
    for character in text:
        if character in _ENDS:
            if len(ends) < MOST_OPEN:
                ends.append(_ENDS[character])
                yield character if ends[-1] else ""
        elif character == _END_EMBEDDING:
            yield ends.pop() if ends and ends[-1] != _END_ISOLATE else ""
        elif character != _END_ISOLATE:
            yield character
        elif _END_ISOLATE in ends:
            while (end := ends.pop()) != _END_ISOLATE:
                yield end
            yield end
    yield from reversed(ends)


def _without_heaps(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        marks = marks + 1 if combining(character) else 0
        if marks <= MOST_MARKS:
            yield character
