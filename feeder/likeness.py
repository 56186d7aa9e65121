"""What titles and bodies are compared by: what is equal here is the same to a reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from feeder.categories import fold

HASH_BYTES: Final = 16

# What shows nothing, by the sign behind "<": how it opens, and what follows up to its end. "<!-->" is a whole comment.
_HIDDEN: Final[Mapping[str, tuple[str, str]]] = {
    "!--": ("!--", r"(?:-?>|(?:[^-]++|-(?!-!?>))*+--!?>)"),
    "script": (r"[sS][cC][rR][iI][pP][tT]\b", r"(?:[^<]++|<(?!(?i:/script\b)))*+<(?i:/script)[^<>]*+>?"),
    "style": (r"[sS][tT][yY][lL][eE]\b", r"(?:[^<]++|<(?!(?i:/style\b)))*+<(?i:/style)[^<>]*+>?"),
}
_RANDOM_NUMBER = re.compile(r"([?&;]random=)\d+")

# Twice as fast as splitting text. The others are what str.isspace() knows beyond ASCII, by their first byte of UTF-8.
_ASCII_BLANKS = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "
_OTHER_BLANKS = (
    (b"\xc2", re.compile(rb"\xc2[\x85\xa0]")),
    (b"\xe1", re.compile(rb"\xe1\x9a\x80")),
    (b"\xe2", re.compile(rb"\xe2(?:\x80[\x80-\x8a\xa8\xa9\xaf]|\x81\x9f)")),
    (b"\xe3", re.compile(rb"\xe3\x80\x80")),
)


def title_key(title: str) -> str:
    """Return what titles are compared by. Symbols stay; only a title of nothing but invisible signs stays as it is."""
    return " ".join(fold(title).split()) or title


def body_hash(body: str) -> bytes:
    """Return the hash of what *body* shows: white space, comments, scripts, styles and random numbers are left out."""
    text = _without_hidden(body, tuple(_HIDDEN))
    if "random=" in text:
        text = _RANDOM_NUMBER.sub(r"\1", text)
    seen = text.encode("utf-8", "surrogatepass").translate(None, _ASCII_BLANKS)
    for first, blank in _OTHER_BLANKS:
        if first in seen:
            seen = blank.sub(b"", seen)
    return digest(seen)


def digest(text: bytes) -> bytes:
    """Return the hash of *text*."""
    return blake2b(text, digest_size=HASH_BYTES).digest()


def _without_hidden(body: str, kinds: tuple[str, ...]) -> str:
    """Return *body* without comments, scripts and styles; one without an end stays, for Markdown may speak of it.

    Linear: what has been looked for once in vain is not looked for again.
    """
    pieces = _hidden(kinds).split(body)  # what is shown, with what has no end, or None, between
    shown = "".join(pieces[::2])
    endless = pieces[-2] if len(pieces) > 1 else None
    if endless is None:
        return shown
    kind = next(kind for kind in kinds if endless[: len(kind)].lower() == kind)
    opening, rest = endless[: len(kind)], endless[len(kind) :]
    others = tuple(other for other in kinds if other != kind)
    return f"{shown}<{opening}{_without_hidden(rest, others) if others else rest}"


@lru_cache
def _hidden(kinds: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for what of *kinds* is hidden; its group is one that has no end, with all that follows."""
    whole = "|".join(f"{opening}{rest}" for opening, rest in map(_HIDDEN.__getitem__, kinds))
    openings = "|".join(_HIDDEN[kind][0] for kind in kinds)
    return re.compile(f"<(?:{whole}|((?s:(?:{openings}).*)))")
