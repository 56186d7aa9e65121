"""Body -> clean HTML, plain text, summary, absolute links. Only this room knows nh3 and selectolax.

A body is parsed once as a browser would, written anew by our own rules, and shown to nh3, the sanitizer. What nh3 hands
back unchanged is both safe and stable: any HTML5 parser reads it as we do, and cleaning it again changes nothing.
"""

from __future__ import annotations

import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from feeder.characters import safe_text
from feeder.excerpt import excerpt
from feeder.html.elements import BLOCKS, INLINES, KEPT
from feeder.html.page import Page, one_line
from feeder.markup import LONGEST_BODY, bearable, first_lines, to_html
from feeder.model import Body

VERSION = 1
"""Raise it when `clean` changes its results: stored bodies are kept by it."""

_TITLE = 80
_TITLE_FROM = 8_000  # characters of a body in which its first words are looked for
_ROUNDS = 5  # parser and sanitizer agree at the first but for odd nesting; after these, only the text is kept
_LONGEST_AGAIN = LONGEST_BODY - 10_000  # characters: room for what closes the elements that the cut leaves open
_LARGE_BLOCK = 16 << 20  # bytes

_SANITIZER = nh3.Cleaner(
    tags=BLOCKS | INLINES | {"audio", "br", "hr", "iframe", "img", "source", "video", "wbr"},
    clean_content_tags={"script", "style"},
    attributes={
        **{tag: set(names) for tag, names in KEPT.items()},
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


def _keep_freed_memory() -> None:
    """Let glibc keep what parsers free, or it gives every tree back to the system and faults it in again.

    That took a fifth of the time of `clean`. The threshold follows the largest block that was ever freed: mallopt(3),
    M_MMAP_THRESHOLD. This block is never touched, so it costs no memory.
    """
    bytes(_LARGE_BLOCK)


_keep_freed_memory()


def first_words(body: str) -> str:
    """Return the plain text that *body* begins with, on one line, short enough for a title; "" if there is none."""
    page = Page(None)
    page.write(_parsed(first_lines(safe_text(body[:_TITLE_FROM]))).root)
    lines = map(one_line, "".join(page.words).split("\n"))
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
    page = Page(base_url)
    page.write(tree.root, removed=frozenset(node.mem_id for selector in remove for node in _found(tree, selector)))
    written = page.html()
    for _ in range(_ROUNDS):
        cleaned = _SANITIZER.clean(safe_text(written[:LONGEST_BODY]))
        if cleaned == written and page.is_settled:
            return Body(content=written, summary=page.summary(), image=page.image)
        page = Page(base_url)
        page.write(_parsed(bearable(cleaned[:_LONGEST_AGAIN])).root)
        written = page.html()
    return _text_only(written)


def _text_only(markup: str) -> Body:
    page = Page(None)
    page.write(_parsed(nh3.clean(markup, tags={"br", "p"})).root)
    return Body(content=safe_text(page.html()), summary=page.summary())


def _parsed(markup: str) -> LexborHTMLParser:
    return LexborHTMLParser(markup, is_fragment=True)


def _found(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    return tree.css(selector) if tree.root else []
