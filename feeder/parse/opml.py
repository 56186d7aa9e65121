"""Subscription lists (OPML 1.0 and 2.0) to the feeds that they name. They are read strictly, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from feeder.errors import ParseError
from feeder.model import CategoryPath
from feeder.parse.strict import xml_root

MAX_BYTES: Final = 16 << 20  # a list of 50,000 feeds

_NAMES: Final = ("title", "text")  # in OPML 2.0 `text` may be shortened for the eye


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A feed that a list names. Texts and the address are as written, and untrusted."""

    url: str
    title: str | None = None
    folders: CategoryPath = ()  # from the top down; without folders, what its `category` says first


def read_opml(body: bytes) -> tuple[Subscription, ...]:
    """Return the feeds that a list names, in its order.

    Raises:
        ParseError: It is no such list.
    """
    if len(body) > MAX_BYTES:
        raise ParseError(f"larger than {MAX_BYTES >> 20} MiB")
    root = xml_root(body, what="list")
    if not isinstance(root.tag, str) or root.tag.lower() != "opml":
        raise ParseError("not an OPML list")
    return tuple(_subscriptions(root))


def _subscriptions(root: etree._Element) -> Iterator[Subscription]:
    """Walk down without recursion: lists are nested as deeply as the XML parser bears."""
    waiting: list[tuple[etree._Element, CategoryPath]] = [(root, ())]
    while waiting:
        element, folders = waiting.pop()
        attributes = {str(name).lower(): str(value).strip() for name, value in element.attrib.items()}
        title = next((attributes[name] for name in _NAMES if attributes.get(name)), None)
        url = attributes.get("xmlurl")
        if url:
            yield Subscription(url=url, title=title, folders=folders or _category(attributes.get("category", "")))
        elif title:
            folders = (*folders, title)
        waiting += [(child, folders) for child in reversed(element)]


def _category(text: str) -> CategoryPath:
    """Return the first of "/Boston/Weather,/Harvard/Berkman"; words without a slash are tags."""
    first = text.partition(",")[0].strip()
    return tuple(filter(None, first.split("/"))) if first.startswith("/") else ()
