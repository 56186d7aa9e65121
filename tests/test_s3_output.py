"""Publishing into a bucket: what a directory does, and that no older file takes the place of a newer one."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from bucket import Passage, World, store_of_buckets, world

from feeder.errors import OutputError
from feeder.model import FeedFile
from feeder.output import CACHE_CONTROL, Output, s3
from feeder.output.files import FileOutput
from feeder.output.s3 import AT_ONCE, BATCH_FILES, BucketOutput

NUMBERS = itertools.count()


def text(path: str, body: str = "body") -> FeedFile:
    return FeedFile(path=path, body=body.encode())


def files_in(output: Output) -> dict[str, bytes]:
    paths = [path.removeprefix("./") for path in output.find("")]
    return {path: output.read(path) or b"" for path in paths}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with store_of_buckets() as url:
        yield url


@pytest.fixture
def bucket(store: str) -> Iterator[World]:
    with world(store, f"bucket-{next(NUMBERS)}") as made:
        yield made


@pytest.fixture(params=["files", "s3"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Output]:
    """Make one output more in the same place, as another process has it."""
    if request.param == "files":
        return lambda: FileOutput(tmp_path / "public")
    found: World = request.getfixturevalue("bucket")
    return found.output


@pytest.fixture
def output(writer: Callable[[], Output]) -> Output:
    return writer()


# ---------------------------------------------------------------- what both mean


def test_what_is_published_is_there(output: Output) -> None:
    files = [text("index.html"), text("categories/金融/新浪财经/atom.xml", "<a>金</a>"), text("a b/é~!.html")]
    assert output.publish(files) == tuple(file.path for file in files)
    assert files_in(output) == {file.path: file.body for file in files}
    assert [path.removeprefix("./") for path in output.find("categories")] == ["categories/金融/新浪财经/atom.xml"]
    assert [path.removeprefix("./") for path in output.find("", ["index.html"])] == ["index.html"]


def test_equal_bytes_are_not_written_again(output: Output) -> None:
    output.publish([text("a.html"), text("b.html")])
    before = output.stamps(["a.html", "b.html"]), output.written("a.html")
    assert output.publish([text("a.html"), text("b.html")]) == ()
    assert output.publish([text("b.html", "BODY")]) == ("b.html",)
    after = output.stamps(["a.html", "b.html"]), output.written("a.html")
    assert (after[0]["a.html"], after[1]) == (before[0]["a.html"], before[1])
    assert after[0]["b.html"] != before[0]["b.html"]


def test_of_two_files_for_one_path_the_last_stays(output: Output) -> None:
    output.publish([text("a.html", "new"), text("a.html", "old")])
    assert files_in(output) == {"a.html": b"old"}


def test_many_files_are_published(output: Output) -> None:
    files = [text(f"{number % 7}/{number}.html", str(number)) for number in range(BATCH_FILES + 10)]
    assert output.publish(iter(files)) == tuple(file.path for file in files)
    assert files_in(output) == {file.path: file.body for file in files}


def test_who_is_to_hear_of_changes_hears_of_those_alone_and_first(output: Output) -> None:
    output.publish([text("a.html")])
    told: list[str] = []

    def refuse(paths: object) -> None:
        assert isinstance(paths, list)
        told.extend(paths)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        output.publish([text("a.html"), text("b.html")], announce=refuse)
    assert told == ["b.html"]
    assert files_in(output) == {"a.html": b"body"}


def test_what_is_removed_is_gone(output: Output) -> None:
    output.publish([text("a.html"), text("d/b.html"), text("d/c.html")])
    assert output.remove(["d/b.html", "nothing.html", "a.html"]) == ("d/b.html", "a.html")
    assert files_in(output) == {"d/c.html": b"body"}
    assert output.remove(["a.html"]) == ()


def test_what_is_not_there_has_no_stamp_and_no_time(output: Output) -> None:
    assert (output.stamps(["a.html"]), output.read("a.html"), output.written("a.html")) == ({}, None, None)
    output.publish([text("a.html")])
    assert list(output.stamps(["b.html", "a.html"])) == ["a.html"]
    written = output.written("a.html")
    assert written
    assert abs(written - datetime.now(UTC)) < timedelta(hours=1)
    assert output.sweep() == 0


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "a\0b", "a\\b", "\ud800", "金" * 86])
def test_no_path_leads_anywhere_else(output: Output, path: str) -> None:
    for act in (
        lambda: output.publish([text("a.html"), text(path)]),
        lambda: output.remove([path]),
        lambda: output.read(path),
        lambda: output.written(path),
    ):
        with pytest.raises(OutputError, match="is not a path for a published file"):
            act()
    assert files_in(output) == {}


@pytest.mark.parametrize("path", ["a.xml", "a.json", "a.opml"])
def test_what_is_not_well_formed_replaces_nothing(output: Output, path: str) -> None:
    with pytest.raises(OutputError, match="is not well-formed"):
        output.publish([text("b.html"), text(path, "<a>")])
    assert files_in(output) == {}


# ---------------------------------------------------------------- what the bucket holds


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("atom.xml", "application/atom+xml; charset=utf-8", "<a/>"),
        ("categories/金/rss.xml", "application/rss+xml; charset=utf-8", "<a/>"),
        ("feed.json", "application/feed+json", "{}"),
        ("feeds.json", "application/json", "{}"),
        ("feeds.opml", "text/x-opml; charset=utf-8", "<a/>"),
        ("index.html", "text/html; charset=utf-8", "a"),
        ("assets/site.css", "text/css; charset=utf-8", "a"),
        ("assets/icon.svg", "image/svg+xml; charset=utf-8", "<a/>"),
    ],
)
def test_objects_say_what_they_are_and_for_how_long(bucket: World, path: str, kind: str, body: str) -> None:
    bucket.output().publish([text(path, body)])
    status, headers, found = bucket.request("GET", f"{bucket.prefix}/{path}")
    assert (status, found) == (200, body.encode())
    assert (headers["Content-Type"], headers["Cache-Control"]) == (kind, CACHE_CONTROL)
    assert "Content-Encoding" not in headers


def test_keys_are_the_names_as_they_are(bucket: World) -> None:
    bucket.output().publish([text("categories/金融/c#? %20+.html")])
    assert "<Key>news/2026/categories/金融/c#? %20+.html</Key>" in bucket.request("GET")[2].decode()


def test_without_a_prefix_the_bucket_is_the_root(bucket: World) -> None:
    bucket.prefix = ""
    output = bucket.output()
    output.publish([text("a.html"), text("d/b.html")])
    assert files_in(output) == {"a.html": b"body", "d/b.html": b"body"}
    assert bucket.request("GET", "a.html")[2] == b"body"


def test_another_prefix_is_left_alone(bucket: World) -> None:
    other = bucket.output(prefix="news/2026-old")
    other.publish([text("a.html")])
    output = bucket.output()
    output.publish([text("b.html")])
    assert list(output.find("")) == ["b.html"]
    assert output.remove(["a.html"]) == ()
    assert files_in(other) == {"a.html": b"body"}


def test_too_long_a_key_is_refused(bucket: World) -> None:
    with pytest.raises(OutputError, match="too long for a key"):
        bucket.output().publish([text("/".join(["a" * 200] * 6))])


def test_names_that_are_no_paths_are_told_not_stumbled_over(bucket: World) -> None:
    bucket.output().publish([text("a.html")])
    bucket.request("PUT", f"{bucket.prefix}/bad\\sign")
    assert list(bucket.output().find("")) == ["a.html"]
    bucket.request("PUT", f"{bucket.prefix}/d/../b.html", b"x")
    with pytest.raises(OutputError, match=r"holds an object whose name is no path: news/2026/d/\.\./b\.html"):
        list(bucket.output().find(""))


def test_the_stamps_of_many_are_those_of_each(bucket: World, monkeypatch: pytest.MonkeyPatch) -> None:
    output = bucket.output()
    paths = [f"{number}.html" for number in range(20)]
    output.publish([text(path, path) for path in paths])
    fresh = output.stamps(paths)
    each = output.stamps(paths)
    monkeypatch.setattr(s3, "LISTED_FROM", 10)
    assert fresh == each == output.stamps([*paths, "nothing.html"])


def test_just_published_needs_no_question(bucket: World) -> None:
    output = bucket.output(endpoint=bucket.proxy.url)
    output.publish([text("a.html"), text("b.html")], seen={"a.html": "", "b.html": ""})
    output.stamps(["a.html", "b.html"])
    assert [method for method, _ in bucket.proxy.requests] == ["PUT", "PUT"]


def test_a_bucket_that_tags_otherwise_is_read_to_compare(bucket: World) -> None:
    output = bucket.output()
    output.publish([text("a.html", "same")])
    size, tag = output.stamps(["a.html"])["a.html"].split("-", 1)
    assert output.publish([text("a.html", "same")], seen={"a.html": f'{size}-"{"0" * 32}"'}) == ()
    assert output.publish([text("a.html", "SAME")], seen={"a.html": f"{size}-{tag}"}) == ("a.html",)


def test_many_are_written_at_once(bucket: World) -> None:
    meeting = threading.Barrier(AT_ONCE)

    def wait_for_all(_passage: Passage, method: str, _path: str) -> bool:
        if method == "PUT":
            meeting.wait(timeout=60)  # breaks, and with it the test, unless as many come together
        return False

    bucket.proxy.fault = wait_for_all
    files = [text(f"{number}.html") for number in range(AT_ONCE)]
    assert len(bucket.output(endpoint=bucket.proxy.url).publish(files)) == AT_ONCE


# ---------------------------------------------------------------- many writers


def test_a_writer_that_wakes_up_puts_nothing_over_a_newer_file(writer: Callable[[], Output]) -> None:
    sleeper, other = writer(), writer()
    sleeper.publish([text("atom.xml", "<v>1</v>")])
    seen = dict(sleeper.stamps(["atom.xml"]))  # then the articles are read; then it sleeps
    other.publish([text("atom.xml", "<v>3</v>")])
    with pytest.raises(OutputError, match=r"^atom\.xml: another process has replaced it meanwhile"):
        sleeper.publish([text("atom.xml", "<v>2</v>")], seen=seen)
    assert files_in(other) == {"atom.xml": b"<v>3</v>"}
    assert sleeper.publish([text("atom.xml", "<v>4</v>")], seen=sleeper.stamps(["atom.xml"])) == ("atom.xml",)


def test_a_writer_that_wakes_up_makes_no_file_that_has_been_made(writer: Callable[[], Output]) -> None:
    other = writer()
    other.publish([text("atom.xml", "<v>2</v>")])
    with pytest.raises(OutputError, match="another process"):
        writer().publish([text("atom.xml", "<v>1</v>")], seen={"atom.xml": ""})
    assert files_in(other) == {"atom.xml": b"<v>2</v>"}


def test_a_writer_that_wakes_up_puts_nothing_in_place_of_what_has_gone(writer: Callable[[], Output]) -> None:
    output = writer()
    output.publish([text("atom.xml", "<v>1</v>")])
    seen = dict(output.stamps(["atom.xml"]))
    writer().remove(["atom.xml"])
    with pytest.raises(OutputError, match="another process"):
        output.publish([text("atom.xml", "<v>2</v>")], seen=seen)
    assert files_in(output) == {}


def test_two_writers_of_equal_bytes_do_not_mind_each_other(bucket: World) -> None:
    bucket.output().publish([text("a.html")])
    output = bucket.output()
    assert output.publish([text("a.html")], seen={"a.html": ""}) == ("a.html",)
    assert output.stamps(["a.html"]) == bucket.output().stamps(["a.html"])


def test_of_twenty_racing_writers_each_wins_its_turn_only(bucket: World) -> None:
    bucket.output().publish([text("count.html", "")])

    def add_one(number: int) -> int:
        output, lost = bucket.output(), 0
        while True:
            seen = output.stamps(["count.html"])
            before = (output.read("count.html") or b"").decode()
            try:
                output.publish([text("count.html", f"{before}{number},")], seen=seen)
            except OutputError:
                lost += 1
            else:
                return lost

    with ThreadPoolExecutor(20) as pool:
        lost = list(pool.map(add_one, range(20)))
    assert sum(lost) > 0
    found = (bucket.output().read("count.html") or b"").decode().rstrip(",").split(",")
    assert sorted(map(int, found)) == list(range(20))


# ---------------------------------------------------------------- stores and wires that fail


@pytest.fixture
def behind(bucket: World, monkeypatch: pytest.MonkeyPatch) -> BucketOutput:
    """An output that reaches its bucket through the proxy, and gives up soon."""
    monkeypatch.setattr(s3, "RETRIES", 1)
    monkeypatch.setattr(s3, "REQUEST_SECONDS", 2)
    bucket.output().publish([text("a.html", "old"), text("b.html", "old")])
    return bucket.output(endpoint=bucket.proxy.url)


FAULTS = [
    pytest.param(
        lambda passage, method, _: method == "PUT" and passage.refuse(503, "SlowDown"),
        r"answers 503 Service Unavailable \(SlowDown\)",
        id="503",
    ),
    pytest.param(
        lambda passage, *_: passage.refuse(500, "InternalError"), "answers 500 Internal Server Error", id="500"
    ),
    pytest.param(lambda passage, *_: passage.refuse(403, "InvalidAccessKeyId"), "access is denied", id="403"),
    pytest.param(lambda passage, *_: passage.refuse(401, "Unauthorized"), "access is denied", id="401"),
    pytest.param(lambda passage, *_: passage.cut(), "breaks the connection off", id="cut"),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_a_store_that_fails_is_told_and_its_files_stay(
    bucket: World, behind: BucketOutput, fault: object, told: str
) -> None:
    bucket.proxy.fault = fault  # type: ignore[assignment]
    with pytest.raises(OutputError, match=rf"s3://{bucket.name}/news/2026: {told}"):
        behind.publish([text("a.html", "new"), text("b.html", "new")])
    assert bucket.tree() == {"a.html": b"old", "b.html": b"old"}


def test_a_store_that_does_not_answer_is_given_up(bucket: World, behind: BucketOutput) -> None:
    released = threading.Event()

    def hold(passage: Passage, *_: str) -> bool:
        released.wait(timeout=60)
        return passage.cut()

    bucket.proxy.fault = hold
    with pytest.raises(OutputError, match="does not answer in time"):
        behind.read("a.html")
    released.set()


def test_a_store_that_cannot_be_reached_is_left_alone_for_a_while(
    bucket: World, behind: BucketOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.proxy.fault = lambda passage, *_: passage.refuse(503, "SlowDown")
    with pytest.raises(OutputError) as first:
        behind.publish([text("a.html", "new")])
    asked = len(bucket.proxy.requests)
    with pytest.raises(OutputError) as second:
        behind.publish([text("b.html", "new")])
    assert (str(second.value), len(bucket.proxy.requests)) == (str(first.value), asked)
    monkeypatch.setattr(behind, "_asked_from", 0.0)
    bucket.proxy.fault = lambda *_: False
    assert behind.publish([text("b.html", "new")]) == ("b.html",)


def test_nobody_listens(bucket: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "RETRIES", 1)
    with pytest.raises(OutputError, match="cannot be reached"):
        bucket.output(endpoint="http://127.0.0.1:9").publish([text("a.html")])


def test_a_fault_that_passes_is_not_told(bucket: World, behind: BucketOutput) -> None:
    fails = iter([True])
    bucket.proxy.fault = lambda passage, *_: next(fails, False) and passage.refuse(503, "SlowDown")
    assert behind.publish([text("a.html", "new")]) == ("a.html",)


def test_an_answer_that_is_lost_is_no_conflict(bucket: World, behind: BucketOutput) -> None:
    """The store has done it, the connection breaks, and the same PUT comes once more: it meets itself."""
    lost: list[str] = []

    def lose(passage: Passage, method: str, path: str) -> bool:
        if method == "PUT" and not lost:
            lost.append(path)
            bucket.request("PUT", unquote(path).partition(f"/{bucket.name}/")[2], b"new")
            return passage.refuse(500, "InternalError")
        return False

    bucket.proxy.fault = lose
    assert behind.publish([text("a.html", "new")]) == ("a.html",)
    assert lost
    assert bucket.tree()["a.html"] == b"new"


def test_what_was_written_before_a_fault_is_no_conflict_when_it_is_tried_again(
    bucket: World, behind: BucketOutput
) -> None:
    seen = dict(behind.stamps(["a.html", "b.html"]))
    bucket.proxy.fault = lambda passage, _, path: path.endswith("b.html") and passage.refuse(403, "AccessDenied")
    with pytest.raises(OutputError):
        behind.publish([text("a.html", "new"), text("b.html", "new")], seen=seen)
    bucket.proxy.fault = lambda *_: False
    behind.publish([text("a.html", "new"), text("b.html", "new")], seen=seen)
    assert bucket.tree() == {"a.html": b"new", "b.html": b"new"}


def test_no_such_bucket(bucket: World) -> None:
    output = bucket.output(name="nobody-has-this")
    acts = (
        lambda: output.publish([text("a.html")]),
        lambda: output.publish([text("a.html")], seen={"a.html": '9-"x"'}),
        lambda: output.read("a.html"),
    )
    for act in acts:
        with pytest.raises(OutputError, match="nobody-has-this/news/2026: there is no such bucket"):
            act()
    with pytest.raises(OutputError, match="there is no such bucket"):
        list(output.find(""))


def test_a_store_that_keeps_its_word_has_no_fault(bucket: World) -> None:
    assert bucket.output().fault_of_conditions() is None
    assert bucket.tree() == {}


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_a_condition_is_found_out(bucket: World, header: str) -> None:
    bucket.proxy.dropped = frozenset({header.lower()})
    found = bucket.output(endpoint=bucket.proxy.url).fault_of_conditions()
    assert found
    assert found.startswith(f"ignores {header}")
    assert bucket.tree() == {}


def test_an_environment_that_cannot_be_understood_is_told(bucket: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_UNSIGNED_PAYLOAD", "perhaps")
    with pytest.raises(OutputError, match=rf"^s3://{bucket.name}/news/2026: .*perhaps"):
        bucket.output()


def test_a_fault_of_another_kind_is_told_in_a_line() -> None:
    assert s3._reason(ValueError("Odd\n\nDebug source:\n…")) == "Odd"


def test_the_host_names_the_bucket_unless_the_path_does(bucket: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "RETRIES", 0)
    port = bucket.proxy.server_address[1]
    output = bucket.output(endpoint=f"http://localhost:{port}", path_style=False)
    asked: list[str | None] = []

    def note(passage: Passage, *_: str) -> bool:
        asked.append(passage.headers.get("host"))
        return passage.refuse(403, "AccessDenied")

    bucket.proxy.fault = note
    with pytest.raises(OutputError):
        output.read("a.html")
    assert asked in ([f"{bucket.name}.localhost:{port}"], [])  # [] where names below localhost are not known
