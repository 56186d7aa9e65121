"""The text of front matter to fields: YAML, TOML, JSON, headers. Only this module knows yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import date, time
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from feeder import toml
from feeder.errors import ParseError
from feeder.parse.dialects import MAX_KEYS, TITLE_KEYS, Fields, Value
from feeder.parse.encoding import LOST
from feeder.parse.plain import NULLS, read_plain

MAX_DEPTH = 100  # levels; the loaders recurse, and C ones crash the process

JSON_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
"""What a token adds to the depth."""

_TAGS = frozenset(
    {"!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map"))}
)
_HASHTAG_TITLE = re.compile(rf"(?:{'|'.join(TITLE_KEYS)}):[ \t]+(#[^\s#].*)", re.IGNORECASE)

_TOML_PLACE = re.compile(r" \((?:at line (\d+), column \d+|at end of document)\)")
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotYaml(ParseError):
    """The front matter is no YAML, or uses more of YAML than an article has use for."""


def load_yaml(head: str) -> Fields:
    """Return the fields of YAML, every scalar as text.

    Raises:
        NotYaml: It is something else, or uses more of YAML than an article has use for.
        ParseError: It exceeds a limit.
    """
    fields = read_plain(head)
    if fields is not None:
        return fields
    try:
        return _YamlReader(head).fields()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise NotYaml(error.problem or "cannot be read", line=line) from error
    except yaml.YAMLError as error:
        raise NotYaml("it holds a control character") from error


def load_toml(head: str) -> Fields:
    """Return the fields of TOML.

    Raises:
        ParseError: It is something else, or exceeds a limit.
    """
    try:
        tables = toml.loads(head, parse_float=str)
    except ValueError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else None
        raise ParseError(f"not valid TOML: {_TOML_PLACE.sub('', str(error))[:100]}", line=line) from error
    return _as_fields(tables.items())


def load_json(head: str) -> Fields:
    """Return the fields of a JSON object; *head* begins with a brace.

    Raises:
        ParseError: It is something else, or exceeds a limit.
    """
    _check_depth(head)
    try:
        pairs = json.loads(
            head, strict=False, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_Pairs
        )
    except json.JSONDecodeError as error:
        raise ParseError(f"not valid JSON: {error.msg}", line=error.lineno) from error
    return _as_fields(pairs)


def load_headers(head: str) -> Fields:
    """Return the fields of ``Title: x`` lines; an indented line goes on with the one above."""
    fields = Fields()
    key = ""
    for number, line in enumerate(head.rstrip("\n").split("\n"), start=1):
        if line[:1] in {" ", "\t"}:
            fields[key] = f"{fields[key] or ''} {line.strip()}".strip()
        else:
            name, _, value = line.partition(":")
            fields.put(name, value.strip() or None, number)
            key = name.strip().lower()
    return fields


def holds_lost(value: Value) -> bool:
    """Tell whether U+FFFD stands anywhere in *value*."""
    if isinstance(value, dict):
        return any(holds_lost(part) for part in value.values())
    if isinstance(value, tuple):
        return any(holds_lost(part) for part in value)
    return value is not None and LOST in value


class _YamlReader:
    """Builds values from the events of YAML: every scalar is text, and no anchor, alias or tag is followed."""

    def __init__(self, head: str) -> None:
        self._head = head
        self._next: Callable[[], Any] = yaml.CBaseLoader(head).get_event
        self._end = 0  # of the list or mapping read last

    def fields(self) -> Fields:
        """Return the mapping at the top."""
        fields = Fields()
        self._next()  # the start of the stream
        if type(self._next()) is StreamEndEvent:
            return fields
        event = self._next()
        if type(event) is not MappingStartEvent:
            raise NotYaml("it is no mapping", line=_line(event))
        _refuse_extras(event)
        while type(event := self._next()) is not MappingEndEvent:
            self._put(fields, event)
        self._next()  # the end of the document
        if type(event := self._next()) is not StreamEndEvent:
            raise NotYaml("it is more than one document", line=_line(event))
        return fields

    def _put(self, fields: Fields, event: Any) -> None:
        """Read one key and its value."""
        key = self._key(event)
        below = self._next()
        value = self._value(below, depth=1)
        if key.lower() in TITLE_KEYS and not isinstance(value, str):
            value = self._title(event) if value is None else self._head[_start(below) : self._end].strip()
        fields.put(key, value, _line(event))

    def _title(self, event: Any) -> str | None:
        """Return a title that YAML takes for a comment, as ``#this``, but nobody means as one."""
        hashtag = _HASHTAG_TITLE.match(self._head, _start(event))
        return hashtag[1] if hashtag else None

    def _key(self, event: Any) -> str:
        if type(event) is not ScalarEvent:
            raise NotYaml("a key is no text", line=_line(event))
        _refuse_extras(event)
        return str(event.value)

    def _value(self, event: Any, *, depth: int) -> Value:
        if type(event) is ScalarEvent:
            return self._scalar(event)
        if type(event) is AliasEvent:
            raise NotYaml("an alias is not followed", line=_line(event))
        _refuse_extras(event)
        if depth >= MAX_DEPTH:
            raise ParseError(f"nested deeper than {MAX_DEPTH} levels", line=_line(event))
        return self._list(depth + 1) if type(event) is SequenceStartEvent else self._mapping(depth + 1)

    def _scalar(self, event: Any) -> str | None:
        _refuse_extras(event)
        value: str = event.value
        return None if event.implicit[0] and value in NULLS else value

    def _list(self, depth: int) -> tuple[Value, ...]:
        parts = []
        while type(event := self._next()) is not SequenceEndEvent:
            parts.append(self._value(event, depth=depth))
        self._end = _end(event)
        return tuple(parts)

    def _mapping(self, depth: int) -> dict[str, Value]:
        parts: dict[str, Value] = {}
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event)
            if len(parts) >= MAX_KEYS:
                raise ParseError(f"more than {MAX_KEYS} keys", line=_line(event))
            parts[key] = self._value(self._next(), depth=depth)
        self._end = _end(event)
        return parts


def _refuse_extras(event: Any) -> None:
    if event.anchor is not None:
        raise NotYaml("an anchor is not followed", line=_line(event))
    if event.tag is not None and event.tag not in _TAGS:
        raise NotYaml("a tag is not followed", line=_line(event))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _start(event: Any) -> int:
    return int(event.start_mark.index)


def _end(event: Any) -> int:
    return int(event.end_mark.index)


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, its repeated keys included."""


def _check_depth(head: str) -> None:
    """Refuse brackets too deep for a loader that recurses."""
    depth = 0
    for token in JSON_TOKENS.finditer(head):
        depth += STEP.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise ParseError(f"nested deeper than {MAX_DEPTH} levels", line=head.count("\n", 0, token.start()) + 1)


def _as_fields(pairs: Iterable[tuple[str, Any]]) -> Fields:
    fields = Fields()
    for key, value in pairs:
        fields.put(key, _plain(value), 1)
    return fields


def _plain(value: Any, depth: int = 1) -> Value:
    """Return a value of TOML or JSON as text, tuples and dicts."""
    if depth > MAX_DEPTH:
        raise ParseError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return _SURROGATE.sub(LOST, value)
    if isinstance(value, dict | _Pairs):
        if len(value) > MAX_KEYS:
            raise ParseError(f"more than {MAX_KEYS} keys")
        pairs = value.items() if isinstance(value, dict) else value
        return {_SURROGATE.sub(LOST, key): _plain(part, depth + 1) for key, part in pairs}
    if isinstance(value, list):
        return tuple(_plain(part, depth + 1) for part in value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
