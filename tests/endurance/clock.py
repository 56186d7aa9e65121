"""A daemon whose clock is set, forward and back, beneath it, while it sleeps and while it is dead.

libfaketime (Debian's package faketime) stands between the daemon and the clock of the machine, whose other clocks go on: as
it is when somebody sets the time, when it is corrected over the network, or when a computer wakes up.

    python -m tests.endurance.clock --steps 30 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from lxml import etree
from web import Web, serving

PATIENCE = 90  # seconds, on a slow machine
WATCHDOG = 30  # seconds without a sign of life after which a service manager would restart the daemon
INTERVAL = 2  # seconds, of the sources that are polled often
REST = 3 * INTERVAL + 1  # seconds in which a burst would show
HOUR = timedelta(hours=1)
SOON = timedelta(minutes=50)  # an article that is held for so long enters when the clock is set forward
SUFFERED = 30.0  # seconds by which the answer of a server may be dated otherwise than we believe it is

# As its command starts it, but that it looks for silence as often as a trial needs it.
DAEMON = """
import sys
from datetime import timedelta
from feeder import alerts
from feeder.cli import main
alerts.go_on.__kwdefaults__["every"] = timedelta(seconds=1)
main(["run", "-c", sys.argv[1]])
"""
SITE = """\
[site]
title = "Clocks"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[feeds]
settle = "0s"
entries = 500
[storage]
state = "sqlite:///state.db"
output = "public"
status_every = "1s"
[server]
listen = "127.0.0.1:0"
[alerts]
command = ["sh", "-c", "cat >> {root}/alarm"]
[defaults]
future = "hold"
alert_after = "100m"
[[source]]
name = "often"
path = "often"
interval = "{interval}s"
watch = false
[[source]]
name = "watched"
path = "watched"
interval = "1h"
watch = true
[[source]]
name = "often asked"
url = "{web}/often.xml"
interval = "{interval}s"
min_interval = "0s"
allow_private = ["127.0.0.0/8"]
[[source]]
name = "asked by the hour"
url = "{web}/hourly.xml"
interval = "1h"
alert_after = "6h"  # what it tells is known an hour later, and steps may add up meanwhile
min_interval = "0s"
allow_private = ["127.0.0.0/8"]
"""
ITEM = "<item><guid isPermaLink='false'>{title}</guid><title>{title}</title><pubDate>{date}</pubDate></item>"
CHANNEL = (
    "<rss version='2.0'><channel><title>Web</title><link>https://web.example/</link><description/>{}</channel></rss>"
)


# ---------------------------------------------------------------- a clock


@dataclass(slots=True, kw_only=True)
class Clock:
    """What the daemon takes for the time of day: ours, and so much more."""

    file: Path
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """Return the daemon's time."""
        return datetime.now(UTC) + self.ahead

    def leap(self, by: timedelta) -> None:
        """Set the clock."""
        self.ahead += by
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.ahead.total_seconds():+.0f}\n", "utf-8")
        new.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to go by this clock. It is to see the times of files as they are."""
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        assert library, "libfaketime is missing; install Debian's package faketime"
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


# ---------------------------------------------------------------- what happens around the daemon


@dataclass(slots=True, kw_only=True)
class Agency:
    """Feeds on the web, and when they were asked for."""

    web: Web
    clock: Clock
    asked: dict[str, list[float]] = field(default_factory=lambda: {"often": [], "hourly": []})
    titles: list[tuple[str, datetime]] = field(default_factory=list)
    is_slow: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        for name in self.asked:
            self.web.let(f"/{name}.xml", lambda request, name=name: self._answer(request, name))  # type: ignore[misc]

    def _answer(self, request: BaseHTTPRequestHandler, name: str) -> None:
        self.asked[name].append(time.monotonic())
        if self.is_slow.is_set():
            time.sleep(INTERVAL)
        items = (ITEM.format(title=title, date=f"{date:%d %b %Y %H:%M:%S} GMT") for title, date in self.titles)
        body = CHANNEL.format("".join(items) if name == "often" else "").encode()
        etag = f'"{len(body)}"'
        is_known = request.headers.get("If-None-Match") == etag
        request.send_response_only(304 if is_known else 200)
        request.send_header("Date", f"{self.clock.now():%a, %d %b %Y %H:%M:%S} GMT")
        request.send_header("ETag", etag)
        request.send_header("Content-Length", "0" if is_known else str(len(body)))
        request.end_headers()
        request.wfile.write(b"" if is_known else body)


@dataclass(slots=True, kw_only=True)
class Manager:
    """A service manager, which would restart a daemon that gives no sign of life."""

    listening: socket.socket
    signs: list[float] = field(default_factory=list)

    def go_on(self) -> None:
        """Take down when signs came, until the socket is closed; for a thread of its own."""
        with suppress(OSError):
            while told := self.listening.recv(4096):
                if b"WATCHDOG=1" in told:
                    self.signs.append(time.monotonic())

    def longest_silence(self, since: float) -> float:
        """Return the longest time without a sign, up to now."""
        times = [since, *(sign for sign in self.signs.copy() if sign > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))


# ---------------------------------------------------------------- the trial


@dataclass(slots=True, kw_only=True)
class Trial:
    """A daemon whose clock leaps, and what must be so whenever it has."""

    root: Path
    clock: Clock
    agency: Agency
    manager: Manager
    random: Random
    process: subprocess.Popen[bytes] | None = None
    steps: int = 0
    backwards: int = 0
    checks: int = 0
    _updated: dict[str, str] = field(default_factory=dict)  # what each entry said when it was first seen
    _born: float = 0

    @property
    def alarm(self) -> Path:
        """What was told to the operator."""
        return self.root / "alarm"

    # ------------------------------------------------------------ its life

    def start(self) -> None:
        """Start the daemon, and wait until it serves what there is."""
        environment = {
            **os.environ,
            **self.clock.environment,
            "NOTIFY_SOCKET": str(self.root / "notify"),
            "WATCHDOG_USEC": str(WATCHDOG * 1_000_000),
        }
        self._born = time.monotonic()
        (self.root / "log").open("a").close()
        begins = (self.root / "log").stat().st_size
        with (self.root / "log").open("ab") as log:
            command = [sys.executable, "-c", DAEMON, str(self.root / "config.toml")]
            self.process = subprocess.Popen(command, stderr=log, env=environment, start_new_session=True)
        self.until(lambda: any(line["event"] == "started" for line in self.told(begins)), "it starts")
        self.look("it works from the start")

    def stop(self) -> None:
        """Stop it as one does."""
        assert self.process
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        """Kill it with all that it started."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def told(self, begins: int = 0) -> list[dict[str, str]]:
        """Return what it logged, from some place on."""
        body = (self.root / "log").read_bytes()[begins:]
        return [json.loads(line) for line in body.splitlines(keepends=True) if line.endswith(b"}\n")]

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until *is_so*, and fail if it never is."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, f"it never came so far that {what}"
            assert self.process is not None
            assert self.process.poll() is None, "it ended by itself"
            time.sleep(0.05)

    # ------------------------------------------------------------ steps

    def forward(self, by: timedelta = HOUR) -> None:
        """Set the clock forward: what is due by then is done once, and what was held until then is shown."""
        held = self._write("often", ahead=by * (SOON / HOUR))
        self.until(lambda: self._has_polled("often"), "what is held has been read")
        assert held not in self._titles()
        self._leap(by)
        self.until(lambda: held in self._titles(), f"{held}, which was held, is shown")
        self.look(f"forward {by}")

    def back(self, by: timedelta = HOUR) -> None:
        """Set the clock back: nothing waits until it is again what it was."""
        self._leap(-by)
        self.backwards += 1
        self.until(lambda: self._count("clock_set_back") >= self.backwards, "it sees that the clock was set back")
        self.look(f"back {by}")

    def back_while_asking(self, by: timedelta = HOUR) -> None:
        """Set the clock back while a server has been asked and has not answered yet."""
        self.agency.is_slow.set()
        number = len(self.agency.asked["often"])
        self.until(lambda: len(self.agency.asked["often"]) > number, "it asks")
        self.agency.is_slow.clear()
        self.back(by)

    def sleep(self, by: timedelta = HOUR) -> None:
        """Stop the daemon as a computer does that goes to sleep, and let it wake up later."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGSTOP)
        self._leap(by)
        time.sleep(1)
        os.killpg(self.process.pid, signal.SIGCONT)
        self.look(f"slept for {by}")

    def dead(self, by: timedelta) -> None:
        """Kill it while it holds leases, and start it by another time."""
        self.agency.is_slow.set()
        number = len(self.agency.asked["often"])
        self.until(lambda: len(self.agency.asked["often"]) > number, "it asks")
        self.kill()
        self.agency.is_slow.clear()
        self._leap(by)
        self.start()

    def _leap(self, by: timedelta) -> None:
        self.steps += 1
        self.clock.leap(by)

    # ------------------------------------------------------------ what must be so

    def look(self, when: str) -> None:
        """Polls and watching go on, in no hurry; nothing is dated anew; nobody is alarmed; the server makes sense."""
        began, asked = time.monotonic(), {name: len(times) for name, times in self.agency.asked.items()}
        new = {self._write("often"), self._write("watched"), self._offer()}
        self.until(lambda: new <= self._titles(), f"{sorted(new)} are shown; {when}")
        time.sleep(max(0, began + REST - time.monotonic()))
        self._assert_no_burst(began, asked, when)
        self._assert_dates(when)
        self._assert_server(when)
        assert self.manager.longest_silence(max(began, self._born)) < WATCHDOG, when
        assert not self.alarm.exists(), (when, self.alarm.read_text())
        bad = [line for line in self.told() if line["level"] in {"warning", "error"}]
        bad = [line for line in bad if line["event"] != "clock_set_back"]
        assert not bad, (when, bad)
        self.checks += 1

    def _assert_no_burst(self, began: float, before: dict[str, int], when: str) -> None:
        """A source is asked once for what was missed, and then as often as ever."""
        number = {name: len(times) - before[name] for name, times in self.agency.asked.items()}
        assert number["often"] <= (time.monotonic() - began) / INTERVAL + 2, (when, number)
        assert number["hourly"] <= 2, (when, number)

    def _assert_dates(self, when: str) -> None:
        root = etree.parse(self.root / "public" / "atom.xml")
        said = {
            str(entry.findtext("{*}id")): f"{entry.findtext('{*}updated')} {entry.findtext('{*}published')}"
            for entry in root.iterfind("{*}entry")
        }
        assert self._updated.keys() <= said.keys(), when
        assert {id_: said[id_] for id_ in self._updated} == self._updated, when
        self._updated = said

    def _assert_server(self, when: str) -> None:
        address = [line["address"] for line in self.told() if line["event"] == "started"][-1]
        earliest = self.clock.now()
        with urlopen(f"{address}atom.xml", timeout=PATIENCE) as response:  # noqa: S310 - our own server
            headers, body = response.headers, response.read()
        etree.fromstring(body)
        date = parsedate_to_datetime(headers["Date"])
        assert earliest.timestamp() - SUFFERED <= date.timestamp() <= self.clock.now().timestamp() + SUFFERED, (
            when,
            date,
        )
        assert parsedate_to_datetime(headers["Last-Modified"]) <= date, (when, date)  # RFC 9110, section 8.8.2.1
        for field_, value in (("If-None-Match", headers["ETag"]), ("If-Modified-Since", headers["Last-Modified"])):
            again = Request(f"{address}atom.xml", headers={field_: value})  # noqa: S310
            try:
                with urlopen(again, timeout=PATIENCE) as response:  # noqa: S310
                    raise AssertionError(f"{when}: {field_} is not understood: {response.status}")
            except HTTPError as answer:
                with answer:
                    status = answer.code
            if status != 304:
                raise AssertionError(f"{when}: {field_}: {status}")

    # ------------------------------------------------------------ articles

    def _write(self, source: str, *, ahead: timedelta = timedelta()) -> str:
        """Write an article that is dated now, or so much later, and return its title."""
        title = f"{source.capitalize()} {len(list((self.root / source).iterdir()))}"
        date = self.clock.now() + ahead
        new = self.root / "new"
        new.write_text(f"---\ntitle: {title}\ndate: {date.isoformat()}\n---\nText of {title}.\n", "utf-8")
        os.utime(new, (self.clock.now().timestamp(),) * 2)
        new.replace(self.root / source / f"{title}.md")
        return title

    def _offer(self) -> str:
        title = f"Offered {len(self.agency.titles)}"
        self.agency.titles.append((title, self.clock.now()))
        return title

    def _titles(self) -> set[str]:
        path = self.root / "public" / "atom.xml"
        if not path.exists():
            return set()
        return {str(entry.findtext("{*}title")) for entry in etree.parse(path).iterfind("{*}entry")}

    def _has_polled(self, source: str) -> bool:
        marker = self._write(source)
        self.until(lambda: marker in self._titles(), f"{marker} is shown")
        return True

    def _count(self, event: str) -> int:
        return sum(1 for line in self.told() if line["event"] == event)


@contextmanager
def trial(root: Path, *, seed: int = 1) -> Iterator[Trial]:
    """Yield a daemon that runs by a clock of its own."""
    clock = Clock(file=root / "clock")
    clock.leap(timedelta())
    for name in ("often", "watched"):
        (root / name).mkdir()
    with ExitStack() as stack:
        web = stack.enter_context(serving())
        listening = stack.enter_context(closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)))
        listening.bind(str(root / "notify"))
        manager = Manager(listening=listening)
        threading.Thread(target=manager.go_on, daemon=True).start()
        (root / "config.toml").write_text(SITE.format(root=root, web=web.url, interval=INTERVAL), "utf-8")
        agency = Agency(web=web, clock=clock)
        one = Trial(root=root, clock=clock, agency=agency, manager=manager, random=Random(seed))
        stack.callback(one.kill)
        one.start()
        yield one
        one.stop()


def short(one: Trial) -> None:
    """Take every kind of step once."""
    one.forward()
    one.back()
    one.sleep()
    one.back_while_asking()
    one.dead(-HOUR)
    one.dead(HOUR)


def long(one: Trial, *, steps: int) -> None:
    """Take any steps, of any length up to an hour and a half."""
    kinds: tuple[Callable[[timedelta], None], ...] = (
        one.forward,
        one.back,
        one.sleep,
        one.back_while_asking,
        one.dead,
        lambda by: one.dead(-by),
    )
    for number in range(1, steps + 1):
        by = one.random.choice((HOUR, HOUR, timedelta(seconds=one.random.randint(10, 5400))))
        one.random.choice(kinds)(by)
        print(number, "steps; the clock is ahead by", one.clock.ahead, flush=True)


def main() -> None:
    """Do the trial and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.clock", description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=30, help="of the clock (30)")
    parser.add_argument("--seed", type=int, default=1, help="of which steps they are (1)")
    asked = parser.parse_args()
    began = time.monotonic()
    with TemporaryDirectory() as folder, trial(Path(folder), seed=asked.seed) as one:
        short(one)
        long(one, steps=asked.steps)
        requests = sum(len(times) for times in one.agency.asked.values())
        print(
            f"{one.steps} steps of the clock, {one.backwards} of them back while it ran; all well {one.checks} times;"
        )
        print(f"{requests} requests to servers, {len(one.manager.signs)} signs of life;", end=" ")
        print(f"{(time.monotonic() - began) / 60:.1f} minutes, seed {asked.seed}")


if __name__ == "__main__":
    main()
