"""Changes in directories, told while they happen. Only this module knows watchfiles.

What the system tells is a hint of where to look, and no more. Names that are not UTF-8, and whatever happens while
there is too much to tell, are never told: polls find that.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR
from typing import Final, TypeAlias

import structlog
from watchfiles import Change, awatch

from feeder.errors import FetchError
from feeder.fetch.directory import directories, locator_of, path_of
from feeder.model import Source, Watch

log = structlog.get_logger(__name__)

STEP_MS: Final = 20  # changes that follow one another faster are told together
TOGETHER_MS: Final = 200  # but are not kept back for longer
BEGIN_MS: Final = 500  # until a watch says that it has begun
ROOTS_SECONDS: Final = 0.5  # between looks at what is to be watched: a root may come, go, or be another one
MAX_PAUSE: Final = 300.0  # seconds until a watch that failed again and again is tried again
SOON: Final = 1.0  # seconds until the next try after a fault that passes
NOT_UTF8: Final = "Unable to decode path"  # as watchfiles has it
STEADY: Final = 60.0  # seconds after which a watch that fails did well before

QUIET: Final = 0.1  # seconds without a change after which a document that is written in place is taken for whole
UNFINISHED: Final = 0.5  # seconds until a document that was not whole is looked at again
PARTNER: Final = 1.0  # seconds that a removal waits for what comes in its place
LONGEST: Final = 2.0  # seconds that new changes can put a look off
EVERYTHING: Final = frozenset({""})  # the locator of a source as a whole
MANY: Final = 2_000  # changes in one source: to look at all of it is no more work then

# On these, the system hears only of changes that this machine makes.
REMOTE: Final = frozenset("9p afs ceph cifs glusterfs lustre nfs nfs4 smb3 smbfs virtiofs".split())  # noqa: SIM905
MOUNTS: Final = Path("/proc/self/mountinfo")
OCTAL: Final = re.compile(r"\\([0-7]{3})")  # a blank is "\040" there

Take: TypeAlias = Callable[[str, frozenset[str] | None], Awaitable[Iterable[str]]]
"""Told a source and the locators to look at, of documents or whole directories; None: all of the source.

Returns the locators that are to be looked at again in a moment.
"""


class Watcher:
    """Watches the directories of sources, and says which of their documents are to be looked at."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(s for s in sources if s.path and s.enabled and s.watch is not Watch.OFF)
        self._trees: dict[str, _Tree] = {}
        self._growth = 0  # counts what has to be watched in addition
        self._fresh: list[tuple[str, str]] = []  # source and locator of what has come since the last watch began
        self._pending = Pending()
        self._news = asyncio.Event()
        self._told: set[str] = set()  # reasons of failures
        self._local: dict[int, bool] = {}  # device -> whether changes by other machines are no concern

    async def run(self, take: Take) -> None:
        """Call *take* for whatever is to be looked at, one call at a time, until this is cancelled.

        Once a directory is watched, all of it is looked at, so that nothing gets lost in between.
        """
        if self._sources:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._hand_out(take))

    # ------------------------------------------------------------ watching

    async def _listen(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - whatever the system has against it, polls go on
                self._trees.clear()
                failures = failures + 1 if time.monotonic() - began < STEADY else 1
                await asyncio.sleep(SOON if self._report(error) else min(2.0**failures, MAX_PAUSE))

    def _report(self, error: Exception) -> bool:
        """Log each reason once; tell if it passes: a directory that has just gone, or a name that is not UTF-8."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, FileNotFoundError | PermissionError):
            return True
        reason = str(error) or type(error).__name__
        passes = reason.startswith(NOT_UTF8)
        kind = NOT_UTF8 if passes else reason
        if kind not in self._told:
            log.warning("watch_failed", error=reason)
        self._told.add(kind)
        return passes

    async def _follow(self) -> None:
        """Watch every directory, and those that come, until that fails."""
        sight, growth = _Sight(), 0
        try:
            while True:
                self._renew()
                if growth != self._growth:
                    growth, fresh, self._fresh = self._growth, self._fresh, []
                    sight = await sight.replaced(self._directories(), self._take_in)
                    for name, locator in fresh:
                        self._pending.add(name, locator, now=time.monotonic())
                    self._news.set()
                await sight.watch(ROOTS_SECONDS)
        finally:
            await sight.end()

    def _renew(self) -> None:
        """Take in the roots that are there now."""
        for source in self._sources:
            identity = self._identity(source)
            tree = self._trees.get(source.name)
            if identity is None:
                self._trees.pop(source.name, None)
            elif tree is None or tree.identity != identity:
                self._trees[source.name] = _Tree(source=source, identity=identity)
                self._grow(source.name, "")

    def _identity(self, source: Source) -> tuple[int, int] | None:
        with suppress(OSError):
            status = os.stat(str(source.path))  # noqa: PTH116 - the type does not tell that there is a path
            if source.watch is Watch.ON or self._is_local(str(source.path), status.st_dev):
                return status.st_dev, status.st_ino
        return None

    def _is_local(self, path: str, device: int) -> bool:
        if device not in self._local:
            self._local[device] = is_local(path)
        return self._local[device]

    def _grow(self, name: str, locator: str) -> None:
        tree = self._trees[name]
        tree.drop(locator)
        tree.below |= set(directories(tree.source, locator))
        self._growth += 1
        self._fresh.append((name, locator))

    def _directories(self) -> list[str]:
        """Return all directories to be watched; one whose name is not UTF-8 cannot be."""
        every = {tree.path(locator) for tree in self._trees.values() for locator in tree.below}
        return sorted(path for path in every if path.isprintable() or path.encode(errors="replace").decode() == path)

    # ------------------------------------------------------------ changes

    def _take_in(self, changes: Iterable[tuple[Change, str]]) -> None:
        for name, tree in list(self._trees.items()):
            prefix = tree.path("").rstrip("/") + "/"
            for change, path in changes:
                if path + "/" == prefix:
                    if change is Change.deleted:  # another directory may have the number of one that is gone
                        self._trees.pop(name, None)
                elif path.startswith(prefix) and "/." not in path[len(prefix) - 1 :]:
                    with suppress(FetchError):
                        self._note(name, locator_of(Path(prefix), Path(path)), path, change)
        self._news.set()

    def _note(self, name: str, locator: str, path: str, change: Change) -> None:
        now, tree = time.monotonic(), self._trees.get(name)
        try:
            status = os.lstat(path)
        except OSError:
            self._pending.add(name, locator, now=now, delay=PARTNER, is_gone=True)
            if tree:
                tree.drop(locator)
            return
        if not S_ISDIR(status.st_mode):
            # A renamed file has a later change than its last write; one that is written in place has not.
            is_whole = status.st_ctime_ns > status.st_mtime_ns
            self._pending.add(name, locator, now=now, delay=0.0 if is_whole else QUIET)
        elif tree and (change is not Change.modified or locator not in tree.below):
            self._pending.add(name, locator, now=now)
            self._grow(name, locator)

    async def _hand_out(self, take: Take) -> None:
        while True:
            with suppress(
                TimeoutError
            ):  # not asyncio.wait_for, which may swallow that it is cancelled (python/cpython#86296)
                async with asyncio.timeout(self._pending.wait(time.monotonic())):
                    await self._news.wait()
            self._news.clear()
            for name, locators in self._pending.take(time.monotonic()).items():
                again = await take(name, None if locators >= EVERYTHING or len(locators) > MANY else locators)
                for locator in again:
                    self._pending.add(name, locator, now=time.monotonic(), delay=UNFINISHED)


@dataclass(kw_only=True, slots=True)
class _Tree:
    """The directories of a source that are read, by their locators; "" is its own."""

    source: Source
    identity: tuple[int, int]  # device and inode
    below: set[str] = field(default_factory=set)

    def path(self, locator: str) -> str:
        root = self.source.path or Path()
        return str(path_of(root, locator) if locator else root)

    def drop(self, locator: str) -> None:
        """Forget a directory and all below it."""
        if locator in self.below:
            self.below = {each for each in self.below if not f"{each}/".startswith(f"{locator}/") and locator}


class _Sight:
    """One watch of some directories, none of which is watched with what lies below it.

    watchfiles would enter linked directories, tell what happens there by whatever name it came to first, watch what is
    hidden or left out, and give up at a directory that may not be read.
    """

    def __init__(self, task: asyncio.Task[None] | None = None) -> None:
        self._task = task

    async def replaced(self, paths: list[str], tell: Callable[[Iterable[tuple[Change, str]]], None]) -> _Sight:
        """End this watch once one of *paths* has begun, and return that."""
        begun = asyncio.Event()
        new = _Sight(asyncio.create_task(_told(paths, tell, begun)))
        try:
            while not begun.is_set():
                await new.watch(ROOTS_SECONDS / 10)
        except BaseException:
            await new.end()
            raise
        await self.end()
        return new

    async def watch(self, seconds: float) -> None:
        """Let so much time pass; raise what the watch fails with."""
        if self._task is None:
            await asyncio.sleep(seconds)
            return
        done, _ = await asyncio.wait([self._task], timeout=seconds)
        for task in done:
            task.result()

    async def end(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])


async def _told(paths: list[str], tell: Callable[[Iterable[tuple[Change, str]]], None], begun: asyncio.Event) -> None:
    """Tell what changes right in *paths*, without an end."""
    if not paths:
        begun.set()
        await asyncio.Event().wait()
    async for changes in awatch(
        *paths,
        watch_filter=None,
        step=STEP_MS,
        debounce=TOGETHER_MS,
        rust_timeout=BEGIN_MS,
        yield_on_timeout=True,
        recursive=False,
    ):
        begun.set()
        if changes:
            tell(changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """A look that is due; times are in seconds of a clock of any kind."""

    first: float
    due: float
    is_gone: bool


class Pending:
    """What is to be looked at, and when."""

    def __init__(self) -> None:
        self._looks: dict[tuple[str, str], _Look] = {}

    def add(
        self,
        source: str,
        locator: str,
        *,
        now: float,
        delay: float = 0.0,
        is_gone: bool = False,
    ) -> None:
        """Have *locator* looked at after *delay*, which new changes put off, but for `LONGEST` at most.

        Args:
            source: Its name.
            locator: Of a document, or of a directory with all that it holds; "" is all of the source.
            now: In seconds.
            delay: In seconds.
            is_gone: It waits for what comes in its place, and goes along with it.
        """
        before = self._looks.get((source, locator))
        first = before.first if before else now
        self._looks[source, locator] = _Look(first=first, due=min(now + delay, first + LONGEST), is_gone=is_gone)

    def wait(self, now: float) -> float | None:
        """Return for how many seconds there is nothing to do; None: until something is added."""
        return max(0.0, min(look.due for look in self._looks.values()) - now) if self._looks else None

    def take(self, now: float) -> dict[str, frozenset[str]]:
        """Return the locators whose time has come, by source; what is gone goes along with what is there."""
        due = {key for key, look in self._looks.items() if look.due <= now}
        news = {source for source, locator in due if not self._looks[source, locator].is_gone}
        due |= {key for key, look in self._looks.items() if look.is_gone and key[0] in news}
        found: dict[str, set[str]] = {}
        for source, locator in due:
            found.setdefault(source, set()).add(locator)
            del self._looks[source, locator]
        return {source: frozenset(locators) for source, locators in found.items()}


def is_local(path: str) -> bool:
    """Tell if the file system that holds *path* hears of every change; proc_pid_mountinfo(5)."""
    real = os.path.realpath(path)
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not on Linux
        return True
    kind, longest = "", ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        mount = OCTAL.sub(lambda code: chr(int(code[1], 8)), fields.split()[4])
        if len(mount) >= len(longest) and (real + "/").startswith(mount.rstrip("/") + "/"):
            kind, longest = rest.split()[0], mount
    return kind not in REMOTE and not kind.startswith("fuse.")
