"""Entries and feeds to Atom (RFC 4287)."""

from __future__ import annotations

from functools import lru_cache

from feedgen.entry import FeedEntry
from feedgen.ext.media import MEDIA_NS, MediaExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from feeder.model import PATH_MARK, CategoryPath, Entry, FeedDocument, Format, Origin, Site
from feeder.render import history
from feeder.render.elements import MANY_CATEGORIES, begin, enclosures, serialize, with_category
from feeder.urls import MEDIA_TYPES, parent_url

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_PREFIXES = {"media": MEDIA_NS}
# As an empty content is written. No text can look like it, since "<" is escaped there.
_CONTENT = b'<content type="html"/>'
_AFTER_CATEGORIES = b"    <published>"  # where feedgen puts them


def render_entry(entry: Entry, site: Site, content: bytes) -> bytes:
    """Return the ``<entry>`` of *entry*; its prefixes are those that `render` declares.

    *content* is the entry's, escaped.

    Raises:
        ValueError: XML cannot hold a text of the entry, or a date of it has no zone.
    """
    made = begin(entry, enclosures(entry))
    made.published(entry.published)
    made.updated(entry.updated)
    made.author({"name": entry.author} if entry.author else [])
    _add_text(made, entry)
    text = serialize(_element(made, entry), _PREFIXES, "feed")
    text = text.replace(_AFTER_CATEGORIES, _categories(entry, site) + _AFTER_CATEGORIES, 1)
    return text.replace(_CONTENT, b'<content type="html">' + content + b"</content>", 1)


def render(document: FeedDocument) -> bytes:
    """Return *document* as an Atom feed."""
    feed = FeedGenerator()
    feed.register_extension("media", MediaExtension)
    feed.id(document.id)
    feed.title(document.title)
    feed.subtitle(document.subtitle)
    feed.rights(document.rights)
    feed.language(document.language)
    feed.author({"name": document.author})
    # feedgen fills these with the time of day and its own version; both would touch a quiet feed.
    feed.updated(document.updated)
    feed.generator("Feeder")
    feed.link(
        [
            {"href": dict(document.feeds)[Format.ATOM], "rel": "self", "type": MEDIA_TYPES[Format.ATOM]},
            *([{"href": document.hub, "rel": "hub"}] if document.hub else []),
            # The only alternate: some readers take the first for the home page, others the last.
            {"href": document.home, "rel": "alternate", "type": "text/html"},
        ]
    )
    history.tell(feed, document, Format.ATOM)
    head, end, tail = feed.atom_str(pretty=True).rpartition(b"</feed>")
    return b"".join((head, *(entry.atom for entry in document.entries), end, tail))


def _categories(entry: Entry, site: Site) -> bytes:
    levels = (_level(level.labels, parent_url(level, site)) for level in entry.categories)
    return b"".join((*levels, *map(_tag, entry.tags)))


@lru_cache(maxsize=MANY_CATEGORIES)
def _level(labels: CategoryPath, scheme: str) -> bytes:
    return _category({"term": labels[-1], "scheme": scheme, "label": PATH_MARK.join(labels)})


@lru_cache(maxsize=MANY_CATEGORIES)
def _tag(term: str) -> bytes:
    return _category({"term": term})


def _category(category: dict[str, str]) -> bytes:
    return serialize(with_category(category).atom_entry().find("category"), _PREFIXES, "feed", "entry")


def _add_text(made: FeedEntry, entry: Entry) -> None:
    if entry.content:
        made.content("", type="html")  # filled in at the end, with what is escaped only once
    elif not entry.link:
        # Without a link there must be content, and feed validators warn of an empty one.
        made.content(entry.summary or entry.title, type="text")
        return
    if entry.summary:
        made.summary(entry.summary, type="text")


def _element(made: FeedEntry, entry: Entry) -> etree._Element:
    element: etree._Element = made.atom_entry()
    # feedgen drops all attributes of an entry's links but the address: an enclosure would read as an alternate.
    for link, attributes in zip(element.iterchildren("link"), made.link(), strict=True):
        link.attrib.update(attributes)
    if entry.language:
        element.set(_LANGUAGE, entry.language)
    if entry.origin:
        # The last: some readers take what stands in it for the entry's own, unless they have read that before.
        _add_source(element, entry.origin)
    return element


def _add_source(element: etree._Element, origin: Origin) -> None:
    """Add what is known of the feed of *origin* (RFC 4287, 4.2.11), but for its last change, which moves every day."""
    source = etree.SubElement(element, "source")
    texts = {"id": origin.id or origin.url, "title": origin.title, "rights": origin.rights}
    for name, text in texts.items():
        if text:
            etree.SubElement(source, name).text = text
    for relation, address in {"self": origin.url, "alternate": origin.home}.items():
        if address:
            etree.SubElement(source, "link", rel=relation, href=address)
    if origin.author:
        etree.SubElement(etree.SubElement(source, "author"), "name").text = origin.author
