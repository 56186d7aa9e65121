"""The one gate for text: characters that XML 1.0 and JSON can hold, and references to them."""

from __future__ import annotations

import re
from html import unescape

_ASTRAL = "".join(f"{chr(plane)}-{chr(plane + 0xFFFD)}" for plane in range(0x10000, 0x110000, 0x10000))
_SAFE = f"\\t\\n\\r -~\xa0-\ud7ff\ue000-\ufffd{_ASTRAL}"
_ALL_SAFE = re.compile(f"[{_SAFE}]*+")
_UNSAFE = re.compile(f"[^{_SAFE}]")
_ENDLESS_NUMBER = re.compile(r"&#[0-9]{20,}+;?")  # no character has as many digits


def safe_text(text: str) -> str:
    """Return *text* with the characters that XML 1.0 allows; a lone surrogate becomes U+FFFD, others go.

    The control characters U+007F-U+009F, which XML discourages, go as well.
    """
    if text.isprintable() or _ALL_SAFE.fullmatch(text):  # what is printable is safe, and the sooner known
        return text
    return _UNSAFE.sub(lambda found: "\ufffd" if "\ud800" <= found[0] <= "\udfff" else "", text)


def unescaped(text: str) -> str:
    """Return *text* with its character references resolved; what names no character becomes U+FFFD."""
    # unescape() raises at numbers that are too long for int().
    return unescape(_ENDLESS_NUMBER.sub("\ufffd", text))
