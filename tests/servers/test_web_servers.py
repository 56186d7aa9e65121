"""nginx and Caddy serve what was published, by the files in docs/. They must be installed, so these tests stand apart."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from servers import free_port
from visitors import Answer, ask, served
from worlds import START, SiteUnderTest, site

from feeder.redirects import forwarding

DOCS = Path(__file__).parent.parent.parent / "docs"
URL = "https://feeds.example.org"
OLD = '[categories."Harbour"]\nslug = "port"\n'
NEW = """[categories."Harbour"]
slug = "港口"
[redirects]
"/index.xml" = "/rss.xml"
"/旧/{path}/feed/" = "/categories/{path}/rss.xml"
"/feeds/{slug}.atom.xml" = "/categories/{slug}/atom.xml"
"/harbour.xml" = "/categories/port/rss.xml"
"/a$b'c;d (e)*+&.xml" = "/categories/$x'y;z (1)*+&.xml"
"/%2B{slug}" = "/categories/+$1{slug}/"
"""
TIMEOUT = 20
PACKAGES = {"nginx": "nginx-light", "caddy": "caddy"}


def article(tree: Path, name: str, category: str) -> None:
    text = f"---\ntitle: {name}\ndate: 2026-02-03 01:00:00 +0000\ncategories: [{category}]\n---\n{'Text. ' * 500}\n"
    (tree / f"{name}.md").write_text(text, "utf-8")


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> SiteUnderTest:
    """A site with a category that moved, one that is gone, and rules."""
    folder = tmp_path_factory.mktemp("newsroom")
    tree = folder / "tree"
    tree.mkdir()
    article(tree, "a", "Harbour")
    article(tree, "b", "Theatre")
    site(folder / "site", {"tree": tree}, feeds=f"entries = 9\n{OLD}").run(START)
    article(tree, "b", "Harbour")
    under_test = site(folder / "site", {"tree": tree}, feeds=f"entries = 9\n{NEW}")
    under_test.run(START)
    (under_test.public / ".feeder-0123456789abcdef.tmp").write_text("half", "utf-8")
    return under_test


# ---------------------------------------------------------------- servers


def installed(config: str, newsroom: SiteUnderTest, feeder: str, port: int) -> str:
    """Return a file of docs/ with the places of this test."""
    text = (DOCS / config).read_text("utf-8")
    text = text.replace("/var/lib/feeder/feeder.redirects", f"{newsroom.config_path.parent}/state.redirects")
    text = text.replace("/var/lib/feeder/public", str(newsroom.public)).replace("127.0.0.1:8080", feeder)
    text = text.replace("    listen [::]:80;\n", "").replace("listen 80;", f"listen 127.0.0.1:{port};")
    return text.replace("feeds.example.org {", f"http://127.0.0.1:{port} {{")


@contextmanager
def nginx(folder: Path, text: str) -> Iterator[None]:
    user = "user root;\n" if os.geteuid() == 0 else ""
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "feeds.conf").write_text(text, "utf-8")
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr;\nworker_processes 1;\nevents {{ }}\n"
        f"http {{\ninclude /etc/nginx/mime.types;\naccess_log off;\n{places}include {folder}/feeds.conf;\n}}\n",
        "utf-8",
    )
    with running("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), home=folder):
        yield


@contextmanager
def caddy(folder: Path, text: str) -> Iterator[None]:
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text, "utf-8")
    with running("caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile"), home=folder):
        yield


@contextmanager
def running(*command: str, home: Path) -> Iterator[None]:
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    environment["PATH"] += ":/usr/sbin"
    assert shutil.which(command[0], path=environment["PATH"]), f"install {command[0]} (Debian: {PACKAGES[command[0]]})"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, (home / "log").read_text("utf-8")
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def until_up(port: int, log: Path) -> None:
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), TIMEOUT):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    start: Callable[[Path, str], AbstractContextManager[None]]
    config: str


KINDS = {
    "nginx": Kind(start=nginx, config="nginx.conf"),
    "nginx-alone": Kind(start=nginx, config="nginx-alone.conf"),
    "caddy": Kind(start=caddy, config="Caddyfile"),
    "caddy-alone": Kind(start=caddy, config="Caddyfile-alone"),
}


@pytest.fixture(scope="module", params=KINDS)
def address(
    request: pytest.FixtureRequest, newsroom: SiteUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    kind, folder, port = KINDS[request.param], tmp_path_factory.mktemp("server"), free_port()
    moved = forwarding.Forwarding(forwarding.path_of(newsroom.config_path.parent / "state.db"))
    with served(newsroom.public, moved=moved) as feeder:
        text = installed(kind.config, newsroom, urlsplit(feeder).netloc, port)
        with kind.start(folder, text):
            until_up(port, folder / "log")
            yield f"http://127.0.0.1:{port}/"


def target(answer: Answer, asked: str) -> str:
    """Return the path that a redirect leads to."""
    location = answer.headers["location"]
    assert location.startswith((f"{URL}/", "./", "/")), location
    return urlsplit(urljoin(f"{URL}{asked}", location)).path


# ---------------------------------------------------------------- what they answer

PORT = quote("/categories/港口/")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html"),
        (PORT, "text/html"),
        (f"{PORT}atom.xml", "application/atom+xml"),
        (f"{PORT}rss.xml", "application/rss+xml"),
        (f"{PORT}feed.json", "application/feed+json"),
        ("/feeds.opml", "text/x-opml"),
        ("/feeds.json", "application/json"),
    ],
)
def test_a_file_has_its_type_and_comes_compressed(address: str, path: str, media_type: str) -> None:
    plain = ask(address, path)
    kind, _, charset = plain.headers["content-type"].partition("; ")
    assert (plain.status, kind) == (200, media_type)
    assert charset == ("" if "json" in kind else "charset=utf-8")
    assert plain.headers["x-content-type-options"] == "nosniff"
    assert plain.headers["access-control-allow-origin"] == "*"
    packed = ask(address, path, Accept_Encoding="gzip")
    if len(plain.body) > 1000:
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body


def test_a_file_that_is_known_is_not_sent_again(address: str) -> None:
    answer = ask(address, f"{PORT}rss.xml", Accept_Encoding="gzip")
    again = ask(address, f"{PORT}rss.xml", If_None_Match=answer.headers["etag"], Accept_Encoding="gzip")
    assert (again.status, again.body) == (304, b"")


def test_a_path_is_found_percent_encoded_and_raw(address: str) -> None:
    encoded = ask(address, f"{PORT}rss.xml")
    with socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), TIMEOUT) as raw:
        raw.sendall(f"GET /categories/港口/rss.xml HTTP/1.0\r\nHost: {urlsplit(address).netloc}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(1 << 16), b""))
    assert encoded.status == 200
    assert answer.endswith(encoded.body)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("/index.xml", "/rss.xml"),
        ("/index.xml?a=1", "/rss.xml"),
        ("/categories/port/rss.xml", f"{PORT}rss.xml"),
        ("/categories/port/", PORT),
        ("/categories/port", PORT),
        ("/feeds/a%20b%26.atom.xml", "/categories/a%20b%26/atom.xml"),
        ("/%E6%97%A7/x/%e5%8f%a3/feed/?q", "/categories/x/%E5%8F%A3/rss.xml"),
        ("/harbour.xml", f"{PORT}rss.xml"),
        ("/a$b'c;d%20(e)*+&.xml", quote("/categories/$x'y;z (1)*+&.xml")),
        ("/+a", "/categories/%2B%241a/"),
    ],
)
def test_an_old_address_leads_on(address: str, path: str, end: str) -> None:
    answer = ask(address, path)
    assert answer.status == 301
    assert target(answer, path).replace("%e5%8f%a3", "%E5%8F%A3") == end


@pytest.mark.parametrize("name", ["", "rss.xml", "index.html"])
def test_a_feed_that_is_gone_says_so(address: str, name: str) -> None:
    answer = ask(address, f"/categories/theatre/{name}")
    assert answer.status == 410
    assert answer.body.startswith(b"This feed is gone")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path", ["/nothing", "/categories/theatre/x.png", "/.feeder-0123456789abcdef.tmp", "/feeds/.atom.xml"]
)
def test_the_rest_is_not_found(address: str, path: str) -> None:
    assert ask(address, path).status == 404


@pytest.mark.parametrize("path", ["/feeds/a%0d%0aSet-Cookie:%20x.atom.xml", "/feeds/%5c%5chost%2f.atom.xml"])
def test_nothing_that_is_asked_for_gets_into_headers_decoded(address: str, path: str) -> None:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.getheader("set-cookie") is None
    location = answer.getheader("location") or "./"
    assert re.fullmatch(r"[!-~]+", location)
    assert location.startswith((f"{URL}/categories/", "./"))
    connection.close()
