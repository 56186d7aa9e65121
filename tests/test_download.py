from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from web import Web, serving

from feeder.errors import FetchError
from feeder.fetch.web import Download, download

BODY = b"<feed>" + bytes(range(256)) * 1000 + b"</feed>"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def test_a_document_comes_as_it_is(web: Web) -> None:
    url = web.put("/feed.xml", BODY)
    assert download(url) == Download(url=url, body=BODY)
    [(_, headers)] = web.asked
    assert headers["User-Agent"].startswith("Feeder/")
    assert "Cookie" not in headers


def test_a_compressed_document_is_unpacked(web: Web) -> None:
    once = web.put("/once", gzip.compress(BODY), content_encoding="gzip")
    twice = web.put("/twice", gzip.compress(BODY) + gzip.compress(BODY), content_encoding="x-gzip")
    padded = web.put("/padded", gzip.compress(BODY) + b"\0" * 100_000, content_encoding="gzip")
    assert [download(url).body for url in (once, twice, padded)] == [BODY, BODY + BODY, BODY]


def test_redirects_are_followed_and_the_last_address_is_told(web: Web) -> None:
    end = web.put("/c", BODY)
    web.put("/b", status=308, location="/c")
    start = web.put("/a", status=302, location=f"{web.url}/b", set_cookie="seen=1; Path=/")
    assert download(start) == Download(url=end, body=BODY)
    assert [(path, headers.get("Cookie")) for path, headers in web.asked] == [("/a", None), ("/b", None), ("/c", None)]


def test_a_password_is_for_the_host_it_was_given_for(web: Web) -> None:
    with serving() as other:
        other.put("/b", BODY)
        web.put("/a", status=302, location=f"{other.url}/b")
        found = download(web.url.replace("://", "://me:secret@") + "/a")
        assert [headers.get("Authorization") for _, headers in web.asked] == ["Basic bWU6c2VjcmV0"]
        assert [headers.get("Authorization") for _, headers in other.asked] == [None]
    assert "secret" not in found.url


def test_a_proxy_of_the_environment_is_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert download(web.put("/a", BODY)).body == BODY


@pytest.mark.parametrize("status", [204, 304, 404, 410, 500, 503])
def test_any_other_answer_is_an_error_that_names_it(web: Web, status: int) -> None:
    url = web.put("/a", status=status)
    with pytest.raises(FetchError, match=rf"^{url}: answers {status} \w+"):
        download(url)


def test_an_error_never_shows_a_password(web: Web) -> None:
    with pytest.raises(FetchError) as refused:
        download(web.url.replace("://", "://me:secret@") + "/gone")
    assert str(refused.value) == f"{web.url}/gone: answers 404 Not Found"


def test_endless_redirects_end(web: Web) -> None:
    url = web.put("/a", status=301, location="/a")
    with pytest.raises(FetchError, match="leads through more than 5 redirects"):
        download(url)
    assert len(web.asked) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://["])
def test_a_redirect_out_of_the_web_is_an_error(web: Web, location: str) -> None:
    url = web.put("/a", status=302, location=location)
    with pytest.raises(FetchError, match=rf"^{url}: cannot be fetched: "):
        download(url)


@pytest.mark.parametrize("name", ["drip", "headers"])
def test_a_server_that_drips_does_not_hold_us(web: Web, name: str) -> None:
    is_over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        if name == "drip":
            request.send_response(200)
            request.end_headers()
        else:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not is_over.wait(0.01):
            request.wfile.write(b"x")

    url = web.let("/a", drip)
    try:
        with pytest.raises(FetchError, match=rf"^{url}: did not answer in full within 0\.3 s$"):
            download(url, deadline=0.3)
    finally:
        is_over.set()


def test_a_document_that_is_too_large_is_left(web: Web) -> None:
    url = web.put("/a", b"x" * (2 << 20))
    assert len(download(url, max_bytes=2 << 20).body) == 2 << 20
    with pytest.raises(FetchError, match="is larger than 1 MiB"):
        download(url, max_bytes=1 << 20)


def test_a_bomb_does_not_go_off(web: Web) -> None:
    zeros = gzip.compress(bytes(64 << 20))
    url = web.put("/a", zeros * 100, content_encoding="gzip")
    with pytest.raises(FetchError, match="is larger than 1 MiB"):
        download(url, max_bytes=1 << 20)


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        pytest.param(gzip.compress(BODY)[:-9], "gzip", "is cut short: its gzip has no end", id="cut"),
        pytest.param(b"", "gzip", "is cut short: its gzip has no end", id="nothing"),
        pytest.param(BODY, "gzip", "is no valid gzip", id="plain"),
        pytest.param(gzip.compress(BODY)[:-8] + b"\0" * 8, "gzip", "is no valid gzip", id="checksum"),
        pytest.param(b"x", "deflate", "is encoded as deflate, which was not asked for", id="deflate"),
        pytest.param(gzip.compress(b""), "gzip", "answers 200 OK with an empty body", id="empty"),
    ],
)
def test_what_cannot_be_unpacked_is_an_error(web: Web, body: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        download(web.put("/a", body, content_encoding=encoding))


def test_a_body_that_is_cut_short_is_an_error(web: Web) -> None:
    url = web.put("/a", b"half", content_length="8")
    with pytest.raises(FetchError, match=rf"^{url}: cannot be fetched: "):
        download(url)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/a"
        with pytest.raises(FetchError, match=rf"^{url}: cannot be fetched: \S"):
            download(url)


def test_a_server_without_tls_is_an_error(web: Web) -> None:
    web.put("/a", BODY)
    url = web.url.replace("http://", "https://") + "/a"
    with pytest.raises(FetchError, match=rf"^{url}: cannot be fetched: .*SSL"):
        download(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.org/feed.xml", "only http://"),
        ("file:///etc/passwd", "only http://"),
        ("http:///feed.xml", "only http://"),
        ("http://exa mple.org:x/", "is no URL"),
        ("http://example.org:port/", "is no URL"),
        ("http://me:secret@example.org:port/", r"^http://example\.org:port/: is no URL"),
    ],
)
def test_what_is_no_address_on_the_web_is_refused(url: str, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        download(url)
