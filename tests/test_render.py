"""Laws of all formats: bytes are a function of values, and one bad entry is refused by itself."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from feed_values import (
    DAILY,
    HOME,
    NOON,
    SITE,
    document,
    enclosure,
    entry,
    file_paths,
    files,
    origin,
    picture,
    rendered,
    rendered_entry,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from feeder import plan
from feeder.errors import InvalidItem
from feeder.model import FeedSettings, Format
from feeder.render import render, render_entries, render_indexes

SHOW_DIGEST = """
import hashlib
from feed_values import SITE, document, entry, picture
from feeder import plan
from feeder.render import render, render_indexes
made = document(entry(picture=picture(), language="en", tags=("b", "a")))
files = render(made, SITE)
files += render_indexes([plan.record(made, files)], SITE)
print(hashlib.sha256(b"".join(file.body for file in files)).hexdigest())
"""


def digest_under(**environment: str) -> str:
    tests = Path(__file__).parent
    python_path = os.pathsep.join((str(tests), str(tests.parent)))
    return subprocess.run(
        [sys.executable, "-c", SHOW_DIGEST],
        env={**os.environ, "PYTHONPATH": python_path, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_fault_100_bytes_do_not_depend_on_locale_zone_or_hash_seed() -> None:
    digests = {
        digest_under(LC_ALL="C", TZ="UTC", PYTHONHASHSEED="0"),
        digest_under(LC_ALL="zh_CN.UTF-8", LANG="zh_CN.UTF-8", TZ="Asia/Shanghai", PYTHONHASHSEED="1"),
        digest_under(LC_ALL="C.UTF-8", TZ="America/St_Johns", PYTHONHASHSEED="2"),
    }
    assert len(digests) == 1


@given(st.data())
@settings(deadline=None, max_examples=20)
def test_equal_values_are_equal_bytes(data: st.DataObject) -> None:
    title = data.draw(st.sampled_from(["a", "金融", "<b>"]))
    assert render(document(entry(title=title)), SITE) == render(document(entry(title=title)), SITE)


def test_a_feed_has_a_file_for_each_format_and_a_page() -> None:
    assert file_paths(render(document(entry()), SITE)) == [
        f"categories/金融/r-d-daily-1a2b3c4d/{name}" for name in ("atom.xml", "rss.xml", "feed.json", "index.html")
    ]


def test_the_sites_files_lie_at_the_top_in_the_formats_that_are_asked_for() -> None:
    made = plan.document(HOME, rendered(entry()), site=SITE, settings=FeedSettings(formats=(Format.RSS,)))
    assert file_paths(render(made, SITE)) == ["rss.xml", "index.html"]


def test_the_indexes_do_not_depend_on_the_order_of_records() -> None:
    made = [document(entry(), category=category) for category in (DAILY, HOME)]
    records = [plan.record(each, render(each, SITE)) for each in made]
    assert render_indexes(records, SITE) == render_indexes(records[::-1], SITE)
    assert file_paths(render_indexes(records, SITE)) == ["feeds.json", "feeds.opml"]


@pytest.mark.parametrize("field", ["title", "summary", "content", "author", "rights"])
@pytest.mark.parametrize("odd", ["\x00", "\x08", "\ud800", "\ufffe", "\uffff"])
def test_input_25_what_xml_cannot_hold_is_refused_entry_by_entry(field: str, odd: str) -> None:
    with pytest.raises(InvalidItem, match="cannot be written"):
        rendered_entry(entry(**{field: f"a{odd}b"}))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"title": ""}, id="empty title"),
        pytest.param({"title": 2022}, id="title is no text"),
        pytest.param({"id": ""}, id="no id"),
        pytest.param({"published": datetime(2026, 3, 1, 12)}, id="naive published"),  # noqa: DTZ001
        pytest.param({"updated": datetime(2026, 3, 1, 12)}, id="naive updated"),  # noqa: DTZ001
        pytest.param({"tags": ("a\x00",)}, id="tag"),
    ],
)
def test_what_feedgen_chokes_on_is_an_invalid_item(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidItem):
        rendered_entry(entry(**changes))


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//host/x", "/etc/passwd", " https://a"]
)
def test_fault_97_only_addresses_of_the_web_are_linked(address: str) -> None:
    with pytest.raises(InvalidItem, match="address"):
        rendered_entry(entry(link=address))
    with pytest.raises(InvalidItem, match="address"):
        rendered_entry(entry(picture=picture(url=address)))
    with pytest.raises(InvalidItem, match="enclosure is not an address"):
        rendered_entry(entry(enclosures=(enclosure(), enclosure(url=address))))
    for name in ("url", "home"):
        with pytest.raises(InvalidItem, match="origin is not an address"):
            rendered_entry(entry(origin=origin(**{name: address})))


@pytest.mark.parametrize("field", ["title", "id", "author", "rights"])
@pytest.mark.parametrize("odd", ["\x00", "\ud800", "\uffff"])
def test_what_xml_cannot_hold_is_refused_of_an_origin_too(field: str, odd: str) -> None:
    with pytest.raises(InvalidItem, match="cannot be written"):
        rendered_entry(entry(origin=origin(**{field: f"a{odd}b"})))


@given(st.text(st.characters(), max_size=30))
@settings(deadline=None)
def test_any_text_is_written_or_refused_but_never_spoils_a_feed(text: str) -> None:
    changes: dict[str, Any] = {"title": text, "summary": text, "content": text, "author": text, "tags": (text,)}
    changes |= {"origin": origin(title=text, author=text, rights=text)}
    try:
        rendered_entry(entry(**changes))
    except InvalidItem:
        return
    made = render(document(entry(**changes)), SITE)
    for file in made[:2]:
        etree.fromstring(file.body)


def test_a_carriage_return_survives() -> None:
    made = render(document(entry(content="a\r\nb")), SITE)
    content = etree.fromstring(made[0].body).findtext(".//{http://www.w3.org/2005/Atom}content")
    assert content == "a\r\nb"


@pytest.mark.parametrize(
    ("changes", "digests"),
    [
        pytest.param(
            {}, ["73ab8ecad2884845", "462102b47f4907ac", "a23fb8a2024e1ad6", "519c1f63f7fcf843"], id="an-article"
        ),
        pytest.param(
            {"picture": picture(), "language": "en", "rights": "CC BY & more"},
            ["3be053a63d6510d2", "fcea87465b67adb4", "6651f97df708568e", "dff94f09e09cd570"],
            id="all-that-an-article-of-ones-own-has",
        ),
    ],
)
def test_bytes_of_known_entries_are_known(changes: dict[str, Any], digests: list[str]) -> None:
    # Published by every installation: other bytes ask for another `render.VERSION`.
    made = (
        re.sub(rb"\?v=\w{8}", b"", body) for body in files(document(entry(**changes))).values()
    )  # see `render.look`
    assert [hashlib.sha256(body).hexdigest()[:16] for body in made] == digests


def test_an_entry_keeps_its_id_and_its_last_change() -> None:
    made = rendered_entry(entry())
    assert (made.id, made.updated) == (entry().id, entry().updated)
    assert made.updated > NOON


@pytest.mark.parametrize("formats", [(), (Format.JSON,), (Format.ATOM, Format.RSS), tuple(Format)])
def test_an_entry_is_written_in_the_formats_that_are_asked_for_and_for_pages(formats: tuple[Format, ...]) -> None:
    whole, [made] = rendered_entry(entry()), render_entries([entry()], SITE, formats)
    assert made.page == whole.page
    for each in Format:
        assert getattr(made, each.value) == (getattr(whole, each.value) if each in formats else b"")
