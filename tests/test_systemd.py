"""What systemd is told, over real sockets, and when it is told no more."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from test_schedule import Place

from feeder.systemd import Pulse, Supervisor, supervisor

TIMEOUT = 30

DAEMON = """
import asyncio, sys, time
from datetime import UTC, datetime
from pathlib import Path
from feeder import config, log, schedule
from feeder.app import App
from feeder.opening import opened

HANG = Path(sys.argv[2])

class Stuck(App):
    def claim_due(self, now):
        if HANG.exists() and HANG.read_text() == "writer":
            time.sleep(1000)
        return super().claim_due(now)

def clock():
    try:
        asyncio.get_running_loop()
        if HANG.exists() and HANG.read_text() == "loop":
            time.sleep(1000)
    except RuntimeError:
        pass
    return datetime.now(UTC)

log.configure("info", json=True)
with opened(config.load(Path(sys.argv[1])), workers=1) as app:
    app = Stuck(config=app.config, parts=app.parts, archives=app.archives)
    schedule.run(app, clock=clock)
"""


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """Listen as systemd does."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(address)
        listening.settimeout(TIMEOUT)
        yield listening


def words(listening: socket.socket) -> dict[str, str]:
    """Return what was told next."""
    return dict(line.split("=", 1) for line in listening.recv(4096).decode().split("\n"))


def next_with(listening: socket.socket, word: str) -> dict[str, str]:
    while word not in (told := words(listening)):
        pass
    return told


@contextmanager
def daemon(place: Place, address: str, *, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(seconds * 1_000_000))}
    command = [sys.executable, "-c", DAEMON, str(place.config), str(place.root / "hang")]
    with (
        (place.root / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        limit = threading.Timer(TIMEOUT * 3, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()
            print((place.root / "log").read_text("utf-8"))  # noqa: T201 - shown if the test fails


# ---------------------------------------------------------------- words


@pytest.mark.parametrize("kind", ["a path", "an abstract name"])
def test_systemd_hears_every_word(kind: str, tmp_path: Path) -> None:
    name = str(tmp_path / "notify") if kind == "a path" else f"@feeder-test-{os.getpid()}"
    with manager(name.replace("@", "\0")) as listening:
        telling = supervisor({"NOTIFY_SOCKET": name})
        telling.ready("3 sources;\nhttp://127.0.0.1:8080/")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        telling.reloading()
        telling.stopping()
        assert words(listening) == {"READY": "1", "STATUS": "3 sources; http://127.0.0.1:8080/"}
        reloading = words(listening)
        assert before <= int(reloading.pop("MONOTONIC_USEC")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert reloading == {"RELOADING": "1"}
        assert words(listening)["STOPPING"] == "1"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Supervisor()),
        ({"NOTIFY_SOCKET": ""}, Supervisor()),
        ({"NOTIFY_SOCKET": "@"}, Supervisor()),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, Supervisor()),
        ({"NOTIFY_SOCKET": "relative"}, Supervisor()),
        ({"WATCHDOG_USEC": "2000000"}, Supervisor(watchdog=2.0)),
        ({"WATCHDOG_USEC": "0"}, Supervisor()),
        ({"WATCHDOG_USEC": "-1"}, Supervisor()),
        ({"WATCHDOG_USEC": "soon"}, Supervisor()),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, Supervisor()),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, Supervisor(watchdog=2.0)),
    ],
)
def test_the_environment_says_whom_to_tell(environment: dict[str, str], expected: Supervisor) -> None:
    assert supervisor(environment) == expected


def test_a_manager_that_does_not_listen_stops_nothing(tmp_path: Path) -> None:
    with capture_logs() as logs:
        supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("3 sources")
    assert [(line["event"], line["what"]) for line in logs] == [("supervisor_not_told", "READY=1")]


def test_a_manager_that_does_not_read_is_not_waited_for_long(tmp_path: Path) -> None:
    with manager(str(tmp_path / "notify")), capture_logs() as logs:
        telling = Supervisor(address=str(tmp_path / "notify"))
        while not logs:
            telling.ready("3 sources")


def test_without_a_watchdog_nobody_is_reassured() -> None:
    asyncio.run(asyncio.wait_for(Supervisor(address="/nowhere").reassure(Pulse()), TIMEOUT))
    asyncio.run(asyncio.wait_for(Supervisor(watchdog=1.0).reassure(Pulse()), TIMEOUT))


def test_a_pulse_beats_when_there_was_a_step() -> None:
    pulse = Pulse()
    assert not pulse.beats()
    with pulse.around():
        assert pulse.beats()
        assert not pulse.beats()
        pulse.step()
        assert pulse.beats()
    assert pulse.beats()
    assert not pulse.beats()


# ---------------------------------------------------------------- the daemon


def test_a_daemon_is_ready_reloads_and_stops(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with manager(str(tmp_path / "notify")) as listening, daemon(place, str(tmp_path / "notify"), seconds=4) as process:
        ready = words(listening)
        assert ready["READY"] == "1"
        assert ready["STATUS"].startswith("1 sources; http://127.0.0.1:")
        next_with(listening, "WATCHDOG")
        process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC" in next_with(listening, "RELOADING")
        assert next_with(listening, "READY")["STATUS"] == ready["STATUS"]
        place.config.write_text("[site\n")
        process.send_signal(signal.SIGHUP)
        next_with(listening, "RELOADING")
        assert "the configuration of before goes on" in next_with(listening, "READY")["STATUS"]
        process.terminate()
        next_with(listening, "STOPPING")
        assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("what", ["loop", "writer"])
def test_the_watchdog_hears_no_more_of_a_daemon_that_hangs(what: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with manager(str(tmp_path / "notify")) as listening, daemon(place, str(tmp_path / "notify"), seconds=4) as process:
        for _ in range(3):
            next_with(listening, "WATCHDOG")
        (tmp_path / "hang").write_text(what)
        listening.settimeout(10)  # it would hear of a living one every second or two
        until_silent(listening)
        assert process.poll() is None


def until_silent(listening: socket.socket) -> None:
    end = time.monotonic() + 3 * TIMEOUT
    while time.monotonic() < end:
        try:
            words(listening)
        except TimeoutError:
            return
    pytest.fail("it never fell silent")


def test_a_piece_of_work_that_goes_on_for_long_is_no_hanging_one(tmp_path: Path) -> None:
    told: list[str] = []
    pulse = Pulse()

    async def live() -> None:
        reassuring = asyncio.create_task(Supervisor(address=str(tmp_path / "notify"), watchdog=0.2).reassure(pulse))
        with pulse.around():
            while len(told) < 5:
                await asyncio.sleep(0.05)
                pulse.step()
        reassuring.cancel()

    with manager(str(tmp_path / "notify")) as listening:

        def hear() -> None:
            while len(told) < 5:
                told.extend(words(listening))

        reader = threading.Thread(target=hear, daemon=True)
        reader.start()
        asyncio.run(asyncio.wait_for(live(), TIMEOUT))
        reader.join(TIMEOUT)
    assert told == ["WATCHDOG"] * 5
