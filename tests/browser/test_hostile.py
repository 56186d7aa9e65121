"""Bodies, titles, names and addresses that mean harm, through the whole program and into Chromium: nothing runs, nothing leaves.

Each is judged in our own pages, with their policy and without it, and as a feed reader without any policy shows it. The
long form: FEEDER_VECTORS=30000 FEEDER_SEED=7 pytest tests/browser/test_hostile.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit

import pytest
from chromium import launched
from lxml import etree
from playwright.sync_api import Browser, Dialog, Page, Request
from vectors import FAMILIES, LEAK, PICTURES, Vector, armed, vectors

COUNT: Final = int(os.environ.get("FEEDER_VECTORS", "3000"))
SEED: Final = int(os.environ.get("FEEDER_SEED", "1"))
PAGES: Final = 40  # of articles that are opened as they are; all contents are judged by themselves
CONTROLS: Final = 12  # of each family
TOGETHER: Final = 1500  # contents in one document
PATIENCE: Final = 600  # seconds for one run of the program, whatever else the machine does
SETTLING_MS: Final = 400  # for what begins by itself
ENDINGS: Final = ("html", "md", "txt")
HARMLESS: Final = {"image", "media"}
POLICY: Final = re.compile(rb'<meta http-equiv="Content-Security-Policy"[^>]*>')
JUDGE: Final = (Path(__file__).parent / "judge.js").read_text("utf-8")
ATOM: Final = "{http://www.w3.org/2005/Atom}"
ENCODED: Final = "{http://purl.org/rss/1.0/modules/content/}encoded"
CONFIG: Final = """\
[site]
title = "Harbour <script>trap(-1)</script>"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[feeds]
entries = 100000
max_entries = 100000
window = "0s"
[storage]
state = "sqlite:///state.db"
output = "public"
[server]
listen = ""
[[source]]
name = "newsroom"
path = "articles"
"""
SOURCE: Final = """\
[[source]]
name = "{name}"
url = "{url}"
category = "{name}"
first = 5000
allow_private = ["127.0.0.1/32"]
"""

Entry = tuple[str, str]  # a name to be told by, and a content


# ---------------------------------------------------------------- what is written


def write_bodies(root: Path, pieces: tuple[Vector, ...]) -> None:
    root.mkdir(parents=True)
    for piece in pieces:
        front = f"---\ntitle: Vector {piece.number}\ndate: 2026-03-01\ncategories: [Vectors]\n---\n"
        ending = ENDINGS[piece.number % 2] if piece.number % 20 else "txt"
        (root / f"v{piece.number}.{ending}").write_text(f"{front}{piece.markup}", "utf-8", "surrogatepass")


def write_carriers(root: Path) -> None:
    """Write articles of which everything but the body means harm."""
    root.mkdir(parents=True)
    for number, piece in enumerate(CARRIED, start=1_000_000):
        armed_piece = armed(piece, number)
        for name in ("link", "cover", "permalink", "title", "summary"):
            front = {
                "title": f"Carrier {number} {name}", "date": "2026-03-02", "author": armed_piece, "tags": [armed_piece],
                "categories": ["Carriers", armed_piece], "summary": armed_piece, "rights": armed_piece, "lang": armed_piece,
                "enclosure": armed_piece, "enclosures": [{"url": armed_piece, "type": armed_piece}], "guid": f"{armed_piece}{name}",
            }  # fmt: skip
            front[name] = f"{armed_piece} {name}" if name == "title" else armed_piece
            (root / f"c{number}{name}.md").write_text(f"---\n{json.dumps(front)}\n---\nThe lamp is lit.\n", "utf-8")


CARRIED: Final = (
    "<script>@js@</script>",
    "<img src=x onerror=@js@>",
    '"><img src=x onerror=@js@>',
    "' onmouseover='@js@' x='",
    '" onmouseover="@js@" x="',
    "</title></head><body><script>@js@</script>",
    "</a></h3></main><svg onload=@js@>",
    "--><script>@js@</script><!--",
    "]]><script>@js@</script>",
    "javascript:@js@",
    "java\tscript:@js@",
    "data:text/html,<script>@js@</script>",
    'https://x.invalid/"onmouseover="@js@',
    "https://x.invalid/'><script>@js@</script>",
    "&lt;img src=x onerror=@js@&gt;",
    "{{ 7 * 7 }}{% raw %}<script>@js@</script>",
    "\u202e<script>@js@</script>\u2066",
    "../../../<svg onload=@js@>",
)


def write_odd_encodings(root: Path) -> None:
    """Write bytes that some decoder would take for tags, or for quotes that end."""
    root.mkdir(parents=True)
    script = armed("<script>@js@</script><img src=x onerror=@js@>", 2_000_000)
    head = b"---\ntitle: Bytes %d\ndate: 2026-03-03\ncategories: [Bytes]\n---\n"
    seven = script.replace("<", "+ADw-").replace(">", "+AD4-").encode()
    overlong = script.encode().replace(b"<", b"\xc0\xbc").replace(b">", b"\xe0\x80\xbe")
    bodies = [
        seven, overlong, b"\x1b(J" + script.encode(), b"\x1b$B" + script.encode() + b"\x1b(B", b"\x1b(B\x1b$@" + script.encode(),
        b"<meta charset=utf-7>" + seven, b"<meta charset=iso-2022-jp>\x1b(J" + script.encode(), b"~{" + script.encode() + b"~}",
        b"\xbcscript\xbe" + script.encode(), b"\x81<p title='\x81'" + script.encode() + b">", b'<p title="\xe3">' + script.encode() + b'">',
        script.encode("utf-16-le"), script.encode("utf-32-be"), b"\xff\xfe" + script.encode("utf-16-le"), b"\x00".join([b"<", script.encode()]),
    ]  # fmt: skip
    for number, body in enumerate(bodies):
        (root / f"b{number}.html").write_bytes(head % number + body)
    for coding in ("utf-16", "utf-32", "gb18030", "big5", "shift_jis", "euc-kr"):
        text = head.decode() % len(coding) + f"港口 {script}"
        (root / f"e{coding}.html").write_bytes(text.encode(coding, "ignore"))


def atom(pieces: tuple[Vector, ...]) -> bytes:
    """Return a feed whose contents are XHTML as far as they can be, and text that holds HTML otherwise."""
    entries = "".join(
        f"<entry><id>urn:a{piece.number}</id><title type='html'>{escape(escape(f'Atom {piece.number}'))}</title>"
        f"<updated>2026-03-04T00:00:00Z</updated>{_atom_content(piece.markup)}</entry>"
        for piece in pieces
    )
    head = "<id>urn:f</id><title>Atom</title><updated>2026-03-04T00:00:00Z</updated><author><name>A</name></author>"
    return f"<feed xmlns='http://www.w3.org/2005/Atom'>{head}{entries}</feed>".encode()


def _atom_content(markup: str) -> str:
    whole = f"<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>{markup}</div></content>"
    try:
        etree.fromstring(whole)
    except (etree.XMLSyntaxError, ValueError):
        return f"<content type='html'>{_for_xml(markup)}</content>"
    return whole


def rss(pieces: tuple[Vector, ...]) -> bytes:
    items = "".join(
        f"<item><guid isPermaLink='false'>r{piece.number}</guid><title>Rss {piece.number}</title>"
        f"<pubDate>Thu, 05 Mar 2026 00:00:00 GMT</pubDate><description>{_for_xml(piece.markup)}</description>"
        f"<c:encoded>{_for_xml(piece.markup)}</c:encoded></item>"
        for piece in pieces
    )
    space = "xmlns:c='http://purl.org/rss/1.0/modules/content/'"
    return f"<rss version='2.0' {space}><channel><title>Rss</title>{items}</channel></rss>".encode()


def _for_xml(markup: str) -> str:
    return escape(re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd]", "", markup))


def json_feed(pieces: tuple[Vector, ...]) -> bytes:
    items = [
        {
            "id": f"j{p.number}",
            "title": f"Json {p.number}",
            "content_html": p.markup,
            "date_published": "2026-03-06T00:00:00Z",
        }
        for p in pieces
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "Json", "items": items}).encode()


# ---------------------------------------------------------------- what is published


class Answers(SimpleHTTPRequestHandler):
    """Answers with what is in `pages`, else with files; below /bare/ with files that have lost their policy."""

    protocol_version = "HTTP/1.1"
    pages: Mapping[str, bytes] = MappingProxyType({})

    def do_GET(self) -> None:
        if self.path in self.pages:
            self._send(
                self.pages[self.path], "text/html" if self.path.startswith("/as-") else "application/octet-stream"
            )
        elif self.path.startswith("/bare/") and self.path.endswith(".html"):
            self._send(POLICY.sub(b"", Path(self.translate_path(self.path[5:])).read_bytes()), "text/html")
        else:
            self.path = self.path.removeprefix("/bare")
            super().do_GET()

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(root: Path, pages: Mapping[str, bytes]) -> Iterator[str]:
    kind = type("Answers", (Answers,), {"pages": pages})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@dataclass(frozen=True, kw_only=True)
class Newsroom:
    """What was published of pieces that mean harm."""

    pieces: tuple[Vector, ...]
    public: Path
    entries: tuple[Entry, ...]
    address: str

    def page_names(self) -> list[str]:
        """Return the paths of the pages: all of categories, and of some articles."""
        pages = [path.relative_to(self.public) for path in sorted(self.public.rglob("*.html"))]
        articles = [path for path in pages if path.parts[0] == "articles"]
        step = max(1, len(articles) // PAGES)
        return [quote(str(path)) for path in pages if path.parts[0] != "articles"] + [
            quote(str(a)) for a in articles[::step]
        ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    folder = tmp_path_factory.mktemp("hostile")
    pieces = vectors(seed=SEED, count=COUNT)
    write_bodies(folder / "articles" / "bodies", pieces)
    write_carriers(folder / "articles" / "carriers")
    write_odd_encodings(folder / "articles" / "bytes")
    feeds = {"Atom": atom(pieces[::5]), "Rss": rss(pieces[1::5]), "Json": json_feed(pieces[2::5])}
    with serving(folder, {f"/{name}": body for name, body in feeds.items()}) as address:
        sources = (SOURCE.format(name=name, url=address + name) for name in feeds)
        (folder / "config.toml").write_text(CONFIG + "".join(sources), "utf-8")
        subprocess.run([sys.executable, "-m", "feeder", "once", "--all"], cwd=folder, check=True, timeout=PATIENCE)
    entries = contents(folder / "public")
    with serving(folder / "public", documents(entries)) as address:
        yield Newsroom(pieces=pieces, public=folder / "public", entries=entries, address=address)


def contents(public: Path) -> tuple[Entry, ...]:
    read = json.loads((public / "feed.json").read_bytes())["items"]
    return tuple((item["title"], item["content_html"]) for item in read if item.get("content_html"))


def documents(entries: tuple[Entry, ...]) -> dict[str, bytes]:
    """Return documents without any policy, as a reader would put contents into its own."""
    parts = {
        f"/as-document/{number}": entries[number : number + TOGETHER] for number in range(0, len(entries), TOGETHER)
    }
    made = {path: "".join(map(_in_its_place, part)) for path, part in parts.items()}
    pages = {path: f"<!doctype html><meta charset=utf-8><body>{text}" for path, text in made.items()}
    return {path: text.encode() for path, text in (pages | {"/as-nothing": "<!doctype html><body>"}).items()}


def _in_its_place(entry: Entry) -> str:
    return f'<div class="entry" data-name="{escape(entry[0])}">{entry[1]}</div>'


# ---------------------------------------------------------------- what happens


@dataclass
class Watch:
    """What pages did: whatever is in here they must not have done."""

    fired: set[object] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    went: list[str] = field(default_factory=list)

    def refuse(self, dialog: Dialog) -> None:
        self.faults.append(dialog.message)
        dialog.dismiss()

    def left(self) -> set[tuple[str, str]]:
        """Return what was asked for and is neither ours, nor a picture, nor a player that pages may show."""
        return {(kind, url) for kind, url in self.asked if not _is_allowed(kind, url)}

    def assert_quiet(self) -> None:
        assert (self.fired, self.left(), self.faults, self.went) == (set(), set(), [], [])


def _is_allowed(kind: str, url: str) -> bool:
    parts = urlsplit(url)
    if parts.hostname == "127.0.0.1" or url in {"about:blank", "about:srcdoc"}:
        return True
    if kind == "document":
        return parts.hostname == "www.youtube.com" and parts.path.startswith("/embed/")
    return parts.scheme in {"http", "https"} and parts.hostname != LEAK and kind in HARMLESS


@contextmanager
def watched(browser: Browser, address: str, *, is_control: bool = False) -> Iterator[tuple[Page, Watch]]:
    """Yield a page, and what it is seen to do until the end."""
    context, watch = browser.new_context(), Watch()
    context.expose_binding("trap", lambda _, *given: watch.fired.update(given or ("?",)))
    context.on("request", lambda request: watch.asked.add(_request(request)))
    page = context.new_page()
    page.goto(f"{address}as-nothing")
    page.add_script_tag(content=JUDGE)
    context.on("page", lambda opened: watch.went.append(opened.url))
    page.on(
        "framenavigated",
        lambda frame: watch.went.append(frame.url) if frame is page.main_frame and is_elsewhere(frame.url) else None,
    )
    page.on("dialog", watch.refuse)
    page.on("pageerror", lambda error: watch.faults.append(str(error)))
    if not is_control:
        page.on("console", lambda said: watch.faults.append(said.text) if "Security Policy" in said.text else None)

    def is_elsewhere(url: str) -> bool:
        return not url.startswith(address)

    yield page, watch
    page.wait_for_timeout(SETTLING_MS)
    context.close()


def _request(request: Request) -> tuple[str, str]:
    return request.resource_type, request.url[:200]


# ---------------------------------------------------------------- the laws


def _spread(pieces: tuple[Vector, ...], family: str) -> tuple[Vector, ...]:
    own = tuple(piece for piece in pieces if piece.family == family)
    return own[:: max(1, len(own) // CONTROLS)]


def test_what_is_not_cleaned_does_run_and_does_leave(browser: Browser, newsroom: Newsroom) -> None:
    """The other tests can fail: each family has pieces that work where nobody cleans them."""
    chosen = [piece for family in (*FAMILIES, "tangles") for piece in _spread(newsroom.pieces, family)]
    with watched(browser, newsroom.address, is_control=True) as (page, watch):
        page.evaluate("(pages) => visit(pages, { isMarkup: true })", [piece.markup for piece in chosen])
    numbers = {
        int(found[1]) for _, url in watch.left() if (found := re.match(rf"https://{re.escape(LEAK)}/(\d+)", url))
    }
    worked = Counter(piece.family for piece in chosen if piece.number in watch.fired | numbers)
    assert set(worked) == {*FAMILIES, "tangles"}
    assert len(numbers) > CONTROLS
    assert sum(worked.values()) > len(chosen) // 5


def test_every_piece_came_through_and_is_the_same_in_all_formats(newsroom: Newsroom) -> None:
    titles = {item["title"] for item in json.loads((newsroom.public / "feed.json").read_bytes())["items"]}
    assert {f"Vector {piece.number}" for piece in newsroom.pieces} <= titles
    assert {title.partition(" ")[0] for title, _ in newsroom.entries} >= {
        "Vector",
        "Bytes",
        "Carrier",
        "Atom",
        "Rss",
        "Json",
    }
    entries = etree.parse(newsroom.public / "atom.xml").iter(f"{ATOM}entry")
    in_atom = {entry.findtext(f"{ATOM}title"): entry.findtext(f"{ATOM}content") for entry in entries}
    items = etree.parse(newsroom.public / "rss.xml").iter("item")
    in_rss = {item.findtext("title"): item.findtext(ENCODED) or item.findtext("description") for item in items}
    for title, content in newsroom.entries:
        assert (in_atom[title], in_rss[title]) == (content, content)


def test_a_reader_that_puts_contents_into_its_page_runs_nothing(browser: Browser, newsroom: Newsroom) -> None:
    with watched(browser, newsroom.address) as (page, watch):
        for begin in range(0, len(newsroom.entries), TOGETHER):
            part = newsroom.entries[begin : begin + TOGETHER]
            page.evaluate("(entries) => put(entries)", part)
            assert page.evaluate("(count) => wrong(count)", len(part)) == []
            page.evaluate("stir(document)")
    watch.assert_quiet()


def test_a_reader_that_writes_contents_into_a_document_runs_nothing(browser: Browser, newsroom: Newsroom) -> None:
    with watched(browser, newsroom.address) as (page, watch):
        for path, whole in documents(newsroom.entries).items():
            page.goto(newsroom.address + path[1:])
            page.evaluate(f"{JUDGE}\nglobalThis.wrong = wrong; globalThis.stir = stir; 0")
            assert page.evaluate("(count) => wrong(count)", whole.count(b'<div class="entry"')) == []
            page.evaluate("stir(document)")
    watch.assert_quiet()


@pytest.mark.parametrize("below", ["", "bare/"], ids=["with-their-policy", "without-a-policy"])
def test_our_pages_run_nothing_and_ask_nobody(browser: Browser, newsroom: Newsroom, below: str) -> None:
    pages = [f"{newsroom.address}{below}{path}" for path in newsroom.page_names()]
    with watched(browser, newsroom.address) as (page, watch):
        page.evaluate("(pages) => visit(pages)", pages)
    assert any(PICTURES in url for _, url in watch.asked)
    watch.assert_quiet()


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml", "feed.json", "feeds.json", "categories/vectors/rss.xml"])
def test_a_feed_that_is_opened_in_the_browser_runs_nothing(browser: Browser, newsroom: Newsroom, name: str) -> None:
    with watched(browser, newsroom.address) as (page, watch):
        page.goto(newsroom.address + name)
        assert page.evaluate("document.characterSet") == "UTF-8"
    watch.assert_quiet()
