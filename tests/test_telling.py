"""Telling the command and the hub: after the files are in place, once each, again after failures and restarts."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from desk import Desk
from hypothesis import given
from hypothesis import strategies as st
from test_schedule import now
from visitors import ask
from waiting import until
from worlds import Crash, Fuse, fuse, run

from feeder import config, schedule, telling, websub
from feeder.app import App
from feeder.errors import Unheard
from feeder.headers import links
from feeder.life import ended
from feeder.opening import opened
from feeder.store.records import Listener

TIMEOUT = 30
KEEP = ["sh", "-c", 'cat >>told; echo "-- $FEEDER_OUTPUT" >>told']


# ---------------------------------------------------------------- a hub


class Hub:
    """A hub's side of the protocol, over sockets: it notes pings, and answers as it is told to."""

    def __init__(self) -> None:
        self.pings: list[list[tuple[str, str]]] = []
        self.types: list[str] = []
        self.answers: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hub?key=1"

    @property
    def topics(self) -> list[str]:
        return [value for ping in self.pings for name, value in ping if name == "hub.url"]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                found = re.search(r"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(found[1]) if found else 0)
                assert head.startswith("POST /hub?key=1 HTTP/1.1\r\n")
                self.types += re.findall(r"content-type: (\S+)", head.lower())
                self.pings.append(parse_qsl(body.decode()))
                said = self.answers.pop(0) if self.answers else b"HTTP/1.1 204 No Content\r\n\r\n"
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub, loop, is_up, is_over = Hub(), asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def main() -> None:
        talks: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talk = asyncio.create_task(hub.answer(reader, writer))
            talks.add(talk)
            talk.add_done_callback(talks.discard)

        listener = await asyncio.start_server(begin, "127.0.0.1", 0)
        hub.port = listener.sockets[0].getsockname()[1]
        is_up.set()
        await is_over.wait()
        listener.close()
        for talk in list(talks):
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    assert is_up.wait(TIMEOUT)
    yield hub
    loop.call_soon_threadsafe(is_over.set)
    thread.join(TIMEOUT)
    loop.close()


# ---------------------------------------------------------------- a newsroom


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def settle(desk: Desk, *, hub: str | None = None, command: list[str] | None = None, more: str = "") -> None:
    """Write a config with somebody who is told."""
    desk.settle('newsroom\ninterval = "1s"\nwatch = false', feeds='settle = "0s"')
    text = desk.config.read_text("utf-8").replace('listen = ""', 'listen = "127.0.0.1:0"')
    if command:
        text = text.replace(
            'output = "public"\n', f'output = "public"\nafter_publish = {json.dumps(command)}\n{more}\n'
        )
    desk.config.write_text(text + (f'[websub]\nhub = "{hub}"\n{more}\n' if hub else ""), "utf-8")


def told(desk: Desk) -> list[list[str]]:
    """Return the files that each run of the command was told of."""
    path = desk.folder / "told"
    text = path.read_text("utf-8") if path.exists() else ""
    return [part.splitlines() for part in text.split(f"-- {desk.folder / 'public'}\n")[:-1]]


@contextmanager
def daemon(desk: Desk) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run the daemon in a process of its own; yield its address and what stops it."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    log = (desk.folder / "log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "feeder", "-c", str(desk.config), "run"], stderr=log, stdout=log, cwd=desk.folder
    )

    def stop() -> None:
        process.terminate()
        assert process.wait(TIMEOUT) == 0

    try:
        before = len(logged(desk, "started"))
        until(lambda: len(logged(desk, "started")) > before or process.poll() is not None)
        yield logged(desk, "started")[-1]["address"], stop
    finally:
        process.kill()
        process.wait(TIMEOUT)
        log.close()


def logged(desk: Desk, *names: str) -> list[dict[str, str]]:
    lines = (desk.folder / "log").read_text("utf-8").splitlines()
    return [event for line in lines if line.startswith("{") and (event := json.loads(line))["event"] in names]


# ---------------------------------------------------------------- the command


def test_the_command_is_told_of_changed_and_removed_files_and_then_of_none(desk: Desk) -> None:
    settle(desk, command=KEEP)
    article = desk.write("newsroom/a.md")
    desk.write("newsroom/b.md", title="Ferry", more="categories: [Sea]")
    assert desk.run("once").code == 0
    assert desk.run("once").code == 0
    (first,) = told(desk)
    published = {str(path.relative_to(desk.folder / "public")) for path in (desk.folder / "public").rglob("*.*")}
    assert sorted(first) == first == sorted(published)
    article.unlink()
    assert desk.run("once", "--all").code == 0
    time.sleep(1.1)  # a file that is missing is looked for once more
    assert desk.run("once", "--all").code == 0
    _, second = told(desk)
    assert {"categories/city/rss.xml", "categories/city/roads/index.html", "feeds.json", "rss.xml"} <= set(second)
    assert not (desk.folder / "public/categories/city").exists()


def test_a_failing_command_is_logged_shown_and_told_again(desk: Desk) -> None:
    settle(desk, command=["sh", "-c", "echo no route; exit 23"])
    desk.write("newsroom/a.md")
    done = desk.program("-c", str(desk.config), "once")
    assert done.code == 0
    assert '"event": "telling_failed"' in done.err
    assert "news to after_publish" in desk.run("status").out
    assert desk.run("status", "--json").json["unpublished"] == [
        {"kind": "command", "what": "", "reason": "it ended with exit code 23: no route"}
        | {"since": desk.run("status", "--json").json["unpublished"][0]["since"]}
    ]
    assert '"event": "telling_failed"' not in desk.program("-c", str(desk.config), "once").err  # told once
    settle(desk, command=KEEP)
    assert '"event": "telling_mended"' in desk.program("-c", str(desk.config), "once").err
    assert "rss.xml" in told(desk)[0]
    assert desk.run("status", "--json").json["unpublished"] == []


def test_a_command_that_the_config_names_no_more_owes_nothing(desk: Desk) -> None:
    settle(desk, command=["false"])
    desk.write("newsroom/a.md")
    assert desk.run("once").code == 0
    settle(desk)
    assert desk.run("once").code == 0
    assert desk.run("status", "--json").json["unpublished"] == []
    settle(desk, command=KEEP)
    assert desk.run("once").code == 0
    assert told(desk) == []


def test_a_dry_run_tells_nobody(desk: Desk) -> None:
    settle(desk, command=KEEP)
    desk.write("newsroom/a.md")
    assert desk.run("once", "--dry-run").code == 0
    assert told(desk) == []


def test_a_run_that_dies_anywhere_leaves_nothing_untold(desk: Desk) -> None:
    settle(desk, command=["true"])
    few = desk.config.read_text("utf-8").replace('settle = "0s"', 'settle = "0s"\nentries = 2\nwindow = "0s"')
    desk.config.write_text(few, "utf-8")
    for number in range(6):
        desk.write(f"newsroom/{number}.md", title=f"Ferry {number}", more=f"categories: [Sea {number}]")
    for calls in count(1, 3):
        desk.write("newsroom/a.md", title=f"Bridge {calls}", date=f"2026-04-01T{calls % 24:02}:00:00Z")
        (desk.folder / f"newsroom/{calls % 6}.md").unlink(missing_ok=True)
        desk.write(f"newsroom/{(calls + 3) % 6}.md", title="Ferry", more=f"categories: [Sea {calls}]")
        before = desk.tree("public")
        is_dead = False
        with opened(config.load(desk.config), workers=1) as app:
            fuse(app, Fuse(calls))
            try:
                run(app, now())
            except Crash:
                is_dead = True
        with opened(config.load(desk.config), workers=1) as app:
            run(app, now())
            heard = app.store.news(Listener.COMMAND, 10_000)
            telling.note(app, Listener.COMMAND, heard, None, now())
        after = desk.tree("public")
        changed = {path for path in before | after if before.get(path) != after.get(path)}
        assert {path.removeprefix("public/") for path in changed} <= heard.keys(), calls
        if not is_dead:
            break
    assert calls > 100


def test_a_takedown_is_told_at_once(desk: Desk) -> None:
    settle(desk, command=KEEP)
    desk.write("newsroom/b.md", title="Ferry")
    article = desk.write("newsroom/a.md")
    desk.run("once")
    assert desk.run("remove", article).code == 0
    assert "rss.xml" in told(desk)[1]


def test_the_daemon_goes_on_publishing_while_the_command_runs_and_then_tells_all_of_the_rest_at_once(
    desk: Desk,
) -> None:
    settle(
        desk,
        command=["sh", "-c", 'while [ -e held ]; do sleep 0.05; done; cat >>told; echo "-- $FEEDER_OUTPUT" >>told'],
    )
    (desk.folder / "held").touch()
    feed = desk.folder / "public/rss.xml"
    with daemon(desk) as (_, stop):
        for title in ("One", "Two", "Three"):
            desk.write(f"newsroom/{title}.md", title=title)
            until(lambda title=title: feed.exists() and title in feed.read_text("utf-8"))  # type: ignore[misc]
        (desk.folder / "held").unlink()
        until(lambda: len(told(desk)) == 2)
        stop()
    assert [("rss.xml" in run) for run in told(desk)] == [True, True]


def test_a_command_that_hangs_does_not_hold_up_a_stop_and_is_run_again_at_the_next_start(desk: Desk) -> None:
    settle(desk, command=["sh", "-c", "touch begun; sleep 100"])
    desk.write("newsroom/a.md")
    with daemon(desk) as (_, stop):
        until((desk.folder / "begun").exists)
        stop()
    assert logged(desk, "stopped_at_once") == []
    settle(desk, command=KEEP)
    with daemon(desk) as (_, stop):
        until(lambda: told(desk))
        stop()
    assert "rss.xml" in told(desk)[0]


def test_the_daemon_tries_again_after_a_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "PAUSE", timedelta(milliseconds=50))
    settle(desk, command=["sh", "-c", "test -e well || exit 1; " + KEEP[2]])
    desk.write("newsroom/a.md")
    with opened(config.load(desk.config), workers=1) as app:
        asyncio.run(_until_told(app, desk))
    assert "rss.xml" in told(desk)[0]


def test_news_that_the_state_could_not_tell_at_first_are_told_though_nothing_else_changes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PAUSE", timedelta(milliseconds=50))
    settle(desk, command=KEEP)
    desk.write("newsroom/a.md")
    refusals = [None, None]

    async def do(_what: str, work: Callable[[], object]) -> object:
        return refusals.pop() if refusals else work()

    async def go_on(app: App) -> None:
        (teller,) = telling.tellers(app)
        task = asyncio.create_task(telling.go_on(teller, app, do, now, asyncio.Event()))  # type: ignore[arg-type]
        await _until(lambda: told(desk))
        await ended([task])

    with opened(config.load(desk.config), workers=1) as app:
        app.prepare(now())
        app.poll("newsroom", now())
        app.publish(now())
        asyncio.run(go_on(app))
    assert "rss.xml" in told(desk)[0]


async def _until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def _until_told(app: App, desk: Desk) -> None:
    app.prepare(now())
    app.poll("newsroom", now())
    app.publish(now())

    async def do(_what: str, work: Callable[[], object]) -> object:
        return work()

    (teller,) = telling.tellers(app)
    news = asyncio.Event()
    task = asyncio.create_task(telling.go_on(teller, app, do, now, news))  # type: ignore[arg-type]
    await _until(app.store.faults)
    (desk.folder / "well").touch()
    await _until(lambda: not app.store.faults())
    assert app.store.news(Listener.COMMAND, 10) == {}
    desk.write("newsroom/b.md", title="Ferry")
    app.poll("newsroom", now())
    assert app.publish(now()).written
    news.set()
    await _until(lambda: not app.store.news(Listener.COMMAND, 10))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# ---------------------------------------------------------------- the hub


def test_the_hub_is_pinged_fetches_the_feed_and_finds_itself_there(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url)
    desk.write("newsroom/a.md", more="categories: [Sea Air]")
    with daemon(desk) as (address, stop):
        until(lambda: len(hub.topics) == 6)
        assert all(ping[0] == ("hub.mode", "publish") and len(ping) == 2 for ping in hub.pings)
        assert set(hub.types) == {"application/x-www-form-urlencoded"}
        for topic in hub.topics:
            path = urlsplit(topic).path
            answer = ask(address, path)
            assert answer.body == (desk.folder / f"public{path}").read_bytes()
            assert set(links(answer.headers["link"], base=topic)) == {("hub", hub.url), ("self", topic)}
            assert hub.url.encode() in answer.body
            assert topic.encode() in answer.body
        assert "link" not in ask(address, "/").headers
        desk.write("newsroom/b.md", title="Ferry", more="categories: [Sky]")
        until(lambda: len(hub.topics) == 12)
        stop()
    assert {urlsplit(topic).path for topic in hub.topics[6:]} == {
        *("/atom.xml", "/rss.xml", "/feed.json"),
        *("/categories/sky/atom.xml", "/categories/sky/rss.xml", "/categories/sky/feed.json"),
    }


def test_a_hub_that_understands_it_is_told_of_many_feeds_at_once(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url, more="batch = 4")
    desk.write("newsroom/a.md")
    assert desk.run("once").code == 0
    assert [len(ping) for ping in hub.pings] == [5, 5, 2]


def test_a_hub_that_fails_is_logged_once_and_told_the_rest_later(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url)
    hub.answers = [b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"] * 2
    desk.write("newsroom/a.md")
    first, second, third = (desk.program("-c", str(desk.config), "once") for _ in range(3))
    assert "it answers 503" in first.err
    assert "telling_failed" not in second.err
    assert "telling_mended" in third.err
    assert len(set(hub.topics)) == 9


def test_a_feed_that_the_hub_declines_keeps_it_from_no_other_and_is_not_told_again(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url)
    hub.answers = [b"HTTP/1.1 400 Unknown topic\r\nContent-Length: 0\r\n\r\n"]
    desk.write("newsroom/a.md")
    assert desk.run("once").code == 0
    assert len(set(hub.topics)) == len(hub.topics) == 9
    (fault,) = desk.run("status", "--json").json["unpublished"]
    assert fault["reason"] == f"it answers 400 to {hub.topics[0]}"
    assert desk.run("once").code == 0
    assert len(hub.topics) == 9


def test_a_hub_that_declines_everything_is_told_again(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url)
    hub.answers = [b"HTTP/1.1 404 No hub\r\nContent-Length: 0\r\n\r\n"] * 9
    desk.write("newsroom/a.md")
    assert desk.run("once").code == 0
    assert desk.run("once").code == 0
    assert len(hub.topics) == 18
    assert desk.run("status", "--json").json["unpublished"] == []


def test_a_hub_that_is_not_there_harms_nobody(desk: Desk) -> None:
    settle(desk, hub="http://127.0.0.1:1/")
    desk.write("newsroom/a.md")
    assert desk.run("once").code == 0
    assert "news to the hub" in desk.run("status").out
    (fault,) = desk.run("status", "--json").json["unpublished"]
    assert fault["reason"].startswith("no answer: ")


def test_a_hub_that_redirects_is_not_followed(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url)
    hub.answers = [b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"]
    desk.write("newsroom/a.md")
    assert "it answers 307" in desk.program("-c", str(desk.config), "once").err


def test_a_hub_that_is_busy_says_how_long_to_wait(desk: Desk, hub: Hub) -> None:
    settle(desk, hub=hub.url)
    hub.answers = [b"HTTP/1.1 429 Slowly\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"]
    (desk.folder / "public").mkdir()
    (desk.folder / "public/rss.xml").touch()
    with pytest.raises(Unheard, match="it answers 429") as caught:
        asyncio.run(telling.Hub(config=config.load(desk.config)).tell(["rss.xml", "index.html", "gone/rss.xml"]))
    assert caught.value.wait == timedelta(seconds=7)
    assert hub.topics == ["https://feeds.example.org/rss.xml"]


def test_a_machine_without_room_for_a_list_is_no_end_of_telling(desk: Desk) -> None:
    settle(desk, hub="http://127.0.0.1:1/")

    class Full(telling.Hub):
        async def tell(self, paths: Collection[str]) -> None:
            raise OSError(28, "No space left on device", *paths)

    failure = asyncio.run(telling._attempt(Full(config=config.load(desk.config)), []))
    assert str(failure) == "No space left on device"


def test_only_feeds_that_are_no_archive_are_topics() -> None:
    paths = ("rss.xml", "a/新/atom.xml", "feed.json", "feeds.json", "index.html", "archive/1/atom.xml")
    assert list(filter(websub.is_topic, paths)) == ["rss.xml", "a/新/atom.xml", "feed.json"]


# ---------------------------------------------------------------- pauses


@given(
    failures=st.integers(1, 10_000), jitter=st.floats(0, 1), asked=st.none() | st.timedeltas(timedelta(), timedelta(1))
)
def test_pauses_grow_up_to_a_bound_but_are_as_long_as_was_asked(
    failures: int, jitter: float, asked: timedelta | None
) -> None:
    found = telling.pause(failures, jitter=jitter, asked=asked)
    assert telling.PAUSE <= found <= max(telling.LONGEST_PAUSE * 1.5, asked or timedelta())
    assert found >= (asked or timedelta())
    assert telling.pause(failures + 1, jitter=jitter) >= telling.pause(failures, jitter=jitter)


def test_the_daemon_has_tellers_only_for_those_who_are_named(desk: Desk) -> None:
    settle(desk)
    with opened(config.load(desk.config), workers=1) as app:
        assert list(telling.tellers(app)) == []
        assert schedule._Daemon(app, now)._news == []
