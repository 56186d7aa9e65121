"""Feeds that are no XML, read by a process of its own, which may take only so much time and memory and may die.

What it cannot tell as the strict reader does: the hours and days to be skipped; `media:group` from what stands beside it;
`dc:date` from `updated`; a summary in plain text from one in HTML, in RSS; which of several links of Atom is HTML; the
authors of RSS from its creators; text that looks like UTF-8 read as Latin-1 from such text that is meant.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from feeder.errors import ParseError
from feeder.links import web_url
from feeder.model import Enclosure, ForeignFeed, Origin
from feeder.parse import loose
from feeder.parse.found import (
    Found,
    FoundEntry,
    as_html,
    as_line,
    as_plain,
    category,
    enclosure,
    files,
    is_picture,
    pace,
    person,
    picture,
    unique,
)

CPU: Final = 15  # seconds; the largest feeds that are read take half of it
WALL: Final = 60  # seconds, on a machine that is busy with other things
MEMORY: Final = 512 << 20  # bytes

_READER: Final = Path(loose.__file__)
_RUN_OUT: Final = frozenset({-signal.SIGXCPU, -signal.SIGKILL})
_HTML_TYPES: Final = frozenset({"html", "xhtml", "text/html", "application/xhtml+xml"})

_Words = Mapping[str, Any]


def read_tolerantly(text: str, url: str, *, cpu: int = CPU, wall: float = WALL, memory: int = MEMORY) -> Found:
    """Return what can be found in a broken feed; an entry in which it breaks off is left out.

    Raises:
        ParseError: Nothing of a feed, or not within *cpu* and *wall* seconds and *memory* bytes.
    """
    read = _read(text, url, cpu=cpu, wall=wall, memory=memory)
    version = read.get("version") or ""
    if not read.get("entries"):
        raise ParseError("not valid XML, and no feed can be made out in it")
    entries = read["entries"]
    warnings = ["not valid XML: read as far as it can be made out"]
    if len(entries) == read["count"] and _breaks_off(text):
        entries = entries[:-1]
        warnings.append("it breaks off inside its last entry, which is left out")
    head: _Words = read["feed"]
    is_atom = version.startswith("atom")
    origin = _origin(head["source"] or {}, url, is_atom=is_atom)
    base = url if is_atom else origin.home or url
    make = _maker(url=url, base=base, is_atom=is_atom, language=as_line(head.get("language")))
    return Found(feed=_feed(head, origin, url, tuple(warnings)), entries=map(make, entries), count=read["count"])


def _read(text: str, url: str, *, cpu: int, wall: float, memory: int) -> dict[str, Any]:
    command = [sys.executable, "-P", "-W", "ignore", str(_READER), str(cpu), str(memory), url]
    try:
        done = subprocess.run(  # noqa: S603 - our own program; the address is an argument, and no option
            command,
            input=text.encode("utf-8"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=wall,
            env={name: value for name, value in os.environ.items() if name.startswith("PYTHON")},  # and no secrets
            check=False,
            start_new_session=True,  # Ctrl-C is for the daemon
        )
    except subprocess.TimeoutExpired as error:
        raise ParseError(f"not valid XML, and not read within {wall:g} seconds") from error
    if done.returncode in _RUN_OUT:
        raise ParseError(f"not valid XML, and not read within {cpu} seconds of computing")
    if done.returncode or not done.stdout:
        raise ParseError("not valid XML, and more than can be read otherwise")
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def _breaks_off(text: str) -> bool:
    lower = text.lower()
    return max(map(lower.rfind, ("<item", "<entry"))) > max(map(lower.rfind, ("</item", "</entry")))


# ---------------------------------------------------------------- the feed


def _feed(head: _Words, origin: Origin, url: str, warnings: tuple[str, ...]) -> ForeignFeed:
    return ForeignFeed(
        origin=origin,
        items=(),
        every=pace(ttl=head.get("ttl"), period=head.get("sy_updateperiod"), frequency=head.get("sy_updatefrequency")),
        moved_to=web_url(head.get("itunes_new-feed-url"), url),
        warnings=warnings,
    )


def _related(words: _Words, rel: str) -> Iterator[_Words]:
    return (link for link in words.get("links", ()) if link.get("rel") == rel)


def _origin(source: _Words, url: str | None, *, is_atom: bool) -> Origin:
    own = (web_url(link.get("href"), url) for link in _related(source, "self"))
    return Origin(
        id=as_line(source.get("id")),
        title=_title(source, is_atom=is_atom),
        url=next(filter(None, own), None) or web_url(source.get("href"), url) or url,
        home=_page(source, url),
        author=", ".join(_people(source, is_atom=is_atom)) or None,
        rights=as_plain(source.get("rights")),
    )


# ---------------------------------------------------------------- an entry


def _maker(*, url: str, base: str, is_atom: bool, language: str | None) -> Callable[[_Words], FoundEntry]:
    def entry(words: _Words) -> FoundEntry:
        body, summary, place = _bodies(words, is_atom=is_atom)
        enclosures = files(_enclosures(words, base))
        published, updated = _dates(words, is_atom=is_atom)
        stated = place.get("base")
        return FoundEntry(
            guid=words.get("id"),
            guid_may_be_link=words.get("is_link", True),
            link=_page(words, base),
            title=_title(words, is_atom=is_atom),
            date=published,
            updated=updated,
            body=body,
            summary=summary,
            authors=_people(words, is_atom=is_atom),
            categories=unique(category(tag.get("label"), tag.get("term")) for tag in words.get("tags", ())),
            image=picture(_pictures(words, base), enclosures),
            enclosures=enclosures,
            origin=_origin(words["source"], None, is_atom=is_atom) if words.get("source") else None,
            rights=as_plain(words.get("rights")),
            language=as_line(place.get("language")) or as_line(words.get("language")) or language,
            base=web_url(stated, base) if stated and stated != url else base,
        )

    return entry


def _title(words: _Words, *, is_atom: bool) -> str | None:
    detail = words.get("title_detail") or {}
    is_literal = is_atom and detail.get("type") not in _HTML_TYPES
    return (as_line if is_literal else as_plain)(detail.get("value") or words.get("title"))


def _dates(words: _Words, *, is_atom: bool) -> tuple[str | None, str | None]:
    """Return when an entry was published and updated; dc:date of RSS comes as the latter."""
    published, updated = words.get("published") or words.get("created"), words.get("updated")
    return (published, updated) if is_atom or published else (updated, None)


def _bodies(words: _Words, *, is_atom: bool) -> tuple[str, str | None, _Words]:
    """Return the body, the summary, and what is said of the body; iTunes' plain summary comes as a content of RSS."""
    contents = [each for each in words.get("content", ()) if is_atom or each.get("type") in _HTML_TYPES]
    detail = words.get("summary_detail") or {}
    summary = _markup(detail)
    for each in contents:
        if body := _markup(each):
            return body, summary if summary and summary != body else None, each
    return summary, None, detail


def _markup(detail: _Words) -> str:
    text = (detail.get("value") or "").strip()
    if detail.get("src"):
        return ""
    return text if detail.get("type") in _HTML_TYPES else as_html(text)


def _people(words: _Words, *, is_atom: bool) -> tuple[str, ...]:
    """Return the names; a single one of RSS as it is written, for feedparser takes addresses apart at the wrong place."""
    if words.get("author") and len(words.get("authors", ())) == 1 and not is_atom:
        return unique([person(words["author"])])
    return unique(person(each.get("name") or each.get("email")) for each in words.get("authors", ()))


def _page(words: _Words, base: str | None) -> str | None:
    written = words.get("link")
    if written == words.get("id") and words.get("is_link"):
        written = None  # feedparser lets every id stand in for a missing link
    first = (link.get("href") for link in _related(words, "alternate"))
    found = (words.get("feedburner_origlink"), written, *first)
    return next((url for each in found if (url := web_url(each, base))), None)


def _enclosures(words: _Words, base: str) -> Iterator[Enclosure | None]:
    for link in _related(words, "enclosure"):
        yield enclosure(web_url(link.get("href"), base), link.get("type"), link.get("length"))
    for each in words.get("media_content", ()):
        url = web_url(each.get("url"), base)
        if url and not is_picture(url, each.get("type"), each.get("medium")):
            yield enclosure(url, each.get("type"), each.get("filesize"))


def _pictures(words: _Words, base: str) -> Iterator[str | None]:
    for each in words.get("media_thumbnail", ()):
        yield web_url(each.get("url"), base)
    for each in words.get("media_content", ()):
        url = web_url(each.get("url"), base)
        if url and is_picture(url, each.get("type"), each.get("medium")):
            yield url
    yield web_url(words.get("image"), base)
