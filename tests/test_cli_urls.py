"""The commands, with sources on the web: what people see of feeds, pages, documents and archives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from desk import CONFIG, Desk, Result
from foreign import DOCUMENT, item, rss, tree
from remote import tar_gz
from servers import Server

from feeder import config
from feeder.errors import ConfigError

LIST = """<!doctype html><html><head><title>Notices</title></head><body><ul class="notices">
<li><h3><a href="/n/1">Water is off</a></h3><time datetime="2026-03-09T08:00:00Z">Monday</time></li>
<li><h3><a href="/n/2">Bins are late</a></h3><time datetime="2026-03-08T08:00:00Z">Sunday</time></li>
</ul></body></html>"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def settle(desk: Desk, **sources: str) -> None:
    """Write the config. Each source is its URL, and further lines."""
    tables = []
    for name, told in sources.items():
        url, _, rest = told.partition("\n")
        tables.append(f'[[source]]\nname = "{name}"\nurl = "{url}"\nallow_private = ["127.0.0.0/8"]\n{rest}\n')
    desk.config.write_text(
        CONFIG.format(site="", feeds="", state="sqlite:///var/state.db") + "\n".join(tables), "utf-8"
    )


def due(desk: Desk, *names: str) -> Result:
    desk.run("poll", *names)
    return desk.run("once")


def test_a_source_that_was_not_let_out_is_due_once_it_is(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    right = desk.config.read_text("utf-8")
    desk.config.write_text(right.replace("127.0.0.0/8", "10.0.0.0/8"), "utf-8")
    assert desk.run("once").code == 3
    desk.config.write_text(right, "utf-8")
    assert desk.run("once").out.startswith("1 source polled: 1 new")


def test_an_export_leaves_out_what_turned_out_to_be_no_feed(desk: Desk, server: Server) -> None:
    page = '<html><head><link rel="alternate" type="application/rss+xml" href="/plays.xml"></head></html>'
    server.put("/feed.xml", rss(item(1)))
    server.put("/", page.encode())
    server.put("/plays.xml", rss(item(2)))
    server.put("/minutes.md", DOCUMENT.format(title="Meeting").encode())
    server.put("/main.tar.gz", tree(a=DOCUMENT.format(title="Readers")))
    paths = {"feed": "/feed.xml", "theatre": "/", "minutes": "/minutes.md", "library": "/main.tar.gz"}
    settle(desk, **{name: server.url + path for name, path in paths.items()})
    assert desk.run("once").code == 0
    told = desk.program("opml", "export")
    assert re.findall('xmlUrl="([^"]*)"', told.out) == [f"{server.url}/feed.xml", f"{server.url}/plays.xml"]
    assert told.err == "note: left out, as they are no feeds: 2 of the URLs\n"


# ---------------------------------------------------------------- preview


def test_a_feed_is_previewed_and_nothing_is_stored(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1), item(2, category="Land")), ETag='"1"')
    settle(desk, harbour=f"{server.url}/feed.xml")
    told = desk.run("preview", "harbour")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[:2] == [
        "harbour: 2 entries: 2 articles, 0 left out, 0 rejected; 0 read leniently",
        "It would make 3 feeds: (the whole site), land, sea",
    ]
    assert told.rows("On the web") == {
        "is": "a feed",
        "read from": f"{server.url}/feed.xml",
        "title": "Harbour",
        "site": "https://harbour.example/",
        "next poll": "in 10 min: every 10 min",
    }
    assert "2026-03-03 12:00:00 +0000  Ferry 2  Land" in told.out
    assert [path.name for path in desk.folder.iterdir()] == ["config.toml"]
    assert server.targets == ["/feed.xml"]


def test_a_preview_says_what_a_new_source_would_not_bring(desk: Desk, server: Server) -> None:
    entries = [item(number, category=f"C{number}") for number in range(5, 0, -1)]
    server.put("/feed.xml", rss(*entries, "<item><description/></item>"))
    settle(desk, harbour=f"{server.url}/feed.xml\nfirst = 3\nmax_categories = 2\ncategory = 'Harbour'")
    told = desk.run("preview", "harbour")
    found = told.rows("On the web")
    assert found["left behind"] == "2 older entries are not for a new source: it brings the newest 3 (first)"
    assert found["too many"] == "1 category is left out: it may bring 2 (max_categories)"
    assert found["warning"].endswith("without title, text and link are left out")
    assert found["next poll"] == "in 1 h: its server cannot say what is unchanged"
    assert "It would make 4 feeds: (the whole site), c4, c5, harbour" in told.out


def test_a_preview_as_json(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1), item(2, title="Ferry 1", body="It sails twice."), item(3)))
    server.put("/old.xml", status=301, Location="/feed.xml")
    settle(desk, harbour=f"{server.url}/old.xml\nkind = 'feed'\nfirst = 3")
    told = desk.run("preview", "harbour", "--json").json
    assert (told["documents"], told["articles"], told["merged"]) == (3, 3, 0)
    next_poll = told["web"].pop("next_poll")
    assert next_poll.endswith("Z")
    assert told["web"] == {
        "kind": "feed",
        "url": f"{server.url}/feed.xml",
        "is_announced": False,
        "moved_to": f"{server.url}/feed.xml",
        "title": "Harbour",
        "home": "https://harbour.example/",
        "why": "its server cannot say what is unchanged",
        "older": 0,
        "categories_over": 0,
        "warnings": [],
    }
    assert {each["guid"] for each in told["newest"]} == {"ferry-1", "ferry-2", "ferry-3"}


def test_a_feed_that_has_moved_or_is_announced_says_so(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    server.put("/old.xml", status=308, Location="/feed.xml")
    head = '<link rel="alternate" type="application/rss+xml" href="feed.xml">'
    server.put("/", f"<html><head><title>Harbour</title>{head}</head></html>".encode(), Content_Type="text/html")
    settle(desk, moved=f"{server.url}/old.xml", home=f"{server.url}/")
    moved, home = (desk.run("preview", name).rows("On the web") for name in ("moved", "home"))
    assert moved["has moved"] == f"for good to {server.url}/feed.xml; its url may be changed to that"
    assert (home["is"], home["read from"]) == ("a page that announces a feed", f"{server.url}/feed.xml")


def test_pages_documents_and_archives_are_previewed(desk: Desk, server: Server) -> None:
    server.put("/notices", LIST.encode(), Content_Type="text/html")
    server.put("/bridge.md", DOCUMENT.format(title="Bridge").encode())
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge"), b=DOCUMENT.format(title="Tunnel"), bad="none"))
    settle(
        desk,
        notices=f"{server.url}/notices\nselect = {{ item = '.notices > li' }}",
        document=f"{server.url}/bridge.md",
        archive=f"{server.url}/tree.tar.gz",
    )
    firsts = [desk.run("preview", name).out.splitlines()[0] for name in ("notices", "document", "archive")]
    assert firsts == [
        "notices: 2 items: 2 articles, 0 left out, 0 rejected; 0 read leniently",
        "document: 1 document: 1 article, 0 left out, 0 rejected; 0 read leniently",
        "archive: 3 documents: 2 articles, 0 left out, 1 rejected; 0 read leniently",
    ]
    assert [path.name for path in desk.folder.iterdir()] == ["config.toml"]


def test_rejected_and_leniently_read_entries_are_listed(desk: Desk, server: Server) -> None:
    server.put("/draft.md", b"---\ntitle: Draft\ndraft: true\n---\n")
    settle(desk, draft=f"{server.url}/draft.md")
    told = desk.run("preview", "draft")
    assert told.out.splitlines()[0] == "draft: 1 document: 0 articles, 1 left out, 0 rejected; 0 read leniently"
    assert f"{server.url}/draft.md  draft" in told.out


def test_the_url_of_a_source_is_asked_for_as_the_source_is(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml\nheaders = {{ X-Key = 'k' }}")
    told = desk.run("preview", f"{server.url}/feed.xml")
    assert (told.code, told.err) == (0, "")
    assert server.log[0].headers["x-key"] == "k"
    assert "(+https://feeds.example.org/)" in server.log[0].headers["user-agent"]


def test_the_url_of_no_source_is_guarded_and_gets_nobodys_secrets(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml\nheaders = {{ X-Key = 'k' }}")
    told = desk.run("preview", f"{server.url}/other.xml")
    assert told.code == 1
    assert "is the url of no source; the settings used are the defaults" in told.err
    assert "127.0.0.1 is not a public address, and allow_private does not open it" in told.err
    assert server.log == []


def test_the_url_of_no_source_is_read_as_the_defaults_say(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(*(item(number, category=f"C{number}") for number in range(5, 0, -1))))
    settle(desk)
    written = 'first = 3\nmax_categories = 2\ncategory = "Rest"\nallow_private = ["127.0.0.0/8"]\n'
    desk.config.write_text(desk.config.read_text("utf-8").replace("[defaults]\n", f"[defaults]\n{written}"), "utf-8")
    told = desk.run("preview", f"{server.url}/feed.xml")
    assert told.code == 0
    assert "is the url of no source; the settings used are the defaults of config.toml" in told.err
    assert "It would make 4 feeds: (the whole site), c4, c5, rest" in told.out
    assert "it brings the newest 3 (first)" in told.rows("On the web")["left behind"]


def test_defaults_that_cannot_be_read_any_more_are_named(desk: Desk, server: Server) -> None:
    settle(desk, harbour=f"{server.url}/feed.xml")
    settings = config.load(desk.config)
    desk.config.write_text("[defaults]\nfirst = 0\n", "utf-8")
    with pytest.raises(ConfigError, match="defaults: first"):
        config.imagined(settings, name="new", url=f"{server.url}/feed.xml")
    desk.config.write_text("", "utf-8")
    with pytest.raises(ConfigError, match='source "new": url'):
        config.imagined(settings, name="new", url="gopher://example.org/")


def test_a_url_needs_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = Desk(tmp_path).call("preview", "http://localhost:1/feed.xml")
    assert told.code == 1
    assert "is not a public address" in told.err


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://ann:secret@harbour.example/", "url: holds a name or a password"),
        ("ftp://harbour.example/feed.xml", "is not an absolute URL"),
        ("http://[/", "is not an absolute URL"),
    ],
)
def test_what_is_no_url_is_exit_code_2_and_passwords_are_not_repeated(desk: Desk, url: str, reason: str) -> None:
    settle(desk)
    told = desk.run("preview", url)
    assert told.code == 2
    assert reason in told.err
    assert "secret" not in told.err


def test_a_page_without_a_feed_gets_selectors_that_read_it(desk: Desk, server: Server) -> None:
    server.put("/notices", LIST.encode(), Content_Type="text/html")
    server.put("/empty", b'<article><h2><a href="/a">Welcome</a></h2></article>', Content_Type="text/html")
    settle(desk, notices=f"{server.url}/notices", empty=f"{server.url}/empty")
    notices, empty = desk.run("preview", "notices"), desk.run("preview", "empty")
    assert (notices.code, empty.code) == (1, 1)
    assert "a web page that announces no feed" in notices.err
    assert 'select = { item = "li:has(time)" } would read 2 articles of the page itself' in notices.err
    assert 'select = { item = "article", title = "h2", link = "h2 a", date = "time" }' in empty.err


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (410, b"", "answers 410 Gone"),
        (503, b"", "answers 503 Service Unavailable"),
        (200, b"\x00\x01\x02", "is neither a feed nor a page, a document or an archive"),
    ],
)
def test_what_cannot_be_read_is_one_line(desk: Desk, server: Server, status: int, body: bytes, reason: str) -> None:
    server.put("/x", body, status=status)
    settle(desk, harbour=f"{server.url}/x")
    told = desk.run("preview", "harbour")
    assert (told.code, told.out, told.err.count("\n")) == (1, "", 1)
    assert reason in told.err


def test_a_preview_obeys_robots_txt_for_pages(desk: Desk, server: Server) -> None:
    server.put("/robots.txt", b"User-agent: *\nDisallow: /notices\n")
    server.put("/notices", LIST.encode(), Content_Type="text/html")
    settle(desk, notices=f"{server.url}/notices\nkind = 'page'\nselect = {{ item = 'li' }}")
    assert "robots.txt asks robots not to read it" in desk.run("preview", "notices").err
    assert server.targets == ["/robots.txt"]


def test_an_archive_that_is_damaged_is_told(desk: Desk, server: Server) -> None:
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge"))[:-20])
    settle(desk, archive=f"{server.url}/tree.tar.gz")
    told = desk.run("preview", "archive")
    assert (told.code, told.err.count("\n")) == (1, 1)


# ---------------------------------------------------------------- explain


def test_an_article_is_found_by_its_link_and_says_where_it_is_from(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    desk.run("once")
    told = desk.run("explain", "https://harbour.example/ferry-1")
    assert told.out.startswith("Shown in 2 of 2 feeds.\n")
    read = told.rows("How it was read")
    assert read == {
        "document": "harbour: ferry-1",
        "from": f"{server.url}/feed.xml",
        "published in": "Harbour",
        "guid as read": "ferry-1",
        "link as read": "https://harbour.example/ferry-1",
        "title as read": "Ferry 1",
        "date as read": "2026-03-02 12:00:00 +0000 (with a time zone)",
    }
    by_guid, by_name = (desk.run("explain", name, "--json").json for name in ("ferry-1", "harbour:ferry-1"))
    assert by_guid == by_name
    assert [(d["url"], d["origin"], d["guid"], d["link"]) for d in by_guid["documents"]] == [
        (f"{server.url}/feed.xml", "Harbour", "ferry-1", "https://harbour.example/ferry-1")
    ]


def test_copies_of_two_feeds_say_which_one_is_shown(desk: Desk, server: Server) -> None:
    server.put("/one.xml", rss(item(1)))
    server.put("/two.xml", rss(item(1).replace("ferry-1", "other-1")))
    settle(desk, one=f"{server.url}/one.xml", two=f"{server.url}/two.xml")
    desk.run("once")
    told = desk.run("explain", "https://harbour.example/other-1").out
    assert "merged: one comes before two in the config" in told
    assert f"{server.url}/two.xml" in told


def test_documents_and_articles_of_archives_are_explained(desk: Desk, server: Server) -> None:
    server.put("/bridge.md", DOCUMENT.format(title="Bridge").encode())
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge"), b=DOCUMENT.format(title="Tunnel")))
    settle(desk, document=f"{server.url}/bridge.md", archive=f"{server.url}/tree.tar.gz")
    desk.run("once")
    assert desk.run("explain", f"{server.url}/bridge.md").out.startswith("Shown in 3 of 3 feeds.")
    tunnel = desk.run("explain", "archive:b.md").rows("How it was read")
    assert tunnel["from"] == f"{server.url}/tree.tar.gz"
    assert (tunnel["title as written"], tunnel["date as written"]) == ("Tunnel", "2026-03-10T12:00:00Z")


def test_an_entry_that_a_new_source_left_behind_is_explained(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(2), item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml\nfirst = 1")
    desk.run("once")
    told = desk.run("explain", "ferry-1", "--json").json
    assert told["verdict"] == "Left out: older than the newest that a new source brings (`first`)."
    assert told["documents"][0]["url"] == f"{server.url}/feed.xml"


@pytest.mark.parametrize(
    "word", ["https://harbour.example/nothing", "x" * 300, "https://harbour.example/" + "x" * 5000]
)
def test_what_nobody_knows_is_one_line(desk: Desk, word: str) -> None:
    settle(desk)
    desk.settle()
    desk.run("once")
    for command in ("explain", "remove"):
        told = desk.run(command, word)
        assert (told.code, told.out) == (1, "")
        assert "no article has this id or link" in told.err


def test_an_entry_that_patterns_leave_out_says_which(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml\nwithout = {{ title = ['^ferry'] }}")
    assert "1 left out" in desk.run("preview", "harbour").out
    desk.run("once")
    assert desk.run("explain", "ferry-1").out.startswith("Left out: its title ")


def test_a_source_in_place_of_an_article_is_told_from_nothing(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    desk.run("once")
    for word in ("harbour", f"{server.url}/feed.xml"):
        assert "it is a source: `feeder preview harbour` shows what it holds" in desk.run("explain", word).err


def test_a_source_that_left_the_config_leaves_articles_that_can_be_explained(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml\non_remove = 'keep'")
    desk.run("once")
    desk.settle()
    desk.run("once")
    assert "its source has left the config" in desk.run("explain", "https://harbour.example/ferry-1").out


# ---------------------------------------------------------------- status and the log


def test_status_says_when_a_url_is_polled_next_and_why(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)), ETag='"1"', Cache_Control="max-age=7200")
    server.put("/down.xml", status=503, Retry_After="7200")
    settle(desk, harbour=f"{server.url}/feed.xml", down=f"{server.url}/down.xml")
    desk.run("once")
    harbour, down = desk.run("status", "--json").json["sources"]
    assert (harbour["state"], harbour["kind"], harbour["asked"]) == ("ok", "feed", None)
    assert harbour["why"] == "its server asks for 2 h"
    assert (down["state"], down["failures"], down["why"]) == ("failing", 1, "its server said to come back in 2 h")
    assert down["error"] == f"{server.url}/down.xml: answers 503 Service Unavailable"
    told = desk.run("status").out
    assert "in 1 h     its server asks for 2 h" in told or "in 2 h     its server asks for 2 h" in told


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (rss(item(1), "<item></item>"), "1 entries without title, text and link are left out"),
        (tar_gz({"a.md": DOCUMENT.encode(), "../b.md": b"-"}), "members with unsafe names, which are left out: 1"),
    ],
)
def test_what_is_left_out_of_an_answer_is_logged_once(desk: Desk, server: Server, body: bytes, warning: str) -> None:
    server.put("/source", body)
    settle(desk, harbour=f"{server.url}/source")
    logs = [due(desk, "harbour").err for _ in range(2)]
    assert [log.count(warning) for log in logs] == [1, 0]
    assert '"event": "source_read_leniently", "source": "harbour"' in logs[0]


def test_a_source_that_moves_for_good_is_logged_once_and_noted(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    server.put("/old.xml", status=301, Location="/feed.xml")
    settle(desk, harbour=f"{server.url}/old.xml")
    logs = [due(desk, "harbour").err for _ in range(3)]
    assert [log.count("source_moved") for log in logs] == [0, 1, 0]
    assert f'"url": "{server.url}/feed.xml"' in logs[1]
    assert server.targets[-1:] == ["/feed.xml"]
    assert server.targets.count("/old.xml") == 2
    (told,) = desk.run("status", "--json").json["sources"]
    assert (told["url"], told["asked"]) == (f"{server.url}/old.xml", f"{server.url}/feed.xml")
    assert told["has_moved"] is True
    note = f"has moved for good to {server.url}/feed.xml, which is asked since; its url may be changed to that"
    assert note in desk.run("status").out


def test_a_source_that_is_gone_for_good_is_logged_once_and_keeps_its_articles(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    desk.run("once")
    server.put("/feed.xml", status=410)
    logs = [due(desk, "harbour") for _ in range(2)]
    assert [told.err.count("source_gone") for told in logs] == [1, 0]
    assert [told.code for told in logs] == [3, 3]
    (told,) = desk.run("status", "--json").json["sources"]
    assert (told["state"], told["sightings"], told["next_poll"], told["why"]) == ("ended", 1, None, None)
    assert "is gone for good, as its server says; `feeder poll harbour` asks once more" in desk.run("status").out
    assert desk.run("once").out.startswith("0 sources polled")
    server.put("/feed.xml", rss(item(1), item(2)))
    assert "1 new" in due(desk, "harbour").out
    assert desk.run("status", "--json").json["sources"][0]["state"] == "ok"


def test_the_page_that_announced_a_feed_is_noted(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    head = '<link rel="alternate" type="application/rss+xml" href="/feed.xml">'
    server.put("/", f"<html><head>{head}</head><body></body></html>".encode(), Content_Type="text/html")
    settle(desk, home=f"{server.url}/")
    desk.run("once")
    assert f"is a page that announces the feed that is read: {server.url}/feed.xml" in desk.run("status").out


# ---------------------------------------------------------------- the other commands


def test_a_takedown_by_link_holds_for_the_next_poll(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1), item(2)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    desk.run("once")
    told = desk.run("remove", "https://harbour.example/ferry-1", "--note", "by request")
    assert told.out.splitlines()[0] == "taken down: Ferry 1"
    server.put("/feed.xml", rss(item(1, body="It sails again."), item(2)))
    due(desk, "harbour")
    assert "Ferry 1" not in (desk.folder / "public/rss.xml").read_text("utf-8")
    assert desk.run("explain", "https://harbour.example/ferry-1").out.startswith("Taken down: by request.")


def test_a_takedown_beside_an_archive_leaves_its_other_articles_as_they_are(desk: Desk, server: Server) -> None:
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge"), b=DOCUMENT.format(title="Tunnel")))
    settle(desk, archive=f"{server.url}/tree.tar.gz")
    desk.run("once")
    assert "it has left 3 feeds" in desk.run("remove", "archive:a.md").out
    feed = (desk.folder / "public/rss.xml").read_text("utf-8")
    assert ("The Tunnel is open." in feed, "The Bridge is open." in feed) == (True, False)


def test_sources_on_the_web_are_paused_resumed_and_have_nothing_to_accept(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    desk.run("once")
    server.put("/feed.xml", rss(item(2)))
    desk.run("pause", "harbour")
    assert due(desk, "harbour").out.startswith("0 sources polled")
    desk.run("resume", "harbour")
    assert "1 new" in due(desk, "harbour").out
    assert desk.run("accept", "harbour").out == "harbour: nothing is missing; nothing is changed\n"
    assert desk.run("status", "--json").json["counts"]["articles"] == 2


def test_a_dry_run_asks_the_web_and_keeps_nothing(desk: Desk, server: Server) -> None:
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge")))
    settle(desk, archive=f"{server.url}/tree.tar.gz")
    assert "would write atom.xml" in desk.run("once", "--dry-run").out
    assert not (desk.folder / "var").exists()
    desk.run("once")
    before = desk.tree("var/archives", "public")
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge"), b=DOCUMENT.format(title="Tunnel")))
    desk.run("poll", "archive")
    told = desk.run("once", "--dry-run", "--json").json
    assert (told["new"], told["failed"]) == (1, {})
    assert "atom.xml" in told["written"]
    assert desk.tree("var/archives", "public") == before


def test_a_dry_run_reads_the_archive_that_is_not_due(desk: Desk, server: Server) -> None:
    server.put("/tree.tar.gz", tree(a=DOCUMENT.format(title="Bridge"), b=DOCUMENT.format(title="Tunnel")))
    settle(desk, archive=f"{server.url}/tree.tar.gz")
    desk.config.write_text(desk.config.read_text("utf-8").replace("[feeds]\n", "[feeds]\nwindow = '0s'\nentries = 1\n"))
    desk.run("once")
    desk.config.write_text(desk.config.read_text("utf-8").replace("entries = 1", "entries = 2"))
    told = desk.run("once", "--dry-run", "--json").json
    assert (told["sources"], told["entries_left_out"]) == (0, {})
    assert "atom.xml" in told["written"]


def test_entries_of_a_feed_are_adopted_for_the_articles_of_another(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1), item(2)))
    settle(desk, harbour=f"{server.url}/feed.xml")
    old = desk.put("old.xml", rss(item(1)).decode().replace(">ferry-1</guid>", ">urn:ferry:1</guid>"))
    told = desk.run("adopt", old, "--json").json
    assert (told["adopted"], told["matches"]["by_link"], told["matches"]["unpolled"]) == (1, 1, [])
    assert "1 returned" in desk.run("once").out
    assert '<guid isPermaLink="false">urn:ferry:1</guid>' in (desk.folder / "public/rss.xml").read_text("utf-8")


def test_directories_and_urls_are_polled_side_by_side(desk: Desk, server: Server) -> None:
    server.put("/feed.xml", rss(item(1)))
    settle(desk, harbour=f"{server.url}/feed.xml", down=f"{server.url}/nothing")
    text = desk.config.read_text("utf-8")
    desk.config.write_text(f'{text}\n[[source]]\nname = "newsroom"\npath = "newsroom"\n', "utf-8")
    desk.write("newsroom/bridge.md")
    told = desk.run("once", "--json")
    assert told.code == 3
    assert (told.json["new"], told.json["failed"]) == (2, {"down": f"{server.url}/nothing: answers 404 Not Found"})


def test_what_a_source_says_of_its_articles_stands_in_the_feeds(desk: Desk, server: Server) -> None:
    long = "<p>" + "It sails every hour. " * 40 + "</p>"
    server.put("/feed.xml", rss(item(1, body=f"<![CDATA[{long}]]>")))
    terms = "rights = 'CC BY 4.0'\nattribution = 'First in the Harbour news'"
    settle(desk, harbour=f"{server.url}/feed.xml\n{terms}\ncontent = 'full'")
    desk.run("once")
    full = (desk.folder / "public/atom.xml").read_text("utf-8")
    link = '&lt;a href="https://harbour.example/ferry-1"&gt;First in the Harbour news&lt;/a&gt;'
    assert ("<rights>CC BY 4.0</rights>" in full, link in full) == (True, True)
    settle(desk, harbour=f"{server.url}/feed.xml\n{terms}\ncontent = 'summary'")
    desk.run("once")
    brief = (desk.folder / "public/atom.xml").read_text("utf-8")
    assert ("<content" in brief, "First in the Harbour news</summary>" in brief) == (False, True)


def test_feeds_that_are_sources_are_exported(desk: Desk, server: Server) -> None:
    settle(desk, harbour=f"{server.url}/feed.xml")
    told = desk.program("opml", "export")
    assert f'xmlUrl="{server.url}/feed.xml"' in told.out


def test_check_asks_nobody(desk: Desk, server: Server) -> None:
    settle(desk, harbour=f"{server.url}/feed.xml")
    assert desk.run("check").code == 0
    assert server.log == []
