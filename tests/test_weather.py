"""Ten sources of every kind in all weathers: servers that fail, move, lie, hang and recover, and a daemon that is killed.

However it was, in the end the feeds are those of a daemon that was told the same in peace.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from remote import DAY, HOUR, NOON, Newsroom, document, item, rss, tar_gz
from servers import Asked, Server, answer, talking
from test_schedule import run
from waiting import until
from worlds import NO_HISTORY

VERSIONS = 4
LAST = VERSIONS - 1
WINDOW = 2  # versions in which an article stands
PACE = 120  # seconds of the daemon in one of ours
BEGAN = NOON - 40 * DAY  # when the first article was written
SHARED = "Bridge opens"  # every source has it

PROGRAM = """
import sys, time
from datetime import datetime, timedelta
from pathlib import Path
from feeder import config, log, schedule
from feeder.opening import opened

_, path, start, pace = sys.argv
began, zero = datetime.fromisoformat(start), time.monotonic()
log.configure("info", json=True)
with opened(config.load(Path(path)), workers=1) as app:
    schedule.run(app, clock=lambda: began + timedelta(seconds=(time.monotonic() - zero) * float(pace)))
"""


# ---------------------------------------------------------------- what they publish


@dataclass(frozen=True, slots=True)
class Story:
    """An article of a source; in its second version it was edited, and says so."""

    who: str
    number: int
    version: int

    @property
    def title(self) -> str:
        return SHARED if self.number == 0 else f"Story {self.number} of {self.who}"

    @property
    def date(self) -> datetime:
        return BEGAN + self.number * HOUR

    @property
    def updated(self) -> str:
        return (self.date + (HOUR if self.is_edited else timedelta())).isoformat()

    @property
    def is_edited(self) -> bool:
        return self.version > self.number

    @property
    def body(self) -> str:
        return f"<p>{'Rough' if self.is_edited else 'Calm'} water, says {self.who}. 北京</p>"

    @property
    def category(self) -> str:
        return f"Shore {self.number % 2}"


def stories(who: str, version: int) -> list[Story]:
    """Return what stands in a version, the newest first."""
    return [Story(who, number, version) for number in range(version, max(version - WINDOW, -1), -1)]


def as_rss(who: str, version: int) -> bytes:
    return rss(*(_as_item(story) for story in stories(who, version)), title=who)


def as_chinese_rss(who: str, version: int) -> bytes:
    text = as_rss(who, version).decode()
    return gzip.compress(text.replace('"1.0"?', '"1.0" encoding="gb18030"?').encode("gb18030"), mtime=0)


def as_atom(who: str, version: int) -> bytes:
    entries = "".join(
        f"<entry><id>urn:{who}:{s.number}</id><title>{s.title}</title><published>{s.date.isoformat()}</published>"
        f'<updated>{s.updated}</updated><category term="{s.category}"/><content type="xhtml">'
        f'<div xmlns="http://www.w3.org/1999/xhtml">{s.body}</div></content></entry>'
        for s in stories(who, version)
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:{who}</id><title>{who}</title>{entries}</feed>'.encode()


def as_rdf(who: str, version: int) -> bytes:
    items = "".join(
        f'<item rdf:about="https://{who}.example/{s.number}"><title>{s.title}</title><dc:date>{s.date.isoformat()}</dc:date>'
        f"<dcterms:modified>{s.updated}</dcterms:modified><dc:subject>{s.category}</dc:subject>"
        f"<content:encoded><![CDATA[{s.body}]]></content:encoded></item>"
        for s in stories(who, version)
    )
    return (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel rdf:about="https://rdf.example/">'
        f"<title>{who}</title></channel>{items}</rdf:RDF>"
    ).encode()


def as_json(who: str, version: int) -> bytes:
    items = [
        {
            "id": f"{who}/{s.number}",
            "title": s.title,
            "date_published": s.date.isoformat(),
            "date_modified": s.updated,
            "tags": [s.category],
            "content_html": s.body,
        }
        for s in stories(who, version)
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": who, "items": items}).encode()


def as_page(who: str, version: int) -> bytes:
    """Pages say nothing of edits, so nothing is edited."""
    parts = "".join(
        f"<article><h2><a href='/{s.number}'>{s.title}</a></h2><time datetime='{s.date.isoformat()}'>then</time>"
        f"<b>{s.category}</b><div><p>Seen by {s.who}.</p></div></article>"
        for s in stories(who, version)
    )
    return f"<!DOCTYPE html><html><head><title>{who}</title></head><body>{parts}</body></html>".encode()


def as_document(who: str, version: int) -> bytes:
    return _written(Story(who, 0, version))


def as_archive(who: str, version: int) -> bytes:
    return tar_gz({f"{story.number}.md": _written(story) for story in stories(who, version)})


def _as_item(story: Story) -> str:
    updated = f'<u:updated xmlns:u="http://www.w3.org/2005/Atom">{story.updated}</u:updated>'
    guid = f"urn:{story.who}:{story.number}"
    return item(story.title, guid=guid, date=story.date, body=story.body, categories=(story.category,), more=updated)


def _written(story: Story) -> bytes:
    more = f"updated: {story.updated}\ncategories: [{story.category}]"
    return document(story.title, date=story.date, body=story.body, more=more)


ANNOUNCING = (
    b'<!DOCTYPE html><html><head><link rel="alternate" type="application/atom+xml" href="/announced"></head></html>'
)
PAGE = 'select = { item = "article", body = "div", category = "b" }'
TREE = 'withdraw_after = "0s"'


# ---------------------------------------------------------------- who publishes it, in what weather


@dataclass(slots=True)
class Act:
    """A source at one path, version by version; each comes once the one before was told in full."""

    name: str
    write: Callable[[str, int], bytes]
    path: str
    settings: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    has_validators: bool = True
    is_patient: bool = False  # a version stays until somebody shows that it was taken
    storms: deque[tuple[str, ...]] = field(default_factory=deque)  # before each version, what goes wrong
    version: int = 0
    told: int = 0  # times that the last version was
    troubles: list[str] = field(default_factory=list)

    async def speak(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if trouble := self._trouble():
            self.troubles.append(trouble)
            await TROUBLES[trouble](asked, writer)
            return
        tag = f'"{self.version}"'
        is_known = self.has_validators and asked.headers.get("if-none-match") == tag
        validators = {"etag": tag} if self.has_validators else {}
        body = b"" if is_known else self.write(self.name, self.version)
        writer.write(answer(body, status=304 if is_known else 200, **({} if is_known else self.headers), **validators))
        await writer.drain()
        if self.version == LAST:
            self.told += 1
        elif is_known or not self.is_patient:
            self.version += 1

    def _trouble(self) -> str | None:
        if not self.storms:
            return None
        now, *later = self.storms.popleft() or ("",)
        if later:
            self.storms.appendleft(tuple(later))
        return now or None


async def _hang(_: Asked, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _drip(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n<rss>")
    for _each in range(600):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


def _say(words: bytes) -> Callable[[Asked, asyncio.StreamWriter], Any]:
    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(words)

    return speak


LIE = rss(item(SHARED, guid="urn:lie", date="yesterday", body="<p>Lie.</p>"))
TROUBLES: dict[str, Callable[[Asked, asyncio.StreamWriter], Any]] = {
    "fails": _say(answer(b"oops", status=500)),
    "busy": _say(answer(status=503, retry_after="60")),
    "too-many": _say(answer(status=429, retry_after="1")),
    "missing": _say(answer(status=404)),
    "forbidden": _say(answer(status=403)),
    "empty": _say(answer()),
    "login": _say(answer(b"<!DOCTYPE html><html><body><form>Log in</form></body></html>", content_type="text/html")),
    "noise": _say(bytes(range(256)) * 9),
    "closes": _say(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<rss"),
    "cut-short": _say(answer(gzip.compress(LIE)[:-9], content_encoding="gzip")),
    "false-coding": _say(answer(b"no brotli", content_encoding="br")),
    "bomb": _say(answer(gzip.compress(b"<rss>" + b" " * (20 << 20)), content_encoding="gzip")),
    "loop": _say(answer(status=302, location="?again")),
    "nowhere": _say(answer(status=302)),
    "file": _say(answer(status=301, location="file:///etc/passwd")),
    "unclosed": _say(answer(b"<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><rss>&a;")),
    "hangs": _hang,
    "drips": _drip,
}


def acts(random: Random | None) -> list[Act]:
    """Return the ten; with *random*, each has up to two troubles before each version."""
    found = [
        Act("rss", as_rss, "/rss"),
        Act("atom", as_atom, "/atom"),
        Act("rdf", as_rdf, "/rdf"),
        Act("json", as_json, "/json", has_validators=False),
        Act("page", as_page, "/page", PAGE, has_validators=False),
        Act("announced", as_atom, "/announced"),
        Act("document", as_document, "/document.md"),
        Act("archive", as_archive, "/tree.tar.gz", TREE),
        Act("chinese", as_chinese_rss, "/chinese", headers={"content_encoding": "gzip"}),
        Act("moved", as_rss, "/new"),
    ]
    for act in found:
        if random:
            act.storms.extend((*random.choices([*TROUBLES], k=random.randint(0, 2)), "") for _ in range(VERSIONS))
    return found


START = {"announced": "/home", "moved": "/old"}


def stage(room: Newsroom, server: Server, played: Sequence[Act]) -> None:
    """Let the acts begin, each at an address of its own."""
    server.speakers.clear()
    server.put("/robots.txt", b"User-agent: *\nDisallow: /private/\n")
    server.put("/home", ANNOUNCING)
    server.put("/old", status=301, location="/new")
    tables = []
    for number, act in enumerate(played):
        server.let(act.path, act.speak)
        url = server.at(number, START.get(act.name, act.path))
        often = 'interval = "1m"\nmin_interval = "1s"\ntimeout = "4s"'
        tables.append(f'{act.name}\nurl = "{url}"\n{often}\n{act.settings}')
    room.settle(*tables, feeds=NO_HISTORY)


def is_over(played: Sequence[Act]) -> bool:
    """Tell if all have told their last version, and once more, so that what has gone was missed twice."""
    return all(act.told > 2 for act in played)


class Fast:
    """A clock that is quicker than ours; it begins where the last one stopped."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._zero = time.monotonic()

    def __call__(self) -> datetime:
        return self._began + timedelta(seconds=(time.monotonic() - self._zero) * PACE)


def settled(room: Newsroom) -> None:
    """Have the last answers taken and published, whatever the daemon was at when it was stopped."""
    with room.opened(NOON + 30 * DAY) as app:
        assert [state.error for state in app.store.sources() if state.error] == []
        app.publish(NOON + 30 * DAY, settle=timedelta())


def in_peace(folder: Path, server: Server) -> Newsroom:
    """Return the newsroom of a daemon that nothing disturbed."""
    room = Newsroom(folder)
    folder.mkdir()
    played = acts(None)
    stage(room, server, played)
    with room.opened(workers=1) as app:
        run(app, lambda _: patiently(lambda: is_over(played)), clock=Fast(NOON))
    settled(room)
    return room


def patiently(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 200
    while not is_so():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with talking(addresses=10) as server:
        yield server


@pytest.fixture(scope="module")
def peaceful(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Newsroom:
    return in_peace(tmp_path_factory.mktemp("calm") / "room", server)


def test_ten_kinds_of_sources_are_one_set_of_feeds(peaceful: Newsroom) -> None:
    names = {act.name for act in acts(None)} - {"document"}
    told = {f"Story {number} of {name}" for name in names for number in range(1, VERSIONS)}
    left = {f"Story {number} of archive" for number in range(1, VERSIONS) if number <= LAST - WINDOW}
    assert sorted(peaceful.titles()) == sorted({SHARED, *told} - left)
    assert peaceful.categories() == ["shore-0", "shore-1"]
    assert all("北京" in entry["content_html"] or "page" in entry["title"] for entry in peaceful.entries())
    [shared] = [entry for entry in peaceful.entries() if entry["title"] == SHARED]
    assert "says rss" in shared["content_html"]


def test_weather_leaves_no_trace(tmp_path: Path, server: Server, peaceful: Newsroom) -> None:
    room, played = Newsroom(tmp_path), acts(Random(3))  # noqa: S311 - nothing secret; likewise below
    stage(room, server, played)
    clock = Fast(NOON)
    with room.opened(workers=1) as app:
        run(app, lambda _: patiently(lambda: is_over(played) and clock() > NOON + timedelta(minutes=10)), clock=clock)
    settled(room)
    assert len({trouble for act in played for trouble in act.troubles}) > len(TROUBLES) / 2
    assert room.files() == peaceful.files()


@contextmanager
def daemon(room: Newsroom, clock: Fast) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM, str(room.config), clock().isoformat(), str(PACE)]
    with (room.root / "log").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        watchdog = threading.Timer(200, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()


def test_fault_82_a_daemon_that_is_killed_while_it_asks_loses_nothing(
    tmp_path: Path, server: Server, peaceful: Newsroom
) -> None:
    room, played, random = Newsroom(tmp_path), acts(None), Random(1)  # noqa: S311
    for act in played:
        act.has_validators = act.is_patient = True
    stage(room, server, played)
    clock = Fast(NOON)
    for _ in range(5):
        server.log.clear()
        with daemon(room, clock) as process:
            until(lambda: len(server.log) > random.randint(1, 9))
            time.sleep(random.random() * 0.4)
            os.kill(process.pid, signal.SIGKILL)
    with daemon(room, clock) as process:
        patiently(lambda: is_over(played))
        process.terminate()
        assert process.wait(30) == 0
    settled(room)
    assert room.files() == peaceful.files()
