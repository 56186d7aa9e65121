"""Clients of the server: a site of files, served from a loop of its own, and what is asked of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from feeder.config import Address
from feeder.errors import FeederError
from feeder.serve import Server
from feeder.serve.listening import FOR_ALL
from feeder.serve.replies import Terms
from feeder.serve.site import Application, Look, Site

TIMEOUT = 20
MEMORY = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


@contextmanager
def served(
    root: Path, *, memory: int = MEMORY, terms: Terms | None = None, moved: Look = lambda _: None
) -> Iterator[str]:
    """Serve *root* and yield the address."""
    with served_by(Site(root, terms=terms or Terms(), memory=memory, moved=moved)) as address:
        yield address


@contextmanager
def served_by(application: Application, *, at: Address = ("127.0.0.1", 0), mode: int = FOR_ALL) -> Iterator[str]:
    """Have *application* answer from a loop of its own, and yield the address."""
    address: Future[str] = Future()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        server = Server(application, address=at, mode=mode)
        try:
            address.set_result(await server.start())
        except FeederError as error:
            address.set_exception(error)
            return
        await end.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield address.result(TIMEOUT)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(TIMEOUT)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def ask_unix(path: Path, target: str) -> Answer:
    """Send *target* to a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(TIMEOUT)
        client.connect(str(path))
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        response = HTTPResponse(client)
        response.begin()
        headers = {name.lower(): text for name, text in response.getheaders()}
        return Answer(status=response.status, body=response.read(), headers=headers)


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
