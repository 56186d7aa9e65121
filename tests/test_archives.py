"""Archives of trees: what is unpacked, what is refused, and that nothing is lost on the way."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from build import source
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import without_privileges

from feeder.durable import _flush_everything
from feeder.errors import FetchError, Oversized, ParseError
from feeder.fetch import archive
from feeder.fetch.archive import as_directory, sweep, unpack
from feeder.fetch.directory import MAX_SIZE, DirectoryFetcher
from feeder.fetch.tar import MAX_EXTENDED, MAX_MEMBERS, MAX_UNPACKED, Kind, members
from feeder.model import Place, Source

PARTNER = source("partner", url="https://partner.example/tree.tar.gz")
FERRY = b"---\ntitle: The ferry is back\n---\nIt sails again.\n"
CRANE = b"---\ntitle: A new crane\n---\nIt lifts forty tons.\n"
WHEN = 1_772_000_000


def info(name: str, body: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(body), WHEN
    for field, value in fields.items():
        setattr(member, field, value)
    return member, body


def tar(*added: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for member, body in added:
            archive.addfile(member, io.BytesIO(body))
    return file.getvalue()


def tgz(*added: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return gzip.compress(tar(*added))


def repository(commit: str, **documents: bytes) -> bytes:
    """Return an archive as forges make it; "__" in a name stands for "/"."""
    top = f"tree-{commit}"
    files = (info(f"{top}/{name.replace('__', '/')}.md", body) for name, body in documents.items())
    return tgz(info(f"{top}/", type=tarfile.DIRTYPE), *files)


def documents(below: Path, of: Source = PARTNER) -> dict[str, bytes]:
    fetcher, tree = DirectoryFetcher(), as_directory(of, below=below)
    return {place.locator: fetcher.read(tree, place.locator).body for place in places(below, of)}


def places(below: Path, of: Source = PARTNER) -> list[Place]:
    found = DirectoryFetcher().look(as_directory(of, below=below))
    return [place for place in found if isinstance(place, Place)]


def everything(below: Path) -> set[str]:
    return {path.name for path in below.rglob("*") if not path.is_dir() or path.is_symlink()}


# ---------------------------------------------------------------- documents


def test_an_archive_is_read_like_a_directory(tmp_path: Path) -> None:
    found = unpack(repository("1a2b3c", sea__ferry=FERRY, port=CRANE), PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"port.md": CRANE, "sea/ferry.md": FERRY}
    assert (found.documents, found.is_changed, found.warnings) == (2, True, ())


def test_times_are_those_of_the_archive(tmp_path: Path) -> None:
    unpack(repository("1a2b3c", port=CRANE), PARTNER, below=tmp_path)
    assert [place.mtime_ns for place in places(tmp_path)] == [WHEN * 10**9]


@pytest.mark.parametrize(("written", "seconds"), [(f"{WHEN}.75", WHEN), ("-3.5", 0), ("0", 0), (str(1 << 60), 1 << 33)])
def test_times_may_be_odd(tmp_path: Path, written: str, seconds: int) -> None:
    unpack(tgz(info("t/a.md", FERRY, pax_headers={"mtime": written})), PARTNER, below=tmp_path)
    assert [place.mtime_ns for place in places(tmp_path)] == [seconds * 10**9]


def test_what_follows_the_end_of_an_archive_is_no_part_of_it(tmp_path: Path) -> None:
    body = gzip.compress(tar(info("t/a.md", FERRY)) + bytes(1 << 20) + tar(info("t/b.md", CRANE)))
    unpack(body, PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"a.md": FERRY}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["x-1/a.md", "x-1/b/c.md"], ["a.md", "b/c.md"], id="one-directory"),
        pytest.param(["x/a.md", "y/a.md"], ["x/a.md", "y/a.md"], id="two-directories"),
        pytest.param(["x/a.md", "b.md"], ["b.md", "x/a.md"], id="a-file-beside-it"),
        pytest.param(["./x/a.md", "./x/b.md"], ["x/a.md", "x/b.md"], id="made-from-inside"),
        pytest.param(["a.md"], ["a.md"], id="a-single-file"),
        pytest.param(["x/y/a.md"], ["y/a.md"], id="only-the-first"),
        pytest.param(["x//a.md", "x/./b.md"], ["a.md", "b.md"], id="odd-spelling"),
        pytest.param(["x/a.md", "x/README.rst", "x/.git/a.md", "x/_drafts/b.md", "x/.hid.md"], ["a.md"], id="unwanted"),
    ],
)
def test_the_common_directory_is_left_out(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    unpack(tgz(*(info(name, FERRY) for name in names)), PARTNER, below=tmp_path)
    assert sorted(documents(tmp_path)) == expected


def test_only_what_a_directory_would_list_is_written(tmp_path: Path) -> None:
    narrow = source("partner", url="https://x.example/", include=("news/*.md", "*.txt"), exclude=("old", "b*.md"))
    names = ["news/a.md", "news/b.md", "a.md", "old/a.txt", "news/deep/a.md", "news/x.txt", "y.TXT"]
    unpack(tgz(*(info(f"top/{name}", FERRY) for name in names)), narrow, below=tmp_path)
    assert sorted(documents(tmp_path, narrow)) == ["news/a.md", "news/x.txt", "y.TXT"]
    assert everything(tmp_path) == {"a.md", "x.txt", "y.TXT", "tree"}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "name", ["港/渡し船が戻る.md", "a/" + "b" * 120 + "/" + "c" * 90 + ".md", "x/" + "d" * 240 + ".md"]
)
def test_every_kind_of_tar_is_read(tmp_path: Path, kind: int, name: str) -> None:
    if kind == tarfile.USTAR_FORMAT and len(name) > 240:
        name = name[-90:]
    unpack(tar(info(f"t/{name}", FERRY), info("t/a.md", CRANE), kind=kind), PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"a.md": CRANE, name: FERRY}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
def test_every_packing_is_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    body = b"".join(os.urandom(100_000) for _ in range(4))
    unpack(pack(tar(info("t/a.md", FERRY), info("t/b.md", body))), PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"a.md": FERRY, "b.md": body}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_streams_may_follow_each_other_and_be_padded(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = tar(info("t/a.md", FERRY), info("t/b.md", CRANE))
    body = pack(whole[:700]) + b"\0" * 4096 + pack(whole[700:]) + b"\0" * 300_000
    unpack(body, PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"a.md": FERRY, "b.md": CRANE}


def test_the_archives_of_other_programs_are_read(tmp_path: Path) -> None:
    tree = tmp_path / "tree-9f"
    (tree / "sea").mkdir(parents=True)
    (tree / "sea" / "ferry.md").write_bytes(FERRY)
    (tree / "crane.md").write_bytes(CRANE)
    subprocess.run(["tar", "-czf", tmp_path / "a.tgz", "-C", tmp_path, "tree-9f"], check=True)
    unpack((tmp_path / "a.tgz").read_bytes(), PARTNER, below=tmp_path / "var")
    assert documents(tmp_path / "var") == {"crane.md": CRANE, "sea/ferry.md": FERRY}


def test_of_two_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    body = tgz(info("t/a.md", CRANE), info("t/b.md", CRANE), info("t/a.md", FERRY), info("t/./b.md", FERRY))
    assert unpack(body, PARTNER, below=tmp_path).documents == 2
    assert documents(tmp_path) == {"a.md": FERRY, "b.md": FERRY}


def test_a_file_is_no_directory_at_once(tmp_path: Path) -> None:
    unpack(tgz(info("t/a.md/b.md", CRANE), info("t/a.md", FERRY), info("t/c.md", CRANE)), PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"a.md": FERRY, "c.md": CRANE}


def test_a_name_that_is_not_utf8_is_escaped_as_in_a_directory(tmp_path: Path) -> None:
    name = os.fsdecode(b"t/\xc4\xd4.md")
    unpack(tgz(info(name, FERRY), info("t/100%\n.md", CRANE)), PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"%C4%D4.md": FERRY, "100%25%0A.md": CRANE}


def test_a_document_that_is_too_large_is_told_when_it_is_read(tmp_path: Path) -> None:
    big = info("t/big.md", b"x" * (MAX_SIZE + 1))
    for name in ("a", "b"):
        unpack(tgz(big, info(f"t/{name}.md", FERRY)), PARTNER, below=tmp_path)
        with pytest.raises(Oversized):
            DirectoryFetcher().read(as_directory(PARTNER, below=tmp_path), "big.md")
        (place,) = (place for place in places(tmp_path) if place.locator == "big.md")
        assert (as_directory(PARTNER, below=tmp_path).path or tmp_path).joinpath("big.md").stat().st_blocks == 0
        assert place.size > MAX_SIZE


# ---------------------------------------------------------------- the next archive


def test_what_is_unchanged_stays_the_file_it_is(tmp_path: Path) -> None:
    unpack(repository("1", ferry=FERRY, crane=CRANE, gone=CRANE), PARTNER, below=tmp_path)
    before = {place.locator: place for place in places(tmp_path)}
    again = tgz(
        *(info(f"tree-2/{name}", body, mtime=WHEN + 60) for name, body in (("ferry.md", FERRY), ("crane.md", FERRY)))
    )
    assert unpack(again, PARTNER, below=tmp_path).is_changed
    after = {place.locator: place for place in places(tmp_path)}
    assert sorted(after) == ["crane.md", "ferry.md"]
    assert after["ferry.md"] == before["ferry.md"]
    assert after["crane.md"] != before["crane.md"]
    assert everything(tmp_path) == {"ferry.md", "crane.md", "tree"}  # of the tree before nothing is left


def test_an_archive_of_the_same_documents_changes_nothing(tmp_path: Path) -> None:
    unpack(repository("1", ferry=FERRY, crane=CRANE), PARTNER, below=tmp_path)
    before = as_directory(PARTNER, below=tmp_path), places(tmp_path)
    assert not unpack(repository("2", ferry=FERRY, crane=CRANE), PARTNER, below=tmp_path).is_changed
    assert (as_directory(PARTNER, below=tmp_path), places(tmp_path)) == before
    assert everything(tmp_path) == {"ferry.md", "crane.md", "tree"}


def test_a_document_that_went_is_a_change(tmp_path: Path) -> None:
    unpack(repository("1", ferry=FERRY, crane=CRANE), PARTNER, below=tmp_path)
    assert unpack(repository("2", ferry=FERRY), PARTNER, below=tmp_path).is_changed
    assert documents(tmp_path) == {"ferry.md": FERRY}


def test_bytes_of_the_same_size_and_time_are_a_change(tmp_path: Path) -> None:
    unpack(repository("1", ferry=FERRY), PARTNER, below=tmp_path)
    (before,) = places(tmp_path)
    unpack(repository("2", ferry=FERRY.upper()), PARTNER, below=tmp_path)
    (after,) = places(tmp_path)
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)
    assert after != before


def test_every_source_has_its_own_place(tmp_path: Path) -> None:
    other = source("../other", url="https://other.example/")
    unpack(repository("1", ferry=FERRY), PARTNER, below=tmp_path)
    unpack(repository("1", crane=CRANE), other, below=tmp_path)
    assert documents(tmp_path) == {"ferry.md": FERRY}
    assert documents(tmp_path, other) == {"crane.md": CRANE}
    sweep(tmp_path, [other])
    assert documents(tmp_path, other) == {"crane.md": CRANE}
    with pytest.raises(FetchError, match="No such file"):
        documents(tmp_path)


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "none", [])
    assert list(tmp_path.iterdir()) == []


def test_what_was_never_unpacked_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="No such file"):
        places(tmp_path)


# ---------------------------------------------------------------- tricks


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd.md", "../out.md", "t/../../out.md", "t/..", "..", "t/a\0.md", "/", "//x/y.md"),
        *("t/" + "x" * 256 + ".md", "t/" + "x/" * 600 + "y.md", "/t/a.md"),
    ],
)
def test_a_member_cannot_leave_its_place(tmp_path: Path, name: str) -> None:
    trick = info("x", CRANE, pax_headers={"path": name})
    inside = tmp_path / "a" / "b"
    found = unpack(tgz(info("t/a.md", FERRY), trick), PARTNER, below=inside)
    assert documents(inside) == {"a.md": FERRY}
    assert found.warnings == ("members with unsafe names, which are left out: 1",)
    assert everything(tmp_path) == {"a.md", "tree"}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, id="symlink"),
        pytest.param({"type": tarfile.SYMTYPE, "linkname": "../../../out"}, id="symlink-up"),
        pytest.param({"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, id="hard-link"),
        pytest.param({"type": tarfile.LNKTYPE, "linkname": "t/a.md"}, id="hard-link-inside"),
        pytest.param({"type": tarfile.FIFOTYPE}, id="pipe"),
        pytest.param({"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, id="device"),
        pytest.param({"type": tarfile.BLKTYPE, "devmajor": 8}, id="block-device"),
        pytest.param({"pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 50)}}, id="sparse"),
    ],
)
def test_what_is_no_file_is_left_out(tmp_path: Path, fields: dict[str, Any]) -> None:
    body = tgz(info("t/a.md", FERRY), info("t/link", **fields), info("t/link/x.md", CRANE), info("t/b.md", CRANE))
    found = unpack(body, PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"a.md": FERRY, "b.md": CRANE, "link/x.md": CRANE}
    assert found.warnings == ("links, devices and sparse files, which are left out: 1",)


def test_a_link_that_comes_after_a_file_of_its_name_takes_it_away(tmp_path: Path) -> None:
    body = tgz(
        info("t/a.md", FERRY), info("t/b.md", CRANE), info("t/a.md", type=tarfile.SYMTYPE, linkname="/etc/hosts")
    )
    unpack(body, PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"b.md": CRANE}


def test_modes_and_owners_are_not_taken_over(tmp_path: Path) -> None:
    unpack(tgz(info("t/a.md", FERRY, mode=0o7777, uid=12345, uname="nobody")), PARTNER, below=tmp_path)
    (file,) = tmp_path.rglob("a.md")
    assert file.stat().st_mode & 0o7111 == 0
    assert file.stat().st_uid == os.geteuid()


# ---------------------------------------------------------------- damage

GOOD = tar(info("t/a.md", FERRY), info("t/b.md", CRANE))


def header(**fields: Any) -> bytes:
    return info("t/a.md", **fields)[0].tobuf()


def damaged() -> Iterator[tuple[str, bytes, str]]:
    packed = gzip.compress(GOOD)
    yield "empty", b"", "cut short"
    yield "text", b"<html>Log in</html>" * 40, "not a tar archive"
    yield "short-text", b"<html>Log in</html>", "cut short"
    yield "no-files", tgz(info("t/", type=tarfile.DIRTYPE)), "without files"
    yield "only-zeros", bytes(10240), "without files"
    yield "gzip-of-text", gzip.compress(b"x" * 2000), "not a tar archive"
    yield "gzip-cut", packed[:-100], "cut short|damaged"
    yield "gzip-trailer-cut", packed[:-4], "cut short"
    yield "gzip-checksum", packed[:-8] + b"\0\0\0\0" + packed[-4:], "damaged archive: .*incorrect data check"
    yield "gzip-length", packed[:-4] + b"\0\0\0\1", "damaged archive: .*incorrect length check"
    yield "gzip-and-more", packed + b"more", "damaged"
    yield "gzip-start-only", packed[:5], "cut short"
    yield "xz-cut", lzma.compress(GOOD)[:-20], "cut short"
    yield "xz-checksum", bytes(lzma.compress(GOOD)[:-30]) + b"\1" * 30, "damaged"
    yield "tar-cut-in-a-member", GOOD[:1100], "cut short"
    yield "tar-cut-between-members", gzip.compress(GOOD[:1024]), "cut short"
    yield "tar-cut-in-a-header", GOOD[:1300], "cut short"
    yield "header-checksum", GOOD[:10] + b"!" + GOOD[11:], "bad checksum"
    yield "negative-size", changed_size(b"\xff" * 12), "negative size"
    yield "size-of-no-number", changed_size(b"12abc\0\0\0\0\0\0\0"), "invalid header"
    yield "endless-size", changed_size(b"\x80" + b"\0" * 3 + b"\x7f" + b"\0" * 7), "cut short"
    yield "sparse", tgz(info("t/a.md", type=tarfile.GNUTYPE_SPARSE)), "sparse"
    yield "extended-cut", info("x", size=600, type=tarfile.XHDTYPE)[0].tobuf() + bytes(512), "cut short"
    for name, record in {
        "no-length": b"path=x\n",
        "too-long": b"99999 path=x\n",
        "zero": b"0 path=x\n",
        "negative": b"-1 path=x\n",
        "no-sign": b"7 path\n",
        "many-digits": b"9" * 30 + b" path=x\n",
        "size": b"10 size=x\n",
        "size-negative": b"11 size=-9\n",
    }.items():
        yield (
            f"extended-{name}",
            info("x", record, type=tarfile.XHDTYPE)[0].tobuf() + record.ljust(512, b"\0") + GOOD,
            ("extended header"),
        )


def changed_size(written: bytes) -> bytes:
    block = bytearray(header())
    block[124:136], block[148:156] = written, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + GOOD


@pytest.mark.parametrize(("body", "reason"), [pytest.param(*rest, id=name) for name, *rest in damaged()])
def test_a_damaged_archive_takes_nothing_away(tmp_path: Path, body: bytes, reason: str) -> None:
    unpack(repository("1", ferry=FERRY), PARTNER, below=tmp_path)
    before = places(tmp_path)
    with pytest.raises(FetchError, match=reason) as told:
        unpack(body, PARTNER, below=tmp_path)
    assert told.value.where == PARTNER.url
    assert places(tmp_path) == before
    assert everything(tmp_path) == {"ferry.md", "tree"}


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_whatever_is_changed_in_an_archive_it_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(
        data.draw(st.sampled_from([GOOD, GOOD[:1536], tgz(info("t/a", FERRY, pax_headers={"path": "é"}))]))
    )
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = [(member.name, member.read() if member.kind is Kind.FILE else b"") for member in members(bytes(body))]
    except ParseError:
        return
    assert all(len(content) < len(GOOD) for _, content in found)


# ---------------------------------------------------------------- bombs


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(b"") + gzip.compress(bytes(64 << 20), 1) * (MAX_UNPACKED // (64 << 20) + 1)
    first = info("t/a.md", size=1 << 34)[0].tobuf(tarfile.GNU_FORMAT)
    body = gzip.compress(first) + bomb
    assert refused_in_little_memory(body, tmp_path) == f"an archive of more than {MAX_UNPACKED >> 20} MiB, unpacked"


def test_an_extended_header_that_is_too_large_is_refused(tmp_path: Path) -> None:
    member = info("x", type=tarfile.XHDTYPE, size=MAX_EXTENDED + 1)[0].tobuf()
    assert refused_in_little_memory(gzip.compress(member + bytes(2 << 20)), tmp_path) == (
        "an archive with a header of more than 1 MiB"
    )


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path) -> None:
    body = gzip.compress(header() * (MAX_MEMBERS + 1), 1)
    assert refused_in_little_memory(body, tmp_path) == f"an archive of more than {MAX_MEMBERS} members"


BOUNDED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
from feeder.errors import FetchError
from feeder.fetch.archive import unpack
from feeder.model import Source
try:
    unpack(sys.stdin.buffer.read(), Source(name="a", order=0), below=Path(sys.argv[1]))
except FetchError as error:
    print(error.reason, end="")
"""


def refused_in_little_memory(body: bytes, below: Path) -> str:
    command = [sys.executable, "-c", BOUNDED, str(below)]
    done = subprocess.run(command, input=body, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert everything(below) == set()
    return done.stdout.decode()


# ---------------------------------------------------------------- a disk that fails, a process that is killed


def test_what_cannot_be_written_takes_nothing_away(tmp_path: Path) -> None:
    unpack(repository("1", ferry=FERRY), PARTNER, below=tmp_path)
    (place,) = tmp_path.iterdir()
    tmp_path.chmod(0o755)
    place.chmod(0o555)
    with without_privileges(), pytest.raises(FetchError, match="cannot be unpacked: Permission denied"):
        unpack(repository("2", crane=CRANE), PARTNER, below=tmp_path)
    place.chmod(0o700)
    assert documents(tmp_path) == {"ferry.md": FERRY}


KILLED = """
import os, sys
from pathlib import Path
from feeder.fetch import archive
from feeder.model import Source

at = int(sys.argv[2])

def step(name, *_):
    global at
    if name in {"open", "os.mkdir", "os.link", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.utime"} and armed:
        at -= 1
        if at < 0:
            os.kill(os.getpid(), 9)

armed = False
sys.addaudithook(step)
body = sys.stdin.buffer.read()
armed = True
archive.unpack(body, Source(name="partner", order=0, url="https://partner.example/"), below=Path(sys.argv[1]))
os._exit(0)
"""


@pytest.mark.parametrize("at", [*range(0, 40, 3)])
def test_a_process_that_is_killed_leaves_the_old_tree_or_the_new(tmp_path: Path, at: int) -> None:
    unpack(repository("1", ferry=FERRY, old=CRANE), PARTNER, below=tmp_path)
    new = repository("2", ferry=FERRY, crane=CRANE, sea__deep=FERRY)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(at)], input=new, check=False)
    assert done.returncode in {0, -9}
    old_or_new = {"ferry.md": FERRY, "old.md": CRANE}, {"ferry.md": FERRY, "crane.md": CRANE, "sea/deep.md": FERRY}
    assert documents(tmp_path) in old_or_new
    unpack(new, PARTNER, below=tmp_path)
    assert documents(tmp_path) == old_or_new[1]
    assert everything(tmp_path) == {"ferry.md", "crane.md", "deep.md", "tree"}


def test_what_an_interrupted_run_left_is_swept(tmp_path: Path) -> None:
    unpack(repository("1", ferry=FERRY), PARTNER, below=tmp_path)
    (place,) = tmp_path.iterdir()
    (place / ".0123").symlink_to("0123")
    (place / "4567" / "sea").mkdir(parents=True)
    (place / "4567" / "sea" / "a.md").write_bytes(CRANE)
    unpack(repository("1", ferry=FERRY), PARTNER, below=tmp_path)
    assert documents(tmp_path) == {"ferry.md": FERRY}
    assert everything(tmp_path) == {"ferry.md", "tree"}


def test_without_syncfs_everything_is_flushed() -> None:
    assert _flush_everything(-1) == 0


def test_output_that_waits_inside_of_zlib_is_not_forgotten(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    body = packer.compress(tar(info("t/a.md", bytes(3 << 20)), info("t/b.md", FERRY))) + packer.flush()
    unpack(body, PARTNER, below=tmp_path)
    assert {name: len(content) for name, content in documents(tmp_path).items()} == {
        "a.md": 3 << 20,
        "b.md": len(FERRY),
    }


def test_names_alone_do_not_fill_a_disk_with_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "a/" * 65 + "a.md"
    unpacked = unpack(tgz(info(deep, FERRY), info("b/a.md", FERRY), info("c.md", CRANE)), PARTNER, below=tmp_path)
    assert sorted(documents(tmp_path)) == ["b/a.md", "c.md"]
    assert "members with unsafe names, which are left out: 1" in unpacked.warnings
    monkeypatch.setattr(archive, "MAX_DIRECTORIES", 10)
    many = [info(f"{each}/a/b/a.md", FERRY) for each in "abcd"]
    with pytest.raises(FetchError, match="an archive of more than 10 directories"):
        unpack(tgz(*many), PARTNER, below=tmp_path)
    assert unpack(tgz(*many[:3]), PARTNER, below=tmp_path).documents == 3
    monkeypatch.setattr(archive, "MAX_NAMES", 20)
    with pytest.raises(FetchError, match="MiB of names"):
        unpack(tgz(*many[:3]), PARTNER, below=tmp_path)
    assert len(documents(tmp_path)) == 3
