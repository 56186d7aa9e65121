"""A second reading of front matter that is not valid YAML: line by line, the known keys only."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from feeder.errors import ParseError
from feeder.parse.dialects import LIST_KEYS, TITLE_KEYS, Fields, Value
from feeder.parse.encoding import LOST

_KEY_LIKE = re.compile(r"[\"']?[^\W\d_][\w .-]{0,63}[\"']?")
_BLOCK = re.compile(r"[|>][-+]?\d?[-+]?")
_ITEM = re.compile(r"\s*-(?:\s+(.*))?")
_GROUP = re.compile(r"\[([^\[\]]*)\]")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([nt\"\\/]))")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_ANCHOR = re.compile(r"\A&\S++\s+")
_ALIAS_OR_TAG = ("*", "!")


def read_lines(head: str, known: Collection[str]) -> Fields:
    """Return the fields of *head* whose keys are *known*, values as they seem to be meant.

    Raises:
        ParseError: It holds text that is no front matter.
    """
    fields = Fields()
    for entry in _entries(head, known):
        if entry.key in known:
            fields.put(entry.key, _value(entry), entry.line)
    return fields


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A key, what stands beside it, and the lines below it."""

    line: int
    key: str
    value: str
    below: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Tell whether indented lines below belong to it, whatever they look like."""
        return not self.value or _BLOCK.fullmatch(self.value) is not None or _open_quote(self.value) is not None


def _entries(head: str, known: Collection[str]) -> Iterator[_Entry]:
    lines = head.split("\n")
    margin = _margin(lines)
    entry: _Entry | None = None
    after_blank = False
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(margin)
        pair = _pair(text, known, entry)
        if pair is not None:
            if entry is not None:
                yield entry
            entry = _Entry(line=number, key=pair[0], value=pair[1])
        elif after_blank and _is_prose(text):
            raise ParseError("text inside the front matter; is its closing fence missing?", line=number)
        elif entry is not None:
            entry.below.append(text)
        after_blank = not text.strip()
    if entry is not None:
        yield entry


def _margin(lines: list[str]) -> str:
    """Return the blanks that the whole front matter is indented by."""
    first = next((line for line in lines if line.strip()), "")
    return first[: len(first) - len(first.lstrip(" \t"))]


def _pair(text: str, known: Collection[str], entry: _Entry | None) -> tuple[str, str] | None:
    """Return the key and value of a line that begins a new entry."""
    key, colon, value = text.partition(":")
    name = key.strip().strip("\"'").lower()
    if not colon or value.startswith("//"):
        return None
    if text[:1] in {" ", "\t"}:  # a key that slipped to the right, or part of the entry above
        return (name, value.strip()) if name in known and entry is not None and not entry.is_open else None
    if name in known or (_KEY_LIKE.fullmatch(key.rstrip()) and value[:1] in {"", " ", "\t"}):
        return name, value.strip()
    return None


def _is_prose(text: str) -> bool:
    return bool(text) and text[0] not in " \t-#]}"


def _value(entry: _Entry) -> Value:
    if _BLOCK.fullmatch(entry.value):
        joint = "\n" if entry.value.startswith("|") else " "
        return joint.join(line.strip() for line in entry.below).strip() or None
    if not entry.value:
        return _below(entry.below)
    if entry.key in LIST_KEYS:
        return _listed(_without_comment(_continued(entry.value, entry.below)))
    text = _continued(entry.value, entry.below)
    return _scalar(text if entry.key in TITLE_KEYS else _without_comment(text))


def _below(lines: list[str]) -> Value:
    """Return what stands below an empty key: a list, a mapping, or text."""
    items = [match[1] or "" for line in lines if (match := _ITEM.fullmatch(line))]
    if items:
        return tuple(_listed(item.strip()) for item in items)
    rest = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    pairs = [line.partition(":") for line in rest]
    if pairs and all(colon and _KEY_LIKE.fullmatch(key) for key, colon, _ in pairs):
        return {key: _scalar(value.strip()) for key, _, value in pairs}
    return _scalar(" ".join(rest))


def _continued(value: str, below: list[str]) -> str:
    """Return *value* with the lines that go on with it: up to its closing quote, else the indented ones."""
    quote = _open_quote(value)
    parts = [value]
    for line in below:
        if quote is None and line[:1] not in {" ", "\t"}:
            break
        parts.append(line.strip())
        if quote is not None and parts[-1].endswith(quote):
            break
    return " ".join(part for part in parts if part)


def _open_quote(value: str) -> str | None:
    quote = value[:1]
    return quote if quote in {"'", '"'} and not (len(value) > 1 and value.endswith(quote)) else None


def _without_comment(text: str) -> str:
    return text if text[:1] in {"'", '"'} else text.partition(" #")[0].rstrip()


def _listed(text: str) -> Value:
    """Return the list ``[a, b]`` or ``[[a, b], [c]]``, or the one value that stands in its place."""
    text = _ANCHOR.sub("", text)
    if text.startswith(_ALIAS_OR_TAG):
        return None
    if not (text.startswith("[") and text.endswith("]")):
        return _scalar(text)
    inner = text[1:-1]
    groups = _GROUP.findall(inner)
    return tuple(map(_items, groups)) if groups else _items(inner)


def _items(text: str) -> tuple[Value, ...]:
    parts = map(str.strip, text.split(","))
    return tuple(_scalar(part) for part in parts if not part.startswith(_ALIAS_OR_TAG))


def _scalar(text: str) -> str | None:
    """Return a scalar without the quotes around it, read as YAML would but for stray quotes inside."""
    quote = text[:1]
    if text in _NULLS:
        return None
    if len(text) < len("''") or quote not in {"'", '"'} or not text.endswith(quote):
        return text
    inner = text[1:-1].replace(quote * 2, quote)
    return inner if quote == "'" else _unescaped(inner)


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(_character, text)
    # Two escapes may make one character, as in JSON; half a pair is none.
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(match: re.Match[str]) -> str:
    number = match[1] or match[2]
    if number is None:
        return _ESCAPED[match[3]]
    return chr(int(number, 16)) if int(number, 16) else LOST
