"""Readers of the trade subscribe at the running daemon: each sees what comes, nothing twice, and otherwise gets 304.

They must be installed, so these stand apart.
"""

from __future__ import annotations

import json
import mailbox
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import quote, urlsplit

import feedparser
import pytest

PATIENCE = 60  # seconds until the daemon has done what is waited for
SITE = """\
[site]
title = "Harbour newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[feeds]
settle = "0s"
[storage]
state = "sqlite:///state.db"
output = "public"
[server]
listen = "127.0.0.1:0"
[[source]]
name = "newsroom"
path = "articles"
interval = "1s"
withdraw_after = "0s"
"""
FIRST = {"The ferry leaves earlier", "港口的灯亮了", "Ein Café & zwei <Boote>", "C++ on the quay"}
NEWS = "The crane moves north"
GONE = "The ferry leaves earlier"
FEEDS = ["atom.xml", quote("categories/港口/rss.xml")]


# ---------------------------------------------------------------- the newsroom, and who listens at its door


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsroom:
    """A tree of articles, and the address of the daemon that publishes it."""

    tree: Path
    address: str

    def write(self, title: str) -> None:
        front = f"title: {json.dumps(title)}\ndate: 2026-03-01 08:00:00 +0800\ncategories: [港口]\n"
        (self.tree / f"{name_of(title)}.md").write_text(f"---\n{front}---\nText of it. 新闻。\n", "utf-8")

    def withdraw(self, title: str) -> None:
        (self.tree / f"{name_of(title)}.md").unlink()

    @staticmethod
    def next_second() -> None:
        """Wait a second: the dates of HTTP count no less, and curl itself drops what is not of a later one."""
        time.sleep(1)

    def wait_for(self, titles: set[str]) -> None:
        """Wait until all feeds hold exactly *titles*."""
        until = time.monotonic() + PATIENCE
        while any(titles_of(feedparser.parse(self.address + each)) != titles for each in FEEDS):
            assert time.monotonic() < until
            time.sleep(0.1)


def name_of(title: str) -> str:
    return re.sub(r"\W+", "-", title)


def titles_of(feed: feedparser.FeedParserDict) -> set[str]:
    return {entry.title for entry in feed.entries}


@pytest.fixture
def newsroom(tmp_path: Path) -> Iterator[Newsroom]:
    (tmp_path / "articles").mkdir()
    (tmp_path / "config.toml").write_text(SITE, "utf-8")
    log = tmp_path / "log"
    with log.open("wb") as said:
        daemon = subprocess.Popen([sys.executable, "-m", "feeder", "run"], cwd=tmp_path, stdout=said, stderr=said)
    try:
        made = Newsroom(tree=tmp_path / "articles", address=listening(log, daemon))
        for title in FIRST:
            made.write(title)
        made.wait_for(FIRST)
        yield made
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(PATIENCE)


def listening(log: Path, daemon: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and daemon.poll() is None:
        found = re.search(r'"address": "(http[^"]+)"', log.read_text("utf-8"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


@dataclass(slots=True)
class Relay:
    """Stands between a reader and the daemon, and notes how each request was answered."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)

    def heard(self) -> list[int]:
        """Return the answers since it was asked last."""
        found, self.statuses = self.statuses, []
        return found


@contextmanager
def relayed(address: str) -> Iterator[Relay]:
    relay = Relay()

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            behind = HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
            with closing(behind):
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                behind.request("GET", self.path, headers=headers)
                answer = behind.getresponse()
                body = answer.read()
            relay.statuses.append(answer.status)
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        relay.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()


# ---------------------------------------------------------------- the readers


class Reader(Protocol):
    """A program that has subscribed to a feed."""

    def look(self) -> list[str]:
        """Ask for the feed, and return the titles of all that it has ever told its owner, as often as it told them."""


Subscribe: TypeAlias = Callable[[str, Path], Reader]


def run(home: Path, *command: str) -> None:
    """Run a reader at its home."""
    assert shutil.which(command[0]), f"{command[0]} is missing; install newsboat, sfeed, curl and rss2email"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True, timeout=PATIENCE)


class Newsboat:
    """Keeps what it has seen in a database, and the validators of a feed from the second answer on."""

    def __init__(self, url: str, home: Path) -> None:
        self._home = home
        (home / "urls").write_text(f"{url}\n", "utf-8")
        (home / "config").touch()

    def look(self) -> list[str]:
        run(self._home, "newsboat", "-u", "urls", "-C", "config", "-c", "cache.db", "-x", "reload")
        with closing(sqlite3.connect(self._home / "cache.db")) as cache:
            return [title for (title,) in cache.execute("SELECT title FROM rss_item")]


class Sfeed:
    """A shell script over curl; its manual says how it asks politely."""

    FETCH = """\
sfeedpath="$HOME/feeds"
fetch() {
    etag="$HOME/etags/$(basename "$3")"
    curl -L --max-redirs 0 -H "User-Agent:" -f -s -m 15 --compressed \\
        --etag-save "${etag}" --etag-compare "${etag}" -z "${etag}" "$2" 2>/dev/null
}
"""

    def __init__(self, url: str, home: Path) -> None:
        self._home = home
        (home / "etags").mkdir()
        (home / "sfeedrc").write_text(f"{self.FETCH}feeds() {{\n    feed newsroom '{url}'\n}}\n", "utf-8")

    def look(self) -> list[str]:
        run(self._home, "sfeed_update", "sfeedrc")
        return [line.split("\t")[1] for line in (self._home / "feeds/newsroom").read_text("utf-8").splitlines()]


class Rss2email:
    """Writes a mail for each article."""

    CONFIG = "[DEFAULT]\nto = reader@example.org\nemail-protocol = maildir\nmaildir-path = {home}/mail\n"

    def __init__(self, url: str, home: Path) -> None:
        (home / "mail").mkdir()
        self._home = home
        self._command = ("r2e", "-c", str(home / "config"), "-d", str(home / "seen.json"))
        (home / "config").write_text(self.CONFIG.format(home=home), "utf-8")
        run(home, *self._command, "add", "newsroom", url)

    def look(self) -> list[str]:
        run(self._home, *self._command, "run")
        mails = mailbox.Maildir(self._home / "mail/INBOX")
        return [str(make_header(decode_header(mail["subject"]))) for mail in mails]


class Feedparser:
    """The library that many readers are made of; it tells what the feed holds, and a reader merges by id."""

    def __init__(self, url: str, home: Path) -> None:
        del home
        self._url = url
        self._known: dict[str, str] = {}
        self._validators: dict[str, str] = {}

    def look(self) -> list[str]:
        feed = feedparser.parse(self._url, **self._validators)
        assert feed.status == 304 or not feed.bozo
        self._validators = {key: feed[key] for key in ("etag", "modified") if key in feed}
        self._known |= {entry.id: entry.title for entry in feed.entries}
        return list(self._known.values())


READERS = [Newsboat, Sfeed, Rss2email, Feedparser]


# ---------------------------------------------------------------- what they see


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("subscribe", READERS)
def test_a_reader_is_told_of_each_article_once_and_otherwise_gets_304(
    newsroom: Newsroom, tmp_path: Path, subscribe: Subscribe, feed: str
) -> None:
    home = tmp_path / "reader"
    home.mkdir()
    with relayed(newsroom.address) as relay:
        reader = subscribe(f"http://127.0.0.1:{relay.port}/{feed}", home)
        assert sorted(reader.look()) == sorted(FIRST)
        assert relay.heard() == [200]
        if subscribe is Newsboat:
            reader.look()
            relay.heard()
        assert sorted(reader.look()) == sorted(FIRST)
        assert relay.heard() == [304]

        newsroom.next_second()
        newsroom.write(NEWS)
        newsroom.wait_for(FIRST | {NEWS})
        assert sorted(reader.look()) == sorted({*FIRST, NEWS})
        assert relay.heard() == [200]

        newsroom.next_second()
        newsroom.withdraw(GONE)
        newsroom.wait_for((FIRST | {NEWS}) - {GONE})
        assert sorted(reader.look()) == sorted({*FIRST, NEWS})
        assert relay.heard() == [200]
        assert sorted(reader.look()) == sorted({*FIRST, NEWS})
        assert relay.heard() == [304]
