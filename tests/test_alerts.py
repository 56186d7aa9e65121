"""Silence is told once when it begins and once when it ends, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from structlog.testing import capture_logs

from feeder import alerts, config
from feeder.app import App
from feeder.life import at_once
from feeder.opening import opened
from feeder.store.records import Alert, AlertKind, FaultKind

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TIMEOUT = 30
COMMAND = """
import json, os, sys
line = json.loads(sys.stdin.read())
line["variables"] = {name: text for name, text in os.environ.items() if name.startswith("FEEDER_")}
with open("told", "a") as file:
    file.write(json.dumps(line) + "\\n")
if os.path.exists("refuse"):
    sys.exit("not now")
"""


class Newsroom:
    """A desk whose days pass; each `day` is a run of its own, as after a restart."""

    def __init__(self, folder: Path, *, command: bool = True) -> None:
        self.desk = Desk(folder)
        self.command = command
        self.settle()
        self.desk.write("newsroom/one.md", date="2026-03-10T12:00:00Z", more="categories: [City, Roads]")

    def settle(self, *sources: str, categories: str = "") -> None:
        self.desk.settle(*(sources or ('newsroom\nalert_after = "2d"\ninterval = "1h"',)))
        (self.desk.folder / "page.py").write_text(COMMAND, "utf-8")
        words = json.dumps([sys.executable, "page.py"] if self.command else [])
        with self.desk.config.open("a") as file:
            file.write(f"{categories}\n[alerts]\ncommand = {words}\n")

    def day(self, now: datetime, *, poll: bool = True) -> list[Any]:
        """Poll and look after what is watched; return the events of silence."""
        settings = config.load(self.desk.config)
        with capture_logs() as logs, opened(settings, workers=0) as app:
            app.prepare(now)
            if poll:
                for source in settings.sources:
                    if source.enabled:
                        app.poll(source.name, now)
            self.done = attend(app, now)
            self.alerts = app.store.alerts()
            self.faults = app.store.faults()
        return [line for line in logs if line["event"].endswith(("_stale", "_fresh")) or "alert" in line["event"]]

    def told(self) -> list[tuple[str, str]]:
        return [(line["event"], line["subject"]) for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        path = self.desk.folder / "told"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def attend(app: App, now: datetime) -> bool:
    return asyncio.run(alerts.attend(app, at_once, lambda: now))


@pytest.fixture
def newsroom(tmp_path: Path) -> Newsroom:
    return Newsroom(tmp_path)


def test_a_source_that_falls_silent_is_told_once_and_once_when_it_is_heard_again(newsroom: Newsroom) -> None:
    assert newsroom.day(NOW) == []
    (stale,) = newsroom.day(NOW + 2 * DAY)
    assert stale == {
        "event": "source_stale",
        "log_level": "warning",
        "source": "newsroom",
        "cause": "silent",
        "error": None,
        "since": "2026-03-10T12:00:00+00:00",
        "allowed": 172800,
    }
    assert newsroom.day(NOW + 3 * DAY) == []
    newsroom.desk.write("newsroom/two.md", title="Ferry", date="2026-03-14T10:00:00Z")
    (fresh,) = newsroom.day(NOW + 3 * DAY)
    assert (fresh["event"], fresh["source"]) == ("source_fresh", "newsroom")
    assert newsroom.told() == [("source_stale", "newsroom"), ("source_fresh", "newsroom")]
    stale_line, fresh_line = newsroom.lines()
    assert stale_line["variables"] == {
        "FEEDER_EVENT": "source_stale",
        "FEEDER_KIND": "source",
        "FEEDER_SUBJECT": "newsroom",
        "FEEDER_CAUSE": "silent",
        "FEEDER_SINCE": "2026-03-10T12:00:00+00:00",
    }
    assert (fresh_line["cause"], fresh_line["since"], fresh_line["error"]) == (None, None, None)


def test_a_source_that_fails_says_why(newsroom: Newsroom) -> None:
    newsroom.day(NOW)
    shutil.rmtree(newsroom.desk.folder / "newsroom")
    assert newsroom.day(NOW + DAY) == []
    (stale,) = newsroom.day(NOW + 2 * DAY + timedelta(seconds=1))
    assert (stale["cause"], stale["since"]) == ("failing", "2026-03-11T12:00:00+00:00")
    assert "newsroom" in stale["error"]
    assert newsroom.lines()[0]["error"] == stale["error"] == newsroom.lines()[0]["variables"]["FEEDER_ERROR"]


def test_a_dead_channel_is_noticed_among_living_ones(newsroom: Newsroom) -> None:
    dead = '[categories."City/roads"]\nalert_after = "2d"\n[categories.City]\nalert_after = "auto"\n'
    newsroom.settle("newsroom", categories=dead)
    newsroom.day(NOW)
    newsroom.desk.write("newsroom/two.md", title="Ferry", date="2026-03-13T10:00:00Z", more="categories: [City, Sea]")
    (stale,) = newsroom.day(NOW + 2 * DAY)
    assert (stale["event"], stale["category"]) == ("category_stale", "City/roads")
    newsroom.desk.write("newsroom/three.md", title="Bus", date="2026-03-14T10:00:00Z")
    assert [line["event"] for line in newsroom.day(NOW + 3 * DAY)] == ["category_fresh"]
    assert newsroom.told() == [("category_stale", "City/roads"), ("category_fresh", "City/roads")]


def test_a_category_that_is_another_s_by_way_of_its_parent_is_watched_there(newsroom: Newsroom) -> None:
    newsroom.settle(
        "newsroom", categories='[categories.Town]\nsame_as = "City"\n[categories."Town/Roads"]\nalert_after = "2d"\n'
    )
    assert newsroom.day(NOW) == []
    assert [line["event"] for line in newsroom.day(NOW + 2 * DAY)] == ["category_stale"]


def test_a_command_that_fails_is_told_again_and_its_failure_logged_once(newsroom: Newsroom) -> None:
    refuse = newsroom.desk.put("refuse", "")
    newsroom.day(NOW)
    assert [line["event"] for line in newsroom.day(NOW + 2 * DAY)] == ["source_stale", "alert_failed"]
    assert not newsroom.done
    assert newsroom.day(NOW + 3 * DAY) == []
    refuse.unlink()
    assert [line["event"] for line in newsroom.day(NOW + 3 * DAY)] == ["alert_mended"]
    assert newsroom.done
    newsroom.day(NOW + 4 * DAY)
    assert newsroom.told() == [("source_stale", "newsroom")] * 3


def test_a_command_that_is_not_there_is_no_end(newsroom: Newsroom) -> None:
    newsroom.day(NOW)
    text = newsroom.desk.config.read_text("utf-8").replace(json.dumps(sys.executable), '"/nowhere/page"')
    newsroom.desk.config.write_text(text, "utf-8")
    (_, failed) = newsroom.day(NOW + 2 * DAY)
    assert failed["reason"] == "it cannot be started: No such file or directory"


def test_without_room_for_what_is_told_it_is_told_later(newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    newsroom.day(NOW)
    with monkeypatch.context() as crowded:
        crowded.setattr(tempfile, "tempdir", str(newsroom.desk.folder / "full"))
        (_, failed) = newsroom.day(NOW + 2 * DAY)
    assert failed["reason"] == "No such file or directory"
    newsroom.day(NOW + 2 * DAY)
    assert newsroom.told() == [("source_stale", "newsroom")]


def test_what_is_over_before_it_was_told_is_not_told(newsroom: Newsroom) -> None:
    refuse = newsroom.desk.put("refuse", "")
    newsroom.day(NOW)
    newsroom.day(NOW + 2 * DAY)
    refuse.unlink()
    newsroom.desk.write("newsroom/two.md", title="Ferry", date="2026-03-14T10:00:00Z")
    assert [line["event"] for line in newsroom.day(NOW + 3 * DAY)] == ["source_fresh", "alert_mended"]
    assert newsroom.told() == [("source_stale", "newsroom")]  # the attempt that failed
    assert newsroom.faults == ()


def test_a_command_that_failed_and_is_not_named_any_more_is_no_fault(newsroom: Newsroom) -> None:
    newsroom.desk.put("refuse", "")
    newsroom.day(NOW)
    newsroom.day(NOW + 2 * DAY)
    assert [fault.kind for fault in newsroom.faults] == [FaultKind.ALERT]
    newsroom.command = False
    newsroom.settle()
    assert [line["event"] for line in newsroom.day(NOW + 3 * DAY)] == ["alert_mended"]
    assert newsroom.faults == ()


def test_without_a_command_the_log_tells_it(tmp_path: Path) -> None:
    newsroom = Newsroom(tmp_path, command=False)
    newsroom.day(NOW)
    assert [line["event"] for line in newsroom.day(NOW + 2 * DAY)] == ["source_stale"]
    assert newsroom.day(NOW + 3 * DAY) == []
    newsroom.command = True  # it comes later: what is silent still is told
    newsroom.settle()
    assert newsroom.day(NOW + 3 * DAY) == []
    assert newsroom.told() == [("source_stale", "newsroom")]


def test_after_a_long_stop_nothing_is_told_before_the_next_poll(newsroom: Newsroom) -> None:
    newsroom.day(NOW)
    newsroom.desk.write("newsroom/two.md", title="Ferry", date="2026-03-20T10:00:00Z")
    assert newsroom.day(NOW + 10 * DAY, poll=False) == []
    assert newsroom.day(NOW + 10 * DAY) == []
    assert newsroom.told() == []


def test_a_source_that_is_paused_off_or_not_polled_yet_is_not_judged(newsroom: Newsroom) -> None:
    assert newsroom.day(NOW, poll=False) == []
    newsroom.day(NOW)
    assert newsroom.desk.run("pause", "newsroom").code == 0
    assert newsroom.day(NOW + 5 * DAY) == []
    newsroom.settle('newsroom\nenabled = false\nalert_after = "2d"')
    assert newsroom.day(NOW + 5 * DAY) == []
    assert newsroom.alerts == ()


def test_who_is_not_watched_any_more_is_forgotten(newsroom: Newsroom) -> None:
    newsroom.day(NOW)
    newsroom.day(NOW + 2 * DAY)
    newsroom.settle("newsroom")
    assert newsroom.day(NOW + 3 * DAY) == []
    assert newsroom.alerts == ()


def test_a_state_that_cannot_be_read_now_is_tried_again(newsroom: Newsroom) -> None:
    with opened(config.load(newsroom.desk.config), workers=0) as app:
        app.prepare(NOW)
        lost = app.config.local
        away = lost.rename(lost.with_name("away"))
        assert attend(app, NOW) is False
        away.rename(lost)
        assert attend(app, NOW) is True


def test_a_state_that_cannot_take_it_in_is_tried_again(newsroom: Newsroom) -> None:
    async def refuse(*_: object) -> None:
        return None

    with capture_logs() as logs, opened(config.load(newsroom.desk.config), workers=0) as app:
        app.prepare(NOW)
        assert asyncio.run(alerts.attend(app, refuse, lambda: NOW)) is False
        assert app.store.alerts() == ()
    assert not [line for line in logs if line["event"] == "source_stale"]


def test_an_error_that_no_environment_can_hold_is_told_all_the_same(newsroom: Newsroom) -> None:
    alert = Alert(kind=AlertKind.SOURCE, subject="newsroom", watched=NOW)
    finding = alerts.Finding(alert=alert, silence=None, error="nul \0 and \udc80 and " + "long " * 100_000)
    settings = config.load(newsroom.desk.config)
    assert asyncio.run(alerts._attempt(settings, finding)) is None
    (line,) = newsroom.lines()
    assert line["variables"]["FEEDER_ERROR"].startswith("nul   and ? and long")
    assert line["error"] == finding.error


def test_the_daemon_looks_again_and_again(newsroom: Newsroom) -> None:
    newsroom.day(NOW)
    noted = asyncio.Event()
    looks: list[datetime] = []

    def clock() -> datetime:
        looks.append(NOW if len(looks) < 3 else NOW + 2 * DAY)
        return looks[-1]

    assert go_on_until(noted, clock, newsroom) == ["source_stale"]
    assert len(looks) >= 4
    assert newsroom.told() == [("source_stale", "newsroom")]


def test_the_daemon_lets_a_command_that_fails_rest(newsroom: Newsroom) -> None:
    newsroom.desk.put("refuse", "")
    newsroom.day(NOW)
    assert go_on_until(asyncio.Event(), lambda: NOW + 2 * DAY, newsroom) == ["source_stale", "alert_failed"]
    assert len(newsroom.told()) == 1  # though it looks every millisecond


def go_on_until(noted: asyncio.Event, clock: Callable[[], datetime], newsroom: Newsroom) -> list[str]:
    """Look every millisecond until the command was told, or not, and a little longer; return the events."""

    async def do(what: str, work: Callable[[], Any], /) -> Any:
        result = work()
        if what == "note of an alert":
            noted.set()
        return result

    async def watch(app: App) -> None:
        going = asyncio.create_task(alerts.go_on(app, do, clock, every=timedelta(milliseconds=1)))
        async with asyncio.timeout(TIMEOUT):
            await noted.wait()
        await asyncio.sleep(0.1)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    with opened(config.load(newsroom.desk.config), workers=0) as app:
        app.prepare(NOW)
        app.poll("newsroom", NOW + 2 * DAY)
        with capture_logs() as logs:
            asyncio.run(watch(app))
    return [line["event"] for line in logs]


def test_a_single_run_tells_it_too_and_status_lists_it(newsroom: Newsroom) -> None:
    assert newsroom.desk.run("once").code == 0  # by the clock of today, the article is old or not yet there
    newsroom.settle(categories='[categories."No/Such"]\nalert_after = "1s"\n')
    now = datetime.now(UTC)
    newsroom.desk.write(
        "newsroom/old.md", title="Old", date=f"{now - 3 * DAY:%Y-%m-%dT%H:%M:%SZ}", more="categories: [No, Such]"
    )
    (newsroom.desk.folder / "newsroom" / "one.md").unlink()
    assert newsroom.desk.run("once", "--all").code == 0
    assert ("category_stale", "No/Such") in newsroom.told()
    shown = newsroom.desk.run("status")
    assert "No › Such" in shown.out
    silent = newsroom.desk.run("status", "--json").json["silent"]
    assert {"category", "source"} >= {each["kind"] for each in silent}
    assert ("No/Such", "silent") in {(each["what"], each["cause"]) for each in silent}
