"""A body being written anew: tidy, complete in itself, and the same when it is read and written once more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from selectolax.lexbor import LexborNode

from feeder.excerpt import excerpt
from feeder.html.attributes import attribute, escaped, kept_attributes, pixels, sized
from feeder.html.elements import CELLS, GONE, KINDS, Kind
from feeder.links import Attributes, link_target, picture_url, player_url, srcset_url, web_url
from feeder.marks import tamed

_SUMMARY = 300  # characters
_TEXT_KEPT = 400  # characters of text that are collected for a summary
_DEEPEST = 100  # elements inside one another
_PIXEL = 1  # an image of that width counts its readers
_MOST_SOURCES = 20  # nodes before an image that are looked at
_ICON = 32  # pixels; a smaller image is decoration, not the article's picture
_WHITE = " \t\n\f\r"  # what HTML collapses; an ideographic space is a character like others
_WHITE_RUN = re.compile(r" [ \t\n\f\r]++|[\t\n\f\r][ \t\n\f\r]*+")  # but a single blank, which may stay
_BLANK = "\\s\u200b\u200c\u200d\u2060\ufeff\xad"  # nothing to see, in whatever number
_INK = re.compile(f"[^{_BLANK}]")
_UNSEEN = re.compile("[\u200b\u2060\ufeff\xad]")
_MOST_BREAKS = 2  # in a row
_EDGE = 3  # more than any line breaks: the edge of a block
_NO_PICTURE = re.compile(r"//picsum\.photos/")  # random photographs that generators fill in


class _Open(NamedTuple):
    """An element that has been written but not closed, and the state of the page before it."""

    kind: Kind
    start: int  # of its start tag
    ink: int
    gap: int
    has_bare: bool
    is_kept: bool  # it has attributes, so even a mere wrapper has a meaning


class Page:
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
            elif tag in GONE or (removed and node.mem_id in removed):
                pass
            elif leaf := _LEAVES.get(tag):
                leaf(self, node)
            else:
                kind = KINDS.get(tag)
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
        """Return the beginning of the text, on one line."""
        return tamed(excerpt(one_line("".join(self.words)), _SUMMARY))

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
        self._out.append(escaped(text))
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

    def _open(self, kind: Kind, node: LexborNode) -> _Open | None:
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
            attributes = kept_attributes(kept, node.attributes) if kept else ""
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
        return attribute("href", target) + attribute("title", attributes.get("title"))

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
        if is_empty and name not in CELLS:
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
        """Begin a line, unless some empty ones are just before."""
        if self._gap >= _MOST_BREAKS and not self._verbatim:
            return
        self._out.append("<br>")
        self._gap = min(self._gap + 1, _MOST_BREAKS)
        self._is_spaced = False

    def rule(self, _: LexborNode) -> None:
        """Write a thematic break."""
        self._trim()
        self._out.append("<hr>")
        self._ink += 1
        self._end_line()

    def word_break(self, _: LexborNode) -> None:
        """Write where a word may be broken."""
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
        width, height = pixels(attributes.get("width")), pixels(attributes.get("height"))
        smallest = min(size for size in (width, height, _ICON + 1) if size is not None)
        if url is None or smallest <= _PIXEL or (url in self._pictures and _is_in(node, "noscript")):
            return
        self._pictures.add(url)
        if smallest > _ICON:
            self._choose(url)
        self._image(url, attributes, sized(width, height))

    def _image(self, url: str, attributes: Attributes, size: str) -> None:
        described = attribute("alt", attributes.get("alt")) + attribute("title", attributes.get("title"))
        self._medium(f'<img{attribute("src", url)}{described}{size} referrerpolicy="no-referrer">')

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
            size = sized(pixels(attributes.get("width")), pixels(attributes.get("height")))
            self._medium(f'<iframe{attribute("src", secure)}{size} allowfullscreen=""></iframe>')
        elif self._link is None and self._depth < _DEEPEST:
            self._medium(f"<a{attribute('href', url)}>{escaped(url)}</a>")
        elif self._link is None:
            self._text(url)

    def _address(self, attributes: Attributes) -> str | None:
        found = (web_url(attributes.get(name), self._base_url) for name in ("src", "data-src"))
        return next(filter(None, found), None)

    def video(self, node: LexborNode) -> None:
        """Write a video; of one that cannot be played, its picture."""
        attributes = node.attributes
        poster = web_url(attributes.get("poster"), self._base_url)
        size = sized(pixels(attributes.get("width")), pixels(attributes.get("height")))
        if poster:
            self._choose(poster)
        if not self._recording("video", node, attribute("poster", poster) + size) and poster:
            self._image(poster, {}, size)

    def audio(self, node: LexborNode) -> None:
        """Write a recording, if there is one to play."""
        self._recording("audio", node, "")

    def _recording(self, name: str, node: LexborNode, attributes: str) -> bool:
        """Write what starts when the reader wants it, and return whether there is anything to play."""
        url = self._address(node.attributes)
        inner = "" if url else "".join(f"<source{attribute('src', each)}>" for each in self._sources(node))
        if url or inner:
            self._medium(f'<{name}{attribute("src", url)}{attributes} controls="" preload="none">{inner}</{name}>')
        return bool(url or inner)

    def _sources(self, node: LexborNode) -> list[str]:
        found = (web_url(each.attributes.get("src"), self._base_url) for each in node.css("source"))
        return list(dict.fromkeys(filter(None, found)))


_LEAVES: Mapping[str, Callable[[Page, LexborNode], None]] = MappingProxyType(
    {
        "br": Page.break_line,
        "hr": Page.rule,
        "wbr": Page.word_break,
        "img": Page.picture,
        "amp-img": Page.picture,
        "iframe": Page.player,
        "embed": Page.player,
        "video": Page.video,
        "audio": Page.audio,
    }
)


def one_line(text: str) -> str:
    """Return *text* without line breaks, runs of blanks and characters that show nothing."""
    return " ".join(_UNSEEN.sub("", text).split())


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
