"""A web server that says anything, byte by byte, and keeps a log of what it was asked: for tests of those who ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Speak: TypeAlias = "Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]"


@dataclass(slots=True)
class Asked:
    """One request as it came; `ended` is when the connection was done with."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    began: float
    ended: float | None = None


@dataclass(slots=True)
class Server:
    """Answers at a port of this computer, one request a connection. Nothing it says is checked.

    It has as many *addresses*, from 127.0.0.1 on, as hosts are wanted.
    """

    tls: ssl.SSLContext | None = None
    addresses: int = 1
    port: int = 0
    log: list[Asked] = field(default_factory=list)
    speakers: dict[str, Speak] = field(default_factory=dict)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def say(self, path: str, *words: bytes) -> str:
        """Let *path* answer with exactly *words*, each sent by itself, and close; return its URL."""

        async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
            for word in words:
                writer.write(word)
                await writer.drain()
                await asyncio.sleep(0)

        return self.let(path, speak)

    def put(self, path: str, body: bytes = b"", *, status: int = 200, **headers: str) -> str:
        """Let *path* answer as a good server would; underscores in names of *headers* are hyphens."""
        return self.say(path, answer(body, status=status, **headers))

    def drip(self, path: str, start: bytes, drop: bytes, *, pause: float = 0.01) -> str:
        """Let *path* begin with *start* and send *drop* after *drop*, without an end."""

        async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(start)
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(pause)

        return self.let(path, speak)

    def let(self, path: str, speak: Speak) -> str:
        """Let *path* answer as *speak* does; return its URL."""
        self.speakers[path] = speak
        return self.url + path

    def at(self, number: int, path: str) -> str:
        """Return the URL of *path* at one of its addresses, counted from 0."""
        return f"http://127.0.0.{number + 1}:{self.port}{path}"

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.log]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                asked = _parsed(await reader.readuntil(b"\r\n\r\n"))
                self.log.append(asked)
                try:
                    await self.speakers.get(asked.target, _nothing)(asked, writer)
                finally:
                    asked.ended = time.monotonic()
        finally:
            writer.close()


def answer(body: bytes = b"", *, status: int = 200, **headers: str) -> bytes:
    """Return a good answer as it stands on the wire."""
    said = {"content_length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in said.items())
    return f"HTTP/1.1 {status} Fine\r\n{lines}\r\n".encode() + body


@contextmanager
def talking(tls: ssl.SSLContext | None = None, *, addresses: int = 1) -> Iterator[Server]:
    """Run a server in a thread of its own."""
    server = Server(tls, addresses)
    is_up, is_over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(_run(server, is_up, is_over),))
    thread.start()
    is_up.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
        loop.close()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _run(server: Server, is_up: threading.Event, is_over: asyncio.Event) -> None:
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(server._serve(reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    listeners = []
    for number in range(server.addresses):
        host = f"127.0.0.{number + 1}"
        listeners.append(await asyncio.start_server(begin, host, server.port, limit=1 << 20, ssl=server.tls))
        server.port = listeners[0].sockets[0].getsockname()[1]
    is_up.set()
    await is_over.wait()
    for listener in listeners:
        listener.close()
    for talk in list(talks):
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
    await asyncio.sleep(0)


def _parsed(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(method=method, target=target, headers=headers, began=time.monotonic())


async def _nothing(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b"nothing here", status=404))
