"""What Feeder works with but does not own: rights, room, the clock, secrets and certificates."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from feeder import outputs, takedowns
from feeder.config import Config, places
from feeder.doctor.findings import Area, Finding, few
from feeder.errors import ConfigError, FetchError, OutputError
from feeder.fetch.secrets import revealed
from feeder.model import Source
from feeder.output import Bucket
from feeder.output.checks import is_temporary
from feeder.store.records import SourceState
from feeder.wording import many

LITTLE_BYTES: Final = 256 << 20
NOTHING_BYTES: Final = 16 << 20  # less than a busy hour needs
NOTHING_FILES: Final = 1000  # that the disk has numbers for
BUILT: Final = 2026  # no clock that is right shows an earlier year
DRIFT: Final = timedelta(hours=1)

_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
_ENTERED_BY_OTHERS: Final = stat.S_IXGRP | stat.S_IXOTH
_PUBLISHED: Final = "published files and directories"


def of_config(settings: Config) -> Iterator[Finding]:
    """Yield what the configuration itself warns of."""
    for warning in settings.warnings:
        yield Finding(area=Area.CONFIG, what=warning, do="mend it, or let it be so", is_fault=False)
    try:
        takedowns.load(settings.path.parent / takedowns.NAME)
    except ConfigError as error:
        yield Finding(area=Area.CONFIG, what=str(error), do="mend it: Feeder does not start with it")


def of_rights(settings: Config) -> Iterator[Finding]:
    """Yield what this user may not write or read, and secrets and certificates that are not there."""
    for fault in places.faults_of_writing(settings.local, settings.output, key=_key(settings)):
        do = f"run this as the user of the daemon; else give that user ({_owner(settings.local.parent)}) the right"
        yield Finding(area=Area.PLACES, what=fault, do=do)
    for source in settings.sources:
        if source.enabled:
            yield from _of_secrets(source)


def of_takedowns(settings: Config) -> Iterator[Finding]:
    """Yield that no article could be taken down."""
    folder = settings.path.parent
    path = folder / takedowns.NAME
    if not os.access(path if path.exists() else folder, os.W_OK):
        do = f"`feeder remove` needs it: give the user of the daemon the right to write in {folder}"
        yield Finding(area=Area.PLACES, what=f"{path}: cannot be written", do=do, is_fault=False)


def of_readers(settings: Config) -> Iterator[Finding]:
    """Yield what a web server of another user could not read, and directories that this user may not write to."""
    if isinstance(settings.output, Bucket):
        return
    closed, foreign = _unfit(settings.output)
    if closed:
        what = (
            f"only their owner can read {many(len(closed), 'published file or directory', _PUBLISHED)}: {few(closed)}"
        )
        do = f"if a web server reads them: `chmod -R a+rX {settings.output}`, and a umask of 022 for Feeder"
        yield Finding(area=Area.PLACES, what=what, do=do, is_fault=False)
    if foreign:
        what = f"{many(len(foreign), 'directory', 'directories')} of the output cannot be written to: {few(foreign)}"
        do = f"run this as the user of the daemon; else give that user ({_owner(settings.output)}) the right"
        yield Finding(area=Area.PLACES, what=what, do=do)


def of_disks(settings: Config) -> Iterator[Finding]:
    """Yield disks that have little room left, or none."""
    needed = settings.local.stat().st_size if settings.local.exists() else 0
    for name, path in ((_key(settings), settings.local.parent), ("output", settings.output)):
        if isinstance(path, Bucket):
            continue
        found = os.statvfs(_nearest(path))
        free = found.f_bavail * found.f_frsize
        is_full = free < NOTHING_BYTES or (found.f_files > 0 and found.f_favail < NOTHING_FILES)
        if is_full or free < max(LITTLE_BYTES, needed):
            what = f"the disk of {name} ({path}) has {free >> 20} MiB and {found.f_favail} files left"
            do = "make room; feeds and the state stay whole meanwhile, but nothing new is published"
            yield Finding(area=Area.DISK, what=what, do=do, is_fault=is_full)


def of_bucket(settings: Config) -> Iterator[Finding]:
    """Yield that a bucket cannot be written to, or does not keep an older feed from the place of a newer one."""
    try:
        fault = outputs.fault_of_conditions(settings)
    except OutputError as error:
        yield Finding(area=Area.OUTPUT, what=str(error), do="mend [bucket], its secrets, or the rights in the bucket")
        return
    if fault:
        do = "let one process alone publish to it, or take a store that knows conditional writes"
        yield Finding(area=Area.OUTPUT, what=f"{settings.output}: the store {fault}", do=do)


def of_clock(states: Iterable[SourceState], now: datetime) -> Iterator[Finding]:
    """Yield that the clock is wrong, as far as the state can tell."""
    do = "set the clock, and have it kept right (`timedatectl set-ntp true`)"
    if now.year < BUILT:
        yield Finding(area=Area.CLOCK, what=f"the clock says {now:%Y-%m-%d}", do=do)
    last = max((state.last_poll for state in states if state.last_poll), default=now)
    if last > now + DRIFT:
        what = f"the clock says {now:%Y-%m-%d %H:%M} UTC, and sources were polled at {last:%Y-%m-%d %H:%M}"
        yield Finding(area=Area.CLOCK, what=what, do=do)


def _key(settings: Config) -> str:
    """Return what says where this machine's own files are."""
    return "state" if settings.state == settings.local else "local"


def _of_secrets(source: Source) -> Iterator[Finding]:
    named = [value for _, value in source.headers] + [source.cookies or ""]
    named.append((source.auth or "").partition(":")[2])
    for text in named:
        try:
            revealed(text, where=f"source {source.name}")
        except FetchError as error:
            do = "it may be there for the service alone (`systemctl cat`); else name it there"
            yield Finding(area=Area.PLACES, what=str(error), do=do, is_fault=False)


def _unfit(output: Path) -> tuple[list[str], list[str]]:
    """Return what only its owner can read, and the directories below *output* that we may not write to."""
    closed, foreign = [], []
    for place, folders, names in os.walk(output):
        folders.sort()
        files = sorted(f"{place}/{name}" for name in names if not is_temporary(name))
        closed += [path for path in files if _lacks(path, _READ_BY_OTHERS)]
        closed += [place] if _lacks(place, _ENTERED_BY_OTHERS) else []
        is_foreign = os.access(place, os.F_OK) and not os.access(place, os.W_OK | os.X_OK)
        foreign += [place] if is_foreign and place != str(output) else []  # that one is told already
    return closed, foreign


def _lacks(path: str, rights: int) -> bool:
    try:
        return not os.lstat(path).st_mode & rights
    except OSError:  # a daemon is at work, or nobody may look; the latter is told otherwise
        return False


def _owner(path: Path) -> str:
    nearest = _nearest(path)
    try:
        return nearest.owner()
    except (KeyError, OSError):  # a number without a name
        return str(nearest.stat().st_uid)


def _nearest(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())
