"""The file of the status, for monitors that read files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from structlog.testing import capture_logs

from feeder import config
from feeder.bulletin import Bulletin, path_of
from feeder.config import Config
from feeder.pipeline import booking

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
TIMEOUT = 20


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.settle("newsroom", "harbour")
    desk.write("newsroom/one.md")
    return desk


def read(desk: Desk) -> Any:
    return json.loads((desk.folder / "var/state.status.json").read_text("utf-8"))


def test_a_single_run_writes_how_everything_stands(desk: Desk) -> None:
    (desk.folder / "harbour").rmdir()
    assert desk.run("once").code == 3
    found = read(desk)
    assert [(each["name"], each["state"], each["failures"]) for each in found["sources"]] == [
        ("newsroom", "ok", 0),
        ("harbour", "failing", 1),
    ]
    assert "harbour" in found["sources"][1]["error"]
    assert found["counts"]["articles"] == 1
    assert (found["unpublished"], found["silent"]) == ([], [])
    known = desk.run("status", "--json").json
    assert [each["last_success"] for each in known["sources"]] == [each["last_success"] for each in found["sources"]]


def test_it_says_when_it_was_written_and_is_replaced_in_one_step(desk: Desk) -> None:
    desk.run("once")
    path = desk.folder / "var/state.status.json"
    with path.open() as old:
        Bulletin().write(config.load(desk.config), NOW)
        assert json.loads(old.read())["now"] != read(desk)["now"] == "2026-03-11T12:00:00Z"


def test_an_error_that_is_no_text_is_written_all_the_same(desk: Desk) -> None:
    with desk.daemon() as app:
        app.prepare(NOW)
        with app.store.transaction():
            app.store.finish_poll(
                "newsroom",
                now=NOW,
                due=booking.next_due(app.config.sources[0], None, app.parts, now=NOW, failures=1, jitter=0),
                error="\\udc80 漏",
            )
    Bulletin().write(config.load(desk.config), NOW)
    assert read(desk)["sources"][0]["error"].endswith("漏")


def test_that_it_cannot_be_written_is_told_once_and_when_that_is_over(desk: Desk) -> None:
    desk.run("once")
    settings, bulletin = config.load(desk.config), Bulletin()
    path = path_of(settings.local)
    path.unlink()
    path.mkdir()
    with capture_logs() as logs:
        for _ in range(3):
            bulletin.write(settings, NOW)
        path.rmdir()
        for _ in range(3):
            bulletin.write(settings, NOW)
    assert [line["event"] for line in logs] == ["status_failed", "status_mended"]


def test_it_is_written_again_and_again_as_the_config_of_that_time_says(desk: Desk) -> None:
    desk.run("once")
    loaded = config.load(desk.config)
    path = path_of(loaded.local)
    path.unlink()
    current: list[Config] = [replace(loaded, status_every=timedelta(milliseconds=10))]

    async def watch() -> None:
        going = asyncio.create_task(Bulletin().go_on(lambda: current[0], lambda: datetime.now(UTC)))
        seen: set[str] = set()
        async with asyncio.timeout(TIMEOUT):
            while len(seen) < 3:
                await asyncio.sleep(0.01)
                if path.exists():
                    seen.add(path.read_text("utf-8"))
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    asyncio.run(watch())


def test_there_is_none_if_none_is_wanted(desk: Desk) -> None:
    text = desk.config.read_text("utf-8").replace("[storage]", '[storage]\nstatus_every = "0s"')
    desk.config.write_text(text, "utf-8")
    assert desk.run("once").code == 0
    assert not path_of(config.load(desk.config).local).exists()
