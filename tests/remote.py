"""Feeds of others as they are written, and a newsroom that republishes them: for tests of sources with a URL."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from feeder import asking, config
from feeder.app import App
from feeder.opening import opened
from feeder.pipeline.polling import Polled

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

SITE = """\
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[feeds]
settle = "0s"
{feeds}
[storage]
state = "sqlite:///state.db"
output = "public"
[server]
listen = ""
"""


# ---------------------------------------------------------------- what others publish


def item(
    title: str,
    *,
    guid: str | None = None,
    date: datetime | str | None = NOON,
    body: str = "<p>Calm water.</p>",
    categories: tuple[str, ...] = (),
    more: str = "",
) -> str:
    """Return an item of RSS; its guid is made of its title."""
    when = format_datetime(date) if isinstance(date, datetime) else date
    parts = [
        f"<title>{escape(title)}</title>",
        f'<guid isPermaLink="false">{escape(guid or "urn:" + title.replace(" ", "-"))}</guid>',
        f"<pubDate>{escape(when)}</pubDate>" if when else "",
        f"<description>{escape(body)}</description>",
        *(f"<category>{escape(category)}</category>" for category in categories),
        more,
    ]
    return f"<item>{''.join(parts)}</item>"


def rss(*items: str, title: str = "Lake", head: str = "") -> bytes:
    """Return a feed."""
    start = f"<channel><title>{title}</title><link>https://lake.example/</link>{head}"
    return f'<?xml version="1.0"?><rss version="2.0">{start}{"".join(items)}</channel></rss>'.encode()


def document(title: str, *, date: datetime = NOON, body: str = "Calm water.", more: str = "") -> bytes:
    """Return a front-matter document."""
    return f"---\ntitle: {title}\ndate: {date.isoformat()}\n{more}\n---\n{body}\n".encode()


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of a tree, below one directory."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(f"tree/{name}")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return packed.getvalue()


# ---------------------------------------------------------------- who republishes it


@dataclass(frozen=True, slots=True)
class Newsroom:
    """A config with its state and output below *root*; every call opens it anew, as commands do."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def public(self) -> Path:
        return self.root / "public"

    def settle(self, *sources: str, feeds: str = "") -> None:
        """Write the config; each source is a name and further lines."""
        tables = []
        for source in sources:
            name, _, rest = source.partition("\n")
            private = '\nallow_private = ["127.0.0.0/8"]' if "url =" in rest else ""
            tables.append(f'[[source]]\nname = "{name}"\n{rest}{private}\n')
        self.config.write_text(SITE.format(feeds=feeds) + "\n".join(tables), "utf-8")

    @contextmanager
    def opened(self, now: datetime = NOON, *, workers: int = 0) -> Iterator[App]:
        """Yield the whole, ready to poll."""
        with opened(config.load(self.config), workers=workers) as app:
            app.prepare(now)
            yield app

    def poll(self, *names: str, now: datetime = NOON, before: Callable[[App], None] | None = None) -> Polled:
        """Poll and publish; return what the poll of the last source came to."""
        with self.opened(now) as app:
            if before:
                before(app)
            polled = [_polled(app, name, now) for name in names]
            published = app.publish(now, settle=timedelta())
        assert not published.failed
        return polled[-1]

    def entries(self, category: str = "") -> list[dict[str, Any]]:
        """Return the entries of a feed, newest first; none if there is no such feed."""
        path = self.public / (f"categories/{category}" if category else "") / "feed.json"
        found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["items"] if path.exists() else []
        return found

    def titles(self, category: str = "") -> list[str]:
        """Return the titles in a feed, newest first."""
        return [entry["title"] for entry in self.entries(category)]

    def categories(self) -> list[str]:
        """Return the paths of all feeds but the site's."""
        below = self.public / "categories"
        return sorted(str(path.parent.relative_to(below)) for path in below.rglob("feed.json"))

    def files(self) -> dict[str, bytes]:
        """Return every published file."""
        return {str(p.relative_to(self.public)): p.read_bytes() for p in self.public.rglob("*") if p.is_file()}


def _polled(app: App, name: str, now: datetime) -> Polled:
    if not app.is_remote(name):
        return app.poll(name, now)
    [polled] = asking.poll(app, [name], now)
    return polled
