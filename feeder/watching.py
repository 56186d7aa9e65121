"""Changes in directories, told while they happen. Only this module knows watchfiles.

What the system tells is a hint of where to look, and no more. Names that are not UTF-8, and whatever happens while
there is too much to tell, are never told: polls find that.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from stat import S_ISDIR
from typing import Final, TypeAlias

import structlog
from watchfiles import Change, awatch

from feeder.errors import FetchError
from feeder.fetch.directory import locator_of
from feeder.model import Source, Watch

log = structlog.get_logger(__name__)

STEP_MS: Final = 20  # changes that follow one another faster are told together
TOGETHER_MS: Final = 200  # but are not kept back for longer
ROOTS_MS: Final = 500  # between looks at what is watched: a directory may come, go, or be another one
MAX_PAUSE: Final = 300.0  # seconds until a watch that failed again and again is tried again
STEADY: Final = 60.0  # seconds after which a watch that fails did well before

QUIET: Final = 0.1  # seconds without a change after which a document that is written in place is taken for whole
UNFINISHED: Final = 0.5  # seconds until a document that was not whole is looked at again
PARTNER: Final = 1.0  # seconds that a removal waits for what comes in its place
AGAIN: Final = 1.0  # seconds after which a new directory is looked at again: some files came before it was watched
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
Roots: TypeAlias = Mapping[str, tuple[int, int]]
"""The directory of each source that is watched, by its name: device and inode."""


class Watcher:
    """Watches the directories of sources, and says which of their documents are to be looked at."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(s for s in sources if s.path and s.enabled and s.watch is not Watch.OFF)
        self._pending = Pending()
        self._news = asyncio.Event()
        self._told: set[str] = set()  # reasons of failures
        self._is_partial = False  # there are directories that may not be read
        self._local: dict[int, bool] = {}  # device -> whether changes by other machines are no concern

    async def run(self, take: Take) -> None:
        """Call *take* for whatever is to be looked at, one call at a time, until this is cancelled.

        Once a directory is watched, all of it is looked at, so that nothing gets lost in between.
        """
        if self._sources:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._hand_out(take))

    async def _listen(self) -> None:
        watched: Roots = {}
        failures = 0
        while True:
            began = time.monotonic()
            try:
                watched = await self._follow(self._roots(), watched)
            except PermissionError:
                self._is_partial = True
            except Exception as error:  # noqa: BLE001 - whatever the system has against it, polls go on
                failures = failures + 1 if time.monotonic() - began < STEADY else 1
                self._report(error)
                watched = {}
                await asyncio.sleep(min(2.0**failures, MAX_PAUSE))

    def _report(self, error: Exception) -> None:
        """Log once for each reason; that of a name which is not UTF-8 says all that there is to say."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        reason = str(error) or type(error).__name__
        if reason not in self._told:
            log.warning("watch_failed", error=reason)
        self._told.add(reason)

    async def _follow(self, roots: Roots, watched: Roots) -> Roots:
        """Note what changes, until there are other directories to watch; return those that are the same still."""
        paths = {s.name: str(s.path) for s in self._sources if s.name in roots}
        places = self._places(paths.values())
        if not places:
            await asyncio.sleep(ROOTS_MS / 1000)
            return {}
        new = {name for name in roots if roots[name] != watched.get(name)}
        async for changes in awatch(
            *places,
            watch_filter=None,
            step=STEP_MS,
            debounce=TOGETHER_MS,
            rust_timeout=ROOTS_MS,
            yield_on_timeout=True,
            ignore_permission_denied=self._is_partial,
        ):
            for name in new:
                self._pending.add(name, "", now=time.monotonic())
            new = set()
            for name, path in paths.items():
                self._take_in(name, path, changes)
            self._news.set()
            # Another directory may have the number of one that is gone.
            gone = {name for name, path in paths.items() if (Change.deleted, path) in changes}
            if gone or self._roots() != roots:
                break
        return {name: root for name, root in roots.items() if name not in gone}

    def _places(self, roots: Iterable[str]) -> list[str]:
        """Return the directories to watch, each with all below it.

        One that may not be read ends the watching of what is around it: watchfiles gives up at it, and passes over all
        that it has not come to. Those around it are to be named by themselves, then.
        """
        unique = sorted(set(roots))
        return [place for root in unique for place in _readable(root)] if self._is_partial else unique

    def _roots(self) -> Roots:
        found = {}
        for source in self._sources:
            with suppress(OSError):
                status = os.stat(source.path)  # type: ignore[arg-type]  # noqa: PTH116 - only those with a path are kept
                if source.watch is Watch.ON or self._is_local(str(source.path), status.st_dev):
                    found[source.name] = (status.st_dev, status.st_ino)
        return found

    def _is_local(self, path: str, device: int) -> bool:
        if device not in self._local:
            self._local[device] = is_local(path)
        return self._local[device]

    def _take_in(self, name: str, root: str, changes: Iterable[tuple[Change, str]]) -> None:
        prefix = root.rstrip("/") + "/"
        for change, path in changes:
            if path.startswith(prefix) and "/." not in path[len(prefix) - 1 :]:
                with suppress(FetchError):
                    self._note(name, locator_of(Path(root), Path(path)), path, change)

    def _note(self, name: str, locator: str, path: str, change: Change) -> None:
        now = time.monotonic()
        try:
            status = os.lstat(path)
        except OSError:
            self._pending.add(name, locator, now=now, delay=PARTNER, is_gone=True)
            return
        if S_ISDIR(status.st_mode):
            if change is Change.added:
                self._pending.add(name, locator, now=now, again=AGAIN)
        else:
            # A renamed file has a later change than its last write; one that is written in place has not.
            is_whole = status.st_ctime_ns > status.st_mtime_ns
            self._pending.add(name, locator, now=now, delay=0.0 if is_whole else QUIET)

    async def _hand_out(self, take: Take) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._pending.wait(time.monotonic()))
            self._news.clear()
            for name, locators in self._pending.take(time.monotonic()).items():
                again = await take(name, None if locators >= EVERYTHING or len(locators) > MANY else locators)
                for locator in again:
                    self._pending.add(name, locator, now=time.monotonic(), delay=UNFINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """A look that is due; times are in seconds of a clock of any kind."""

    first: float
    due: float
    is_gone: bool
    again: float | None


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
        again: float | None = None,
    ) -> None:
        """Have *locator* looked at after *delay*, which new changes put off, but for `LONGEST` at most.

        Args:
            source: Its name.
            locator: Of a document, or of a directory with all that it holds; "" is all of the source.
            now: In seconds.
            delay: In seconds.
            is_gone: It waits for what comes in its place, and goes along with it.
            again: Have it looked at once more, so many seconds later.
        """
        before = self._looks.get((source, locator))
        first = before.first if before else now
        self._looks[source, locator] = _Look(
            first=first, due=min(now + delay, first + LONGEST), is_gone=is_gone, again=again
        )

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
            again = self._looks.pop((source, locator)).again
            if again is not None:
                self.add(source, locator, now=now, delay=again)
        return {source: frozenset(locators) for source, locators in found.items()}


def _readable(directory: str) -> list[str]:
    """Return *directory* if all below it may be read; else also those below it of which that is true; [] if not even it."""
    try:
        with os.scandir(directory) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    found = [_readable(each) for each in below]
    if all(places == [each] for places, each in zip(found, below, strict=True)):
        return [directory]
    return [directory, *chain.from_iterable(found)]


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
