"""Clients of the server: a site of files, served from a loop of its own, and what is asked of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from feeder.serve import Server
from feeder.serve.replies import Terms
from feeder.serve.site import Site

TIMEOUT = 20
MEMORY = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


@contextmanager
def served(root: Path, *, memory: int = MEMORY, terms: Terms | None = None) -> Iterator[str]:
    """Serve *root* from a loop of its own and yield the address."""
    address: Future[str] = Future()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        server = Server(Site(root, terms=terms or Terms(), memory=memory), address=("127.0.0.1", 0))
        address.set_result(await server.start())
        await end.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield address.result(TIMEOUT)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(TIMEOUT)
        loop.close()


def ask(address: str, target: str = "/", *, method: str = "GET", **headers: str) -> Answer:
    """Send *target* as it is written."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT)
    try:
        connection.request(method, target, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return Answer(
            status=response.status,
            body=response.read(),
            headers={name.lower(): text for name, text in response.getheaders()},
        )
    finally:
        connection.close()


def connected(address: str) -> socket.socket:
    return socket.create_connection((urlsplit(address).hostname or "", urlsplit(address).port or 0), TIMEOUT)


def write(root: Path, path: str, body: bytes = b"body") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


def is_closed(client: socket.socket) -> bool:
    """Wait until the server says something, and tell whether that is the end."""
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True
