"""RSS 0.9x, 1.0 and 2.0 and Atom 0.3 and 1.0 that are well-formed XML. One vocabulary for all: feeds mix them freely."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from lxml import etree

from feeder.errors import ParseError
from feeder.links import web_url
from feeder.model import Enclosure, ForeignFeed, Origin
from feeder.parse.found import (
    Found,
    FoundEntry,
    as_html,
    as_line,
    as_plain,
    category,
    days_skipped,
    enclosure,
    files,
    hours_skipped,
    is_picture,
    pace,
    person,
    picture,
    unique,
)
from feeder.parse.strict import without_doctype, xml_parser

MAX_ELEMENTS: Final = 600_000  # of one feed: every one costs up to 240 bytes of memory
MAX_ATTRIBUTES: Final = 400_000
MAX_ALIKE: Final = 1_000  # elements of one name in an entry
LONGEST_NAME: Final = 200  # characters of an element's name that may mean something
HARMLESS: Final = 1 << 20  # bytes, which even full of tags cost little

_TOO_MUCH: Final = frozenset(
    {etree.ErrorTypes.ERR_NO_MEMORY, etree.ErrorTypes.ERR_RESOURCE_LIMIT, etree.ErrorTypes.ERR_NAME_TOO_LONG}
)

_Words: TypeAlias = Mapping[str, list[etree._Element]]  # noqa: SLF001 - lxml has no other name for it

_XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_XML: Final = "{http://www.w3.org/XML/1998/namespace}"
_RDF_ABOUT: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
# Namespaces in lower case, by http and without a last slash, for all of these are got wrong; and what is written for them
# here. RSS has none.
PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "http://www.w3.org/2005/atom": "atom:",
        "http://purl.org/atom/ns#": "atom:",
        "http://purl.org/rss/1.0": "",
        "http://my.netscape.com/rdf/simple/0.9": "",
        "http://channel.netscape.com/rdf/simple/0.9": "",
        "http://backend.userland.com/rss2": "",
        "http://blogs.law.harvard.edu/tech/rss": "",
        "http://purl.org/rss/1.0/modules/content": "content:",
        "http://purl.org/rss/1.0/modules/syndication": "sy:",
        "http://purl.org/dc/elements/1.0": "dc:",
        "http://purl.org/dc/elements/1.1": "dc:",
        "http://purl.org/dc/terms": "dcterms:",
        "http://search.yahoo.com/mrss": "media:",
        "http://www.rssboard.org/media-rss": "media:",
        "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes:",
        "http://rssnamespace.org/feedburner/ext/1.0": "feedburner:",
        "http://www.w3.org/1999/xhtml": "xhtml:",
    }
)

# Of each word of ours the elements that may hold it, the best first.
_GUIDS: Final = ("guid", "atom:id", "dc:identifier")
_TITLES: Final = ("title", "atom:title", "dc:title", "media:title", "itunes:title")
_DATES: Final = (
    "pubdate", "atom:published", "atom:issued", "dc:date", "dcterms:issued", "dcterms:created", "atom:created",
)  # fmt: skip
_UPDATES: Final = ("atom:updated", "atom:modified", "dcterms:modified")
_BODIES: Final = ("content:encoded", "atom:content", "xhtml:body", "xhtml:div")
_SUMMARIES: Final = (
    "description", "atom:summary", "dc:description", "dcterms:abstract", "media:description", "itunes:summary",
    "itunes:subtitle",
)  # fmt: skip
_PEOPLE: Final = ("atom:author", "dc:creator", "itunes:author", "author", "managingeditor")
_CATEGORIES: Final = ("category", "atom:category", "dc:subject")
_RIGHTS: Final = ("atom:rights", "atom:copyright", "copyright", "dc:rights")
_LANGUAGES: Final = ("language", "dc:language")
_FEEDS: Final = (
    "ttl", "sy:updateperiod", "sy:updatefrequency", "skiphours", "skipdays", "itunes:new-feed-url",
)  # fmt: skip
_LINKS: Final = (
    "link", "atom:link", "feedburner:origlink", "enclosure", "media:content", "media:thumbnail", "media:group",
    "itunes:image", "itunes:category", "atom:source", "source",
)  # fmt: skip
_KNOWN: Final = frozenset(
    chain(
        _GUIDS, _TITLES, _DATES, _UPDATES, _BODIES, _SUMMARIES, _PEOPLE, _CATEGORIES, _RIGHTS, _LANGUAGES, _FEEDS, _LINKS
    )
)  # fmt: skip
_GROUPS: Final = frozenset({"media:group", "media:content"})  # what is in them is said of the entry
_PLAIN: Final = frozenset({"media:description", "itunes:summary", "itunes:subtitle"})

_HTML_TYPES: Final = frozenset({"html", "text/html"})
_XHTML_TYPES: Final = frozenset({"xhtml", "application/xhtml+xml"})
_TEXT_TYPES: Final = frozenset({"text", "text/plain"})
_PAGES: Final = (None, "text/html", "application/xhtml+xml")  # the types of a link to a page
_PREFIXED = re.compile(r"<[\w.-]+:")
_EMPTY = re.compile(r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)([\w.:-]++)([^<>]*)/>")
_RELATIONS: Final = "http://www.iana.org/assignments/relation/"

_INSTEAD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "html": "a web page",
        "opml": "a list of feeds (OPML)",
        "urlset": "a sitemap",
        "sitemapindex": "a list of sitemaps",
        "svg": "a picture (SVG)",
    }
)


def read_xml(body: bytes, url: str) -> Found:
    """Return what the feed in *body*, which is UTF-8 whatever it says, holds.

    Raises:
        ParseError: It is no feed, or larger than any.
        NotWellFormed: It is not XML as it should be, and may be mended.
    """
    root = _root(body, url)
    kind = etree.QName(root).localname.lower()
    if kind not in _ENTRIES:
        raise ParseError(f"{_INSTEAD.get(kind, f'XML that begins with <{kind[:100]}>')}, not a feed")
    # Looking for what stands nowhere costs more than all the rest.
    document = _Document(
        url=url,
        own=root.tag.rpartition("}")[0],
        bare="atom:" if kind == "feed" else "",
        has_bases=b"xml:base" in body,
        has_languages=b"xml:lang" in body,
    )
    return _found(root, kind, document)


class NotWellFormed(ParseError):
    """The document breaks the rules of XML; it may be mended."""


def _is_a_bomb(body: bytes) -> bool:
    """Tell by what no element and no attribute can do without whether there are too many."""
    ends, quotes = body.count(b"</") + body.count(b"/>"), body.count(b'"') + body.count(b"'")
    return ends > MAX_ELEMENTS or quotes > 2 * MAX_ATTRIBUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """What holds for a whole feed. `base` is what is relative to nothing else in its texts."""

    url: str
    own: str  # the namespace of its root, as in a tag: "{urn:x"
    bare: str  # what elements in that or in none are taken for
    has_bases: bool
    has_languages: bool
    base: str | None = None
    language: str | None = None


def _root(body: bytes, url: str) -> etree._Element:
    if len(body) > HARMLESS and _is_a_bomb(body):
        raise ParseError(f"more than {MAX_ELEMENTS} elements or {MAX_ATTRIBUTES} attributes: no feed needs them")
    try:
        root = etree.fromstring(body, xml_parser(encoding="utf-8"), base_url=url)
    except etree.XMLSyntaxError as error:
        fault: Any = error
        kind = ParseError if fault.code in _TOO_MUCH else NotWellFormed
        raise kind(f"not valid XML: {as_line(str(error.msg).split(chr(10), 1)[0])}", line=error.lineno) from error
    return without_doctype(root, what="feed")


def _found(root: etree._Element, kind: str, document: _Document) -> Found:
    head = root if kind in ("feed", "channel") else _child(root, "channel")
    words = _words(head, document) if head is not None else {}
    origin = _origin(words, document)
    # RSS has no word for it: "an aggregator may … using the channel's link as the base" (RSS Advisory Board, profile).
    base = None if kind == "feed" else origin.home
    inner = replace(document, base=base or document.url or None, language=_language(words, head, document))
    entries = [each for place in dict.fromkeys((head, root)) if place is not None for each in _entries(place, kind)]
    return Found(
        feed=_feed(words, origin if origin.url else replace(origin, url=document.url or None), inner),
        entries=(_entry(each, inner) for each in entries),
        count=len(entries),
    )


_ENTRIES: Final[Mapping[str, str]] = MappingProxyType(
    {"rss": "item", "rdf": "item", "channel": "item", "feed": "entry"}
)


def _entries(place: etree._Element, kind: str) -> list[etree._Element]:
    return list(place.iterchildren(f"{{*}}{_ENTRIES[kind]}"))


def _child(parent: etree._Element, name: str) -> etree._Element | None:
    return next(parent.iterchildren(f"{{*}}{name}"), None)


def _feed(words: _Words, origin: Origin, document: _Document) -> ForeignFeed:
    return ForeignFeed(
        origin=origin,
        items=(),
        every=pace(
            ttl=_first(words, "ttl"),
            period=_first(words, "sy:updateperiod"),
            frequency=_first(words, "sy:updatefrequency"),
        ),
        skip_hours=hours_skipped(_within(words, "skiphours")),
        skip_days=days_skipped(_within(words, "skipdays")),
        moved_to=_address(words, "itunes:new-feed-url", document),
    )


def _within(words: _Words, word: str) -> Iterator[str | None]:
    return (child.text for element in words.get(word, ()) for child in element)


# ---------------------------------------------------------------- words


@lru_cache(maxsize=4096)
def _word(tag: str, own: str, bare: str) -> str | None:
    """Return an element's name as it is written in the tables here: in lower case, its namespace as a known prefix.

    None if it is in none of them. What has the namespace of the root, `own`, or none is taken for the words of the feed's format, `bare`.
    """
    namespace, _, name = tag.rpartition("}")
    known = namespace[1:].strip().lower().removesuffix("/").replace("https://", "http://", 1)
    prefix = bare if namespace == own or not namespace else f"{known} "
    word = PREFIXES.get(known, prefix) + name.lower()
    return word if word in _KNOWN else None


def _words(parent: etree._Element, document: _Document, *, levels: int = 2) -> _Words:
    """Return the children of *parent* by their words, and so many *levels* of those that are in groups.

    Only those that have a meaning here, and of each only as many as anybody needs.
    """
    words: dict[str, list[etree._Element]] = {}
    own, bare = document.own, document.bare
    for child in parent:
        word = _word(child.tag, own, bare) if len(child.tag) < LONGEST_NAME else None
        if word is None:
            continue
        alike = words.setdefault(word, [])
        if len(alike) < MAX_ALIKE:
            alike.append(child)
        if word in _GROUPS and levels and len(child):
            for inner, elements in _words(child, document, levels=levels - 1).items():
                words.setdefault(inner, []).extend(elements)
    return words


def _text(element: etree._Element) -> str | None:
    return "".join(map(str, element.itertext())) if len(element) else element.text


def _first(words: _Words, *names: str) -> str | None:
    """Return the first text that is there, in one line."""
    for name in names:
        for element in words.get(name, ()):
            if text := as_line(_text(element)):
                return text
    return None


def _first_plain(words: _Words, names: Iterable[str]) -> str | None:
    for name in names:
        for element in words.get(name, ()):
            if text := _plain(element):
                return text
    return None


def _plain(element: etree._Element) -> str | None:
    """Return what a title or the like says. Atom tells what it is written in; RSS does not, and many escape twice."""
    is_literal = len(element) or (_is_atom(element) and element.get("type") not in _HTML_TYPES)
    return (as_line if is_literal else as_plain)(_text(element))


def _is_atom(element: etree._Element) -> bool:
    return (_word(element.tag, "", "") or "").startswith("atom:")


# ---------------------------------------------------------------- entries


def _entry(element: etree._Element, document: _Document) -> FoundEntry:
    words = _words(element, document)
    links = _relations(words)
    guid, may_be_link = _guid(words)
    body, summary, place = _bodies(words, document)
    enclosures = files(_enclosures(words, links, document))
    return FoundEntry(
        guid=guid or element.get(_RDF_ABOUT),
        guid_may_be_link=may_be_link,
        link=_link(words, links, document),
        title=_first_plain(words, _TITLES),
        date=_first(words, *_DATES),
        updated=_first(words, *_UPDATES),
        body=body,
        summary=summary,
        authors=_people(words),
        categories=unique(_categories(words)),
        image=picture(_pictures(words, document), enclosures),
        enclosures=enclosures,
        origin=_source(words, document),
        rights=_first_plain(words, _RIGHTS),
        language=_language(words, element if place is None else place[0], document),
        base=_base(element, document) if place is None else place[1],
    )


def _guid(words: _Words) -> tuple[str | None, bool]:
    """Return the guid, and whether it may be the link as well."""
    for name in _GUIDS:
        for element in words.get(name, ()):
            if guid := as_line(_text(element)):
                return guid, ("ispermalink", "false") not in _folded(element)
    return None, True


def _folded(element: etree._Element) -> set[tuple[str, str]]:
    """Return the attributes in lower case, for this one is spelt in every way."""
    return {(str(name).lower(), str(value).strip().lower()) for name, value in element.items()}


def _base(element: etree._Element, document: _Document) -> str | None:
    """Return what addresses in *element* are relative to."""
    if document.has_bases and (stated := element.base) != document.url:
        return web_url(stated, document.url) or document.base
    return document.base


def _resolved(element: etree._Element, address: str | None, document: _Document) -> str | None:
    return web_url(address, _base(element, document) or document.url)


def _language(words: _Words, element: etree._Element | None, document: _Document) -> str | None:
    if document.has_languages and element is not None:
        for each in chain((element,), element.iterancestors()):
            if stated := as_line(each.get(f"{_XML}lang")):
                return stated
    return _first(words, *_LANGUAGES) or document.language


def _people(words: _Words) -> tuple[str, ...]:
    for name in _PEOPLE:
        if name in words and (people := unique(map(_person, words[name]))):
            return people
    return ()


def _person(element: etree._Element) -> str | None:
    if not len(element):
        return person(element.text)
    parts = (_child(element, "name"), _child(element, "email"), element)
    return next((name for part in parts if part is not None and (name := person(_text(part)))), None)


def _categories(words: _Words) -> Iterator[str | None]:
    for name in _CATEGORIES:
        for element in words.get(name, ()):
            yield category(element.get("label"), element.get("term") or _text(element))
    for element in words.get("itunes:category", ()):
        yield category(None, element.get("text"))


# ---------------------------------------------------------------- links and files


def _relations(words: _Words) -> Mapping[str, list[etree._Element]]:
    """Return the links of Atom by what they are to the entry."""
    links: dict[str, list[etree._Element]] = {}
    for link in words.get("atom:link", ()):
        rel = link.get("rel", "alternate").strip().lower().removeprefix(_RELATIONS)
        links.setdefault(rel, []).append(link)
    return links


def _link(words: _Words, links: Mapping[str, list[etree._Element]], document: _Document) -> str | None:
    """Return the address of the page: as it was before it was counted by a service, HTML before other types."""
    for name in ("feedburner:origlink", "link"):
        if written := _address(words, name, document):
            return written
    ranked = sorted(links.get("alternate", ()), key=lambda link: link.get("type") not in _PAGES)
    return next((url for link in ranked if (url := _resolved(link, link.get("href"), document))), None)


def _address(words: _Words, name: str, document: _Document) -> str | None:
    for each in words.get(name, ()):
        if url := _resolved(each, as_line(_text(each)) or each.get("href"), document):
            return url
    return None


def _enclosures(
    words: _Words, links: Mapping[str, list[etree._Element]], document: _Document
) -> Iterator[Enclosure | None]:
    for link in links.get("enclosure", ()):
        yield enclosure(_resolved(link, link.get("href"), document), link.get("type"), link.get("length"))
    for each in words.get("enclosure", ()):
        yield enclosure(_resolved(each, each.get("url"), document), each.get("type"), each.get("length"))
    for each in words.get("media:content", ()):
        url = _resolved(each, each.get("url"), document)
        if url and not is_picture(url, each.get("type"), each.get("medium")):
            yield enclosure(url, each.get("type"), each.get("fileSize"))


def _pictures(words: _Words, document: _Document) -> Iterator[str | None]:
    for each in words.get("media:thumbnail", ()):
        yield _resolved(each, each.get("url"), document)
    for each in words.get("media:content", ()):
        url = _resolved(each, each.get("url"), document)
        if url and is_picture(url, each.get("type"), each.get("medium")):
            yield url
    for each in words.get("itunes:image", ()):
        yield _resolved(each, each.get("href"), document)


# ---------------------------------------------------------------- where an entry comes from


def _origin(words: _Words, document: _Document) -> Origin:
    links = _relations(words)
    own = (_resolved(link, link.get("href"), document) for link in links.get("self", ()))
    return Origin(
        id=_first(words, "atom:id", "guid"),
        title=_first_plain(words, _TITLES),
        url=next(filter(None, own), None),
        home=_link(words, links, document),
        author=", ".join(_people(words)) or None,
        rights=_first_plain(words, _RIGHTS),
    )


def _source(words: _Words, document: _Document) -> Origin | None:
    """Return the feed that an entry was copied from: Atom keeps its head, RSS its title and address."""
    for element in words.get("atom:source", ()):
        return _origin(_words(element, document), document)
    for element in words.get("source", ()):
        if url := _resolved(element, element.get("url"), document):
            return Origin(title=_plain(element), url=url)
    return None


# ---------------------------------------------------------------- bodies


def _bodies(words: _Words, document: _Document) -> tuple[str, str | None, tuple[etree._Element, str | None] | None]:
    """Return the body, a summary if that is something else, and where the body stands, with its base."""
    body, place = _first_markup(words, _BODIES, document)
    summary, summary_place = _first_markup(words, _SUMMARIES, document)
    if not body:
        return summary, None, summary_place
    return body, summary if summary and summary != body else None, place


def _first_markup(
    words: _Words, names: Iterable[str], document: _Document
) -> tuple[str, tuple[etree._Element, str | None] | None]:
    for name in names:
        for element in words.get(name, ()):
            inner = element[0] if len(element) == 1 and element[0].tag == f"{_XHTML}div" else element
            place = (element, _base(inner, document))  # before the markup is taken out
            if markup := _markup(element, name):
                return markup, place
    return "", None


def _markup(element: etree._Element, name: str) -> str:
    """Return the text of a body as HTML; "" if there is none that can be shown."""
    kind = element.get("type", "").strip().lower()
    if name.startswith("atom:"):
        return _ATOM_TYPES.get(kind or "text", _no_text)(element)
    if len(element):
        return _inner(element)
    is_plain = name in _PLAIN and kind not in _HTML_TYPES
    return _escaped(element) if is_plain else _as_it_is(element)


def _no_text(_element: etree._Element) -> str:
    return ""


def _as_it_is(element: etree._Element) -> str:
    # Markup that nobody escaped has become elements.
    return _inner(element) if len(element) else (element.text or "").strip()


def _escaped(element: etree._Element) -> str:
    return as_html(_text(element) or "")


def _inner(element: etree._Element) -> str:
    """Return the markup inside of *element* as HTML; a <div> around it all is not part of it."""
    if len(element) == 1 and element[0].tag == f"{_XHTML}div" and not (element.text or "").strip():
        element = element[0]
    markup = _serialized(element)
    return _serialized(_without_prefixes(element)) if _PREFIXED.search(markup) else markup


def _serialized(element: etree._Element) -> str:
    """Return the markup inside; it holds no ">" but those of tags, for the serializer escapes all others."""
    markup = etree.tostring(element, encoding="unicode", with_tail=False)
    return _EMPTY.sub(r"<\1\2></\1>", markup[markup.index(">") + 1 : markup.rfind("</")]).strip()


def _without_prefixes(element: etree._Element) -> etree._Element:
    for each in list(element.iter(f"{_XHTML}*")):
        each.tag = each.tag[len(_XHTML) :]
    etree.cleanup_namespaces(element)
    return element


_ATOM_TYPES: Final[Mapping[str, Callable[[etree._Element], str]]] = MappingProxyType(
    {
        **dict.fromkeys(_TEXT_TYPES, _escaped),
        **dict.fromkeys(_HTML_TYPES, _as_it_is),
        **dict.fromkeys(_XHTML_TYPES, _as_it_is),
    }
)
