"""Publishing into a directory: whole files only, nowhere else, whatever happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import NOBODY, without_privileges

from feeder.durable import FLUSH_ALL, flush_around
from feeder.errors import OutputError
from feeder.model import FeedFile
from feeder.output import Output
from feeder.output.files import (
    BATCH_BYTES,
    BATCH_DIRECTORIES,
    BATCH_FILES,
    FileOutput,
)

STRAY = ".feeder-0123456789abcdef.tmp"


def text(path: str, body: str = "body") -> FeedFile:
    return FeedFile(path=path, body=body.encode())


def stamp(output: Output, path: str) -> str | None:
    return output.stamps([path]).get(path)


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "var/public"


@pytest.fixture
def output(root: Path) -> Output:
    return FileOutput(root)


# ---------------------------------------------------------------- publishing


def test_files_are_published_below_a_root_that_is_made_for_them(root: Path, output: Output) -> None:
    files = [text("index.html"), text("categories/金融/新浪财经/index.html", "金")]
    assert output.publish(files) == ("index.html", "categories/金融/新浪财经/index.html")
    assert tree(root) == {file.path: file.body for file in files}


def test_nothing_to_publish_makes_nothing(root: Path, output: Output) -> None:
    assert output.publish(()) == ()
    assert not root.exists()


def test_a_file_with_equal_bytes_is_not_touched(root: Path, output: Output) -> None:
    output.publish([text("a.html"), text("b.html")])
    os.utime(root / "a.html", ns=(1, 1))
    before = stamp(output, "a.html")
    assert output.publish([text("a.html"), text("b.html", "BODY")]) == ("b.html",)
    assert stamp(output, "a.html") == before
    assert tree(root) == {"a.html": b"body", "b.html": b"BODY"}


@pytest.mark.parametrize("altered", ["", "bod", "BODY", "body body"])
def test_a_file_that_somebody_altered_is_written_again(root: Path, output: Output, altered: str) -> None:
    output.publish([text("a.html")])
    (root / "a.html").write_text(altered)
    assert output.publish([text("a.html")]) == ("a.html",)
    assert tree(root) == {"a.html": b"body"}


def test_of_two_files_with_one_path_the_last_stays(root: Path, output: Output) -> None:
    output.publish([text("a.html", "old")])
    output.publish([text("a.html", "new"), text("a.html", "old")])
    assert tree(root) == {"a.html": b"old"}


def test_files_are_readable_to_all_that_the_umask_allows(root: Path, output: Output) -> None:
    was = os.umask(0o027)
    try:
        output.publish([text("d/a.html")])
    finally:
        os.umask(was)
    assert (root / "d/a.html").stat().st_mode & 0o777 == 0o640
    assert (root / "d").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("number", [FLUSH_ALL, FLUSH_ALL + 1, BATCH_FILES, 2 * BATCH_FILES + 1])
def test_any_number_of_files_is_published(root: Path, output: Output, number: int) -> None:
    files = [text(f"{count % 7}/{count}.html", str(count)) for count in range(number)]
    assert output.publish(iter(files)) == tuple(file.path for file in files)
    assert tree(root) == {file.path: file.body for file in files}


def test_batches_are_bounded_in_directories_and_bytes(root: Path, output: Output) -> None:
    files = [text(f"{count}/a.html") for count in range(2 * BATCH_DIRECTORIES)]
    output.publish(files)
    seen: list[int] = []

    def watched() -> Iterator[FeedFile]:
        for file in files:
            seen.append(len(list(Path("/dev/fd").iterdir())))
            yield file
        yield FeedFile(path="big.html", body=bytes(BATCH_BYTES))
        assert not list(root.glob(".feeder-*.tmp"))
        yield text("small.html")
        assert list(root.glob(".feeder-*.tmp"))

    assert output.publish(watched()) == ("big.html", "small.html")
    assert max(seen) - seen[0] <= BATCH_DIRECTORIES


def test_a_renderer_that_fails_leaves_nothing_half_done(root: Path, output: Output) -> None:
    output.publish([text("a.html")])

    def failing() -> Iterator[FeedFile]:
        yield text("a.html", "new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        output.publish(failing())
    assert tree(root) == {"a.html": b"body"}


def test_a_reader_sees_whole_files_only(root: Path, output: Output) -> None:
    versions = [bytes([65 + number]) * (50_000 + number) for number in range(5)]
    output.publish([FeedFile(path="a.html", body=versions[0])])
    seen: set[bytes] = set()
    enough = threading.Event()

    def read_on() -> None:
        while not enough.is_set():
            seen.add((root / "a.html").read_bytes())

    reader = threading.Thread(target=read_on)
    reader.start()
    for number in range(300):
        output.publish([FeedFile(path="a.html", body=versions[number % 5])])
    enough.set()
    reader.join()
    assert seen
    assert seen <= set(versions)


# ---------------------------------------------------------------- the last check


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        pytest.param("a.xml", "<a/>", "<a>\n</b>", "line 2", id="xml-tags"),
        pytest.param("a.xml", "<a/>", "<a>\n\x0b</a>", "line 2", id="xml-control-character"),
        pytest.param("a.xml", "<a/>", "<a>\n\n&nbsp;</a>", "line 3", id="xml-entity"),
        pytest.param("a.xml", "<a/>", "<media:a/>", "line 1", id="xml-prefix"),
        pytest.param("a.xml", "<a/>", "", "no element found", id="xml-empty"),
        pytest.param("d/feeds.opml", "<a/>", "<a>\n<b>\n</a>", "line 3", id="opml"),
        pytest.param("a.json", "[]", "[\n1,\n]", "line 3", id="json-comma"),
        pytest.param("a.json", "[]", "[NaN]", "NaN is not JSON", id="json-nan"),
        pytest.param("a.json", "[]", "[" * 100_000, "", id="json-nested"),
    ],
)
def test_what_is_not_well_formed_replaces_nothing(tmp_path: Path, path: str, old: str, new: str, reason: str) -> None:
    output = FileOutput(tmp_path)
    output.publish([text(path, old)])
    with pytest.raises(OutputError, match=rf"^{re.escape(path)}: is not well-formed, .*{reason}"):
        output.publish([text("first.html"), text(path, new)])
    assert tree(tmp_path) == {path: old.encode()}


@pytest.mark.parametrize(("path", "body"), [("a.xml", b"<a>\xff</a>"), ("a.json", b'["\xff"]')])
def test_what_is_not_utf8_is_not_published(root: Path, output: Output, path: str, body: bytes) -> None:
    with pytest.raises(OutputError, match="is not well-formed"):
        output.publish([FeedFile(path=path, body=body)])
    assert tree(root) == {}


def test_a_long_text_is_no_fault(output: Output) -> None:
    file = text("a.xml", f"<a>{'x' * 11_000_000}</a>")
    assert output.publish([file]) == ("a.xml",)


# ---------------------------------------------------------------- paths

BAD_PATHS = [
    *("", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/..", ".", "./a", "a/", "a//b"),
    *("a\0b", "a\nb", "a\\b", "..\\a", "\ud800", "\udcff", "a" * 256, "金" * 86, "a" * 256 + "/b", STRAY, f"a/{STRAY}"),
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_fault_67_no_path_leads_anywhere_else(root: Path, output: Output, path: str) -> None:
    output.publish([text("a.html")])
    refused = pytest.raises(OutputError, match="is not a path for a published file")
    with refused:
        output.publish([text(path)])
    with refused:
        output.remove([path])
    with refused:
        output.read(path)
    with refused:
        stamp(output, path)
    assert tree(root.parent) == {"public/a.html": b"body"}


@pytest.mark.parametrize("name", ["a" * 255, "金" * 85, "E\u0301", "CON", " ", "...", "a" * 250 + ".xmlx"])
def test_fault_68_any_other_name_is_published_as_it_is(root: Path, output: Output, name: str) -> None:
    output.publish([text(f"{name}/{name}")])
    assert tree(root) == {f"{name}/{name}": b"body"}


@given(path=st.text("ab./\\\0\n", max_size=12))
@settings(deadline=None)
def test_whatever_the_path_everything_stays_inside(path: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "in")
        root.mkdir()
        output = FileOutput(root)
        try:
            output.publish([text(path)])
        except OutputError:
            assert tree(Path(name)) == {}
        else:
            assert tree(Path(name)) == {f"in/{path}": b"body"}
            assert output.remove([path]) == (path,)
        assert list(Path(name).rglob("*")) == [root]


def test_fault_67_a_linked_directory_is_not_followed(tmp_path: Path, root: Path, output: Output) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.html").write_text("body")
    output.publish([text("d/b.html")])
    (root / "d/out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=r"^d/out/a\.html: "):
        output.publish([text("d/out/a.html", "new")])
    assert output.remove(["d/out/a.html"]) == ()
    assert output.read("d/out/a.html") is None
    assert stamp(output, "d/out/a.html") is None
    assert tree(tmp_path / "elsewhere") == {"a.html": b"body"}


def test_fault_67_a_linked_file_is_replaced_not_written_through(tmp_path: Path, root: Path, output: Output) -> None:
    (tmp_path / "elsewhere.html").write_text("body")
    root.mkdir(parents=True)
    (root / "a.html").symlink_to(tmp_path / "elsewhere.html")
    assert output.read("a.html") is None
    assert stamp(output, "a.html") is None
    assert output.publish([text("a.html")]) == ("a.html",)
    assert not (root / "a.html").is_symlink()
    output.publish([text("a.html", "new")])
    assert (tmp_path / "elsewhere.html").read_text() == "body"


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    output = FileOutput(tmp_path / "link")
    output.publish([text("d/a.html")])
    (tmp_path / "real/d" / STRAY).touch()
    assert output.sweep() == 1
    assert tree(tmp_path / "real") == {"d/a.html": b"body"}


# ---------------------------------------------------------------- removing, reading, stamps


def test_removing_tells_what_was_there_and_prunes_up_to_the_root(root: Path, output: Output) -> None:
    output.publish([text("a/b/1.html"), text("a/b/2.html"), text("a/c/3.html"), text("d/e/4.html")])
    assert output.remove(["a/b/1.html", "a/b/none.html", "none/1.html", "a/b/2.html", "a/b/2.html"]) == (
        "a/b/1.html",
        "a/b/2.html",
    )
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) == [
        *("a", "a/c", "a/c/3.html", "d", "d/e", "d/e/4.html"),
    ]
    assert output.remove(["a/c/3.html", "d/e/4.html"]) == ("a/c/3.html", "d/e/4.html")
    assert list(root.iterdir()) == []


def test_removing_many_files_removes_them_all(root: Path, output: Output) -> None:
    paths = [f"{number}/a.html" for number in range(BATCH_FILES * 2 + 1)]
    output.publish(map(text, paths))
    assert output.remove(iter(paths)) == tuple(paths)
    assert list(root.iterdir()) == []


def test_removing_again_prunes_what_a_stopped_run_left(root: Path, output: Output) -> None:
    (root / "a/b").mkdir(parents=True)
    assert output.remove(["a/b/1.html"]) == ()
    assert list(root.iterdir()) == []


def test_a_directory_is_not_removed_in_place_of_a_file(root: Path, output: Output) -> None:
    output.publish([text("a/b.html")])
    with pytest.raises(OutputError, match=r"^a: Is a directory$"):
        output.remove(["a"])
    assert tree(root) == {"a/b.html": b"body"}


def test_where_there_is_no_root_there_is_nothing(output: Output) -> None:
    assert output.remove(["a.html"]) == ()
    assert output.read("a.html") is None
    assert stamp(output, "a.html") is None
    assert output.sweep() == 0


@pytest.mark.parametrize("path", ["none.html", "d", "d/none.html", "d/a.html/b.html", "none/a.html", "pipe"])
def test_what_is_no_file_is_not_there(root: Path, output: Output, path: str) -> None:
    output.publish([text("d/a.html")])
    os.mkfifo(root / "pipe")
    assert output.read(path) is None
    assert stamp(output, path) is None


def test_a_published_file_is_read_back(output: Output) -> None:
    output.publish([text("d/a.html", "金")])
    assert output.read("d/a.html") == "金".encode()


def test_a_stamp_moves_with_every_alteration_and_only_then(root: Path, output: Output) -> None:
    output.publish([text("a.html")])
    stamps = [stamp(output, "a.html")]
    assert stamp(output, "a.html") == stamps[0]
    os.utime(root / "a.html", ns=(5, 5))
    stamps.append(stamp(output, "a.html"))
    (root / "a.html").write_text("longer than before")
    os.utime(root / "a.html", ns=(5, 5))
    stamps.append(stamp(output, "a.html"))
    output.publish([text("a.html", "other than before!")])
    os.utime(root / "a.html", ns=(5, 5))
    stamps.append(stamp(output, "a.html"))
    assert None not in stamps
    assert len(set(stamps)) == len(stamps)


def test_sweeping_removes_our_strays_and_nothing_else(root: Path, output: Output) -> None:
    kept = ["a.html", "d/.feeder-1.tmp", "d/.hidden", "d/feeder-0123456789abcdef.tmp", f"d/{STRAY}x"]
    output.publish(map(text, kept))
    for stray in (STRAY, f"d/{STRAY}", "d/.feeder-ffffffffffffffff.tmp"):
        (root / stray).touch()
    assert output.sweep() == 3
    assert output.sweep() == 0
    assert sorted(tree(root)) == sorted(kept)


# ---------------------------------------------------------------- disks that fail


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """An output that is published, and that nobody may write or, in part, read any more."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        FileOutput(root).publish([text("a.html"), text("secret/b.html"), text("closed.html")])
        (root / "closed.html").chmod(0)
        (root / "secret").chmod(0)
        root.chmod(0o555)
        yield root
        root.chmod(0o755)
        (root / "secret").chmod(0o755)


@pytest.mark.parametrize("path", ["a.html", "new.html", "d/new.html", "secret/b.html", "closed.html"])
def test_fault_80_where_writing_is_forbidden_the_old_files_stay(forbidden: Path, path: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in forbidden.iterdir()}
    with without_privileges(), pytest.raises(OutputError, match=f"^{path}: Permission denied$"):
        FileOutput(forbidden).publish([text(path, "edit")])
    assert {path: path.stat().st_mtime_ns for path in forbidden.iterdir()} == before


def test_fault_80_where_removing_is_forbidden_the_old_files_stay(forbidden: Path) -> None:
    with without_privileges(), pytest.raises(OutputError, match=r"^a\.html: Permission denied$"):
        FileOutput(forbidden).remove(["a.html"])
    assert (forbidden / "a.html").exists()


@pytest.mark.parametrize("path", ["closed.html", "secret/b.html"])
def test_what_may_not_be_read_is_an_error_not_absent(forbidden: Path, path: str) -> None:
    with without_privileges(), pytest.raises(OutputError, match="Permission denied"):
        FileOutput(forbidden).read(path)


def test_what_could_not_be_removed_is_removed_by_the_next_batch_that_can(forbidden: Path) -> None:
    output = FileOutput(forbidden)
    forbidden.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(forbidden, NOBODY, -1)

    def closing() -> Iterator[FeedFile]:
        yield text("new.html")
        forbidden.chmod(0o555)
        yield text("newer.html")

    with without_privileges():
        with pytest.raises(OutputError, match="Permission denied"):
            output.publish(closing())
        output.publish([])  # it still cannot be
        assert len(list(forbidden.glob(".feeder-*"))) == 1
        forbidden.chmod(0o755)
        output.publish([])
        assert not list(forbidden.glob(".feeder-*"))


def test_an_error_of_the_flush_is_told() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        flush_around(-1)


def test_a_root_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"/file/public: Not a directory$"):
        FileOutput(tmp_path / "file/public").publish([text("a.html")])


def test_a_file_in_place_of_a_directory_is_told_and_stays(root: Path, output: Output) -> None:
    output.publish([text("d")])
    with pytest.raises(OutputError, match=r"^d/a\.html: Not a directory$"):
        output.publish([text("b.html"), text("d/a.html")])
    assert tree(root) == {"d": b"body"}


def test_a_directory_in_place_of_a_file_is_told_and_nothing_stays_beside_it(root: Path, output: Output) -> None:
    output.publish([text("d/a.html")])
    with pytest.raises(OutputError, match=r"^d: Is a directory$"):
        output.publish([text("d"), text("z.html")])
    assert tree(root) == {"d/a.html": b"body"}


# A file system of 64 kB is mounted in a mount namespace of the child's own: it is gone when the child is. Where
# mounting is not allowed, a limit on the size of files is the disk that is full, and permissions are the lock.
ON_A_SMALL_DISK = """
import json, os, resource, subprocess, sys
from pathlib import Path
from feeder.durable import FLUSH_ALL, flush_around
from feeder.errors import OutputError
from feeder.model import FeedFile
from feeder.output.files import FileOutput

root, fault, mounted = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "mount"
if mounted:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(root)], check=True)
output = FileOutput(root)
output.publish([FeedFile(path=f"d/{n}.html", body=b"old") for n in range(3)])
if fault == "full" and not mounted:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))
if fault == "read-only" and mounted:
    subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
if fault == "read-only" and not mounted:
    subprocess.run(["chmod", "-R", "a-w", str(root)], check=True)
    if os.getuid() == 0:
        os.seteuid(65534)
size = 30_000 if fault == "full" else 10
try:
    output.publish([FeedFile(path=f"d/{n}.html", body=b"x" * size) for n in range(3)])
    told = None
except OutputError as error:
    told = str(error)
if os.getuid() == 0:
    os.seteuid(0)
left = {str(path.relative_to(root)): path.read_bytes().decode() for path in root.rglob("*") if path.is_file()}
print(json.dumps([told, left]))
"""


def on_a_small_disk(root: Path, fault: str, way: str) -> tuple[str, dict[str, str]]:
    own_mounts = ["unshare", "--mount"] if way == "mount" else []
    child = [*own_mounts, sys.executable, "-c", ON_A_SMALL_DISK, str(root), fault, way]
    told, left = json.loads(subprocess.run(child, capture_output=True, check=True, text=True).stdout)
    return told, left


MAY_MOUNT = (
    shutil.which("unshare")
    and not subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode
)
WAYS = ["mount", "limit"] if MAY_MOUNT else ["limit"]


@pytest.mark.parametrize("way", WAYS)
def test_fault_78_a_full_disk_leaves_the_old_files_and_nothing_else(tmp_path: Path, way: str) -> None:
    told, left = on_a_small_disk(tmp_path, "full", way)
    assert re.fullmatch(r"d/\d\.html: (No space left on device|File too large)", told)
    assert left == {f"d/{number}.html": "old" for number in range(3)}


@pytest.mark.parametrize("way", WAYS)
def test_fault_80_a_read_only_disk_leaves_the_old_files(tmp_path: Path, way: str) -> None:
    told, left = on_a_small_disk(tmp_path, "read-only", way)
    assert re.fullmatch(r".*: (Read-only file system|Permission denied)", told)
    assert left == {f"d/{number}.html": "old" for number in range(3)}


PUBLISH_FOR_EVER = """
import itertools, sys
from pathlib import Path
from feeder.model import FeedFile
from feeder.output.files import FileOutput

output = FileOutput(Path(sys.argv[1]))
for version in itertools.count():
    output.publish(FeedFile(path=f"{n % 4}/{n}.html", body=b"%d" % (version % 10) * 40_000) for n in range(20))
    print(version, flush=True)
"""


@pytest.mark.parametrize("rounds", range(1, 6))
def test_fault_82_a_killed_publisher_leaves_whole_files_and_strays_that_are_swept(root: Path, rounds: int) -> None:
    with subprocess.Popen([sys.executable, "-c", PUBLISH_FOR_EVER, str(root)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(rounds):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    FileOutput(root).sweep()
    left = tree(root)
    assert sorted(left) == sorted(f"{number % 4}/{number}.html" for number in range(20))
    assert {(len(body), len(set(body))) for body in left.values()} == {(40_000, 1)}
