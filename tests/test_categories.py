from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder.categories import MAX_SLUG, fold, identity, join_path, lineage, node, parse_path, slug, slugs

HASHED = re.compile(r"(.+-)?[0-9a-f]{8}")
# Labels that come close to one another: few letters, marks, blanks, what is dropped, and what looks like a hash.
NEAR = st.text(alphabet="aAb \u00a0-_－.+#/0fＦ\u0301\u00e9\u200b★—金", max_size=12)
LABELS = NEAR | st.text(max_size=60) | st.text(alphabet="0123456789abcdef-", max_size=20)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("金融", "金融"),
        ("News", "news"),
        ("  Tech  News ", "tech-news"),
        ("tech_news", "tech-news"),
        ("tech - news", "tech-news"),
        ("新浪财经－国內", "新浪财经-国內"),
        ("ＮＥＷＳ", "news"),
        ("Straße", "strasse"),
        ("a\u200bb\ufeff", "ab"),
        ("a\u3000b\tc\nd", "a-b-c-d"),
        ("A–B", "a–b"),
        ("（科技）", "(科技)"),
        ("\u200b  ", ""),
        ("", ""),
    ],
)
def test_identity_of_a_label(label: str, expected: str) -> None:
    assert identity(label) == expected


@given(LABELS)
@settings(deadline=None)
def test_identity_of_an_identity_is_itself(label: str) -> None:
    assert identity(identity(label)) == identity(label)


def test_folding_any_character_twice_changes_nothing() -> None:
    every = "\n".join(map(chr, range(0x110000)))  # a line break keeps neighbours from composing
    assert fold(fold(every)) == fold(every)


@given(st.text())
@settings(deadline=None)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_folding_leaves_no_format_character() -> None:
    formatting = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Cf"]
    # Python may know newer ones than the list, but none of those that it was made from.
    assert not any(fold(c) for c in formatting if unicodedata.ucd_3_2_0.category(c) == "Cf")


@pytest.mark.parametrize("label", ["金融", "Tech News", "二〇二二", "新浪财经－国內", "हिन्दी", "2021", "über-uns"])
def test_slug_of_letters_and_digits_is_the_identity(label: str) -> None:
    assert slug(label) == identity(label)


@pytest.mark.parametrize(
    ("label", "stem"), [("C++", "c"), ("C#", "c"), ("a.b", "ab"), ("— 资讯", "资讯"), ("A & B", "a--b")]
)
def test_slug_makes_up_for_what_is_dropped_by_a_hash(label: str, stem: str) -> None:
    assert re.fullmatch(re.escape(stem) + "-[0-9a-f]{8}", slug(label))


def test_labels_that_differ_in_symbols_have_different_slugs() -> None:
    labels = ["C", "C+", "C++", "C#", "C.", "C\N{FULLWIDTH NUMBER SIGN}★"]
    assert len({slug(label) for label in labels}) == len(labels)


@pytest.mark.parametrize(
    "label", ["", ".", "..", "/", "★★★", "---", "\u0301", "CON", "nul", "Com1", "lpt9", "\\", "\0"]
)
def test_slug_without_a_name_of_its_own_is_a_hash(label: str) -> None:
    assert re.fullmatch("[0-9a-f]{8}", slug(label))


@pytest.mark.parametrize(
    "label", ["../../etc/passwd", "a/b", "/etc", "a\0b", "..\\..\\x", "con.txt", "~root", "-x", "a\nb"]
)
def test_fault_67_slug_stays_inside_its_directory(label: str) -> None:
    assert not set("/\\\0.\n~:") & set(slug(label))
    assert slug(label) not in {"", "con", "etc"}


@pytest.mark.parametrize("label", ["金" * 86, "a" * 256, "𠀀" * 300, "金" * 26 + "abc"])
def test_fault_68_long_slug_is_cut_at_a_character_and_hashed(label: str) -> None:
    made = slug(label)
    assert len(made.encode()) <= MAX_SLUG
    assert HASHED.fullmatch(made)
    assert label.startswith(made[:-9])


def test_slug_of_eighty_bytes_stays_whole() -> None:
    assert slug("a" * 80) == "a" * 80
    assert slug("金" * 26 + "ab") == "金" * 26 + "ab"


def test_long_labels_that_begin_alike_have_different_slugs() -> None:
    assert slug("金" * 90) != slug("金" * 91)


@pytest.mark.parametrize(
    ("one", "other"), [("É", "E\u0301"), ("News", "news"), ("Ａ－Ｂ", "a-b"), ("ｶﾞ", "ガ"), ("a b", "a_b")]
)
def test_fault_69_spellings_of_one_label_are_one_directory(one: str, other: str) -> None:
    assert slug(one) == slug(other) == unicodedata.normalize("NFC", slug(one))


@pytest.mark.parametrize("label", ["deadbeef", "x-deadbeef", "20220222", "金融-20220222"])
def test_label_that_looks_hashed_is_hashed_too(label: str) -> None:
    assert re.fullmatch(re.escape(label) + "-[0-9a-f]{8}", slug(label))


@given(st.lists(LABELS, min_size=1, max_size=6), st.integers(0, 3))
@settings(deadline=None)
def test_different_categories_have_different_slugs(labels: list[str], rounds: int) -> None:
    for _ in range(rounds):  # the slugs of others are the most treacherous labels
        labels = labels + [slug(label) for label in labels]
    owners: dict[str, str] = {}
    for label in labels:
        assert owners.setdefault(slug(label), identity(label)) == identity(label)


@given(LABELS)
@settings(deadline=None)
def test_every_slug_is_a_sound_file_name(label: str) -> None:
    made = slug(label)
    assert made == slug(identity(label)) == unicodedata.normalize("NFC", made)
    assert 0 < len(made.encode()) <= MAX_SLUG
    assert all(c == "-" or unicodedata.category(c)[0] in "LMN" for c in made)


@given(LABELS)
@settings(deadline=None)
def test_slug_is_folded_so_that_no_file_system_merges_two(label: str) -> None:
    assert fold(slug(label)) == slug(label)


def test_node_is_the_path_of_identities_without_empty_ones() -> None:
    assert node(("金融", " ", "Sina  Finance")) == ("金融", "sina-finance")


def test_slugs_of_a_path_and_of_its_node_are_the_same() -> None:
    path = ("Tech", "C++", "deadbeef", "")
    assert slugs(path) == slugs(node(path)) == ("tech", slug("C++"), slug("deadbeef"))


def test_lineage_goes_from_the_site_down_to_the_node() -> None:
    assert lineage(("a", "b")) == ((), ("a",), ("a", "b"))
    assert lineage(()) == ((),)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("金融/新浪财经", ("金融", "新浪财经")),
        (r"a\/b/c", ("a/b", "c")),
        (r"a\\/b", ("a\\", "b")),
        (r"a\b", (r"a\b",)),
        ("a\\", ("a\\",)),
        (" a / b ", ("a", "b")),
        ("/a//b/", ("a", "b")),
        ("", ()),
    ],
)
def test_path_of_the_config_is_read(text: str, path: tuple[str, ...]) -> None:
    assert parse_path(text) == path


@given(st.lists(st.text(alphabet="a/\\ \n金").map(str.strip).filter(len), max_size=5).map(tuple))
@settings(deadline=None)
def test_path_joined_is_read_back(path: tuple[str, ...]) -> None:
    assert parse_path(join_path(path)) == path
