"""Where things are kept and served: the tables ``[storage]``, ``[bucket]`` and ``[server]``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from feeder.config import places, values
from feeder.config.faults import Faults, table_of
from feeder.config.files import File
from feeder.config.schema import BucketTable, ServerTable, StorageTable
from feeder.config.sources import Placed
from feeder.output import Bucket
from feeder.store.address import State

_AnyPlace = TypeVar("_AnyPlace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where things are, and the table that says so."""

    table: StorageTable
    state: State
    local: Path
    output: Path | Bucket

    @property
    def key(self) -> str:
        """What says where the files of this machine are."""
        return "state" if self.state == self.local else "local"


def storage_of(main: File, placed: Iterable[Placed], faults: Faults, *, to_write: bool) -> Storage | None:
    """Return where things are; None if that cannot be told."""
    table = table_of(main, "storage", StorageTable, faults)
    state = state_of(main, table, faults)
    output = _path(main, "output", table.output if table else None, places.output_place, faults)
    if isinstance(output, Bucket):
        output = _in_bucket(main, output, faults)
    else:
        table_of(main, "bucket", BucketTable, faults)
    for each in placed:
        path = each.source.path
        for fault in places.faults_of_source(path, output) if path and output else ():
            faults.add(each.file, each.label, fault)
    if table is None or state is None or output is None:
        return None
    local = local_of(main, table, state)
    storage = Storage(table=table, state=state, local=local, output=output)
    for fault in _faults(storage, main, to_write=to_write):
        faults.add(main, "storage", fault)
    return storage


def state_of(main: File, table: StorageTable | None, faults: Faults) -> State | None:
    """Return where the state is; None if that cannot be told."""
    return _path(main, "state", table.state if table else None, places.state, faults)


def local_of(main: File, table: StorageTable, state: State) -> Path:
    """Return where the files of this machine are: beside the state, if that is one."""
    return state if isinstance(state, Path) else places.local(main.directory, table.local)


def stored(storage: Storage) -> dict[str, Any]:
    """Return what a config says of its storage."""
    table = storage.table
    return {
        "state": storage.state,
        "local": storage.local,
        "output": storage.output,
        "keep": table.keep,
        "status_every": table.status_every,
        "after_publish": tuple(table.after_publish),
        "after_publish_timeout": table.after_publish_timeout,
    }


def check_listen(main: File, server: ServerTable | None, storage: Storage | None, faults: Faults) -> None:
    """Find a web server that has nothing to serve."""
    is_wanted = server and server.listen and "listen" in server.model_fields_set
    if is_wanted and storage and isinstance(storage.output, Bucket):
        faults.add(main, "server", 'listen: what is in a bucket is served by it, or by a CDN before it: let it be ""')


def served(server: ServerTable, storage: Storage) -> dict[str, Any]:
    """Return what a config says of its web server."""
    return {
        "listen": values.address(server.listen) if server.listen and isinstance(storage.output, Path) else None,
        "admin": values.address(server.admin) if server.admin else None,
        "cache": server.cache,
    }


def _in_bucket(main: File, bucket: Bucket, faults: Faults) -> Bucket:
    """Return *bucket* with all that ``[bucket]`` says of it."""
    table = table_of(main, "bucket", BucketTable, faults)
    given = table.given() if table else {}
    if ("access_key" in given) != ("secret_key" in given):
        faults.add(main, "bucket", "access_key and secret_key go together")
    return replace(bucket, **{"path_style": "endpoint" in given or "." in bucket.name} | given)


def _faults(storage: Storage, main: File, *, to_write: bool) -> Iterator[str]:
    local, output = storage.local, storage.output
    yield from places.faults_of_storage(local, output, key=storage.key)
    yield from places.faults_of_config(main.directory, output)
    if to_write:
        yield from places.faults_of_writing(local, output, key=storage.key)


def _path(
    main: File, key: str, text: str | None, read_path: Callable[[Path, str], _AnyPlace], faults: Faults
) -> _AnyPlace | None:
    if text is None:
        return None
    try:
        return read_path(main.directory, text)
    except ValueError as error:
        faults.add(main, "storage", f"{key}: {error}")
        return None
