"""Every bad thing that a server may say, each said to one source of the same run: sockets, state and feeds are real.

Beside it there is a good source. What was published of the others stays as it was, and is added to once they are well.
"""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import brotli
import pytest
from remote import DAY, HOUR, NOON, SITE, Newsroom, item, rss
from servers import Asked, Server, Speak, answer, talking
from structlog.testing import capture_logs

from feeder import asking
from feeder.pipeline.polling import Polled

GOOD: Final = "good"
INSIDE: Final = "/inside"  # a path that nobody is to be led to
MARK: Final = "sesame-of-this-computer"  # what a file here says, and no feed may


# ---------------------------------------------------------------- what is said

OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB: Final = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10 if n else 'ha'}'>" for n in range(12))
ATTRIBUTES: Final = " ".join(f'a{n}="1"' for n in range(200_000))
CONTENT: Final = "content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'"
DEEP: Final = f"<{CONTENT}><![CDATA[{'<div>' * 200_000}deep]]></content:encoded>"
ZEROS: Final = bytes(1 << 20)


def feed(title: str = "Bad news", *, inside: str = "", before: str = "") -> bytes:
    """Return a feed with one item; its title, what is put into the item and what is put before all are written as XML."""
    written = rss(item("its title", guid="urn:bad", more=inside)).decode()
    return written.replace("its title", title).replace("<rss ", f"{before}<rss ", 1).encode()


def packed(coding: str, body: bytes) -> bytes:
    return answer(body, content_encoding=coding)


def brotli_bomb() -> bytes:
    """Return 1 GiB in less than a kilobyte."""
    packer = brotli.Compressor(quality=9)
    return bytes(b"".join(packer.process(ZEROS) for _ in range(1024)) + packer.finish())


def said(words: bytes) -> Speak:
    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()

    return speak


def for_ever(start: bytes, drop: bytes, *, pause: float = 0.01) -> Speak:
    async def speak(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(pause)

    return speak


async def reset(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 99\r\n\r\n<rss")
    await writer.drain()
    opened = writer.get_extra_info("socket")
    opened.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: what closes it now resets it
    writer.transport.abort()


def well(name: str, *titles: str) -> bytes:
    """Return what a source says while it is well."""
    return rss(*(item(f"{title} of {name}", date=NOON - HOUR) for title in titles), title=name)


async def unchanged_with_a_body(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Lie behind a 304; whoever reads both at once asks again, without a condition."""
    lie = feed("A lie behind a 304")
    if "if-none-match" not in asked.headers:
        writer.write(answer(well(asked.target[1:], "First")))
        return
    writer.write(b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n" % len(lie))
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.write(lie)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is said, and what becomes of it: a reason for which the poll fails, or the title that comes in all the same.

    `{port}` in a redirect is that of the server, on which this computer's own address is closed to the source.
    """

    speak: Speak | str
    reason: str | None = None
    title: str | None = None
    settings: str = ""
    etag: str = ""  # of the good answer before


BRIEF: Final = 'timeout = "2s"'
LATE: Final = "did not answer in full within 2 s"
CLOSED: Final = "is not a public address, and allow_private does not open it"
NO_HTTP: Final = "the answer is no proper HTTP"
CUT: Final = "the body is not whole"

ENTITY: Final = "declares an entity of its own"
FAULTS: Final[Mapping[str, Fault]] = {
    # foreign XML
    "1-billion-laughs": Fault(said(answer(feed("&l11;", before=f"<!DOCTYPE rss [{BOMB}]>"))), ENTITY),
    "2-quadratic-entity": Fault(said(answer(feed(inside="&a;" * 20_000, before=f"<!DOCTYPE rss [<!ENTITY a '{'x' * 20_000}'>]>"))), ENTITY),
    "3-file-as-entity": Fault("file-entity", ENTITY),
    "3-address-as-entity": Fault("web-entity", ENTITY),
    "3-parameter-entity": Fault("parameter-entity", title="Parameters"),
    "4-external-document-type": Fault("document-type", title="Typed"),
    "5-inclusion": Fault("inclusion", title="Included"),
    "6-200000-levels": Fault(said(answer(b"<rss><channel>" + b"<x>" * 200_000)), "Excessive depth"),
    "7-200000-levels-of-html": Fault(said(answer(feed("Deep", inside=DEEP))), title="Deep"),
    "8-200000-attributes": Fault(said(answer(feed("Attributes", inside=f"<x {ATTRIBUTES}/>"))), title="Attributes"),
    "9-100000-entries": Fault(said(answer(rss(item("Many", body="") * 100_000))), title="Many"),
    # transfer
    "10-gzip-bomb": Fault(said(packed("gzip", gzip.compress(ZEROS) * 1024)), "is larger than 15 MiB"),
    "11-gzip-twice": Fault(said(packed("gzip, gzip", gzip.compress(gzip.compress(feed())))), "is encoded more than once"),
    "11-gzip-twice-and-said-once": Fault(said(packed("gzip", gzip.compress(gzip.compress(feed())))), "binary"),
    "12-brotli-bomb": Fault(said(packed("br", brotli_bomb())), "is larger than 15 MiB"),
    "13-endless-body": Fault(for_ever(OK + b"\r\n", ZEROS, pause=0), "is larger than 15 MiB"),
    "14-body-in-drops": Fault(for_ever(OK + b"\r\n<rss>", b" "), LATE, settings=BRIEF),
    "15-headers-in-drops": Fault(for_ever(OK + b"X: ", b"x"), LATE, settings=BRIEF),
    "16-silence": Fault(for_ever(b"", b""), LATE, settings=BRIEF),
    "17-gzip-cut-short": Fault(said(packed("gzip", gzip.compress(feed())[:-9])), "is cut short"),
    "18-false-coding": Fault(said(packed("gzip", feed())), "is no valid gzip"),
    "19-gzip-of-which-nobody-said": Fault(said(answer(gzip.compress(feed()), content_type="application/rss+xml")), "binary"),
    "20-shorter-than-said": Fault(said(answer(feed(), content_length="999999")), CUT),
    "21-bad-chunk": Fault(said(CHUNKED + b"4\r\n<rss\r\nnonsense\r\n"), "cannot be fetched: "),
    "22-reset": Fault(reset, "cannot be fetched: "),
    "22-not-http": Fault(said(b"SSH-2.0-OpenSSH_9.6\r\n"), NO_HTTP),
    "22-closed-at-once": Fault(said(b""), "closed the connection before it had answered"),
    "23-header-of-1-mib": Fault(said(OK + b"X: " + b"x" * (1 << 20)), NO_HTTP),
    "23-20000-headers": Fault(said(OK + b"X: y\r\n" * 20_000 + b"\r\n"), NO_HTTP),
    # addresses
    "24-redirect-to-itself": Fault("?", "leads through more than 5 redirects"),
    "25-private-address": Fault("http://127.0.0.1:{port}" + INSIDE, CLOSED),
    "25-cloud-metadata": Fault("http://169.254.169.254/latest", CLOSED),
    "26-mapped-address": Fault("http://[::ffff:127.0.0.1]:{port}" + INSIDE, CLOSED),
    "27-address-as-a-number": Fault("http://2130706433:{port}" + INSIDE, "cannot be fetched: "),
    "28-file": Fault("file:///etc/passwd", "it leads out of the web"),
    "29-location-is-empty": Fault("", "does not say where to"),
    "29-no-location": Fault(said(answer(status=302)), "does not say where to"),
    "29-carriage-return": Fault(said(b"HTTP/1.1 302 Found\r\nLocation: /a\rb\r\n\r\n"), NO_HTTP),
    # answers
    "31-304-that-nobody-asked-for": Fault(said(answer(status=304)), "though no condition was sent"),
    "32-304-with-a-body": Fault(unchanged_with_a_body, etag='"1"'),
    "33-empty": Fault(said(answer()), "with an empty body"),
    "34-login-page": Fault(said(answer(b"<!DOCTYPE html><html><form>Log in</form></html>", content_type="text/html")), "a web page, not a feed"),
    "35-500": Fault(said(answer(feed(), status=500)), "answers 500"),
    "35-401": Fault(said(answer(feed(), status=401)), "answers 401"),
    "35-410": Fault(said(answer(feed(), status=410)), "answers 410"),
    "36-429": Fault(said(answer(feed(), status=429, retry_after="7200")), "answers 429"),
    "36-503-until-2031": Fault(said(answer(feed(), status=503, retry_after="Fri, 31 Dec 2031 23:59:59 GMT")), "answers 503"),
    # encodings
    "37-declared": Fault(said(answer(feed("记者").replace(b'"1.0"?', b'"1.0" encoding="gbk"?').decode().encode("gbk"))), title="记者"),
    "38-gbk-called-utf-8": Fault(said(answer(feed("湖边的一天，记者看到了花").decode().encode("gbk"), content_type="text/xml; charset=utf-8")), title="湖边的一天，记者看到了花"),
    "39-shift-jis-called-utf-8": Fault(said(answer(feed("湖畔の一日、記者は花を見た").decode().encode("shift_jis"), content_type="text/xml; charset=utf-8")), title="湖畔の一日、記者は花を見た"),
    "40-only-in-the-header": Fault(said(answer(feed("L'été déjà").decode().encode("cp1252"), content_type="text/xml; charset=windows-1252")), title="L'été déjà"),
    "40-only-in-the-header-in-russian": Fault(said(answer(feed("День у озера").decode().encode("koi8-r"), content_type="text/xml; charset=koi8-r")), title="День у озера"),
    "40-wrong-in-the-header": Fault(said(answer(feed("Zażółć gęślą jaźń"), content_type="text/xml; charset=iso-8859-1")), title="Zażółć gęślą jaźń"),
    "41-control-characters": Fault(said(answer(feed("Be\0fo\x08re&#8;"))), title="Before"),
    "42-overlong-and-surrogates": Fault(said(answer(feed("T " + "é" * 60 + " X").replace(b"X", b"\xc0\xbcscript> \xed\xa0\xbd"))), title="T éééé"),
    "43-random-bytes": Fault(said(answer(bytes(range(256)) * 9)), "not a feed"),
    "43-unclosed": Fault(said(answer(rss(item("Unclosed")).removesuffix(b"</channel></rss>"))), title="Unclosed"),
    "43-unknown-prefix-and-name": Fault(said(answer(feed("Caf&eacute; <y:b>b</y:b>"))), title="Café b"),
}  # fmt: skip


# ---------------------------------------------------------------- who hears it


@dataclass(slots=True)
class Stage:
    """Sources that say what each wants, and who asks them."""

    room: Newsroom
    server: Server

    def settle(self) -> None:
        """Write the config: each source has an address of its own, which alone is open to it."""
        tables = [SITE.format(feeds="")]
        for number, (name, fault) in enumerate([(GOOD, Fault("")), *FAULTS.items()], start=1):
            tables.append(
                f'[[source]]\nname = "{name}"\nurl = "{self.server.at(number, f"/{name}")}"\ncategory = "{name}"\n'
                f'min_interval = "1m"\ninterval = "1m"\nallow_private = ["127.0.0.{number + 1}/32"]\n{fault.settings}\n'
            )
        self.room.config.write_text("\n".join(tables), "utf-8")

    def say_well(self, *titles: str) -> None:
        for name in (GOOD, *FAULTS):
            self.server.put(f"/{name}", well(name, *titles), etag=FAULTS[name].etag if name in FAULTS else "")

    def say_ill(self) -> None:
        self.server.put(INSIDE, feed("Secret"))
        self.server.put(f"/{GOOD}", rss(item("News of good")))
        for name, fault in FAULTS.items():
            self.server.let(f"/{name}", self._spoken(fault.speak))

    def _spoken(self, speak: Speak | str) -> Speak:
        if not isinstance(speak, str):
            return speak
        if speak in self._leading():
            return said(answer(self._leading()[speak]))
        return said(answer(status=302, location=speak.format(port=self.server.port)))

    def _leading(self) -> dict[str, bytes]:
        """Return the feeds that lead to a file, or to an address, of this computer."""
        file, address = f"file://{self.room.root}/mark", f"http://127.0.0.1:{self.server.port}{INSIDE}"
        include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="{file}"/>'
        element = f"<x:y xmlns:x='urn:x'>{include}{include.replace(file, address)}</x:y>"
        parameter = f'<!DOCTYPE rss [<!ENTITY % x SYSTEM "{address}"><!ENTITY % y SYSTEM "{file}"> %x; %y;]>'
        return {
            "file-entity": feed("&a;", before=f'<!DOCTYPE rss [<!ENTITY a SYSTEM "{file}">]>'),
            "web-entity": feed("&a;", before=f'<!DOCTYPE rss [<!ENTITY a SYSTEM "{address}">]>'),
            "parameter-entity": feed("Parameters", before=parameter),
            "document-type": feed("Typed", before=f'<!DOCTYPE rss SYSTEM "{address}">'),
            "inclusion": feed("Included", inside=element).replace(b"Calm water.", include.encode()),
        }

    def poll(self, now: timedelta = timedelta()) -> Round:
        """Poll all at once, and publish."""
        self.server.log.clear()
        with self.room.opened(NOON + now) as app, capture_logs() as logs:
            polled = {each.source: each for each in asking.poll(app, [GOOD, *FAULTS], NOON + now)}
            assert not app.publish(NOON + now, settle=timedelta()).failed
            waits = {each.name: each.next_poll - (NOON + now) for each in app.store.sources()}
        return Round(
            polled=polled,
            logs=logs,
            waits=waits,
            titles={name: self.room.titles(name) for name in (GOOD, *FAULTS)},
            files=self.room.files(),
            asked=tuple(self.server.targets),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of one."""

    polled: dict[str, Polled]
    logs: list[Any]
    waits: dict[str, timedelta]  # until the next poll
    titles: dict[str, list[str]]
    files: dict[str, bytes]
    asked: tuple[str, ...]  # the servers, for what

    def files_of(self, name: str) -> dict[str, bytes]:
        """Return the files of a source's category."""
        return {path: body for path, body in self.files.items() if path.startswith(f"categories/{name}/")}


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Round, ...]]:
    """All is well, each source has its fault, and all is well again. What is said of files and addresses leads *here*."""
    with talking(addresses=len(FAULTS) + 2) as server:
        stage = Stage(Newsroom(tmp_path_factory.mktemp("room")), server)
        (stage.room.root / "mark").write_text(MARK)
        stage.settle()
        stage.say_well("First")
        first = stage.poll()
        stage.say_ill()
        second = stage.poll(DAY)
        stage.say_well("First", "Second")
        yield first, second, stage.poll(3 * DAY)


@pytest.fixture(scope="module")
def before(rounds: tuple[Round, ...]) -> Round:
    return rounds[0]


@pytest.fixture(scope="module")
def faulty(rounds: tuple[Round, ...]) -> Round:
    return rounds[1]


@pytest.fixture(scope="module")
def after(rounds: tuple[Round, ...]) -> Round:
    return rounds[2]


def test_all_is_well_before_and_after(before: Round, after: Round) -> None:
    for each in (before, after):
        assert {name: one.error for name, one in each.polled.items() if one.error} == {}


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.reason])
def test_a_bad_answer_is_a_failure_of_its_source_and_its_feeds_stay_as_they_were(
    before: Round, faulty: Round, name: str
) -> None:
    error = faulty.polled[name].error or ""
    assert (FAULTS[name].reason or "") in error
    assert error.isprintable()
    assert len(error) < 600
    assert faulty.files_of(name)
    assert faulty.files_of(name) == before.files_of(name)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.title])
def test_what_is_odd_but_can_be_read_is_read_right(faulty: Round, name: str) -> None:
    assert faulty.polled[name].error is None
    [new] = [title for title in faulty.titles[name] if title != f"First of {name}"]
    assert new.startswith(FAULTS[name].title or "")
    assert "\N{REPLACEMENT CHARACTER}" not in new or name.startswith("42")
    assert "<" not in new


def test_an_answer_without_a_change_is_none_whatever_comes_behind_it(faulty: Round) -> None:
    assert faulty.polled["32-304-with-a-body"].error is None
    assert faulty.titles["32-304-with-a-body"] == ["First of 32-304-with-a-body"]


def test_the_good_source_beside_them_is_published(faulty: Round) -> None:
    assert faulty.titles[GOOD] == ["News of good", "First of good"]


def test_nothing_that_a_server_says_leads_to_this_computer(faulty: Round) -> None:
    assert INSIDE not in faulty.asked
    assert not [path for path, body in faulty.files.items() if MARK.encode() in body]


def test_a_source_that_fails_is_told_once_and_one_that_is_gone_is_named(faulty: Round) -> None:
    failed = [line["source"] for line in faulty.logs if line["event"] == "poll_failed"]
    assert sorted(failed) == sorted(name for name, fault in FAULTS.items() if fault.reason)
    assert [line["source"] for line in faulty.logs if line["event"] == "source_gone"] == ["35-410"]


def test_servers_are_left_alone_as_long_as_they_want_and_others_are_asked_more_rarely(faulty: Round) -> None:
    waits = faulty.waits
    assert waits["36-429"] == 2 * HOUR
    assert waits["36-503-until-2031"] == DAY
    assert waits["35-410"] > 1000 * DAY
    assert waits["35-500"] > waits[GOOD]


def test_sources_that_are_well_again_are_read_again(after: Round) -> None:
    for name in FAULTS:
        assert {f"First of {name}", f"Second of {name}"} <= set(after.titles[name])
