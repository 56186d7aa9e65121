"""Asking the web for many sources at once, by command and by the daemon, with servers that do as they like."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import signal
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from remote import DAY, HOUR, NOON, Newsroom, document, item, rss, tar_gz
from servers import Asked, Server, answer, talking
from structlog.testing import capture_logs
from test_schedule import child, run
from waiting import until

from feeder import asking
from feeder.app import App
from feeder.asking import MANY, Asker, Backlog, nothing_known
from feeder.errors import StoreError
from feeder.fetch.web import Web
from feeder.model import Answer, Source
from feeder.pipeline.edition import Published
from feeder.pipeline.polling import Polled
from feeder.pipeline.receiving import Heard, Question

ADDRESSES = 101
UNIT = Path(__file__).parent.parent / "systemd" / "feeder.service"
STOP = int(UNIT.read_text("utf-8").partition("\nTimeoutStopSec=")[2].split()[0])  # seconds that systemd waits
OFTEN = 'interval = "1s"\nmin_interval = "1s"\n'
PAGE = b"<html><body><article><h2><a href='/a'>Bridge opens</a></h2><time>2026-03-10</time></article></body></html>"
SELECT = 'select = { item = "article" }\n'


@pytest.fixture(scope="module")
def web() -> Iterator[Server]:
    """One server of many addresses; each test has paths of its own on it."""
    with talking(addresses=ADDRESSES) as server:
        yield server


@pytest.fixture
def server(web: Server) -> Server:
    web.log.clear()
    web.speakers.clear()
    return web


def source(url: str, more: str = "", *, name: str = "lake") -> str:
    return f'{name}\nurl = "{url}"\n{more}'


def asked(room: Newsroom, *names: str, rounds: int = 1, web: Web | None = None) -> list[Heard]:
    """Ask for all of the sources at once, and so again."""

    async def work(app: App) -> list[Heard]:
        async with web or Web(spacing=0) as used:
            asker = Asker(app, used, Backlog())
            heard: list[Heard] = []
            for _ in range(rounds):
                heard += await asyncio.gather(
                    *(asker.ask(each, nothing_known) for each in app.questions(names).values())
                )
            return heard

    with room.opened() as app:
        return asyncio.run(work(app))


async def hang(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side has had enough."""
    while not writer.is_closing():
        await asyncio.sleep(0.05)
        writer.write(b"")
        await writer.drain()


# ---------------------------------------------------------------- what is counted


class Noted:
    """Notes how much was read of each source, and in how many seconds."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def polled(self, polled: Polled, seconds: float) -> None:
        self.sizes[polled.source] = polled.size
        self.seconds[polled.source] = seconds

    def published(self, published: Published, seconds: float) -> None:
        raise AssertionError((published, seconds))


def test_what_an_answer_weighs_and_how_long_it_was_waited_for_is_counted(room: Newsroom, server: Server) -> None:
    feed, tree = rss(item("A")), tar_gz({"a/one.md": document("One")})
    page = f'<link rel="alternate" type="application/rss+xml" href="{server.url}/w/feed">'.encode()
    for path, body in (("feed", feed), ("page", page), ("tree", tree), ("gone", b"")):
        server.put(f"/w/{path}", body, status=404 if path == "gone" else 200)
    names = ("feed", "page", "tree", "gone")
    room.settle(*(source(f"{server.url}/w/{name}", name=name) for name in names))
    heard = dict(zip(names, asked(room, *names), strict=True))
    noted = Noted()
    with room.opened() as app:
        app.prepare(NOON)
        app.observer = noted
        app.take(heard, NOON)
    assert noted.sizes == {"feed": len(feed), "page": len(feed), "tree": len(tree), "gone": 0}
    assert all(noted.seconds[name] > heard[name].seconds > 0 for name in names)


# ---------------------------------------------------------------- robots.txt


def test_pages_are_read_as_far_as_robots_txt_lets_us(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/open", SELECT), source(f"{server.url}/closed/a", SELECT, name="closed"))
    server.put("/robots.txt", b"User-agent: Feeder\nDisallow: /closed/\n")
    server.put("/open", PAGE)
    heard = asked(room, "lake", "closed", rounds=2)
    assert [bool(each.error) for each in heard] == [False, True, False, True]
    assert str(heard[1].error) == f"{server.url}/closed/a: its site's robots.txt asks robots not to read it"
    assert server.targets == ["/robots.txt", "/open", "/open"]


def test_feeds_are_meant_for_robots(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    server.put("/robots.txt", b"User-agent: *\nDisallow: /\n")
    server.put("/f", rss(item("A")))
    [heard] = asked(room, "lake")
    assert heard.received
    assert server.targets == ["/f"]


@pytest.mark.parametrize("status", [200, 401, 404])
def test_without_a_robots_txt_everything_may_be_read(room: Newsroom, server: Server, status: int) -> None:
    room.settle(source(f"{server.url}/p", SELECT))
    server.put("/robots.txt", status=status)
    server.put("/p", PAGE)
    assert [heard.error for heard in asked(room, "lake", rounds=2)] == [None, None]
    assert server.targets == ["/robots.txt", "/p", "/p"]


@pytest.mark.parametrize(
    "failing", [pytest.param(answer(status=503), id="fails"), pytest.param(b"nonsense", id="cannot-be-read")]
)
def test_a_robots_txt_that_could_not_be_had_is_asked_for_again_soon(
    room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch, failing: bytes
) -> None:
    room.settle(source(f"{server.url}/p", SELECT))
    server.say("/robots.txt", failing)
    assert all(heard.error for heard in asked(room, "lake", rounds=2))
    assert server.targets == ["/robots.txt"]
    monkeypatch.setattr(asking, "RULES_MISSED", timedelta())
    assert all(heard.error for heard in asked(room, "lake", rounds=2))
    assert server.targets == ["/robots.txt"] * 3


# ---------------------------------------------------------------- reading


def test_what_nobody_foresaw_is_a_failure_of_that_source(room: Newsroom, server: Server) -> None:
    class Broken(Web):
        async def get(self, source: Source, **options: Any) -> Answer:
            if source.name == "bad":
                raise RuntimeError("nobody foresaw it")
            return await super().get(source, **options)

    room.settle(source(f"{server.url}/f"), source(f"{server.url}/g", name="bad"))
    server.put("/f", rss(item("A")))
    with capture_logs() as logs:
        good, bad = asked(room, "lake", "bad", web=Broken(spacing=0))
    assert good.received
    assert str(bad.error) == f"{server.url}/g: cannot be asked: RuntimeError: nobody foresaw it"
    assert [line["source"] for line in logs if line["event"] == "poll_crashed"] == ["bad"]


def test_many_sources_are_read_in_processes(room: Newsroom, server: Server) -> None:
    names = [f"s{number}" for number in range(MANY + 1)]
    room.settle(*(source(server.at(number, "/f"), name=name) for number, name in enumerate(names)))
    server.put("/f", rss(item("A"), item("B")))
    with room.opened(workers=2) as app:
        polls = asking.poll(app, names, NOON)
        assert app.parts.workers.is_running
        app.publish(NOON)
    assert [polled.error for polled in polls] == [None] * len(names)
    assert sorted(room.titles()) == ["A", "B"]
    assert len(server.log) == len(names)


def test_nothing_is_asked_for_nobody(room: Newsroom) -> None:
    room.settle()
    with room.opened() as app:
        assert asking.poll(app, [], NOON) == ()


def test_a_process_that_is_killed_while_it_reads_costs_nothing(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    server.put("/f", rss(item("A")))
    with room.opened(workers=2) as app:
        app.parts.workers.start()
        app.parts.workers.submit(abs, -1).result()
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        [polled] = asking.poll(app, ["lake"], NOON)
        assert polled.error is None
        assert app.parts.workers.is_running
    assert not multiprocessing.active_children()


def test_what_is_read_while_the_processes_are_ended_is_read_here(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    server.put("/f", rss(item("A")))
    with room.opened(workers=2) as app:
        app.parts.workers.start()
        pool = app.parts.workers._pool
        assert pool
        pool.shutdown()
        [polled] = asking.poll(app, ["lake"], NOON)
        assert polled.error is None


def test_an_archive_that_cannot_be_unpacked_is_a_failure(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f", 'kind = "archive"'))
    server.put("/f", b"\x1f\x8b nonsense")
    [heard] = asked(room, "lake")
    assert heard.error
    assert heard.error.where == f"{server.url}/f"


# ---------------------------------------------------------------- the command


def test_once_tells_that_a_source_failed_and_publishes_the_others(room: Newsroom, server: Server) -> None:
    names = ("one", "two", "three")
    good = [source(server.at(number, f"/{name}"), name=name) for number, name in enumerate(names)]
    room.settle(*good, source(server.at(3, "/missing"), name="bad"))
    for name in names:
        server.put(f"/{name}", rss(item(name)))
    done = Desk(room.root).run("once", "--json")
    assert done.code == 3
    assert sorted(room.titles()) == ["one", "three", "two"]
    assert "404 Not Found" in done.out
    again = Desk(room.root).run("once")
    assert again.code == 0
    assert len(server.log) == 4


def test_a_rehearsal_asks_and_changes_nothing(room: Newsroom, server: Server) -> None:
    room.settle(source(server.at(0, "/f")), source(server.at(1, "/t"), name="tree"))
    server.put("/f", rss(item("A")), etag='"1"')
    server.put("/t", tar_gz({"b.md": document("B")}), etag='"1"')
    assert Desk(room.root).run("once").code == 0
    before = room.files()
    server.put("/t", tar_gz({"b.md": document("B"), "c.md": document("C")}), etag='"2"')
    done = Desk(room.root).run("once", "--all", "--dry-run")
    assert done.code == 0
    assert "atom.xml" in done.out
    assert room.files() == before
    assert not list((room.root / "archives").rglob("c.md"))


# ---------------------------------------------------------------- the daemon


def test_the_daemon_takes_what_comes_at_every_interval(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f", OFTEN))
    server.put("/f", rss(item("A")))

    def during(_: str) -> None:
        until(lambda: room.titles() == ["A"])
        server.put("/f", rss(item("A"), item("B", date=NOON + DAY)))
        until(lambda: room.titles() == ["B", "A"])

    with room.opened(workers=1) as app:
        run(app, during)


def test_fault_101_slow_sources_keep_nobody_waiting(room: Newsroom, server: Server) -> None:
    slow = [source(server.at(number, "/slow"), 'timeout = "60s"', name=f"slow{number}") for number in range(1, 101)]
    room.settle(*slow, source(server.at(0, "/good"), OFTEN))
    server.let("/slow", hang)
    server.put("/good", rss(item("A")))

    def during(_: str) -> None:
        until(lambda: server.targets.count("/slow") == len(slow))
        until(lambda: server.targets.count("/good") >= 4)
        assert room.titles() == ["A"]
        assert server.targets.count("/slow") == len(slow)

    with room.opened(workers=1) as app:
        run(app, during)


def test_fault_83_a_signal_ends_it_while_a_server_is_slow(room: Newsroom, server: Server) -> None:
    room.settle(source(server.at(0, "/slow"), name="slow"), source(server.at(1, "/drip"), name="drip"))
    server.let("/slow", hang)
    server.drip("/drip", b"HTTP/1.1 200 OK\r\n\r\n", b"<")
    with child(room) as (process, _):  # type: ignore[arg-type]
        until(lambda: len(server.log) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP) == 0


def test_fault_83_a_signal_ends_it_while_an_answer_is_read(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    unclear = rss(*(item(f"Story {number}", body="<p>Calm water.</p>" * 20) for number in range(5_000)))
    server.put("/f", unclear.replace(b"<channel>", b"<channel>&nbsp;<x>"))
    with child(room) as (process, _):  # type: ignore[arg-type]
        until(lambda: server.log and server.log[0].ended)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP) == 0
    server.put("/f", rss(item("A")))
    assert room.poll("lake").error is None


def test_fault_90_an_answer_that_the_state_cannot_take_is_not_asked_for_again(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    server.put("/f", rss(item("A")))
    with room.opened():
        pass

    def change(statement: str) -> None:
        with closing(sqlite3.connect(room.root / "state.db", timeout=30)) as connection, connection:
            connection.execute(statement)

    change("CREATE TRIGGER fault BEFORE UPDATE OF last_poll ON sources BEGIN SELECT RAISE(ABORT, 'no room'); END")

    def during(_: str) -> None:
        until(lambda: "work_failed" in [line["event"] for line in logs])
        change("DROP TRIGGER fault")
        until(lambda: room.titles() == ["A"])

    with room.opened(workers=1) as app, capture_logs() as logs:
        run(app, during)
    assert server.targets == ["/f"]
    assert [line["event"] for line in logs if line["event"].startswith("work_")] == ["work_failed", "work_mended"]


def test_an_answer_that_the_state_never_takes_does_not_keep_the_daemon(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    server.put("/f", rss(item("A")))
    with room.opened(workers=1) as app, capture_logs() as logs:
        app.store._db.connection.execute("CREATE TEMP TRIGGER f BEFORE UPDATE OF last_poll ON main.sources BEGIN SELECT RAISE(ABORT, 'no'); END")  # type: ignore[attr-defined]  # fmt: skip
        run(app, lambda _: until(lambda: "work_failed" in [line["event"] for line in logs]))
    assert room.poll("lake").error is None


def test_a_question_that_the_state_could_not_answer_is_put_again(room: Newsroom, server: Server) -> None:
    room.settle(source(f"{server.url}/f"))
    server.put("/f", rss(item("A")))
    questions: list[str] = []

    class Busy(App):
        def questions(self, names: Collection[str]) -> dict[str, Question]:
            questions.extend(names)
            if len(questions) == 1:
                raise StoreError("the state is locked")
            return App.questions(self, names)

    with room.opened(workers=1) as app:
        busy = Busy(config=app.config, parts=app.parts, archives=app.archives)
        run(busy, lambda _: until(lambda: room.titles() == ["A"]))
    assert questions == ["lake", "lake"]


def test_the_daemon_forgets_old_bodies(room: Newsroom, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeder.schedule.HOUSEKEEPING", timedelta(seconds=1))
    room.settle(source(f"{server.url}/f"), feeds='entries = 1\nwindow = "0s"')
    server.put("/f", rss(item("A"), item("B", date=NOON - DAY)))
    room.poll("lake")
    with room.opened() as app:
        app.prune(NOON)

    def documents() -> int:
        with closing(sqlite3.connect(room.root / "state.db", timeout=30)) as connection:
            return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])

    assert documents() == 2
    server.say("/f", b"")
    with room.opened(workers=1) as app:
        run(app, lambda _: until(lambda: documents() == 1))


def test_no_task_is_left_alone_with_its_error(room: Newsroom, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody asks for is told by the loop when it is thrown away."""
    room.settle(source(f"{server.url}/f", OFTEN))
    server.put("/f", b"")

    class Faulty(App):
        def take(self, *_: Any, **__: Any) -> Any:
            raise MemoryError

    with room.opened(workers=1) as app, capture_logs() as logs:
        faulty = Faulty(config=app.config, parts=app.parts, archives=app.archives)
        run(faulty, lambda _: until(lambda: "work_failed" in [line["event"] for line in logs]))
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


# ---------------------------------------------------------------- what is no news


def heard_of(app: App, names: Collection[str]) -> dict[str, Heard]:
    """Ask for all of the sources at once."""

    async def work() -> dict[str, Heard]:
        async with Web(spacing=0) as web:
            asker = Asker(app, web, Backlog())
            return {name: await asker.ask(question, nothing_known) for name, question in app.questions(names).items()}

    return asyncio.run(work())


def test_no_news_of_many_sources_costs_the_state_no_more_than_that_of_one(room: Newsroom, server: Server) -> None:
    names = [f"s{number}" for number in range(7)]
    for name in names:
        server.put(f"/q/{name}", rss(item(name)), etag='"1"')
    room.settle(*(source(f"{server.url}/q/{name}", 'interval = "auto"\n', name=name) for name in names))
    with room.opened() as app:
        app.prepare(NOON)
        app.take(heard_of(app, names), NOON)
        costs = []
        for count, later in ((1, HOUR), (7, 2 * HOUR)):
            statements: list[str] = []
            app.store.database.connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]
            polls = app.take(heard_of(app, names[:count]), NOON + later)
            app.store.database.connection.set_trace_callback(None)  # type: ignore[attr-defined]
            assert [(polled.source, polled.error) for polled in polls] == [(name, None) for name in names[:count]]
            costs.append(len([text for text in statements if not text.startswith("UPDATE")]))
        assert {state.last_success for state in app.store.sources()} == {NOON + 2 * HOUR}
    assert costs[0] == costs[1] < 8


def test_what_is_taken_together_goes_well_or_fails_alone(room: Newsroom, server: Server) -> None:
    names = ("same", "news", "bad", "gone")
    for name in names:
        server.put(f"/t/{name}", rss(item(f"{name} 1")), etag='"1"')
    room.settle(*(source(f"{server.url}/t/{name}", name=name) for name in names))
    with room.opened() as app:
        app.prepare(NOON)
        app.take(heard_of(app, names), NOON)
        server.put("/t/news", rss(item("news 2")), etag='"2"')
        server.put("/t/gone", status=500)
        heard = heard_of(app, names)
        assert [name for name in names if heard[name].received] == ["news"]
        said = heard["bad"].answer
        assert said
        wrong: Any = "soon"  # no answer is made like that
        heard["bad"] = replace(heard["bad"], answer=replace(said, fresh_for=wrong))
        with capture_logs() as logs:
            polls = app.take(heard, NOON + HOUR)
        assert [polled.source for polled in polls] == list(names)
        assert [bool(polled.error) for polled in polls] == [False, False, True, True]
        assert [line["source"] for line in logs if line["event"] == "poll_crashed"] == ["bad"]
        states = {state.name: state for state in app.store.sources()}
    assert {name: states[name].failures for name in names} == {"same": 0, "news": 0, "bad": 1, "gone": 1}
    assert {name: states[name].last_success for name in names} == {
        "same": NOON + HOUR,
        "news": NOON + HOUR,
        "bad": NOON,
        "gone": NOON,
    }
