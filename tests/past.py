"""A client that reads the site's feed and its archive backwards, as RFC 5005 says, and a witness of what it must find."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from lxml import etree
from worlds import SiteUnderTest

URL = "https://feeds.example.org/"
NAMESPACES = {
    "atom": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "fh": "http://purl.org/syndication/history/1.0",
}
SCHEMA = etree.RelaxNG(file=Path(__file__).parent / "schemas" / "atom.rng")


class Client:
    """A program that follows the site's feed and its archive as RFC 5005 says; what it has, it keeps."""

    def __init__(self, under_test: SiteUnderTest, name: str = "atom.xml") -> None:
        self._public = under_test.public
        self._name = name
        self._known: set[str] = set()  # pages that were read
        self.entries: dict[str, bytes] = {}

    def walk(self) -> list[str]:
        """Read from the newest document backwards, to a page that is known or to the end; return what was read."""
        read = [self._name]
        root = self._read(self._name)
        found = [root]
        while (path := link(root, "prev-archive")) and path not in self._known:
            assert path not in read, "the archive goes round in circles"
            root = self._read(path)
            assert root.find(".//fh:archive", NAMESPACES) is not None
            assert (link(root, "current"), link(root, "self")) == (self._name, path)
            later = link(root, "next-archive")
            assert later == (read[-1] if len(read) > 1 else None)
            read.append(path)
            found.append(root)
        for each in reversed(found):  # the newer version of an entry is in the newer document
            self.entries |= entries_in(each)
        self._known.update(read[1:])
        return read

    def _read(self, path: str) -> etree._Element:
        root = etree.fromstring((self._public / path).read_bytes())
        assert root.tag == "rss" or SCHEMA.validate(root), SCHEMA.error_log
        return root


def link(root: etree._Element, relation: str) -> str | None:
    """Return the path of what *root* links to."""
    head = root if (channel := root.find("channel")) is None else channel
    found = [each.get("href", "") for each in head.iterfind(f"atom:link[@rel='{relation}']", NAMESPACES)]
    assert len(found) < 2
    return found[0].removeprefix(URL) if found else None


def entries_in(root: etree._Element) -> dict[str, bytes]:
    """Return each entry of a document by its id."""
    found = root.findall("atom:entry", NAMESPACES) or root.findall("channel/item")
    entries = {each.findtext("guid") or each.findtext("atom:id", None, NAMESPACES): each for each in found}
    assert len(entries) == len(found)
    return {str(id_): etree.tostring(each, method="c14n") for id_, each in entries.items()}


class Witness:
    """Reads the site's feed each time that it was written, and knows what a client of the archive must have."""

    def __init__(self, under_test: SiteUnderTest) -> None:
        self._site = under_test
        self._ever: dict[str, None] = {}
        self._client = Client(under_test)

    def look(self, *, saw_all: bool = True) -> None:
        """Note what the feed holds and forget what readers see no more, then walk.

        Unless this *saw_all* versions of the feed, the archive may hold more.
        """
        with self._site.opened() as app:
            live = app.store.shown([listed.id for listed in app.store.newest(())])
        if not live:
            self._ever.clear()
            assert not list(self._site.public.rglob("atom.xml"))
            return
        body = (self._site.public / "atom.xml").read_bytes()
        self._ever |= dict.fromkeys(entries_in(etree.fromstring(body)))
        self._ever = {id_: None for id_ in self._ever if id_ in live}
        fresh = Client(self._site)
        fresh.walk()
        assert self._ever.keys() <= fresh.entries.keys() <= live.keys()
        assert not saw_all or fresh.entries.keys() == self._ever.keys()
        assert {id_: told(body) for id_, body in fresh.entries.items()} == {
            id_: (live[id_].article.title, live[id_].updated) for id_ in fresh.entries
        }
        self._client.walk()  # it stops at pages that it knows
        assert self._client.entries.keys() >= self._ever.keys()


def told(body: bytes) -> tuple[str, datetime]:
    """Return the title and the time of the last change of an entry."""
    entry = etree.fromstring(body)
    title, updated = (entry.findtext(f"atom:{name}", "", NAMESPACES) for name in ("title", "updated"))
    return title, datetime.fromisoformat(updated)
