"""What feeds say of their past: pages of an archive (RFC 5005, 4), and entries that are gone (RFC 6721)."""

from __future__ import annotations

from functools import partial
from typing import Final

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from feeder.model import FeedDocument, Format
from feeder.urls import MEDIA_TYPES

_ATOM: Final = "http://www.w3.org/2005/Atom"
_ARCHIVE: Final = "http://purl.org/syndication/history/1.0"
_TOMBSTONES: Final = "http://purl.org/atompub/tombstones/1.0"


def tell(feed: FeedGenerator, document: FeedDocument, made: Format) -> None:
    """Have *feed*, which is *document* in the format *made*, say what there is to say of its past."""
    feed.register_extension("history", partial(_History, document, made))


class _History(BaseExtension):  # type: ignore[misc]  # feedgen has no types
    """Adds to the head of a feed; nothing to most."""

    def __init__(self, document: FeedDocument, made: Format) -> None:
        self._document = document
        self._made = made
        # RSS and JSON have no word for it.
        self._deletions = document.deletions if made is Format.ATOM else ()

    def extend_ns(self) -> dict[str, str]:
        """Return the prefixes that are used."""
        archive = {"fh": _ARCHIVE} if self._document.is_archive else {}
        return archive | ({"at": _TOMBSTONES} if self._deletions else {})

    def extend_atom(self, feed: etree._Element) -> etree._Element:
        """Add to *feed* its places in the archive, and what is gone."""
        self._add_places(feed)
        for gone in self._deletions:
            etree.SubElement(feed, f"{{{_TOMBSTONES}}}deleted-entry", ref=gone.id, when=gone.at.isoformat())
        return feed

    def extend_rss(self, feed: etree._Element) -> etree._Element:
        """Add to the channel of *feed* its places in the archive."""
        self._add_places(feed[0])
        return feed

    def _add_places(self, head: etree._Element) -> None:
        for relation, addresses in self._document.history:
            address = dict(addresses)[self._made]
            etree.SubElement(head, f"{{{_ATOM}}}link", href=address, rel=relation, type=MEDIA_TYPES[self._made])
        if self._document.is_archive:
            etree.SubElement(head, f"{{{_ARCHIVE}}}archive")
