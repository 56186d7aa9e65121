"""Where things are on disk: the paths of a config, and whether they can go together. Looks, and touches nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR
from typing import Final

from feeder.config.values import shown, shown_path
from feeder.output import Bucket
from feeder.store.address import SCHEMES, State, address

SQLITE: Final = "sqlite:///"
S3: Final = "s3://"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY_PART: Final = re.compile(r"[A-Za-z0-9!_.*'()-]+")  # what S3 says any program can deal with


def absolute(directory: Path, text: str) -> Path:
    """Return the path *text* in a file of *directory*; links are left alone, since they may be mended later."""
    return Path(os.path.abspath(directory / text))  # noqa: PTH100


def state(directory: Path, text: str) -> State:
    """Return the database of "sqlite:///relative" or "sqlite:////absolute", or that of "postgresql://…".

    Raises:
        ValueError: It is something else.
    """
    if text.startswith(SQLITE) and text != SQLITE and not text.startswith(f"{SQLITE}:"):
        return absolute(directory, text.removeprefix(SQLITE))
    if text.partition(":")[0] in SCHEMES:
        return address(text)
    raise ValueError(f'{shown(text)} is not a database such as "sqlite:///var/feeder.db"')


def output_place(directory: Path, text: str) -> Path | Bucket:
    """Return the directory, or the bucket, that feeds are written to.

    Raises:
        ValueError: It is another URL, or no bucket can be called so.
    """
    if text.startswith(S3):
        return _bucket(text)
    if "://" in text:
        raise ValueError(f'{shown(text)} is neither a directory nor a bucket such as "s3://feeds.example.org/news"')
    return absolute(directory, text)


def local(directory: Path, text: str) -> Path:
    """Return what the files of this machine are called after, in the directory *text*, beside a state in no file."""
    return absolute(directory, text) / "feeder"


def faults_of_storage(state: Path, output: Path | Bucket, *, key: str = "state") -> Iterator[str]:
    """Yield why *state*, or what lies there in its place for another *key*, and *output* cannot be used by anybody."""
    if isinstance(output, Path) and _is_within(state, output):
        yield f"{key}: {shown_path(state)} lies inside the output directory, where everybody could fetch it"
    if state.exists() and not state.is_file():
        yield f"{key}: {shown_path(state)} is {'a directory' if state.is_dir() else 'no regular file'}"
    for each, directory in _directories(state, output, key):
        nearest = _nearest(directory)
        if not _is_directory(nearest):
            yield f"{each}: {shown_path(nearest)} is not a directory"


def faults_of_config(directory: Path, output: Path | Bucket) -> Iterator[str]:
    """Yield why the config in *directory*, with the takedowns beside it, cannot go with feeds in *output*."""
    if isinstance(output, Path) and _is_within(directory, output):
        yield f"output: {shown_path(output)} holds the configuration, which everybody could fetch"


def faults_of_writing(state: Path, output: Path | Bucket, *, key: str = "state") -> Iterator[str]:
    """Yield why this process cannot write *state* or *output*, as `faults_of_storage`."""
    for each, directory in _directories(state, output, key):
        nearest = _nearest(directory)
        if _is_directory(nearest) and not os.access(nearest, os.W_OK | os.X_OK):
            yield f"{each}: {shown_path(nearest)} cannot be written to"
    if os.access(state, os.F_OK) and not os.access(state, os.W_OK):
        yield f"{key}: {shown_path(state)} cannot be written"


def faults_of_source(path: Path, output: Path | Bucket) -> Iterator[str]:
    """Yield why articles in *path* cannot go with feeds in *output*."""
    if isinstance(output, Bucket):
        return
    if _is_within(output, path):
        yield f"path: {shown_path(path)} holds the output directory; feeds would be read as articles"
    elif _is_within(path, output):
        yield f"path: {shown_path(path)} lies inside the output directory, where only feeds are kept"


def doubt(path: Path) -> str | None:
    """Return why articles cannot be read from *path* now. An unmounted disk is no reason not to start."""
    if not _is_directory(path):
        return f"path: {shown_path(path)} is not a directory now; the source fails until it is"
    if not os.access(path, os.R_OK | os.X_OK):
        return f"path: {shown_path(path)} cannot be read now; the source fails until it can"
    return None


def _bucket(text: str) -> Bucket:
    name, _, prefix = text.removeprefix(S3).partition("/")
    if not _BUCKET.fullmatch(name):
        raise ValueError(f"{shown(text)} names no bucket: 3 to 63 of a-z, 0-9, dot and hyphen")
    parts = prefix.removesuffix("/").split("/") if prefix else []
    if not all(_KEY_PART.fullmatch(part) and part not in {".", ".."} for part in parts):
        raise ValueError(f"{shown(text)} has a prefix with more than letters, digits and !-_.*'()")
    return Bucket(name=name, prefix="/".join(parts))


def _directories(state: Path, output: Path | Bucket, key: str) -> Iterator[tuple[str, Path]]:
    yield key, state.parent
    if isinstance(output, Path):
        yield "output", output


def _is_within(inner: Path, outer: Path) -> bool:
    return Path(os.path.realpath(inner)).is_relative_to(os.path.realpath(outer))


def _nearest(directory: Path) -> Path:
    """Return what exists of *directory*, which need not exist yet."""
    return next(each for each in (directory, *directory.parents) if os.access(each, os.F_OK))


def _is_directory(path: Path) -> bool:
    try:
        return S_ISDIR(path.stat().st_mode)
    except OSError:  # Path.is_dir lets some of these through
        return False
