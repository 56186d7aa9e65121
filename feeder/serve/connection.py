"""A client's connection: its limits in time and number, and answers that are at hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from feeder.serve.paths import ORIGIN
from feeder.serve.replies import Reply, date
from feeder.serve.site import Application

log = structlog.get_logger(__name__)

MOST_CONNECTIONS: Final = 500  # more are told to come again (503); each may hold two open files
MOST_TURNED_AWAY: Final = 50  # of those at a time; even more are closed unheard
MOST_WAITING: Final = 16  # requests that a client sends before it has the answer to the first
MOST_HEAD: Final = 64 * 1024  # bytes before the body of a request; what is read at once is looked at as a whole
REQUEST_SECONDS: Final = 20  # until the whole head of a request has come
TELLING_SECONDS: Final = 60  # between two lines of the log about clients for whom there is no room
SEND_SECONDS: Final = 60  # until a client has taken what is sent at once

_RAW: Final = re.compile(rb"[\x80-\xff]")
_BODIES: Final = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})


class Connection(HttpToolsProtocol):
    """A connection that ends when its client makes it wait too long, for a request or for an answer to be taken."""

    application: Application
    crowd: Crowd
    _is_between = True  # two requests: what comes next is the first line of one
    _is_answered = False  # the request that is being read
    _head = 0  # bytes of it that have come and are no body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that writing is paused whenever something is left to be sent
        self._patience = _Patience(self.loop, transport.abort)
        self._watch()
        if len(self.connections) > MOST_CONNECTIONS:
            self.crowd.add(self.loop)
        if len(self.connections) > MOST_CONNECTIONS + MOST_TURNED_AWAY:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._patience.end()

    def data_received(self, data: bytes) -> None:
        """Read on; a head that does not end is refused."""
        if self._is_between and not data.isascii():
            data = _encoded(data)
        self._head += len(data)
        super().data_received(data)
        if self._head > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong, unless that would stand in the midst of an answer."""
        if self._is_busy():
            self.transport.abort()
        else:
            name, text = date()
            self.server_state.default_headers = [(name.encode(), text.encode())]
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Answer at once, or have the application answer."""
        self._head = 0
        if self.transport.is_closing():
            return
        self.url = ORIGIN.sub(b"", self.url, count=1)
        if not self.url.startswith(b"/"):  # "http://host?query"; whatever else it is leads nowhere from there
            self.url = b"/" + self.url
        answer = self._at_once()
        self._is_answered = answer is not None
        if answer:
            self._write(answer)
        elif len(self.pipeline) < MOST_WAITING:
            super().on_headers_complete()
        else:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Take in a part of a body."""
        self._head = 0
        if self.cycle:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell the application, if it has to answer."""
        self._is_between = True
        if not self._is_answered and self.cycle:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Begin to wait until the client has taken what was sent."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Wait for the client no more."""
        super().resume_writing()
        self._watch()

    def _at_once(self) -> Reply | None:
        """Return an answer that needs no waiting, if nothing else is to be sent before it."""
        is_plain = self.parser.get_method() == b"GET" and not any(name in _BODIES for name, _ in self.headers)
        is_free = not self._is_busy() and not self.flow.write_paused
        is_let_in = self.limit_concurrency is None or len(self.connections) < self.limit_concurrency
        return self.application.at_once(self.url, self.headers) if is_plain and is_free and is_let_in else None

    def _write(self, answer: Reply) -> None:
        is_kept = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        dated = "{}: {}\r\n".format(*date()).encode()
        end = b"\r\n" if is_kept else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((answer.head, dated, end, answer.body or b"")))
        self.server_state.total_requests += 1
        self._patience.forget()  # a whole request has come
        if not is_kept:
            self.transport.close()

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        if self.flow.write_paused:
            self._patience.wait(SEND_SECONDS)
        else:
            self._patience.wait(None if self._is_busy() else REQUEST_SECONDS)


class Crowd:
    """Tells of clients for whom there is no room: at once of the first, then now and then of how many more there were."""

    def __init__(self) -> None:
        self._count = 0
        self._is_told = False  # a moment ago

    def add(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count one more."""
        self._count += 1
        if not self._is_told:
            self._tell(loop)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_told = self._count > 0
        if self._is_told:
            log.warning("server_full", connections=MOST_CONNECTIONS, turned_away=self._count)
            self._count = 0
            loop.call_later(TELLING_SECONDS, self._tell, loop)


class _Patience:
    """Calls *end* when one and the same thing has been waited for too long; bytes that come for it change nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        self._loop = loop
        self._end = end
        self._seconds: float | None = None  # None: it is not the client who is waited for
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float | None) -> None:
        """Set a deadline when another thing is waited for."""
        if seconds == self._seconds:
            return
        self._seconds = seconds
        if seconds is None:
            return
        self._deadline = self._loop.time() + seconds
        # A timer that is early looks again: to set one for each request would cost more than its answer.
        if self._timer is None or self._timer.when() > self._deadline:
            self.end()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def forget(self) -> None:
        """Take what is waited for next for another thing."""
        self._seconds = None

    def end(self) -> None:
        """Wait no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._seconds is None:
            return
        if self._loop.time() >= self._deadline:
            self._end()
        else:
            self._timer = self._loop.call_at(self._deadline, self._look)


def _encoded(data: bytes) -> bytes:
    """Return *data* with the first line in ASCII, as browsers send it: the parser takes nothing else."""
    line, end, rest = data.partition(b"\r\n")
    return _RAW.sub(_percent, line) + end + rest


def _percent(byte: re.Match[bytes]) -> bytes:
    return b"%%%02X" % byte[0][0]
