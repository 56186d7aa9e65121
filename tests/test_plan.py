"""Which articles a feed holds, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from feed_values import DAILY, HOME, MONEY, NOON, SITE, SOURCE, document, enclosure, entry, origin, planned, rendered
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder import plan
from feeder.model import (
    EPOCH,
    Body,
    Branch,
    Category,
    CategorySettings,
    ContentPolicy,
    FeedSettings,
    Format,
    ImagePolicy,
    Picture,
    Site,
    Source,
    Tally,
)
from feeder.render import render

DAY = timedelta(days=1)
FOREIGN = Source(name="partner", order=1, url="https://partner.example/feed.xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    published: datetime
    source: str = "a"


def hourly(count: int, source: str = "a") -> list[Item]:
    return [Item(published=NOON - timedelta(hours=hour), source=source) for hour in range(count)]


def chosen(
    items: list[Item], *, entries: int = 3, window: timedelta = DAY, most: int = 100, **limits: int
) -> list[Item]:
    return list(plan.select(items, entries=entries, window=window, max_entries=most, limits=limits))


@pytest.mark.parametrize(
    ("window", "most", "expected"),
    [
        pytest.param(timedelta(), 100, 3, id="without a window: the newest entries"),
        pytest.param(timedelta(hours=1), 100, 3, id="the entries are more than the window"),
        pytest.param(timedelta(hours=5), 100, 6, id="the window is more than the entries, its edge included"),
        pytest.param(timedelta(hours=5), 4, 4, id="the cap on a busy window"),
        pytest.param(timedelta(), 2, 2, id="the cap on the entries"),
        pytest.param(timedelta(hours=5), 0, 0, id="a cap of nothing"),
        pytest.param(timedelta(days=9), 100, 20, id="all there are"),
    ],
)
def test_a_feed_holds_the_newest_or_the_window(window: timedelta, most: int, expected: int) -> None:
    items = hourly(20)
    assert chosen(items, window=window, most=most) == items[:expected]


def test_the_window_reaches_back_from_the_newest_article_not_from_now() -> None:
    old = [Item(published=item.published - 900 * DAY) for item in hourly(5)]
    assert len(chosen(old, entries=1, window=timedelta(hours=2))) == 3


def test_nothing_to_choose_from_is_an_empty_feed() -> None:
    assert chosen([]) == []


def test_no_entries_are_asked_for_but_the_window_is() -> None:
    assert len(chosen(hourly(9), entries=0, window=timedelta(hours=2))) == 3


def test_a_source_over_its_limit_is_passed_over_and_does_not_count() -> None:
    items = [
        *hourly(4, "loud"),
        *(Item(published=NOON - DAY - timedelta(hours=hour), source="calm") for hour in range(9)),
    ]
    assert [item.source for item in chosen(items, entries=4, window=timedelta(), loud=1)] == ["loud", *["calm"] * 3]


def test_the_window_starts_at_the_first_article_that_is_held() -> None:
    items = [Item(published=NOON + 5 * DAY, source="loud"), *hourly(5)]
    assert len(chosen(items, entries=1, window=timedelta(hours=2), loud=0)) == 3


@pytest.mark.parametrize(
    ("window", "most", "asked"),
    [
        pytest.param(timedelta(), 100, 3, id="without a window"),
        pytest.param(timedelta(hours=4), 100, 6, id="up to the first beyond the window"),
        pytest.param(timedelta(days=9), 5, 5, id="up to the cap"),
        pytest.param(timedelta(days=9), 0, 0, id="none at all"),
    ],
)
def test_no_more_candidates_are_asked_for_than_needed(window: timedelta, most: int, asked: int) -> None:
    count = 0

    def stream() -> Iterator[Item]:
        nonlocal count
        for item in hourly(50):
            count += 1
            yield item

    plan.select(stream(), entries=3, window=window, max_entries=most, limits={})
    assert count == asked


@given(
    gaps=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=30),
    entries=st.integers(1, 12),
    hours=st.integers(0, 20),
    most=st.integers(1, 20),
    limit=st.integers(0, 30),
)
@settings(deadline=None)
def test_choosing_is_the_longer_of_two_cuts_of_what_the_limits_leave(
    *, gaps: list[tuple[int, str]], entries: int, hours: int, most: int, limit: int
) -> None:
    window = timedelta(hours=hours)
    moment, items = NOON, []
    for gap, name in gaps:
        moment -= timedelta(hours=gap)
        items.append(Item(published=moment, source=name))
    names = [name for _, name in gaps]
    left = [item for index, item in enumerate(items) if item.source != "a" or names[:index].count("a") < limit]
    in_window = [item for item in left if window and item.published >= left[0].published - window]
    expected = max(left[:entries], in_window, key=len)[:most]
    assert chosen(items, entries=entries, window=window, most=most, a=limit) == expected


def configured(*categories: CategorySettings) -> Site:
    return replace(SITE, categories=categories)


def test_a_category_is_placed_by_its_labels() -> None:
    placed = plan.place(("金融", "c++"), ("金融", "C++"), SITE)
    assert placed.labels == ("金融", "C++")
    assert placed.slugs[0] == "金融"
    assert placed.slugs[1].startswith("c-")


def test_the_site_is_the_category_without_labels() -> None:
    assert plan.place((), (), SITE) == HOME


def test_settings_are_found_whatever_the_spelling() -> None:
    site = configured(
        CategorySettings(path=("ＴＥＣＨ", "open_source"), title="Open source!", description="Code", slug="oss")
    )
    placed = plan.place(("tech", "open-source"), ("Tech", "Open Source"), site)
    assert (placed.title, placed.description, placed.slugs) == ("Open source!", "Code", ("tech", "oss"))


def test_a_slug_and_a_language_hold_for_all_below_but_a_title_does_not() -> None:
    site = configured(
        CategorySettings(path=("金融",), slug="money", language="en", title="Money", description="All of it")
    )
    placed = plan.place(("金融", "新浪"), ("金融", "新浪"), site)
    assert placed == replace(placed, slugs=("money", "新浪"), language="en", title=None, description=None)


def test_a_nearer_language_wins() -> None:
    site = configured(CategorySettings(path=("a",), language="en"), CategorySettings(path=("a", "b"), language="fr"))
    assert plan.place(("a", "b"), ("a", "b"), site).language == "fr"


@pytest.mark.parametrize("slug", ["../../etc", "..", "a/b", "con", "\x00"])
def test_a_slug_of_the_config_cannot_lead_out_of_the_output(slug: str) -> None:
    placed = plan.place(("a",), ("a",), configured(CategorySettings(path=("a",), slug=slug)))
    assert not set(placed.slugs[0]) & set("./\\\x00")


def test_a_feed_id_is_made_of_identities_and_is_a_uri() -> None:
    assert plan.feed_id(DAILY, SITE) == f"tag:{SITE.id}:feed/%E9%87%91%E8%9E%8D/r%26d-daily"
    assert plan.feed_id(HOME, SITE) == f"tag:{SITE.id}:feed"


def test_a_feed_id_survives_every_change_but_of_the_site_id() -> None:
    moved = replace(DAILY, slugs=("x", "y"), title="Other", labels=("金融", "r&d_daily"))
    assert plan.feed_id(moved, replace(SITE, url="https://elsewhere.example/", title="T")) == plan.feed_id(DAILY, SITE)


def test_slashes_in_labels_do_not_make_two_feeds_one() -> None:
    flat, deep = plan.place(("a/b",), ("a/b",), SITE), plan.place(("a", "b"), ("a", "b"), SITE)
    assert plan.feed_id(flat, SITE) != plan.feed_id(deep, SITE)


@pytest.mark.parametrize(
    ("category", "title"),
    [
        pytest.param(HOME, "Example newsroom", id="site"),
        pytest.param(DAILY, "金融 › R&D Daily – Example newsroom", id="path"),
        pytest.param(replace(DAILY, title="The daily"), "The daily", id="configured"),
    ],
)
def test_a_feed_title(category: Category, title: str) -> None:
    assert plan.feed_title(category, SITE) == title


BODY = Body(content='<p>Text</p><img src="https://img.example.org/a.png?x=1&amp;y=2">', summary="Text")
SHOWN_PICTURE = "https://img.example.org/a.png?x=1&y=2"


def test_an_entry_carries_the_article() -> None:
    made = planned(BODY, author="Li Lei", tags=("b", "a", "b"), link="https://news.example.org/1", summary="Own words")
    expected = entry(
        title="Markets",
        link="https://news.example.org/1",
        updated=NOON,
        categories=(MONEY,),
        tags=("b", "a"),
        summary="Own words",
        content=BODY.content,
    )
    assert made == expected


def test_what_the_article_lacks_comes_from_its_body_and_source() -> None:
    made = planned(BODY, source=replace(SOURCE, author="Agency", rights="CC BY 4.0", language="en"))
    assert (made.summary, made.author, made.rights, made.language) == ("Text", "Agency", "CC BY 4.0", "en")


@pytest.mark.parametrize("language", [None, "zh-CN"])
def test_the_language_is_told_only_where_it_is_not_the_sites(language: str | None) -> None:
    assert planned(BODY, source=replace(SOURCE, language=language)).language is None


@pytest.mark.parametrize(
    ("own", "sources", "origins", "expected"),
    [
        pytest.param("Li Lei", "Agency", "Han Meimei", "Li Lei", id="of-the-article"),
        pytest.param(None, "Agency", "Han Meimei", "Agency", id="of-the-source"),
        pytest.param(None, None, "Han Meimei", "Han Meimei", id="of-the-original-feed"),
        pytest.param(None, None, None, "Gazette & <Sons>", id="its-name"),
    ],
)
def test_an_article_of_others_is_never_taken_for_the_sites(
    own: str | None, sources: str | None, origins: str | None, expected: str
) -> None:
    made = planned(BODY, author=own, origin=origin(author=origins), source=replace(SOURCE, author=sources))
    assert made.author == expected


def test_no_author_is_made_up() -> None:
    assert planned(BODY).author is None


@pytest.mark.parametrize(
    ("image", "in_body", "policy", "expected"),
    [
        pytest.param(
            "https://a.example/f.JPG", None, ImagePolicy.AUTO, ("https://a.example/f.JPG", "image/jpeg"), id="field"
        ),
        pytest.param(
            None,
            "https://a.example/b.webp#x",
            ImagePolicy.AUTO,
            ("https://a.example/b.webp#x", "image/webp"),
            id="body",
        ),
        pytest.param(
            "https://a.example/i?f=a.png",
            None,
            ImagePolicy.AUTO,
            ("https://a.example/i?f=a.png", None),
            id="no extension",
        ),
        pytest.param(
            "https://a.example/.png", None, ImagePolicy.AUTO, ("https://a.example/.png", None), id="a hidden name"
        ),
        pytest.param(
            "https://a.example/a.b.PNG/",
            None,
            ImagePolicy.AUTO,
            ("https://a.example/a.b.PNG/", "image/png"),
            id="two dots and a slash",
        ),
        pytest.param(
            "https://a.example/图 [1].png",
            None,
            ImagePolicy.AUTO,
            ("https://a.example/%E5%9B%BE%20%5B1%5D.png", "image/png"),
            id="encoded",
        ),
        pytest.param(None, "https://a.example/b.png", ImagePolicy.FIELDS, None, id="not from the body"),
        pytest.param("https://a.example/f.png", "https://a.example/b.png", ImagePolicy.NONE, None, id="none"),
        pytest.param(None, None, ImagePolicy.AUTO, None, id="there is none"),
    ],
)
def test_input_15_picture(
    image: str | None, in_body: str | None, policy: ImagePolicy, expected: tuple[str, str | None] | None
) -> None:
    made = planned(replace(BODY, image=in_body), image=image, source=replace(SOURCE, image=policy)).picture
    assert (made and (made.url, made.media_type)) == expected


@pytest.mark.parametrize(
    ("content", "is_shown"),
    [
        pytest.param(BODY.content, True, id="shown"),
        pytest.param(BODY.content.replace("src=", 'alt="a &gt; b" class="x" src='), True, id="after other attributes"),
        pytest.param(BODY.content.replace("<img ", "<iframe "), False, id="another element"),
        pytest.param(BODY.content.replace("y=2", "y=3"), False, id="another picture"),
        pytest.param(f'<p>&lt;img src="{SHOWN_PICTURE}"&gt;</p>', False, id="only spoken of"),
        pytest.param("", False, id="no content"),
    ],
)
def test_input_16_a_picture_of_the_body_is_known_as_such(content: str, is_shown: bool) -> None:  # noqa: FBT001  # a table
    made = planned(Body(content=content, summary=""), image=SHOWN_PICTURE).picture
    assert made == Picture(url=SHOWN_PICTURE, media_type="image/png", in_content=is_shown)


def test_an_entry_carries_where_it_comes_from() -> None:
    made = planned(BODY, origin=origin(), enclosures=(enclosure(),), rights="CC0", language="fr")
    assert (made.origin, made.enclosures, made.rights, made.language) == (origin(), (enclosure(),), "CC0", "fr")


@pytest.mark.parametrize(
    ("own", "origins", "sources", "expected"),
    [
        pytest.param("CC0", "CC BY", "CC BY-SA", "CC0", id="of-the-article"),
        pytest.param(None, "CC BY", "CC BY-SA", "CC BY", id="of-the-original-feed"),
        pytest.param(None, None, "CC BY-SA", "CC BY-SA", id="of-the-source"),
        pytest.param(None, None, None, None, id="nobody-s"),
    ],
)
def test_the_nearest_rights_are_told(
    own: str | None, origins: str | None, sources: str | None, expected: str | None
) -> None:
    made = planned(BODY, rights=own, origin=origin(rights=origins), source=replace(SOURCE, rights=sources))
    assert made.rights == expected


@pytest.mark.parametrize(
    ("own", "sources", "expected"),
    [
        pytest.param("fr", "en", "fr", id="of-the-article"),
        pytest.param("zh-CN", "en", None, id="the-site-s-though-not-the-source-s"),
        pytest.param(None, "en", "en", id="of-the-source"),
    ],
)
def test_the_language_of_an_article_beats_that_of_its_source(
    own: str | None, sources: str, expected: str | None
) -> None:
    assert planned(BODY, language=own, source=replace(SOURCE, language=sources)).language == expected


@pytest.mark.parametrize(
    ("url", "media_type", "expected"),
    [
        pytest.param("https://a.example/x.MP3?y", None, "audio/mpeg", id="by-the-ending"),
        pytest.param("https://a.example/x.mp3", "audio/x-own", "audio/x-own", id="as-it-is-said"),
        pytest.param("https://a.example/x", None, None, id="unknown"),
    ],
)
def test_type_of_an_enclosure(url: str, media_type: str | None, expected: str | None) -> None:
    (made,) = planned(BODY, enclosures=(enclosure(url=url, media_type=media_type),)).enclosures
    assert made == enclosure(url=url, media_type=expected)


@pytest.mark.parametrize(
    ("url", "media_type", "policy", "is_kept"),
    [
        pytest.param(SHOWN_PICTURE, None, ImagePolicy.AUTO, False, id="a picture of the body"),
        pytest.param(SHOWN_PICTURE, "audio/mpeg", ImagePolicy.AUTO, True, id="no picture"),
        pytest.param("https://a.example/y.png", None, ImagePolicy.AUTO, True, id="another picture"),
        pytest.param("https://a.example/y", "image/png", ImagePolicy.NONE, False, id="pictures are not wanted"),
        pytest.param("https://a.example/y.mp3", None, ImagePolicy.NONE, True, id="nor is this one"),
    ],
)
def test_input_16_an_enclosed_picture_is_not_shown_twice(
    *, url: str, media_type: str | None, policy: ImagePolicy, is_kept: bool
) -> None:
    enclosed = enclosure(url=url, media_type=media_type)
    made = planned(BODY, enclosures=(enclosed,), source=replace(SOURCE, image=policy))
    assert [each.url for each in made.enclosures] == ([url] if is_kept else [])


def test_a_feed_of_summaries_has_no_content() -> None:
    assert planned(BODY, content=ContentPolicy.SUMMARY).content is None


@pytest.mark.parametrize(
    ("link", "paragraph"),
    [
        pytest.param(None, "<p>From R&amp;D &lt;Co&gt;</p>", id="without a link"),
        pytest.param(
            "https://n.example/?a=1&b=2",
            '<p><a href="https://n.example/?a=1&amp;b=2">From R&amp;D &lt;Co&gt;</a></p>',
            id="linked",
        ),
    ],
)
def test_an_attribution_is_the_last_paragraph(link: str | None, paragraph: str) -> None:
    made = planned(BODY, link=link, source=replace(SOURCE, attribution="From R&D <Co>"))
    assert made.content == f"{BODY.content}\n{paragraph}"


def test_an_attribution_ends_the_summary_where_there_is_no_content() -> None:
    made = planned(BODY, content=ContentPolicy.SUMMARY, source=replace(SOURCE, attribution="From R&D"))
    assert made.summary == "Text From R&D"


def test_an_attribution_without_a_link_leads_to_the_original_site() -> None:
    made = planned(BODY, origin=origin(), source=replace(SOURCE, attribution="From the Gazette"))
    assert made.content == f'{BODY.content}\n<p><a href="https://gazette.example/">From the Gazette</a></p>'


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        pytest.param("Text", ("Text From R&D", ""), id="it-would-hide-the-summary"),
        pytest.param("", ("", "\n<p>From R&amp;D</p>"), id="there-is-nothing-else"),
    ],
)
def test_an_attribution_never_stands_in_for_a_summary(summary: str, expected: tuple[str, str]) -> None:
    made = planned(Body(content="", summary=""), summary=summary, source=replace(SOURCE, attribution="From R&D"))
    assert (made.summary, made.content) == expected


def test_links_are_percent_encoded() -> None:
    assert planned(BODY, link="https://n.example/新 闻?q=50%").link == "https://n.example/%E6%96%B0%20%E9%97%BB?q=50%25"


def test_a_document_is_as_new_as_its_newest_change() -> None:
    older = entry(id="tag:a,2026:1", updated=NOON + 2 * DAY)
    newer = entry(id="tag:a,2026:2", published=NOON + DAY, updated=NOON + DAY)
    assert document(newer, older).updated == NOON + 2 * DAY


def test_a_document_without_entries_has_no_clock_either() -> None:
    assert document().updated == EPOCH


def test_two_entries_of_a_feed_never_share_an_id() -> None:
    with pytest.raises(ValueError, match="have one id"):
        document(entry(), entry(title="Another"))


def branch(category: Category) -> Branch:
    return Branch(category=category, tally=Tally(articles=1, newest=NOON, title="Markets"))


def test_a_document_says_where_it_is() -> None:
    made = plan.document(
        MONEY,
        (),
        site=SITE,
        settings=FeedSettings(formats=(Format.RSS,)),
        parents=(HOME,),
        tally=branch(MONEY).tally,
        branches=(branch(DAILY),),
    )
    money = "https://feeds.example.org/categories/%E9%87%91%E8%9E%8D/"
    assert (made.home, made.feeds) == (money, ((Format.RSS, f"{money}rss.xml"),))
    assert made.parents == (("Example newsroom", SITE.url),)
    assert (made.tally, made.branches) == (branch(MONEY).tally, (branch(DAILY),))


def test_branches_are_listed_alike_in_whatever_order_they_come() -> None:
    places = [branch(plan.place((name,), (name,), SITE)) for name in "cab"]
    listed = [
        plan.document(HOME, (), site=SITE, settings=FeedSettings(), branches=order).branches
        for order in (places, places[::-1])
    ]
    assert listed[0] == listed[1]


def test_the_days_of_a_chart_are_those_of_the_site() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    midnight = datetime(2026, 3, 1, tzinfo=zone)
    days = plan.activity(
        [midnight, midnight - timedelta(seconds=1), midnight - timedelta(days=29), midnight - timedelta(days=30)],
        until=midnight + timedelta(hours=20),
        zone=zone,
    )
    assert (len(days), days[-1], days[-2], days[0], sum(days)) == (30, 1, 1, 1, 3)


@pytest.mark.parametrize(
    ("source", "content", "page"),
    [
        pytest.param(SOURCE, ContentPolicy.FULL, "<p>Whole.</p>", id="whole"),
        pytest.param(SOURCE, ContentPolicy.SUMMARY, "<p>Whole.</p>", id="ours, whole although feeds have a summary"),
        pytest.param(FOREIGN, ContentPolicy.SUMMARY, "<p>A &lt; B.</p>", id="another's, no more than in feeds"),
    ],
)
def test_an_article_without_a_link_gets_a_page_of_its_own(source: Source, content: ContentPolicy, page: str) -> None:
    body = Body(content="<p>Whole.</p>", summary="A < B.")
    made = planned(body, source=source, content=content, has_pages=True)
    assert made.link == "https://feeds.example.org/articles/aaaaaaaaaaaaaaaaaaaaaaaaaa.html"
    assert (made.own_page, made.is_republished) == (page, source is FOREIGN)


def test_a_page_of_nothing_but_a_title_is_empty() -> None:
    assert planned(Body(content="", summary=""), content=ContentPolicy.SUMMARY, has_pages=True).own_page == ""


def test_an_article_with_a_link_needs_no_page() -> None:
    made = planned(Body(content="", summary=""), has_pages=True, link="https://news.example.org/a")
    assert (made.link, made.own_page) == ("https://news.example.org/a", None)


def test_without_pages_an_article_without_a_link_has_none() -> None:
    made = planned(Body(content="", summary=""))
    assert (made.link, made.own_page) == (None, None)


def test_the_config_describes_a_category() -> None:
    made = plan.document(replace(DAILY, description="Every day", language="en"), (), site=SITE, settings=FeedSettings())
    assert (made.subtitle, made.language, made.author) == ("Every day", "en", "The newsroom")


def test_a_record_holds_the_digest_of_every_feed() -> None:
    made = document(entry())
    files = render(made, SITE)
    kept = plan.record(made, files)
    assert kept.digests == tuple((format_, sha256(files[i].body).hexdigest()) for i, format_ in enumerate(Format))
    assert (kept.entries, kept.id, kept.title, kept.updated, kept.home) == (
        1,
        made.id,
        made.title,
        made.updated,
        made.home,
    )


def test_rendered_entries_are_held_as_they_are() -> None:
    made = rendered(entry())
    assert plan.document(DAILY, made, site=SITE, settings=FeedSettings()).entries == made
