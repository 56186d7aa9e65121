"""Every bad file that a tree may hold, all in one tree beside a good one, read by the real program.

What an article says stands in its title, so that the feed shows what became of it.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import lxml.html
import pytest
from desk import Desk
from lxml import etree

from feeder import config
from feeder.store.sqlite import open_to_read

SITE: Final = 'timezone = "Asia/Shanghai"\n[dates]\nzones = { CST = "+08:00" }'
FEEDS: Final = 'entries = 500\nmax_entries = 500\nwindow = "0s"'
DATE: Final = "2022-02-22T08:19:50Z"
ASIDE: Final = timedelta(hours=1)  # files are that old: nobody is writing them any more
BODY: Final = "Calm water."
LIMIT: Final = 300  # MiB
GOOD: Final = "Good news"


@dataclass(frozen=True, slots=True)
class File:
    """A document, and what becomes of it: a title in the feed, or the reason why it is refused, or nothing at all."""

    content: bytes
    title: str | None = None
    reason: str | None = None
    published: str | None = DATE
    categories: tuple[str, ...] | None = None


def head(text: str, **becomes: Any) -> File:
    """Return a document with *text* in its front matter and a good date, if *text* gives none."""
    date = "" if "date:" in text else f"date: {DATE}\n"
    return File(f"---\n{text}\n{date}---\n{BODY}\n".encode("utf-8", "surrogatepass"), **becomes)


def title(written: str, shown: str | None = None) -> File:
    return head(f"title: {written}", title=written if shown is None else shown)


def dated(written: str, published: str | None, name: str) -> File:
    return head(f"title: {name}\ndate: {written}", title=name, published=published)


def sorted_into(written: str, *categories: str, name: str) -> File:
    return head(f"title: {name}\ncategories: {written}", title=name, categories=categories)


def with_body(body: str, name: str) -> File:
    return File(f"---\ntitle: {name}\ndate: {DATE}\n---\n{body}".encode(), title=name)


FIRST_SEEN: Final = None
FILES: Final[Mapping[str, File]] = {
    "7-levels-of-html": with_body("<div>" * 200_000 + "deep", "Levels"),
    "8-attributes-of-html": with_body(f"<p>before<div {' '.join(f'a{n}=1' for n in range(200_000))}>text</div>", "Attributes"),
    "45-controls": File(f"---\ntitle: Be\x07fore\x1b[31m\ndate: {DATE}\n---\nOne\x08 \x1b[2Jtwo\n".encode(), "Before[31m"),
    "45-binary": File(b"---\ntitle: a\n---\n" + bytes(4096), reason="binary"),
    "46-lone-surrogate": title(r'"half \ud83d of it"', "half \ufffd of it"),
    "46-lone-surrogate-as-bytes": head("title: '" + "水" * 40 + " \ud83d'", title="水" * 40 + " \ufffd\ufffd\ufffd"),
    "47-alias-bomb": head("a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)) + "\ntitle: Aliases", title="Aliases"),
    "48-alias-of-itself": head("a: &a [*a]\ntitle: Itself", title="Itself"),
    "49-brackets": head("title: Brackets\nx: " + "[" * 30_000, reason="nested deeper than 100 levels"),
    "50-large-scalar": head(f"title: {'x' * 1_000_000}", reason="front matter of more than 64 kB"),
    "50-many-keys": head("\n".join(f"k{n}: 1" for n in range(50_000)), reason="front matter of more than 64 kB"),
    "51-object": title("!!python/object/apply:os.mkdir ['made-by-yaml']"),
    "52-twice": head("title: Once\ntitle: Twice", title="Twice"),
    "53-tab": head("\ttitle: Tab\n\tauthor: Ann", title="Tab"),
    "54-date": title("2022-02-21"),
    "54-number": title("2022"),
    "54-octal": title("0777"),
    "54-time": title("12:30:45"),
    "54-no": title("no"),
    "54-nan": title(".nan"),
    "55-null": File(f"---\ntitle: null\ndate: {DATE}\n---\nNull water.\n".encode(), "Null water."),
    "55-tilde": File(f"---\ntitle: ~\ndate: {DATE}\n---\nTilde water.\n".encode(), "Tilde water."),
    "55-empty": File(f"---\ntitle:\ndate: {DATE}\n---\n".encode(), "55-empty"),
    "56-list": title("[a]"),
    "56-mapping": title("{a: 1}"),
    "57-colon": title("a: b"),
    "57-quote": title("'it's"),
    "57-at": title("@x"),
    "57-percent": title("%x"),
    "57-backtick": title("`x`"),
    "57-star": title("*x"),
    "57-hash": title("#x"),
    "58-bom": File(f"\ufeff---\ntitle: Mark\ndate: {DATE}\n---\n{BODY}".encode(), "Mark"),
    "58-cr-only": File(f"---\rtitle: Returns\rdate: {DATE}\r---\r{BODY}\r".encode(), "Returns"),
    "58-no-end": File(f"---\ntitle: Endless\ndate: {DATE}\n\n{BODY}\n".encode(), reason="front matter"),
    "59-toml": File(f"+++\ntitle = 'Tom'\ndate = {DATE}\n+++\n{BODY}".encode(), "Tom"),
    "59-json": File(f'{{"title": "Jason", "date": "{DATE}"}}\n{BODY}'.encode(), "Jason"),
    "60-list": File(f"---\n- title\n- {DATE}\n---\n{BODY}".encode(), reason="line 2"),
    "60-text": File(f"---\njust text\n---\n{BODY}".encode(), reason="line 2"),
    "61-text": sorted_into("One", "one", name="One category"),
    "61-null": sorted_into("~", name="No category"),
    "61-nested": sorted_into("[[A, B], [C]]", "a/b", "c", name="Nested categories"),
    "61-mixed": sorted_into("[2022, no, 1.5]", "2022/no/15-", name="Mixed categories"),
    "62-29-february": dated("2022-02-29 10:00:00", FIRST_SEEN, "No such day"),
    "62-24-hours": dated("2022-02-22 24:00:00", FIRST_SEEN, "No such hour"),
    "62-60-seconds": dated("2022-02-22 23:59:60", FIRST_SEEN, "No such second"),
    "62-year-0": dated("0000-01-01", FIRST_SEEN, "No such year"),
    "62-zone-25": dated("2022-02-22T08:19:50+25:00", FIRST_SEEN, "No such zone"),
    "63-naive": dated("2022-02-22 16:19:50", DATE, "Naive"),
    "63-day": dated("2022-02-22", "2022-02-21T16:00:00Z", "Day"),
    "64-cst": dated("Tue, 22 Feb 2022 16:19:50 CST", DATE, "China"),
    "65-2190": head("title: Far ahead\ndate: 2190-01-01T00:00:00Z"),
    "65-1601": dated("1601-01-01T00:00:00Z", FIRST_SEEN, "Long ago"),
    "65-9999": dated("9999-12-31", FIRST_SEEN, "Never"),
    "65-12022": dated("12022-01-01", FIRST_SEEN, "Five digits"),
    "66-epoch": dated("1645517990", DATE, "Seconds"),
    "67-up": sorted_into("['../../etc/passwd']", "etcpasswd-", name="Up"),
    "67-slash": sorted_into("['a/b']", "ab-", name="Slash"),
    "67-dots": sorted_into("['..']", "-", name="Dots"),
    "67-nothing": sorted_into("['']", name="Nothing"),
    "67-nul": sorted_into('["a\\0b"]', "ab", name="Nul"),
    "67-device": sorted_into("['CON']", "-", name="Device"),
    "68-long": sorted_into(f"['{'金' * 86}']", "金" * 23 + "-", name="Long"),
    "69-composed": sorted_into("['\u00c9']", "\u00e9", name="Composed"),
    "69-decomposed": sorted_into("['E\u0301']", "\u00e9", name="Decomposed"),
    "69-capital": sorted_into("['News']", "news", name="Capital"),
    "69-small": sorted_into("['news']", "news", name="Small"),
    "69-wide": sorted_into("['Ａ－Ｂ']", "a-b", name="Wide"),
    "97-javascript": with_body("<p><a href=javascript:alert(1)>x</a><img src='data:text/html,<b>1'>", "Script"),
    "98-token": with_body("<![><img", "Token"),
    "99-title": head(r'title: "News\n2026-01-01 error all is lost \e[2J"', title="News 2026-01-01 error all is lost [2J"),
}  # fmt: skip


# ---------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True)
class Tree:
    """What the program made of all of them in its first run."""

    desk: Desk
    log: str
    megabytes: int  # of memory, at most
    began: datetime

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        items = json.loads((self.desk.folder / "public/feed.json").read_text("utf-8"))["items"]
        return {entry["title"]: entry for entry in items}

    @property
    def problems(self) -> dict[str, str]:
        """Return why documents are refused."""
        site = config.load(self.desk.config).site
        with closing(open_to_read(self.desk.folder / "var/state.db", site_id=site.id)) as store:
            return {problem.where.removeprefix("newsroom: "): problem.reason for problem in store.problems()}

    def categories(self, wanted: str) -> set[str]:
        """Return the deepest categories in which a title stands; the hashes of slugs are left out."""
        found = {
            str(path.parent.relative_to(self.desk.folder / "public/categories"))
            for path in (self.desk.folder / "public/categories").rglob("feed.json")
            if wanted in {entry["title"] for entry in json.loads(path.read_text("utf-8"))["items"]}
        }
        deepest = {one for one in found if not any(other.startswith(f"{one}/") for other in found)}
        return {re.sub("(^|-)[0-9a-f]{8}(?=/|$)", "-", one) for one in deepest}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.settle(site=SITE, feeds=FEEDS)
    folder = desk.folder / "newsroom"
    (folder / "good.md").write_bytes(with_body(BODY, GOOD).content)
    for name, file in FILES.items():
        (folder / f"{name}.md").write_bytes(file.content)
    with (folder / "44-100-mb.md").open("wb") as huge:
        huge.write(b"---\ntitle: Huge\n---\n")
        for _ in range(100):
            huge.write(b"Calm water. " * 87_382)
    odd_name = folder / os.fsdecode(b"70-\xff\n\x1b[2J.md")
    odd_name.write_bytes(with_body(BODY, "Odd name").content)
    odd_name.with_name(odd_name.name.replace("70", "70-broken")).write_bytes(b"---\n- a\n---\n")
    (folder / "71-loop").symlink_to(folder)
    (folder / "71-itself.md").symlink_to("71-itself.md")
    (desk.folder / "outside.md").write_bytes(with_body(BODY, "Outside").content)
    (folder / "71-outside.md").symlink_to(desk.folder / "outside.md")
    os.mkfifo(folder / "72-pipe.md")
    (folder / "72-device.md").symlink_to("/dev/zero")
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            os.utime(path, (old := datetime.now(UTC).timestamp() - ASIDE.total_seconds(), old))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "72-socket.md"))
        yield first_run(desk)


def first_run(desk: Desk) -> Tree:
    began = datetime.now(UTC).replace(microsecond=0)
    done, megabytes = desk.weighed("once")
    assert done.code == 0, done.err
    return Tree(desk=desk, log=done.err, megabytes=megabytes, began=began)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if file.title])
def test_an_odd_article_is_read_as_it_is_meant(tree: Tree, name: str) -> None:
    file = FILES[name]
    assert file.title in tree.entries
    entry = tree.entries[file.title]
    published = instant(entry["date_published"])
    if file.published:
        assert published == instant(file.published)
    else:
        assert tree.began <= published <= datetime.now(UTC)
    if file.categories is not None:
        assert tree.categories(file.title) == set(file.categories)
    assert f"{name}.md" not in tree.problems


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if file.reason])
def test_a_bad_document_is_refused_with_its_reason(tree: Tree, name: str) -> None:
    assert (FILES[name].reason or "") in tree.problems[f"{name}.md"]


def test_nothing_else_is_published_or_refused(tree: Tree) -> None:
    titles = {file.title for file in FILES.values() if file.title}
    assert set(tree.entries) == titles | {GOOD, "Odd name"}
    refused = {f"{name}.md" for name, file in FILES.items() if file.reason}
    assert set(tree.problems) - refused == {"44-100-mb.md", "70-broken-%FF%0A%1B[2J.md"}
    assert not (tree.desk.folder / "made-by-yaml").exists()
    assert not list(tree.desk.folder.glob("etc*"))


def test_a_document_of_100_mb_is_refused_without_being_held_in_memory(tree: Tree) -> None:
    assert tree.problems["44-100-mb.md"] == "is larger than 10 MiB"
    assert tree.megabytes < LIMIT


def test_whatever_files_hold_the_feeds_are_whole_and_harmless(tree: Tree) -> None:
    for path in tree.desk.folder.joinpath("public").rglob("*.xml"):
        etree.parse(path)
    for name in ("Script", "Token", "Levels", "Attributes"):
        written = lxml.html.document_fromstring(f"<div>{tree.entries[name].get('content_html', '')}</div>")
        assert not written.xpath("//@*[contains(., 'javascript:') or contains(., 'data:')]")
        assert max(len(list(element.iterancestors())) for element in written.iter()) < 200


def test_no_title_and_no_name_of_a_file_forges_a_line_of_the_log(tree: Tree) -> None:
    assert "70-broken-" in tree.log
    assert all(line.isprintable() for line in tree.log.split("\n"))
    assert not [line for line in tree.log.split("\n") if line.startswith("2026-01-01")]


def test_another_run_over_the_same_tree_changes_nothing(tree: Tree) -> None:
    before = tree.desk.tree("public")
    assert tree.desk.program("once", "--all").code == 0
    assert tree.desk.tree("public") == before
