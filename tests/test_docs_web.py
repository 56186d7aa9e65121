"""What docs/sources.md says: each of its examples is run, against a server of the test's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import CONFIG, Desk
from foreign import DOCUMENT, item, rss, tree
from servers import Server, talking
from test_docs import ALL, marked

NOTICES = """<!doctype html><html><head><title>Notices</title></head><body><ul class="notices">
<li><h3><a href="/n/1">Water is off</a></h3><p class="date">2026-03-09</p><div class="text">On <b>Monday</b>.</div></li>
<li><h3><a href="/n/2">Bins are late</a></h3><p class="date">2026-03-08</p><div class="text">Again.</div></li>
</ul></body></html>"""
HOME = '<html><head><link rel="alternate" type="application/rss+xml" href="/plays.xml"></head><body></body></html>'
ANSWERS = {
    "/harbour/rss.xml": rss(item(1, body="It sails.")),
    "/": HOME.encode(),
    "/plays.xml": rss(item(2, title="A play")),
    "/notices/": NOTICES.encode(),
    "/minutes/latest.md": DOCUMENT.format(title="Meeting").encode(),
    "/library/articles/archive/main.tar.gz": tree(
        README="Read me.", readers=DOCUMENT.format(title="Readers"), **{"drafts/x": DOCUMENT.format(title="Draft")}
    ),
    "/members.xml": rss(item(3, title="Members only")),
}
EXAMPLES = [
    pytest.param("feed", {"Ferry 1"}, "a feed", id="feed"),
    pytest.param("announced", {"A play"}, "a page that announces a feed", id="announced"),
    pytest.param("page", {"Water is off", "Bins are late"}, "a page, read by its selectors", id="page"),
    pytest.param("document", {"Meeting"}, "a document with front matter", id="document"),
    pytest.param("archive", {"Readers"}, "an archive of a tree", id="archive"),
    pytest.param("secrets", {"Members only"}, "a feed", id="secrets"),
]


@pytest.fixture
def server() -> Iterator[Server]:
    with talking() as server:
        for path, body in ANSWERS.items():
            server.put(path, body)
        yield server


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/members-token").write_text("t0ken\n", "utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    monkeypatch.setenv("CLIENT_KEY", "k3y")
    return Desk(tmp_path)


def settle(desk: Desk, example: str, server: Server) -> str:
    """Write a config with the example's source, moved to *server*; return its name."""
    text = re.sub(r"https://[a-z]+\.example\.org", server.url, marked(f"source: {example}"))
    defaults = 'allow_private = ["127.0.0.0/8"]\n'
    desk.config.write_text(CONFIG.format(site="", feeds="", state="sqlite:///var/state.db") + defaults + text, "utf-8")
    return text.partition('name = "')[2].partition('"')[0]


@pytest.mark.parametrize(("example", "titles", "kind"), EXAMPLES)
def test_an_example_is_previewed_and_published(
    desk: Desk, server: Server, example: str, titles: set[str], kind: str
) -> None:
    name = settle(desk, example, server)
    assert desk.run("preview", name).rows("On the web")["is"] == kind
    assert desk.run("once").code == 0
    feed = json.loads((desk.folder / "public/feed.json").read_text("utf-8"))
    assert {entry["title"] for entry in feed["items"]} == titles


def test_the_first_example_says_whose_its_articles_are(desk: Desk, server: Server) -> None:
    settle(desk, "feed", server)
    desk.run("once")
    feed = (desk.folder / "public/atom.xml").read_text("utf-8")
    assert "<rights>CC BY 4.0</rights>" in feed
    assert "First published by the Harbour news</summary>" in feed
    assert "<content" not in feed


def test_the_secrets_of_the_example_are_sent_and_not_logged(desk: Desk, server: Server) -> None:
    settle(desk, "secrets", server)
    told = desk.run("once", "--log-level", "debug")
    headers = server.log[0].headers
    assert (headers["authorization"], headers["x-client"]) == ("Bearer t0ken", "k3y")
    assert not {"t0ken", "k3y"} & set(re.findall(r"\w+", told.out + told.err))


def test_the_example_of_an_intranet_is_good(desk: Desk) -> None:
    desk.config.write_text(
        CONFIG.format(site="", feeds="", state="sqlite:///var/state.db") + marked("source: intranet"), "utf-8"
    )
    assert desk.run("check").code == 0


def test_all_examples_are_run() -> None:
    run = {str(example.values[0]) for example in EXAMPLES}
    assert set(re.findall(r"<!-- source: (\w+) -->", ALL)) == run | {"intranet"}
