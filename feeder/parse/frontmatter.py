"""Front-matter documents to RawItems. Only this module knows python-frontmatter."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import cast

from frontmatter import detect_format
from frontmatter.default_handlers import BaseHandler

from feeder.errors import ParseError, Unfinished
from feeder.model import Dialect, RawItem, Snapshot, Source
from feeder.parse.dialects import KNOWN_KEYS, Fields, to_item
from feeder.parse.encoding import LOST, decode
from feeder.parse.fields import JSON_TOKENS, STEP, NotYaml, holds_lost, load_headers, load_json, load_toml, load_yaml
from feeder.parse.lenient import read_lines

MAX_DOCUMENT = 10 * 1024 * 1024  # bytes
MAX_HEAD = 64 * 1024  # characters; the largest sane front matter is a few kB
MAX_NOTES = 20  # to people, of one document

_BLANK_LINE = re.compile(r"[^\S\n]*+(?:\n|\Z)")

# A document is read as headers only if it begins with one of these words.
_FIRST_KEY = (
    r"(?=(?:title|date|modified|updated|category|categories|tags|keywords|slug|authors?|summary|status|lang|layout)"
    r" *:)"
)
_HEADER_LINE = r"(?:[^\W\d_][\w .-]*:|[ \t]++\S)[^\n]*"
# More lines than this are larger than MAX_HEAD: the shortest is "a:\n".
_HEADER_LINES = re.compile(rf"(?:{_HEADER_LINE}(?:\n|\Z)){{1,{MAX_HEAD // 3 + 1}}}+")
_YAML_LINES = rf"(?:(?:{_HEADER_LINE}|-[ \t][^\n]*)\n){{1,{MAX_HEAD // 3 + 1}}}+"


def parse(snapshot: Snapshot, source: Source) -> RawItem:
    """Return the article that *snapshot* holds, as written.

    Raises:
        ParseError: The document cannot be used.
        Unfinished: It is empty or ends inside its front matter.
    """
    text, warnings = _text(snapshot)
    syntax = _syntax(text, source)
    if syntax is None:
        return to_item(Fields(), source, locator=snapshot.locator, hint=None, body=text, warnings=warnings)
    head, body = syntax.split(text)
    fields, notes = _fields(syntax, text, head, source)
    return to_item(
        fields, source, locator=snapshot.locator, hint=syntax.dialect, body=body, warnings=(*warnings, *notes)
    )


def read_body(snapshot: Snapshot, source: Source) -> str:
    """Return the body alone, the same text as ``parse(...).body``, without reading the fields.

    Raises:
        ParseError: As `parse`, but for faults of the fields.
    """
    text, _ = _text(snapshot)
    syntax = _syntax(text, source)
    return text if syntax is None else syntax.split(text)[1]


def begins_document(text: str) -> bool:
    """Tell whether *text* begins like a document with front matter, in any of its ways."""
    return detect_format(text, _SYNTAXES) is not None


def _text(snapshot: Snapshot) -> tuple[str, tuple[str, ...]]:
    if len(snapshot.body) > MAX_DOCUMENT:
        raise ParseError(f"larger than {MAX_DOCUMENT // 1024**2} MiB")
    return decode(snapshot.body)


def _syntax(text: str, source: Source) -> _Syntax | None:
    """Return how the front matter of *text* is written; None if it has none and needs none."""
    syntax = detect_format(text, _SYNTAXES)
    if syntax is not None:
        return cast("_Syntax", syntax)
    if not text.replace("\ufeff", "").strip():
        raise Unfinished("the document is empty")
    if source.require_front_matter:
        raise ParseError("no front matter")
    return None


def _fields(syntax: _Syntax, text: str, head: str, source: Source) -> tuple[Fields, tuple[str, ...]]:
    """Return the fields in *head* and what to tell people; lines are counted from the top of *text*."""
    try:
        fields = _loaded(syntax, head, source)
    except ParseError as error:
        if error.line is None:
            raise
        raise type(error)(error.reason, line=error.line + syntax.lines_before(text)) from error
    if "\\" in head and LOST not in head and holds_lost(fields):
        fields.notes.append((1, "the front matter holds an escape that stands for no character"))
    if not fields.notes:
        return fields, ()
    before = syntax.lines_before(text)
    return fields, tuple(f"line {line + before}: {note}" for line, note in fields.notes[:MAX_NOTES])


def _loaded(syntax: _Syntax, head: str, source: Source) -> Fields:
    try:
        return syntax.load(head)
    except NotYaml as error:
        return _read_line_by_line(head, source, error)


def _read_line_by_line(head: str, source: Source, error: NotYaml) -> Fields:
    fields = read_lines(head, KNOWN_KEYS.union(key.strip().lower() for _, key in source.fields))
    if not fields:
        raise ParseError(f"not valid YAML: {error.reason}", line=error.line) from error
    fields.notes.insert(0, (error.line or 1, f"not valid YAML, read line by line: {error.reason}"))
    return fields


# ---------------------------------------------------------------- the ways to write front matter


class _Syntax(BaseHandler, ABC):
    """One way to write front matter.

    ``FM_BOUNDARY`` matches all that stands before it. python-frontmatter's own `split` and `parse` are not used: they
    strip the body and return nothing, without a word, where the closing fence is missing or the fields are no mapping.
    """

    dialect: Dialect | None = None  # whose documents are written so

    def split(self, text: str) -> tuple[str, str]:
        """Return front matter and body.

        Raises:
            Unfinished: The front matter does not end.
            ParseError: It is too large.
        """
        start = self._start(text)
        end, body = self._end(text, start)
        if end - start > MAX_HEAD:
            raise ParseError(f"front matter of more than {MAX_HEAD // 1024} kB")
        return text[start:end], text[body:]

    def lines_before(self, text: str) -> int:
        """Return how many lines stand before the front matter."""
        return text.count("\n", 0, self._start(text))

    @abstractmethod
    def load(self, fm: str) -> Fields:
        """Return the fields of the front matter *fm*."""

    def _start(self, text: str) -> int:
        match = cast("re.Pattern[str]", self.FM_BOUNDARY).match(text)
        return match.end() if match else 0

    @abstractmethod
    def _end(self, text: str, start: int) -> tuple[int, int]:
        """Return where the front matter ends and the body begins."""


class _Fenced(_Syntax):
    """Front matter between two lines that hold nothing else."""

    CLOSING: re.Pattern[str]

    def _end(self, text: str, start: int) -> tuple[int, int]:
        match = self.CLOSING.search(text, start - 1)  # from the line feed of the opening fence
        if match is None:
            raise Unfinished("the front matter has no closing fence")
        return match.start() + 1, match.end()


class _Yaml(_Fenced):
    """``---``, closed by the same or, as YAML has it, by ``...``."""

    FM_BOUNDARY = re.compile(r"[\s\ufeff]*+-{3,}(?:ya?ml)?[^\S\n]*+(?:\n|\Z)")
    CLOSING = re.compile(r"\n(?:-{3,}|\.{3})[^\S\n]*+(?:\n|\Z)")

    def load(self, fm: str) -> Fields:
        return load_yaml(fm)


class _Toml(_Fenced):
    """``+++``, as Hugo has it."""

    FM_BOUNDARY = re.compile(r"[\s\ufeff]*+(?:\+{3,}|-{3}toml)[^\S\n]*+(?:\n|\Z)")
    CLOSING = re.compile(r"\n(?:\+{3,}|-{3})[^\S\n]*+(?:\n|\Z)")
    dialect = Dialect.HUGO

    def load(self, fm: str) -> Fields:
        return load_toml(fm)


class _Json(_Syntax):
    """An object at the top, as Hugo has it."""

    FM_BOUNDARY = re.compile(r"[\s\ufeff]*+(?=\{\s*[\"}])")
    dialect: Dialect | None = Dialect.HUGO

    def load(self, fm: str) -> Fields:
        return load_json(fm)

    def _end(self, text: str, start: int) -> tuple[int, int]:
        depth = 0
        for token in JSON_TOKENS.finditer(text, start, start + MAX_HEAD + 1):
            depth += STEP.get(token[0], 0)
            if depth == 0 and token[0] == "}":
                rest = _BLANK_LINE.match(text, token.end())
                return token.end(), rest.end() if rest else token.end()
        if len(text) - start > MAX_HEAD:
            return len(text), len(text)
        raise Unfinished("the front matter has no closing brace")


class _FencedJson(_Fenced):
    """``;;;`` as Hexo has it, where the braces may be missing, or ``---json`` as Eleventy has it."""

    FM_BOUNDARY = re.compile(r"[\s\ufeff]*+(?:;{3,}|-{3}json)[^\S\n]*+(?:\n|\Z)")
    CLOSING = re.compile(r"\n(?:;{3,}|-{3})[^\S\n]*+(?:\n|\Z)")

    def load(self, fm: str) -> Fields:
        return load_json(fm if fm.lstrip().startswith("{") else f"{{{fm}}}")


class _Unopened(_Yaml):
    """YAML with a closing fence only, as Hexo allows."""

    FM_BOUNDARY = re.compile(rf"[\s\ufeff]*+(?={_FIRST_KEY}{_YAML_LINES}-{{3,}}[^\S\n]*+(?:\n|\Z))", re.IGNORECASE)

    def _end(self, text: str, start: int) -> tuple[int, int]:
        return super()._end(text, start + 1)


class _Headers(_Syntax):
    """``Title: x`` lines up to an empty one, as Pelican has them."""

    FM_BOUNDARY = re.compile(rf"[\s\ufeff]*+{_FIRST_KEY}", re.IGNORECASE)
    dialect = Dialect.PELICAN

    def load(self, fm: str) -> Fields:
        return load_headers(fm)

    def _end(self, text: str, start: int) -> tuple[int, int]:
        end = cast("re.Match[str]", _HEADER_LINES.match(text, start)).end()
        rest = _BLANK_LINE.match(text, end)
        return end, rest.end() if rest else end


_SYNTAXES = (_Yaml(), _Toml(), _Json(), _FencedJson(), _Unopened(), _Headers())
