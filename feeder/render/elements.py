"""What Atom and RSS have in common. Only this module, `atom` and `rss` know feedgen, which builds every element."""

from __future__ import annotations

from typing import Final

from feedgen.entry import FeedEntry
from feedgen.ext.media import MediaEntryExtension
from lxml import etree

from feeder.model import Entry

MANY_CATEGORIES: Final = 4096
"""A site's categories and tags; each entry has a few of them, and all write them alike."""


def begin(entry: Entry) -> FeedEntry:
    """Return a feedgen entry with the id, title, links, thumbnail and rights of *entry*."""
    made = FeedEntry()
    made.guid(entry.id, permalink=False)
    made.title(entry.title)
    made.link(_links(entry))
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


def _links(entry: Entry) -> list[dict[str, str]]:
    links = [{"href": entry.link, "rel": "alternate", "type": "text/html"}] if entry.link else []
    picture = entry.picture
    if picture and picture.media_type and not picture.in_content:
        links.append({"href": picture.url, "rel": "enclosure", "type": picture.media_type, "length": "0"})
    return links
