"""Feeds of others, as they come: RSS, Atom and JSON Feed. Pure but for the process that reads what is no XML."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from feeder.errors import ParseError
from feeder.links import web_url
from feeder.model import ForeignFeed
from feeder.parse.encoding import decode_sent
from feeder.parse.found import Found, with_items
from feeder.parse.json_feed import read_json
from feeder.parse.mending import PROLOG, ROOT, has_doctype, mended
from feeder.parse.tolerant import read_tolerantly
from feeder.parse.xml_feed import NotWellFormed, read_xml

_BLANKS: Final = "\ufeff \t\r\n"
_WEB_PAGE = re.compile(
    r"(?:<\?xml\b[^<>]*>\s*)?(?:<!--(?:[^-]|-(?!->))*+-->\s*)*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE
)


def read_feed(body: bytes, *, url: str, charset: str | None = None) -> ForeignFeed:
    """Return the RSS, Atom or JSON feed in *body*.

    Args:
        body: What was answered, without its content coding.
        url: Where it was found; what is relative in it is relative to that.
        charset: As its Content-Type says; believed after the bytes and the document.

    Raises:
        ParseError: It is no feed; the reason says what it is.
    """
    text, warnings = decode_sent(body, charset=charset)
    start = text[:PROLOG].lstrip(_BLANKS)
    if not start:
        raise ParseError("nothing: it is empty")
    base = web_url(url, None) or ""
    found = read_json(text.lstrip(_BLANKS), base) if start[0] in "{[" else _read_xml(text, start, base)
    feed = with_items(found)
    if found.count and not feed.items:
        raise ParseError("a feed of whose entries none can be read")
    return replace(feed, warnings=(*warnings, *feed.warnings)) if warnings else feed


def _read_xml(text: str, start: str, url: str) -> Found:
    """Return the feed as it stands, else mended, else as well as it can be made out."""
    if _WEB_PAGE.match(start):
        raise ParseError("a web page, not a feed")
    if not start.startswith("<") and not ROOT.search(text):
        raise ParseError(f"a text that begins with {start[:40]!a}, not a feed")
    if not has_doctype(text):
        try:
            return read_xml(text.encode("utf-8"), url)
        except NotWellFormed:
            pass
    better = mended(text)
    try:
        return read_xml(better.encode("utf-8"), url)
    except NotWellFormed:
        if not ROOT.match(better):
            raise
        return read_tolerantly(better, url)
