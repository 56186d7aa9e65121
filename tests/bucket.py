"""A bucket to publish to: moto's server in a process of its own, and a proxy before it that makes faults at the wire."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import quote, urlsplit

from feeder.output import Bucket
from feeder.output.s3 import BucketOutput

SIGNED = {  # moto looks no closer
    "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
}

Fault = Callable[["Passage", str, str], bool]
"""Told of each request: its method and path. True: it has answered, or broken off."""


@contextmanager
def store_of_buckets() -> Iterator[str]:
    """Run the server, and yield its URL."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = next(found for line in server.stderr if (found := re.search(r"Running on (http://\S+)", line)))
        silenced = threading.Thread(target=lambda: [None for _ in server.stderr or ()], daemon=True)
        silenced.start()
        yield found[1]
        server.kill()
        silenced.join()


class Passage(BaseHTTPRequestHandler):
    """One connection through the proxy."""

    protocol_version = "HTTP/1.1"
    server: Proxy
    body: bytes

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def pass_on(self) -> None:
        self.body = body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append((self.command, self.path))
        if self.server.fault(self, self.command, self.path):
            return
        status, headers, answer = self.forward(body)
        self.tell(status, answer, headers)

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        inner = http.client.HTTPConnection(*self.server.behind, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in self.server.dropped}
        inner.request(self.command, self.path, body=body, headers=headers)
        response = inner.getresponse()
        answer = response.read()
        inner.close()
        return response.status, dict(response.getheaders()), answer

    def tell(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        length = (headers or {}).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> bool:
        self.tell(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        return True

    def cut(self) -> bool:
        self.connection.shutdown(SHUT_RDWR)
        self.close_connection = True
        return True

    def log_message(self, *_: Any) -> None:
        pass

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = pass_on  # noqa: N815


class Proxy(ThreadingHTTPServer):
    """Passes on to the store behind it whatever `fault` lets through."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: str, *, listen: str = "127.0.0.1") -> None:
        super().__init__((listen, 0), Passage)
        parts = urlsplit(behind)
        self.behind = (parts.hostname or "", parts.port or 0)
        self.requests: list[tuple[str, str]] = []
        self.dropped: frozenset[str] = frozenset()  # headers that the store does not know
        self.fault: Fault = lambda *_: False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@dataclass(kw_only=True)
class World:
    """A bucket, the proxy before it, and outputs in it."""

    name: str
    direct: str
    proxy: Proxy
    prefix: str = "news/2026"

    def place(self, *, endpoint: str | None = None, **given: Any) -> Bucket:
        settings: dict[str, Any] = {
            "name": self.name,
            "prefix": self.prefix,
            "region": "us-east-1",
            "path_style": True,
        } | given
        return Bucket(endpoint=endpoint or self.direct, **settings)

    def output(self, *, endpoint: str | None = None, **given: Any) -> BucketOutput:
        return BucketOutput(self.place(endpoint=endpoint, **given), access_key="key", secret_key="secret")  # noqa: S106

    def request(self, method: str, key: str = "", body: bytes = b"") -> tuple[int, http.client.HTTPMessage, bytes]:
        """Speak to the store as anybody may, without this program's library."""
        connection = http.client.HTTPConnection(*self.proxy.behind, timeout=60)
        connection.request(method, f"/{self.name}/{quote(key)}".rstrip("/"), body=body, headers=SIGNED)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, response.headers, answer

    def tree(self) -> dict[str, bytes]:
        """Return all that is below the prefix."""
        output = self.output()
        return {path: output.read(path) or b"" for path in output.find("")}


@contextmanager
def world(store: str, name: str, *, listen: str = "127.0.0.1") -> Iterator[World]:
    """Yield a new bucket called *name*, with a proxy before it that listens at that address."""
    proxy = Proxy(store, listen=listen)
    serving = threading.Thread(target=lambda: proxy.serve_forever(poll_interval=0.05))
    serving.start()
    made = World(name=name, direct=store, proxy=proxy)
    assert made.request("PUT")[0] == 200
    try:
        yield made
    finally:
        proxy.shutdown()
        serving.join()
        proxy.server_close()
