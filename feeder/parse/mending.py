"""XML that is nearly well-formed, made so as text: what can be mended without a doubt about what is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from html.entities import html5
from types import MappingProxyType
from typing import Final

from feeder.errors import ParseError
from feeder.html import safe_text

PROLOG: Final = 16_384  # characters before the root element in which a document type is looked for

_KNOWN_PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "atom": "http://www.w3.org/2005/Atom",
        "atom10": "http://www.w3.org/2005/Atom",
        "content": "http://purl.org/rss/1.0/modules/content/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "dcterms": "http://purl.org/dc/terms/",
        "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
        "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
        "media": "http://search.yahoo.com/mrss/",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "sy": "http://purl.org/rss/1.0/modules/syndication/",
        "xhtml": "http://www.w3.org/1999/xhtml",
    }
)
_UNKNOWN: Final = "urn:x-unknown:"

ROOT: Final = re.compile(r"<(?:[A-Za-z][\w-]{0,30}:)?(?:RDF|rss|feed|channel)(?=[\s/>])", re.IGNORECASE)
_DECLARATION = re.compile(r"<\?xml\b[^<>]*>")
_DOCTYPE = re.compile(
    r"<!DOCTYPE\b(?:[^\[\]<>\"']|\"[^\"]*\"|'[^']*')*+"
    r"(?:\[((?:<!--.*?-->|<\?.*?\?>|\"[^\"]*+\"|'[^']*+'|[^\]\"'])*+)\]\s*)?>",
    re.IGNORECASE | re.DOTALL,
)
_ENTITY = re.compile(r"<!ENTITY\s+([^\s%\"'>]+)\s", re.IGNORECASE)
_WHOLE = re.compile(r"<!(?:\[CDATA\[|--)")  # these are not looked into
_ENDS: Final = {"<![CDATA[": "]]>", "<!--": "-->"}
_REFERENCE = re.compile(r"&(?:#(?:([0-9]{1,7})|x([0-9A-Fa-f]{1,6}));|([A-Za-z][A-Za-z0-9]{1,40});)?")
_OF_XML: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_TAG = re.compile(r"</?([A-Za-z_][\w.-]{0,60}):|\s([A-Za-z_][\w.-]{0,60}):[\w.-]{1,60}\s{0,9}=")
_DECLARED = re.compile(r"\sxmlns:([\w.-]{1,60})\s*=")
_ATTRIBUTE_ONLY: Final = frozenset({"xml", "xmlns"})


def mended(text: str) -> str:
    """Return *text* from the root element on, without what XML forbids, and with what it asks for.

    Raises:
        ParseError: It declares entities of its own, which are the means of many an attack and of no feed.
    """
    text = safe_text(_without_head(text))
    root = ROOT.search(text)
    if root is None:
        return text
    pieces = _parts(text[root.start() : _end(text, root[0][1:])])
    return _with_prefixes("".join(part if is_whole else _references(part) for part, is_whole in pieces))


def has_doctype(text: str) -> bool:
    """Tell whether a document type stands before the root element."""
    return text.find("<!DOCTYPE", 0, _start_of_root(text)) >= 0


def _start_of_root(text: str) -> int:
    """Return where the prolog ends: what articles quote below is no document type of the feed."""
    position = 0
    for part, is_whole in _parts(text[:PROLOG]):
        if not is_whole and (root := ROOT.search(part)):
            return position + root.start()
        position += len(part)
    return PROLOG


def _without_head(text: str) -> str:
    """Return *text* without its declaration and its document type."""
    head, rest = text[:PROLOG], text[PROLOG:]
    root = _start_of_root(text)
    start, doctype = head.find("<!DOCTYPE", 0, root), _DOCTYPE.search(head)
    if doctype is None or doctype.start() > root:
        # One without an end in the head is left out with all that stands before the root element.
        _check_entities(text[start:] if start >= 0 else "")
        return _DECLARATION.sub("", head, count=1) + rest
    _check_entities(doctype[1] or "")
    return head[doctype.end() :] + rest


def _check_entities(declared: str) -> None:
    for name in _ENTITY.findall(declared):
        if f"{name};" not in html5:
            raise ParseError(f"it declares an entity of its own, {name[:100]!a}, which no feed needs")


def _end(text: str, name: str) -> int:
    """Return where the root element ends: some servers write their notes below."""
    closing = f"</{name}>"
    found = text.rfind(closing)
    return len(text) if found < 0 else found + len(closing)


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield *text* in pieces, and whether one is a comment or a CDATA section, in which nothing is as it looks."""
    position = 0
    while whole := _WHOLE.search(text, position):
        yield text[position : whole.start()], False
        end = text.find(_ENDS[whole[0]], whole.end())
        position = len(text) if end < 0 else end + len("-->")
        yield text[whole.start() : position], True
    yield text[position:], False


def _references(text: str) -> str:
    return _REFERENCE.sub(_reference, text) if "&" in text else text


def _reference(match: re.Match[str]) -> str:
    """Return what is meant by an ampersand and what follows: a character, a name of HTML's, or just this sign."""
    decimal, hexadecimal, name = match.groups()
    if name in _OF_XML:
        return match[0]
    if name:
        return escape(html5.get(f"{name};", match[0]))
    if not decimal and not hexadecimal:
        return "&amp;"
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return escape(safe_text(chr(code))) if code < 0x110000 else ""  # noqa: PLR2004 - the end of Unicode


def _with_prefixes(text: str) -> str:
    """Return *text* with a namespace for each prefix that has none."""
    used = {
        tag or attribute for part, is_whole in _parts(text) if not is_whole for tag, attribute in _TAG.findall(part)
    }
    missing = sorted(used - _ATTRIBUTE_ONLY - set(_DECLARED.findall(text)))
    declared = "".join(f' xmlns:{prefix}="{_KNOWN_PREFIXES.get(prefix, _UNKNOWN + prefix)}"' for prefix in missing)
    root = ROOT.match(text)
    return text[: root.end()] + declared + text[root.end() :] if root else text
