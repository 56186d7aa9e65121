"""Documents with front matter to RawItems: syntaxes, broken YAML, limits."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feeder.errors import ParseError, Unfinished
from feeder.model import Dialect, Place, RawItem, Snapshot, Source
from feeder.parse import parser_of
from feeder.parse.fields import _YamlReader
from feeder.parse.frontmatter import MAX_DOCUMENT, MAX_HEAD, parse, read_body
from feeder.parse.plain import read_plain

SOURCE = Source(name="newsroom", order=0)
BARE = Source(name="bare", order=0, require_front_matter=False)


def snapshot(document: str | bytes, locator: str = "a/b/one.md") -> Snapshot:
    body = document.encode() if isinstance(document, str) else document
    return Snapshot(locator=locator, body=body, place=Place(locator=locator, size=len(body), mtime_ns=1, inode=1))


def read(document: str | bytes, source: Source = SOURCE, locator: str = "a/b/one.md") -> RawItem:
    return parse(snapshot(document, locator), source)


def head(text: str) -> RawItem:
    return read(f"---\n{text}\n---\nBody\n")


ARTICLE = """
---
title: 'A day at the lake'
categories:
 - Nature
 - The Lake Post
 - The Lake Post - Walks
headimg: 'https://img.example.org/1.png'
author: The Lake Post
comments: false
date: Tue, 22 Feb 2022 08:19:50 GMT
thumbnail: 'https://img.example.org/2.png'
---

<div>Water.</div>            """


def test_an_article_of_the_family_is_read_whole() -> None:
    assert read(ARTICLE) == RawItem(
        locator="a/b/one.md",
        dialect=Dialect.HEXO,
        title="A day at the lake",
        date="Tue, 22 Feb 2022 08:19:50 GMT",
        categories=("Nature", "The Lake Post", "The Lake Post - Walks"),
        author="The Lake Post",
        image="https://img.example.org/2.png",
        body="\n<div>Water.</div>            ",
    )


def test_a_source_is_read_by_the_parser_of_its_kind() -> None:
    assert parser_of(SOURCE).parse(snapshot(ARTICLE), SOURCE) == read(ARTICLE)
    assert parser_of(SOURCE).read_body(snapshot(ARTICLE), SOURCE) == read(ARTICLE).body


# ---------------------------------------------------------------- fences


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("---\ntitle: Lake\n---\nBody\n", id="plain"),
        pytest.param("\n\n  \n---\ntitle: Lake\n---\nBody\n", id="empty-lines-before"),
        pytest.param("  ---\ntitle: Lake\n---\nBody\n", id="blanks-before"),
        pytest.param("\ufeff---\ntitle: Lake\n---\nBody\n", id="bom"),
        pytest.param("\ufeff\n\ufeff---\ntitle: Lake\n---\nBody\n", id="two-boms"),
        pytest.param("---\r\ntitle: Lake\r\n---\r\nBody\r\n", id="crlf"),
        pytest.param("---\rtitle: Lake\r---\rBody\r", id="cr-only"),
        pytest.param("---  \t\ntitle: Lake\n---\u3000 \nBody\n", id="blanks-after-fences"),
        pytest.param("-----\ntitle: Lake\n-----\nBody\n", id="long-fences"),
        pytest.param("---\ntitle: Lake\n...\nBody\n", id="yaml-document-end"),
        pytest.param("---yaml\ntitle: Lake\n---\nBody\n", id="named-yaml"),
        pytest.param("title: Lake\n---\nBody\n", id="closing-fence-only"),
        pytest.param('---\n{"title": "Lake"}\n---\nBody\n', id="json-in-yaml-fences"),
        pytest.param('---json\n{"title": "Lake"}\n---\nBody\n', id="named-json"),
        pytest.param(';;;\n"title": "Lake"\n;;;\nBody\n', id="json-without-braces"),
        pytest.param(';;;\n{"title": "Lake"}\n;;;\nBody\n', id="json-in-semicolons"),
        pytest.param('{"title": "Lake"}\nBody\n', id="json-on-top"),
        pytest.param('\n{\n  "title": "Lake", "x": {"y": "}"}\n}  \nBody\n', id="json-with-braces-inside"),
        pytest.param("+++\ntitle = 'Lake'\n+++\nBody\n", id="toml"),
        pytest.param("---toml\ntitle = 'Lake'\n---\nBody\n", id="named-toml"),
        pytest.param("Title: Lake\n\nBody\n", id="headers"),
        pytest.param("title: Lake\nBody\n", id="headers-without-an-empty-line"),
    ],
)
def test_input_01_title_and_body_are_found(document: str) -> None:
    item = read(document)
    assert (item.title, item.body, item.warnings) == ("Lake", "Body\n", ())
    assert read_body(snapshot(document), SOURCE) == "Body\n"


@pytest.mark.parametrize("document", ["---\ntitle: Lake\n---", "---\n---\n", "---\n# only a comment\n---", "{}"])
def test_front_matter_may_be_all_there_is(document: str) -> None:
    assert read(document).body == ""


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\ufeff", id="blank"),
        pytest.param("---", id="fence-only"),
        pytest.param("---\ntitle: Lake\ndate: 2022", id="cut-in-the-fields"),
        pytest.param("---\ntitle: Lake\n--", id="cut-in-the-fence"),
        pytest.param("---\ntitle: Lake\n\nBody --- more\n --- \n", id="no-closing-fence"),
        pytest.param("+++\ntitle = 'Lake'\n", id="toml"),
        pytest.param('{"title": "Lake", "a": {"b": 1}', id="json"),
        pytest.param('{"title": "La', id="json-cut-in-a-string"),
        pytest.param(';;;\n"title": "Lake"\n', id="semicolons"),
    ],
)
@pytest.mark.parametrize("source", [SOURCE, BARE], ids=["required", "not-required"])
def test_fault_58_a_document_that_ends_too_early_is_unfinished(document: str, source: Source) -> None:
    with pytest.raises(Unfinished):
        read(document, source)
    with pytest.raises(Unfinished):
        read_body(snapshot(document), source)


@pytest.mark.parametrize("document", ["Just text.\n", "<p>x</p>", "--- x\ny\n---\n", "Note: this\n\nBody", "{% raw %}"])
def test_a_document_without_front_matter_is_refused(document: str) -> None:
    with pytest.raises(ParseError, match=r"^no front matter$"):
        read(document)


def test_a_document_without_front_matter_is_a_body_where_that_is_allowed() -> None:
    assert read("Just text.\r\n", BARE) == RawItem(locator="a/b/one.md", dialect=Dialect.HEXO, body="Just text.\n")
    assert read_body(snapshot("Just text.\r\n"), BARE) == "Just text.\n"


def test_a_rule_in_the_body_ends_nothing() -> None:
    assert read("---\ntitle: Lake\n---\nOne\n\n---\n\nTwo\n").body == "One\n\n---\n\nTwo\n"


def test_an_indented_fence_inside_a_text_block_ends_nothing() -> None:
    assert head("title: Lake\nsummary: |\n  one\n  ---\n  two").summary == "one\n---\ntwo\n"


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    "written",
    ["2022-02-22", "2022", "0777", "0x1F", "12:30:45", "12:30", "no", "yes", "true", ".nan", "1e3", "1_000", "=", "<<"],
)
def test_fault_54_scalars_are_text_as_written(written: str) -> None:
    item = head(f"title: {written}\ndate: {written}\ntags: [{written}]")
    assert (item.title, item.date, item.tags, item.warnings) == (written, written, (written,), ())


@pytest.mark.parametrize("written", ["", "~", "null", "NULL", "# a remark", "''", "'  '"])
def test_fault_55_an_empty_title_is_none(written: str) -> None:
    assert head(f"title: {written}\ndate: 2022-02-22").title is None


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("'null'", "null"),
        ('"~"', "~"),
        ("!!str 2022", "2022"),
        ("[a]", "[a]"),
        ("[a,b]  ", "[a,b]"),
        ("{a: 1}", "{a: 1}"),
        ("#hashtag of the day", "#hashtag of the day"),
        ("R&D *x*", "R&D *x*"),
        ("'R&D'", "R&D"),
        ("Lake # a remark", "Lake"),
        ("'One\n\n  two'", "One\ntwo"),
        ("One\n  two", "One two"),
        (">\n  One\n  two", "One two\n"),
    ],
)
def test_inputs_03_and_04_titles_are_read_as_text(written: str, title: str) -> None:
    item = head(f"title: {written}\ndate: 2022-02-22")
    assert (item.title, item.date, item.warnings) == (title, "2022-02-22", ())


def test_keys_are_matched_without_regard_to_case() -> None:
    item = head("TITLE: Lake\nDate: 2022-02-22\nCoVer: /c.png")
    assert (item.title, item.date, item.image) == ("Lake", "2022-02-22", "/c.png")


def test_fault_52_of_a_repeated_key_the_last_counts_with_a_warning() -> None:
    item = read("\n---\ntitle: One\ndate: 2022\nTitle: Two\n---\nBody")
    assert item.title == "Two"
    assert item.warnings == ("line 5: a key is given twice; the last one counts",)


def test_the_notes_on_one_document_are_limited() -> None:
    assert len(head("title: Lake\n" + "a:\n" * 1000).warnings) == 20


def test_values_of_toml_are_text() -> None:
    item = read(
        "+++\ntitle = 'Lake'\ndate = 2022-02-22T08:00:00Z\nlastmod = 2022-03-01\ndraft = false\nguid = 42\n"
        "weight = 1.50\ntags = ['a', 'b']\n[author]\nName = 'Ann'\n+++\nBody"
    )
    assert (item.title, item.date, item.updated) == ("Lake", "2022-02-22T08:00:00+00:00", "2022-03-01")
    assert (item.guid, item.tags, item.author, item.left_out) == ("42", ("a", "b"), "Ann", None)


def test_values_of_json_are_text() -> None:
    item = read(
        '{"title": 2022, "draft": true, "guid": 1.50, "author": {"name": "Ann"}, "date": null, "tags": ["a", NaN]}'
    )
    assert (item.title, item.guid, item.author, item.date) == ("2022", "1.50", "Ann", None)
    assert (item.tags, item.left_out) == (("a", "NaN"), "draft")


def test_repeated_keys_of_json_are_noted() -> None:
    item = read('{"title": "One", "title": "Two"}')
    assert (item.title, item.warnings) == ("Two", ("line 1: a key is given twice; the last one counts",))


def test_a_header_goes_on_below() -> None:
    item = read("Title: A day\n    at the lake\nSummary:\n    Wet.\nTags: a, b\n\nBody\n")
    assert (item.title, item.summary, item.tags, item.body) == ("A day at the lake", "Wet.", ("a", "b"), "Body\n")


# ---------------------------------------------------------------- broken YAML


@pytest.mark.parametrize(
    ("written", "title"),
    [
        pytest.param("'It's'", "It's", id="apostrophe"),
        pytest.param("'It''s Ann's'", "It's Ann's", id="apostrophes-both-ways"),
        pytest.param('"""\'A\'"""', "\"'A'\"", id="quotes-in-quotes"),
        pytest.param('"He said "no" twice"', 'He said "no" twice', id="double-quotes"),
        pytest.param("'open", "'open", id="never-closed"),
        pytest.param("a: b", "a: b", id="colon"),
        pytest.param("'it's, really", "'it's, really", id="quote-at-the-start"),
        pytest.param("@x", "@x", id="at"),
        pytest.param("%x", "%x", id="percent"),
        pytest.param("`x`", "`x`", id="backtick"),
        pytest.param("*x", "*x", id="alias"),
        pytest.param("*x* marks it", "*x* marks it", id="emphasis"),
        pytest.param("&x y", "&x y", id="anchor"),
        pytest.param("!important", "!important", id="tag"),
        pytest.param("[Solved] it", "[Solved] it", id="bracket"),
        pytest.param("{{ name }}", "{{ name }}", id="template"),
        pytest.param("'a' and 'b'", "a' and 'b", id="two-quoted-words"),
        pytest.param("C: # and D: #1", "C: # and D: #1", id="hash"),
        pytest.param("'One\n  two's'", "One two's", id="quoted-over-two-lines"),
        pytest.param("'One\ntwo's'", "One two's", id="quoted-over-two-lines-at-the-margin"),
        pytest.param("One: two\n  three", "One: two three", id="over-two-lines"),
        pytest.param(r'"C:\Users \"x\" \u00e9"', 'C:\\Users "x" é', id="escapes"),
        pytest.param('"bell \x07"', "bell \x07", id="control-character"),
    ],
)
def test_input_02_a_title_that_breaks_yaml_is_read_as_meant(written: str, title: str) -> None:
    item = head(f"title: {written}\ndate: 2022-02-22 # day\ncategories:\n - A\n - 'B'\ndraft: no\ntags: [a, 'b']")
    assert (item.title, item.date, item.categories) == (title, "2022-02-22", ("A", "B"))
    assert (item.tags, item.left_out) == (("a", "b"), None)
    assert "not valid YAML, read line by line" in item.warnings[0]


def test_the_warning_names_the_line() -> None:
    item = read("\n---\nauthor: Ann\ntitle: 'It's'\n---\nBody")
    assert item.warnings == ("line 4: not valid YAML, read line by line: did not find expected key",)


def test_a_draft_with_broken_yaml_stays_a_draft() -> None:
    assert head("title: 'It's'\ndraft: true # not yet").left_out == "draft"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ttitle: Lake\n\tdate: 2022-02-22\n\tcategories:\n\t\t- A", id="all-indented"),
        pytest.param("title: Lake\n\tdate: 2022-02-22\ncategories:\n\t- A", id="one-line"),
        pytest.param("title: Lake\ndate:\t2022-02-22\ncategories:\n\t- [A]", id="list"),
        pytest.param("title:Lake\ndate:2022-02-22\ncategories:[A]", id="no-blank-after-the-colon"),
    ],
)
def test_fault_53_tabs_and_missing_blanks_are_forgiven(text: str) -> None:
    item = head(text)
    assert (item.title, item.date) == ("Lake", "2022-02-22")
    assert item.categories in [("A",), (("A",),)]
    assert item.warnings


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("categories: [A, 'B', \"C\"]", ("A", "B", "C")),
        ("categories: [[A, B], [C]]", (("A", "B"), ("C",))),
        ("categories:\n- [A, B]\n- [C]", (("A", "B"), ("C",))),
        ("categories:\n -\n - ~\n - A # first", ("A # first",)),
        ("categories: A # remark", "A"),
        ("categories: &c [A, *c]", ("A",)),
        ("categories: *c", None),
        ("categories: !!python/tuple [A]", None),
        ("categories: []", None),
        ("categories:\n  A\n  B", "A B"),
        ("categories:", None),
        ("# remark\ncategories: A\nunknown: x\n - B", "A"),
    ],
)
def test_lists_are_read_line_by_line(text: str, categories: object) -> None:
    assert head(f"title: 'It's'\n{text}\ndate: 2022").categories == categories


def test_blocks_and_mappings_are_read_line_by_line() -> None:
    item = head(
        "title: 'It's'\nsummary: |\n  One\n  two\nexcerpt: >-\n  Three\n  four\ncover:\n  url: '/a.png'\n  w: 1"
    )
    assert (item.summary, item.image) == ("Three four", "/a.png")
    assert head("title: 'It's'\nsummary: |\n  One\n  two").summary == "One\ntwo"
    assert head("title: 'It's'\nsummary: |\ndate: 1").summary is None


def test_keys_of_the_config_are_known_line_by_line() -> None:
    source = Source(name="s", order=0, fields=(("title", "Headline"),))
    assert read("---\nheadline: 'It's'\n---\n", source).title == "It's"


def test_fault_51_a_tag_is_refused_and_the_rest_kept() -> None:
    item = head("title: !!python/object/apply:os.system ['id']\ndate: 2022-02-22")
    assert (item.title, item.date) == ("!!python/object/apply:os.system ['id']", "2022-02-22")
    assert item.warnings == ("line 2: not valid YAML, read line by line: a tag is not followed",)


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]", id="aliases"),
        pytest.param("a: &a [*a]", id="of-itself"),
        pytest.param("a: &a {<<: *a}", id="merge"),
        pytest.param("a: &a\n - 1\nb: *a", id="list"),
    ],
)
def test_faults_47_and_48_aliases_are_not_followed(bomb: str) -> None:
    item = head(f"{bomb}\ntitle: Lake\ndate: 2022-02-22")
    assert (item.title, item.date, len(item.warnings)) == ("Lake", "2022-02-22", 1)


@pytest.mark.parametrize(
    ("written", "title"),
    [
        pytest.param(r'"a \ud83d b"', "a \ufffd b", id="half-a-pair"),
        pytest.param(r'"a \ud83d\ude00 b"', "a 😀 b", id="a-pair"),
        pytest.param(r'"a \uD800\x00 b"', "a \ufffd\ufffd b", id="nul"),
    ],
)
def test_fault_46_lone_surrogates_become_u_fffd_with_a_warning(written: str, title: str) -> None:
    item = head(f"title: {written}")
    assert item.title == title
    assert len(item.warnings) == (2 if "\ufffd" in title else 1)


def test_fault_46_lone_surrogates_of_json_become_u_fffd_with_a_warning() -> None:
    item = read('{"title": "a \\ud800", "cover": {"\\ud800": ["b \\udfff"]}}')
    assert (item.title, len(item.warnings)) == ("a \ufffd", 1)
    assert read('{"title": "a \\u00e9", "tags": ["b"], "cover": {"url": "c"}}').warnings == ()


@pytest.mark.parametrize(
    ("document", "line"),
    [
        pytest.param("---\n- a\n- b\n---\n", 2, id="list"),
        pytest.param("\n---\n\njust text\n---\n", 4, id="text"),
        pytest.param("---\nfoo: 'it's'\n---\n", 2, id="nothing-known"),
        pytest.param("---\n[a, b\n---\n", 2, id="broken"),
        pytest.param("---\ntitle: It\n\n<p>Text: a b</p>\n\nmore\n---\nrest", 4, id="body-before-the-fence"),
        pytest.param("---\ntitle: It\n\nText\n\nmore: [\n\n---\nrest", 4, id="text-before-the-fence"),
        pytest.param("+++\na = 1\nb = \n+++\n", 3, id="toml"),
        pytest.param("+++\na = 1\na = 2\n+++\n", 3, id="toml-twice"),
        pytest.param('{"title": "x",\n "a": oops}', 2, id="json"),
    ],
)
def test_fault_60_front_matter_that_is_no_mapping_is_refused(document: str, line: int) -> None:
    with pytest.raises(ParseError) as caught:
        read(document)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "document", [';;;\n{"a": 1}, 2\n;;;\n', ";;;\n{]}\n;;;", "+++\na = 'x\n+++\n", "+++\na = [\n+++"]
)
def test_broken_toml_and_json_is_refused(document: str) -> None:
    with pytest.raises(ParseError):
        read(document)


def test_a_second_document_in_the_front_matter_is_refused() -> None:
    with pytest.raises(ParseError, match="line 3: not valid YAML: it is more than one document"):
        head("foo: bar\n--- {a: b}\n")


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("---\ntitle: Lake\nx: {}\n---\n".format("[" * 30_000), id="yaml"),
        pytest.param("---\ntitle: Lake\nx: {}\n---\n".format('{"a":' * 12_000), id="yaml-mapping"),
        pytest.param("---\ntitle: Lake\nx:\n  {}a\n---\n".format("- " * 30_000), id="yaml-compact-list"),
        pytest.param("---\ntitle: Lake\nx:\n  {}a\n---\n".format("? " * 30_000), id="yaml-keys"),
        pytest.param("+++\nx = {}\n+++\n".format("[" * 30_000), id="toml"),
        pytest.param('{{"x": {}{}}}'.format("[" * 30_000, "]" * 30_000), id="json"),
    ],
)
def test_fault_49_nesting_that_crashes_a_c_loader_is_refused(document: str) -> None:
    # In a process of its own: the fault looked for is a crash.
    program = (
        "import sys\n"
        "from feeder.errors import ParseError\n"
        "from feeder.model import Place, Snapshot, Source\n"
        "from feeder.parse.frontmatter import parse\n"
        "place = Place(locator='x', size=1, mtime_ns=1, inode=1)\n"
        "try:\n"
        "    item = parse(Snapshot(locator='x', body=sys.stdin.buffer.read(), place=place), Source(name='s', order=0))\n"
        "    print(item.title)\n"
        "except ParseError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=document.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"nested deeper than 100 levels" in done.stdout or done.stdout == b"Lake\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "a:\n" + "".join(" " * n + "- \n" for n in range(1, 200)) + " " * 200 + "- a", id="by-indentation"
        ),
        pytest.param("a: " + "[" * 100 + "]" * 100, id="in-brackets"),
    ],
)
def test_a_hundred_levels_are_the_limit(text: str) -> None:
    with pytest.raises(ParseError, match="nested deeper than 100 levels"):
        head(f"title: Lake\n{text}")
    assert head("title: Lake\na: " + "[" * 99 + "]" * 99).title == "Lake"


def test_toml_nested_too_deep_is_refused_before_it_is_loaded() -> None:
    with pytest.raises(ParseError, match=r"^line 3: not valid TOML: nested deeper than 100 levels$"):
        read("+++\ntitle = 'Lake'\na = " + "[" * 101 + "]" * 101 + "\n+++\n")


def test_nesting_by_dotted_keys_of_toml_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^line 3: not valid TOML: nested deeper than 100 levels$"):
        read("+++\ntitle = 'Lake'\n" + ".".join("a" * 30_000) + " = 1\n+++\n")


def test_tables_of_toml_and_their_keys_together_are_no_deeper() -> None:
    path = ".".join("a" * 60)
    with pytest.raises(ParseError, match="nested deeper"):
        read(f"+++\n[{path}]\n{path} = 1\n+++\n")


def test_braces_inside_texts_of_json_are_no_levels() -> None:
    assert read('{"title": "Lake", "a": "' + "{[" * 200 + '"}\n').title == "Lake"
    with pytest.raises(ParseError, match="nested deeper than 100 levels"):
        read('{"title": "Lake", "a": ' + '["]",' * 2_000 + "1" + "]" * 2_000 + "}\n")


def test_a_number_of_json_may_have_thousands_of_digits() -> None:
    assert read('{"title": "Lake", "a": ' + "9" * 5000 + "}\n").title == "Lake"


def test_many_closed_brackets_are_no_depth() -> None:
    assert read("+++\ntitle = 'Lake'\na = [" + "[]," * 200 + "]\n+++\n").title == "Lake"


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("---\n" + "".join(f"k{n}: 1\n" for n in range(1001)) + "---\n", id="yaml"),
        pytest.param("---\na: 1\nb: {" + ",".join(f"k{n}" for n in range(1001)) + "}\n---\n", id="yaml-inside"),
        pytest.param("+++\n" + "".join(f"k{n} = 1\n" for n in range(1001)) + "+++\n", id="toml"),
        pytest.param("{" + ",".join(f'"k{n}": 1' for n in range(1001)) + "}", id="json"),
        pytest.param('{"a": {' + ",".join(f'"k{n}": 1' for n in range(1001)) + "}}", id="json-inside"),
        pytest.param("title: x\n" + "".join(f"k{n}: 1\n" for n in range(1001)) + "\n", id="headers"),
    ],
)
def test_fault_50_too_many_keys_are_refused(document: str) -> None:
    with pytest.raises(ParseError, match="more than 1000 keys"):
        read(document)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(f"---\ntitle: {'x' * MAX_HEAD}\n---\n", id="yaml"),
        pytest.param("---\n" + "k: 1\n" * 50_000 + "---\n", id="keys"),
        pytest.param(f"+++\ntitle = '{'x' * MAX_HEAD}'\n+++\n", id="toml"),
        pytest.param(f'{{"title": "{"x" * MAX_HEAD}"}}', id="json"),
        pytest.param("title: x\n" + "a:\n" * 50_000 + "\nbody", id="headers"),
        pytest.param("title: x\n" + "a:\n" * 50_000 + "---\nbody", id="closing-fence-only"),
    ],
)
def test_fault_50_front_matter_of_more_than_64_kb_is_refused(document: str) -> None:
    with pytest.raises(ParseError, match=r"^front matter of more than 64 kB$"):
        read(document)
    with pytest.raises(ParseError, match=r"^front matter of more than 64 kB$"):
        read_body(snapshot(document), SOURCE)


def test_fault_44_a_document_of_more_than_10_mib_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^larger than 10 MiB$"):
        read(b"---\ntitle: x\n---\n" + bytes(MAX_DOCUMENT))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("\n" * 1_000_000, id="empty-lines"),
        pytest.param("---" + " " * 1_000_000 + "x", id="blanks-after-the-fence"),
        pytest.param("-" * 1_000_000, id="dashes"),
        pytest.param("---\n" + "\n---x" * 200_000, id="near-fences"),
        pytest.param('{ "' + '\\"' * 500_000, id="escaped-quotes"),
        pytest.param("{ " + '"' * 999_999, id="quotes"),
        pytest.param("title: x\n" + "word " * 200_000, id="words"),
        pytest.param("title: x\n" + " \n" * 500_000, id="blank-headers"),
        pytest.param("---\ntitle: 'It's'\n" + " " * 60_000 + "x\n" + "'" * 5_000 + "\n---\n", id="blanks"),
        pytest.param("---\ntitle: 'It's'\ntags: [" + "[" * 60 + "[a," * 20_000 + "]\n---\n", id="groups"),
        pytest.param("---\ntitle: 'It's'\n" + "a " * 30_000 + "\n---\n", id="key-like"),
        pytest.param("---\ntitle: #" + "#" * 60_000 + "\n---\n", id="hashes"),
        pytest.param("---\n" + "title:\n" * 9_000 + "---\n", id="empty-titles"),
        pytest.param("---\ntitle: 'Lake'\ntags: 'a" + " " * 60_000 + "b'\n---\n", id="blanks-without-a-comma"),
        pytest.param("---\ntitle: 'It's'\ntags: " + "&" * 60_000 + "\n---\n", id="anchors"),
        pytest.param("+++\n" + "".join(f"[{'a.' * 90}b{n}]\n" for n in range(300)) + "+++\n", id="toml-tables"),
    ],
)
def test_hostile_documents_are_read_or_refused_in_no_time(document: str) -> None:
    # A pattern that goes quadratic over these needs minutes and shows as a hang.
    try:
        read(document)
    except ParseError:
        with pytest.raises(ParseError):
            read(document, SOURCE)


# ---------------------------------------------------------------- laws

_PIECES = st.sampled_from(
    [
        *"---+++;;;{}[]\"'\n\n\n\n\t\r:,&*!|>#@`%~?\\ ax0\ufeff\x00\x85\u3000",
        "---\n",
        "title: ",
        "date:",
        "tags:",
        " - ",
    ]
)
_DOCUMENTS = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(str.encode),
    st.lists(_PIECES, max_size=60).map(lambda pieces: "".join(pieces).encode()),
    st.lists(_PIECES, max_size=60).map(lambda pieces: ("---\n" + "".join(pieces) + "\n---\nBody").encode()),
    st.lists(_PIECES, max_size=40).map(lambda pieces: ("+++\n" + "".join(pieces) + "\n+++\nBody").encode()),
    st.lists(_PIECES, max_size=40).map(lambda pieces: ("title: " + "".join(pieces)).encode()),
    st.lists(_PIECES, max_size=40).map(lambda pieces: ('{"a": ' + "".join(pieces) + "}").encode()),
).filter(lambda document: len(document) < 10_000)


@given(_DOCUMENTS, st.sampled_from([SOURCE, BARE]))
@settings(deadline=None, max_examples=600)
@example(b"title\t: x", SOURCE)
@example(b"---\ntitle: [\n---\n", SOURCE)
def test_whatever_is_read_is_an_item_or_a_parse_error(document: bytes, source: Source) -> None:
    try:
        item = read(document, source)
    except ParseError:
        return
    assert item.body == read_body(snapshot(document), source)
    assert "\r" not in item.body
    assert item.warnings or "\ufffd" not in f"{item.title}{item.body}{item.date}{item.tags}"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff")))
@settings(deadline=None, max_examples=300)
def test_every_title_in_single_quotes_reads_back(title: str) -> None:
    quoted = title.replace("'", "''")
    assert head(f"title: '{quoted}'\ndate: 2022").title == (title if title.strip() else None)


_VALUES = st.recursive(
    st.text("ab:#'\"-[]{}, é中", max_size=8),
    lambda values: st.one_of(st.lists(values, max_size=3), st.dictionaries(st.text("ab é", max_size=3), values)),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["categories", "title", "x"]), _VALUES, min_size=1), st.booleans())
@settings(deadline=None, max_examples=300)
def test_valid_yaml_needs_no_second_reading(values: dict[str, object], flow: bool) -> None:  # noqa: FBT001 - drawn
    assert head(yaml.safe_dump(values, allow_unicode=True, default_flow_style=flow)).warnings == ()


_PLAIN_PIECES = st.sampled_from(
    [
        *"ab0#:'\"-_,[]{}&*!|>%@?~. \t\x85\u2028\u3000\xa0é中😀\x7f\ufeff",
        *("null", "''", ": ", " #", "  ", "- ", "\n", "\n - ", "\n  - ", "\n- ", "\na: ", "\nb:", "\nTitle: ", " \n"),
    ]
)
_PLAIN_HEADS = st.lists(_PLAIN_PIECES, max_size=14).map(lambda pieces: f"a: {''.join(pieces)}\n")
_PLAIN_LISTS = st.lists(_PLAIN_PIECES, max_size=14).map(lambda pieces: f"a:\n - {''.join(pieces)}\n")
_PLAIN_QUOTES = st.lists(_PLAIN_PIECES, max_size=10).map(lambda pieces: f"a: '{''.join(pieces)}'\nb: c\n")


@given(st.one_of(_PLAIN_HEADS, _PLAIN_LISTS, _PLAIN_QUOTES))
@settings(deadline=None, max_examples=1500)
@example("title:\n - a\n")
@example("a:\n - b\n  - c\n")
@example("a: b\n - c\n")
@example("null: a\nA:\na: null\n")
def test_the_quick_reading_agrees_with_the_yaml_parser_or_declines(text: str) -> None:
    quick = read_plain(text)
    if quick is not None:
        slow = _YamlReader(text).fields()
        assert (quick, quick.notes) == (slow, slow.notes)


def test_the_quick_reading_takes_the_usual_front_matter() -> None:
    assert read_plain(ARTICLE.split("---")[1][1:]) is not None
