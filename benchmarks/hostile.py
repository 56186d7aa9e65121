"""How much hostile sources can take, all at once: `python -m benchmarks.hostile` prints what one run over them cost.

Each source is what a bound was made for: bombs, depth, floods of elements, items and categories, answers without an end.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from benchmarks.processes import Held, held

MIB: Final = 1 << 20
MOST: Final = 15 * MIB - 1000  # what an answer may have by default, unpacked
SAMPLE_SECONDS: Final = 0.1
CONFIG: Final = """\
[site]
title = "Beset"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[server]
listen = ""
[defaults]
allow_private = ["127.0.0.0/8"]
[[source]]
name = "tree"
path = "articles"
"""
SOURCE: Final = '[[source]]\nname = "{name}-{number}"\nurl = "http://127.0.0.{host}:{port}/{name}/{number}"\nfirst = 5000\ncategory = "{name}"\n'


def _filled(begin: str, piece: str, end: str = "") -> bytes:
    """Return as much of *piece* as an answer may have."""
    room = MOST - len(begin) - len(end)
    return (begin + piece * (room // len(piece)) + end).encode()


def _items(count: int, each: Callable[[int], str]) -> bytes:
    return f"<rss version='2.0'><channel><title>x</title>{''.join(map(each, range(count)))}</channel></rss>".encode()


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for number in range(40):
            member = tarfile.TarInfo(f"{number}.md")
            member.size = 9 * MIB
            archive.addfile(member, io.BytesIO(bytes(b"a b <b>c " * MIB)))
    return packed.getvalue()


SOURCES: Final[dict[str, Callable[[], bytes]]] = {
    "zeros": lambda: bytes(MOST),
    "deep": lambda: _filled("<rss version='2.0'><channel>", "<a>"),
    "elements": lambda: _filled("<rss version='2.0'><channel><item>", "<a/>", "</item></channel></rss>"),
    "attributes": lambda: _filled("<rss version='2.0'><channel><item>", "<a b='' c='' d=''/>", "</item></channel></rss>"),
    "entities": lambda: b"<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'>" + b"<!ENTITY b '&a;&a;&a;'>" * 10_000 + b"]><rss>&b;</rss>",
    "items": lambda: _items(30_000, lambda n: f"<item><guid>{n}</guid><title>Item {n}</title><description>{'w ' * 200}</description></item>"),
    "categories": lambda: _items(4_000, lambda n: f"<item><guid>{n}</guid><title>C {n}</title>" + "".join(f"<category>{n}/{k}</category>" for k in range(90)) + "</item>"),
    "broken": lambda: _items(5_000, lambda n: f"<item><guid>{n}</guid><title>B {n} & more</title><description><b>{'x ' * 1_000}</item>"),
    "body": lambda: _items(3, lambda n: f"<item><guid>{n}</guid><title>Body {n}</title><description>{'&lt;i&gt;&lt;table&gt;' * 200_000}</description></item>"),
    "json": lambda: _filled('{"version": "https://jsonfeed.org/version/1.1", "items": [', '{"id": {}},', "{}]}"),
    "json-deep": lambda: _filled('{"version": "https://jsonfeed.org/version/1.1", "items": ', "["),
    "page": lambda: _filled("<html><body>", "<div><p><a href=x>y"),
    "archive": _archive,
}  # fmt: skip
ENDLESS: Final = ("drip", "bomb", "redirect", "headers", "redirects-elsewhere")


class Answers(BaseHTTPRequestHandler):
    """Answers with what the path names; some answers have no end."""

    bodies: dict[str, bytes]

    def do_GET(self) -> None:
        """Answer."""
        name, _, number = self.path.strip("/").partition("/")
        if name in self.bodies:
            self._send([self.bodies[name]])
        elif name == "redirect":
            self._send([], status=302, location=f"/redirect/{number}x")
        elif name == "redirects-elsewhere":
            self._send([], status=301, location=f"http://169.254.169.254/{number}")
        elif name == "headers":
            self._send([b"x"], many=20_000)
        elif name == "bomb":
            self._send([gzip.compress(bytes(MIB))] * 2_000, encoding="gzip")
        else:
            self._send(_drip(), media_type="application/rss+xml")

    def _send(
        self,
        pieces: list[bytes] | Iterator[bytes],
        *,
        status: int = 200,
        location: str = "",
        encoding: str = "identity",
        many: int = 0,
        media_type: str = "application/octet-stream",
    ) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", media_type), ("Content-Encoding", encoding), ("Location", location)):
            if value:
                self.send_header(name, value)
        for number in range(many):
            self.send_header(f"X-{number}", "x" * 1_000)
        try:
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """Answers at all addresses of the loopback device, so that each source is at a host of its own."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind so that no other device leads here."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        super().server_bind()


def _drip() -> Iterator[bytes]:
    yield b"<rss version='2.0'><channel>"
    while True:
        time.sleep(0.5)
        yield b"<item/>"


def _write(folder: Path, port: int, times: int) -> None:
    articles = folder / "articles"
    articles.mkdir()
    for number in range(times * 20):
        (articles / f"{number}-long.md").write_bytes(
            b"---\ntitle: Long\n---\n" + b"*a* [b](c) | <i> `" * (9 * MIB // 18)
        )
        (articles / f"{number}-head.md").write_text("---\ntitle: Head\nx: " + "[" * 60_000 + "\n---\nx", "utf-8")
        anchors = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
        (articles / f"{number}-lol.md").write_text(f"---\na0: &a0 [lol]\n{anchors}title: Lol\n---\nx", "utf-8")
    sources = (
        SOURCE.format(name=name, number=number, host=number % 200 + 1, port=port)
        for name in (*SOURCES, *ENDLESS)
        for number in range(times)
    )
    (folder / "config.toml").write_text(CONFIG + "".join(sources), "utf-8")


def main() -> None:
    """Run the program over all of them, and print what it cost."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    Answers.bodies = {name: make() for name, make in SOURCES.items()}
    with (
        tempfile.TemporaryDirectory(prefix="feeder-hostile-") as scratch,
        _Server(("0.0.0.0", 0), Answers) as server,  # noqa: S104 - see there
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = Path(scratch)
        _write(folder, server.server_address[1], times)
        for run in ("first", "second"):
            _report(run, folder, *_watched(folder))
        server.shutdown()


def _watched(folder: Path) -> tuple[int, float, Held]:
    begun, most = time.perf_counter(), Held(resident=0, proportional=0, files=0, threads=0)
    with (folder / f"log-{begun}").open("wb") as log:
        words = [sys.executable, "-m", "feeder", "once", "--all"]
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        while process.poll() is None:
            now = held(process.pid)
            most = Held(**{name: max(getattr(most, name), getattr(now, name)) for name in Held.__slots__})
            time.sleep(SAMPLE_SECONDS)
    return process.returncode, time.perf_counter() - begun, most


def _report(run: str, folder: Path, status: int, seconds: float, most: Held) -> None:
    state = sum(path.stat().st_size for path in folder.glob("var/*") if path.is_file())
    public = sum(path.stat().st_size for path in folder.glob("public/**/*") if path.is_file())
    told = {
        "run": run, "exit": status, "seconds": round(seconds, 1), "cores": os.cpu_count(), "memory_mib": most.proportional // MIB,
        "files": most.files, "threads": most.threads, "state_mib": state // MIB, "public_mib": public // MIB,
    }  # fmt: skip
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
