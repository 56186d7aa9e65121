from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import zlib
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import Asked, Server, answer, talking

from feeder.errors import FetchError, Gone, Refused, ToldToWait
from feeder.fetch.decoding import Undecodable, decoder_of
from feeder.fetch.web import LARGE, Web
from feeder.model import Answer, Source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = b"<feed>" + bytes(range(256)) * 100 + b"</feed>"
LOOPBACK = ("127.0.0.0/8",)
PACKED = {"gzip": gzip.compress(BODY), "br": brotli.compress(BODY), "zstd": zstd.compress(BODY)}


def source(url: str | None, **fields: Any) -> Source:
    return Source(**{"name": "partner", "order": 0, "url": url, "allow_private": LOOPBACK, **fields})


def get(url: str, *, etag: str | None = None, last_modified: str | None = None, **fields: Any) -> Answer:
    async def asked() -> Answer:
        async with Web(spacing=0, contact="https://feeds.example.org/") as web:
            return await web.get(source(url, **fields), etag=etag, last_modified=last_modified)

    return asyncio.run(asked())


def failure(url: str, **fields: Any) -> FetchError:
    with pytest.raises(FetchError) as failed:
        get(url, **fields)
    return failed.value


def local(*names: str) -> Any:
    """Return a look-up that finds *names* on this computer, and nothing else."""

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return socket.getaddrinfo("127.0.0.1", port, **options)

    return look_up


# ---------------------------------------------------------------- a good answer


def test_an_answer_is_told_as_it_came(server: Server) -> None:
    url = server.put(
        "/f",
        BODY,
        content_type="Application/RSS+XML; charset=GBK",
        etag='W/"ä b"',
        last_modified="sometime",
        cache_control="max-age=60",
        link='</hub>; rel="hub"',
    )
    assert get(url) == Answer(
        status=200,
        url=url,
        body=BODY,
        media_type="application/rss+xml",
        charset="gbk",
        etag='W/"ä b"',
        last_modified="sometime",
        fresh_for=timedelta(minutes=1),
        links=(("hub", f"{server.url}/hub"),),
    )


def test_a_request_says_who_asks_and_nothing_else(server: Server) -> None:
    get(server.put("/f?a=%7E%2f+b", BODY, set_cookie="a=b"))
    get(server.url + "/f?a=%7E%2f+b#part")
    for asked in server.log:
        assert (asked.method, asked.target) == ("GET", "/f?a=%7E%2f+b")
        assert asked.headers.pop("user-agent").endswith(" (+https://feeds.example.org/)")
        assert asked.headers.pop("accept").startswith("application/atom+xml, ")
        assert asked.headers == {
            "host": f"127.0.0.1:{server.port}",
            "accept-encoding": "gzip, br, zstd",
            "connection": "close",
        }


def test_validators_go_back_byte_for_byte(server: Server) -> None:
    url = server.put("/f", status=304, etag='"new"', cache_control="max-age=5")
    found = get(url, etag='W/"ä, b"', last_modified="Tomorrow  morning")
    assert (found.status, found.body, found.etag, found.fresh_for) == (304, b"", '"new"', timedelta(seconds=5))
    [asked] = server.log
    assert asked.headers["if-none-match"].encode("latin-1") == 'W/"ä, b"'.encode()
    assert asked.headers["if-modified-since"] == "Tomorrow  morning"


def test_a_validator_that_cannot_be_sent_back_is_none(server: Server) -> None:
    url = server.say("/f", b"HTTP/1.1 200 OK\r\nETag: \xff\r\nLast-Modified: " + b"x" * 5000 + b"\r\n\r\nbody")
    found = get(url)
    assert (found.etag, found.last_modified, found.body) == (None, None, b"body")


@pytest.mark.parametrize("coding", PACKED)
def test_a_coding_is_undone(server: Server, coding: str) -> None:
    assert get(server.put("/f", PACKED[coding], content_encoding=coding)).body == BODY


def test_a_body_may_come_in_chunks_or_until_the_end(server: Server) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = server.say("/chunks", chunks, b"4;x=y\r\nfour\r\n", b"5\r\n five\r\n", b"0\r\nTrailer: t\r\n\r\n")
    until = server.say("/until", b"HTTP/1.0 200 OK\r\n\r\n", b"four", b" five")
    early = server.say("/early", b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n", answer(b"four five"))
    assert [get(url).body for url in (whole, until, early)] == [b"four five"] * 3


# ---------------------------------------------------------------- answers that are none


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (204, "answers 204 No Content"),
        (206, "answers 206 Partial Content"),
        (300, "answers 300 Multiple Choices"),
        (304, "answers 304 Not Modified, though no condition was sent"),
        (401, "answers 401 Unauthorized"),
        (500, "answers 500 Internal Server Error"),
        (599, "answers 599"),
    ],
)
def test_any_other_status_is_named(server: Server, status: int, reason: str) -> None:
    error = failure(server.put("/f", status=status))
    assert isinstance(error, Refused)
    assert (error.status, error.reason) == (status, reason)


def test_what_is_gone_for_good_is_told_apart(server: Server) -> None:
    gone = server.put("/gone", status=410)
    moved = server.put("/moved", status=301, location="/gone")
    lent = server.put("/lent", status=302, location="/gone")
    assert [type(failure(url)) for url in (gone, moved, lent)] == [Gone, Gone, Refused]


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"retry_after": "90"}, timedelta(seconds=90)),
        (503, {"retry_after": "90"}, timedelta(seconds=90)),
        (
            503,
            {"retry_after": "Thu, 01 Jan 2026 01:00:00 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            timedelta(hours=1),
        ),
        (503, {"retry_after": "Wed, 01 Jan 2199 00:00:00 GMT"}, timedelta(hours=24)),
        (429, {"retry_after": "later"}, None),
        (429, {}, None),
    ],
)
def test_a_server_may_ask_to_be_left_alone(
    server: Server, status: int, headers: dict[str, str], wait: timedelta | None
) -> None:
    error = failure(server.say("/f", answer(b"", status=status, **headers)))
    assert isinstance(error, ToldToWait)
    assert error.retry_after == wait


def test_a_body_that_belongs_to_no_answer_is_not_read(server: Server) -> None:
    head, body = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", b"body" + answer(b"another")

    async def apart(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await asyncio.sleep(0.1)
        writer.write(body)

    async def together(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head + body if "if-none-match" in asked.headers else answer(BODY))

    apart_url, together_url = server.let("/apart", apart), server.let("/together", together)
    assert [get(url, etag='"a"').status for url in (apart_url, together_url)] == [304, 200]
    assert server.targets == ["/apart", "/together", "/together"]  # asked again, without a condition
    assert failure(server.say("/never", head + body), etag='"a"').reason.startswith("cannot be fetched: ")
    assert len(server.log) == 5


def test_an_empty_body_is_a_failure(server: Server) -> None:
    assert failure(server.put("/f")).reason == "answers 200 OK with an empty body"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "cannot be fetched: the server closed the connection before it had answered"),
        (b"HTTP/1.1 200", "cannot be fetched: the server closed the connection before it had answered"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "cannot be fetched: the answer is no proper HTTP: "),
        (b"\x16\x03\x01\x02\x00", "cannot be fetched: the answer is no proper HTTP: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "cannot be fetched: the body is not whole: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhalf", "cannot be fetched: the answer is no proper HTTP: "),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
            "cannot be fetched: the body is not whole: ",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\nsecret\r\n",
            "cannot be fetched: ",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20), "cannot be fetched: the answer is no proper HTTP: "),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "cannot be fetched: the answer is no proper HTTP: "),
        (b"HTTP/1.1 302 Found\r\nLocation: /a\rb\r\n\r\n", "cannot be fetched: the answer is no proper HTTP: "),
    ],
    ids=["nothing", "start", "ssh", "tls", "short", "length", "chunks", "chunk", "header", "headers", "return"],
)
def test_what_is_no_http_is_a_failure(server: Server, said: bytes, reason: str) -> None:
    error = failure(server.say("/f", said))
    assert error.reason.startswith(reason)
    assert "secret" not in error.reason
    assert len(error.reason) < 400


def test_a_chunk_that_is_none_is_a_failure_at_once(server: Server) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"

    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await asyncio.sleep(0.1)
        writer.write(b"five\r\n")
        await asyncio.sleep(10)

    error = failure(server.let("/f", speak), timeout=timedelta(seconds=10))
    assert error.reason == "cannot be fetched: the body is not whole: it is no proper HTTP"


def test_a_reset_is_a_failure(server: Server) -> None:
    async def reset(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()
        opened: socket.socket = writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    assert failure(server.let("/f", reset)).reason.startswith("cannot be fetched: ")


WORDS = st.sampled_from(
    [
        b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/2 ", b"200 OK", b"304 Not Modified", b"301 Moved", b"103 Hints", b"101 Switch",
        b"999", b"0", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b": ", b"Location: ", b"/g", b"//[", b"http://\xff/", b"Content-Length: ",
        b"-1", b"5", b"99999999999999999999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Content-Encoding: ",
        b"gzip", b"br", b"zstd", b"identity", b"Content-Type: ", b"text/html;charset=", b"Retry-After: ", b"Cache-Control: max-age=",
        b"ETag: ", b"Link: <", b">; rel=next", b"Upgrade: h2c", b"Connection: upgrade", b"Connection: close", b"body", b"\0", b"\xff",
    ]
)  # fmt: skip


def test_whatever_is_said_ends_in_an_answer_or_a_failure(server: Server) -> None:
    server.put("/g", BODY)

    async def ask(web: Web) -> Answer:
        return await web.get(source(server.url + "/f", timeout=timedelta(seconds=5)), etag='"a"')

    with asyncio.Runner() as runner:
        web = runner.run(opened())

        @given(
            start=st.sampled_from(
                [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
            ),
            said=st.lists(st.lists(WORDS | st.binary(max_size=9), max_size=12).map(b"".join), max_size=4),
        )
        def law(start: bytes, said: list[bytes]) -> None:
            server.say("/f", start, *said)
            try:
                found = runner.run(ask(web))
            except FetchError:
                return
            assert (found.status == 200) == bool(found.body)

        law()
        runner.run(web.__aexit__(None, None, None))


async def opened() -> Web:
    return Web(spacing=0)


# ---------------------------------------------------------------- codings


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", gzip.compress(PACKED["gzip"])[:-1], "is cut short: its gzip has no end"),
        ("gzip, gzip", gzip.compress(PACKED["gzip"]), "is encoded more than once: gzip, gzip"),
        ("br, gzip", b"x", "is encoded more than once: br, gzip"),
        ("gzip", BODY, "is no valid gzip"),
        ("gzip", zlib.compress(BODY), "is no valid gzip"),
        ("gzip", PACKED["gzip"][:-4] + b"\0\0\0\0", "is no valid gzip"),
        ("br", PACKED["br"][:-1], "is cut short: its br has no end"),
        ("br", BODY, "is no valid br"),
        ("br", PACKED["br"] + b"more", "is no valid br"),
        ("zstd", PACKED["zstd"][:-1], "is cut short: its zstd has no end"),
        ("zstd", BODY, "is no valid zstd"),
        ("zstd", PACKED["zstd"] + b"more", "is no valid zstd"),
        ("deflate", zlib.compress(BODY), "is encoded as deflate, which was not asked for"),
        ("x\x1b[31m", b"x", r"is encoded as x\x1b[31m, which was not asked for"),
    ],
)
def test_a_coding_that_lies_is_a_failure(server: Server, coding: str, body: bytes, reason: str) -> None:
    assert failure(server.put("/f", body, content_encoding=coding)).reason.startswith(reason)


@pytest.mark.parametrize("coding", PACKED)
@given(st.data())
def test_a_stream_is_read_alike_however_it_is_cut(coding: str, data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=200)) * data.draw(st.integers(1, 2000))
    pack = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}[coding]
    packed = pack(body)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=5)))
    decoder = decoder_of(coding)
    read = b""
    for start, end in zip([0, *cuts], [*cuts, len(packed)], strict=True):
        read += b"".join(decoder.feed(packed[start:end]))
    decoder.end()
    assert read == body

    cut = decoder_of(coding)
    assert body.startswith(b"".join(cut.feed(packed[: data.draw(st.integers(0, len(packed) - 1))])))
    with pytest.raises(Undecodable, match="cut short"):
        cut.end()


@pytest.mark.parametrize("coding", PACKED)
def test_what_is_packed_comes_in_small_pieces(coding: str) -> None:
    zeros = bytes(8 << 20)
    packed = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}[coding](zeros)
    decoder = decoder_of(coding)
    pieces = list(decoder.feed(packed))
    decoder.end()
    assert b"".join(pieces) == zeros
    assert max(map(len, pieces)) <= 256 << 10


def test_streams_may_follow_each_other() -> None:
    for coding, end in (("gzip", b"\0" * 99), ("gzip", b""), ("zstd", b"\x50\x2a\x4d\x18\x02\0\0\0xx"), ("zstd", b"")):
        decoder = decoder_of(coding)
        read = [piece for part in (PACKED[coding], PACKED[coding] + end, end) for piece in decoder.feed(part)]
        decoder.end()
        assert b"".join(read) == BODY * 2


@given(st.binary(max_size=300), st.sampled_from(["gzip", "br", "zstd", "identity", None]))
def test_garbage_is_refused_and_raises_nothing_else(body: bytes, coding: str | None) -> None:
    decoder = decoder_of(coding)
    try:
        read = b"".join(decoder.feed(body))
        decoder.end()
    except Undecodable:
        return
    assert len(read) < 1 << 20


BOMBS = """
    import asyncio, resource, sys
    from feeder.errors import FetchError
    from feeder.fetch.web import Web
    from feeder.model import Source

    async def main():
        async with Web(spacing=0) as web:
            for url in sys.argv[1:]:
                try:
                    await web.get(Source(name="a", order=0, url=url, allow_private=("127.0.0.0/8",)))
                except FetchError as error:
                    print(error.reason)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    asyncio.run(main())
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_bombs_do_not_go_off(server: Server) -> None:
    zeros = bytes(1 << 20)
    packer = brotli.Compressor(quality=9)
    brotlied = b"".join(packer.process(zeros) for _ in range(1024)) + packer.finish()
    bombs = {"gzip": gzip.compress(zeros) * 1024, "br": brotlied, "zstd": zstd.compress(zeros) * 1024}
    assert len(brotlied) < 10_000
    urls = [server.put(f"/{coding}", bomb, content_encoding=coding) for coding, bomb in bombs.items()]
    wide = zstd.compress(zeros * 64, options={zstd.CompressionParameter.window_log: 26})
    nothing = b"\0\0\0\xff\xff" * (4 << 20)  # 20 MiB of deflate without a byte in it
    urls += [
        server.put("/wide", wide, content_encoding="zstd"),
        server.put("/none", b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + nothing, content_encoding="gzip"),
        server.drip("/endless", b"HTTP/1.1 200 OK\r\n\r\n", zeros, pause=0),
        server.drip(
            "/chunks",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1000\r\n" + zeros[:4096] + b"\r\n",
            pause=0,
        ),
    ]
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOMBS), *urls], check=True, capture_output=True, text=True, timeout=120
    )
    *reasons, grown = child.stdout.split("\n")[:-1]
    large = "is larger than 15 MiB"
    assert reasons == [large, large, large, "is no valid zstd", large, large, large]
    assert int(grown) < 100  # MiB


def test_a_large_body_comes_whole_and_no_larger(server: Server) -> None:
    noise = os.urandom(3 << 20)
    plain, packed = server.put("/a", noise), server.put("/b", gzip.compress(noise), content_encoding="gzip")
    assert [get(url, max_size=len(noise)).body == noise for url in (plain, packed)] == [True, True]
    assert failure(plain, max_size=2 << 20).reason == "is larger than 2 MiB"
    assert failure(packed, max_size=1000).reason == "is larger than 1000 bytes"


def test_large_bodies_wait_for_each_other_and_not_for_their_deadline(server: Server) -> None:
    body = os.urandom(LARGE + 100)

    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(body)[:-10])
        await asyncio.sleep(0.5)
        writer.write(body[-10:])

    names = [f"{number}.test" for number in range(20)]

    async def all_of_them() -> list[int]:
        async with Web(spacing=0, look_up=local(*names)) as web:
            wanted = [
                web.get(source(f"http://{name}:{server.port}/f", timeout=timedelta(seconds=2.2))) for name in names
            ]
            return [len(found.body) for found in await asyncio.gather(*wanted)]

    server.let("/f", slow)
    assert asyncio.run(all_of_them()) == [len(body)] * 20  # four at a time, half a second each


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: x\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + PACKED["gzip"][:10], b"\0\0\0\xff\xff"),
    ],
    ids=["silence", "no-http", "header", "headers", "continue", "body", "chunks", "trailers", "packed"],
)
def test_one_deadline_is_around_all_of_it(server: Server, start: bytes, drop: bytes) -> None:
    error = failure(server.drip("/f", start, drop), timeout=timedelta(seconds=0.4))
    # Some of these end sooner, for what they say.
    assert error.reason.startswith(
        ("did not answer in full within 0.4 s", "cannot be fetched: the answer is no proper")
    )


def test_redirects_share_the_deadline(server: Server) -> None:
    async def slowly(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.25)
        writer.write(answer(status=302, location=asked.target))

    error = failure(server.let("/f", slowly), timeout=timedelta(seconds=0.6))
    assert error.reason.startswith("did not answer in full within 0.6 s (at ")
    assert len(server.log) <= 3


def test_a_host_that_hangs_keeps_nobody_else_waiting(server: Server) -> None:
    server.drip("/slow", b"", b"")
    server.put("/good", BODY)
    names = [f"{number}.test" for number in range(50)]

    async def poll() -> bytes:
        async with Web(spacing=0, look_up=local(*names, "good.test")) as web:
            wanted = (web.get(source(f"http://{name}:{server.port}/slow")) for name in names)
            slow = [asyncio.create_task(task) for task in wanted]
            await asyncio.sleep(0)
            good = await web.get(source(f"http://good.test:{server.port}/good"))
            assert not any(task.done() for task in slow)
            for task in slow:
                task.cancel()
            await asyncio.wait(slow)
            return good.body

    assert asyncio.run(poll()) == BODY


def test_a_look_up_that_hangs_is_within_the_deadline_and_bounded(server: Server) -> None:
    calls: list[str] = []
    is_over = threading.Event()

    def hang(host: str, port: int, **options: Any) -> list[Any]:
        calls.append(host)
        if host == "good.test":
            return socket.getaddrinfo("127.0.0.1", port, **options)
        is_over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    server.put("/f", BODY)

    async def ask() -> tuple[list[str], bytes, int]:
        async with Web(spacing=0, limit=1000, look_up=hang) as web:
            brief = timedelta(seconds=0.3)
            wanted = [web.get(source(f"http://{number}.test/", timeout=brief)) for number in range(200)]
            errors = [str(error) for error in await asyncio.gather(*wanted, return_exceptions=True)]
            hung = len(calls)
            is_over.set()
            good = await web.get(source(f"http://good.test:{server.port}/f"))
            return errors, good.body, hung

    errors, body, hung = asyncio.run(ask())
    assert all("did not answer in full within 0.3 s" in error for error in errors)
    assert (hung, body) == (64, BODY)


def test_a_look_up_without_a_thread_is_a_failure(server: Server) -> None:
    url = server.put("/f", BODY).replace("127.0.0.1", "a.test")
    usual = threading.stack_size()

    async def ask() -> bytes:
        async with Web(spacing=0, look_up=local("a.test")) as web:
            await web.get(source(server.url + "/f"))  # so that no other thread is still to be started
            threading.stack_size(1 << 46)  # as much as no computer has
            for _ in range(100):  # more often than there are threads
                with pytest.raises(FetchError, match="the system has no thread for a look-up"):
                    await web.get(source(url))
            threading.stack_size(usual)
            return (await web.get(source(url))).body

    try:
        assert asyncio.run(ask()) == BODY
    finally:
        threading.stack_size(usual)


def test_a_fetch_that_is_called_off_ends_at_once(server: Server) -> None:
    is_asked = threading.Event()

    async def drip(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nx")
        is_asked.set()
        await asyncio.sleep(60)

    server.let("/f", drip)

    async def call_off() -> bool:
        async with Web(spacing=0) as web:
            task = asyncio.create_task(web.get(source(server.url + "/f")))
            await asyncio.to_thread(is_asked.wait)
            task.cancel()
            await asyncio.wait([task], timeout=5)
            return task.cancelled()

    assert asyncio.run(call_off())


# ---------------------------------------------------------------- redirects


def test_a_move_is_told_as_far_as_it_is_for_good(server: Server) -> None:
    end = server.put("/end", BODY)
    server.put("/308", status=308, location="/end")
    server.put("/302", status=302, location="/308")
    for status in (301, 302, 303, 307):
        server.put(f"/to-308-by-{status}", status=status, location="308")
    server.put("/to-302", status=301, location=f"//127.0.0.1:{server.port}/302")
    found = {path: get(server.url + path) for path in ("/end", "/308", "/302", "/to-308-by-301", "/to-302")}
    assert {path: (answer.url, answer.moved_to) for path, answer in found.items()} == {
        "/end": (end, None),
        "/308": (end, end),
        "/302": (end, None),
        "/to-308-by-301": (end, end),
        "/to-302": (end, f"{server.url}/302"),
    }
    assert [get(f"{server.url}/to-308-by-{status}").moved_to for status in (302, 303, 307)] == [None] * 3


def test_five_redirects_are_followed_and_no_sixth(server: Server) -> None:
    for number in range(50):
        server.put(f"/{number}", status=302, location=f"/{number + 1}")
    server.put("/50", BODY)
    assert get(server.url + "/45").body == BODY
    assert len(server.log) == 6
    server.log.clear()
    assert failure(server.url + "/40").reason == "leads through more than 5 redirects"
    assert server.targets == [f"/{number}" for number in range(40, 46)]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("", "answers 302 Found and does not say where to"),
        ("file:///etc/passwd", "cannot be fetched: it leads out of the web, to neither http://… nor https://…"),
        ("gopher://127.0.0.1/", "cannot be fetched: it leads out of the web, to neither http://… nor https://…"),
        ("javascript:alert(1)", "cannot be fetched: it leads out of the web, to neither http://… nor https://…"),
        ("http://./", "cannot be fetched: "),
        ("http://[", "cannot be fetched: it leads "),
        ("http://a%00b/", "cannot be fetched: it leads out of the web"),
        ("http://a:b:c/", "cannot be fetched: it leads to what is no URL"),
        (
            "http://10.0.3.7/",
            "cannot be fetched: 10.0.3.7 is not a public address, and allow_private does not open it (at http://10.0.3.7/)",
        ),
        (
            "http://169.254.169.254/latest",
            "cannot be fetched: 169.254.169.254 is not a public address, and allow_private does not open it (at ",
        ),
        ("http://[::1]/", "cannot be fetched: ::1 is not a public address, and allow_private does not open it (at "),
        ("http://[::ffff:10.0.3.7]/", "cannot be fetched: ::ffff:"),  # Pythons write the rest of it in two ways
        ("http://2130706433/", "cannot be fetched: its host is no proper name or address (at "),
        ("http://0177.0.0.1/", "cannot be fetched: it leads to what is no URL"),
        ("http://127.1/", "cannot be fetched: its host is no proper name or address (at "),
        ("http://0x7f.1/", "cannot be fetched: "),
        (
            "http://inside.test/",
            "cannot be fetched: 10.0.3.7 is not a public address, and allow_private does not open it (at ",
        ),
    ],
)
def test_a_redirect_to_where_it_must_not_lead_is_refused(server: Server, location: str, reason: str) -> None:
    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        return socket.getaddrinfo("10.0.3.7" if host == "inside.test" else host, port, **options)

    async def ask() -> None:
        async with Web(spacing=0, look_up=look_up) as web:
            await web.get(source(server.put("/f", status=302, location=location), allow_private=("127.0.0.1/32",)))

    with pytest.raises(FetchError) as refused:
        asyncio.run(ask())
    assert refused.value.where == server.url + "/f"
    assert refused.value.reason.startswith(reason)


def test_no_location_and_one_that_is_no_text_are_failures(server: Server) -> None:
    none = server.say("/none", b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n")
    bytes_ = server.say("/bytes", b"HTTP/1.1 301 Moved\r\nLocation: /\xff\r\nContent-Length: 0\r\n\r\n")
    for url in (none, bytes_):
        assert failure(url).reason == "answers 301 Moved Permanently and does not say where to"


# ---------------------------------------------------------------- the guard


def test_this_computer_is_closed_by_default(server: Server) -> None:
    url = server.put("/f", BODY)
    assert (
        failure(url, allow_private=()).reason
        == "cannot be fetched: 127.0.0.1 is not a public address, and allow_private does not open it"
    )
    named = url.replace("127.0.0.1", "localhost")
    assert "is not a public address" in failure(named, allow_private=()).reason
    assert failure(url, allow_private=("127.0.0.2/32",)).reason.endswith("allow_private does not open it")
    assert (server.log, server.connections) == ([], 0)


def test_the_address_that_is_used_is_the_one_that_is_checked(server: Server) -> None:
    server.put("/f", BODY)
    addresses = iter(["127.0.0.1", "10.0.3.7", "127.0.0.1"])

    def rebind(_: str, port: int, **options: Any) -> list[Any]:
        return socket.getaddrinfo(next(addresses), port, **options)

    async def ask() -> list[str | int]:
        async with Web(spacing=0, look_up=rebind) as web:
            wanted = source(f"http://rebind.test:{server.port}/f", allow_private=("127.0.0.1/32",))
            told: list[str | int] = []
            for _ in range(3):
                try:
                    told.append((await web.get(wanted)).status)
                except FetchError as error:
                    told.append(error.reason)
            return told

    assert asyncio.run(ask()) == [
        200,
        "cannot be fetched: 10.0.3.7 is not a public address, and allow_private does not open it",
        200,
    ]


def test_the_next_address_is_tried(server: Server) -> None:
    server.put("/f", BODY)

    def several(_: str, port: int, **options: Any) -> list[Any]:
        return [
            info
            for address in ("10.0.3.7", "127.0.0.2", "127.0.0.1")  # closed, deaf, good
            for info in socket.getaddrinfo(address, port, **options)
        ]

    async def ask(**fields: Any) -> Answer:
        async with Web(spacing=0, look_up=several) as web:
            return await web.get(source(f"http://several.test:{server.port}/f", **fields))

    assert asyncio.run(ask()).body == BODY
    with pytest.raises(FetchError, match=r"127\.0\.0\.\d is not a public address"):
        asyncio.run(ask(allow_private=()))


@pytest.mark.parametrize("name", ["missing.test", "a..test", "x" * 64 + ".test"])
def test_a_name_without_an_address_is_told(name: str) -> None:
    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        if host == "missing.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return socket.getaddrinfo(host, port, **options)

    async def ask() -> None:
        async with Web(look_up=look_up) as web:
            await web.get(source(f"http://{name}/"))

    with pytest.raises(FetchError, match=r"its name leads nowhere: |is no URL"):
        asyncio.run(ask())


def test_a_network_that_is_none_is_told(server: Server) -> None:
    error = failure(server.put("/f", BODY), allow_private=("intranet",))
    assert error.reason == 'allow_private: "intranet" is no network of addresses'


# ---------------------------------------------------------------- secrets


def test_credentials_are_sent_and_never_shown(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTNER", "me:sesame")
    monkeypatch.setenv("COOKIE", "session=sesame")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "token").write_text("sesame\n")
    url = server.put("/f", BODY)
    get(
        url,
        auth="basic:env:PARTNER",
        cookies="env:COOKIE",
        headers=(("X-Key", "credential:token"), ("X-Own", "väl: ue")),
    )
    get(url, auth="bearer:credential:token", headers=(("User-Agent", "Other/1"),))
    first, second = (asked.headers for asked in server.log)
    assert first["authorization"] == "Basic bWU6c2VzYW1l"
    assert first["cookie"] == "session=sesame"
    assert first["x-key"] == "sesame"
    assert first["x-own"].encode("latin-1").decode() == "väl: ue"
    assert (second["authorization"], second["user-agent"]) == ("Bearer sesame", "Other/1")

    echo = server.say("/echo", b"HTTP/1.1 401 sesame\r\nWWW-Authenticate: sesame\r\n\r\nsesame")
    broken = server.say("/broken", b"HTTP/1.1 200 OK\r\nsesame sesame\r\n\r\n")
    for wrong in (echo, broken):
        assert "sesame" not in failure(wrong, auth="basic:env:PARTNER").reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"auth": "basic:env:NOBODY"}, 'the secret "env:NOBODY" is not in the environment'),
        ({"cookies": "credential:no"}, 'the secret "credential:no" is not in $CREDENTIALS_DIRECTORY, or is no text'),
        ({"cookies": "credential:../up"}, 'the secret "credential:../up" is not in $CREDENTIALS_DIRECTORY'),
        ({"cookies": "credential:.."}, 'the secret "credential:.." is not in $CREDENTIALS_DIRECTORY'),
        ({"cookies": "credential:binary"}, 'the secret "credential:binary" is not in $CREDENTIALS_DIRECTORY'),
        ({"auth": "digest:env:PARTNER"}, 'auth must begin with "basic:" or "bearer:"'),
        ({"auth": "bearer:env:LINES"}, "auth holds a line break or another character that cannot be sent"),
        ({"headers": (("X-A", "env:LINES"),)}, 'the header "X-A" holds a line break'),
        ({"headers": (("X A\n", "a"),)}, "'X A\\n' is no name of a header"),
        ({"headers": (("X-A", "a\ud800"),)}, 'the header "X-A" holds a line break or another character'),
        ({"proxy": "http://me:sesame@far.test:x"}, "the proxy is no http://… or https://… address"),
        ({"proxy": "socks5://far.test"}, "the proxy is no http://… or https://… address"),
        ({"proxy": "env:NOBODY"}, 'the secret "env:NOBODY" is not in the environment'),
    ],
)
def test_a_secret_that_cannot_be_sent_is_named(
    fields: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "in"))
    monkeypatch.setenv("LINES", "sesame\nX-Other: open")
    (tmp_path / "in").mkdir()
    (tmp_path / "up").write_text("sesame")
    (tmp_path / "in" / "binary").write_bytes(b"\xff")
    error = failure("http://127.0.0.1:1/", **fields)
    assert error.reason.startswith(reason)
    assert "sesame" not in str(error)


def test_without_systemd_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "is not in $CREDENTIALS_DIRECTORY" in failure("http://127.0.0.1:1/", cookies="credential:a").reason


def test_credentials_stay_at_their_host(server: Server) -> None:
    secret: dict[str, Any] = {"auth": "bearer:sesame", "cookies": "sesame", "headers": (("X-Key", "sesame"),)}
    with talking() as other:
        other.put("/there", BODY)
        other.put("/back", status=302, location=f"{server.url}/here")
        server.put("/here", BODY)
        server.put("/f", status=302, location="/g")
        server.put("/g", status=302, location=f"http://me:sesame@127.0.0.1:{other.port}/there")
        server.put("/round", status=302, location=f"{other.url}/back")
        assert get(server.url + "/f", **secret).url == f"{other.url}/there"
        get(server.url + "/round", **secret)
        assert ["sesame" in str(asked.headers) for asked in server.log] == [True, True, True, False]
        assert ["sesame" in str(asked.headers) for asked in other.log] == [False, False]


def test_credentials_are_for_the_address_of_the_source_alone(server: Server) -> None:
    async def ask(home: str | None) -> None:
        async with Web(spacing=0) as web:
            for path in ("/a", "/b"):
                await web.get(source(home, auth="bearer:sesame"), url=server.put(path, BODY))

    with talking() as other:
        for home in (server.url + "/f", other.url + "/f", None):
            asyncio.run(ask(home))
    assert ["authorization" in asked.headers for asked in server.log] == [True, True, False, False, True, True]


def test_a_password_in_an_address_is_sent_and_never_shown(server: Server) -> None:
    server.put("/f", BODY)
    url = server.url.replace("//", "//me:s%40me@")
    assert get(url + "/f").url == server.url + "/f"
    assert server.log[0].headers["authorization"] == "Basic bWU6c0BtZQ=="
    assert failure(url + "/gone").where == server.url + "/gone"


# ---------------------------------------------------------------- https and proxies


def certificate(folder: Path) -> tuple[Path, Path]:
    key, known = folder / "key.pem", folder / "known.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=feeds.test"
    names = "subjectAltName=DNS:feeds.test,IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", names, "-keyout", str(key), "-out", str(known)], check=True, capture_output=True
    )
    return key, known


def test_https_is_checked_against_the_authorities_of_the_source(tmp_path: Path) -> None:
    key, known = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(known, key)
    with talking(tls) as server, talking() as plain:
        url = server.put("/f", BODY)
        down = server.put("/down", status=301, location=plain.put("/f", BODY))
        assert url.startswith("https://")
        assert get(url, tls_ca=known).body == BODY
        assert failure(url).reason.startswith("cannot be fetched: SSL: ")
        assert failure(url.replace("127.0.0.1", "localhost"), tls_ca=known, allow_private=("127.0.0.1/32", "::1/128"))
        assert get(down, tls_ca=known).body == BODY
        assert failure(down, tls_ca=known, auth="bearer:sesame").reason == (
            "leads from https to http, which would show what is secret"
        )
        up = plain.put("/up", status=301, location=url)
        assert get(up, tls_ca=known, headers=(("X-Key", "sesame"),)).moved_to == url
        assert "x-key" not in server.log[-1].headers


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_authorities_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_bytes(content)
    assert failure("https://127.0.0.1:1/", tls_ca=file).reason.startswith(f"tls_ca: {file} cannot be used: ")


def test_a_proxy_is_asked_in_place_of_the_host(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put("http://far.test/f", BODY)
    monkeypatch.setenv("PROXY", server.url.replace("//", "//me:sesame@"))
    assert get("http://far.test/f", proxy=server.url, allow_private=()).body == BODY
    assert get("http://far.test/f", proxy="env:PROXY", allow_private=()).body == BODY
    assert [asked.headers.get("proxy-authorization") for asked in server.log] == [None, "Basic bWU6c2VzYW1l"]
    assert failure("https://far.test/f", proxy=server.url).reason == "cannot be fetched: the proxy answers 404"


def test_https_goes_through_a_proxy_unseen(tmp_path: Path) -> None:
    key, known = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(known, key)
    asked: list[bytes] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1 << 16):
                writer.write(part)
        writer.close()
        await asyncio.sleep(0)

    async def ask(server: Server) -> Answer:
        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))
            is_over.set()

        is_over = asyncio.Event()
        async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as proxy, Web(spacing=0) as web:
            address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            url = f"https://feeds.test:{server.port}/f"
            found = await web.get(source(url, proxy=address, tls_ca=known, auth="bearer:sesame", allow_private=()))
            await is_over.wait()
            return found

    with talking(tls) as server:
        server.put("/f", BODY)
        assert asyncio.run(ask(server)).body == BODY
        assert server.log[0].headers["authorization"] == "Bearer sesame"
    assert asked[0].startswith(f"CONNECT feeds.test:{server.port} ".encode())
    assert b"sesame" not in asked[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "2130706433", "127.1", "169.254.169.254"])
def test_no_proxy_leads_around_the_guard(server: Server, host: str) -> None:
    error = failure(f"http://{host}/f", proxy=server.url, allow_private=())
    assert error.reason.endswith("allow_private does not open it")
    assert server.log == []


def test_a_server_that_is_not_there_is_said_to_refuse() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{nobody.getsockname()[1]}/feed.xml")
    assert error.reason == "cannot be fetched: Connection refused"


def test_a_proxy_that_is_not_there_is_told() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = f"http://me:sesame@127.0.0.1:{nobody.getsockname()[1]}"
        error = failure("http://far.test/f", proxy=proxy)
    assert error.reason.startswith("cannot be fetched: the proxy cannot be reached: ")
    assert "sesame" not in str(error)


# ---------------------------------------------------------------- turns


def test_a_host_is_asked_one_thing_at_a_time_with_a_rest_between(server: Server) -> None:
    spacing, names = 0.4, ("a.test", "b.test", "c.test")

    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(answer(BODY))

    async def poll() -> None:
        async with Web(spacing=spacing, look_up=local(*names)) as web:
            # Their turns are no part of their time: the last of a host begins later than that.
            brief = timedelta(seconds=1)
            wanted = [web.get(source(f"http://{name}:{server.port}/f", timeout=brief)) for name in names * 4]
            await asyncio.gather(*wanted)
            assert web._turns._hosts
            await asyncio.sleep(2 * spacing)
            assert not web._turns._hosts

    server.let("/f", slow)
    asyncio.run(poll())
    assert len(server.log) == 12
    for name in names:
        of_host = [asked for asked in server.log if asked.headers["host"] == f"{name}:{server.port}"]
        rests = [later.began - earlier.began for earlier, later in pairwise(of_host)]
        assert len(rests) == 3
        assert min(rests) >= spacing
        assert all((earlier.ended or 0) <= later.began for earlier, later in pairwise(of_host))
    firsts = [asked.headers["host"] for asked in server.log[:3]]
    assert len(set(firsts)) == 3  # the rest of the world does not wait


def test_no_more_are_asked_at_once_than_the_limit(server: Server) -> None:
    names = [f"{number}.test" for number in range(12)]

    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(answer(BODY))

    async def poll() -> None:
        async with Web(spacing=0, limit=3, look_up=local(*names)) as web:
            await asyncio.gather(*(web.get(source(f"http://{name}:{server.port}/f")) for name in names))

    server.let("/f", slow)
    asyncio.run(poll())
    for asked in server.log:
        assert sum(other.began <= asked.began < (other.ended or 0) for other in server.log) <= 3


def test_a_redirect_within_a_host_waits_for_its_turn(server: Server) -> None:
    server.put("/f", status=301, location="/g")
    server.put("/g", BODY)

    async def ask() -> None:
        async with Web(spacing=1) as web:
            await web.get(source(server.url + "/f", timeout=timedelta(seconds=0.9)))

    asyncio.run(ask())
    first, second = server.log
    assert second.began - first.began >= 1


@pytest.mark.parametrize("url", [None, "", "ftp://example.org/f", "http://", "http://exa mple:x/"])
def test_a_source_without_an_address_on_the_web_is_refused(url: str | None) -> None:
    with pytest.raises(FetchError, match=r"is no URL|only http://"):
        get(url or "")


def test_a_secret_that_a_server_repeats_in_a_redirect_is_neither_told_nor_remembered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "open%sesame")
    repeated = "token=open%25sesame"
    moved = server.put("/moved", status=301, location=f"/f?{repeated}")
    server.put(f"/f?{repeated}", BODY)
    assert get(moved, auth="bearer:env:TOKEN").moved_to is None
    assert get(moved).moved_to == f"{server.url}/f?{repeated}"
    lost = server.put("/lost", status=302, location=f"/gone?{repeated}")
    assert failure(lost, auth="bearer:env:TOKEN").reason == f"answers 404 Not Found (at {server.url}/gone)"
