"""What the server says of a file: validators, codings, ranges, headers, and all of it from memory as from the disk."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import closing
from datetime import timedelta
from email.utils import formatdate
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from visitors import MEMORY, TIMEOUT, Answer, ask, connected, is_closed, served, served_by, write

from feeder.serve import connection, paths
from feeder.serve.cache import Cache
from feeder.serve.probes import Desk, Probes
from feeder.serve.replies import CHUNK, Terms, Version, read, takes_gzip
from feeder.serve.site import MOST_IN_MEMORY, Site

TERMS = Terms(url="https://feeds.example.org/", max_age=timedelta(minutes=5), hub="https://hub.example.net/")
FEED = b"<feed>" + b"<entry>The ferry is late again.</entry>" * 100 + b"</feed>"
LARGE = bytes(range(256)) * (MOST_IN_MEMORY // 256 + 1)
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("public")
    for path in (
        "atom.xml",
        "rss.xml",
        "feed.json",
        "feeds.json",
        "feeds.opml",
        "index.html",
        "categories/港口/atom.xml",
    ):
        write(root, path, FEED)
    write(root, "short.txt", b"0123456789")
    write(root, "picture.png", b"\0" * 10_000)
    write(root, "random.xml", os.urandom(10_000))
    write(root, "large.bin", LARGE)
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with served(root, terms=TERMS) as address:
        yield address


def packed(address: str, target: str = "/atom.xml", **headers: str) -> Answer:
    return ask(address, target, accept_encoding="gzip", **headers)


# ---------------------------------------------------------------- validators


def test_an_etag_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = write(tmp_path, "atom.xml", FEED)
    with served(tmp_path) as address:
        before = ask(address, "/atom.xml").headers["etag"]
        os.utime(file, (1, 1))
        touched = ask(address, "/atom.xml").headers["etag"]
        file.write_bytes(FEED.swapcase())
        other = ask(address, "/atom.xml").headers["etag"]
    assert before == touched == f'"{sha256(FEED).hexdigest()[:32]}"'
    assert other != before


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
@pytest.mark.parametrize("first", ["gzip", "identity"])
def test_whoever_has_either_form_has_it_all(address: str, first: str, accepted: str) -> None:
    etag = ask(address, "/atom.xml", accept_encoding=first).headers["etag"]
    answer = ask(address, "/atom.xml", accept_encoding=accepted, if_none_match=etag)
    is_usable = first == "identity" or accepted == "gzip"
    assert (answer.status, answer.headers["etag"] == etag) == ((304, True) if is_usable else (200, False))


def test_not_modified_repeats_what_caches_go_by(address: str) -> None:
    full = packed(address)
    answer = packed(address, if_none_match=full.headers["etag"])
    assert answer.status == 304
    for name in ("etag", "last-modified", "cache-control", "vary", "access-control-allow-origin", "date"):
        assert answer.headers[name] == full.headers[name] or name == "date"
    assert "content-length" not in answer.headers


def test_a_person_who_opens_a_feed_gets_it_as_what_browsers_show(address: str) -> None:
    for accepted in ("gzip", "identity"):
        program, person = (
            ask(address, "/atom.xml", accept_encoding=accepted, sec_fetch_dest=dest) for dest in ("empty", "document")
        )
        assert person.headers.pop("content-type") == "application/xml; charset=utf-8"
        assert program.headers.pop("content-type") == "application/atom+xml; charset=utf-8"
        assert (person.body, person.headers["etag"]) == (program.body, program.headers["etag"])
    assert ask(address, "/feed.json", sec_fetch_dest="document").headers["content-type"] == "application/feed+json"


def test_what_an_article_plays_may_come_from_anywhere(root: Path, address: str) -> None:
    write(root, "articles/a.html")
    policy = ask(address, "/articles/a.html").headers["content-security-policy"]
    assert policy.endswith("; media-src *; frame-src https:")
    assert ask(address, "/").headers["content-security-policy"] in policy


# ---------------------------------------------------------------- codings


def test_who_takes_gzip_gets_it(address: str) -> None:
    plain, answer = ask(address, "/atom.xml"), packed(address)
    assert gzip.decompress(answer.body) == plain.body == FEED
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "accept-encoding, sec-fetch-dest")
    assert plain.headers["vary"] == "accept-encoding, sec-fetch-dest"
    assert plain.headers["etag"] != answer.headers["etag"]


@pytest.mark.parametrize("target", ["/short.txt", "/picture.png", "/random.xml", "/large.bin"])
def test_what_gains_nothing_is_not_packed(address: str, target: str) -> None:
    answer = packed(address, target)
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("accepted", "is_taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip, deflate, br, zstd", True),
        ("*", True),
        ("gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=1, gzip;q=0.5", False),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("gzip;q=much", False),
        ("br", False),
        ("", False),
        ("gzip," + "a" * 2000, False),
    ],
)
def test_weights_are_respected(accepted: str, is_taken: bool) -> None:  # noqa: FBT001 - a table
    assert takes_gzip(accepted.encode()) is is_taken


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_any_list_of_codings_is_read(accepted: bytes) -> None:
    assert takes_gzip(accepted) in {True, False}


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-30", 206, b"89", "bytes 8-9/10"),
        ("BYTES = 9-9", 206, b"9", "bytes 9-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
        ("bytes=0-99999999999999999999", 200, b"0123456789", None),
        ("lines=0-3", 200, b"0123456789", None),
    ],
)
def test_a_range_is_a_part(address: str, asked: str, status: int, body: bytes | None, said: str | None) -> None:
    answer = ask(address, "/short.txt", range=asked)
    assert (answer.status, answer.headers.get("content-range")) == (status, said)
    assert body is None or answer.body == body


@pytest.mark.parametrize("asked", ["bytes=5-1000004", "bytes=-1000000", "bytes=8000000-"])
def test_a_range_of_a_large_file_comes_from_the_disk(address: str, asked: str) -> None:
    first, _, last = asked.removeprefix("bytes=").partition("-")
    wanted = LARGE[int(first) : int(last) + 1 if last else None] if first else LARGE[-int(last) :]
    answer = ask(address, "/large.bin", range=asked)
    assert (answer.status, answer.body) == (206, wanted)


def test_a_range_is_one_of_the_plain_bytes(address: str) -> None:
    answer = packed(address, range="bytes=0-5")
    assert (answer.status, answer.body, "content-encoding" in answer.headers) == (206, b"<feed>", False)


def test_a_range_goes_on_only_with_the_same_version(address: str) -> None:
    full = ask(address, "/short.txt").headers
    for validator, status in (
        (full["etag"], 206),
        (full["last-modified"], 206),
        ('"other"', 200),
        (f"W/{full['etag']}", 200),
        (formatdate(0, usegmt=True), 200),
    ):
        assert ask(address, "/short.txt", range="bytes=4-", if_range=validator).status == status


def test_what_is_known_has_no_part(address: str) -> None:
    etag = ask(address, "/short.txt").headers["etag"]
    assert ask(address, "/short.txt", range="bytes=4-", if_none_match=etag).status == 304


@pytest.mark.parametrize("target", ["/short.txt", "/large.bin"])
def test_a_range_is_for_get_alone(address: str, target: str) -> None:
    answer = ask(address, target, method="HEAD", range="bytes=1-2")
    assert (answer.status, int(answer.headers["content-length"])) == (200, 10 if target == "/short.txt" else len(LARGE))


# ---------------------------------------------------------------- headers


def test_caches_are_told_how_long(address: str) -> None:
    assert ask(address, "/atom.xml").headers["cache-control"] == "public, max-age=300, must-revalidate"
    assert ask(address, "/missing").headers["cache-control"] == "max-age=10"


@pytest.mark.parametrize("target", ["/", "/atom.xml", "/short.txt", "/missing"])
def test_nothing_that_is_served_can_do_harm_in_a_browser(address: str, target: str) -> None:
    headers = ask(address, target).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    ("target", "is_open"),
    [
        ("/atom.xml", True),
        ("/rss.xml", True),
        ("/feed.json", True),
        ("/feeds.json", True),
        ("/feeds.opml", True),
        ("/index.html", False),
        ("/short.txt", False),
    ],
)
def test_feeds_may_be_read_by_scripts_of_any_site(address: str, target: str, is_open: bool) -> None:  # noqa: FBT001
    assert ask(address, target).headers.get("access-control-allow-origin") == ("*" if is_open else None)


def test_a_feed_names_itself_and_its_hub(address: str) -> None:
    target = quote("/categories/港口/atom.xml")
    itself = f'<https://feeds.example.org{target}>; rel="self"'
    assert ask(address, target).headers["link"] == f'{itself}, <https://hub.example.net/>; rel="hub"'
    assert "link" not in ask(address, "/index.html").headers


def test_a_path_of_plain_utf8_is_that_of_its_percent_encoding(address: str) -> None:
    with connected(address) as client:
        client.sendall(GET.replace(b"HTTP/1.1", b"HTTP/1.0") % "categories/港口/atom.xml".encode())
        assert client.recv(12) == b"HTTP/1.1 200"


# ---------------------------------------------------------------- memory


def test_a_file_that_is_replaced_is_served_anew(tmp_path: Path) -> None:
    file = write(tmp_path, "atom.xml", b"old")
    stamp = file.stat()
    with served(tmp_path) as address:
        bodies = [ask(address, "/atom.xml").body, ask(address, "/atom.xml").body]
        other = write(tmp_path, "other", b"new")
        os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as large, and of the same time
        other.replace(file)
        bodies += [ask(address, "/atom.xml").body]
        file.write_bytes(b"now")
        bodies += [ask(address, "/atom.xml").body]
        file.unlink()
        assert ask(address, "/atom.xml").status == 404
    assert bodies == [b"old", b"old", b"new", b"now"]


def test_a_large_file_that_is_replaced_is_served_anew(tmp_path: Path) -> None:
    file = write(tmp_path, "atom.xml", LARGE)
    with served(tmp_path) as address:
        etags = [ask(address, "/atom.xml").headers["etag"]]
        write(tmp_path, "other", LARGE[::-1]).replace(file)
        answer = ask(address, "/atom.xml")
        assert answer.body == LARGE[::-1]
        etags.append(answer.headers["etag"])
        assert ask(address, "/atom.xml", if_none_match=answer.headers["etag"]).status == 304
    assert len(set(etags)) == 2


def test_every_answer_is_whole_and_of_one_version_while_feeds_are_published(tmp_path: Path) -> None:
    end = threading.Event()
    write(tmp_path, "atom.xml", FEED)

    def publish() -> None:
        number = 0
        while not end.is_set():
            number += 1
            write(tmp_path, "new", FEED * (1 + number % 90)).replace(tmp_path / "atom.xml")

    publishing = threading.Thread(target=publish)
    with served(tmp_path) as address:
        publishing.start()
        try:
            for _ in range(100):
                plain, answer = ask(address, "/atom.xml"), packed(address)
                for body, told in ((plain.body, plain), (gzip.decompress(answer.body), answer)):
                    etag = told.headers["etag"].strip('"').removesuffix("-gzip")
                    assert etag == sha256(body).hexdigest()[:32]
        finally:
            end.set()
            publishing.join(TIMEOUT)


def _read(root: Path, name: str) -> Version:
    found = paths.open_file(root, (name,))
    assert found
    with found.file:
        return read(found, (name,), TERMS, most=MEMORY)


def _of_size(size: int) -> Version:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "a", b"x" * size)
        return _read(Path(folder), "a")


VERSIONS = {size: _of_size(size) for size in (0, 1000, 5000, 20_000)}
PATHS = st.sampled_from([("a",), ("b",), ("c",), ("d", "e")])


@given(
    st.lists(
        st.tuples(PATHS, st.sampled_from([0, 1000, 5000, 20_000]), st.sampled_from(["keep", "forget", "ask"])),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=60)
def test_the_memory_is_never_more_than_it_may_be(steps: list[tuple[paths.Names, int, str]]) -> None:
    most = 9000
    cache = Cache(Path("/nowhere"), most=most)
    for names, size, step in steps:
        if step == "keep":
            cache.keep(names, VERSIONS[size])
        elif step == "forget":
            cache.forget(names)
        else:
            assert cache.current(names) is None  # there is no such file
        assert 0 <= cache.weight <= most
    for names in {names for names, _, _ in steps}:
        cache.forget(names)
    assert cache.weight == 0


def test_what_was_asked_for_longest_ago_makes_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path, most=3 * 20_000)
    for name in ("a", "b", "c"):
        write(tmp_path, name, os.urandom(15_000))
        cache.keep((name,), _read(tmp_path, name))
    assert cache.current(("a",)) is not None
    write(tmp_path, "d", os.urandom(15_000))
    cache.keep(("d",), _read(tmp_path, "d"))
    assert [name for name in "abcd" if cache.current((name,))] == ["a", "c", "d"]


def test_a_memory_for_nothing_serves_from_the_disk(tmp_path: Path) -> None:
    write(tmp_path, "atom.xml", FEED)
    with served(tmp_path, memory=1) as address:
        for _ in range(2):
            answer = ask(address, "/atom.xml")
            assert answer.body == FEED
        assert ask(address, "/atom.xml", if_none_match=answer.headers["etag"]).status == 304


# ---------------------------------------------------------------- connections


def read_all(address: str, sent: bytes) -> bytes:
    """Send this, and return all that comes until the server ends."""
    with connected(address) as client:
        client.sendall(sent)
        parts = []
        while part := client.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


LAST = b"GET /short.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_requests_sent_ahead_are_answered_in_their_order(address: str) -> None:
    sent = GET % b"large.bin" + GET % b"short.txt" + GET % b"missing" + LAST
    said = read_all(address, sent)
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.index(LARGE) < said.index(b"HTTP/1.1 404") < said.rindex(b"0123456789")
    assert b"connection: close" in said[said.rindex(b"HTTP/1.1 200") :]


def test_too_many_requests_sent_ahead_end_the_connection(address: str) -> None:
    with connected(address) as client:
        client.sendall(GET % b"large.bin" + GET % b"missing" * (connection.MOST_WAITING + 2))
        while not is_closed(client):
            pass
    assert ask(address, "/short.txt").status == 200


def test_answers_that_nobody_takes_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.2)
    write(tmp_path, "atom.xml", os.urandom(CHUNK - 10))
    with served(tmp_path) as address:
        ask(address, "/atom.xml")
        with connected(address) as client:
            with pytest.raises(ConnectionError):
                _ask_and_never_read(client)
            assert ask(address, "/atom.xml").status == 200


def _ask_and_never_read(client: socket.socket) -> None:
    while True:
        client.sendall(GET % b"atom.xml" * 100)


@pytest.mark.parametrize(
    "endless", [b"GET / HTTP/1.1\r\nX-Long: ", b"GET /", b"GET / HTTP/1.1\r\nX: " + b"y\r\nX: " * 1000]
)
def test_a_head_without_an_end_is_refused(address: str, endless: bytes) -> None:
    with connected(address) as client:
        client.sendall(endless)
        try:
            for _ in range(100):
                client.sendall(b"x" * 10_000)
            said = client.recv(12)
        except ConnectionError:
            said = b""
    assert said in {b"HTTP/1.1 400", b""}
    assert ask(address, "/short.txt").status == 200


def test_nonsense_behind_a_request_does_not_get_into_its_answer(address: str) -> None:
    with connected(address) as client:
        client.sendall(GET % b"large.bin" + b"nonsense\r\n\r\n")
        said = []
        while not is_closed(client):
            said.append(client.recv(1 << 16))
    assert b"Invalid HTTP" not in b"".join(said)


def test_a_reader_that_pauses_gets_the_rest(address: str) -> None:
    with connected(address) as client:
        client.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
        time.sleep(0.3)
        size = 0
        while part := client.recv(1 << 16):
            size += len(part)
    assert size > len(LARGE)


def test_an_answer_that_takes_its_time_is_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)

    def wait() -> None:
        time.sleep(0.5)

    probes = Probes(waits_for=wait, figures=lambda: pytest.fail("nobody asked"))
    site = Site(root, terms=TERMS, memory=MEMORY)
    with served_by(Desk(site, probes.for_all)) as address:
        assert ask(address, "/readyz").body == b"ready\n"


def test_a_file_that_changes_before_it_is_sent_is_sent_as_it_is(root: Path) -> None:
    site = Site(root, terms=TERMS, memory=MEMORY)
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    for name in ("short.txt", "missing"):
        asyncio.run(site._send_file((name,), {}, receive, send))
    statuses = [message["status"] for message in messages if "status" in message]
    assert statuses == [200, 404]
    assert messages[1]["body"] == b"0123456789"


def test_an_old_client_is_left_after_the_answer(address: str) -> None:
    ask(address, "/short.txt")
    said = read_all(address, b"GET /short.txt HTTP/1.0\r\n\r\n")
    assert said.endswith(b"0123456789")
    assert b"connection: close\r\n" in said


@pytest.mark.parametrize(
    "body", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"]
)
def test_a_body_is_read_and_means_nothing(address: str, body: bytes) -> None:
    said = read_all(address, b"GET /short.txt HTTP/1.1\r\nHost: localhost\r\n" + body + LAST)
    assert said.count(b"0123456789") == 2


def test_all_who_ask_at_once_are_answered(tmp_path: Path) -> None:
    write(tmp_path, "atom.xml", FEED * 1000)
    bodies: list[bytes] = []
    with served(tmp_path) as address:
        asking = [threading.Thread(target=lambda: bodies.append(ask(address, "/atom.xml").body)) for _ in range(20)]
        for each in asking:
            each.start()
        for each in asking:
            each.join(TIMEOUT)
    assert bodies == [FEED * 1000] * 20


def test_a_kept_connection_gets_what_is_known_again_and_again(address: str) -> None:
    with closing(HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT)) as client:
        for target, status in (("/atom.xml", 200), ("/missing", 404), ("/atom.xml", 200), ("/large.bin", 200)) * 3:
            client.request("GET", target)
            with client.getresponse() as response:
                response.read()
                assert response.status == status
