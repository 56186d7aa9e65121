"""A quick reading of the plainest YAML: most front matter is no more than lines of keys, texts and lists of texts."""

from __future__ import annotations

import re

from feeder.parse.dialects import TITLE_KEYS, Fields, Value

NULLS = frozenset({"", "~", "null", "Null", "NULL"})

# What YAML takes for a line end or refuses, and the tab: left to the parser.
_ODD = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff"
_QUOTED = rf"'(?:[^'{_ODD}]++|'')*+'"
_PLAIN = rf"\w(?:[^ :{_ODD}]++|:(?=[^ {_ODD}])|\ ++(?=[^ #{_ODD}]))*+"
_TEXT = rf"(?:{_QUOTED}|{_PLAIN})"
_ENTRY = re.compile(
    rf"([A-Za-z_][A-Za-z0-9_-]{{0,60}}):(?:\ +({_TEXT})\ *\n|\ *\n((\ *)-\ +{_TEXT}\ *\n(?:\4-\ +{_TEXT}\ *\n)*+)?)"
)
_ITEM = re.compile(rf"-\ +({_TEXT})\ *\n")


def read_plain(head: str) -> Fields | None:
    """Return the fields of *head* just as the YAML parser would, or None if that takes the parser."""
    fields = Fields()
    position, line = 0, 1
    while position < len(head):
        entry = _ENTRY.match(head, position)
        if entry is None:
            return None
        key, text, items, _ = entry.groups()
        if items is None:
            value: Value = None if text is None else _unquoted(text)
        elif key.lower() in TITLE_KEYS:
            return None
        else:
            value = tuple(map(_unquoted, _ITEM.findall(items)))
        fields.put(key, value, line)
        line += 1 if items is None else 1 + items.count("\n")
        position = entry.end()
    return fields


def _unquoted(text: str) -> str | None:
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    return None if text in NULLS else text
