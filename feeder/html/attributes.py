"""Attributes as they are written anew, with values that are harmless, and text beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from feeder.links import Attributes

_NUMBER = re.compile(r"-?[0-9]{1,6}")
_SPAN = re.compile(r"[0-9]{1,3}")
_DIRECTION = re.compile(r"ltr|rtl|auto", re.IGNORECASE)
_ANY = re.compile(r"(?s).*")
_VALUES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "colspan": _SPAN,
        "rowspan": _SPAN,
        "start": _NUMBER,
        "value": _NUMBER,
        "type": re.compile(r"[1aAiI]"),
        "reversed": _ANY,
        "open": _ANY,
        "datetime": re.compile(r"[0-9A-Za-z:+. -]{1,40}"),
        "title": _ANY,
        "dir": _DIRECTION,
    }
)
_VALUELESS = frozenset({"open", "reversed"})
_SIZE = re.compile(r"\s*+([0-9]{1,5})(?:\.[0-9]++)?\s*+(?:px)?\s*+")


def kept_attributes(kept: tuple[str, ...], attributes: Attributes) -> str:
    """Return those of *attributes* whose names are *kept* and whose values are what such a value may be."""
    if not attributes:
        return ""
    return "".join(
        f' {each}=""' if each in _VALUELESS else attribute(each, value)
        for each in kept
        if each in attributes and _VALUES[each].fullmatch(value := attributes[each] or "")
    )


def attribute(name: str, value: str | int | None) -> str:
    """Return an attribute with a blank before it; "" without a value."""
    text = " ".join(str(value).split()) if value is not None else ""
    return f' {name}="{escaped(text).replace(chr(34), "&quot;")}"' if text else ""


def sized(width: int | None, height: int | None) -> str:
    """Return the attributes of a size in pixels, as far as it is known."""
    return attribute("width", width) + attribute("height", height)


def escaped(text: str) -> str:
    """Return *text* as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\xa0", "&nbsp;")


def pixels(written: str | None) -> int | None:
    """Return a length as written in whole pixels; None if it is another unit, or none."""
    found = _SIZE.fullmatch(written) if written else None
    return int(found[1]) if found else None
