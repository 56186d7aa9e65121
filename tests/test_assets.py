"""What pages and feeds look like: files that are named by their version, and the words of languages."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from feed_values import DAILY, HOME, SITE, document, entry, files
from lxml import etree

from feeder import render
from feeder.model import Category
from feeder.render import assets
from feeder.render.language import Language, language_of

LANGUAGES = sorted(
    Path(file.name).stem
    for file in (resources.files("feeder.render") / "languages").iterdir()
    if file.name != "en.toml"
)
NO_LINK = ("http:", "https:", "//")


@pytest.mark.parametrize("tag", LANGUAGES)
def test_all_languages_say_the_same(tag: str) -> None:
    ours, english = language_of(tag), language_of("en")
    assert ours.tag == tag
    assert ours.words.keys() == english.words.keys()
    assert ours.forms.keys() == english.forms.keys()
    assert {key: slots(ours, key) for key in ours.words} == {key: slots(english, key) for key in ours.words}
    assert len(ours.forms["months"]) == 12
    assert all("{count}" in form for key in ("articles", "categories") for form in ours.forms[key])


def slots(language: Language, key: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(language[key]) if name)


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("zh-CN", "zh"),
        ("zh", "zh"),
        ("zh-Hant", "zh-hant"),
        ("zh-Hant-HK", "zh-hant"),
        ("zh-TW", "zh-hant"),
        ("en-GB", "en"),
        ("ja", "en"),
        ("DE-at", "de"),
    ],
)
def test_a_tag_finds_its_language_or_a_more_general_one(tag: str, found: str) -> None:
    assert language_of(tag).tag == found


@pytest.mark.parametrize(("count", "said"), [(0, "0 articles"), (1, "1 article"), (2, "2 articles")])
def test_a_number_has_its_form(count: int, said: str) -> None:
    assert language_of("en").number("articles", count) == said


def test_chinese_has_one_form() -> None:
    assert language_of("zh").number("articles", 1) == "1 篇文章"


def test_assets_load_nothing_from_elsewhere() -> None:
    for path, body in assets.files("en").items():
        text = re.sub(r'xmlns="[^"]*"', "", body.decode())
        assert [
            mark
            for mark in (*NO_LINK, "@import", "url(")
            if mark in re.sub(r" // .*|^// .*", "", text, flags=re.MULTILINE)
        ] == [], path


def test_every_asset_is_published_in_its_place() -> None:
    assert tuple(file.path for file in render.render_assets(SITE)) == render.ASSETS
    assert {path.partition("/")[0] for path in render.ASSETS} == {"assets"}


def test_another_text_is_another_version() -> None:
    english, chinese = (assets.version(assets.FEED_STYLE, language) for language in ("en", "zh-CN"))
    assert english != chinese == assets.version(assets.FEED_STYLE, "zh")
    assert render.look(SITE) != render.look(replace(SITE, language="en"))
    assert assets.address("assets/site.css", root="../", language="en") == (
        f"../assets/site.css?v={assets.version('assets/site.css', 'en')}"
    )


def test_no_text_can_leave_its_string() -> None:
    assert assets._quoted('a"\\\n}b') == '"a\\22 \\5c \\a }b"'


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml"])
@pytest.mark.parametrize(("category", "root"), [(HOME, ""), (DAILY, "../../../")])
def test_a_feed_names_its_style(name: str, category: Category, root: str) -> None:
    made = replace(document(entry()), category=category)
    body = files(made)[name]
    etree.fromstring(body)
    version = assets.version(assets.FEED_STYLE, SITE.language)
    said = f'<?xml-stylesheet type="text/css" href="{root}assets/feed.css?v={version}"?>'
    assert body.decode().splitlines()[1] == said


def test_json_has_no_style() -> None:
    assert files(document(entry()))["feed.json"].startswith(b"{")
