"""Documents from the web, whole or not at all, asked for politely and only where the guard lets us."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote

import httpx

from feeder.errors import ConfigError, FetchError, Gone, Refused, ToldToWait
from feeder.fetch.addresses import address_of, bare, is_same_site, redirected, shown
from feeder.fetch.credentials import Credentials, credentials_of
from feeder.fetch.decoding import ACCEPTED, Undecodable, decoder_of
from feeder.fetch.guard import ANYWHERE, guard_of
from feeder.fetch.names import LookUp, Names
from feeder.fetch.secrets import revealed
from feeder.fetch.tls import tls_context
from feeder.fetch.turns import Turns
from feeder.fetch.wire import Reply, Wire
from feeder.headers import content_type, fresh_for, http_date, links, retry_after
from feeder.model import Answer, Source

AGENT: Final = f"Feeder/{version('feeder')}"
DEADLINE: Final = 60.0  # seconds, of a download
MAX_BYTES: Final = 50 << 20  # of a download, decompressed
MAX_REDIRECTS: Final = 5
SHORTEST_SECRET: Final = 6  # characters; shorter words stand in many addresses
MAX_VALIDATOR: Final = 4096  # characters; a longer one is not kept
SPACING: Final = 1.0  # seconds between two requests to one host
LIMIT: Final = 128  # requests at once
LARGE: Final = 512 << 10  # bytes; so much of every body may be held at once,
LARGE_AT_ONCE: Final = 4  # and more of so many

_PERMANENT: Final = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})
_REDIRECTS: Final = _PERMANENT | {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}
_WAITS: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_ACCEPT: Final = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
_PAUSE: Final = 1 << 20  # decompressed bytes after which others have their turn on the loop
_FREEST: Final = 64 << 10  # bytes of coding that a body may have beyond its own size


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A document, and the address it had after all redirects."""

    url: str
    body: bytes


def download(url: str, *, deadline: float = DEADLINE, max_bytes: int = MAX_BYTES) -> Download:
    """Return the document at *url*, which an operator named: any host will do.

    No proxy, cookie or password of the environment is used; a name and a password in *url* are for its own host.

    Raises:
        FetchError: There is none that can be had in time; the text names *url*, without its password.
    """
    source = Source(
        name=url,
        order=0,
        url=url,
        timeout=timedelta(seconds=deadline),
        max_size=max_bytes,
        allow_private=ANYWHERE,
    )
    answer = asyncio.run(_downloaded(source))
    return Download(url=answer.url, body=answer.body)


async def _downloaded(source: Source) -> Answer:
    async with Web(spacing=0) as web:
        return await web.get(source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is wanted, as it stays over all redirects."""

    where: str  # as errors name it
    source: Source
    credentials: Credentials
    headers: tuple[tuple[str, str], ...]
    validators: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Where redirects have led so far."""

    address: httpx.URL
    is_trusted: bool  # the credentials are for this place
    is_conditional: bool = False  # validators are sent
    is_permanent: bool = True  # nothing but 301 and 308 yet
    moved_to: httpx.URL | None = None
    hops: int = 0


class Web:
    """All that a process asks of the web. Each host is asked one thing at a time, with a rest in between.

    Args:
        contact: A URL that tells a server's operator who asks.
        spacing: Seconds between the end of a request and the next one to the same host.
        limit: Requests at once, to different hosts.
        room: Returns once there is room for one more answer; no request begins before.
        look_up: Makes addresses of names.
    """

    def __init__(
        self,
        *,
        contact: str | None = None,
        spacing: float = SPACING,
        limit: int = LIMIT,
        room: Callable[[], Awaitable[None]] | None = None,
        look_up: LookUp = socket.getaddrinfo,
    ) -> None:
        self._agent = AGENT + (f" (+{contact})" if contact else "")
        self._turns = Turns(spacing=spacing, limit=limit)
        self._has_room = room
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._names = Names(look_up)
        self._wires: dict[tuple[tuple[str, ...], str | None, Path | None], Wire] = {}
        self._wiring = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self._wires.values():
            await wire.aclose()
        self._wires.clear()

    async def get(
        self, source: Source, *, url: str | None = None, etag: str | None = None, last_modified: str | None = None
    ) -> Answer:
        """Return what *source*, or *url* on its behalf, holds now; 304 if its validators still hold.

        Waiting for a turn at the host does not count into the time that the source grants.

        Raises:
            Gone: There is nothing any more, for good.
            ToldToWait: The server is to be left alone for a while.
            FetchError: Anything else that is no whole document; the text holds no secret.
        """
        home = address_of(source.url or url or "")
        address = address_of(url) if url else home
        question = self._question(source, home, shown(address), etag, last_modified)
        way = _Way(
            address=bare(address),
            is_trusted=is_same_site(home, address),
            is_conditional=bool(question.validators),
        )
        return await self._follow(await self._wire(source, question.where), question, way)

    def _question(
        self, source: Source, home: httpx.URL, where: str, etag: str | None, last_modified: str | None
    ) -> _Question:
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        return _Question(
            where=where,
            source=source,
            credentials=credentials_of(source, home, where=where),
            headers=(("User-Agent", self._agent), ("Accept", _ACCEPT), ("Accept-Encoding", ACCEPTED)),
            validators=tuple((name, value) for name, value in validators.items() if value),
        )

    async def _wire(self, source: Source, where: str) -> Wire:
        proxy = _proxy(source.proxy, where) if source.proxy else None
        key = (source.allow_private, proxy, source.tls_ca)
        async with self._wiring:
            wire = self._wires.get(key) or await self._new_wire(source, where, proxy)
            self._wires[key] = wire
        return wire

    async def _new_wire(self, source: Source, where: str, proxy: str | None) -> Wire:
        try:
            guard = guard_of(source.allow_private)
            tls = await asyncio.to_thread(tls_context, source.tls_ca)
        except ConfigError as error:
            raise FetchError(where, str(error)) from error
        return Wire(guard=guard, names=self._names, tls=tls, proxy=proxy)

    # ------------------------------------------------------------ redirects

    async def _follow(self, wire: Wire, question: _Question, way: _Way) -> Answer:
        loop = asyncio.get_running_loop()
        left = question.source.timeout.total_seconds()
        while True:
            async with self._turns.at(way.address.host):
                if self._has_room:
                    await self._has_room()
                try:
                    async with asyncio.timeout(left) as limit:
                        found = await self._exchanged(wire, question, way, limit)
                except TimeoutError as error:
                    seconds = question.source.timeout.total_seconds()
                    raise _failure(question, way, f"did not answer in full within {seconds:g} s") from error
                left = (limit.when() or 0) - loop.time()
            if isinstance(found, Answer):
                return found
            way = found

    async def _exchanged(self, wire: Wire, question: _Question, way: _Way, limit: asyncio.Timeout) -> Answer | _Way:
        try:
            reply = await wire.get(way.address, _headers(question, way))
            try:
                return await self._heard(reply, question, way, limit)
            finally:
                reply.close()
        except httpx.TransportError as error:
            if isinstance(error, httpx.RemoteProtocolError) and way.is_conditional:
                # Some servers send a body behind a 304, which has none: there, no condition is sent.
                return replace(way, is_conditional=False)
            raise _failure(question, way, f"cannot be fetched: {error}") from error
        except Undecodable as error:
            raise _failure(question, way, str(error)) from error

    async def _heard(self, reply: Reply, question: _Question, way: _Way, limit: asyncio.Timeout) -> Answer | _Way:
        status = reply.status
        if status in _REDIRECTS:
            return _next(reply, question, way)
        if status == HTTPStatus.NOT_MODIFIED and way.is_conditional:
            return _answer(reply, way, b"")  # a body would be none; it is left on the wire
        if status != HTTPStatus.OK:
            raise _refusal(reply, question, way)
        body = await self._body(reply, question.source.max_size, limit)
        if not body:
            empty = _failure(question, way, "answers 200 OK with an empty body")
            raise Refused(empty.where, empty.reason, status=status)
        return _answer(reply, way, body)

    # ------------------------------------------------------------ bodies

    async def _body(self, reply: Reply, max_size: int, limit: asyncio.Timeout) -> bytes:
        decoder = decoder_of(reply.headers.get("Content-Encoding"))
        body = bytearray()
        received = paused = 0
        async with AsyncExitStack() as held:
            async for part in reply.parts():
                received += len(part)
                for piece in decoder.feed(part):
                    was_small = len(body) <= LARGE
                    body += piece
                    # What unpacks to nothing must have an end as well.
                    if max(len(body), received - received // 64 - _FREEST) > max_size:
                        raise Undecodable(f"is larger than {_size(max_size)}")
                    if was_small and len(body) > LARGE:
                        await held.enter_async_context(self._room(limit))
                    if len(body) - paused > _PAUSE:
                        paused = len(body)
                        await asyncio.sleep(0)
            decoder.end()
            return bytes(body)

    @asynccontextmanager
    async def _room(self, limit: asyncio.Timeout) -> AsyncIterator[None]:
        """Wait until so large a body may be held; the deadline waits as well."""
        loop = asyncio.get_running_loop()
        left = (limit.when() or 0) - loop.time()
        limit.reschedule(None)
        async with self._large:
            limit.reschedule(loop.time() + left)
            yield


def _proxy(text: str, where: str) -> str:
    proxy = revealed(text, where=where)
    try:
        return str(address_of(proxy))
    except FetchError:
        # What is wrong with it could show its password.
        raise FetchError(where, "the proxy is no http://… or https://… address") from None


def _headers(question: _Question, way: _Way) -> Mapping[str, str]:
    credentials = question.credentials.headers if way.is_trusted else ()
    validators = question.validators if way.is_conditional else ()
    sent = (*question.headers, *validators, *credentials)
    by_name = {name.lower(): (name, value) for name, value in sent}  # what the source says itself comes last and counts
    return dict(by_name.values())


def _next(reply: Reply, question: _Question, way: _Way) -> _Way:
    if way.hops == MAX_REDIRECTS:
        raise FetchError(question.where, f"leads through more than {MAX_REDIRECTS} redirects")
    location = _first(reply, "Location")
    if not location:
        raise _failure(question, way, f"answers {_status(reply.status)} and does not say where to")
    try:
        address = redirected(way.address, location)
    except ValueError as error:
        raise _failure(question, way, f"cannot be fetched: {error}") from error
    if question.credentials.headers and (way.address.scheme, address.scheme) == ("https", "http"):
        raise _failure(question, way, "leads from https to http, which would show what is secret")
    is_kept = reply.status in _PERMANENT and not _holds_secret(address, question.credentials)
    is_permanent = way.is_permanent and is_kept
    return replace(
        way,
        address=address,
        is_trusted=way.is_trusted and is_same_site(way.address, address),
        is_permanent=is_permanent,
        moved_to=address if is_permanent else way.moved_to,
        hops=way.hops + 1,
    )


# ---------------------------------------------------------------- answers


def _answer(reply: Reply, way: _Way, body: bytes) -> Answer:
    headers = reply.headers
    media_type, charset = content_type(headers.get("Content-Type"))
    return Answer(
        status=reply.status,
        url=str(way.address),
        moved_to=str(way.moved_to) if way.moved_to else None,
        body=body,
        media_type=media_type,
        charset=charset,
        etag=_validator(reply, "ETag"),
        last_modified=_validator(reply, "Last-Modified"),
        fresh_for=fresh_for(headers.get("Cache-Control"), expires=headers.get("Expires"), date=headers.get("Date")),
        links=links(headers.get("Link"), base=str(way.address)),
    )


def _validator(reply: Reply, name: str) -> str | None:
    """Return a validator that can be sent back byte for byte, or None."""
    value = _first(reply, name)
    return value if value and len(value) <= MAX_VALIDATOR and value.isprintable() else None


def _first(reply: Reply, name: str) -> str | None:
    """Return the first header of that name, None if it is no UTF-8."""
    for known, value in reply.headers.raw:
        if known.lower() == name.lower().encode():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def _refusal(reply: Reply, question: _Question, way: _Way) -> FetchError:
    status = reply.status
    unasked = ", though no condition was sent" if status == HTTPStatus.NOT_MODIFIED else ""
    failure = _failure(question, way, f"answers {_status(status)}{unasked}")
    if status == HTTPStatus.GONE and way.is_permanent:
        return Gone(failure.where, failure.reason, status=status)
    if status in _WAITS:
        headers = reply.headers
        now = http_date(headers.get("Date")) or datetime.now(UTC)
        wait = retry_after(headers.get("Retry-After"), now=now)
        return ToldToWait(failure.where, failure.reason, status=status, retry_after=wait)
    return Refused(failure.where, failure.reason, status=status)


def _failure(question: _Question, way: _Way, reason: str) -> FetchError:
    # What stands in a query may be an echo of our own secrets, and this is logged.
    return FetchError(question.where, f"{reason} (at {_plainly(way.address)})" if way.hops else reason)


def _plainly(address: httpx.URL) -> str:
    return str(address.copy_with(query=None, fragment=None))[:300]


def _holds_secret(address: httpx.URL, credentials: Credentials) -> bool:
    """Tell whether *address* repeats what is sent to the source's own host alone; such a one is not remembered."""
    words = (word for _, value in credentials.headers for word in re.split(r"[ ;=]+", value))
    text = unquote(str(address))
    return any(len(word) >= SHORTEST_SECRET and word in text for word in words)


def _status(code: int) -> str:
    """Return *code* with its usual name; the server's own words are not for our logs."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"
