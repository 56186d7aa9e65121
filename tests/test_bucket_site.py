"""A whole site in a bucket: what a directory holds, byte for byte, and what comes of faults and of other writers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from bucket import Passage, World, store_of_buckets, world
from structlog.testing import capture_logs
from worlds import Ran, SiteUnderTest, run

from feeder import backup, config, doctor, outputs
from feeder.doctor import Diagnosis
from feeder.errors import OutputError, StoreError, Unheard
from feeder.opening import INDEX, opened
from feeder.output import Bucket, s3
from feeder.pipeline.edition import SOON
from feeder.serve.status import figures
from feeder.telling import Hub

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NUMBERS = count()
KEYS = {"FEEDER_KEY": "key", "FEEDER_SECRET": "secret"}
CONFIG = """
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"

[storage]
state = "sqlite:///state.db"
output = "{output}"

[bucket]
endpoint = "{endpoint}"
region = "us-east-1"
access_key = "env:FEEDER_KEY"
secret_key = "env:FEEDER_SECRET"

{server}

[[source]]
name = "tree"
path = "{tree}"
"""


@dataclass(kw_only=True)
class Newsroom:
    """Articles, and a site that publishes them to a bucket."""

    folder: Path
    world: World
    hours: Iterator[int]

    def write(self, name: str, *, title: str, text: str = "Text.", path: str = "[Harbour, 金融]") -> None:
        folder = self.folder / "tree"
        folder.mkdir(exist_ok=True)
        written = f"---\ntitle: {title}\ndate: 2026-07-31T10:00:00Z\ncategories: {path}\n---\n{text}\n"
        (folder / name).write_text(written, "utf-8")
        moment = 1_700_000_000 + next(NUMBERS)
        os.utime(folder / name, (moment, moment))

    def config(self, name: str, output: str, *, server: str = "") -> Path:
        path = self.folder / name / "config.toml"
        path.parent.mkdir(exist_ok=True)
        tree = self.folder / "tree"
        text = CONFIG.format(output=output, endpoint=self.world.proxy.url, tree=tree, server=server)
        path.write_text(text, "utf-8")
        return path

    @property
    def in_bucket(self) -> SiteUnderTest:
        return SiteUnderTest(config_path=self.config("bucket", f"s3://{self.world.name}/{self.world.prefix}"))

    @property
    def in_directory(self) -> SiteUnderTest:
        return SiteUnderTest(config_path=self.config("directory", "public"))

    def run(self) -> Ran:
        """Do what `feeder once` does, an hour after the last time."""
        now = START + next(self.hours) * HOUR
        self.in_directory.run(now)
        return self.in_bucket.run(now)

    def is_as_in_a_directory(self) -> bool:
        return self.world.tree() == self.in_directory.files()

    def doctor(self, act: Callable[[Any, datetime], Diagnosis] = doctor.examine) -> Diagnosis:
        return act(
            config.load(self.in_bucket.config_path), datetime.now(UTC) + 2 * HOUR
        )  # a daemon's own files are younger


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with store_of_buckets() as url:
        yield url


@pytest.fixture
def room(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newsroom]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3, "RETRIES", 0)
    monkeypatch.setattr(s3, "REST_SECONDS", 0.0)
    with world(store, f"site-{next(NUMBERS)}") as made:
        newsroom = Newsroom(folder=tmp_path, world=made, hours=count())
        newsroom.write("a.md", title="Harbour opens")
        newsroom.write("b.md", title="Prices fall", path="[Markets]")
        yield newsroom


def puts(room: Newsroom) -> list[str]:
    start = f"/{room.world.name}/{room.world.prefix}/"
    return [unquote(path).removeprefix(start) for method, path in room.world.proxy.requests if method == "PUT"]


def test_a_bucket_holds_what_a_directory_does(room: Newsroom) -> None:
    room.run()
    assert room.is_as_in_a_directory()
    assert {INDEX, "atom.xml", "categories/harbour/金融/atom.xml"} <= set(room.world.tree())
    assert any(path.startswith("articles/") for path in room.world.tree())
    room.write("a.md", title="Harbour opens", text="More text.")
    room.write("c.md", title="Ferry returns")
    (room.folder / "tree/b.md").unlink()
    for _ in range(3):  # until what is gone counts as gone
        room.run()
    assert not [path for path in room.world.tree() if "markets" in path]
    assert room.is_as_in_a_directory()


def test_nothing_is_written_when_nothing_changed(room: Newsroom) -> None:
    room.run()
    room.world.proxy.requests.clear()
    room.run()
    assert puts(room) == []
    room.write("b.md", title="Prices fall", text="Further.", path="[Markets]")
    room.run()
    assert not [path for path in puts(room) if "harbour" in path and path.endswith(".xml")]
    assert room.is_as_in_a_directory()


def test_what_somebody_altered_or_removed_is_written_again(room: Newsroom) -> None:
    room.run()
    room.world.request("PUT", f"{room.world.prefix}/atom.xml", b"<a>not ours</a>")
    room.world.request("DELETE", f"{room.world.prefix}/rss.xml")
    page = next(path for path in room.world.tree() if path.startswith("articles/"))
    room.world.request("PUT", f"{room.world.prefix}/{page}", b"not ours")
    room.run()
    assert room.is_as_in_a_directory()


def test_a_bucket_that_fails_is_told_once_and_published_to_when_it_is_back(room: Newsroom) -> None:
    room.run()
    before = room.world.tree()
    room.write("a.md", title="Harbour opens", text="More text.")
    room.world.proxy.fault = lambda passage, method, _: method == "PUT" and passage.refuse(503, "SlowDown")
    with capture_logs() as logs:
        failed = room.run().published.failed
        assert () in failed
        room.run()
    told = [entry["category"] for entry in logs if entry["event"] == "feed_failed"]
    assert sorted(told) == sorted(set(told))
    assert len(told) == len(failed)
    assert room.world.tree() == before
    room.world.proxy.fault = lambda *_: False
    with capture_logs() as logs:
        assert room.run().published.failed == {}
    assert [entry["event"] for entry in logs].count("feed_mended") == len(told)
    assert room.is_as_in_a_directory()


def test_a_feed_that_another_process_has_written_meanwhile_stays_and_is_made_anew(room: Newsroom) -> None:
    room.run()
    room.write("a.md", title="Harbour opens", text="More text.")
    meanwhile: list[str] = []

    def overtake(_passage: Passage, method: str, path: str) -> bool:
        if method == "PUT" and path.endswith("/2026/atom.xml") and not meanwhile:
            meanwhile.append(path)
            room.world.request("PUT", f"{room.world.prefix}/atom.xml", b"<newer/>")
        return False

    room.world.proxy.fault = overtake
    now = START + 10 * HOUR
    with opened(config.load(room.in_bucket.config_path), workers=0) as app:
        with capture_logs() as logs:
            failed = run(app, now).published.failed
        assert failed == {(): "atom.xml: another process has replaced it meanwhile; it is made anew"}
        assert "feed_overtaken" in [line["event"] for line in logs]
        assert [line for line in logs if line["log_level"] == "error"] == []
        assert room.world.tree()["atom.xml"] == b"<newer/>"
        assert app.publish(now + SOON, settle=timedelta()).failed == {}
    room.in_directory.run(now)
    assert room.is_as_in_a_directory()


def test_an_article_page_that_another_process_has_written_meanwhile_stays_and_is_made_anew(room: Newsroom) -> None:
    room.run()
    room.write("a.md", title="Harbour opens", text="More text.")
    overtaken: list[str] = []

    def overtake(_passage: Passage, method: str, path: str) -> bool:
        if method == "PUT" and "/articles/" in path and not overtaken:
            overtaken.append(unquote(path).partition(f"{room.world.name}/")[2])
            room.world.request("PUT", overtaken[0], b"newer")
        return False

    room.world.proxy.fault = overtake
    assert "another process has replaced it" in str(room.run().published.failed)
    assert room.world.request("GET", overtaken[0])[2] == b"newer"
    room.run()
    assert room.is_as_in_a_directory()


# ---------------------------------------------------------------- doctor, status, backups, tellers


def test_the_doctor_finds_and_mends_what_differs(room: Newsroom) -> None:
    room.run()
    assert room.doctor().is_well
    room.world.request("PUT", f"{room.world.prefix}/atom.xml", b"<a>not ours</a>")
    room.world.request("DELETE", f"{room.world.prefix}/rss.xml")
    room.world.request("PUT", f"{room.world.prefix}/categories/stray/atom.xml", b"<a/>")
    told = [finding.what for finding in room.doctor().findings]
    assert told == [
        "1 file is missing: rss.xml",
        "1 file is not what was written: atom.xml",
        "1 file is not Feeder's: categories/stray/atom.xml",
    ]
    assert room.doctor(doctor.repair).mended
    room.run()
    room.world.request("DELETE", f"{room.world.prefix}/categories/stray/atom.xml")
    assert room.is_as_in_a_directory()


def test_the_doctor_tells_of_a_store_that_ignores_conditions(room: Newsroom) -> None:
    room.run()
    room.world.proxy.dropped = frozenset({"if-match"})
    [finding] = room.doctor().findings
    place = f"s3://{room.world.name}/{room.world.prefix}"
    assert finding.what == (f"{place}: the store ignores If-Match: an older feed may take the place of a newer one")


def test_the_doctor_tells_of_a_bucket_that_cannot_be_written_to(room: Newsroom) -> None:
    room.world.proxy.fault = lambda passage, *_: passage.refuse(403, "InvalidAccessKeyId")
    assert "access is denied" in room.doctor().findings[0].what


def test_the_doctor_tells_of_a_name_in_the_bucket_that_is_no_path(room: Newsroom) -> None:
    room.run()
    room.world.request("PUT", f"{room.world.prefix}/categories/../b.html", b"x")
    [finding] = room.doctor().findings
    assert finding.area.value == "output"
    assert "no path" in finding.what


def test_a_secret_that_is_not_there_is_named(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEEDER_SECRET")
    with pytest.raises(
        OutputError, match=r'^bucket: secret_key: the secret "env:FEEDER_SECRET" is not in the environment$'
    ):
        room.in_bucket.run(START)


def test_without_the_library_it_is_said_what_to_install(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "feeder.output.s3", None)
    with pytest.raises(OutputError, match=r"pip install 'feeder\[cluster\]'"):
        outputs.output_of(config.load(room.in_bucket.config_path))


def test_a_lost_state_is_told_with_where_its_ids_are(room: Newsroom) -> None:
    room.run()
    (room.folder / "bucket/state.db").unlink()
    with pytest.raises(StoreError, match=r"`feeder adopt https://feeds\.example\.org/feeds\.json`"):
        room.in_bucket.run(START)


def test_a_state_that_is_restored_learns_what_the_bucket_holds(room: Newsroom) -> None:
    room.run()
    settings = config.load(room.in_bucket.config_path)
    backup.backup(room.folder / "kept.db", settings, START)
    room.write("c.md", title="Ferry returns")
    room.run()
    assert backup.restore(room.folder / "kept.db", settings, START).adoption.adopted == 1


def test_the_status_stands_without_asking_the_bucket(room: Newsroom) -> None:
    room.run()
    room.world.proxy.requests.clear()
    found = figures(config.load(room.in_bucket.config_path), START)
    assert {(feed.size, feed.written) for feed in found.feeds} == {(0, None)}
    assert room.world.proxy.requests == []


def test_a_hub_waits_for_a_bucket_that_cannot_be_asked(room: Newsroom) -> None:
    room.run()
    hub = Hub(config=config.load(room.in_bucket.config_path))
    room.world.proxy.fault = lambda passage, *_: passage.refuse(503, "SlowDown")
    with pytest.raises(Unheard, match="answers 503"):
        asyncio.run(hub.tell(["atom.xml"]))
    room.world.proxy.fault = lambda *_: False
    asyncio.run(hub.tell(["nothing/atom.xml"]))  # it is not there: nobody is called


# ---------------------------------------------------------------- the program


def feeder(room: Newsroom, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "feeder", "-c", str(room.in_bucket.config_path), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_once_publishes_to_a_bucket(room: Newsroom) -> None:
    with feeder(room, "once") as child:
        told = child.communicate(timeout=120)
    assert child.returncode == 0, told
    assert INDEX in room.world.tree()


def test_the_daemon_publishes_to_a_bucket_and_answers_its_operator(room: Newsroom) -> None:
    path = room.folder / "http.sock"
    room.config("bucket", f"s3://{room.world.name}/{room.world.prefix}")
    server = f'[server]\nadmin = "unix:{path}"'
    config_path = room.config("bucket", f"s3://{room.world.name}/{room.world.prefix}", server=server)
    command = [sys.executable, "-m", "feeder", "-c", str(config_path), "run"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "published" in line:
                break
        asked = [*("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"), "--unix-socket", str(path)]
        answers = [
            subprocess.run([*asked, f"http://localhost{at}"], capture_output=True, text=True, check=True).stdout
            for at in ("/status", "/metrics", "/atom.xml", "/")
        ]
        child.send_signal(signal.SIGTERM)
        rest = child.stderr.read()
    assert (child.returncode, answers) == (0, ["200", "200", "404", "404"]), rest
    assert INDEX in room.world.tree()


def test_the_daemons_settings_name_the_bucket_only(room: Newsroom) -> None:
    settings = config.load(room.in_bucket.config_path)
    assert isinstance(settings.output, Bucket)
    assert "FEEDER_SECRET" not in repr(settings)


def test_a_bucket_that_does_not_answer_at_the_start_is_no_reason_not_to_start(room: Newsroom) -> None:
    room.run()
    room.write("a.md", title="Harbour opens", text="More text.")
    room.world.proxy.fault = lambda passage, *_: passage.refuse(503, "SlowDown")
    with capture_logs() as logs:
        assert () in room.run().published.failed
    assert "output_unreachable" in [entry["event"] for entry in logs]
    room.world.proxy.fault = lambda *_: False
    room.run()
    assert room.is_as_in_a_directory()


def test_without_its_secrets_another_config_is_not_taken_over_in_part(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    with room.in_bucket.opened() as app:
        before = app.config, app.parts
        settings = app.reconfigured()
        monkeypatch.delenv("FEEDER_SECRET")
        with pytest.raises(OutputError, match="FEEDER_SECRET"):
            app.take_over(settings)
        assert (app.config, app.parts) == before
        assert app.config is before[0]
