"""feeds.opml, which feed readers import."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from feed_values import DAILY, HOME, MONEY, SITE, document, entry, titles
from hypothesis import given, settings
from lxml import etree

from feeder import plan
from feeder.model import Category, FeedRecord, Format
from feeder.render import render, render_indexes

MONEY_URL = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"
Tree: TypeAlias = "dict[str, Tree]"


def record(category: Category) -> FeedRecord:
    made = document(entry(), category=category)
    return plan.record(made, render(made, SITE))


def opml(*records: FeedRecord) -> etree._Element:
    root = etree.fromstring(render_indexes(records, SITE)[1].body)
    assert (root.tag, root.get("version"), [child.tag for child in root]) == ("opml", "2.0", ["head", "body"])
    return root


def tree(parent: etree._Element) -> Tree:
    return {str(child.get("text")): tree(child) for child in parent}


def test_outlines_are_nested_as_the_categories_are() -> None:
    assert tree(opml(record(DAILY), record(HOME), record(MONEY))[1]) == {
        "Example newsroom": {},
        "金融": {"R&D Daily": {}},
    }


def test_a_category_whose_parent_has_no_feed_hangs_on_the_nearest_above() -> None:
    deep = Category(node=("金融", "x", "y"), labels=("金融", "X", "Y"), slugs=("金融", "x", "y"))
    assert tree(opml(record(MONEY), record(deep))[1]) == {"金融": {"Y": {}}}


def test_every_outline_can_be_subscribed_to() -> None:
    (outline,) = opml(record(MONEY))[1]
    assert {str(name): str(value) for name, value in outline.attrib.items()} == {
        "text": "金融",
        "title": "金融 – Example newsroom",
        "type": "rss",
        "xmlUrl": f"{MONEY_URL}atom.xml",
        "htmlUrl": MONEY_URL,
    }


def test_without_atom_another_feed_is_named() -> None:
    (outline,) = opml(replace(record(MONEY), feeds=((Format.RSS, f"{MONEY_URL}rss.xml"),)))[1]
    assert outline.get("xmlUrl") == f"{MONEY_URL}rss.xml"


def test_atom_is_named_wherever_it_stands() -> None:
    feeds = ((Format.JSON, f"{MONEY_URL}feed.json"), (Format.ATOM, f"{MONEY_URL}atom.xml"))
    (outline,) = opml(replace(record(MONEY), feeds=feeds))[1]
    assert outline.get("xmlUrl") == f"{MONEY_URL}atom.xml"


def test_the_head_has_a_title_and_no_clock() -> None:
    assert [(child.tag, child.text) for child in opml(record(HOME))[0]] == [("title", "Example newsroom")]


@given(label=titles)
@settings(deadline=None)
def test_any_label_reads_back(label: str) -> None:
    (outline,) = opml(record(Category(node=(label,), labels=(label,), slugs=("x",))))[1]
    assert outline.get("text") == label
