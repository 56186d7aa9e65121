"""Looking into directories and reading their files, with real trees."""

from __future__ import annotations

import fnmatch
import os
import shutil
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import without_privileges

from feeder.errors import FetchError, Unsettled
from feeder.fetch import Fetcher
from feeder.fetch.directory import (
    MAX_SIZE,
    DirectoryFetcher,
    _any_of,
    _matcher,
    _read_all,
    _real,
    _snapshot,
    locator_of,
    path_of,
)
from feeder.model import DEFAULT_INCLUDE, Place, Source, Unlisted

ROOT = Path("/srv/articles")
FETCHER: Fetcher = DirectoryFetcher()


def source(path: Path, *, include: tuple[str, ...] = DEFAULT_INCLUDE, exclude: tuple[str, ...] = ()) -> Source:
    return Source(name="newsroom", order=0, path=path, include=include, exclude=exclude)


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"---\ntitle: A\n---\n")


def locators(root: Path, *, include: tuple[str, ...] = DEFAULT_INCLUDE, exclude: tuple[str, ...] = ()) -> list[str]:
    return [found.locator for found in FETCHER.look(source(root, include=include, exclude=exclude))]


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that anybody can reach, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


# ---------------------------------------------------------------- looking at some of it

TREE = (
    *("a.md", "a.rst", "b/a.md", "b/c/a.md", "b/c/.hid.md", "b/_drafts/a.md", ".git/a.md", "b.md", "bc/a.md"),
    *("old/a.md", "b/old/a.md", "_drafts.md", "b/c.d/a.md", "100%/a.md"),
)
AT = (*TREE, "b", "b/c", "bc", "old", "_drafts", "b/_drafts", ".git", "nothing", "a.md/below", "link.md", "linked")


@given(st.sets(st.sampled_from(AT)))
def test_looking_at_some_places_finds_what_looking_at_all_finds_there(at: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        put(root, *TREE)
        (root / "link.md").symlink_to("a.md")
        (root / "linked").symlink_to("b")
        tree = source(root, exclude=("old",))
        some = {locator_of(root, root / name) for name in at}
        wanted = [p for p in FETCHER.look(tree) if f"{p.locator}/".startswith(tuple(f"{each}/" for each in some))]
        assert set(FETCHER.look_at(tree, some)) == set(wanted)


@pytest.mark.parametrize(("at", "unknown"), [("shut", "shut/"), ("shut/a.md", "shut/"), ("shut/b/c.md", "shut/b/")])
def test_a_directory_that_cannot_be_listed_is_told_when_some_of_it_is_looked_at(
    public: Path, at: str, unknown: str
) -> None:
    put(public, "shut/a.md")
    (public / "shut").chmod(0)
    with without_privileges():
        assert list(FETCHER.look_at(source(public), [at])) == [Unlisted(locator=unknown, reason="Permission denied")]
    (public / "shut").chmod(0o755)


def test_a_source_that_is_missing_is_told_when_some_of_it_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="No such file"):
        list(FETCHER.look_at(source(tmp_path / "missing"), ["a.md"]))


# ---------------------------------------------------------------- what is listed


def test_places_come_by_name_a_directory_before_those_below_it(tmp_path: Path) -> None:
    put(tmp_path, "b.md", "a.md", "b/z.md", "a/2.md", "a/1.md", "a/c/1.md")
    assert locators(tmp_path) == ["a.md", "b.md", "a/1.md", "a/2.md", "a/c/1.md", "b/z.md"]


def test_a_place_bears_the_stamp_of_its_file(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    status = (tmp_path / "a.md").stat()
    stamped = Place(locator="a.md", size=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)
    assert list(FETCHER.look(source(tmp_path))) == [stamped]


def test_an_empty_directory_holds_no_place(tmp_path: Path) -> None:
    assert locators(tmp_path) == []


def test_hidden_names_and_drafts_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, ".a.md", ".git/b.md", "_drafts/c.md", "news/_drafts/d.md", "news/.e/f.md", "news/drafts/g.md")
    assert locators(tmp_path) == ["news/drafts/g.md"]


GLOBBED = ("A.MD", "a.md", "b.txt", "c.jpg", "news/a.md", "news/old/a.md", "news/old/b.html", "old/x.md", "x[1].md")


@pytest.mark.parametrize(
    ("include", "exclude", "left"),
    [
        pytest.param(
            DEFAULT_INCLUDE,
            (),
            ["A.MD", "a.md", "b.txt", "x[1].md", "news/a.md", "news/old/a.md", "news/old/b.html", "old/x.md"],
            id="defaults-with-extensions-in-either-case",
        ),
        pytest.param(("*",), ("*.*",), [], id="exclude-beats-include"),
        pytest.param(("b.*",), (), ["b.txt", "news/old/b.html"], id="name-at-any-depth"),
        pytest.param(("news/*.md",), (), ["news/a.md"], id="a-star-stops-at-a-slash"),
        pytest.param(("news/**/*.md",), (), ["news/a.md", "news/old/a.md"], id="two-stars-are-any-directories-or-none"),
        pytest.param(("**/old/*",), (), ["news/old/a.md", "news/old/b.html", "old/x.md"], id="two-stars-in-front"),
        pytest.param(("old/**",), (), ["old/x.md"], id="two-stars-at-the-end"),
        pytest.param(("/b*", "/x.md"), (), ["b.txt"], id="a-slash-in-front-means-the-top"),
        pytest.param(("?.txt",), (), ["b.txt"], id="question-mark"),
        pytest.param(("news?a.md", "news[!x]a.md"), (), [], id="neither-sign-nor-class-matches-a-slash"),
        pytest.param(("[b-c].*",), (), ["b.txt", "c.jpg", "news/old/b.html"], id="class"),
        pytest.param(("[!a]*.md",), (), ["x[1].md", "old/x.md"], id="negated-class"),
        pytest.param(("x[[]1].md",), (), ["x[1].md"], id="bracket-in-a-class"),
        pytest.param(("x[1].md", "[z-a].md"), (), [], id="class-is-no-text-and-a-range-backwards-is-empty"),
        pytest.param((), (), [], id="nothing-included"),
        pytest.param(("*.md",), ("old",), ["A.MD", "a.md", "x[1].md", "news/a.md"], id="exclude-directories-by-name"),
        pytest.param(("*.md",), ("old/",), ["A.MD", "a.md", "x[1].md", "news/a.md"], id="exclude-with-a-slash-behind"),
        pytest.param(
            ("a.md", "x.md"), ("old/**",), ["A.MD", "a.md", "news/a.md", "news/old/a.md"], id="exclude-all-below"
        ),
        pytest.param(("a.md",), ("news/*.md",), ["A.MD", "a.md", "news/old/a.md"], id="exclude-files-by-path"),
        pytest.param(("a.md",), ("**/old",), ["A.MD", "a.md", "news/a.md"], id="exclude-directories-by-path"),
    ],
)
def test_globs(tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], left: list[str]) -> None:
    put(tmp_path, *GLOBBED)
    assert locators(tmp_path, include=include, exclude=exclude) == left


@given(
    glob=st.lists(st.sampled_from(["a", "b", "B", ".", "*", "?", "[ab]", "[!a]", "[a-b]"])).map("".join),
    name=st.text("aAbB.", min_size=1),
)
@settings(deadline=None)
def test_within_a_name_globs_mean_what_they_mean_to_the_standard_library(glob: str, name: str) -> None:
    assert bool(_matcher(_any_of([glob]))(name)) == fnmatch.fnmatchcase(name.lower(), glob.lower())


def test_an_excluded_directory_is_not_even_opened(public: Path) -> None:
    put(public, "a.md", "secret/b.md")
    (public / "secret").chmod(0)
    with without_privileges():
        assert locators(public, exclude=("secret",)) == ["a.md"]


# ---------------------------------------------------------------- a tree that moves or resists


def test_a_tree_is_listed_as_it_is_walked(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "later/b.md")
    found = FETCHER.look(source(tmp_path))
    next(found)
    put(tmp_path, "later/c.md")
    assert [place.locator for place in found] == ["later/b.md", "later/c.md"]


def test_fault_73_a_file_that_vanishes_after_the_listing_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "b.md", "c.md")
    found = FETCHER.look(source(tmp_path))
    next(found)
    (tmp_path / "b.md").unlink()
    assert [place.locator for place in found] == ["c.md"]


@pytest.mark.parametrize("successor", ["nothing", "file", "link"])
def test_fault_73_a_directory_that_vanishes_after_the_listing_is_passed_over(tmp_path: Path, successor: str) -> None:
    put(tmp_path, "in/a.md", "in/b/c.md", "in/d/e.md", "out/secret.md")
    found = FETCHER.look(source(tmp_path / "in"))
    next(found)
    shutil.rmtree(tmp_path / "in/b")
    if successor == "file":
        put(tmp_path, "in/b")
    elif successor == "link":
        (tmp_path / "in/b").symlink_to(tmp_path / "out")
    assert [place.locator for place in found] == ["d/e.md"]


@pytest.mark.parametrize("mode", [pytest.param(0, id="not-readable"), pytest.param(0o444, id="not-searchable")])
def test_fault_75_what_lies_below_a_forbidden_directory_is_unknown_and_the_rest_is_listed(
    public: Path, mode: int
) -> None:
    put(public, "a.md", "b%/c.md", "b%/below/d.md", "e/f.md")
    (public / "b%").chmod(mode)
    with without_privileges():
        found = list(FETCHER.look(source(public)))
    assert [one.locator for one in found] == ["a.md", "b%25/", "e/f.md"]
    assert found[1] == Unlisted(locator="b%25/", reason="Permission denied")


def test_fault_75_a_forbidden_file_is_listed_but_cannot_be_read(public: Path) -> None:
    put(public, "a.md", "b.md")
    (public / "a.md").chmod(0)
    with without_privileges():
        assert locators(public) == ["a.md", "b.md"]
        with pytest.raises(FetchError, match=r"^a\.md: Permission denied$"):
            FETCHER.read(source(public), "a.md")


@pytest.mark.parametrize("root", ["missing", "file.md"])
def test_fault_76_a_root_that_is_no_directory_is_an_error_not_an_empty_source(tmp_path: Path, root: str) -> None:
    put(tmp_path, "file.md")
    with pytest.raises(FetchError, match=f"{root}: N"):
        locators(tmp_path / root)


@pytest.mark.parametrize("mode", [0, 0o444])
def test_fault_76_a_forbidden_root_is_an_error_not_an_empty_source(public: Path, mode: int) -> None:
    put(public, "in/a.md")
    (public / "in").chmod(mode)
    with without_privileges(), pytest.raises(FetchError, match="Permission denied"):
        locators(public / "in")


def test_a_source_without_a_path_cannot_be_looked_into() -> None:
    with pytest.raises(FetchError, match="newsroom: is not a directory source"):
        list(FETCHER.look(Source(name="newsroom", order=0, url="https://example.org/feed.xml")))


def test_what_lies_too_deep_for_the_system_is_unknown(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "z/b.md")
    directory = os.open(tmp_path, os.O_RDONLY)
    for _ in range(22):  # 22 names of 200 bytes: more than the 4096 that a path may have
        os.mkdir("n" * 200, dir_fd=directory)
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    first, unknown, last = FETCHER.look(source(tmp_path))
    assert (first.locator, last.locator) == ("a.md", "z/b.md")
    assert isinstance(unknown, Unlisted)
    assert unknown.reason == "File name too long"


# ---------------------------------------------------------------- links and things that are no files


def test_fault_71_linked_directories_are_not_entered_so_that_no_loop_arises(tmp_path: Path) -> None:
    put(tmp_path, "in/a.md", "out/b.md")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/out").symlink_to(tmp_path / "out")
    assert locators(tmp_path / "in") == ["a.md"]


def test_fault_71_a_link_to_a_file_inside_counts_as_that_file(tmp_path: Path) -> None:
    put(tmp_path, "z/a.md")
    (tmp_path / "b.md").symlink_to("z/a.md")
    linked, real = FETCHER.look(source(tmp_path))
    assert isinstance(linked, Place)
    assert isinstance(real, Place)
    assert (linked.locator, linked.inode) == ("b.md", real.inode)
    assert FETCHER.read(source(tmp_path), "b.md").place == linked


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        pytest.param("../out.md", "is a link out of the source", id="out"),
        pytest.param("/dev/null", "is a link out of the source", id="device"),
        pytest.param("../inner.md", "is a link out of the source", id="sibling-with-the-same-beginning"),
        pytest.param("a.md", "Too many levels of symbolic links", id="itself"),
        pytest.param("missing.md", "vanished", id="nothing"),
        pytest.param("directory", "is not a regular file", id="directory"),
    ],
)
def test_fault_71_no_other_link_is_followed(tmp_path: Path, target: str, reason: str) -> None:
    put(tmp_path, "out.md", "inner.md", "in/directory/b.jpg")
    (tmp_path / "in/a.md").symlink_to(target)
    assert locators(tmp_path / "in") == []
    with pytest.raises(FetchError, match=rf"^a\.md: {reason}$"):
        FETCHER.read(source(tmp_path / "in"), "a.md")


def test_fault_71_a_directory_that_became_a_link_leads_nowhere(tmp_path: Path) -> None:
    put(tmp_path, "out/a.md", "in/b.md")
    (tmp_path / "in/d").symlink_to(tmp_path / "out")
    with pytest.raises(FetchError, match="lies outside of the source"):
        FETCHER.read(source(tmp_path / "in"), "d/a.md")


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "release-7/d/a.md")
    (tmp_path / "current").symlink_to("release-7")
    assert locators(tmp_path / "current") == ["d/a.md"]
    assert FETCHER.read(source(tmp_path / "current"), "d/a.md").body


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Path]:
    """A tree that holds a pipe, a socket and, where that is allowed, a device."""
    os.mkfifo(tmp_path / "pipe.md")
    with suppress(PermissionError):
        os.mknod(tmp_path / "device.md", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(tmp_path / "socket.md"))
        yield tmp_path


def test_fault_72_pipes_sockets_and_devices_are_not_listed(strange: Path) -> None:
    put(strange, "z.md")
    assert locators(strange) == ["z.md"]


def test_fault_72_pipes_sockets_and_devices_are_not_opened(strange: Path) -> None:
    for path in strange.iterdir():
        with pytest.raises(FetchError, match="is not a regular file"):
            FETCHER.read(source(strange), path.name)


def test_fault_72_a_pipe_that_took_a_files_place_before_it_was_opened_is_not_read() -> None:
    reading, writing = os.pipe()
    with pytest.raises(FetchError, match="is not a regular file"):
        _snapshot(reading, "a.md")
    os.close(reading)
    os.close(writing)


# ---------------------------------------------------------------- reading


def test_a_snapshot_holds_the_bytes_and_the_place(tmp_path: Path) -> None:
    put(tmp_path, "d/a.md")
    snapshot = FETCHER.read(source(tmp_path), "d/a.md")
    assert snapshot.body == b"---\ntitle: A\n---\n"
    assert snapshot.locator == "d/a.md"
    assert [snapshot.place] == list(FETCHER.look(source(tmp_path)))


def test_an_empty_file_is_a_document_too(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    assert FETCHER.read(source(tmp_path), "a.md").body == b""


def test_fault_73_a_file_that_vanished_says_so(tmp_path: Path) -> None:
    put(tmp_path, "b")
    for locator in ("a.md", "b/a.md", "c/a.md"):
        with pytest.raises(FetchError, match="vanished"):
            FETCHER.read(source(tmp_path), locator)


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    for name, size in (("a.md", MAX_SIZE), ("b.md", MAX_SIZE + 1)):
        put(tmp_path, name)
        os.truncate(tmp_path / name, size)
    assert len(FETCHER.read(source(tmp_path), "a.md").body) == MAX_SIZE
    with pytest.raises(FetchError, match=r"^b\.md: is larger than 10 MiB$"):
        FETCHER.read(source(tmp_path), "b.md")


def test_what_comes_in_pieces_is_read_whole() -> None:
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sending, receiving:
        sending.send(b"abc")
        sending.send(b"def")
        assert _read_all(receiving.fileno(), 6) == b"abcdef"


def read_until_unsettled(root: Path) -> Unsettled:
    while True:
        try:
            FETCHER.read(source(root), "a.md")
        except Unsettled as unsettled:
            return unsettled


def test_fault_74_a_file_that_grows_while_it_is_read_is_unsettled(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"x" * 2_000_000)
    enough = threading.Event()

    def write_on() -> None:
        with path.open("ab", buffering=0) as file:
            while not enough.is_set():
                file.write(b"y")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        assert str(read_until_unsettled(tmp_path)) == "a.md: changed while it was read"
    finally:
        enough.set()
        writer.join()


def test_documents_read_one_after_another_are_those_that_are_read_alone(tmp_path: Path) -> None:
    for path in ("in/a.md", "in/b.md", "in/d/c.md", "out/e.md"):
        put(tmp_path, path)
    (tmp_path / "in/d/far.md").symlink_to("../b.md")
    (tmp_path / "in/d/out.md").symlink_to("../../out/e.md")
    (tmp_path / "in/beside").symlink_to("d")
    (tmp_path / "in/away").symlink_to("../out")
    tree, told = source(tmp_path / "in"), []
    opened = sorted(Path("/dev/fd").iterdir())
    with FETCHER.reading(tree) as read:
        for locator in ("a.md", "b.md", "d/far.md", "d/c.md", "beside/c.md"):
            assert read(locator) == FETCHER.read(tree, locator)
        for locator in ("away/e.md", "d/out.md", "away/gone.md", "gone/a.md", "d/gone.md", "d"):
            with pytest.raises(FetchError) as alone:
                FETCHER.read(tree, locator)
            with pytest.raises(FetchError) as in_row:
                read(locator)
            told.append((str(in_row.value), str(alone.value)))
        assert read("a.md").body
    assert [in_row for in_row, _ in told] == [alone for _, alone in told]
    assert sorted(Path("/dev/fd").iterdir()) == opened


def test_where_the_system_cannot_tell_the_real_path_is_looked_up(tmp_path: Path) -> None:
    put(tmp_path, "in/a.md")
    (tmp_path / "link").symlink_to("in")
    assert _real(-1, str(tmp_path / "link/a.md")) == os.path.realpath(tmp_path / "in/a.md")


# ---------------------------------------------------------------- locators

NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not {*name} & {0, 47} and name not in {b".", b".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: ROOT / os.fsdecode(b"/".join(names)))


@given(path=PATHS)
@settings(deadline=None)
def test_every_path_has_a_locator_that_leads_back_to_it(path: Path) -> None:
    locator = locator_of(ROOT, path)
    assert path_of(ROOT, locator) == path
    assert locator.encode().decode() == locator
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in locator)


@given(locator=st.text() | st.text("%2EeFf0./a", max_size=8))
@settings(deadline=None)
def test_every_text_is_refused_or_is_the_locator_of_one_path_below_the_root(locator: str) -> None:
    try:
        path = path_of(ROOT, locator)
    except FetchError:
        return
    assert locator_of(ROOT, path) == locator


@pytest.mark.parametrize(
    ("name", "locator"),
    [
        ("金融/新浪财经/标题.md", "金融/新浪财经/标题.md"),
        ("100% true.md", "100%25 true.md"),
        ("a\nb\x1b\x85\u2028.md", "a%0Ab%1B%C2%85%E2%80%A8.md"),
        ("e\u0301\u200b.md", "e\u0301\u200b.md"),
        (os.fsdecode(b"caf\xe9.md"), "caf%E9.md"),
        (os.fsdecode("\ud800".encode(errors="surrogatepass")), "%ED%A0%80"),
    ],
)
def test_locators(name: str, locator: str) -> None:
    assert locator_of(ROOT, ROOT / name) == locator


@pytest.mark.parametrize(
    "locator",
    [
        *("", ".", "..", "../a", "a/../b", "a//b", "/etc/passwd", "a/", "%2E%2E/a", "..%2Fa"),
        *("a%00", "%e9", "%41", "%zz", "%", "a\nb", "\0", "\udce9", "\ud800", "%25\ud800"),
    ],
)
def test_a_locator_that_climbs_out_or_is_spelled_otherwise_is_refused(tmp_path: Path, locator: str) -> None:
    with pytest.raises(FetchError, match="is not a locator of a file"):
        path_of(ROOT, locator)
    with pytest.raises(FetchError, match="is not a locator of a file"):
        FETCHER.read(source(tmp_path), locator)


@pytest.mark.parametrize("path", ["/srv", "/srv/articles", "/etc/passwd", "a.md", "/srv/articles/../b", "\ud800"])
def test_a_path_that_is_not_below_the_root_has_no_locator(path: str) -> None:
    with pytest.raises(FetchError, match="is not below /srv/articles"):
        locator_of(ROOT, Path(path))


@pytest.mark.parametrize("name", [b"\xff\xfe.md", b"a\nb.md", b"%41.md", "标题 ★.md".encode(), b" .md", b"\\.md"])
def test_fault_70_a_file_of_any_name_is_listed_and_read(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(b"d\xe9/" + name)
    path.parent.mkdir()
    path.write_bytes(b"body")
    (locator,) = locators(tmp_path)
    assert path_of(tmp_path, locator) == path
    assert FETCHER.read(source(tmp_path), locator).body == b"body"


def test_a_file_of_any_date_has_a_stamp_that_the_state_can_hold(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    far = 10_000_000_000  # seconds: the year 2286
    os.utime(tmp_path / "a.md", (far, far))
    [place] = FETCHER.look(source(tmp_path))
    assert isinstance(place, Place)
    assert 0 <= place.mtime_ns < 1 << 63
    assert FETCHER.read(source(tmp_path), "a.md").place == place


def test_a_directory_that_becomes_a_link_during_a_look_leads_nowhere(tmp_path: Path) -> None:
    put(tmp_path, "outside/b/secret.md", "tree/a/a.md", "tree/a/b/b.md")
    looking = FETCHER.look(source(tmp_path / "tree"))
    first = next(looking)  # what is above it was entered, and what is below it is still to be
    (tmp_path / "tree" / "a").rename(tmp_path / "gone")
    (tmp_path / "tree" / "a").symlink_to(tmp_path / "outside")
    assert [first.locator, *(found.locator for found in looking)] == ["a/a.md"]
