"""Field names and habits of each dialect."""

from __future__ import annotations

import pytest

from feeder.model import Dialect, Place, RawItem, Snapshot, Source
from feeder.parse.frontmatter import parse

POST = "blog/_posts/2022-02-22-a-day-out.md"
PLACE = Place(locator="x", size=1, mtime_ns=1, inode=1)


def read(
    head: str,
    dialect: Dialect = Dialect.AUTO,
    *,
    locator: str = "notes/A day.md",
    fields: tuple[tuple[str, str], ...] = (),
) -> RawItem:
    source = Source(name="s", order=0, dialect=dialect, fields=fields)
    return document(f"---\n{head}\n---\nBody\n", source, locator=locator)


def document(text: str, source: Source, *, locator: str = "notes/A day.md") -> RawItem:
    return parse(Snapshot(locator=locator, body=text.encode(), place=PLACE), source)


H, J, U, P = Dialect.HEXO, Dialect.JEKYLL, Dialect.HUGO, Dialect.PELICAN
E, A, O = Dialect.ELEVENTY, Dialect.ASTRO, Dialect.OBSIDIAN  # noqa: E741 - a column of a table


@pytest.mark.parametrize(
    ("dialect", "written", "word", "value"),
    [
        (H, "title: x", "title", "x"),
        (H, "date: x", "date", "x"),
        (H, "updated: x", "updated", "x"),
        (H, "categories: [x, y]", "categories", ("x", "y")),
        (H, "categories: [[x, y], [z]]", "categories", (("x", "y"), ("z",))),
        (H, "categories: x", "categories", "x"),
        (H, "category: x", "categories", "x"),
        (H, "tags: [x, y]", "tags", ("x", "y")),
        (H, "tags: x", "tags", ("x",)),
        (H, "author: x", "author", "x"),
        (H, "cover: x", "image", "x"),
        (H, "thumbnail: x", "image", "x"),
        (H, "headimg: x", "image", "x"),
        (H, "photos: [x, y]", "image", "x"),
        (H, "permalink: x", "link", "x"),
        (H, "abbrlink: x", "slug", "x"),
        (H, "excerpt: x", "summary", "x"),
        (H, "description: x", "summary", "x"),
        (H, "draft: true", "left_out", "draft"),
        (H, "published: false", "left_out", "published: false"),
        (J, "title: x", "title", "x"),
        (J, "date: x", "date", "x"),
        (J, "last_modified_at: x", "updated", "x"),
        (J, "category: x y", "categories", "x y"),
        (J, "categories: x  y", "categories", ("x", "y")),
        (J, "categories: [x y, z]", "categories", ("x y", "z")),
        (J, "tags: x y", "tags", ("x", "y")),
        (J, "tags: [x y, z]", "tags", ("x y", "z")),
        (J, "author: x", "author", "x"),
        (J, "author: {name: x, email: y}", "author", "x"),
        (J, "image: x", "image", "x"),
        (J, "image: {path: x, alt: y}", "image", "x"),
        (J, "permalink: x", "link", "x"),
        (J, "published: False", "left_out", "published: false"),
        (J, "excerpt: x", "summary", "x"),
        (J, "description: x", "summary", "x"),
        (U, "Title: x", "title", "x"),
        (U, "date: x", "date", "x"),
        (U, "publishDate: x", "date", "x"),
        (U, "LASTMOD: x", "updated", "x"),
        (U, "categories: [x, y]", "categories", ("x", "y")),
        (U, "tags: [x, y]", "tags", ("x", "y")),
        (U, "author: x", "author", "x"),
        (U, "authors: [x, y]", "author", "x, y"),
        (U, "authors: [{name: x}, {name: y}, {}]", "author", "x, y"),
        (U, "image: x", "image", "x"),
        (U, "images: [x, y]", "image", "x"),
        (U, "cover: {image: x, alt: y}", "image", "x"),
        (U, "url: /x/", "link", "/x/"),
        (U, "slug: x", "slug", "x"),
        (U, "draft: on", "left_out", "draft"),
        (U, "description: x", "summary", "x"),
        (U, "summary: x", "summary", "x"),
        (P, "Title: x", "title", "x"),
        (P, "Date: x", "date", "x"),
        (P, "Modified: x", "updated", "x"),
        (P, "Category: x", "categories", "x"),
        (P, "Tags: x, y", "tags", ("x", "y")),
        (P, "Author: x", "author", "x"),
        (P, "Authors: x; y", "author", "x, y"),
        (P, "Authors: x, y", "author", "x, y"),
        (P, "Authors: ';'", "author", None),
        (P, "Slug: x", "slug", "x"),
        (P, "Status: Draft", "left_out", "draft"),
        (P, "Status: hidden", "left_out", "hidden"),
        (P, "Status: published", "left_out", None),
        (P, "Summary: x", "summary", "x"),
        (E, "title: x", "title", "x"),
        (E, "date: x", "date", "x"),
        (E, "tags: [x, y]", "tags", ("x", "y")),
        (E, "permalink: /x/", "link", "/x/"),
        (E, "permalink: false", "link", None),
        (E, "permalink: '/{{ title | slugify }}/'", "link", None),
        (E, "draft: yes", "left_out", "draft"),
        (E, "eleventyExcludeFromCollections: true", "left_out", "excluded from collections"),
        (E, "description: x", "summary", "x"),
        (A, "title: x", "title", "x"),
        (A, "pubDate: x", "date", "x"),
        (A, "pubDatetime: x", "date", "x"),
        (A, "updatedDate: x", "updated", "x"),
        (A, "modDatetime: x", "updated", "x"),
        (A, "category: x", "categories", "x"),
        (A, "tags: [x, y]", "tags", ("x", "y")),
        (A, "author: x", "author", "x"),
        (A, "heroImage: x", "image", "x"),
        (A, "heroImage: {src: x}", "image", "x"),
        (A, "ogImage: {url: x}", "image", "x"),
        (A, "slug: x", "slug", "x"),
        (A, "canonical: x", "link", "x"),
        (A, "draft: 1", "left_out", "draft"),
        (A, "description: x", "summary", "x"),
        (O, "title: x", "title", "x"),
        (O, "date created: x", "date", "x"),
        (O, "date modified: x", "updated", "x"),
        (O, "tags: ['#x', y]", "tags", ("x", "y")),
        (O, "tags: '#x #y, z'", "tags", ("x", "y", "z")),
        (O, "permalink: x", "link", "x"),
        (O, "publish: false", "left_out", "publish: false"),
        (O, "description: x", "summary", "x"),
    ],
)
def test_each_dialect_has_its_names(dialect: Dialect, written: str, word: str, value: object) -> None:
    assert getattr(read(written, dialect), word) == value
    assert read(written, dialect).dialect is dialect


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("key", ["guid", "id", "UUID"])
def test_every_dialect_may_give_an_id(dialect: Dialect, key: str) -> None:
    assert read(f"{key}: 42", dialect).guid == "42"


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("draft: TRUE", "draft"),
        ("hidden: 'true'", "hidden"),
        ("published: no", "published: false"),
        ("publish: off", "publish: false"),
        ("status: private", "hidden"),
        ("draft: false\nhidden: 0\npublished: true\npublish: 1", None),
        ("published: 2022-02-22\ndraft: [true]", None),
    ],
)
def test_what_the_author_hides_is_left_out_in_every_dialect(dialect: Dialect, written: str, reason: str | None) -> None:
    assert read(written, dialect).left_out == reason


def test_a_drafts_directory_is_left_out() -> None:
    assert read("title: x", locator="source/_drafts/x.md").left_out == "in _drafts"
    assert read("title: x", locator="source/my_drafts/x.md").left_out is None


# ---------------------------------------------------------------- which dialect it is


@pytest.mark.parametrize(
    ("head", "locator", "dialect"),
    [
        ("title: x", "x.md", H),
        ("title: x\nheadimg: y", "_posts/x.md", H),
        ("title: x", POST, H),
        ("layout: post\ntitle: x", "x.md", H),
        ("layout: post\ntitle: x", POST, J),
        ("layout: post", "2022-02-22-x.md", J),
        ("layout: post", "_posts/x.md", J),
        ("last_modified_at: x", "x.md", J),
        ("publishDate: x", "x.md", U),
        ("title: x\nlastmod: x", "x.md", U),
        ("expiryDate: x", "x.md", U),
        ("pubDate: x", "x.md", A),
        ("title: x\nheroImage: x", "x.md", A),
        ("date created: x", "x.md", O),
        ("aliases: [x]", "x.md", O),
        ("publish: true", "x.md", O),
        ("title: x\naliases: [x]", "x.md", H),
        ("eleventyNavigation: {key: x}", "x.md", E),
    ],
)
def test_a_dialect_is_known_by_its_keys_and_place(head: str, locator: str, dialect: Dialect) -> None:
    assert read(head, locator=locator).dialect is dialect


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("Title: x\nCategory: y\n\nBody", P),
        ("+++\ntitle = 'x'\n+++\nBody", U),
        ('{"title": "x"}\nBody', U),
        (';;;\n"title": "x"\n;;;\nBody', H),
        ("title: x\n---\nBody", H),
    ],
)
def test_a_dialect_is_known_by_its_syntax(text: str, dialect: Dialect) -> None:
    assert document(text, Source(name="s", order=0)).dialect is dialect


def test_a_fixed_dialect_wins_over_the_syntax() -> None:
    assert document("+++\ntitle = 'x'\n+++\n", Source(name="s", order=0, dialect=H)).dialect is H


# ---------------------------------------------------------------- which name wins


@pytest.mark.parametrize(
    ("head", "word", "value"),
    [
        ("thumbnail: b\ncover: a\nheadimg: c", "image", "a"),
        ("cover: ''\nthumbnail:\nheadimg: c", "image", "c"),
        ("cover: false\nheadimg: c", "image", "c"),
        ("cover: {alt: x}\nphotos: [{}, '', {src: c}]", "image", "c"),
        ("excerpt: a\ndescription: b", "summary", "a"),
        ("excerpt: ' '\ndescription: b", "summary", "b"),
        ("categories: []\ncategory: b", "categories", "b"),
        ("tags: ['', ~]\ntag: b", "tags", ("b",)),
        ("permalink: /:year/:title/\nlink: b", "link", "b"),
        ("author: {email: x}\nauthors: [b]", "author", "b"),
    ],
)
def test_the_first_name_that_says_something_wins(head: str, word: str, value: object) -> None:
    assert getattr(read(head, H), word) == value


def test_without_a_fixed_dialect_the_names_of_all_are_known() -> None:
    item = read("title: x\npubDate: d\nlastmod: u\nogImage: i\ncanonicalURL: l")
    assert (item.date, item.updated, item.image, item.link) == ("d", "u", "i", "l")


def test_the_names_of_the_dialect_come_before_those_of_others() -> None:
    assert read("date: a\npublishDate: b\nlastmod: c").date == "a"
    assert read("pubDate: a\ndate: b").date == "a"


@pytest.mark.parametrize("head", ["pubDate: d", "lastmod: u", "heroImage: x"])
def test_a_fixed_dialect_knows_its_own_names_only(head: str) -> None:
    item = read(head, H)
    assert (item.date, item.updated, item.image) == (None, None, None)


@pytest.mark.parametrize("dialect", [Dialect.AUTO, H, E])
def test_the_configured_names_win_over_everything(dialect: Dialect) -> None:
    fields = (("title", "Headline"), ("categories", "Channel"), ("date", "when"))
    item = read("title: a\nheadline: b\ncategories: [c]\nCHANNEL: [d]\ndate: e", dialect, fields=fields)
    assert (item.title, item.categories, item.date) == ("b", ("d",), "e")


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("written", "tree"),
    [
        ("categories: x", "x"),
        ("categories: ~", None),
        ("categories: 2022", "2022"),
        ("categories: [a, ~, '', 1, [b, [c]], []]", ("a", "1", ("b", ("c",)))),
        ("categories:\n - 36: fast\n - b", ("36: fast", "b")),
        ("categories: {a: b, c: }", ("a: b", "c:")),
        ("categories: {}", None),
    ],
)
def test_fault_61_categories_keep_their_structure(written: str, tree: object) -> None:
    assert read(written, H).categories == tree


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("tags: a, b，c", ("a", "b", "c")),
        ("tags: [[a, b], c]", ("a", "b", "c")),
        ("tags: two words", ("two words",)),
        ("tags: ,", ()),
    ],
)
def test_tags_are_a_flat_list(written: str, tags: tuple[str, ...]) -> None:
    assert read(written, H).tags == tags


@pytest.mark.parametrize("word", ["date", "updated", "permalink", "excerpt", "guid", "slug"])
def test_a_list_where_text_belongs_says_nothing(word: str) -> None:
    item = read(f"title: x\n{word}: [a, b]", H)
    assert item == read("title: x", H)


# ---------------------------------------------------------------- file names


def test_a_jekyll_post_has_its_day_title_and_slug_from_its_name() -> None:
    item = read("layout: post", J, locator=POST)
    assert (item.date, item.title, item.slug) == ("2022-02-22", "A Day Out", "a-day-out")


def test_a_jekyll_page_has_its_title_from_its_name() -> None:
    item = read("layout: page", J, locator="about-us.md")
    assert (item.date, item.title, item.slug) == (None, "About Us", "about-us")


def test_what_is_written_wins_over_the_name_of_the_file() -> None:
    item = read("layout: post\ntitle: x\ndate: y\nslug: z", J, locator=POST)
    assert (item.date, item.title, item.slug) == ("y", "x", "z")


def test_an_obsidian_note_is_called_as_its_file() -> None:
    assert read("date created: x", O, locator="notes/A day. Out.md").title == "A day. Out"


@pytest.mark.parametrize(("dialect", "day"), [(Dialect.AUTO, "2022-02-22"), (E, "2022-02-22"), (H, None), (U, None)])
def test_the_day_in_a_file_name_counts_where_that_is_the_habit(dialect: Dialect, day: str | None) -> None:
    assert read("title: x", dialect, locator="2022-02-22-x.md").date == day
