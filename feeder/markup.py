"""A body of any kind and size -> HTML that parsers can bear. Only this module knows markdown-it-py.

HTML parsers take time that grows with the square of the nesting, and of the attributes of a tag: 200,000 nested
`<div>` cost minutes. So what is large or odd is first written anew: every tag closed, in place, and within limits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table

LONGEST_BODY = 500_000  # characters; what follows is cut off
MOST_OPEN = 100  # elements inside one another
LONGEST_PAGE = 2_000_000  # characters of a page that is searched for articles, without scripts and styles
MOST_TAGS = 40_000  # of such a page
_LONGEST_MARKDOWN = 100_000  # characters; its time grows faster than its length, and longer ones are shown as text
# Below these a parser can come to no harm.
_FEW_TAGS = 512
_SHORT_PIECE = 4_000  # characters from one "<" to the next: a tag's attributes are in there
_SHORT_BODY = 128_000
_MOST_ATTRIBUTES = 40  # of one tag

_HTML_FILES = (".html", ".htm", ".xhtml")
_MARKDOWN_FILES = (".md", ".markdown")
_STARTS_WITH_TAG = re.compile(r"(?:\s++|<!--(?:[^-]|-(?!->))*+-->)*+<[!?/]?[a-zA-Z][a-zA-Z0-9]*+[\s/>]")
_COMMON_TAG = re.compile(
    r"</?(?:p|br|div|span|img|a|b|i|strong|em|h[1-6]|ul|ol|li|blockquote|pre|code|table|iframe|video|audio|figure|hr"
    r"|font|section|script|style)(?:\s[^<>]*+)?/?>",
    re.IGNORECASE,
)
_BARE_AMPERSAND = re.compile(r"&(?!#?[0-9a-zA-Z]{1,31};)")
_INLINE_PICTURE = re.compile(r"data:image/[a-z.+-]{1,20};base64,[A-Za-z0-9+/=]{100,}+")

_TAG = re.compile(
    r"""<(/?)([a-zA-Z][^\s/>]*+)
        ((?:[\s/]++ | [^\s/>][^\s/>=]*+ (?:\s*+=\s*+ (?:"[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\s>"'][^\s>]*+ | (?=>)))?+)*+)
        (>?)""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s>"'][^\s>]*+)|))?+""")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_:-]{0,40}")
_COMMENT = re.compile(r"<!--(?:-?>|(?:[^-]|-(?!-!?>))*+(?:--!?>|\Z))")
_BOGUS = re.compile(r"<(?:[!?]|/(?![a-zA-Z]))[^>]*+(?:>|\Z)")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VOID = _names(
    "area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr"
)
_HIDDEN = frozenset({"script", "style", "title", "noembed", "noframes", "iframe"})  # what they hold is no text to show
_VERBATIM = frozenset({"textarea", "xmp", "plaintext"})
_RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _HIDDEN | _VERBATIM}
_CLOSES_PARAGRAPH = _names(
    "address article aside blockquote center details dialog dir div dl dd dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr li main menu nav ol p pre section summary table ul "
    "caption tbody td tfoot th thead tr"  # a table closes it, so one that is open here is inside the table
)
_CLOSES_ITS_LIKE = {
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "tr": frozenset({"tr", "td", "th"}),
    "td": frozenset({"td", "th"}),
    "th": frozenset({"td", "th"}),
    "tbody": frozenset({"thead", "tbody", "tr", "td", "th"}),
    "tfoot": frozenset({"thead", "tbody", "tr", "td", "th"}),
    "option": frozenset({"option"}),
}


def to_html(body: str, locator: str = "") -> str:
    """Return *body*, which may be HTML, Markdown or plain text, as HTML that parsers can bear."""
    name = locator.lower()
    if name.endswith(_HTML_FILES) or _STARTS_WITH_TAG.match(body):
        return bearable(body)
    if name.endswith(_MARKDOWN_FILES):
        return bearable(_from_markdown(body))
    return bearable(body if _COMMON_TAG.search(body) else paragraphs(body))


def first_lines(body: str) -> str:
    """Return *body* as `to_html` does, when nothing is known of it: text without tags is read as Markdown."""
    return to_html(body, "" if _COMMON_TAG.search(body) else _MARKDOWN_FILES[0])


def paragraphs(text: str) -> str:
    """Return plain *text* as paragraphs; character references in it are left to stand."""
    text = _BARE_AMPERSAND.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
    lines = [line.strip(" \t") for line in text.splitlines()]
    found = "\n".join(line if line.strip() else "" for line in lines).strip("\n").split("\n\n")
    return "\n".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in (each.strip("\n") for each in found) if part)


def bearable(markup: str) -> str:
    """Return *markup* as it is if it is small and plain, else written anew within limits."""
    pieces = markup.split("<")
    if len(markup) <= _SHORT_BODY and len(pieces) <= _FEW_TAGS and max(map(len, pieces)) <= _SHORT_PIECE:
        return markup
    if len(markup) > LONGEST_BODY:
        markup = _INLINE_PICTURE.sub("data:,", markup)[:LONGEST_BODY]
    return "".join(_rewritten(markup))


def bearable_page(markup: str) -> tuple[str, bool]:
    """Return a whole page written anew within limits, and whether it is whole: what exceeds them is cut off."""
    kept: list[str] = []
    length = tags = 0
    for piece in _rewritten(_INLINE_PICTURE.sub("data:,", markup)):
        length += len(piece)
        tags += piece.startswith("<") and piece[1] != "/"
        if length > LONGEST_PAGE or tags > MOST_TAGS:
            return "".join(kept), False
        kept.append(piece)
    return "".join(kept), True


def _from_markdown(text: str) -> str:
    return _MARKDOWN.render(text) if len(text) <= _LONGEST_MARKDOWN else paragraphs(text)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - as rules are called
    """Read a table, as long as all tables have no more cells than the text has characters.

    Rows that are too short are filled up: without this, a few hundred characters make 65,000 cells.
    """
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    room = state.env.setdefault("cells", len(state.src))
    found = columns <= room and table(state, start, min(end, start + 2 + room // columns), silent)
    if found and not silent:
        state.env["cells"] -= columns * (state.line - start)
    return found


_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_MARKDOWN.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})


def _rewritten(markup: str) -> Iterator[str]:
    """Yield *markup* with every element closed inside its parent, none deeper than the limit.

    Each "<" is looked at once; a tag that the text ends in takes the rest with it, as in a browser.
    """
    open_elements = _OpenElements()
    position = 0
    while (start := markup.find("<", position)) >= 0:
        yield markup[position:start]
        skipped = _COMMENT.match(markup, start) or _BOGUS.match(markup, start)
        if skipped:
            position = skipped.end()
            continue
        tag = _TAG.match(markup, start)
        if tag is None:
            yield "&lt;"
            position = start + 1
            continue
        if not tag[4]:
            position = len(markup)
            break
        position = tag.end()
        name = tag[2].lower()
        if tag[1]:
            yield from open_elements.close(name)
        elif name in _RAW_END:
            end = _RAW_END[name].search(markup, position)
            stop = end.start() if end else len(markup)
            yield from _raw(name, tag[3], markup[position:stop])
            position = stop
        elif _NAME.fullmatch(name):
            yield from open_elements.open(name, _attributes(tag[3]))
    yield markup[position:]
    yield from open_elements.close_all()


def _raw(name: str, attributes: str, text: str) -> Iterator[str]:
    if name in _VERBATIM:
        yield f"<pre>{text.replace('<', '&lt;')}</pre>"
    elif name == "iframe":
        yield f"<iframe{_attributes(attributes)}></iframe>"


def _attributes(written: str) -> str:
    if not written.strip():
        return ""
    found = islice(_ATTRIBUTE.finditer(written), _MOST_ATTRIBUTES)
    return "".join(
        f' {match[1]}="{(match[2] or match[3] or match[4] or "").replace(chr(34), "&quot;")}"'
        for match in found
        if _NAME.fullmatch(match[1])
    )


class _OpenElements:
    """The elements that are open, outermost first; what it hands out is always well nested."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._left_out: Counter[str] = Counter()

    def open(self, name: str, attributes: str) -> Iterator[str]:
        if name in _CLOSES_PARAGRAPH and "p" in self._names:
            yield from self.close("p")
        while self._names and self._names[-1] in _CLOSES_ITS_LIKE.get(name, ()):
            yield f"</{self._names.pop()}>"
        if name in _VOID:
            yield f"<{name}{attributes}>"
        elif len(self._names) < MOST_OPEN:
            self._names.append(name)
            yield f"<{name}{attributes}>"
        else:
            self._left_out[name] += 1
            yield "<br>" if name in _CLOSES_PARAGRAPH else ""

    def close(self, name: str) -> Iterator[str]:
        if name == "br":  # browsers take it for a line break
            yield "<br>"
        elif self._left_out[name]:
            self._left_out[name] -= 1
        elif name in self._names:
            while (last := self._names.pop()) != name:
                yield f"</{last}>"
            yield f"</{name}>"

    def close_all(self) -> Iterator[str]:
        yield from (f"</{name}>" for name in reversed(self._names))
