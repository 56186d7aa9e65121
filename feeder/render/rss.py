"""Entries and feeds to RSS 2.0, by the RSS Advisory Board's profile (https://www.rssboard.org/rss-profile)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from html import escape

from feedgen.ext.dc import DcEntryExtension, DcExtension
from feedgen.ext.media import MEDIA_NS, MediaExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from feeder.model import Enclosure, Entry, FeedDocument, Format, Site
from feeder.render import history
from feeder.render.elements import MANY_CATEGORIES, UNKNOWN_TYPE, begin, enclosures, serialize, with_category
from feeder.urls import MEDIA_TYPES, parent_url

_PREFIXES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": MEDIA_NS,
}
_ATOM_LINK = f"{{{_PREFIXES['atom']}}}link"
_RANKS = {"audio": 0, "video": 0, "image": 1}
_BEFORE_CATEGORIES = b"</guid>\n"  # where feedgen puts them
# The text of these is plain. Text holds no raw "<" in XML, so that the pattern meets real elements only.
_PLAIN = re.compile(rb"<(?:title|source|dc:creator|dc:rights)[ >][^<&]*&[^<]*")


def render_entry(entry: Entry, site: Site, content: bytes) -> bytes:
    """Return the ``<item>`` of *entry*; its prefixes are those that `render` declares.

    *content* is the entry's, escaped.

    Raises:
        ValueError: XML cannot hold a text of the entry, or a date of it has no zone.
    """
    made = begin(entry, _enclosure(entry))
    # Readers take a description for HTML.
    made.summary(escape(entry.summary, quote=False) or None)
    made.content("" if entry.content else None)  # filled in at the end, with what is escaped only once
    made.register_extension("dc", DcEntryExtension)
    # An author with a name only vanishes from feedgen's items: RSS wants an e-mail address there.
    made.dc.dc_creator(entry.author)
    made.dc.dc_rights(entry.rights)
    made.dc.dc_language(entry.language)
    if entry.origin and entry.origin.url:
        made.source(url=entry.origin.url, title=entry.origin.title or entry.origin.url)
    item: etree._Element = made.rss_entry()
    _add_date(item, "pubDate", entry.published)
    text = _PLAIN.sub(lambda found: _profiled(found[0]), serialize(item, _PREFIXES, "rss", "channel"))
    text = text.replace(_BEFORE_CATEGORIES, _BEFORE_CATEGORIES + _categories(entry, site), 1)
    # Where feedgen puts a content. No text can look like an end tag, since "<" is escaped there.
    end = b"</content:encoded>" if entry.summary else b"</description>"
    return text.replace(b">" + end, b">" + content + end, 1)


def render(document: FeedDocument) -> bytes:
    """Return *document* as an RSS feed."""
    feed = FeedGenerator()
    feed.register_extension("dc", DcExtension)
    feed.register_extension("media", MediaExtension)
    feed.title(document.title)
    feed.description(document.subtitle or document.title)
    feed.rights(document.rights)
    feed.language(document.language)
    feed.generator("Feeder")
    feed.dc.dc_creator(document.author)
    # feedgen takes the last link for the channel's own.
    feed.link(
        [
            {"href": dict(document.feeds)[Format.RSS], "rel": "self", "type": MEDIA_TYPES[Format.RSS]},
            {"href": document.home, "rel": "alternate"},
        ]
    )
    history.tell(feed, document, Format.RSS)
    head, end, tail = _empty(feed, document).rpartition(b"  </channel>")
    return b"".join((head, *(entry.rss for entry in document.entries), end, tail))


def _enclosure(entry: Entry) -> list[Enclosure]:
    """Return the one enclosure that the profile allows: what is to be heard or seen, else a picture, else any."""
    chosen = min(enclosures(entry), key=_rank, default=None)
    if chosen is None:
        return []
    # All three attributes are required; a length of 0 stands for one that is not known.
    return [replace(chosen, media_type=chosen.media_type or UNKNOWN_TYPE, length=chosen.length or 0)]


def _rank(enclosure: Enclosure) -> int:
    kind = (enclosure.media_type or "").partition("/")[0]
    return _RANKS.get(kind, len(_RANKS))


def _categories(entry: Entry, site: Site) -> bytes:
    levels = (_category(level.labels[-1], parent_url(level, site)) for level in entry.categories)
    return b"".join((*levels, *map(_category, entry.tags)))


@lru_cache(maxsize=MANY_CATEGORIES)
def _category(term: str, scheme: str | None = None) -> bytes:
    item = with_category({"term": term} if scheme is None else {"term": term, "scheme": scheme}).rss_entry()
    return _profiled(serialize(item.find("category"), _PREFIXES, "rss", "channel", "item"))


def _add_date(parent: etree._Element, name: str, moment: datetime) -> None:
    # feedgen changes the locale of the whole process while it writes a date: other threads would notice.
    etree.SubElement(parent, name).text = format_datetime(moment.astimezone(UTC), usegmt=True)


def _profiled(text: bytes) -> bytes:
    """Write "&" and "<" in the form that most readers show right, those that decode text twice included."""
    return text.replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;").replace(b"&gt;", b"&#x3E;")


def _empty(feed: FeedGenerator, document: FeedDocument) -> bytes:
    # There is no public way to have no date written by feedgen, which `_add_date` tells why to avoid.
    feed._FeedGenerator__rss_lastBuildDate = None  # noqa: SLF001
    root, _ = feed._create_rss()  # noqa: SLF001
    _add_date(root[0], "lastBuildDate", document.updated)
    if document.hub:
        # Beside the link to itself, the only one that feedgen writes.
        root[0].find(_ATOM_LINK).addnext(etree.Element(_ATOM_LINK, rel="hub", href=document.hub))
    return _profiled(etree.tostring(root, encoding="UTF-8", pretty_print=True, xml_declaration=True))
