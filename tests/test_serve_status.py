"""How things stand, told over HTTP; sockets; and the server without the daemon."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from desk import Desk
from lxml import html
from structlog.testing import capture_logs
from visitors import MEMORY, TIMEOUT, ask, ask_unix, served_by, write

from feeder import config
from feeder.errors import FeederError
from feeder.model import Watch
from feeder.serve import FOR_US, terms
from feeder.serve.listening import is_meant, listen
from feeder.serve.probes import Desk as FrontDesk
from feeder.serve.probes import Probes
from feeder.serve.replies import Terms
from feeder.serve.site import Site
from feeder.serve.status import FeedFigures, figures, page, values

NOW = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A site that has published a few articles, one of them with a hostile title and one in a hostile category."""
    desk = Desk(tmp_path)
    desk.settle("newsroom", "gone\nenabled = false")
    desk.write("newsroom/one.md")
    desk.write("newsroom/two.md", title="Ferry <script>alert(1)</script>", date="2026-03-08T12:00:00Z")
    desk.write("newsroom/three.md", title="Third", more="categories: ['<b>Hostile</b>']")
    assert desk.run("once", "--all").code == 0
    return desk


def told(desk: Desk) -> Probes:
    settings = config.load(desk.config)
    return Probes(waits_for=lambda: None, figures=lambda: figures(settings, NOW))


@contextmanager
def answering(desk: Desk, probes: Probes) -> Iterator[str]:
    site = Site(desk.folder / "public", terms=Terms(), memory=MEMORY)
    with served_by(FrontDesk(site, probes.for_us)) as address:
        yield address


# ---------------------------------------------------------------- what has no bytes in UTF-8


def test_whatever_has_no_bytes_in_utf8_is_told_as_it_is_escaped(tmp_path: Path) -> None:
    desk = Desk(tmp_path / os.fsdecode(b"caf\xe9"))
    desk.folder.mkdir()
    desk.settle("newsroom", "gone")
    (desk.folder / "gone").rmdir()
    desk.write(f"newsroom/{os.fsdecode(bytes([0xFF]))}.md", title=r'"Half \ud800"', more=r'categories: ["Half \ud800"]')
    desk.put(f"newsroom/{os.fsdecode(bytes([0xFE]))}.md", '---\ntitle: ["\\ud800\n---\n')
    desk.put("newsroom/bad.md", '---\ntitle: Bad\ndate: "\\ud800"\n"\\ud800": [\n---\n')
    for _ in range(2):
        assert desk.run("once", "--all").code == 3
    with answering(desk, told(desk)) as address:
        answers = [ask(address, path) for path in ("/status", "/status.json")]
    assert [answer.status for answer in answers] == [200, 200]
    sources = {each["name"]: each["error"] for each in json.loads(answers[1].body)["sources"]}
    assert sources["gone"] == rf"{tmp_path}/caf\udce9/gone: No such file or directory"
    assert sources["newsroom"] is None


@pytest.mark.parametrize("path", ["/status", "/status.json"])
def test_half_a_character_in_the_figures_fails_no_answer(desk: Desk, path: str) -> None:
    settings = config.load(desk.config)
    feed = FeedFigures(name="Half \ud800", path="", entries=0, size=0, updated=NOW, written=None)
    probes = Probes(waits_for=lambda: None, figures=lambda: replace(figures(settings, NOW), feeds=(feed,)))
    with answering(desk, probes) as address:
        answer = ask(address, path)
    assert answer.status == 200
    assert rb"Half \ud800" in answer.body


# ---------------------------------------------------------------- health


def test_a_process_that_answers_lives(desk: Desk) -> None:
    with answering(desk, told(desk)) as address:
        answer = ask(address, "/healthz")
        head = ask(address, "/healthz", method="HEAD")
        other = ask(address, "/healthz", method="POST")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (200, b"alive\n", "no-store")
    assert (head.status, head.body, other.status) == (200, b"", 405)


def test_it_is_ready_once_nothing_is_waited_for(desk: Desk) -> None:
    missing: list[str | None] = ["nothing has been published yet"]
    probes = Probes(waits_for=lambda: missing[0], figures=lambda: figures(config.load(desk.config), NOW))
    with answering(desk, probes) as address:
        before = ask(address, "/readyz")
        missing[0] = None
        end = time.monotonic() + TIMEOUT
        while (after := ask(address, "/readyz")).status != 200:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert (before.status, before.body) == (503, b"nothing has been published yet\n")
    assert after.body == b"ready\n"


def test_a_state_that_cannot_be_read_is_no_readiness_and_no_end(desk: Desk) -> None:
    settings = config.load(desk.config)

    def read() -> None:
        figures(settings, NOW)

    settings.local.write_bytes(b"nonsense")
    probes = Probes(waits_for=read, figures=lambda: figures(settings, NOW))
    with answering(desk, probes) as address:
        ready, status, alive = (ask(address, target) for target in ("/readyz", "/status", "/healthz"))
    assert (ready.status, ready.body) == (503, b"the state cannot be read\n")
    assert (status.status, str(settings.state) in status.body.decode()) == (503, True)
    assert alive.status == 200


def test_an_answer_that_fails_is_an_event_of_ours(desk: Desk) -> None:
    def fail() -> None:
        raise RuntimeError("a fault of ours")

    probes = Probes(waits_for=fail, figures=lambda: figures(config.load(desk.config), NOW))
    with capture_logs() as logs, answering(desk, probes) as address:
        assert ask(address, "/readyz").status == 500
        assert ask(address, "/healthz").status == 200
    assert [(line["event"], line["path"]) for line in logs] == [("request_failed", "/readyz")]


# ---------------------------------------------------------------- status


def test_the_page_shows_what_the_command_does_and_more(desk: Desk) -> None:
    with answering(desk, told(desk)) as address:
        answer = ask(address, "/status")
    tree = html.fromstring(answer.body.decode())
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    headings = [str(heading.xpath("string()")) for heading in tree.iter("h2")]
    assert headings == ["Articles a day", "Sources", "Counts", "Feeds"]
    cells = [str(cell.xpath("string()")) for cell in tree.iter("td")]
    assert {"newsroom", "ok", "off", "(the whole site)", "City › Roads", "<b>Hostile</b>", "1 d ago"} <= set(cells)
    titles = [str(bar.xpath("string()")) for bar in tree.iter("title")][1:]
    assert len(titles) == 30
    assert {"2026-03-08: 1", "2026-03-10: 2", "2026-03-11: 0"} <= set(titles)


def test_nothing_on_the_page_can_run_or_be_loaded(desk: Desk) -> None:
    with answering(desk, told(desk)) as address:
        answer = ask(address, "/status")
    text, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert "<script" not in text
    assert "<b>" not in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    allowed = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{allowed}'" in policy
    assert "access-control-allow-origin" not in answer.headers


def test_programs_get_the_same(desk: Desk) -> None:
    with answering(desk, told(desk)) as address:
        found = json.loads(ask(address, "/status.json").body)
    assert [source["name"] for source in found["sources"]] == ["newsroom", "gone"]
    assert (len(found["articles_a_day"]), found["articles_a_day"]["2026-03-10"]) == (30, 2)
    whole = next(feed for feed in found["feeds"] if feed["path"] == "atom.xml")
    assert whole["entries"] == 3
    assert whole["bytes"] == sum((desk.folder / "public" / name).stat().st_size for name in _files(desk))
    assert whole["updated"] == "2026-03-10T12:00:00Z"


def _files(desk: Desk) -> list[str]:
    return [
        name for name in ("atom.xml", "rss.xml", "feed.json", "index.html") if (desk.folder / "public" / name).exists()
    ]


def test_feeds_whose_files_are_gone_are_shown_without_them(desk: Desk) -> None:
    shutil.rmtree(desk.folder / "public")
    found = figures(config.load(desk.config), NOW)
    assert {(feed.size, feed.written) for feed in found.feeds} == {(0, None)}
    assert "never" in page(found)


def test_before_anything_is_known_there_is_a_page_all_the_same(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.settle("newsroom")
    found = figures(config.load(desk.config), NOW)
    assert values(found)["feeds"] == []
    assert "Articles a day" not in page(found)


def test_anybody_may_know_only_that_it_lives(desk: Desk) -> None:
    assert set(told(desk).for_all) == {b"/healthz", b"/readyz"}


# ---------------------------------------------------------------- what headers say of a site


def test_answers_are_good_until_something_may_have_changed(desk: Desk) -> None:
    settings = config.load(desk.config)
    watched, off = settings.sources
    still = replace(watched, watch=Watch.OFF, interval=timedelta(minutes=7))
    slow = replace(watched, path=None, url="https://example.org/", interval=timedelta(days=1))
    assert off.enabled is False
    for sources, seconds in (
        ((watched, slow), 10),
        ((still, slow, off), 420),
        ((slow,), 3600),
        ((replace(slow, cron="* * * * *"),), 10),
        ((), 10),
    ):
        assert terms(replace(settings, sources=sources)).max_age == timedelta(seconds=seconds)


# ---------------------------------------------------------------- sockets


def test_a_unix_socket_serves_whoever_can_reach_it(tmp_path: Path) -> None:
    write(tmp_path, "public/atom.xml", b"<feed/>")
    path = tmp_path / "http.sock"
    site = Site(tmp_path / "public", terms=Terms(), memory=MEMORY)
    with served_by(site, at=path) as address:
        assert address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o666
        for _ in range(2):
            assert ask_unix(path, "/atom.xml").body == b"<feed/>"
        assert ask_unix(path, "/missing").status == 404
    assert not path.exists()


def test_the_socket_of_the_operator_is_for_user_and_group(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with served_by(Site(tmp_path, terms=Terms(), memory=MEMORY), at=path, mode=FOR_US):
        assert path.stat().st_mode & 0o777 == 0o660


def test_a_socket_that_a_crash_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    shutil.copyfile(__file__, tmp_path / "http.sock.new")  # and one from the midst of its making
    with served_by(Site(tmp_path, terms=Terms(), memory=MEMORY), at=path):
        assert ask_unix(path, "/missing").status == 404


def test_a_socket_that_somebody_listens_at_is_left_to_them(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    site = Site(tmp_path, terms=Terms(), memory=MEMORY)
    with served_by(site, at=path):
        with pytest.raises(FeederError) as caught:
            listen(path)
        assert ask_unix(path, "/missing").status == 404
    assert str(caught.value) == f"cannot listen on unix:{path}: Address already in use; [server] may name another"


def test_a_file_in_the_place_of_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "http.sock", b"mine")
    with pytest.raises(FeederError, match="File exists"):
        listen(path)
    assert path.read_bytes() == b"mine"


def test_a_socket_needs_its_directory(tmp_path: Path) -> None:
    with pytest.raises(FeederError, match=r"cannot listen on unix:.*: No such file"):
        listen(tmp_path / "missing" / "http.sock")


def test_a_server_takes_only_its_own_socket_away(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with served_by(Site(tmp_path, terms=Terms(), memory=MEMORY), at=path):
        path.unlink()
        path.write_bytes(b"another's")
    assert path.read_bytes() == b"another's"


# ---------------------------------------------------------------- without the daemon


@contextmanager
def serving(desk: Desk) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "feeder", "-c", str(desk.config), "serve"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert json.loads(process.stderr.readline())["event"] == "serving"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_published_is_served_without_polling(desk: Desk, number: signal.Signals) -> None:
    public, admin = desk.folder / "http.sock", desk.folder / "admin.sock"
    text = desk.config.read_text("utf-8").replace('listen = ""', f'listen = "unix:{public}"\nadmin = "unix:{admin}"')
    desk.config.write_text(text, "utf-8")
    with serving(desk) as process:
        assert ask_unix(public, "/atom.xml").body == (desk.folder / "public/atom.xml").read_bytes()
        assert ask_unix(public, "/readyz").status == 200
        assert ask_unix(public, "/status").status == 404
        assert ask_unix(admin, "/status").status == 200
        assert ask_unix(public, "/metrics").status == 404
        metrics = ask_unix(admin, "/metrics").body.decode()
        assert "feeder_articles 3.0\n" in metrics
        assert "feeder_polls_total" not in metrics  # nothing is polled here
        shutil.rmtree(desk.folder / "public")
        assert ask_unix(public, "/atom.xml").status == 404
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 0
    assert not public.exists()


def test_a_server_without_an_address_says_so(desk: Desk) -> None:
    done = desk.run("serve")
    assert done.code == 1
    assert "listen and admin are both off" in done.err


# ---------------------------------------------------------------- names that lead here


@pytest.mark.parametrize(
    ("host", "is_answered"),
    [
        ("127.0.0.1:9080", True),
        ("localhost", True),
        ("feeder.localhost:9080", True),
        ("[::1]:9080", True),
        ("", True),
        ("rebound.example", False),
        ("rebound.example:9080", False),
        ("127.0.0.1.rebound.example", False),
        ("10.0.0.1", False),
    ],
)
def test_a_page_that_has_its_name_lead_here_is_not_told_how_things_stand(
    desk: Desk, host: str, *, is_answered: bool
) -> None:
    site = Site(desk.folder / "public", terms=Terms(), memory=MEMORY)
    probes = told(desk).for_us
    front = FrontDesk(site, probes, is_meant=lambda name: is_meant(name, ("127.0.0.1", 9080)))
    with served_by(front) as address:
        answer = ask(address, "/status.json", Host=host)
        feed = ask(address, "/feed.json", Host=host)
    assert answer.status == (200 if is_answered else 421)
    assert feed.status == 200  # what is for all may be asked for under any name


def test_what_listens_elsewhere_may_be_called_anything() -> None:
    assert is_meant("feeds.example.org", ("0.0.0.0", 9080))  # noqa: S104 - nobody listens
    assert is_meant("feeds.example.org", Path("/run/feeder/admin.socket"))
    assert is_meant("Admin.Example.org.:80", ("admin.example.org", 80))
