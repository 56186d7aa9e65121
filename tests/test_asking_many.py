"""Many sources asked at once: each for itself, whatever the others meet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deadly import DeadlyWorkers
from remote import SITE
from servers import Server

from feeder import asking, config
from feeder.app import App
from feeder.asking import UNREAD, Asker, Backlog, nothing_known
from feeder.fetch.web import Web
from feeder.model import Verdict
from feeder.opening import opened
from feeder.pipeline.answers import receive
from feeder.pipeline.receiving import Heard

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DEFAULTS = """\
[defaults]
min_interval = "1s"
allow_private = ["127.0.0.0/8"]
"""


def feed(*titles: str) -> bytes:
    items = "".join(f"<item><title>{title}</title><link>https://e.example/{title}</link></item>" for title in titles)
    return f'<rss version="2.0"><channel><title>E</title>{items}</channel></rss>'.encode()


@contextmanager
def asked(folder: Path, *urls: str, workers: int = 1) -> Iterator[App]:
    tables = (f'[[source]]\nname = "s{number}"\nurl = "{url}"\n' for number, url in enumerate(urls))
    (folder / "config.toml").write_text(SITE.format(feeds="") + DEFAULTS + "".join(tables), "utf-8")
    with opened(config.load(folder / "config.toml"), workers=workers) as app:
        app.prepare(NOW)
        yield app


def heard(app: App, name: str) -> Heard:
    """Return what one source answers now."""

    async def recall(known: str) -> frozenset[bytes]:
        return app.known(known)

    async def ask() -> Heard:
        async with asking.asker(app) as one:
            return await one.ask(app.questions([name])[name], recall)

    return asyncio.run(ask())


def test_those_that_fail_take_nothing_from_those_that_answer(tmp_path: Path, server: Server) -> None:
    nobody = [f"http://127.0.0.{number}:9/feed" for number in range(2, 30)]
    with asked(tmp_path, *nobody, server.put("/feed", feed("One")), workers=2) as app:
        polls = asking.poll(app, [source.name for source in app.config.sources], NOW)
        assert len(polls) == 29
        assert sorted(polled.source for polled in polls if not polled.error) == ["s28"]
        assert app.store.counts()["articles"] == 1


def test_an_answer_that_cannot_be_taken_costs_the_others_nothing(tmp_path: Path, server: Server) -> None:
    with asked(tmp_path, server.put("/a", feed("One")), "http://127.0.0.2:9/feed") as app:
        good, bad = heard(app, "s0"), heard(app, "s1")
        broken = Heard(answer=good.answer, digest="0", received="?")  # type: ignore[arg-type]  # as no reader returns it
        polls = {polled.source: polled for polled in app.take({"s1": broken, "s0": good}, NOW)}
        assert polls["s1"].error
        assert polls["s0"].verdicts[Verdict.NEW] == 1
        assert app.take({"s1": bad}, NOW)[0].before == polls["s1"].error
        assert app.store.source("s1").failures == 2


def test_the_answer_for_a_source_that_left_the_config_meanwhile_is_let_go(tmp_path: Path, server: Server) -> None:
    with asked(tmp_path, server.put("/a", feed("One")), server.put("/b", feed("Two"))) as app:
        answers = {name: heard(app, name) for name in ("s0", "s1")}
        text = app.config.path.read_text("utf-8")
        app.config.path.write_text(text[: text.index('[[source]]\nname = "s1"')], "utf-8")
        assert app.take_over(app.reconfigured()) == {"s1"}
        app.prepare(NOW)
        assert [polled.source for polled in app.take(answers, NOW)] == ["s0"]
        assert app.store.counts()["articles"] == 1


def test_items_that_are_known_are_not_read_again(tmp_path: Path, server: Server) -> None:
    with asked(tmp_path, server.put("/feed", feed("One", "Two"))) as app:
        app.take({"s0": heard(app, "s0")}, NOW)
        server.put("/feed", feed("Three", "Two, anew", "One"))
        again = heard(app, "s0")
        assert again.received is not None
        assert [bool(reading.article) for reading in again.received.readings] == [True, True, False]
        (polled,) = app.take({"s0": again}, NOW)
        assert polled.places == 3
        assert app.store.counts()["articles"] == 4


def test_a_body_is_let_go_of_once_it_was_read(tmp_path: Path, server: Server) -> None:
    with asked(tmp_path, server.put("/feed", feed("One"))) as app:
        answer = heard(app, "s0").answer
        assert answer is not None
        assert answer.body == b""


def test_an_answer_that_kills_its_readers_fails_its_source_alone(tmp_path: Path, server: Server) -> None:
    urls = (server.put("/good", feed("One")), server.put("/bad", feed("deadly")))
    with asked(tmp_path, *urls, workers=2) as app:
        app.parts = replace(app.parts, workers=DeadlyWorkers(receive))
        app.parts.workers.start()
        assert "killed" in str(heard(app, "s1").error)
        assert heard(app, "s0").received


def test_what_nobody_foresaw_is_an_error_of_one_source(tmp_path: Path) -> None:
    with asked(tmp_path, "http://127.0.0.2:9/feed") as app:

        async def ask() -> Heard:
            one = Asker(app, None, Backlog())  # type: ignore[arg-type]  # there is no web at all
            return await one.ask(app.questions(["s0"])["s0"], nothing_known)

        assert "cannot be asked" in str(asyncio.run(ask()).error)


def test_nothing_more_is_asked_for_while_much_is_to_be_read(tmp_path: Path, server: Server) -> None:
    async def ask() -> tuple[int, int]:
        backlog = Backlog()
        async with Web(room=backlog.room, spacing=0) as web:
            async with backlog.reading(UNREAD):
                task = asyncio.create_task(web.get(app.config.sources[0]))
                await asyncio.sleep(0.2)
                before = len(server.log)
            await task
            return before, len(server.log)

    with asked(tmp_path, server.put("/feed", feed("One"))) as app:
        assert asyncio.run(ask()) == (0, 1)


def test_sources_of_one_host_do_not_stand_before_those_of_others(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BEGUN", 2)
    row = [server.put(f"/{number}", feed(f"Row {number}")) for number in range(3)]
    others = [f"http://127.0.0.{number}:9/feed" for number in range(2, 6)]
    with asked(tmp_path, *row, *others) as app:
        polls = asking.poll(app, [source.name for source in app.config.sources], NOW)
    last = [polled.source for polled in polls].index("s1")
    assert {polled.source for polled in polls[:last]} >= {"s0", "s3", "s4", "s5", "s6"}
    assert {polled.source for polled in polls if not polled.error} == {"s0", "s1", "s2"}
