"""A daemon that reads its configuration anew: what changes, what goes on, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from servers import Asked, Speak, answer, talking
from structlog.testing import capture_logs
from test_daemon_faults import assert_calm, daemon, events, told
from test_schedule import TIMEOUT, Place, run, watched
from waiting import until

from feeder import config
from feeder.app import App
from feeder.errors import ConfigError, FeederError, OutputError
from feeder.reload import reload
from feeder.store.records import FaultKind
from feeder.store.sqlite import open_to_read


def feeder(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "feeder", *words, "-c", str(place.config)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT * 2)


def edit(place: Place, old: str, new: str) -> None:
    text = place.config.read_text("utf-8")
    assert old in text
    place.config.write_text(text.replace(old, new), "utf-8")


def reloaded(place: Place) -> str:
    """Reload, and return what is said."""
    done = feeder(place, "reload")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def add_source(place: Place, name: str, *, more: str = "watch = true") -> None:
    (place.root / name).mkdir()
    with place.config.open("a") as file:
        file.write(f'[[source]]\nname = "{name}"\npath = "{name}"\ninterval = "1d"\n{more}\n')


def put(place: Place, source: str, title: str, category: str = "News") -> None:
    head = f"---\ntitle: {title}\ndate: 2026-01-02T03:04:05Z\ncategories: [{category}]\n---\nWritten for {title}.\n"
    (place.root / source / f"{title}.md").write_text(head)


def ids(place: Place) -> dict[str, str]:
    file = place.output / "feed.json"
    found: Iterable[dict[str, str]] = json.loads(file.read_text("utf-8"))["items"] if file.exists() else ()
    return {item["title"]: item["id"] for item in found}


def titles(place: Place) -> set[str]:
    return set(ids(place))


def status(place: Place) -> Any:
    return json.loads(feeder(place, "status", "--json").stdout)


# ---------------------------------------------------------------- sources


def test_sources_come_change_and_go_without_a_restart(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    with daemon(place) as process:
        until(lambda: "First" in titles(place))
        before = ids(place)
        add_source(place, "added")
        put(place, "added", "Second")
        assert "2 sources" in reloaded(place)
        until(lambda: {"First", "Second"} <= titles(place))
        put(place, "added", "Third")  # it is watched
        until(lambda: "Third" in titles(place))
        edit(place, 'name = "added"', 'name = "renamed"\nwas = "added"')
        reloaded(place)
        place.write("Fourth")
        until(lambda: "Fourth" in titles(place))
        assert ids(place)["First"] == before["First"]
        kept = ids(place)
        text = place.config.read_text("utf-8")
        place.config.write_text(text[: text.index('[[source]]\nname = "renamed"')])
        reloaded(place)
        until(lambda: "Second" not in titles(place))
        assert {"First": kept["First"], "Fourth": kept["Fourth"]} == ids(place)
        assert process.poll() is None
    assert_calm(place)


def test_what_a_source_does_with_its_articles_changes_without_a_restart(tmp_path: Path) -> None:
    place = watched(tmp_path, more='author = "Anna"')
    add_source(place, "other")
    place.write("First")
    with daemon(place):
        until(lambda: "Anna" in place.feed())
        edit(place, '"Anna"', '"Berta"')
        reloaded(place)
        until(lambda: "Berta" in place.feed())
        edit(place, "author", "enabled = false\nauthor")
        reloaded(place)
        until(lambda: "First" not in titles(place))
        edit(place, "enabled = false\n", "")
        reloaded(place)
        until(lambda: "First" in titles(place))
    assert_calm(place)


def test_a_source_that_is_renamed_and_changed_at_once_is_read_anew(tmp_path: Path) -> None:
    place = watched(tmp_path)
    add_source(place, "added", more='watch = false\nauthor = "Anna"')
    put(place, "added", "First")
    with daemon(place):
        until(lambda: "Anna" in place.feed())
        edit(place, 'name = "added"', 'name = "renamed"\nwas = "added"')
        edit(place, '"Anna"', '"Berta"')
        reloaded(place)
        until(lambda: "Berta" in place.feed())
    assert_calm(place)


def test_categories_and_entries_change_what_they_touch(tmp_path: Path) -> None:
    place = watched(tmp_path)
    (place.root / "s0" / "one.md").write_text(
        "---\ntitle: One\ndate: 2026-01-02T03:04:05Z\ncategories: [Sport]\n---\nOne.\n"
    )
    place.write("Two")
    with daemon(place):
        until(lambda: titles(place) >= {"One", "Two"})
        quiet = place.output / "categories/news/atom.xml"
        stands = quiet.stat()
        edit(place, "[storage]", '[categories."Sport"]\ntitle = "Games"\nslug = "games"\n[storage]')
        reloaded(place)
        until((place.output / "categories/games/atom.xml").exists)
        until(lambda: not (place.output / "categories/sport/atom.xml").exists())
        assert (stands.st_ino, stands.st_mtime_ns) == (quiet.stat().st_ino, quiet.stat().st_mtime_ns)
        edit(place, "[feeds]", "[feeds]\nentries = 1\nwindow = '0s'\n")
        reloaded(place)
        until(lambda: len(ids(place)) == 1)
        edit(place, '[categories."Sport"]', '[categories."Sport"]\nsame_as = "News"')
        edit(place, 'title = "Games"\nslug = "games"\n', "")
        reloaded(place)
        until(lambda: not (place.output / "categories/games/atom.xml").exists())
    assert_calm(place)


def test_a_takedown_that_is_taken_back_holds_no_more(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    place.write("Second")
    with daemon(place):
        until(lambda: titles(place) >= {"First", "Second"})
        feeder(place, "remove", ids(place)["First"], "--note", "a test")
        until(lambda: "First" not in titles(place))
        (tmp_path / "removed.txt").write_text("")
        reloaded(place)
        until(lambda: "First" in titles(place))


# ---------------------------------------------------------------- what goes on


def rss(title: str) -> bytes:
    item = f"<item><title>{title}</title><guid>{title}</guid><pubDate>Fri, 02 Jan 2026 03:04:05 GMT</pubDate></item>"
    return f'<rss version="2.0"><channel><title>A feed</title>{item}</channel></rss>'.encode()


def add_urls(place: Place, *urls: str) -> None:
    with place.config.open("a") as file:
        for number, url in enumerate(urls):
            file.write(
                f'[[source]]\nname = "url{number}"\nurl = "{url}"\nkind = "feed"\ninterval = "1d"\nallow_private = ["127.0.0.0/8"]\n'
            )


def test_a_request_that_is_under_way_is_heard_unless_its_source_is_another_one(tmp_path: Path) -> None:
    place = watched(tmp_path)
    go_on = threading.Event()

    def slow(title: str) -> Speak:
        async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
            await asyncio.to_thread(go_on.wait, TIMEOUT)
            writer.write(answer(rss(title), content_type="application/rss+xml"))
            await writer.drain()

        return speak

    with talking(addresses=3) as server:
        for title in ("kept", "changed", "gone"):
            server.let(f"/{title}", slow(title))
        server.put("/other", rss("other"), content_type="application/rss+xml")
        add_urls(place, server.at(0, "/kept"), server.at(1, "/changed"), server.at(2, "/gone"))
        with daemon(place):
            until(lambda: {"/kept", "/changed", "/gone"} <= set(server.targets))
            edit(place, "/changed", "/other")
            text = place.config.read_text("utf-8")
            place.config.write_text(text[: text.index('[[source]]\nname = "url2"')])
            reloaded(place)
            until(lambda: "other" in titles(place))
            go_on.set()
            until(lambda: "kept" in titles(place))
            assert server.targets.count("/kept") == 1
            assert not {"changed", "gone"} & titles(place)
    assert_calm(place)


def test_the_server_says_what_is_so_now_at_the_same_address(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    with daemon(place):
        until(lambda: "First" in titles(place))
        address = told(place, "started")[0]["address"]

        def link() -> str:
            with urlopen(f"{address}atom.xml", timeout=TIMEOUT) as response:  # noqa: S310 - our own server
                return str(response.headers["link"])

        assert "feeds.example.org" in link()
        edit(place, "https://feeds.example.org/", "https://other.example.org/")
        reloaded(place)
        assert "other.example.org" in link()
        until(lambda: "other.example.org" in place.feed())


def test_the_command_after_publishing_is_that_of_now(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place):
        edit(place, "[storage]", '[storage]\nafter_publish = ["sh", "-c", "cat >>told"]')
        reloaded(place)
        place.write("First")
        until(lambda: (tmp_path / "told").exists() and "atom.xml" in (tmp_path / "told").read_text())
        edit(place, "cat >>told", "cat >>told-anew")
        reloaded(place)
        place.write("Second")
        until(lambda: (tmp_path / "told-anew").exists() and "atom.xml" in (tmp_path / "told-anew").read_text())


# ---------------------------------------------------------------- what is refused


def faults(place: Place) -> list[str]:
    site = config.load(place.config).site if "[site]" in place.config.read_text() else None
    with closing(open_to_read(place.state, site_id=site.id if site else "feeds.example.org,2026")) as store:
        return [fault.reason for fault in store.faults() if fault.kind is FaultKind.CONFIG]


def test_fault_91_a_broken_config_leaves_that_of_before_until_it_is_mended(tmp_path: Path) -> None:
    place = watched(tmp_path)
    good = place.config.read_text("utf-8")
    with daemon(place) as process:
        place.write("First")
        until(lambda: "First" in titles(place))
        place.config.write_text("[site\n")
        done = feeder(place, "reload")  # which looks before it asks
        assert done.returncode == 2
        assert "config.toml" in done.stderr
        process.send_signal(signal.SIGHUP)
        until(lambda: told(place, "reload_failed"))
        place.write("Second")
        until(lambda: "Second" in titles(place))
        place.config.write_text(good)
        assert (
            [each["reason"] for each in status(place)["unpublished"] if each["kind"] == "config"] == faults(place) != []
        )
        assert "as it is written now" in feeder(place, "status").stdout
        reloaded(place)
        assert status(place)["unpublished"] == []
    assert told(place, "reloaded")
    assert_calm(place, but=frozenset({"reload_failed"}))


def test_a_config_that_was_mended_before_a_restart_is_no_fault_any_more(tmp_path: Path) -> None:
    place = watched(tmp_path)
    good = place.config.read_text("utf-8")
    with daemon(place) as process:
        place.config.write_text("[site\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: told(place, "reload_failed") and faults(place))
    place.config.write_text(good)
    with daemon(place):
        assert faults(place) == []


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('output = "public"', 'output = "elsewhere"', "storage.output"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:1"', "server.listen"),
        ("[server]", '[server]\nadmin = "unix:/run/feeder-test"', "server.admin"),
        ("[server]", '[server]\ncache = "1MiB"', "server.cache"),
    ],
)
def test_what_cannot_change_while_it_runs_is_refused_by_name(old: str, new: str, key: str, tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place):
        edit(place, old, new)
        add_source(place, "added")
        done = feeder(place, "reload")
        assert done.returncode == 2
        assert f"{key}: cannot change while the daemon runs: restart it" in done.stderr
        assert "the daemon goes on by the configuration of before" in done.stderr
        assert not told(place, "reloaded")


@pytest.mark.parametrize(
    ("old", "new"), [("var/feeder.db", "var/other.db"), ("feeds.example.org,2026", "other.example.org,2026")]
)
def test_another_state_or_site_is_refused(old: str, new: str, tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place) as process:
        edit(place, old, new)
        process.send_signal(signal.SIGHUP)
        until(lambda: told(place, "reload_failed"))
        assert "cannot change while the daemon runs" in str(told(place, "reload_failed")[0])


def test_a_daemon_that_is_asked_to_read_a_wrong_config_says_so_as_well(tmp_path: Path) -> None:
    place = watched(tmp_path)
    good = place.config.read_text("utf-8")
    with daemon(place):
        edit(place, "[server]", "[server]\nnonsense = 1")
        done = feeder(place, "reload")
        assert done.returncode == 2
        assert 'unknown key "nonsense"' in done.stderr
        assert "the daemon goes on by the configuration of before" in done.stderr
        assert told(place, "reload_failed")
        place.config.write_text(good)
        assert faults(place)
    edit(place, "[server]", "[server]\nnonsense = 1")
    assert "goes on" not in feeder(place, "reload").stderr


def test_a_list_of_takedowns_that_is_wrong_is_refused(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place):
        (tmp_path / "removed.txt").write_text("nonsense\n")
        done = feeder(place, "reload")
        assert done.returncode == 2
        assert "removed.txt" in done.stderr


def test_a_state_that_cannot_be_brought_in_line_at_once_is_later(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place) as process:
        add_source(place, "added")
        put(place, "added", "Second")
        with place.second_connection() as connection:
            connection.execute("ALTER TABLE marks RENAME TO lost")
        process.send_signal(signal.SIGHUP)
        until(lambda: [each for each in told(place, "work_failed") if each["work"] == "prepare"])
        with place.second_connection() as connection:
            connection.execute("ALTER TABLE lost RENAME TO marks")
        until(lambda: "Second" in titles(place))


class Clumsy(App):
    """One whose config cannot even be looked at."""

    def reconfigured(self) -> config.Config:
        raise RuntimeError("a fault of its own")


def test_a_fault_of_our_own_leaves_the_config_of_before(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        with pytest.raises(ConfigError, match=r"cannot be read: RuntimeError: a fault of its own[^$]*goes on"):
            reload(config.load(place.config).kept)
        until(lambda: "First" in titles(place))

    with place.opened() as app, capture_logs() as logs:
        run(Clumsy(config=app.config, parts=app.parts, archives=app.archives), during)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["reload_crashed", "reload_failed"]


class Shut(App):
    """One whose output cannot be opened a second time, such as a bucket whose secrets have gone."""

    def take_over(self, settings: config.Config) -> frozenset[str]:
        raise OutputError(f"{settings.output}: the secret is not there")


def test_an_output_that_cannot_be_opened_anew_leaves_the_config_of_before(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        with pytest.raises(ConfigError, match=r"the secret is not there[^$]*goes on"):
            reload(config.load(place.config).kept)
        until(lambda: "First" in titles(place))

    with place.opened() as app, capture_logs() as logs:
        run(Shut(config=app.config, parts=app.parts, archives=app.archives), during)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["reload_failed"]


# ---------------------------------------------------------------- who is asked


def test_who_asks_waits_until_it_is_done(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        add_source(place, "added")
        put(place, "added", "Second")
        assert reload(config.load(place.config).kept) == os.getpid()
        assert "added" in [source["name"] for source in status(place)["sources"]]
        until(lambda: titles(place) == {"First", "Second"})

    with place.opened() as app:
        run(app, during)


class Pensive(App):
    """One that takes its time after it has read the config."""

    has_read = threading.Event()
    may_go_on = threading.Event()

    def reconfigured(self) -> config.Config:
        settings = super().reconfigured()
        self.has_read.set()
        self.may_go_on.wait(TIMEOUT)
        return settings


def test_who_asks_while_another_config_is_read_hears_of_the_own_one(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")

    def during(_address: str) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        Pensive.has_read.wait(TIMEOUT)
        edit(place, "[server]", "[server]\ncache = '1MiB'")
        threading.Timer(0.5, Pensive.may_go_on.set).start()
        with pytest.raises(ConfigError, match="cannot change while the daemon runs"):
            reload(config.load(place.config).kept)

    with place.opened() as app:
        run(Pensive(config=app.config, parts=app.parts, archives=app.archives), during)


def test_without_a_daemon_there_is_nothing_to_reload(tmp_path: Path) -> None:
    place = watched(tmp_path)
    done = feeder(place, "reload")
    assert (done.returncode, "no daemon works with" in done.stderr) == (1, True)
    with daemon(place):
        pass
    done = feeder(place, "reload")
    assert (done.returncode, "no daemon works with" in done.stderr) == (1, True)


def test_a_process_that_is_no_daemon_is_left_alone(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with place.opened(), pytest.raises(FeederError, match=f"process {os.getpid()} works with .* is no daemon"):
        reload(config.load(place.config).kept)


def test_many_signals_at_once_are_one_or_two_reloads(tmp_path: Path) -> None:
    place = watched(tmp_path)
    with daemon(place) as process:
        for _ in range(50):
            process.send_signal(signal.SIGHUP)
        until(lambda: told(place, "reloaded"))
        place.write("First")
        until(lambda: "First" in titles(place))
    assert len([event for event in events(place) if event["event"] == "reloaded"]) < 10
    assert_calm(place)


def test_a_reload_leaves_alone_what_is_just_being_written_beside_the_state(tmp_path: Path) -> None:
    place = watched(tmp_path)
    place.write("First")
    with daemon(place):
        until(lambda: "First" in titles(place))
        written = place.state.parent / ".feeder-0123456789abcdef.tmp"
        written.touch()
        reloaded(place)
        assert written.exists()
    assert_calm(place)
