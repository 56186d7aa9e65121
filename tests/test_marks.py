"""Titles that would spill over what stands around them."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeder.categories import fold
from feeder.characters import safe_text
from feeder.marks import MOST_MARKS, MOST_OPEN, tamed

ACUTE, BELOW = "\u0301", "\u0323"
LRE, RLE, END = "\u202a", "\u202b", "\u202c"
LRO, RLO = "\u202d", "\u202e"
LRI, RLI, FSI, END_ISOLATE = "\u2066", "\u2067", "\u2068", "\u2069"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("plain", "plain", id="ascii"),
        pytest.param("e" + ACUTE, "e" + ACUTE, id="an-accent"),
        pytest.param("a" + (ACUTE + BELOW) * 15 + "b", "a" + (ACUTE + BELOW) * 15 + "b", id="thirty-marks"),
        pytest.param("a" + (ACUTE + BELOW) * 500 + "b" + BELOW, "a" + (ACUTE + BELOW) * 15 + "b" + BELOW, id="a-heap"),
        pytest.param(("a" + ACUTE) * 50, ("a" + ACUTE) * 50, id="many-accents"),
        pytest.param(f"a {RLE}b{END} c", f"a {RLE}b{END} c", id="closed"),
        pytest.param(f"a {RLE}b", f"a {RLE}b{END}", id="open"),
        pytest.param(f"a {RLI}b {LRE}c", f"a {RLI}b {LRE}c{END}{END_ISOLATE}", id="open-inside-one-another"),
        pytest.param(
            f"{FSI}a {LRE}b{END_ISOLATE}c", f"{FSI}a {LRE}b{END}{END_ISOLATE}c", id="closed-with-the-outer-one"
        ),
        pytest.param(f"a{END}b{END_ISOLATE}c", "abc", id="ends-of-nothing"),
        pytest.param(f"{LRI}a{END}b{END_ISOLATE}", f"{LRI}ab{END_ISOLATE}", id="an-isolate-holds-what-is-inside"),
        pytest.param(f"photo{RLO}gpj{END}.exe", "photogpj.exe", id="an-override"),
        pytest.param(f"{LRO}a", "a", id="an-open-override"),
        pytest.param(LRE * 500, LRE * MOST_OPEN + END * MOST_OPEN, id="too-many"),
    ],
)
def test_nothing_reaches_beyond_its_text(written: str, shown: str) -> None:
    assert tamed(written) == shown


@given(
    st.text(st.sampled_from(f"ab {ACUTE}{BELOW}{LRE}{RLE}{END}{LRO}{RLO}{LRI}{RLI}{FSI}{END_ISOLATE}"), max_size=300)
)
def test_taming_twice_changes_nothing(text: str) -> None:
    once = tamed(text)
    assert tamed(once) == once
    assert once.count(END) + once.count(END_ISOLATE) == sum(map(once.count, (LRE, RLE, LRI, RLI, FSI)))
    assert ACUTE * (MOST_MARKS + 1) not in once


def test_nothing_that_is_printable_is_unsafe_or_reaches_beyond_its_text_or_is_dropped() -> None:
    printable = "".join(filter(str.isprintable, map(chr, range(sys.maxunicode + 1))))
    assert safe_text(f"{printable}\n") == f"{printable}\n"  # the line feed is safe, and not printable
    assert fold(f"{printable}\u200b") == fold(printable)
    assert tamed(f"\u2066{printable}\u2069") == f"\u2066{tamed(printable)}\u2069"


@pytest.mark.parametrize("before", range(2 * MOST_MARKS + 2))
def test_a_heap_is_found_wherever_it_stands(before: int) -> None:
    plain = "a" * before + "b"
    assert tamed(plain + ACUTE * MOST_MARKS + "c") == plain + ACUTE * MOST_MARKS + "c"
    assert tamed(plain + ACUTE * (MOST_MARKS + 1) + "c") == plain + ACUTE * MOST_MARKS + "c"
