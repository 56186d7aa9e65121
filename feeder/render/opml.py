"""Feeds to OPML 2.0, which feed readers import: the index of those we publish, and the list of those we read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lxml import etree

from feeder.model import CategoryPath, FeedRecord, Format, Node, Site, Source, SourceKind

_FEEDS = frozenset({SourceKind.AUTO, SourceKind.FEED})


def render_index(records: Sequence[FeedRecord], site: Site) -> bytes:
    """Return ``feeds.opml``: the site's feed and every category's, nested as the categories are.

    *records* hold parents before their children.
    """
    root, body = _begun(site)
    placed: dict[Node, etree._Element] = {}
    for record in records:
        parent = _nearest(placed, record.category.node, body)
        placed[record.category.node] = etree.SubElement(parent, "outline", _attributes(record, site))
    return _written(root)


def render_subscriptions(sources: Iterable[Source], site: Site) -> bytes:
    """Return the list of those *sources* that are feeds at a URL, in folders as their categories are."""
    root, body = _begun(site)
    folders: dict[CategoryPath, etree._Element] = {(): body}
    for source in sources:
        if source.url and source.kind in _FEEDS and source.select is None:
            named = {"text": source.name, "title": source.name, "type": "rss", "xmlUrl": source.url}
            etree.SubElement(_folder(folders, source.category), "outline", named)
    return _written(root)


def _begun(site: Site) -> tuple[etree._Element, etree._Element]:
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = site.title
    return root, etree.SubElement(root, "body")


def _written(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="UTF-8", pretty_print=True, xml_declaration=True)


def _folder(folders: dict[CategoryPath, etree._Element], path: CategoryPath) -> etree._Element:
    for depth in range(1, len(path) + 1):
        if path[:depth] not in folders:
            folders[path[:depth]] = etree.SubElement(folders[path[: depth - 1]], "outline", {"text": path[depth - 1]})
    return folders[path]


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
