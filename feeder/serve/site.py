"""The published directory as an application: what is in memory is answered at once, the rest in its time (ASGI)."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import quote

import structlog

from feeder.redirects import Moved
from feeder.serve import paths
from feeder.serve.cache import Cache
from feeder.serve.paths import Found, Names
from feeder.serve.replies import (
    ALLOWED,
    CHUNK,
    Fields,
    Reply,
    Terms,
    Version,
    date,
    fields_of,
    options,
    read,
    reply,
    sentence,
)
from feeder.urls import PAGE, TYPES_BY_NAME

log = structlog.get_logger(__name__)

MOST_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes of one file; larger ones are read anew each time
SHARE: Final = 4  # of the memory, a part that one file may take
RETRY_SECONDS: Final = 60
MOVED_CACHING: Final = "max-age=3600"  # browsers would keep a redirect for good, even from a feed that is back
_FROM_FILE: Final = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})  # answers that hold bytes of a file
_OWN: Final = frozenset({"", PAGE, *TYPES_BY_NAME})  # the site's page and feeds
_NOTHING_YET: Final = "No article is published here now; `feeder status` tells why."
USUAL_PATH: Final = 500  # bytes; longer ones are read each time, so that nobody fills the memory with them

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Look: TypeAlias = Callable[[str], Moved | None]


class Application(Protocol):
    """What a server asks for answers."""

    def at_once(self, target: bytes, headers: Headers) -> Reply | None:
        """Return the answer to a GET if it is at hand and small; it may not wait for anything."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever it is."""


class Site:
    """An `Application` that serves what lies below *root*, as it is at the time of each request.

    No link is followed, no directory is listed, and no name that begins with a dot is known.

    Args:
        root: The directory; it need not be there yet.
        terms: What all headers say.
        memory: Bytes for files that are asked for often.
        moved: Asked what became of a path at which there is no file; it begins with "/" at the root.
    """

    def __init__(self, root: Path, *, terms: Terms, memory: int, moved: Look = lambda _: None) -> None:
        self._root = root
        self._moved = moved
        self._terms = terms
        self._most = min(MOST_IN_MEMORY, memory // SHARE)
        self._cache = Cache(root, most=memory)
        self._sending = _Sending(memory)
        self._reading: dict[Names, asyncio.Task[Version | None]] = {}

    def change(self, terms: Terms) -> None:
        """Say this in all headers from now on; what is in memory says what was true before."""
        if terms != self._terms:
            self._terms = terms
            self._cache.clear()

    def at_once(self, target: bytes, headers: Headers) -> Reply | None:
        """Return the answer to a GET if it is in memory and no more than a client may be sent at once."""
        names = _names(target)
        version = self._cache.current(names) if names else None
        if version is None:
            return None
        answer = reply(version, fields_of(headers))
        return answer if answer.body is not None and len(answer.body) <= CHUNK else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            await self._answer(scope, receive, send)
        except Exception:
            log.exception("request_failed", path=scope["path"])
            raise  # uvicorn answers with a 500 if nothing was sent, and closes the connection

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, names = scope["method"], _names(scope["raw_path"])
        fields = fields_of(scope["headers"]) if method == "GET" else _whole(fields_of(scope["headers"]))
        try:
            if method == "OPTIONS":
                answer = options(names)
            elif method not in {"GET", "HEAD"}:
                answer = sentence(HTTPStatus.METHOD_NOT_ALLOWED, ALLOWED)
            else:
                answer = await self._of_file(names, fields) or await self._of_nothing(scope["raw_path"])
        except OSError as error:
            log.warning("file_not_served", path="/".join(names or ()), error=str(error))
            answer = sentence(HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": f"{RETRY_SECONDS}"})
        if method != "GET" or not names or self._sending.has_room(answer.body):
            with self._sending.holding(answer.body):
                await send_reply(answer, send, with_body=method != "HEAD")
        else:
            del answer  # and with it the body, which must not stay in memory meanwhile
            await self._send_file(names, _uncoded(fields), receive, send)

    async def _of_file(self, names: Names | None, fields: Fields) -> Reply | None:
        if names is None:
            return None
        version = await self._version(names)
        if version:
            return reply(version, fields)
        if names[-1] != PAGE and await asyncio.to_thread(paths.is_file, self._root, (*names, PAGE)):
            # Relative, so that it holds behind a proxy that adds a prefix, and leads to no other host.
            return sentence(HTTPStatus.MOVED_PERMANENTLY, {"location": f"./{quote(names[-1], safe='')}/"})
        return None

    async def _of_nothing(self, target: bytes) -> Reply:
        """Answer for a path at which there is no file. Nothing is for good: a feed may come back to its old place."""
        names = paths.names(target)
        moved = await asyncio.to_thread(self._moved, f"/{'/'.join(names)}") if names else None
        if moved is None:
            is_own = names is not None and len(names) == 1 and names[0] in _OWN
            if is_own and not await asyncio.to_thread(paths.is_file, self._root, (PAGE,)):
                return sentence(HTTPStatus.NOT_FOUND, said=_NOTHING_YET)
            return sentence(HTTPStatus.NOT_FOUND)
        if moved.location is None:
            return sentence(HTTPStatus.GONE, {"cache-control": "no-cache"})
        return sentence(HTTPStatus.MOVED_PERMANENTLY, {"location": moved.location, "cache-control": MOVED_CACHING})

    async def _version(self, names: Names) -> Version | None:
        """Return the version in memory, or read it; all who ask for it meanwhile wait for the same reading."""
        version = self._cache.current(names)
        if version:
            return version
        reading = self._reading.get(names)
        if reading is None:
            reading = self._reading[names] = asyncio.create_task(self._read(names))
            reading.add_done_callback(lambda _: self._reading.pop(names))
        return await asyncio.shield(reading)

    async def _read(self, names: Names) -> Version | None:
        found = await asyncio.to_thread(paths.open_file, self._root, names)
        if found is None:
            return None
        with found.file:
            return await self._kept(found, names)

    async def _kept(self, found: Found, names: Names) -> Version:
        terms = self._terms
        version = await asyncio.to_thread(read, found, names, terms, most=self._most)
        if terms is self._terms:
            self._cache.keep(names, version)
        return version

    async def _send_file(self, names: Names, fields: Fields, receive: Receive, send: Send) -> None:
        """Send a file that is too large for the memory, or for what is left of it, from the disk, as it was when opened."""
        found = await asyncio.to_thread(paths.open_file, self._root, names)
        if found is None:
            await send_reply(sentence(HTTPStatus.NOT_FOUND), send)
            return
        with found.file:
            version = self._cache.current(names)
            if version is None or version.stamp != found.stamp:
                version = await self._kept(found, names)
            answer = reply(version, fields)
            if answer.status in _FROM_FILE:
                answer = replace(answer, body=None)
                del version
                await _send_span(found, answer, receive, send)
            else:
                await send_reply(answer, send)


class _Sending:
    """The bodies that clients are sent: such a one stays in memory for as long as its slowest client takes."""

    def __init__(self, most: int) -> None:
        self._most = most  # bytes of all together
        self._clients: Counter[int] = Counter()  # of each body, by its place in memory
        self.size = 0

    def has_room(self, body: bytes | None) -> bool:
        """Tell whether one more client may be sent *body*; None is not in memory."""
        if body is None:
            return False
        return len(body) <= CHUNK or id(body) in self._clients or self.size + len(body) <= self._most

    @contextmanager
    def holding(self, body: bytes | None) -> Iterator[None]:
        """Count *body* until the end of the block."""
        self.size += len(body or b"") if id(body) not in self._clients else 0
        self._clients[id(body)] += 1
        try:
            yield
        finally:
            self._clients[id(body)] -= 1
            if not self._clients[id(body)]:
                del self._clients[id(body)]
                self.size -= len(body or b"")


def _names(target: bytes) -> Names | None:
    return _usual_names(target) if len(target) <= USUAL_PATH else _read_names(target)


def _read_names(target: bytes) -> Names | None:
    found = paths.names(target.partition(b"?")[0])
    return (*found[:-1], found[-1] or PAGE) if found else None


_usual_names: Final = lru_cache(maxsize=2048)(_read_names)  # the same few feeds are asked for again and again


def _whole(fields: Fields) -> Fields:
    """Return *fields* without that which only a GET can mean."""
    return {name: value for name, value in fields.items() if name != b"range"}


def _uncoded(fields: Fields) -> Fields:
    """Return *fields* of a client that is to be sent the bytes as they lie on the disk."""
    return {name: value for name, value in fields.items() if name != b"accept-encoding"}


async def send_reply(answer: Reply, send: Send, *, with_body: bool = True) -> None:
    """Send an answer whose body is in memory, no faster than the client takes it."""
    await _begin(answer, send)
    body = memoryview(answer.body or b"") if with_body else memoryview(b"")
    for start in range(0, len(body), CHUNK):
        await send({"type": "http.response.body", "body": body[start : start + CHUNK], "more_body": True})
    await send({"type": "http.response.body"})


async def _send_span(found: Found, answer: Reply, receive: Receive, send: Send) -> None:
    """Send a part of an open file; end early when the client has gone.

    Raises:
        OSError: Somebody cut the file short meanwhile.
    """
    leaving = asyncio.create_task(_until_gone(receive))
    try:
        await _begin(answer, send)
        at, end = answer.span
        while at < end and not leaving.done():
            chunk = await asyncio.to_thread(os.pread, found.file.fileno(), min(CHUNK, end - at), at)
            if not chunk:
                raise OSError(errno.EIO, "the file has become shorter while it was sent")
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            at += len(chunk)
        await send({"type": "http.response.body"})
    finally:
        leaving.cancel()


async def _begin(answer: Reply, send: Send) -> None:
    headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in (*answer.headers, date())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
