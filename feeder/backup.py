"""The state, and what has to go with it, as one file: written while the daemon runs, and put back when it does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from feeder import adopt, takedowns, urls
from feeder.adopt import Adoption
from feeder.config import Config
from feeder.errors import OutputError, StoreError
from feeder.lock import alone
from feeder.model import FeedFile
from feeder.opening import INDEX, has_state
from feeder.output import Output
from feeder.output.files import FileOutput
from feeder.outputs import output_of
from feeder.store import Store
from feeder.store.address import Address
from feeder.store.backups import BETTER, notes_in, put_away, restoring, save
from feeder.store.copies import sweep
from feeder.store.file import look
from feeder.wording import many

_MADE: Final = "made"
_REMOVED: Final = "removed.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A backup that was written, and those that went for it."""

    path: Path
    size: int
    gone: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What restoring came to."""

    made: str | None  # when the backup was; None: it does not say
    kept: Path | None  # what was there
    adoption: Adoption  # of what the feeds hold beyond the backup
    are_takedowns_back: bool  # the list of them was lost, and is as in the backup
    lacking: int  # takedowns of the backup that the list does not hold


def backup(target: Path, settings: Config, now: datetime, *, force: bool = False, keep: int | None = None) -> Saved:
    """Write the state and the takedowns to *target*; in a directory, to a file with a name of its own.

    Args:
        target: A file, or a directory that is there.
        settings: The config.
        now: What the file in a directory is called after.
        force: Replace the file.
        keep: How many of these files the directory is to hold; the oldest go once the new one is there.

    Raises:
        OutputError: It cannot be written, is there already, or lies where it must not.
        StoreError: There is no state, or it is damaged.
    """
    _check_kind(settings, "pg_dump")
    if not has_state(settings):
        raise StoreError(f"{settings.state}: there is no state yet, so there is nothing to keep")
    folder = target if target.is_dir() else None
    path = folder / f"{settings.local.stem}-{now:%Y%m%dT%H%M%SZ}.db" if folder else target
    _check_place(path, settings)
    try:
        save(settings.local, path, partial(_notes, settings, now), replaces=force)
        gone = _thin(folder, settings, keep) if folder and keep else ()
        return Saved(path=path, size=path.stat().st_size, gone=gone)
    except FileExistsError as error:
        raise OutputError(f"{path}: is there already; `--force` replaces it") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def restore(file: Path, settings: Config, now: datetime) -> Restored:
    """Put the state in the backup *file* in place of the one that is there, which is kept under another name.

    What the published feeds hold beyond the backup is taken over, so that no subscriber gets it as new.

    Raises:
        StoreError: The file is no backup of this site that this version can read, or is damaged.
        StateInUse: A process works with the state.
        OutputError: The list of takedowns cannot be written.
    """
    _check_kind(settings, "pg_restore")
    if not look(file, site_id=settings.site.id, way_out=BETTER):
        raise StoreError(f"{file}: there is no such backup, or it is empty")
    with alone(settings.local):
        if settings.local.exists() and file.samefile(settings.local):
            raise StoreError(f"{file}: is the state itself")
        notes = notes_in(file)
        with restoring(file, settings.local, site_id=settings.site.id) as store:
            adoption = _catch_up(store, settings, now)
            is_back, lacking = _put_back_takedowns(notes.get(_REMOVED), settings)
            kept = put_away(settings.local, _free_name(settings.local, now))
    return Restored(made=notes.get(_MADE), kept=kept, adoption=adoption, are_takedowns_back=is_back, lacking=lacking)


def report_backup(saved: Saved) -> tuple[str, ...]:
    """Return *saved* in a few lines for people."""
    return (f"{saved.path}: written, {saved.size} bytes", *(f"{path}: removed, the oldest" for path in saved.gone))


def report_restore(done: Restored, settings: Config) -> tuple[str, ...]:
    """Return *done* in a few lines for people."""
    lines = [f"{settings.state}: restored" + (f", as it was at {done.made}" if done.made else "")]
    if done.kept:
        lines.append(f"  what was there is kept as {done.kept}")
    if done.adoption.adopted:
        entries = many(
            done.adoption.adopted, "article of the published feeds is", "articles of the published feeds are"
        )
        lines.append(f"  {entries} younger than that; they keep their ids")
    lines += [f"  not read: {problem.where}: {problem.reason}" for problem in done.adoption.unread]
    if done.are_takedowns_back:
        lines.append(f"  {settings.path.parent / takedowns.NAME}: written, as it was then")
    if done.lacking:
        taken = many(done.lacking, "takedown", "takedowns")
        lines.append(f"  {settings.path.parent / takedowns.NAME} holds {taken} less than then; it stays as it is")
    return (*lines, "Start the daemon, or run `feeder once --all`.")


# ---------------------------------------------------------------- saving


def _check_kind(settings: Config, program: str) -> None:
    if isinstance(settings.state, Address):
        names = f"the schema {settings.state.schema}; keep removed.txt and the feeds beside it"
        raise StoreError(
            f"{settings.state}: a state in PostgreSQL is a matter for its own programs: `{program}` of {names}"
        )


def _check_place(path: Path, settings: Config) -> None:
    real = Path(os.path.realpath(path))
    if isinstance(settings.output, Path) and real.is_relative_to(os.path.realpath(settings.output)):
        raise OutputError(f"{path}: lies inside the output directory, where everybody could fetch it")
    if real.exists() and not real.is_file():
        raise OutputError(f"{path}: is no regular file, and is not replaced by one")
    if real.name.startswith(settings.local.name) and real.parent == Path(os.path.realpath(settings.local)).parent:
        raise OutputError(f"{path}: has the name of the state, or of a file that belongs to it")
    if real in {Path(os.path.realpath(each)) for each in (settings.path, settings.path.parent / takedowns.NAME)}:
        raise OutputError(f"{path}: is the configuration or its list of takedowns, which no backup replaces")


def _notes(settings: Config, now: datetime) -> Mapping[str, str]:
    notes = {_MADE: f"{now:%Y-%m-%dT%H:%M:%SZ}", "feeder": version("feeder"), "config": str(settings.path.absolute())}
    takedowns.load(settings.path.parent / takedowns.NAME)  # one that cannot be read must not be missed
    try:
        notes[_REMOVED] = (settings.path.parent / takedowns.NAME).read_text("utf-8-sig")
    except FileNotFoundError:
        return notes
    return notes


def _thin(folder: Path, settings: Config, keep: int) -> tuple[Path, ...]:
    name = re.compile(rf"{re.escape(settings.local.stem)}-\d{{8}}T\d{{6}}Z\.db")
    found = sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    for path in found[:-keep]:
        path.unlink()
    sweep(folder)
    return tuple(found[:-keep])


# ---------------------------------------------------------------- restoring


def _catch_up(store: Store, settings: Config, now: datetime) -> Adoption:
    """Let a state of before know what has been published since."""
    output = output_of(settings)
    known = {page.number for page in store.pages()}
    newer = {number: path for number, path in _archived(output, settings) if number not in known}
    with store.transaction():
        store.skip_pages(max(newer, default=0))
    feeds = [INDEX, *newer.values()] if output.read(INDEX) is not None else []
    with _readable(feeds, output, settings) as found:
        return adopt.take_over(found, store, settings.site, now=now)


@contextmanager
def _readable(feeds: Iterable[str], output: Output, settings: Config) -> Iterator[list[str]]:
    """Yield where *feeds* can be read as files; out of a bucket they are copied, with all that the index leads to."""
    if isinstance(settings.output, Path):
        yield [str(settings.output / path) for path in feeds]
        return
    with TemporaryDirectory(prefix="feeder-") as folder:
        found = ((path, output.read(path)) for path in output.find("", (INDEX, *urls.FILE_NAMES.values())))
        FileOutput(Path(folder)).publish(FeedFile(path=path, body=body) for path, body in found if body)
        yield [str(Path(folder) / path) for path in feeds]


def _archived(output: Output, settings: Config) -> list[tuple[int, str]]:
    """Return the number and a feed of each page of the archive."""
    names = [urls.FILE_NAMES[made] for made in settings.feeds.formats]
    numbered = ((path.split("/"), path) for path in output.find(urls.ARCHIVE, names))
    return [(int(parts[1]), path) for parts, path in numbered if len(parts) == 3 and parts[1].isdecimal()]  # noqa: PLR2004


def _put_back_takedowns(text: str | None, settings: Config) -> tuple[bool, int]:
    """Write the list of takedowns if there is none; tell if so, and how many of the backup's are not on it."""
    path = settings.path.parent / takedowns.NAME
    if text is None:
        return False, 0
    if not path.exists():
        takedowns.write(path, text)
        return True, 0
    present = {taken.id for taken in takedowns.load(path)}
    return False, len({taken.id for taken in takedowns.parse(path, text)} - present)


def _free_name(state: Path, now: datetime) -> str:
    wanted = f"{state.name}.replaced-{now:%Y%m%dT%H%M%SZ}"
    names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    return next(name for name in names if not state.with_name(name).exists())
