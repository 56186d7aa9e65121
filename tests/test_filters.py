from __future__ import annotations

import json
from pathlib import Path

import pytest
from build import article
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.filters import MAX_PATTERN, check_pattern, unwanted
from feeder.model import Patterns

BRIDGE = article(
    "Die Brücke ist offen",
    author="Han Meimei",
    categories=(("金融", "新浪财经"), ("Traffic",)),
    link="https://news.example.org/2026/bridge?utm_source=feed",
)
BARE = article("Tunnel")
NONE = Patterns()


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        pytest.param(Patterns(title=("brücke",)), "title", id="capitals-make-no-difference"),
        pytest.param(Patterns(title=("bru\u0308cke",)), "title", id="nor-do-forms-of-unicode"),
        pytest.param(Patterns(title=("x", "^die .* offen$")), "title", id="one-of-many-is-enough"),
        pytest.param(Patterns(title=("^brücke",)), None, id="not-at-the-start"),
        pytest.param(Patterns(author=(r"\bhan\b",)), "author", id="author"),
        pytest.param(Patterns(category=("^金融/",)), "category", id="path"),
        pytest.param(Patterns(category=("^traffic$",)), "category", id="another-path"),
        pytest.param(Patterns(category=("^新浪财经$",)), None, id="part-of-a-path"),
        pytest.param(Patterns(link=(r"[?&]utm_",)), "link", id="link"),
        pytest.param(NONE, None, id="nothing"),
    ],
)
def test_patterns_are_looked_for_in_their_field(patterns: Patterns, found: str | None) -> None:
    told = unwanted(BRIDGE, only=NONE, without=patterns)
    assert (told is not None) == (found is not None)
    assert told is None or told.startswith(f"its {found} matches ")
    if patterns != NONE:
        assert (unwanted(BRIDGE, only=patterns, without=NONE) is None) == (found is not None)


def test_the_pattern_is_named() -> None:
    told = unwanted(BRIDGE, only=NONE, without=Patterns(title=("tunnel", "offen")))
    assert told == 'its title matches "offen"'


@pytest.mark.parametrize(
    ("only", "told"),
    [
        pytest.param(Patterns(title=("offen",), author=("han",)), None, id="both"),
        pytest.param(
            Patterns(title=("offen",), author=("li",)), "its author matches nothing that is asked for", id="one"
        ),
    ],
)
def test_every_field_that_has_patterns_must_match(only: Patterns, told: str | None) -> None:
    assert unwanted(BRIDGE, only=only, without=NONE) == told


def test_what_is_left_out_beats_what_is_asked_for() -> None:
    assert unwanted(BRIDGE, only=Patterns(title=("offen",)), without=Patterns(author=("han",))) is not None


@pytest.mark.parametrize("field", ["author", "category", "link"])
def test_what_an_article_lacks_matches_nothing(field: str) -> None:
    everything = Patterns(**{field: ("",)})
    assert unwanted(BARE, only=NONE, without=everything) is None
    assert unwanted(BARE, only=everything, without=NONE) == f"its {field} matches nothing that is asked for"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        pytest.param("(", "missing \\)", id="unclosed"),
        pytest.param(r"(a)\1", "invalid escape", id="back-reference"),
        pytest.param("(?=a)", "invalid perl operator", id="look-ahead"),
        pytest.param("((a{100}){100}){100}", "repetition", id="too-large"),
        pytest.param(r"(\pL{1000})" * 50, "pattern", id="too-much-memory"),
        pytest.param("a" * (MAX_PATTERN + 1), "1001 characters", id="too-long"),
    ],
)
def test_a_pattern_that_cannot_be_looked_for_is_told(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_pattern(pattern)


def test_a_good_pattern_is_good() -> None:
    check_pattern("^金融/|bridge[s]?$")


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "(.*a){20}$", "(a?){30}a{30}$"])
def test_no_title_keeps_a_pattern_busy(pattern: str) -> None:
    # Python's own engine would not be done with these before the sun is.
    check_pattern(pattern)
    hostile = article("a" * 50_000 + "b")
    assert unwanted(hostile, only=NONE, without=Patterns(title=(pattern, "b$"))) == 'its title matches "b$"'


@given(st.text(max_size=40), st.text(min_size=1, max_size=60))
@settings(deadline=None)
def test_any_text_is_a_pattern_or_refused(pattern: str, title: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    without = unwanted(article(title), only=NONE, without=Patterns(title=(pattern,)))
    only = unwanted(article(title), only=Patterns(title=(pattern,)), without=NONE)
    assert (without is None) == (only is not None)


# ---------------------------------------------------------------- in a source


def test_a_source_leaves_out_what_its_patterns_say_and_takes_it_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def titles(patterns: str) -> set[str]:
        desk.settle(f"newsroom\n{patterns}")
        assert desk.run("once", "--all").code == 0
        return {item["title"] for item in json.loads((tmp_path / "public/feed.json").read_text())["items"]}

    desk.settle()
    desk.write("newsroom/bridge.md", title="Bridge opens")
    desk.write("newsroom/sale.md", title="Bridges for sale", body="They are cheap.")
    assert titles('without = { title = ["SALE$"] }') == {"Bridge opens"}
    assert titles('only = { title = ["sale"] }') == {"Bridges for sale"}
    assert titles("") == {"Bridge opens", "Bridges for sale"}
