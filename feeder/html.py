"""Body -> clean HTML, plain text, summary, absolute links, XML-safe characters. Only this module knows nh3 and selectolax.

A body is parsed once as a browser would, written anew by our own rules, and shown to nh3, the sanitizer. What nh3 hands
back unchanged is both safe and stable: any HTML5 parser reads it as we do, and cleaning it again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import NamedTuple

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from feeder.excerpt import excerpt
from feeder.links import Attributes, link_target, picture_url, player_url, srcset_url, web_url
from feeder.marks import tamed
from feeder.markup import LONGEST_BODY, bearable, first_lines, to_html
from feeder.model import Body

VERSION = 1
"""Raise it when `clean` changes its results: stored bodies are kept by it."""

_SUMMARY = 300  # characters
_TITLE = 80
_TITLE_FROM = 8_000  # characters of a body in which its first words are looked for
_TEXT_KEPT = 400  # characters of text that are collected for a summary
_ROUNDS = 5  # parser and sanitizer agree at the first but for odd nesting; after these, only the text is kept
_LONGEST_AGAIN = LONGEST_BODY - 10_000  # characters: room for what closes the elements that the cut leaves open
_DEEPEST = 100  # elements inside one another
_LARGE_BLOCK = 16 << 20  # bytes
_PIXEL = 1  # an image of that width counts its readers
_MOST_SOURCES = 20  # nodes before an image that are looked at
_ICON = 32  # pixels; a smaller image is decoration, not the article's picture

_ASTRAL = "".join(f"{chr(plane)}-{chr(plane + 0xFFFD)}" for plane in range(0x10000, 0x110000, 0x10000))
_SAFE = f"\\t\\n\\r -~\xa0-\ud7ff\ue000-\ufffd{_ASTRAL}"
_ALL_SAFE = re.compile(f"[{_SAFE}]*+")
_UNSAFE = re.compile(f"[^{_SAFE}]")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BLOCKS = _names(
    "blockquote caption dd details div dl dt figcaption figure h1 h2 h3 h4 h5 h6 li ol p pre summary table tbody td "
    "tfoot th thead tr ul"
)
_INLINES = _names(
    "a abbr b bdi bdo cite code del dfn em i ins kbd mark q rp rt ruby s samp small strong sub sup time u var"
)
_CELLS = frozenset({"td", "th"})  # an empty one keeps its row in shape
_VERBATIM = frozenset({"code", "pre"})
_GONE = _names(
    "-comment area base col colgroup datalist frame frameset head input link meta noembed noframes param script select "
    "source style svg template title track"
)

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
_KEPT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(_BLOCKS - {"pre"}, ("dir",)),
        **dict.fromkeys(_CELLS, ("colspan", "rowspan", "dir")),
        "ol": ("start", "type", "reversed", "dir"),
        "li": ("value", "dir"),
        "details": ("open", "dir"),
        "bdi": ("dir",),
        "bdo": ("dir",),
        "abbr": ("title",),
        "time": ("datetime",),
    }
)


class _Kind(NamedTuple):
    """What becomes of an element that is kept."""

    name: str
    is_block: bool
    is_verbatim: bool
    attributes: tuple[str, ...]


def _kind(name: str) -> _Kind:
    return _Kind(name, name in _BLOCKS, name in _VERBATIM, _KEPT.get(name, ()))


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        **{name: _kind(name) for name in _BLOCKS | _INLINES},
        **dict.fromkeys(
            _names(
                "address article aside center dialog dir fieldset footer form header hgroup legend main nav section"
            ),
            _kind("div"),
        ),
        **dict.fromkeys(("listing", "plaintext", "textarea", "xmp"), _kind("pre")),
        "acronym": _kind("abbr"),
        "menu": _kind("ul"),
        "strike": _kind("s"),
        "tt": _kind("code"),
    }
)
_SANITIZER = nh3.Cleaner(
    tags=_BLOCKS | _INLINES | {"audio", "br", "hr", "iframe", "img", "source", "video", "wbr"},
    clean_content_tags={"script", "style"},
    attributes={
        **{tag: set(names) for tag, names in _KEPT.items()},
        "a": {"href", "title"},
        "audio": {"src", "controls", "preload"},
        "iframe": {"src", "width", "height", "allowfullscreen"},
        "img": {"src", "alt", "title", "width", "height", "referrerpolicy"},
        "source": {"src"},
        "video": {"src", "poster", "width", "height", "controls", "preload"},
    },
    link_rel=None,  # without a target it protects from nothing
    set_tag_attribute_values={"img": {"referrerpolicy": "no-referrer"}},
    url_schemes={"http", "https", "mailto", "tel"},
    url_relative="deny",
)

_WHITE = " \t\n\f\r"  # what HTML collapses; an ideographic space is a character like others
_WHITE_RUN = re.compile(r" [ \t\n\f\r]++|[\t\n\f\r][ \t\n\f\r]*+")  # but a single blank, which may stay
_BLANK = "\\s\u200b\u200c\u200d\u2060\ufeff\xad"  # nothing to see, in whatever number
_INK = re.compile(f"[^{_BLANK}]")
_UNSEEN = re.compile("[\u200b\u2060\ufeff\xad]")
_ENDLESS_NUMBER = re.compile(r"&#[0-9]{20,}+;?")  # no character has as many digits
_SIZE = re.compile(r"\s*+([0-9]{1,5})(?:\.[0-9]++)?\s*+(?:px)?\s*+")
_MOST_BREAKS = 2  # in a row
_EDGE = 3  # more than any line breaks: the edge of a block
_NO_PICTURE = re.compile(r"//picsum\.photos/")  # random photographs that generators fill in


def _keep_freed_memory() -> None:
    """Let glibc keep what parsers free, or it gives every tree back to the system and faults it in again.

    That took a fifth of the time of `clean`. The threshold follows the largest block that was ever freed: mallopt(3),
    M_MMAP_THRESHOLD. This block is never touched, so it costs no memory.
    """
    bytes(_LARGE_BLOCK)


_keep_freed_memory()


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


def first_words(body: str) -> str:
    """Return the plain text that *body* begins with, on one line, short enough for a title; "" if there is none."""
    page = _Page(None)
    page.write(_parsed(first_lines(safe_text(body[:_TITLE_FROM]))).root)
    lines = map(_one_line, "".join(page.words).split("\n"))
    telling = (line for line in lines if any(map(str.isalnum, line)))
    return excerpt(next(telling, ""), _TITLE)


def check_selector(selector: str) -> None:
    """Check that *selector* can be looked for.

    Raises:
        ValueError: It is no CSS selector, or one that the parser does not know.
    """
    try:
        _parsed("<p>").css(selector)
    except (SelectolaxError, UnicodeError) as error:
        raise ValueError(f"not a CSS selector: {selector!a}") from error


def clean(body: str, *, locator: str = "", base_url: str | None = None, remove: tuple[str, ...] = ()) -> Body:
    """Return *body* made safe, tidy and complete in itself. No body is bad enough to raise.

    Args:
        body: HTML, Markdown or plain text.
        locator: Its ending says what a body without tags is: Markdown or plain text.
        base_url: What relative links are relative to; without it they are dropped.
        remove: CSS selectors of what is taken out.
    """
    markup = to_html(safe_text(body), locator)
    tree = _parsed(markup)
    page = _Page(base_url)
    page.write(tree.root, removed=frozenset(node.mem_id for selector in remove for node in _found(tree, selector)))
    written = page.html()
    for _ in range(_ROUNDS):
        cleaned = _SANITIZER.clean(safe_text(written[:LONGEST_BODY]))
        if cleaned == written and page.is_settled:
            return Body(content=written, summary=page.summary(), image=page.image)
        page = _Page(base_url)
        page.write(_parsed(bearable(cleaned[:_LONGEST_AGAIN])).root)
        written = page.html()
    return _text_only(written)


def _text_only(markup: str) -> Body:
    page = _Page(None)
    page.write(_parsed(nh3.clean(markup, tags={"br", "p"})).root)
    return Body(content=safe_text(page.html()), summary=page.summary())


def _one_line(text: str) -> str:
    return " ".join(_UNSEEN.sub("", text).split())


def _parsed(markup: str) -> LexborHTMLParser:
    return LexborHTMLParser(markup, is_fragment=True)


def _found(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    return tree.css(selector) if tree.root else []


class _Open(NamedTuple):
    """An element that has been written but not closed, and the state of the page before it."""

    kind: _Kind
    start: int  # of its start tag
    ink: int
    gap: int
    has_bare: bool
    is_kept: bool  # it has attributes, so even a mere wrapper has a meaning


class _Page:
    """A body being written anew."""

    def __init__(self, base_url: str | None) -> None:
        self.words: list[str] = []  # the beginning of the text; "\n" between its lines
        self.image: str | None = None
        self.is_settled = True  # writing it once more would change nothing
        self._base_url = base_url
        self._out: list[str] = []
        self._room = _TEXT_KEPT
        self._gap = _EDGE  # line breaks just before, or the edge of a block
        self._is_spaced = False  # a blank is just before
        self._ink = 0  # what can be seen so far
        self._has_bare = False  # the innermost block holds text or media of its own
        self._depth = 0
        self._verbatim = 0  # elements around that keep their white space
        self._link: str | None = None
        self._pictures: set[str] = set()

    def write(self, node: LexborNode | None, *, removed: frozenset[int] = frozenset()) -> None:
        """Write *node*, its following siblings and all that they hold, but what is *removed*."""
        parents: list[tuple[LexborNode, _Open | None]] = []
        while node is not None or parents:
            if node is None:
                node, opened = parents.pop()
                if opened:
                    self._close(opened)
                node = node.next
                continue
            tag = node.tag or ""
            if tag == "-text":
                self._text(node.text_content or "")
            elif tag in _GONE or (removed and node.mem_id in removed):
                pass
            elif leaf := _LEAVES.get(tag):
                leaf(self, node)
            else:
                kind = _KINDS.get(tag)
                parents.append((node, self._open(kind, node) if kind else None))
                node = node.first_child
                continue
            node = node.next
        self._trim()

    def html(self) -> str:
        """Return what was written, without the U+FEFF at its start that parsers would take for a byte order mark."""
        written = "".join(self._out)
        unmarked = written.lstrip("\ufeff")
        self.is_settled &= unmarked == written
        return unmarked

    def summary(self) -> str:
        return tamed(excerpt(_one_line("".join(self.words)), _SUMMARY))

    def _text(self, text: str) -> None:
        if self._verbatim:
            text = self._as_written(text)
        else:
            if self._gap or self._is_spaced:
                text = text.lstrip(_WHITE)
                if not text:
                    return
            if "\n" in text or "  " in text or "\t" in text or "\r" in text or "\f" in text:
                text = _WHITE_RUN.sub(" ", text)
        if not text:
            return
        if _INK.search(text):
            self._ink += 1
        if self._room > 0:
            self._collect(text)
        self._out.append(_escaped(text))
        self._gap = 0
        self._is_spaced = text[-1] in _WHITE
        self._has_bare = True

    def _as_written(self, text: str) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        # Parsers drop the first line break of a <pre>.
        return text.lstrip("\n") if self._out[-1].startswith("<pre") else text

    def _collect(self, text: str) -> None:
        if self._gap:
            self.words.append("\n")
        if self._link and text.strip() == self._link:
            return
        self.words.append(text[: self._room])
        self._room -= len(text)

    def _open(self, kind: _Kind, node: LexborNode) -> _Open | None:
        """Write a start tag, unless the element leads nowhere or too deep: then only what it holds is written."""
        name, is_block, is_verbatim, kept = kind
        if self._depth >= _DEEPEST:
            if is_block:
                self.break_line()
            return None
        if name == "a":
            attributes = self._follow(node.attributes)
            if attributes is None:
                return None
        else:
            attributes = _kept_attributes(kept, node.attributes) if kept else ""
        if is_block:
            self._trim()
        opened = _Open(kind, len(self._out), self._ink, self._gap, self._has_bare, bool(attributes))
        if is_block:
            self._end_line()
            self._has_bare = False
        self._out.append(f"<{name}{attributes}>")
        self._depth += 1
        self._verbatim += is_verbatim
        return opened

    def _follow(self, attributes: Attributes) -> str | None:
        """Return the attributes of a link that begins here; None if it leads nowhere or is inside another."""
        target = None if self._link else link_target(attributes.get("href"), self._base_url)
        if target is None:
            return None
        self._link = target
        return _attribute("href", target) + _attribute("title", attributes.get("title"))

    def _close(self, opened: _Open) -> None:
        name, is_block, is_verbatim, _ = opened.kind
        self._depth -= 1
        self._verbatim -= is_verbatim
        if name == "a":
            self._link = None
        if is_block:
            self._close_block(name, opened)
        elif self._ink == opened.ink:
            self.is_settled &= opened.start == len(self._out) - 1
            self._out[opened.start] = ""
        else:
            self._out.append(f"</{name}>")

    def _close_block(self, name: str, opened: _Open) -> None:
        """Close a block; one without anything to see goes, and so does a <div> that holds only blocks."""
        self._trim()
        is_empty = self._ink == opened.ink
        is_wrapper = name == "div" and not self._has_bare and not opened.is_kept
        self._has_bare = opened.has_bare
        if is_empty and name not in _CELLS:
            del self._out[opened.start :]
            self._gap = opened.gap
            if not opened.gap:
                self.break_line()
            return
        if is_empty:
            del self._out[opened.start + 1 :]
        if is_wrapper:
            self._out[opened.start] = ""
        else:
            self._out.append(f"</{name}>")
        self._end_line()

    def _trim(self) -> None:
        """Take white space and line breaks from the end: at the edge of a block they show nothing."""
        out = self._out
        while out:
            last = out[-1]
            if last and last != "<br>":
                if last[-1] not in _WHITE:
                    return
                out[-1] = last.rstrip(_WHITE)
                if out[-1]:
                    return
                self.is_settled &= not self._verbatim
            if out.pop():
                self._gap = 0  # it was a line break

    def _end_line(self) -> None:
        self._gap = _EDGE
        self._is_spaced = False

    def break_line(self, _: LexborNode | None = None) -> None:
        if self._gap >= _MOST_BREAKS and not self._verbatim:
            return
        self._out.append("<br>")
        self._gap = min(self._gap + 1, _MOST_BREAKS)
        self._is_spaced = False

    def rule(self, _: LexborNode) -> None:
        self._trim()
        self._out.append("<hr>")
        self._ink += 1
        self._end_line()

    def word_break(self, _: LexborNode) -> None:
        self._out.append("<wbr>")

    def _medium(self, markup: str) -> None:
        if self._gap:
            self.words.append("\n")
        self._out.append(markup)
        self._ink += 1
        self._gap = 0
        self._is_spaced = False
        self._has_bare = True

    def picture(self, node: LexborNode) -> None:
        """Write an image, but for tracking pixels and for the copy that a script-less browser would have shown."""
        attributes = node.attributes
        url = picture_url(attributes, self._base_url) or srcset_url(_srcsets_before(node), self._base_url)
        width, height = _pixels(attributes.get("width")), _pixels(attributes.get("height"))
        smallest = min(size for size in (width, height, _ICON + 1) if size is not None)
        if url is None or smallest <= _PIXEL or (url in self._pictures and _is_in(node, "noscript")):
            return
        self._pictures.add(url)
        if smallest > _ICON:
            self._choose(url)
        self._image(url, attributes, _size(width, height))

    def _image(self, url: str, attributes: Attributes, size: str) -> None:
        described = _attribute("alt", attributes.get("alt")) + _attribute("title", attributes.get("title"))
        self._medium(f'<img{_attribute("src", url)}{described}{size} referrerpolicy="no-referrer">')

    def _choose(self, url: str) -> None:
        if self.image is None and not _NO_PICTURE.search(url):
            self.image = url

    def player(self, node: LexborNode) -> None:
        """Write a frame if it is a known player, else a link to what it would have shown."""
        attributes = node.attributes
        url = self._address(attributes)
        if url is None:
            return
        if secure := player_url(url):
            size = _size(_pixels(attributes.get("width")), _pixels(attributes.get("height")))
            self._medium(f'<iframe{_attribute("src", secure)}{size} allowfullscreen=""></iframe>')
        elif self._link is None and self._depth < _DEEPEST:
            self._medium(f"<a{_attribute('href', url)}>{_escaped(url)}</a>")
        elif self._link is None:
            self._text(url)

    def _address(self, attributes: Attributes) -> str | None:
        found = (web_url(attributes.get(name), self._base_url) for name in ("src", "data-src"))
        return next(filter(None, found), None)

    def video(self, node: LexborNode) -> None:
        """Write a video; of one that cannot be played, its picture."""
        attributes = node.attributes
        poster = web_url(attributes.get("poster"), self._base_url)
        size = _size(_pixels(attributes.get("width")), _pixels(attributes.get("height")))
        if poster:
            self._choose(poster)
        if not self._recording("video", node, _attribute("poster", poster) + size) and poster:
            self._image(poster, {}, size)

    def audio(self, node: LexborNode) -> None:
        self._recording("audio", node, "")

    def _recording(self, name: str, node: LexborNode, attributes: str) -> bool:
        """Write what starts when the reader wants it, and return whether there is anything to play."""
        url = self._address(node.attributes)
        inner = "" if url else "".join(f"<source{_attribute('src', each)}>" for each in self._sources(node))
        if url or inner:
            self._medium(f'<{name}{_attribute("src", url)}{attributes} controls="" preload="none">{inner}</{name}>')
        return bool(url or inner)

    def _sources(self, node: LexborNode) -> list[str]:
        found = (web_url(each.attributes.get("src"), self._base_url) for each in node.css("source"))
        return list(dict.fromkeys(filter(None, found)))


_LEAVES: Mapping[str, Callable[[_Page, LexborNode], None]] = MappingProxyType(
    {
        "br": _Page.break_line,
        "hr": _Page.rule,
        "wbr": _Page.word_break,
        "img": _Page.picture,
        "amp-img": _Page.picture,
        "iframe": _Page.player,
        "embed": _Page.player,
        "video": _Page.video,
        "audio": _Page.audio,
    }
)


def _kept_attributes(kept: tuple[str, ...], attributes: Attributes) -> str:
    if not attributes:
        return ""
    return "".join(
        f' {each}=""' if each in _VALUELESS else _attribute(each, value)
        for each in kept
        if each in attributes and _VALUES[each].fullmatch(value := attributes[each] or "")
    )


def _attribute(name: str, value: str | int | None) -> str:
    text = " ".join(str(value).split()) if value is not None else ""
    return f' {name}="{_escaped(text).replace(chr(34), "&quot;")}"' if text else ""


def _size(width: int | None, height: int | None) -> str:
    return _attribute("width", width) + _attribute("height", height)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\xa0", "&nbsp;")


def _pixels(written: str | None) -> int | None:
    found = _SIZE.fullmatch(written) if written else None
    return int(found[1]) if found else None


def _srcsets_before(node: LexborNode) -> Iterator[str]:
    """Yield what the nearest <source>s of a <picture> offer."""
    before = node.prev if _is_in(node, "picture") else None
    for _ in range(_MOST_SOURCES):
        if before is None:
            return
        if before.tag == "source":
            yield before.attributes.get("srcset") or ""
        before = before.prev


def _is_in(node: LexborNode, tag: str) -> bool:
    parent = node.parent
    return parent is not None and parent.tag == tag
