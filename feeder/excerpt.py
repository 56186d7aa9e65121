"""Text -> its beginning, cut where a reader would cut it."""

from __future__ import annotations

import re
import unicodedata

_STOPS = ("。", "！", "？", "!", "?", "…", ". ")
_CLOSERS = "”’」』》）\"')]…"
_MOST_CLOSERS = 8  # in a row; more are no punctuation
_WIDE = re.compile(
    "[\u2e80-\u2fdf\u3000-\u30ff\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003fffd]"
)
_PAUSES = " \t\n\xa0\u3000，、；：,;:"
_GLUE = frozenset("\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def excerpt(text: str, limit: int) -> str:
    """Return *text* if it is short, else its beginning: whole sentences, or whole words and an ellipsis."""
    if len(text) <= limit:
        return text
    end = _end_of_sentence(text, limit)
    if end >= limit // 3:
        return text[:end]
    end = next((at for at in range(limit - 1, limit // 2, -1) if _is_boundary(text, at)), limit - 1)
    return text[:end].rstrip(_PAUSES) + "…"


def _end_of_sentence(text: str, limit: int) -> int:
    """Return where the last whole sentence before *limit* ends; 0 if there is none."""
    end = max(text.rfind(stop, 0, limit) for stop in _STOPS) + 1
    after = text[end : end + _MOST_CLOSERS] if end else ""
    return end + len(after) - len(after.lstrip(_CLOSERS))


def _is_boundary(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if after in _GLUE or before in _GLUE or unicodedata.combining(after):
        return False
    return after.isspace() or bool(_WIDE.match(before) or _WIDE.match(after))
