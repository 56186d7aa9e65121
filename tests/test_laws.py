"""What holds for every tree, every history and every document. FEEDER_LAWS=long asks for many more examples."""

from __future__ import annotations

import json
import os
import re
from calendar import timegm
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote

import feedparser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from worlds import (
    MINUTE,
    START,
    TITLES,
    Crash,
    Fuse,
    Piece,
    SiteUnderTest,
    Step,
    Trees,
    edit,
    fuse,
    live,
    pieces,
    run,
    scratch,
    site,
    site_of,
    spoken,
    steps,
)

from feeder.app import App
from feeder.likeness import title_key
from feeder.model import Shown, Verdict
from feeder.pipeline import cooking, polling, publishing
from feeder.redirects.forwarding import WRITERS
from feeder.render import ASSETS

settings.register_profile(
    "laws", deadline=None, derandomize=True, max_examples=40, suppress_health_check=list(HealthCheck)
)
settings.register_profile("long", settings.get_profile("laws"), derandomize=False, max_examples=2000)
LAWS = settings.get_profile(os.environ.get("FEEDER_LAWS", "laws"))

_TITLE = re.compile("<title>(.*)</title>")
_GUESSED_AT = re.compile("[&<\x80-\xff]")
_PUBLISHED = re.compile("<published>(.{10})")

NAMES = ("first", "second", "third")
ATOM = "{http://www.w3.org/2005/Atom}"
PUBLISHED_NAMES = {
    *("atom.xml", "rss.xml", "feed.json", "index.html", "feeds.json", "feeds.opml"),
    *(path.rpartition("/")[2] for path in ASSETS),
}
PAGE_OF_AN_ARTICLE = re.compile(r"[0-9a-v]{26}\.html")


def histories(piece: st.SearchStrategy[Piece] | None = None) -> st.SearchStrategy[list[list[Step]]]:
    """Draw what happens, in the parts between which the daemon is started anew."""
    step = steps(piece or pieces(), names=NAMES)
    return st.lists(st.lists(step, min_size=3, max_size=16), min_size=1, max_size=3)


# ---------------------------------------------------------------- convergence


@settings(LAWS)
@given(histories(), st.sampled_from(({}, {"second": 'dedup = "source"'}, {"third": "limit = 1"})))
def test_any_history_ends_as_a_cold_run_over_the_final_tree(history: list[list[Step]], sources: dict[str, str]) -> None:
    with scratch() as folder:
        trees = Trees(root=folder, habit=spoken)
        lived, cold = (site_of(trees, name, sources=sources) for name in ("lived", "cold"))
        settle(lived, live(history, trees, lived))
        cold.run(START)
        assert lived.files() == cold.files()


@settings(LAWS)
@given(histories())
def test_texts_edited_in_silence_end_so_but_for_their_time_of_update(history: list[list[Step]]) -> None:
    with scratch() as folder:
        trees = Trees(root=folder)
        lived, cold = site_of(trees, "lived"), site_of(trees, "cold")
        settle(lived, live(history, trees, lived))
        cold.run(START)
        silent = set(edited_in_silence(trees.ever))
        assert without_updates(lived.files(), silent) == without_updates(cold.files(), silent)


def settle(site: SiteUnderTest, now: datetime) -> None:
    """Look twice more: what is missing in two scans is gone."""
    for later in (1, 2):
        site.run(now + later * MINUTE)


def edited_in_silence(ever: Collection[Piece]) -> Iterator[tuple[str, str]]:
    """Yield title and day of what had several texts, and not always an `updated` of its own."""
    texts = Counter(key for key, _ in {(piece.key, piece.body) for piece in ever})
    for piece in ever:
        if texts[piece.key] > 1 and not piece.is_dated_anew:
            yield title_key(TITLES[piece.title]), f"2026-02-{piece.day:02}"


def without_updates(files: dict[str, bytes], silent: set[tuple[str, str]]) -> dict[str, Any]:
    """Return *files* without the updates of articles in *silent*, and what is derived from them."""
    changed = {path.rpartition("/")[0] for path, body in files.items() if _holds(path, body, silent)}
    return {path: _masked(path, body.decode(), changed, silent) for path, body in files.items()}


def _holds(path: str, body: bytes, silent: set[tuple[str, str]]) -> bool:
    return path.endswith("feed.json") and any(_is_silent(item, silent) for item in json.loads(body)["items"])


def _is_silent(item: dict[str, Any], silent: set[tuple[str, str]]) -> bool:
    return (title_key(item["title"]), item["date_published"][:10]) in silent


def _masked(path: str, text: str, changed: set[str], silent: set[tuple[str, str]]) -> Any:
    folder, _, name = path.rpartition("/")
    if name == "feeds.json":
        return _masked_index(json.loads(text), changed)
    if folder not in changed:
        return text
    if name == "feed.json":
        document = json.loads(text)
        for item in document["items"]:
            if _is_silent(item, silent):
                item.pop("date_modified", None)
        return document
    if name == "atom.xml":
        head, *entries = re.split("(?=<entry>)", text)
        return [_masked_head(head), *(_masked_entry(entry, silent) for entry in entries)]
    return re.sub("<lastBuildDate>.*</lastBuildDate>", "", text)


def _masked_head(head: str) -> str:
    return re.sub("<updated>.*</updated>", "", head)


def _masked_entry(entry: str, silent: set[tuple[str, str]]) -> str:
    title, published = _TITLE.search(entry), _PUBLISHED.search(entry)
    is_silent = title and published and (title_key(title[1]), published[1]) in silent
    return _masked_head(entry) if is_silent else entry


def _masked_index(index: dict[str, Any], changed: set[str]) -> dict[str, Any]:
    del index["updated"]
    for feed in index["feeds"]:
        folder = feed["urls"]["json"].removeprefix("https://feeds.example.org/").rpartition("/")[0]
        if unquote(folder) in changed:
            del feed["updated"], feed["sha256"]
    return index


# ---------------------------------------------------------------- what must not matter


@settings(LAWS)
@given(st.lists(st.tuples(st.integers(0, 5), pieces()), max_size=12), st.randoms(use_true_random=False), st.data())
def test_neither_the_order_of_files_and_sources_nor_the_size_of_batches_matters(
    held: list[tuple[int, Piece]], random: Random, data: st.DataObject
) -> None:
    places = {(NAMES[number % 3], piece.at("x", number // 3)): piece for number, piece in held}
    with scratch() as folder, pytest.MonkeyPatch.context() as patch:
        plain, shuffled = (Trees(root=folder / name) for name in ("plain", "shuffled"))
        for place in sorted(places):
            plain.put(place, places[place])
        for place in random.sample(sorted(places), len(places)):
            shuffled.put(place, places[place])
        first, second = site_of(plain, "site"), site_of(shuffled, "site")
        first.run(START)
        for module, name in ((polling, "BATCH"), (polling, "JOB"), (publishing, "BATCH"), (cooking, "JOB")):
            patch.setattr(module, name, data.draw(st.integers(1, 4)))
        second.run(START, names=data.draw(st.permutations(NAMES)))
        assert first.files() == second.files()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    trees = Trees(root=tmp_path)
    for number in range(60):
        piece = Piece(title=number % 4, day=1 + number // 4, body=number % 5, categories=number % 8, image=number % 3)
        trees.put((NAMES[number % 3], piece.at("x", number)), piece)
    alone, many = site_of(trees, "alone"), site_of(trees, "many")
    alone.run(START)
    monkeypatch.setattr(polling, "BATCH", 10)
    monkeypatch.setattr(cooking, "MANY", 5)
    many.run(START, workers=workers)
    assert alone.files() == many.files()


@settings(LAWS)
@given(histories())
def test_looking_again_decides_nothing_and_touches_nothing(history: list[list[Step]]) -> None:
    with scratch() as folder:
        trees = Trees(root=folder)
        site = site_of(trees, "site")
        now = live(history, trees, site)
        settle(site, now)
        before = site.stamps()
        with site.opened() as app:
            again = run(app, now + 3 * MINUTE)
            trees.rewrite()
            touched = run(app, now + 4 * MINUTE)
            trees.rewrite(tail="\n<!-- written again -->\n\n")
            commented = run(app, now + 5 * MINUTE)
            assert not app.store.stale(now + 5 * MINUTE, settle=timedelta())
        for ran in (again, touched, commented):
            assert {verdict for polled in ran.polls for verdict, n in polled.verdicts.items() if n} <= {
                Verdict.UNCHANGED
            }
            assert not ran.published.nodes
        assert site.stamps() == before


@settings(LAWS)
@given(histories(), st.integers(1, 160), st.lists(steps(pieces(), names=NAMES), max_size=14))
def test_a_crash_at_any_point_costs_nothing_but_a_second_run(
    history: list[list[Step]],
    calls: int,
    edits: list[Step],
) -> None:
    with scratch() as folder:
        trees = Trees(root=folder, habit=spoken)  # a scan more may turn a silent edit into a return, which has a time
        whole, crashed = site_of(trees, "whole"), site_of(trees, "crashed")
        now = live(history, trees, whole)
        whole.run(now)
        crashed.become(whole)
        for step in edits:
            edit(step, trees)
        whole.run(now + MINUTE)
        with crashed.opened() as app, suppress(Crash):
            fuse(app, Fuse(calls))
            run(app, now + MINUTE)
        crashed.run(now + MINUTE)
        for one in (whole, crashed):
            settle(one, now + MINUTE)
        assert crashed.files() == whole.files()


def test_a_crash_at_every_single_call_costs_nothing_but_a_second_run() -> None:
    with scratch() as folder:
        trees = Trees(root=folder)
        before, whole, crashed = (site_of(trees, name) for name in ("before", "whole", "crashed"))
        for number in range(8):
            piece = Piece(title=number % 4, day=3 + number // 4, body=1, categories=number)
            trees.put((NAMES[number % 3], piece.at("x", 0)), piece)
        before.run(START)
        trees.delete(("third", "x/2-3-0.md"))
        before.run(START + MINUTE)
        published = before.files()
        whole.become(before)
        trees.put(("first", "x/0-3-0.md"), Piece(title=0, day=3, body=2, categories=4))  # an edit, to other categories
        trees.put(("second", "x/0-3-0.md"), Piece(title=0, day=3, body=3, categories=5))  # a copy
        trees.put(("third", "x/1-9-0.md"), Piece(title=1, day=9, body=1, categories=6))
        calls = crashing_run(whole, calls=0)
        for call in range(1, calls + 1):
            crashed.become(before)
            crashing_run(crashed, calls=call)
            crashed.run(START + 2 * MINUTE)
            assert crashed.files() == whole.files(), call
        assert before.files() == published  # nobody wrote into a file in place of a new one


def crashing_run(under_test: SiteUnderTest, *, calls: int) -> int:
    """Run until the fuse blows at one of the calls, or to the end; return how many calls were made."""
    blown = Fuse(calls)
    with under_test.opened() as app, suppress(Crash):
        fuse(app, blown)
        run(app, START + 2 * MINUTE)
    return calls - blown.calls


# ---------------------------------------------------------------- whatever is written

# What breaks writers of XML, HTML, JSON, YAML and paths.
NASTY = st.sampled_from(
    (
        *("]]>", "<![CDATA[", "<!--", "-->", "&", "&amp;amp;", "&#0;", "&#x1f;", "&#123;", "<script>x</script>", "<b>"),
        *("\0", "\x08", "\x0b", "\x1b[31m", "\x85", "\u2028", "\ufffe", "\uffff", "\U0010ffff", "\ud800", "\udfff"),
        *(
            "\ufeff",
            "\u200b",
            "\u202e",
            "e\u0301",
            "１",
            "🏳️\u200d🌈",
            "'",
            '"',
            "\\",
            "{{ x }}",
            "%s",
            "${x}",
            "\r",
            "\n",
            "\t",
        ),
        *("<![><img", "<div>" * 40, "javascript:alert(1)", "data:text/html,x", "//host/x", "http://[", "\u3000"),
        *(": ", " #", "- ", "[", "]", "|", ">", "@", "`", "!!python/object:os.system x", "*a", "&a", "---", "...", "~"),
    )
)
TEXT = st.lists(NASTY | st.text(max_size=6), max_size=6).map("".join)
LINE = TEXT.map(lambda text: re.sub("[\r\n]", " ", text))
DATES = st.sampled_from(
    (
        *("2026-02-03 08:00:00", "Tue, 03 Feb 2026 08:19:50 GMT", "2026-02-03T08:00:00+08:00", "2026-02-04"),
        *(
            "Invalid Date",
            "",
            "2026-02-30",
            "9999-01-01",
            "0001-01-01",
            "1646000000",
            "null",
            "２０２６-02-03",
            "2026年2月3日",
        ),
    )
)
KEYS = ("title", "author", "cover", "excerpt", "guid", "link", "tags", "categories", "updated", "slug", "x")


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Draw a file that somebody could have written, or some program that had a bad day."""
    fields = draw(
        st.lists(st.tuples(st.sampled_from(KEYS), st.one_of(LINE, LINE.map(json.dumps), st.none())), max_size=7)
    )
    lines = [f"{key}: {value}" if value is not None else f"{key}:\n - a\n - b" for key, value in fields]
    lines.append(f"date: {draw(DATES)}")
    text = "\n".join((*draw(st.sampled_from(((), ("",), ("\ufeff",)))), "---", *lines, "---", draw(TEXT)))
    return text.encode("utf-8", "surrogatepass")


@settings(LAWS)
@given(st.lists(documents(), min_size=1, max_size=8))
def test_whatever_normalizes_renders_and_reads_back_alike(written: list[bytes]) -> None:
    with scratch() as folder:
        (folder / "tree").mkdir()
        for number, body in enumerate(written):
            (folder / "tree" / f"{number}.md").write_bytes(body)
        under_test = site(folder / "site", {"tree": folder / "tree"}, feeds="entries = 500")
        with under_test.opened() as app:
            ran = run(app, START)
            assert not ran.published.failed
            assert not ran.published.left_out
            wanted = {node: shown_at(app, node) for node in ((), *app.store.nodes())}
        for node, place in folders(under_test).items():
            assert read_atom(place / "atom.xml") == [said(shown) for shown in wanted[node]]
            assert read_rss(place / "rss.xml") == [said(shown) for shown in wanted[node]]
            for name in ("atom.xml", "rss.xml"):
                assert_told(read_leniently(place / name), [said(shown) for shown in wanted[node]])


Said = tuple[str, datetime, str, tuple[str, ...]]


def shown_at(app: App, node: tuple[str, ...]) -> list[Shown]:
    """Return what the feed of *node* should hold, in order."""
    ids = [listed.id for listed in app.store.newest(node)]
    shown = app.store.shown(ids)
    assert len(set(ids)) == len(ids)
    return [shown[id_] for id_ in ids]


def folders(under_test: SiteUnderTest) -> dict[tuple[str, ...], Path]:
    """Return the directory of every feed that the index lists, by its node."""
    index = under_test.public / "feeds.json"
    listed = json.loads(index.read_bytes())["feeds"] if index.exists() else []
    root = "https://feeds.example.org/"
    return {tuple(feed["node"]): under_test.public / unquote(feed["home"].removeprefix(root)) for feed in listed}


def said(shown: Shown) -> Said:
    """Return what every format says of an article."""
    levels = {label for path in shown.categories for label in path}
    return shown.id, shown.published, shown.article.title, tuple(sorted({*levels, *shown.article.tags}))


def read_atom(path: Path) -> list[Said]:
    return [
        (
            entry.findtext(f"{ATOM}id") or "",
            datetime.fromisoformat(entry.findtext(f"{ATOM}published") or ""),
            entry.findtext(f"{ATOM}title") or "",
            tuple(sorted({str(each.get("term")) for each in entry.iter(f"{ATOM}category")})),
        )
        for entry in etree.parse(path).iter(f"{ATOM}entry")
    ]


def read_rss(path: Path) -> list[Said]:
    return [
        (
            item.findtext("guid") or "",
            parsedate_to_datetime(item.findtext("pubDate") or ""),
            item.findtext("title") or "",
            tuple(sorted({str(each.text) for each in item.iter("category")})),
        )
        for item in etree.parse(path).iter("item")
    ]


def read_leniently(path: Path) -> list[tuple[str, datetime, str]]:
    found = feedparser.parse(path.read_bytes())
    assert not found.bozo
    times = (datetime.fromtimestamp(timegm(entry.published_parsed), UTC) for entry in found.entries)
    return [(entry.id, time, entry.title) for entry, time in zip(found.entries, times, strict=True)]


def assert_told(found: list[tuple[str, datetime, str]], wanted: list[Said]) -> None:
    """Compare all but titles in which feedparser guesses at markup, or at bytes that were decoded wrongly."""
    assert [entry[:2] for entry in found] == [entry[:2] for entry in wanted]
    for (_, _, title), (_, _, true_title, _) in zip(found, wanted, strict=True):
        assert title == true_title or _GUESSED_AT.search(true_title)


# ---------------------------------------------------------------- categories

HOSTILE = st.one_of(
    TEXT,
    st.sampled_from(
        ("..", ".", "../../etc/passwd", "/etc", "a/b", "\\..\\", "CON", "", " ", "长" * 120, "x" * 300, "-", "~")
    ),
)


@settings(LAWS)
@given(st.lists(st.lists(HOSTILE, min_size=1, max_size=4), min_size=1, max_size=6))
def test_categories_of_any_name_stay_inside_the_output_directory(paths: list[list[str]]) -> None:
    with scratch() as folder:
        tree = folder / "deep" / "down" / "tree"
        tree.mkdir(parents=True)
        for number, path in enumerate(paths):
            head = f"title: t{number}\ndate: 2026-02-03 01:00:00 +0000\ncategories: {json.dumps(path)}"
            (tree / f"{number}.md").write_text(f"---\n{head}\n---\n", encoding="utf-8")
        under_test = site(folder / "deep" / "down" / "site", {"tree": tree})
        before = below(folder)
        assert not under_test.run(START).published.failed
        added = below(folder) - before
        outside = {path for path in added if under_test.public not in (path, *path.parents)}
        beside = {"state.db.lock", *(f"state.redirects.{ending}" for ending in WRITERS)}
        assert {path.name for path in outside} <= {"state.db", *beside}
        names = {path.name for path in added - outside if path.is_file()}
        assert {name for name in names if not PAGE_OF_AN_ARTICLE.fullmatch(name)} <= PUBLISHED_NAMES
        assert len(folders(under_test)) == len({path.parent for path in under_test.public.rglob("atom.xml")})


def below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
