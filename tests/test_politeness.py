"""How servers see us: a real server's log of what it was asked, over days that pass in seconds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from servers import Asked, Server, answer, talking

from feeder import asking, config, schedule
from feeder.app import App
from feeder.opening import opened

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CONTACT = "https://feeds.example.org/"
SITE = f'[site]\ntitle = "Example"\nurl = "{CONTACT}"\nid = "feeds.example.org,2026"\n'
PLACES = '[storage]\nstate = "sqlite:///state.db"\noutput = "public"\n[server]\nlisten = ""\n'
DEFAULTS = '[defaults]\ninterval = "10m"\nallow_private = ["127.0.0.0/8"]\n'
ETAG = "W/\"a, b; 'c' %20\""  # nobody but its server understands it
MODIFIED = "Tue, 10-Mar-26 11:00:00 EST"  # no date as RFC 9110 has it
SPEED = 600  # seconds of the daemon's clock in one of ours


def feed(*titles: str, more: str = "") -> bytes:
    items = "".join(f"<item><title>{title}</title><link>https://e.example/{title}</link></item>" for title in titles)
    return f'<rss version="2.0"><channel><title>E</title>{more}{items}</channel></rss>'.encode()


@dataclass(slots=True)
class World:
    """Sources with URLs at one server, and a clock that is put forward."""

    folder: Path
    server: Server
    now: datetime = START
    asked: list[tuple[datetime, Asked]] = field(default_factory=list)

    def settle(self, *urls: str, more: str = "") -> None:
        """Write the config: a source for each URL."""
        tables = (f'[[source]]\nname = "s{number}"\nurl = "{url}"\n{more}\n' for number, url in enumerate(urls))
        (self.folder / "config.toml").write_text(SITE + PLACES + DEFAULTS + "".join(tables), "utf-8")

    @contextmanager
    def opened(self) -> Iterator[App]:
        with opened(config.load(self.folder / "config.toml"), workers=1) as app:
            yield app

    def live(self, length: timedelta, *, step: timedelta = MINUTE) -> None:
        """Poll what is due, again and again, without a restart."""
        end = self.now + length
        with self.opened() as app:
            app.prepare(self.now)
            while self.now < end:
                before = len(self.server.log)
                asking.poll(app, app.claim_due(self.now), self.now)
                self.asked += [(self.now, each) for each in self.server.log[before:]]
                self.now += step

    def times(self, target: str) -> list[datetime]:
        return [at for at, each in self.asked if each.target == target]

    def gaps(self, target: str) -> list[timedelta]:
        return [after - before for before, after in pairwise(self.times(target))]


def run(app: App, clock: Callable[[], datetime], *, until: Callable[[], bool]) -> None:
    """Run the daemon until something is so."""

    async def end() -> None:
        while not until():  # noqa: ASYNC110 - nobody tells when it is so
            await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    tasks: list[asyncio.Task[None]] = []
    schedule.run(app, clock=clock, ready=lambda _: tasks.append(asyncio.create_task(end())))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with talking() as server:
        yield World(tmp_path, server)


# ---------------------------------------------------------------- what is asked


def test_validators_go_back_byte_for_byte(world: World) -> None:
    world.settle(world.server.put("/feed", feed("One"), ETag=ETAG, Last_Modified=MODIFIED))
    world.live(HOUR)
    _, *again = (each for _, each in world.asked)
    assert len(again) >= 4
    assert {each.headers["if-none-match"] for each in again} == {ETAG}
    assert {each.headers["if-modified-since"] for each in again} == {MODIFIED}


def test_not_modified_keeps_the_validators_that_it_does_not_repeat(world: World) -> None:
    async def speak(asked: Asked, writer: asyncio.StreamWriter) -> None:
        is_known = asked.headers.get("if-none-match") == ETAG
        writer.write(answer(status=304) if is_known else answer(feed("One"), ETag=ETAG))

    world.settle(world.server.let("/feed", speak))
    world.live(HOUR)
    assert [each.headers.get("if-none-match") for _, each in world.asked][:4] == [None, ETAG, ETAG, ETAG]


def test_a_request_says_who_asks_and_nothing_else_about_us(world: World) -> None:
    world.server.put("/new", feed("One"), Set_Cookie="id=1")
    world.settle(world.server.put("/feed", status=302, Location="/new", Set_Cookie="id=2; Path=/"))
    world.live(3 * HOUR)
    assert {each.target for _, each in world.asked} == {"/feed", "/new"}
    for _, each in world.asked:
        assert each.headers["user-agent"].startswith("Feeder/")
        assert f"(+{CONTACT})" in each.headers["user-agent"]
        assert each.headers.keys().isdisjoint({"cookie", "referer", "authorization", "from"})
        assert "gzip" in each.headers["accept-encoding"]


def test_a_host_is_asked_one_thing_at_a_time_with_a_rest_in_between(world: World) -> None:
    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(answer(feed("One")))

    world.settle(*(world.server.let(f"/{name}", speak) for name in "abc"))
    world.live(MINUTE)
    log = sorted(world.server.log, key=lambda asked: asked.began)
    assert len(log) == 3
    for before, after in pairwise(log):
        assert before.ended is not None
        assert after.began - before.ended > 0.9


# ---------------------------------------------------------------- when


def test_the_minimum_interval_holds_across_restarts(world: World) -> None:
    world.settle(world.server.put("/feed", feed("One"), ETag=ETAG), more='interval = "1m"')
    for _ in range(30):
        world.live(MINUTE)
    assert world.times("/feed") == [START, START + 10 * MINUTE, START + 20 * MINUTE]


@pytest.mark.parametrize(
    ("headers", "more", "least"),
    [
        pytest.param({}, "", HOUR, id="no-validators"),
        pytest.param({"ETag": ETAG, "Cache_Control": "public, max-age=7200"}, "", 2 * HOUR, id="max-age"),
        pytest.param(
            {"Last_Modified": MODIFIED}
            | {"Date": "Tue, 10 Mar 2026 12:00:00 GMT", "Expires": "Tue, 10 Mar 2026 14:00:00 GMT"},
            "",
            2 * HOUR,
            id="expires",
        ),
        pytest.param({"ETag": ETAG}, "<ttl>180</ttl>", 3 * HOUR, id="ttl"),
    ],
)
def test_a_server_is_asked_as_rarely_as_it_wants(
    world: World, headers: dict[str, Any], more: str, least: timedelta
) -> None:
    world.settle(world.server.put("/feed", feed("One", more=more), **headers))
    world.live(10 * HOUR, step=10 * MINUTE)
    assert world.gaps("/feed")
    assert set(world.gaps("/feed")) == {least}


def test_hours_that_a_feed_skips_are_left_out(world: World) -> None:
    hours = "".join(f"<hour>{hour}</hour>" for hour in range(13, 24))
    body = feed("One", more=f"<skipHours>{hours}</skipHours>")
    world.settle(world.server.put("/feed", body, ETag=ETAG))
    world.live(DAY + HOUR, step=10 * MINUTE)
    asked = world.times("/feed")
    assert len(asked) > 24
    assert {at.hour for at in asked} <= {*range(13)}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "until",
    [
        pytest.param({"Retry_After": "10800"}, id="seconds"),
        pytest.param(
            {"Date": "Tue, 10 Mar 2026 12:00:00 GMT", "Retry_After": "Tue, 10 Mar 2026 15:00:00 GMT"}, id="date"
        ),
    ],
)
def test_nobody_comes_back_before_retry_after(world: World, status: int, until: dict[str, Any]) -> None:
    world.settle(world.server.put("/feed", status=status, **until))
    world.live(2 * HOUR)
    world.live(3 * HOUR)  # after a restart
    assert world.times("/feed") == [START, START + 3 * HOUR]


def test_a_server_that_fails_is_asked_less_and_less_but_never_given_up(world: World) -> None:
    world.settle(world.server.put("/feed", status=500))
    world.live(12 * DAY, step=10 * MINUTE)
    gaps = world.gaps("/feed")
    assert gaps == sorted(gaps)
    assert gaps[:3] == [20 * MINUTE, 40 * MINUTE, 80 * MINUTE]
    assert gaps[-3:] == [DAY] * 3


def test_a_server_that_recovers_is_asked_as_before(world: World) -> None:
    world.settle(world.server.put("/feed", status=500))
    world.live(3 * HOUR)
    failed = len(world.asked)
    world.server.put("/feed", feed("One"), ETag=ETAG)
    world.live(6 * HOUR)
    assert world.gaps("/feed")[failed:][-3:] == [10 * MINUTE] * 3


# ---------------------------------------------------------------- where


def test_a_permanent_redirect_is_remembered_when_it_was_seen_twice(world: World) -> None:
    world.server.put("/new", feed("One"), ETag=ETAG)
    world.server.put("/newer", status=308, Location="/new")
    world.settle(world.server.put("/feed", status=301, Location="/newer"))
    world.live(HOUR)
    targets = [each.target for _, each in world.asked]
    assert targets[:6] == ["/feed", "/newer", "/new"] * 2
    assert set(targets[6:]) == {"/new"}
    assert len(targets) >= 8


def test_a_temporary_redirect_is_followed_every_time(world: World) -> None:
    world.server.put("/new", feed("One"), ETag=ETAG)
    world.settle(world.server.put("/feed", status=307, Location="/new"))
    world.live(40 * MINUTE)
    assert [each.target for _, each in world.asked] == ["/feed", "/new"] * 4


def test_what_is_gone_is_not_asked_for_again(world: World) -> None:
    world.settle(world.server.put("/feed", status=410))
    world.live(20 * DAY, step=HOUR)
    world.live(20 * DAY, step=HOUR)  # after a restart
    assert world.times("/feed") == [START]


PAGE = b'<html><body><div class="story"><h2><a href="/one">One</a></h2></div></body></html>'
SELECT = '[source.select]\nitem = ".story"\n'


@pytest.mark.parametrize(
    ("rules", "is_allowed"),
    [
        pytest.param(b"User-agent: *\nDisallow: /page\n", False, id="everybody"),
        pytest.param(b"User-agent: Feeder\nDisallow: /\n", False, id="us"),
        pytest.param(b"User-agent: other\nDisallow: /\n", True, id="others"),
    ],
)
def test_robots_are_kept_from_pages_where_a_site_wants_it(world: World, rules: bytes, *, is_allowed: bool) -> None:
    world.server.put("/robots.txt", rules)
    world.settle(world.server.put("/page", PAGE, content_type="text/html"), more=SELECT)
    world.live(2 * HOUR, step=10 * MINUTE)
    assert bool(world.times("/page")) == is_allowed
    assert world.times("/robots.txt")


def test_feeds_are_meant_for_robots(world: World) -> None:
    world.server.put("/robots.txt", b"User-agent: *\nDisallow: /\n")
    world.settle(world.server.put("/feed", feed("One")))
    world.live(2 * HOUR)
    assert {each.target for _, each in world.asked} == {"/feed"}


# ---------------------------------------------------------------- the daemon


def test_a_daemon_asks_no_sooner_than_it_may(world: World) -> None:
    world.settle(world.server.put("/feed", feed("One"), ETag=ETAG))
    begun = time.monotonic()

    def clock() -> datetime:
        return START + timedelta(seconds=(time.monotonic() - begun) * SPEED)

    with world.opened() as app:
        run(app, clock, until=lambda: len(world.server.log) >= 3)
    begins = [asked.began for asked in world.server.log]
    # The time of a poll is that of its answer, and the state counts whole seconds.
    assert all(after - before >= 599 / SPEED for before, after in pairwise(begins))


def test_sources_that_begin_together_do_not_stay_together(world: World) -> None:
    nobody = (f"http://127.0.0.{number}:9/feed" for number in range(2, 14))
    world.settle(*nobody, more='interval = "1d"\nmax_interval = "2d"')

    with world.opened() as app:
        run(app, lambda: START, until=lambda: all(state.error for state in app.store.sources()))
        dues = [state.next_poll for state in app.store.sources()]
    assert len(set(dues)) > 6
    assert max(dues) - min(dues) < 5 * HOUR
