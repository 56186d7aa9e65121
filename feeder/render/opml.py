"""The index of all feeds to OPML 2.0, which feed readers import."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from feeder.model import FeedRecord, Format, Node, Site


def render_index(records: Sequence[FeedRecord], site: Site) -> bytes:
    """Return ``feeds.opml``: the site's feed and every category's, nested as the categories are.

    *records* hold parents before their children.
    """
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = site.title
    placed: dict[Node, etree._Element] = {}
    body = etree.SubElement(root, "body")
    for record in records:
        parent = _nearest(placed, record.category.node, body)
        placed[record.category.node] = etree.SubElement(parent, "outline", _attributes(record, site))
    return etree.tostring(root, encoding="UTF-8", pretty_print=True, xml_declaration=True)


def _nearest(placed: dict[Node, etree._Element], node: Node, body: etree._Element) -> etree._Element:
    above = (node[:depth] for depth in range(len(node) - 1, 0, -1))
    return next((placed[upper] for upper in above if upper in placed), body)


def _attributes(record: FeedRecord, site: Site) -> dict[str, str]:
    labels = record.category.labels
    feeds = dict(record.feeds)
    return {
        "text": labels[-1] if labels else site.title,
        "title": record.title,
        "type": "rss",
        # Every reader takes Atom; not all take the others.
        "xmlUrl": feeds.get(Format.ATOM) or record.feeds[0][1],
        "htmlUrl": record.home,
    }
