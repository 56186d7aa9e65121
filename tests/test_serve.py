"""The HTTP server: what is published comes out as it is, and nothing else does."""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from email.utils import formatdate, parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from visitors import MEMORY, TIMEOUT, ask, connected, is_closed, served, served_by, write
from waiting import until

from feeder import log
from feeder.errors import FeederError
from feeder.serve import Server, connection
from feeder.serve.listening import listen
from feeder.serve.replies import CHUNK, Terms
from feeder.serve.site import Site

SECRET = b"not for the public"
NO_SITE = Site(Path(), terms=Terms(), memory=MEMORY)
NOTHING = (404, b"There is nothing at this address.\n")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published directory with a page, feeds, and much that is nobody's business."""
    beside = tmp_path_factory.mktemp("place")
    root = beside / "public"
    write(root, "index.html", b"<!doctype html><title>All</title>")
    write(root, "atom.xml", b"<feed/>")
    write(root, "rss.xml", b"<rss/>")
    write(root, "feed.json", b"{}")
    write(root, "feeds.json", b"[]")
    write(root, "feeds.opml", b"<opml/>")
    write(root, "unknown", b"\x00\x01")
    write(root, "empty.txt", b"")
    write(root, "categories/金融/c++-1b2c3d4e/index.html", "<title>金融</title>".encode())
    write(root, "categories/a:b/index.html", b"colon")
    write(root, "bare/atom.xml", b"<feed/>")
    write(root, ".hidden", SECRET)
    write(root, ".git/config", SECRET)
    write(root, ".feeder-0123456789abcdef.tmp", SECRET)
    write(beside, "secret.txt", SECRET)
    write(beside, "secrets/index.html", SECRET)
    (root / "link.txt").symlink_to(beside / "secret.txt")
    (root / "links").symlink_to(beside / "secrets")
    (root / "inner.xml").symlink_to("atom.xml")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe.xml")
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with served(root) as address:
        yield address


# ---------------------------------------------------------------- what is there


@pytest.mark.parametrize(
    ("target", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/atom.xml", "application/atom+xml; charset=utf-8"),
        ("/rss.xml", "application/rss+xml; charset=utf-8"),
        ("/feed.json", "application/feed+json"),
        ("/feeds.json", "application/json"),
        ("/feeds.opml", "text/x-opml; charset=utf-8"),
        ("/bare/atom.xml", "application/atom+xml; charset=utf-8"),
        ("/empty.txt", "text/plain; charset=utf-8"),
        ("/unknown", "application/octet-stream"),
    ],
)
def test_every_file_has_its_media_type_and_is_not_sniffed(address: str, target: str, media_type: str) -> None:
    answer = ask(address, target)
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_comes_out_as_it_is(address: str, root: Path) -> None:
    assert ask(address, "/rss.xml").body == (root / "rss.xml").read_bytes()


def test_names_of_any_script_are_found_by_their_percent_encoding(address: str) -> None:
    answer = ask(address, quote("/categories/金融/c++-1b2c3d4e/"))
    assert (answer.status, answer.body.decode()) == (200, "<title>金融</title>")


def test_a_query_does_not_matter(address: str) -> None:
    assert ask(address, "/atom.xml?from=reader&x=%2f").body == b"<feed/>"


@pytest.mark.parametrize(
    ("target", "body"),
    [("http://any.example/atom.xml?x", b"<feed/>"), ("HTTPS://any.example:80/rss.xml", b"<rss/>")],
)
def test_an_address_may_be_asked_for_in_full(address: str, target: str, body: bytes) -> None:
    assert ask(address, target).body == body


@pytest.mark.parametrize("target", ["http://any.example", "http://any.example?x", "http://any.example/"])
def test_the_address_of_a_host_is_that_of_its_page(address: str, target: str) -> None:
    assert ask(address, target).body == ask(address, "/").body


def test_a_file_of_many_chunks_is_whole(tmp_path: Path) -> None:
    body = os.urandom(3 * CHUNK + 17)
    write(tmp_path, "atom.xml", body)
    with served(tmp_path) as address:
        assert ask(address, "/atom.xml").body == body


def test_head_tells_the_same_without_the_body(address: str) -> None:
    full, head = ask(address, "/atom.xml"), ask(address, "/atom.xml", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers | {"date": ""} == full.headers | {"date": ""}
    assert head.headers["content-length"] == "7"


@pytest.mark.parametrize("target", ["*", "/", "/atom.xml", "/feed.json", "/nothing"])
def test_whoever_asks_what_may_be_asked_is_told(root: Path, target: str) -> None:
    with served(root) as address:
        answer = ask(address, target, method="OPTIONS")
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "GET, HEAD, OPTIONS", b"")
    assert {"content-length", "transfer-encoding"}.isdisjoint(answer.headers)  # RFC 9110, 8.6; RFC 9112, 6.1
    may_be_read = target in {"/atom.xml", "/feed.json"}
    assert ("if-none-match" in answer.headers.get("access-control-allow-headers", "")) is may_be_read


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_told_which_ones_there_are(address: str, method: str) -> None:
    answer = ask(address, "/atom.xml", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.body == b"Only GET and HEAD are answered here.\n"


# ---------------------------------------------------------------- what the client has already


def test_a_known_etag_is_answered_with_304_and_no_body(address: str) -> None:
    etag = ask(address, "/atom.xml").headers["etag"]
    answer = ask(address, "/atom.xml", if_none_match=etag)
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        pytest.param("{etag}", 304, id="the-same"),
        pytest.param("W/{etag}", 304, id="made-weak-by-a-proxy"),
        pytest.param('"other", {etag}', 304, id="one-of-several"),
        pytest.param("*", 304, id="any"),
        pytest.param('"other"', 200, id="another"),
        pytest.param("", 200, id="empty"),
    ],
)
def test_etags_are_compared_as_http_has_it(address: str, tags: str, status: int) -> None:
    etag = ask(address, "/atom.xml").headers["etag"]
    assert ask(address, "/atom.xml", if_none_match=tags.format(etag=etag)).status == status


def test_an_etag_outweighs_a_date(address: str) -> None:
    late = formatdate(4102444800, usegmt=True)
    assert ask(address, "/atom.xml", if_none_match='"other"', if_modified_since=late).status == 200


def test_the_date_of_the_last_change_is_enough(address: str) -> None:
    changed = ask(address, "/atom.xml").headers["last-modified"]
    assert ask(address, "/atom.xml", if_modified_since=changed).status == 304


@pytest.mark.parametrize(
    "since",
    [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 -0000",
        "Sat, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Fri, 31 Dec 9999999999999999999999 23:59:59 GMT",
        "Fri, 31 Dec 2099 23:59:59 +999999999999999999",
        "yesterday",
        "",
    ],
)
def test_an_older_or_unreadable_date_gets_the_file(address: str, since: str) -> None:
    assert ask(address, "/atom.xml", if_modified_since=since).status == 200


def test_no_file_is_of_the_future(tmp_path: Path) -> None:
    write(tmp_path, "atom.xml", b"<feed/>")
    later = time.time() + 3600  # the clock was set back since
    os.utime(tmp_path / "atom.xml", (later, later))
    with served(tmp_path) as address:
        headers = ask(address, "/atom.xml").headers
        assert parsedate_to_datetime(headers["last-modified"]) <= parsedate_to_datetime(headers["date"])
        assert ask(address, "/atom.xml", if_modified_since=headers["last-modified"]).status == 304


def test_a_file_that_is_as_new_as_can_be_is_no_newer_than_its_answer(tmp_path: Path) -> None:
    """The second in which a file is written may be one that just began."""
    with served(tmp_path) as address:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            write(tmp_path, "new", b"<feed/>").replace(tmp_path / "atom.xml")
            headers = ask(address, "/atom.xml").headers
            assert parsedate_to_datetime(headers["last-modified"]) <= parsedate_to_datetime(headers["date"])


def test_last_modified_is_the_time_of_the_file(tmp_path: Path) -> None:
    os.utime(write(tmp_path, "atom.xml"), (1_700_000_000, 1_700_000_000))
    with served(tmp_path) as address:
        changed = parsedate_to_datetime(ask(address, "/atom.xml").headers["last-modified"])
    assert changed.timestamp() == 1_700_000_000


def test_a_file_that_is_replaced_has_another_etag(tmp_path: Path) -> None:
    write(tmp_path, "atom.xml", b"old")
    with served(tmp_path) as address:
        old = ask(address, "/atom.xml").headers["etag"]
        write(tmp_path, "new", b"new").replace(tmp_path / "atom.xml")
        answer = ask(address, "/atom.xml", if_none_match=old)
    assert (answer.status, answer.body) == (200, b"new")


# ---------------------------------------------------------------- directories


def test_a_directory_without_its_slash_leads_to_its_page(address: str) -> None:
    target = quote("/categories/金融/c++-1b2c3d4e")
    answer = ask(address, target)
    assert answer.status == 301
    assert urljoin(target, answer.headers["location"]) == quote("/categories/金融/c++-1b2c3d4e/")


@pytest.mark.parametrize("name", ["a:b", "a%3Ab"])
def test_a_redirect_stays_on_this_host_whatever_the_name(address: str, name: str) -> None:
    answer = ask(address, f"/categories/{name}")
    url = urljoin(f"{address}categories/{name}", answer.headers["location"])
    assert url.startswith(address)
    assert ask(address, urlsplit(url).path).body == b"colon"


@pytest.mark.parametrize("target", ["/bare/", "/bare", "/categories/", "/categories"])
def test_a_directory_without_a_page_is_not_listed(address: str, target: str) -> None:
    answer = ask(address, target)
    assert (answer.status, answer.body) == NOTHING


def test_a_root_that_is_not_there_yet_is_served_once_it_is(tmp_path: Path) -> None:
    with served(tmp_path / "public") as address:
        before = ask(address, "/atom.xml")
        write(tmp_path, "public/atom.xml")
        after = ask(address, "/atom.xml")
    assert (before.status, after.body) == (404, b"body")


@pytest.mark.parametrize("target", ["/", "/index.html", "/atom.xml", "/rss.xml", "/feed.json"])
def test_a_site_without_articles_says_so(tmp_path: Path, target: str) -> None:
    with served(tmp_path / "public") as address:
        answer, other = ask(address, target), ask(address, "/elsewhere")
    assert (answer.status, answer.body) == (404, b"No article is published here now; `feeder status` tells why.\n")
    assert (other.status, other.body) == NOTHING


def test_a_root_that_is_a_link_is_served(tmp_path: Path) -> None:
    write(tmp_path, "release-1/atom.xml")
    (tmp_path / "public").symlink_to("release-1")
    with served(tmp_path / "public") as address:
        assert ask(address, "/atom.xml").body == b"body"


# ---------------------------------------------------------------- what is not for the public


@pytest.mark.parametrize(
    "target",
    [
        "/missing.xml",
        "/atom.xml/",
        "/atom.xml/atom.xml",
        "/.hidden",
        "/%2ehidden",
        "/.git/config",
        "/.feeder-0123456789abcdef.tmp",
        "/link.txt",
        "/inner.xml",
        "/links/",
        "/links",
        "/links/index.html",
        "/loop",
        "/pipe.xml",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/bare/../../secret.txt",
        "/bare/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/%252e%252e%252fsecret.txt",
        "//atom.xml",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/bare%2fatom.xml",
        "/bare//atom.xml",
        "/./atom.xml",
        "/atom.xml%00",
        "/atom.xml%00.html",
        "/%00",
        "/%ff%fe",
        "/%c0%ae%c0%ae/secret.txt",
        "/%ed%a0%80",
        "/" + "a" * 300,
        "/" + "a/" * 2000,
        "*",
        "ftp://any.example/atom.xml",
        "http://any.example//atom.xml",
        "http://any.example/../secret.txt",
    ],
)
def test_path_leads_nowhere(address: str, target: str) -> None:
    answer = ask(address, target)
    assert (answer.status, answer.body) == NOTHING
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("target", ["atom.xml", "http:/atom.xml", "http:atom.xml"])
def test_what_is_no_path_is_no_request(address: str, target: str) -> None:
    answer = ask(address, target)
    assert (answer.status, "date" in answer.headers) == (400, True)


STEPS = st.sampled_from(
    ["..", ".", "%2e%2e", "%2f", "/", "//", "%00", "%5c", "links", "link.txt", "secret.txt", "public", "bare", ".git"]
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=8), slash=st.sampled_from(["/", ""]))
def test_no_path_leads_out_of_the_root(address: str, steps: list[str], slash: str) -> None:
    answer = ask(address, "/" + slash.join(steps))
    assert answer.status in {200, 301, 404}
    assert SECRET not in answer.body


def test_a_directory_exchanged_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, "secrets/atom.xml", SECRET)
    write(tmp_path, "public/news/atom.xml", b"<feed/>")
    with served(tmp_path / "public") as address:
        before = ask(address, "/news/atom.xml")
        (tmp_path / "public/news").rename(tmp_path / "old")
        (tmp_path / "public/news").symlink_to(tmp_path / "secrets")
        after = ask(address, "/news/atom.xml")
    assert (before.body, after.status) == (b"<feed/>", 404)


def test_a_request_that_is_not_http_harms_nobody(address: str) -> None:
    with connected(address) as client:
        client.sendall(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
        client.recv(1000)
    assert ask(address, "/atom.xml").status == 200


# ---------------------------------------------------------------- readers and writers at once


def test_a_reader_gets_one_whole_file_while_it_is_replaced(tmp_path: Path) -> None:
    bodies = {letter * size for letter, size in ((b"a", CHUNK * 2), (b"b", 1000), (b"c", CHUNK + 5))}
    write(tmp_path, "atom.xml", b"b" * 1000)
    end = threading.Event()

    def replace() -> None:
        while not end.is_set():
            for number, body in enumerate(bodies):
                write(tmp_path, f"new-{number}", body).replace(tmp_path / "atom.xml")

    writer = threading.Thread(target=replace)
    with served(tmp_path) as address:
        writer.start()
        got = {ask(address, "/atom.xml").body for _ in range(100)}
        end.set()
        writer.join(TIMEOUT)
    assert got <= bodies


def test_clients_that_leave_in_the_middle_leave_no_file_open(tmp_path: Path) -> None:
    write(tmp_path, "atom.xml", b"x" * 20_000_000)
    with served(tmp_path) as address:
        ask(address, "/missing")
        before = _open_files(tmp_path)
        for _ in range(20):
            with connected(address) as client:
                client.sendall(b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n")
                client.recv(1000)
        assert len(ask(address, "/atom.xml").body) == 20_000_000
    assert (before, _open_files(tmp_path)) == (0, 0)


def _open_files(root: Path) -> int:
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH118, PTH208
    return sum(os.path.realpath(link).startswith(str(root)) for link in links)


def test_a_file_that_cannot_be_opened_now_is_asked_for_later(root: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with served(root) as address, closing(HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT)) as client:
        statuses = [_status(client, "/atom.xml")]
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))  # what is open stays so
        try:
            statuses.append(_status(client, "/rss.xml"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        statuses.append(_status(client, "/atom.xml"))
    assert statuses == [200, 503, 200]


def _status(connection: HTTPConnection, target: str) -> int:
    connection.request("GET", target)
    with connection.getresponse() as response:
        response.read()
        return response.status


# ---------------------------------------------------------------- clients that stand in the way


@pytest.mark.parametrize("begun", [b"", b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_request_that_does_not_come_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)
    with served(root) as address, connected(address) as client:
        client.sendall(begun)
        assert is_closed(client)


def trickle(client: socket.socket, first: bytes) -> None:
    """Send a byte after the other until the server has had enough."""
    client.sendall(first)
    while True:
        client.sendall(b"x")
        time.sleep(0.01)


@pytest.mark.parametrize("before", [b"", b"HEAD /atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_request_that_comes_byte_by_byte_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)
    with served(root) as address, connected(address) as client, pytest.raises(ConnectionError):
        trickle(client, before + b"GET /atom.xml HTTP/1.1\r\nX-Long: ")


def test_a_body_that_nobody_asked_for_is_not_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)
    with served(root) as address, connected(address) as client, pytest.raises(ConnectionError):
        trickle(client, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")


def test_a_connection_serves_for_as_long_as_requests_come(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.5)
    with served(root) as address, closing(HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT)) as client:
        client.connect()
        first = client.sock
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert _status(client, "/atom.xml") == 200
        assert client.sock is first


def test_a_reader_that_stops_reading_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.1)
    write(tmp_path, "atom.xml", b"x" * 20_000_000)
    with served(tmp_path) as address, connected(address) as client:
        client.sendall(b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(1)
        assert _open_files(tmp_path) == 1
        end = time.monotonic() + TIMEOUT
        while _open_files(tmp_path) and time.monotonic() < end:
            time.sleep(0.01)
        assert _open_files(tmp_path) == 0


def test_connections_beyond_the_most_are_told_so_and_beyond_that_closed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(connection, "MOST_TURNED_AWAY", 2)
    lines = logging_lines()
    with served(root) as address, ExitStack() as stack:
        clients = [stack.enter_context(connected(address)) for _ in range(6)]
        assert is_closed(clients[-1])
        clients[-2].sendall(b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert clients[-2].recv(12) == b"HTTP/1.1 503"
    assert [(line["event"], line["turned_away"]) for line in lines()] == [("server_full", 1)]


def test_of_clients_for_whom_there_is_no_room_their_number_is_told_now_and_then(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(connection, "MOST_TURNED_AWAY", 0)
    monkeypatch.setattr(connection, "TELLING_SECONDS", 0.2)
    lines = logging_lines()
    with served(root) as address, connected(address) as first:
        ask_on(first)
        for _ in range(30):
            with connected(address) as client:
                assert is_closed(client)
        until(lambda: sum(line["turned_away"] for line in lines()) == 30)
    told = [line["turned_away"] for line in lines()]
    assert told[0] == 1
    assert len(told) < 30


def ask_on(client: socket.socket) -> None:
    """Ask, and wait for the beginning of the answer."""
    client.sendall(b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.recv(4) == b"HTTP"


def logging_lines() -> Callable[[], list[dict[str, Any]]]:
    """Log as the program does, and return what tells the lines."""
    stream = io.StringIO()
    log.configure("info", stream=stream, json=True)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_a_client_does_wrong_fills_no_log(root: Path) -> None:
    lines = logging_lines()
    with served(root) as address:
        with connected(address) as client:
            client.sendall(b"\x16\x03\x01\r\n\r\n")
            client.recv(1000)
        ask(address, "/atom.xml", connection="upgrade", upgrade="websocket")
    assert lines() == []


def test_an_answer_that_fails_is_an_event_of_ours(tmp_path: Path) -> None:
    feed = write(tmp_path, "atom.xml", b"x" * 20_000_000)
    lines = logging_lines()
    with served(tmp_path) as address, connected(address) as client:
        client.sendall(b"GET /atom.xml HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(1)
        os.truncate(feed, 0)
        while not is_closed(client):
            pass
    assert [(line["event"], line["level"], line["path"]) for line in lines()] == [
        ("request_failed", "error", "/atom.xml")
    ]


# ---------------------------------------------------------------- listening


def _try_to_listen(host: str, port: int) -> str:
    async def start() -> str:
        server = Server(NO_SITE, address=(host, port))
        address = await server.start()
        await server.stop()
        return address

    return asyncio.run(start())


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with served(tmp_path) as address, pytest.raises(FeederError) as caught:
        _try_to_listen("127.0.0.1", urlsplit(address).port or 0)
    assert (
        str(caught.value)
        == f"cannot listen on {urlsplit(address).netloc}: Address already in use; [server] may name another"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300, "192.0.2.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(FeederError, match=f"cannot listen on {host}:8080: "):
        _try_to_listen(host, 8080)


def test_a_name_is_listened_on_by_ipv4() -> None:
    assert _try_to_listen("localhost", 0).startswith("http://127.0.0.1:")


def test_an_ipv6_address_is_written_in_brackets() -> None:
    with pytest.raises(FeederError, match=r"cannot listen on \[2001:db8::1\]:8080: "):
        _try_to_listen("2001:db8::1", 8080)


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with closing(listen(("127.0.0.1", 0))) as listening:
        assert listening.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_server_that_never_started_can_be_stopped() -> None:
    asyncio.run(Server(NO_SITE, address=("127.0.0.1", 0)).stop())


def test_the_port_is_free_again_after_a_stop(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        ask(address)
    with pytest.raises(ConnectionRefusedError):
        ask(address)


def test_clients_that_do_not_read_hold_no_more_in_memory_than_there_is_for_files(tmp_path: Path) -> None:
    most = 4 << 20
    bodies = [bytes([65 + number]) * (900 << 10) for number in range(12)]
    for number, body in enumerate(bodies):
        write(tmp_path, f"{number}.txt", body)
    site = Site(tmp_path, terms=Terms(), memory=most)
    with served_by(site) as address, ExitStack() as open_:
        clients = []
        for number in range(len(bodies)):
            client = open_.enter_context(connected(address))
            client.sendall(f"GET /{number}.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            clients.append(client)
            client.recv(1, socket.MSG_PEEK)  # it is being answered
            assert site._sending.size <= most
        answers = [b"".join(iter(partial(client.recv, 1 << 16), b"")) for client in clients]
        assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == bodies
    assert site._sending.size == 0
