"""The pages in Chromium, as the daemon publishes and serves them. It must be installed, so these stand apart.

Screenshots go to the directory that FEEDER_SCREENSHOTS names, else to pytest's own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import pytest
from chromium import launched
from playwright.sync_api import Browser, Page, ViewportSize

PUBLIC = "https://feeds.example.org/"
CATEGORIES = 60
PATIENCE = 60  # seconds until the daemon has published
DESKTOP, PHONE = ViewportSize(width=1200, height=900), ViewportSize(width=360, height=780)
HOSTILE = {
    "script": "<script>document.title = 'run'</script><img src=x onerror=document.title='run'>",
    "override": "\u202eevil gnp.exe \u2066isolated",
    "long": "endless" * 1430,
    "quotes": "\"'></a><b onmouseover=alert(1)>&amp;&lt;",
    "arabic": "أخبار الميناء: وصلت السفينة الأولى",
}
CONFIG = """\
[site]
title = "Harbour newsroom"
url = "{public}"
id = "feeds.example.org,2026"
language = "{language}"
timezone = "Asia/Shanghai"
[storage]
state = "sqlite:///state.db"
output = "public"
[server]
listen = "127.0.0.1:0"
[categories."港口/码头 01"]
description = "What the quay says."
language = "zh-CN"
[[source]]
name = "newsroom"
path = "articles"
"""

Open: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newsroom")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Run the daemon over a newsroom of many categories and of titles that mean harm; return its address."""
    write_articles(folder / "articles")
    with running(folder, language="en") as address:
        yield address


@contextmanager
def running(folder: Path, *, language: str) -> Iterator[str]:
    """Run the daemon over the articles in a folder, and yield its address once it has published them."""
    (folder / "config.toml").write_text(CONFIG.format(public=PUBLIC, language=language), "utf-8")
    log = folder / "log"
    with log.open("wb") as said:
        daemon = subprocess.Popen([sys.executable, "-m", "feeder", "run"], cwd=folder, stdout=said, stderr=said)
    try:
        yield published(log, daemon)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(PATIENCE)


def write_articles(root: Path) -> None:
    root.mkdir()
    for number in range(CATEGORIES):
        path = ["港口", f"码头 {number:02}"] if number % 2 else ["Town", f"Street {number:02}"]
        picture = f"cover: https://pictures.invalid/{number}.jpg\n" if number % 3 == 0 else ""
        write(
            root, f"n{number}", f"第 {number} 号消息：港口的灯亮了", path, f"2026-03-{number % 28 + 1:02}", more=picture
        )
    for name, title in HOSTILE.items():
        write(root, name, title, ["港口", title[:60]], "2026-03-30")


def write(root: Path, name: str, title: str, path: list[str], day: str, *, more: str = "") -> None:
    front = f"title: {json.dumps(title)}\ndate: {day} 08:00:00 +0800\ncategories: {json.dumps(path)}\n{more}"
    body = "The lamp of the harbour is lit.\n\n`a = 1`\n\n> 港口的灯亮了。\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    (root / f"{name}.md").write_text(f"---\n{front}---\n{body}", "utf-8")


def published(log: Path, daemon: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and daemon.poll() is None:
        said = log.read_text("utf-8")
        found = re.search(r'"address": "(http[^"]+)"', said)
        if found and '"event": "published"' in said:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("FEEDER_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Return how to open a path in a browser of its own. Nothing may go wrong on a page, and nothing may run."""
    contexts, faults = [], []

    def go(path: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
        page.goto(urljoin(address, path))
        return page

    yield go
    for context in contexts:
        context.close()
    assert faults == []


def shown(page: Page, selector: str) -> list[str]:
    """Return the texts of the elements that can be seen."""
    return [each.inner_text() for each in page.locator(selector).all() if each.is_visible()]


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def luminance(page: Page, selector: str, kind: str) -> float:
    script = "([selector, kind]) => getComputedStyle(document.querySelector(selector))[kind]"
    colour = page.evaluate(script, [selector, kind])
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(page: Page, selector: str) -> float:
    """Return the contrast of a text with the page (WCAG 2.2, relative luminance)."""
    pair = sorted((luminance(page, selector, "color"), luminance(page, "body", "backgroundColor")))
    return (pair[1] + 0.05) / (pair[0] + 0.05)


# ---------------------------------------------------------------- what the script adds


def test_the_filter_finds_categories_and_those_above_them(visit: Open, shots: Path) -> None:
    page = visit()
    before = len(shown(page, ".tree li"))
    assert before == CATEGORIES + len(HOSTILE) + 2
    page.get_by_label("Find a category").fill("street 04")
    assert shown(page, ".tree > ul > li > a") == ["Town"]
    assert shown(page, ".tree ul ul a") == ["Street 04"]
    page.screenshot(path=shots / "filter.png")
    page.get_by_label("Find a category").fill("港口 03")
    assert shown(page, ".tree a") == ["港口", "码头 03"]
    page.get_by_label("Find a category").fill("no such category")
    assert (shown(page, ".tree li"), shown(page, "#nothing")) == ([], ["No category has such a name."])
    page.keyboard.press("Escape")
    assert len(shown(page, ".tree li")) == before


def test_a_button_copies_the_public_address_of_a_feed(visit: Open, address: str) -> None:
    page = visit("categories/town/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the address of RSS").click()
    page.wait_for_function("document.getElementById('said').textContent")
    assert shown(page, "#said") == ["The address has been copied."]
    assert page.evaluate("navigator.clipboard.readText()") == f"{PUBLIC}categories/town/rss.xml"
    assert address not in page.content()


def test_a_time_is_told_from_the_readers_point_of_view(visit: Open) -> None:
    page = visit(timezone_id="America/New_York", locale="en-GB")
    first = page.locator(".by time").first
    assert first.inner_text() == "30 March 2026, 08:00"
    assert "March 29, 2026" in str(first.get_attribute("title"))
    assert re.fullmatch(r"last year|yesterday|in .+|.+ (ago|now|minute)", shown(page, ".ago")[0])


# ---------------------------------------------------------------- what everybody sees


def test_without_script_everything_can_be_read(visit: Open, shots: Path) -> None:
    page = visit(java_script_enabled=False)
    assert len(shown(page, ".tree li")) == CATEGORIES + len(HOSTILE) + 2
    assert len(shown(page, ".entries > li")) == 20
    assert shown(page, ".feeds a") == ["Atom", "RSS", "JSON Feed", "All feeds (OPML)"]
    assert shown(page, ".copy") == shown(page, ".filter") == []
    page.screenshot(path=shots / "without-script.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_have_enough_contrast(visit: Open, shots: Path, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    assert (luminance(page, "body", "backgroundColor") > 0.5) is (scheme == "light")
    for selector in ("h1", "h2", ".by", ".summary", ".facts", ".tree a", ".tree time", ".tree small", ".feeds a"):
        if page.locator(selector).count():
            assert contrast(page, selector) >= 4.5, selector
    page.screenshot(path=shots / f"site-{scheme}.png")


@pytest.mark.parametrize(
    ("path", "name"),
    [("", "site"), ("categories/town/", "category"), ("articles/", "article")],
)
def test_on_a_phone_nothing_scrolls_sideways(visit: Open, shots: Path, path: str, name: str) -> None:
    page = visit(article_of(visit()) if path == "articles/" else path, viewport=PHONE)
    assert overflow(page) <= 0
    page.screenshot(path=shots / f"phone-{name}.png")


def article_of(page: Page) -> str:
    """Return the path of the page of the longest title."""
    found = page.locator(".entries h3 a", has_text="endless").get_attribute("href")
    return urlsplit(str(found)).path.removeprefix("/")


def test_nothing_moves_once_it_is_shown(visit: Open) -> None:
    page = visit()
    page.wait_for_load_state("networkidle")
    script = """() => new Promise((done) => new PerformanceObserver((list) =>
        done(list.getEntries().reduce((sum, each) => sum + each.value, 0))).observe({type: "layout-shift", buffered: true})
        || setTimeout(() => done(0), 500))"""
    assert page.evaluate(script) < 0.05


def test_a_keyboard_gets_to_the_articles_first(visit: Open) -> None:
    page = visit("categories/town/")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the articles"
    box = skip.bounding_box()
    assert box
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_a_screen_reader_finds_its_way(visit: Open) -> None:
    page = visit("categories/town/")
    assert page.get_by_role("main").count() == page.get_by_role("banner").count() == 1
    for name in ("Path", "Feeds", "Categories in here"):
        assert page.get_by_role("navigation", name=name).count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((each) => +each.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("button:not([aria-label]), input:not([aria-label]), img:not([alt])").count() == 0


def test_a_language_that_runs_from_right_to_left_is_laid_out_so(browser: Browser, tmp_path: Path, shots: Path) -> None:
    (tmp_path / "articles").mkdir()
    write(tmp_path / "articles", "a", HOSTILE["arabic"], ["الميناء", "الأرصفة"], "2026-03-29", more="author: محرر\n")
    write(tmp_path / "articles", "b", "English news", ["الميناء"], "2026-03-30", more="author: Li Lei\n")
    with running(tmp_path, language="ar") as address, closing(browser.new_context(viewport=DESKTOP)) as context:
        page = context.new_page()
        page.goto(address)
        page.screenshot(path=shots / "right-to-left.png")
        main, tree = page.locator("main").bounding_box(), page.locator(".tree").bounding_box()
        assert main
        assert tree
        assert main["x"] > tree["x"]
        assert overflow(page) <= 0
        time_, author = page.locator(".by time").first.bounding_box(), page.locator(".by bdi").first.bounding_box()
        assert time_
        assert author
        assert time_["x"] > author["x"] + author["width"]
        for selector in ("h1", ".tree small"):
            assert page.locator(selector).first.evaluate("(each) => getComputedStyle(each).textAlign") == "right"


# ---------------------------------------------------------------- what must not happen


def test_hostile_titles_run_nothing_and_stay_text(visit: Open, shots: Path) -> None:
    page = visit()
    assert page.title() == "Harbour newsroom"
    said = page.locator(".entries").inner_text()
    assert "<script>" in said
    assert HOSTILE["quotes"] in said
    assert page.locator(".entries script, .entries b, .tree script").count() == 0
    arabic = page.locator(".entries h3", has_text="أخبار")
    assert arabic.evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    endless = page.locator(".entries > li", has_text="endlessendless").bounding_box()
    assert endless
    assert endless["height"] < 400
    assert overflow(page) <= 0
    page.screenshot(path=shots / "hostile.png", full_page=True)


def test_the_page_of_an_article_can_be_read(visit: Open, shots: Path) -> None:
    page = visit(article_of(visit()))
    assert page.locator("h1").inner_text().startswith("endless")
    assert shown(page, ".content code, .content blockquote, .content td") == ["a = 1", "港口的灯亮了。", "1", "2"]
    assert overflow(page) <= 0
    page.screenshot(path=shots / "article.png")
    page.locator(".crumbs a").click()
    assert page.title() == "Harbour newsroom"


def test_ways_between_pages_lead_there(visit: Open, address: str) -> None:
    page = visit()
    page.get_by_role("link", name="码头 01").click()
    assert page.url.startswith(f"{address}categories/%E6%B8%AF%E5%8F%A3/")
    assert (page.locator("h1").inner_text(), page.locator("h1").get_attribute("lang")) == ("码头 01", "zh-CN")
    assert shown(page, ".about") == ["What the quay says."]
    page.get_by_role("link", name="港口", exact=True).click()
    assert page.locator("h1").inner_text() == "港口"
    page.get_by_role("link", name="Harbour newsroom").click()
    assert page.url == address


def test_no_other_host_is_asked_for_anything_but_pictures(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=DESKTOP)
    asked = []
    context.on("request", lambda request: asked.append((request.resource_type, request.url)))
    page = context.new_page()
    for path in ("", "categories/town/", "atom.xml", "rss.xml"):
        page.goto(urljoin(address, path), wait_until="networkidle")
        page.mouse.wheel(0, 5000)
    context.close()
    elsewhere = {(kind, urlsplit(url).hostname) for kind, url in asked if not url.startswith(address)}
    assert elsewhere == {("image", "pictures.invalid")}
    assert {kind for kind, _ in asked} >= {"document", "stylesheet", "script"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
def test_a_feed_is_a_list_that_people_can_read(visit: Open, address: str, shots: Path, name: str, scheme: str) -> None:
    page = visit(address + name, color_scheme=scheme, viewport=PHONE)
    assert overflow(page) <= 0
    assert seen(page, "entry > title, item > title") == 50
    assert seen(page, "entry > id, item > guid, content, encoded") == 0
    told = page.evaluate("getComputedStyle(document.querySelector('feed, channel'), '::before').content")
    assert "This is a feed." in told
    page.screenshot(path=shots / f"{name.removesuffix('.xml')}-{scheme}.png")


def seen(page: Page, selector: str) -> int:
    """Return how many elements of a feed can be seen: a locator finds them in pages only."""
    return int(
        page.evaluate("(s) => [...document.querySelectorAll(s)].filter((e) => e.checkVisibility()).length", selector)
    )
