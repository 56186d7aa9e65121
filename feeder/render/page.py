"""Entries and feeds to plain HTML pages. Only this module knows Jinja."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from feeder.model import Entry, FeedDocument, Format, Site
from feeder.urls import MEDIA_TYPES

_NAMES = {Format.ATOM: "Atom", Format.RSS: "RSS", Format.JSON: "JSON Feed"}
_TEMPLATES = Environment(
    loader=PackageLoader("feeder.render"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
    keep_trailing_newline=True,
)
# A macro: unlike a template, it needs no context made for each entry.
_ITEM = vars(_TEMPLATES.get_template("entry.html").module)["item"]
_PAGE = _TEMPLATES.get_template("index.html")


def render_entry(entry: Entry, site: Site) -> bytes:
    """Return the list item of *entry*.

    Raises:
        ValueError: A text of the entry has no bytes: it holds a lone surrogate.
    """
    local = entry.published.astimezone(site.timezone)
    return str(_ITEM(entry, local)).encode()


def render(document: FeedDocument) -> bytes:
    """Return the page of *document*."""
    entries = b"".join(entry.page for entry in document.entries).decode()
    return _PAGE.render(
        document=document,
        feeds=[(_NAMES[made], MEDIA_TYPES[made], url) for made, url in document.feeds],
        entries=Markup(entries),  # noqa: S704  # joined from what `render_entry` has escaped
    ).encode()
