"""Watching real directories: what is to be looked at, and when."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeder.model import Source, Watch
from feeder.watching import LONGEST, PARTNER, QUIET, Pending, Watcher, is_local

PATIENCE = 20.0  # seconds; a machine may be busy


# ---------------------------------------------------------------- when


def test_nothing_is_to_be_looked_at_before_something_changes() -> None:
    pending = Pending()
    assert pending.take(1.0) == {}
    assert pending.wait(1.0) is None


def test_a_whole_document_is_looked_at_at_once() -> None:
    pending = Pending()
    pending.add("a", "x.md", now=1.0)
    assert pending.wait(1.0) == 0
    assert pending.take(1.0) == {"a": {"x.md"}}
    assert pending.take(1.0) == {}


def test_a_document_that_is_being_written_is_looked_at_when_it_has_been_quiet() -> None:
    pending = Pending()
    pending.add("a", "x.md", now=1.0, delay=QUIET)
    pending.add("a", "x.md", now=1.0 + QUIET / 2, delay=QUIET)
    assert pending.take(1.0 + QUIET) == {}
    assert pending.take(1.0 + QUIET * 1.6) == {"a": {"x.md"}}


def test_a_document_that_is_never_quiet_is_looked_at_all_the_same() -> None:
    pending = Pending()
    times = [1.0 + QUIET / 2 * step for step in range(100)]
    looks = []
    for now in times:
        pending.add("a", "x.md", now=now, delay=QUIET)
        looks += [now] if pending.take(now) else []
    assert looks[0] == pytest.approx(1.0 + LONGEST, abs=QUIET)


def test_a_removal_waits_for_what_comes_in_its_place() -> None:
    pending = Pending()
    pending.add("a", "old.md", now=1.0, delay=PARTNER, is_gone=True)
    assert pending.take(1.0) == {}
    pending.add("a", "new.md", now=1.1)
    assert pending.take(1.1) == {"a": {"old.md", "new.md"}}


def test_a_removal_does_not_go_along_with_what_comes_to_another_source() -> None:
    pending = Pending()
    pending.add("a", "old.md", now=1.0, delay=PARTNER, is_gone=True)
    pending.add("b", "new.md", now=1.0)
    assert pending.take(1.0) == {"b": {"new.md"}}
    assert pending.take(1.0 + PARTNER) == {"a": {"old.md"}}


def test_a_document_that_comes_back_is_gone_no_more() -> None:
    pending = Pending()
    pending.add("a", "x.md", now=1.0, delay=PARTNER, is_gone=True)
    pending.add("a", "x.md", now=1.2)
    assert pending.take(1.2) == {"a": {"x.md"}}
    assert pending.wait(1.2) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 3), st.booleans(), st.floats(0, 0.5)),
        max_size=20,
    )
)
def test_nothing_that_changed_is_forgotten(changes: list[tuple[str, str, float, bool, float]]) -> None:
    pending, now, added, taken = Pending(), 0.0, set(), set()
    for source, locator, delay, is_gone, step in changes:
        now += step
        pending.add(source, locator, now=now, delay=delay, is_gone=is_gone)
        added.add((source, locator))
        taken |= {(name, each) for name, some in pending.take(now).items() for each in some}
    while (wait := pending.wait(now)) is not None:
        now += wait + 1e-6
        taken |= {(name, each) for name, some in pending.take(now).items() for each in some}
    assert taken == added


# ---------------------------------------------------------------- what


@dataclass
class Told:
    """What a watcher told, in order."""

    looks: list[tuple[str, frozenset[str] | None]] = field(default_factory=list)
    unfinished: frozenset[str] = frozenset()  # once
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, name: str, locators: frozenset[str] | None) -> frozenset[str]:
        self.looks.append((name, locators))
        self.news.set()
        unfinished, self.unfinished = self.unfinished, frozenset()
        return unfinished

    async def until(self, is_told: Callable[[set[tuple[str, str | None]]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_told(self.all()):
                self.news.clear()
                await self.news.wait()

    def times(self, locator: str) -> int:
        return sum(1 for _, locators in self.looks if locators and locator in locators)

    def all(self) -> set[tuple[str, str | None]]:
        return {(name, each) for name, locators in self.looks for each in (locators or [None])}


def source(root: Path, name: str = "a", *, watch: Watch = Watch.ON, enabled: bool = True) -> Source:
    return Source(name=name, order=0, path=root, watch=watch, enabled=enabled)


@asynccontextmanager
async def watching(sources: Iterable[Source]) -> AsyncIterator[Told]:
    """Watch *sources* until the end, from when each has been told to be looked at as a whole."""
    told, sources = Told(), tuple(sources)
    task = asyncio.create_task(Watcher(sources).run(told.take))
    try:
        await told.until(lambda seen: seen >= {(each.name, None) for each in sources})
        told.looks.clear()
        yield told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def in_place(path: Path, text: str = "one") -> None:
    path.write_text(text, "utf-8")


def renamed(path: Path) -> None:
    hidden = path.with_name(".new")
    hidden.write_text("one", "utf-8")
    hidden.replace(path)


def with_its_directories(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("one", "utf-8")


def in_a_directory_that_is_moved_in(path: Path) -> None:
    aside = path.parent.parent.parent / "aside"
    aside.mkdir()
    (aside / path.name).write_text("one", "utf-8")
    aside.rename(path.parent)


@pytest.mark.parametrize(
    ("make", "below", "looked_at"),
    [
        (in_place, "x.md", "x.md"),
        (renamed, "x.md", "x.md"),
        (in_place, "100%.md", "100%25.md"),
        (in_place, "文章.md", "文章.md"),
        (with_its_directories, "new/deeper/x.md", "new"),
        (in_a_directory_that_is_moved_in, "new/x.md", "new"),
    ],
)
def test_what_comes_is_looked_at(make: Callable[[Path], None], below: str, looked_at: str, tmp_path: Path) -> None:
    async def scene() -> None:
        root = tmp_path / "tree"
        root.mkdir()
        async with watching([source(root)]) as told:
            make(root / below)
            await told.until(lambda seen: ("a", looked_at) in seen)

    asyncio.run(scene())


def test_what_changes_moves_and_goes_is_looked_at(tmp_path: Path) -> None:
    async def scene() -> None:
        deep = tmp_path / "new" / "deeper"
        async with watching([source(tmp_path)]) as told:
            with_its_directories(deep / "x.md")
            await told.until(lambda _: told.times("new") >= 2)  # the second time it is watched
            in_place(deep / "x.md", "two")
            await told.until(lambda seen: ("a", "new/deeper/x.md") in seen)
            (tmp_path / "new").rename(tmp_path / "old")
            await told.until(lambda _: told.times("old") >= 2)
            in_place(tmp_path / "old/deeper/x.md", "three")
            await told.until(lambda seen: ("a", "old/deeper/x.md") in seen)
            told.looks.clear()
            (tmp_path / "old/deeper/x.md").unlink()
            await told.until(lambda seen: ("a", "old/deeper/x.md") in seen)
            shutil.rmtree(tmp_path / "old")
            await told.until(lambda seen: ("a", "old") in seen)

    asyncio.run(scene())


def test_a_renamed_document_is_looked_at_under_both_names_together(tmp_path: Path) -> None:
    async def scene() -> None:
        in_place(tmp_path / "old.md")
        async with watching([source(tmp_path)]) as told:
            (tmp_path / "old.md").rename(tmp_path / "new.md")
            await told.until(lambda seen: ("a", "new.md") in seen)
            assert ("a", frozenset({"old.md", "new.md"})) in told.looks

    asyncio.run(scene())


def test_a_document_that_was_not_whole_is_looked_at_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching([source(tmp_path)]) as told:
            told.unfinished = frozenset({"x.md"})
            in_place(tmp_path / "x.md")
            await told.until(lambda _: told.looks == [("a", frozenset({"x.md"}))] * 2)

    asyncio.run(scene())


def test_what_is_hidden_is_not_looked_at(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching([source(tmp_path)]) as told:
            in_place(tmp_path / ".hidden.md")
            with_its_directories(tmp_path / ".git" / "x.md")
            in_place(tmp_path / "seen.md")
            await told.until(lambda seen: ("a", "seen.md") in seen)
            assert told.all() == {("a", "seen.md")}

    asyncio.run(scene())


def test_sources_that_share_a_directory_are_both_told(tmp_path: Path) -> None:
    async def scene() -> None:
        inner = tmp_path / "inner"
        inner.mkdir()
        async with watching([source(tmp_path), source(inner, "b")]) as told:
            in_place(inner / "x.md")
            await told.until(lambda seen: seen >= {("a", "inner/x.md"), ("b", "x.md")})

    asyncio.run(scene())


def test_a_directory_that_comes_late_or_is_replaced_is_watched_and_looked_at_whole(tmp_path: Path) -> None:
    async def scene() -> None:
        root = tmp_path / "late"
        told = Told()
        task = asyncio.create_task(Watcher([source(root), source(tmp_path, "other")]).run(told.take))
        await told.until(lambda seen: ("other", None) in seen)
        for _ in range(2):
            told.looks.clear()
            root.mkdir()
            await told.until(lambda seen: ("a", None) in seen)
            in_place(root / "x.md")
            await told.until(lambda seen: ("a", "x.md") in seen)
            shutil.rmtree(root)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_a_name_that_is_no_text_costs_a_look_at_everything(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching([source(tmp_path)]) as told:
            in_place(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")))
            await told.until(lambda seen: ("a", None) in seen)
            in_place(tmp_path / "x.md")
            await told.until(lambda seen: ("a", "x.md") in seen)

    asyncio.run(scene())


@pytest.mark.parametrize("name", ["0link", "zlink"])
@pytest.mark.parametrize("target", ["2026", "..", "../outside"])
def test_a_linked_directory_neither_hides_what_it_leads_to_nor_leads_out(
    name: str, target: str, tmp_path: Path
) -> None:
    async def scene() -> None:
        root = tmp_path / "tree"
        (root / "2026").mkdir(parents=True)
        (tmp_path / "outside").mkdir()
        (root / name).symlink_to(target)
        async with watching([source(root)]) as told:
            in_place(tmp_path / "outside" / "x.md")
            in_place(tmp_path / "beside.md")
            in_place(root / "2026" / "x.md")
            await told.until(lambda seen: ("a", "2026/x.md") in seen)
            assert told.all() == {("a", "2026/x.md")}

    asyncio.run(scene())


def test_a_directory_that_comes_again_at_once_is_watched(tmp_path: Path) -> None:
    async def scene() -> None:
        again = tmp_path / "again"
        again.mkdir()
        async with watching([source(tmp_path)]) as told:
            again.rmdir()
            again.mkdir()
            await told.until(lambda _: told.times("again") >= 2)
            in_place(again / "x.md")
            await told.until(lambda seen: ("a", "again/x.md") in seen)

    asyncio.run(scene())


def test_a_link_to_a_directory_is_watched_as_the_directory(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        async with watching([source(tmp_path / "link")]) as told:
            in_place(tmp_path / "real" / "x.md")
            await told.until(lambda seen: ("a", "x.md") in seen)

    asyncio.run(scene())


@pytest.mark.parametrize("quiet", [{"watch": Watch.OFF}, {"enabled": False}], ids=str)
def test_a_source_that_is_off_or_not_to_be_watched_is_not(quiet: dict[str, object], tmp_path: Path) -> None:
    async def scene() -> None:
        told = Told()
        await Watcher([source(tmp_path, **quiet)]).run(told.take)  # type: ignore[arg-type]  # it is one of the two
        assert told.looks == []

    asyncio.run(scene())


def test_a_source_on_a_local_file_system_is_watched_by_itself(tmp_path: Path) -> None:
    assert is_local(str(tmp_path))

    async def scene() -> None:
        async with watching([source(tmp_path, watch=Watch.AUTO)]) as told:
            in_place(tmp_path / "x.md")
            await told.until(lambda seen: ("a", "x.md") in seen)

    asyncio.run(scene())


MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv rw,relatime - nfs4 server:/export rw
31 30 254:2 / /srv/local rw - xfs /dev/vdb rw
32 22 0:40 / /mnt/with\040blank rw shared:7 master:2 - fuse.sshfs me@there: rw
33 22 0:41 / /mnt/文章 rw - cifs //server/share rw
34 22 0:42 / /srvother rw - btrfs /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", True),
        ("/var/articles", True),
        ("/srv", False),
        ("/srv/articles", False),
        ("/srv/local/articles", True),
        ("/srvother", True),
        ("/mnt/with blank/x", False),
        ("/mnt/文章/x", False),
    ],
)
def test_what_other_machines_may_change_unheard_is_known_by_its_file_system(
    path: str, *, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip(), "utf-8")
    monkeypatch.setattr("feeder.watching.MOUNTS", mounts)
    assert is_local(path) is expected


def test_a_system_without_a_list_of_mounts_counts_as_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeder.watching.MOUNTS", tmp_path / os.devnull)
    assert is_local(str(tmp_path))


@pytest.mark.parametrize("turns", range(5))
def test_it_ends_when_it_is_cancelled_in_the_moment_in_which_something_changes(tmp_path: Path, turns: int) -> None:
    async def take(_name: str, _locators: frozenset[str] | None) -> Iterable[str]:
        await asyncio.Event().wait()  # whoever cancels it has the daemon in hand
        raise AssertionError

    async def watch() -> bool:
        watcher = Watcher([source(tmp_path)])
        watcher._pending.add("s", "one.md", now=time.monotonic(), delay=60.0)
        task = asyncio.create_task(watcher._hand_out(take))
        await asyncio.sleep(0.01)
        watcher._pending = Pending()
        watcher._pending.add("s", "one.md", now=time.monotonic())
        watcher._news.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        task.cancel()  # in any case
        return bool(done)

    assert asyncio.run(watch())
