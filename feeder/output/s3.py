"""FeedFiles to a bucket of S3, or of a store that speaks as it does. Only this module knows obstore.

A key is the prefix and the path, in UTF-8 as it is: what a CDN gets of a URL, once it is decoded. A PUT is atomic, so
nothing temporary is written. Objects are not packed: they are byte for byte what a directory holds, and what
``feeds.json`` has the hashes of; a CDN packs for whom it may.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import md5
from types import MappingProxyType
from typing import Any, Final, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from feeder.batches import batches
from feeder.errors import OutputError, Replaced, Unreachable
from feeder.model import FeedFile
from feeder.output import Announce, Bucket
from feeder.output.checks import BAD_SIGN, check, parts_of
from feeder.urls import media_type

AT_ONCE: Final = 32  # requests: what one connection takes a second for is done in the time of a few
BATCH_FILES: Final = 128
BATCH_BYTES: Final = 32 * 1024 * 1024  # of files in memory
LISTED_FROM: Final = 1000  # files; the stamps of so many come cheaper with a list of all
KEY_MAX: Final = 1024  # bytes, as S3 has it

CONNECT_SECONDS: Final = 5
REQUEST_SECONDS: Final = 30
RETRIES: Final = 3
RETRY_SECONDS: Final = 20  # after which no request is tried again
REST_SECONDS: Final = 10.0  # for which a bucket that failed is not asked, lest every feed waits for it in turn

_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"Connect": "cannot be reached", "Timeout": "does not answer in time"}
)
_STATUS: Final = re.compile(r"status code: (\d{3}[A-Za-z -]*)")
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_KIND: Final = re.compile(r"kind: (\w+)")
_NO_BUCKET: Final = "NoSuchBucket"

T = TypeVar("T")
R = TypeVar("R")


class BucketOutput:
    """Publishes to a bucket; a `feeder.output.Output`.

    Args:
        bucket: Where.
        access_key: As the store knows who writes; "": the environment or the machine says it, and the secret as well.
        secret_key: What goes with it.
    """

    def __init__(self, bucket: Bucket, *, access_key: str = "", secret_key: str = "") -> None:
        self._bucket = bucket
        self._store = _opened(bucket, access_key, secret_key)
        self._fresh: dict[str, str] = {}  # stamps of what was published last, so that nobody need ask for them
        self._asked_from = 0.0  # on the clock that only goes forward
        self._failure = ""

    def publish(
        self, files: Iterable[FeedFile], *, announce: Announce | None = None, seen: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Write those of *files* whose bytes differ from what is there; return their paths.

        A file takes only the place of the one that was *seen*, or is there when this is called. If another process has
        replaced that, its file stays, unless both are equal.

        Raises:
            OutputError: Some of a batch could not be written. Every file is whole, old or new.
        """
        self._fresh = {}
        written: list[str] = []
        for batch in _batches(files):
            written += self._publish(batch, announce, seen or {})
        return tuple(written)

    def remove(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Remove the files at *paths*; return those that were there."""
        removed: list[str] = []
        for part in batches(paths, BATCH_FILES):
            there = self.stamps(part)
            found = [path for path in part if path in there]
            self._each(self._delete, found)
            removed += found
        return tuple(removed)

    def stamps(self, paths: Iterable[str]) -> Mapping[str, str]:
        """Return for each file at *paths* that is there a token that moves when anybody alters it: size and ETag."""
        wanted = dict.fromkeys(paths)
        found = {path: self._fresh.pop(path) for path in wanted if path in self._fresh}
        left = [path for path in wanted if path not in found]
        asked = self._listed(left) if len(left) >= LISTED_FROM else self._headed(left)
        return {path: stamp for path in wanted if (stamp := found.get(path) or asked.get(path))}

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes, or None if it is not there."""
        key = self._key(path)
        with self._told(path):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise
                return None

    def find(self, below: str, names: Collection[str] | None = None) -> Iterator[str]:
        """Yield the paths of the files in or below the directory *below*: all, or those called one of *names*."""
        for path in self._list(below):
            if (names is None or path.rpartition("/")[2] in names) and not BAD_SIGN.search(path):
                yield path

    def written(self, path: str) -> datetime | None:
        """Return when the file at *path* was written, or None if it is not there."""
        found = self._head(path)
        return found["last_modified"] if found else None

    def sweep(self) -> int:
        """Find nothing to remove: an interrupted run leaves nothing behind."""
        return 0

    def fault_of_conditions(self) -> str | None:
        """Return how the store breaks its word that a file takes the place of a certain one only; None: it keeps it.

        An object of a name of its own is written for that, and removed.

        Raises:
            OutputError: The bucket cannot be written to.
        """
        key = f".feeder-{secrets.token_hex(8)}.probe"
        with self._told(key):
            first = obstore.put(self._store, key, b"1", use_multipart=False)
            try:
                return self._fault_at(key, first["e_tag"] or "")
            finally:
                obstore.delete(self._store, key)

    # ------------------------------------------------------------ writing

    def _publish(self, batch: Iterable[FeedFile], announce: Announce | None, seen: Mapping[str, str]) -> list[str]:
        files = list({file.path: file for file in batch}.values())  # of two for one path the last one stays
        for file in files:
            self._key(file.path)
        missing = [file.path for file in files if file.path not in seen]
        known = {**dict.fromkeys(missing, ""), **seen, **(self._headed(missing) if missing else {})}
        same = self._each(lambda file: self._is_there(file, known[file.path]), files)
        self._fresh |= {file.path: known[file.path] for file, is_same in zip(files, same, strict=True) if is_same}
        changed = [file for file, is_same in zip(files, same, strict=True) if not is_same]
        for file in changed:
            check(file)
        if announce:
            announce([file.path for file in changed])
        stamps = self._each(lambda file: self._put(file, known[file.path]), changed)
        self._fresh |= {file.path: stamp for file, stamp in zip(changed, stamps, strict=True)}
        return [file.path for file in changed]

    def _is_there(self, file: FeedFile, stamp: str) -> bool:
        size, _, tag = stamp.partition("-")
        if size != str(len(file.body)):
            return False
        # With some ways of encryption the tag is another one, and only the bytes can tell.
        is_known = tag.strip('"') == md5(file.body, usedforsecurity=False).hexdigest()
        return is_known or self.read(file.path) == file.body

    def _put(self, file: FeedFile, stamp: str) -> str:
        """Write *file* in place of the one with *stamp*; return the new one's."""
        mode: Any = {"e_tag": stamp.partition("-")[2]} if stamp else "create"
        with self._told(file.path):
            try:
                done = obstore.put(
                    self._store,
                    self._key(file.path),
                    file.body,
                    mode=mode,
                    attributes={
                        "Content-Type": media_type(file.path),
                        "Cache-Control": self._bucket.cache_control,
                    },
                    use_multipart=False,
                )
            except (AlreadyExistsError, PreconditionError) as error:
                if _NO_BUCKET in str(error):
                    raise
                return self._settled(file)
            return _stamp(len(file.body), done["e_tag"])

    def _settled(self, file: FeedFile) -> str:
        """Return the stamp of what stands in the way of *file*, if it is equal: then we wrote it, or it is as good."""
        found = self._head(file.path)
        stamp = _stamp(found["size"], found["e_tag"]) if found else ""
        if stamp and self._is_there(file, stamp):
            return stamp
        raise Replaced(file.path)

    def _delete(self, path: str) -> None:
        with self._told(path):
            obstore.delete(self._store, self._key(path))

    def _fault_at(self, key: str, tag: str) -> str | None:
        if self._lets(key, "create"):
            return "ignores If-None-Match: a file may take the place of one that it must not"
        obstore.put(self._store, key, b"2", use_multipart=False)
        if self._lets(key, {"e_tag": tag}):
            return "ignores If-Match: an older feed may take the place of a newer one"
        return None

    def _lets(self, key: str, mode: Any) -> bool:
        try:
            obstore.put(self._store, key, b"3", mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    # ------------------------------------------------------------ asking

    def _headed(self, paths: Collection[str]) -> dict[str, str]:
        found = zip(paths, self._each(self._head, paths), strict=True)
        return {path: _stamp(meta["size"], meta["e_tag"]) for path, meta in found if meta}

    def _head(self, path: str) -> obstore.ObjectMeta | None:
        key = self._key(path)
        with self._told(path):
            try:
                return obstore.head(self._store, key)
            except FileNotFoundError:
                return None

    def _listed(self, paths: Iterable[str]) -> dict[str, str]:
        wanted = set(paths)
        return {meta["path"]: _stamp(meta["size"], meta["e_tag"]) for meta in self._metas("") if meta["path"] in wanted}

    def _list(self, below: str) -> Iterator[str]:
        return (meta["path"] for meta in self._metas(below))

    def _metas(self, below: str) -> Iterator[obstore.ObjectMeta]:
        with self._told(below or str(self._bucket)):
            for chunk in obstore.list(self._store, below or None):
                yield from chunk

    def _key(self, path: str) -> str:
        parts_of(path)
        if len(f"{self._bucket.prefix}/{path}".encode()) > KEY_MAX:
            raise OutputError(f"{path!a}: is too long for a key of S3, which has {KEY_MAX} bytes")
        return path

    # ------------------------------------------------------------ many, and faults

    def _each(self, function: Callable[[T], R], values: Collection[T]) -> list[R]:
        """Return what *function* makes of *values*, many at once; after a fault no further one is begun."""
        if len(values) <= 1:
            return [function(value) for value in values]
        with ThreadPoolExecutor(min(AT_ONCE, len(values)), thread_name_prefix="bucket") as pool:
            futures = [pool.submit(function, value) for value in values]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        if time.monotonic() < self._asked_from:
            raise Unreachable(self._failure)
        try:
            yield
        except OutputError:
            raise
        except (BaseError, OSError, ValueError) as error:
            reason = f"{self._bucket}: {_reason(error)}"
            if isinstance(error, GenericError):
                self._failure, self._asked_from = reason, time.monotonic() + REST_SECONDS
                raise Unreachable(reason) from error
            raise OutputError(f"{path}: {reason}") from error


def _opened(bucket: Bucket, access_key: str, secret_key: str) -> S3Store:
    given = {
        "region": bucket.region,
        "endpoint": bucket.endpoint if bucket.path_style else bucket.endpoint.replace("://", f"://{bucket.name}."),
        "access_key_id": access_key,
        "secret_access_key": secret_key,
    }
    config: Any = {key: value for key, value in given.items() if value}
    try:
        return S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            config=config,
            virtual_hosted_style_request=not bucket.path_style,
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=1),
                    "base": 2,
                },
            },
        )
    except (BaseError, ValueError) as error:
        raise OutputError(f"{bucket}: {str(error).splitlines()[0]}") from error


def _batches(files: Iterable[FeedFile]) -> Iterator[list[FeedFile]]:
    batch: list[FeedFile] = []
    size = 0
    for file in files:
        batch.append(file)
        size += len(file.body)
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _stamp(size: int, tag: str | None) -> str:
    return f"{size}-{tag or ''}"


def _reason(error: Exception) -> str:
    """Return what is the matter in the same few words whenever it is the same: it is logged when it changes."""
    text = str(error)
    if _NO_BUCKET in text:
        return "there is no such bucket"
    if isinstance(error, InvalidPathError):
        return "holds an object whose name is no path: " + text.partition('"')[2].partition('"')[0][:200]
    code = f" ({found[1]})" if (found := _CODE.search(text)) else ""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return f"access is denied{code}"
    if status := _STATUS.search(text):
        return f"answers {status[1].strip()}{code}"
    if kind := _KIND.search(text):
        return _KINDS.get(kind[1], "breaks the connection off")
    return text.partition("\n")[0][:200]
