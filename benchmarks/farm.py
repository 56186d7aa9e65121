"""The web server of a planet's feeds, each at an address of its own: `python -m benchmarks.farm FOLDER LATENCY`.

A feed is the file in FOLDER that is called as its number. LATENCY is in seconds.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from benchmarks import planet

STARTED: Final = "serving at port "
TOLD: Final = "/told"  # answers how often it answered what
LOOPBACK: Final = IPv4Network("127.0.0.0/8")
LONGEST: Final = 16 << 10  # bytes of a request
BACKLOG: Final = 4096
MODIFIED: Final = "Wed, 01 Jan 2025 00:00:00 GMT"
_END: Final = b"\r\n\r\n"


class Farm:
    """What all conversations share."""

    def __init__(self, folder: Path, latency: float) -> None:
        self._folder = folder
        self.latency = latency
        self.statuses: Counter[int] = Counter()

    def answer(self, request: bytes) -> bytes:
        """Return the answer to a request as it goes over the wire."""
        first, *lines = request.decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        if path == TOLD:
            return _ok(json.dumps(self.statuses).encode(), media_type="application/json", etag="")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        file = self._folder / path.strip("/")
        status = file.stat()
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        is_known = headers.get("if-none-match") == etag and headers.get("if-modified-since") == MODIFIED
        self.statuses[304 if is_known else 200] += 1
        if is_known:
            return f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\nConnection: close\r\n\r\n".encode()
        return _ok(file.read_bytes(), media_type=planet.form_of(int(file.name)).media_type, etag=etag)


class _Talk(asyncio.Protocol):
    """One request and its answer."""

    _transport: asyncio.Transport

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if it is somebody of this computer."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is, of a stream
        self._transport = transport
        if IPv4Address(transport.get_extra_info("peername")[0]) not in LOOPBACK:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._asked += data
        if len(self._asked) > LONGEST:
            self._transport.abort()
        elif self._asked.endswith(_END):
            asyncio.get_running_loop().call_later(self._farm.latency, self._say)

    def _say(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._farm.answer(self._asked))
            self._transport.close()


def _ok(body: bytes, *, media_type: str, etag: str) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        f"ETag: {etag}\r\nLast-Modified: {MODIFIED}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def serve(folder: Path, latency: float) -> None:
    """Serve for good at all addresses of the loopback device."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")  # no other device leads here
    listener.bind(("0.0.0.0", 0))  # noqa: S104
    listener.listen(BACKLOG)
    farm = Farm(folder, latency)
    server = await asyncio.get_running_loop().create_server(lambda: _Talk(farm), sock=listener, backlog=BACKLOG)
    print(f"{STARTED}{listener.getsockname()[1]}.", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
