"""HTTP: the published directory. Only this module knows Starlette and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import structlog
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from feeder.errors import FeederError
from feeder.urls import FILE_NAMES, MEDIA_TYPES, PAGE

log = structlog.get_logger(__name__)

CHUNK: Final = 256 * 1024  # bytes in memory for each client that is being sent a file
MOST_CONNECTIONS: Final = 500  # more are told to come again (503); each may hold two open files
MOST_TURNED_AWAY: Final = 50  # of those at a time; even more are closed unheard
REQUEST_SECONDS: Final = 20  # until the whole head of a request has come
SEND_SECONDS: Final = 60  # until a client has taken `CHUNK` bytes
BACKLOG: Final = 512  # connections that wait to be accepted
STOP_SECONDS: Final = 3  # for answers that are under way when the server is stopped

TYPES_BY_NAME: Final = MappingProxyType({FILE_NAMES[made]: MEDIA_TYPES[made] for made in FILE_NAMES})
TYPES_BY_SUFFIX: Final = MappingProxyType(
    {
        "css": "text/css",
        "html": "text/html",
        "ico": "image/vnd.microsoft.icon",
        "jpg": "image/jpeg",
        "js": "text/javascript",
        "json": "application/json",
        "opml": "text/x-opml",
        "png": "image/png",
        "svg": "image/svg+xml",
        "txt": "text/plain",
        "xml": "application/xml",
    }
)
UNKNOWN_TYPE: Final = "application/octet-stream"

_HEADERS: Final = MappingProxyType({"x-content-type-options": "nosniff"})
_SENTENCES: Final = MappingProxyType(
    {
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
        HTTPStatus.METHOD_NOT_ALLOWED: "Only GET and HEAD are answered here.",
        HTTPStatus.SERVICE_UNAVAILABLE: "This file cannot be read now; please try again later.",
    }
)
# Whatever makes a file unknown to the public: no such name, a link, somebody else's, a name that cannot be, a socket.
_ABSENT: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENXIO}
)
_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # may be a link: the operator chose it
_STEP: Final = _ROOT | os.O_NOFOLLOW
_ORIGIN: Final = re.compile(rb"https?://[^/]*", re.IGNORECASE)
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def application(root: Path) -> ASGIApp:
    """Return an ASGI application that serves what lies below *root*, as it is at the time of each request.

    No link is followed, no directory is listed, and no name that begins with a dot is known.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await run_in_threadpool(_answer, Request(scope), root)
            await response(scope, receive, send)
        except Exception:
            log.exception("request_failed", path=scope["path"])
            raise  # uvicorn answers with a 500 if nothing was sent, and closes the connection

    return serve


class Server:
    """Serves a directory on the running loop, from `start` to `stop`. Signals are left to others."""

    def __init__(self, root: Path, *, host: str, port: int) -> None:
        self._where = (host, port)
        self._server = _Uvicorn(
            uvicorn.Config(
                application(root),
                http=_Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                limit_concurrency=MOST_CONNECTIONS + 1,  # uvicorn counts the one that asks
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen, and return the URL of what is served; port 0 takes any free one.

        Raises:
            FeederError: The address cannot be had: it is in use, or not of this machine.
        """
        listening = _listen(*self._where)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        host, port = listening.getsockname()[:2]
        return f"http://{_host_and_port(host, port)}/"

    async def stop(self) -> None:
        """Take no more requests, answer those that are under way, and end."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Uvicorn(uvicorn.Server):
    """uvicorn as a part of a program that has its own mind about signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(H11Protocol):
    """A connection that ends when its client makes it wait too long, for a request or for an answer to be taken."""

    _patience: float | None = None  # seconds; None: it is not the client who is waited for
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that writing is paused whenever something is left to be sent
        self._watch()
        if len(self.connections) == MOST_CONNECTIONS + 1:
            log.warning("server_full", connections=MOST_CONNECTIONS)
        if len(self.connections) > MOST_CONNECTIONS + MOST_TURNED_AWAY:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._end:
            self._end.cancel()

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        self._watch()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch()

    def _watch(self) -> None:
        """Set a deadline when another thing is waited for; bytes that come for the same thing do not move it."""
        patience = self._patience_now()
        if patience == self._patience:
            return
        self._patience = patience
        if self._end:
            self._end.cancel()
        self._end = self.loop.call_later(patience, self.transport.abort) if patience else None

    def _patience_now(self) -> float | None:
        if self.flow.write_paused:
            return SEND_SECONDS
        is_answering = self.cycle is not None and not self.cycle.response_complete
        return None if is_answering else REQUEST_SECONDS


def _listen(host: str, port: int) -> socket.socket:
    """Listen on the first address that *host* has, IPv4 before IPv6."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda each: each[0])
        is_dual = family == socket.AF_INET6 and host == "::"
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    except (OSError, UnicodeError) as error:  # the latter of a name that cannot be one
        raise FeederError(f"cannot listen on {_host_and_port(host, port)}: {_reason(error)}") from error
    # Connections inherit it. asyncio does not set it on these, and each answer would wait 40 ms for a delayed ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)  # `socket.create_server` adds the address to its own text
    return getattr(error, "strerror", None) or str(error)


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ---------------------------------------------------------------- answering


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A file, open; whoever has it closes it."""

    file: io.FileIO
    name: str
    size: int
    mtime_ns: int


def _answer(request: Request, root: Path) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return _sentence(HTTPStatus.METHOD_NOT_ALLOWED, allow="GET, HEAD")
    names = _names(request.scope["raw_path"])
    if names is None:
        return _sentence(HTTPStatus.NOT_FOUND)
    try:
        found = _open(root, (*names[:-1], names[-1] or PAGE))
        if found is None and names[-1] and _is_page(root, names):
            # Relative, so that it holds behind a proxy that adds a prefix, and leads to no other host.
            return _sentence(HTTPStatus.MOVED_PERMANENTLY, location=f"./{quote(names[-1], safe='')}/")
    except OSError as error:
        log.warning("file_not_served", path="/".join(names), error=str(error))
        return _sentence(HTTPStatus.SERVICE_UNAVAILABLE, **{"retry-after": "60"})
    return _file(found, request) if found else _sentence(HTTPStatus.NOT_FOUND)


def _names(raw_path: bytes) -> tuple[str, ...] | None:
    """Return the names a path leads through, the last one empty for a directory; None: it can lead nowhere.

    The path is split before it is decoded, so that an encoded slash does not pass for one.
    """
    path = _ORIGIN.sub(b"", raw_path, count=1) or b"/"  # a proxy's way to ask (RFC 9112, section 3.2.2)
    first, *steps = path.split(b"/")
    try:
        names = tuple(unquote_to_bytes(step).decode() for step in steps)
    except UnicodeDecodeError:
        return None
    is_sound = not first and names and all(names[:-1]) and not any(map(_is_forbidden, names))
    return names if is_sound else None


def _is_forbidden(name: str) -> bool:
    """Whether *name* leads elsewhere (``..``), or is a dot file, our temporary ones among them."""
    return name.startswith(".") or "/" in name or "\0" in name


def _is_page(root: Path, names: tuple[str, ...]) -> bool:
    found = _open(root, (*names, PAGE))
    if found:
        found.file.close()
    return found is not None


def _open(root: Path, names: tuple[str, ...]) -> _Found | None:
    """Open a file below *root*, step by step so that no link is followed; None: there is none for the public."""
    try:
        opened = _open_below(root, names)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    status = os.fstat(opened)
    if S_ISREG(status.st_mode):
        return _Found(file=io.FileIO(opened), name=names[-1], size=status.st_size, mtime_ns=status.st_mtime_ns)
    os.close(opened)
    return None


def _open_below(root: Path, names: tuple[str, ...]) -> int:
    directory = os.open(root, _ROOT)
    try:
        for name in names[:-1]:
            above, directory = directory, os.open(name, _STEP, dir_fd=directory)
            os.close(above)
        return os.open(names[-1], _READ, dir_fd=directory)
    finally:
        os.close(directory)


def _file(found: _Found, request: Request) -> Response:
    headers = {
        **_HEADERS,
        "content-type": _media_type(found.name),
        "content-length": str(found.size),
        "etag": f'"{found.mtime_ns:x}-{found.size:x}"',
        "last-modified": formatdate(found.mtime_ns // 10**9, usegmt=True),
        "cache-control": "no-cache",  # keep it, and ask each time whether it is still the same
    }
    is_known = _is_known(request, headers["etag"], found.mtime_ns // 10**9)
    if not is_known and request.method == "GET":
        return _FileResponse(found, headers)
    found.file.close()
    if is_known:
        del headers["content-length"], headers["content-type"]
    return Response(status_code=HTTPStatus.NOT_MODIFIED if is_known else HTTPStatus.OK, headers=headers)


class _FileResponse(StreamingResponse):
    """The bytes of an open file, which stays what it was when another one takes its name."""

    def __init__(self, found: _Found, headers: dict[str, str]) -> None:
        super().__init__(_chunks(found), headers=headers)
        self._file = found.file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close it even if the client has gone."""
        with self._file:
            await super().__call__(scope, receive, send)


def _chunks(found: _Found) -> Iterator[bytes]:
    left = found.size
    while left > 0 and (chunk := found.file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _media_type(name: str) -> str:
    kind = TYPES_BY_NAME.get(name) or TYPES_BY_SUFFIX.get(name.rpartition(".")[2].lower(), UNKNOWN_TYPE)
    # JSON has no such parameter: it is always UTF-8 (RFC 8259, section 11).
    return f"{kind}; charset=utf-8" if kind.endswith("xml") or kind.startswith("text/") else kind


def _is_known(request: Request, etag: str, changed: int) -> bool:
    """Whether the client's copy is this one (RFC 9110, section 13.2.2: an ETag outweighs a date)."""
    tags = request.headers.getlist("if-none-match")
    if tags:
        known = {tag.strip().removeprefix("W/") for line in tags for tag in line.split(",")}
        return not known.isdisjoint({etag, "*"})
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        return changed <= (since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # no date, or one of a year that cannot be
        return False


def _sentence(status: HTTPStatus, **headers: str) -> Response:
    return PlainTextResponse(f"{_SENTENCES.get(status, status.phrase)}\n", status, headers={**_HEADERS, **headers})
