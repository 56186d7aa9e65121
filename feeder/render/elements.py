"""What formats have in common. Only this module, `atom`, `rss` and `history` know feedgen, which builds nearly every element."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from feedgen.entry import FeedEntry
from feedgen.ext.media import MediaEntryExtension
from lxml import etree

from feeder.model import Enclosure, Entry

UNKNOWN_TYPE = "application/octet-stream"
"""The media type of a file that may be anything (RFC 2046, 4.5.1), where one must be told."""

MANY_CATEGORIES: Final = 4096
"""A site's categories and tags; each entry has a few of them, and all write them alike."""


def begin(entry: Entry, enclosures: Iterable[Enclosure]) -> FeedEntry:
    """Return a feedgen entry with the id, title, link, thumbnail and rights of *entry*, and with *enclosures*."""
    made = FeedEntry()
    made.guid(entry.id, permalink=False)
    made.title(entry.title)
    made.link([*_alternate(entry), *map(_enclosure, enclosures)])
    made.rights(entry.rights)
    if entry.picture:
        made.register_extension("media", MediaEntryExtension)
        # In its default group, feedgen wraps the thumbnail in an element that holds nothing else.
        made.media.thumbnail(url=entry.picture.url, group=None)
    return made


def with_category(category: dict[str, str]) -> FeedEntry:
    """Return a feedgen entry that holds *category*, and else only what each must have."""
    made = FeedEntry()
    made.guid("-")
    made.title("-")
    made.content("-")
    made.category(category)
    return made


def enclosures(entry: Entry) -> tuple[Enclosure, ...]:
    """Return the files that come with *entry*: its picture is the last, unless it is shown or enclosed anyway."""
    picture = entry.picture
    if picture is None or picture.media_type is None or picture.in_content:
        return entry.enclosures
    if any(each.url == picture.url for each in entry.enclosures):
        return entry.enclosures
    return (*entry.enclosures, Enclosure(url=picture.url, media_type=picture.media_type, length=0))


def escaped(text: str) -> bytes:
    """Return *text* as an XML element holds it.

    Raises:
        ValueError: XML cannot hold a character of it.
    """
    element = etree.Element("t")
    element.text = text
    return etree.tostring(element, encoding="utf-8")[len("<t>") : -len("</t>")]


def serialize(element: etree._Element, prefixes: dict[str, str], *above: str) -> bytes:
    """Return *element* as indented lines that do not declare *prefixes* again, for a place below *above*."""
    root = parent = etree.Element(above[0], nsmap=prefixes)
    for name in above[1:]:
        parent = etree.SubElement(parent, name)
    parent.append(element)
    text = etree.tostring(root, encoding="utf-8", pretty_print=True)
    start = text.index(b"<" + element.tag.encode())
    end = text.rindex(b"\n", start, text.rindex(f"</{above[-1]}>".encode())) + 1
    return b"  " * len(above) + text[start:end]


def _alternate(entry: Entry) -> list[dict[str, str]]:
    return [{"href": entry.link, "rel": "alternate", "type": "text/html"}] if entry.link else []


def _enclosure(enclosure: Enclosure) -> dict[str, str]:
    link = {"href": enclosure.url, "rel": "enclosure"}
    if enclosure.media_type:
        link["type"] = enclosure.media_type
    if enclosure.length is not None:
        link["length"] = str(enclosure.length)
    return link
