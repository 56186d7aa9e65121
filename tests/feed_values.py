"""Values of feeds for tests to start from, and a strategy for text as it leaves the gate for text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from feeder import plan, render
from feeder.model import (
    Article,
    Body,
    Category,
    ContentPolicy,
    Dating,
    Enclosure,
    Entry,
    FeedDocument,
    FeedFile,
    FeedSettings,
    Format,
    Origin,
    Picture,
    RenderedEntry,
    Shown,
    Site,
    Source,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SITE = Site(
    title="Example newsroom",
    url="https://feeds.example.org/",
    id="feeds.example.org,2026",
    author="The newsroom",
    language="zh-CN",
    timezone=ZoneInfo("Asia/Shanghai"),
)
SOURCE = Source(name="newsroom", order=0)
HOME = Category(node=(), labels=(), slugs=())
MONEY = Category(node=("金融",), labels=("金融",), slugs=("金融",))
DAILY = Category(node=("金融", "r&d-daily"), labels=("金融", "R&D Daily"), slugs=("金融", "r-d-daily-1a2b3c4d"))


def _is_left_alone(text: str) -> bool:
    """Tell if feedparser reads *text* as it is: what looks like UTF-8 that was read as Latin-1, it repairs."""
    try:
        return text.encode("latin-1").decode("utf-8") == text
    except UnicodeError:
        return True


texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=40
) | st.sampled_from(
    ["]]>", "&amp;", "a &lt; b", "<b>bold</b>", "AT&T", "👩‍👩‍👧 emoji", "مرحبا \u202eabc", "I <3 N.Y.", "“—”"]
)
texts = texts.filter(_is_left_alone)
titles = texts.filter(str.strip)
addresses = st.builds(
    "https://{}.example/{}".format,
    st.text("abc", min_size=1, max_size=3),
    st.text("abc/%20?&=;~'", max_size=12),
)
media_types = st.sampled_from(["audio/mpeg", "video/mp4", "image/png", "application/pdf", "text/html"])
origins = st.builds(
    Origin,
    id=st.none() | addresses | st.just("tag:o.example,2020:f"),
    title=st.none() | titles,
    url=st.none() | addresses,
    home=st.none() | addresses,
    author=st.none() | titles,
    rights=st.none() | titles,
).filter(lambda made: made != Origin())
enclosures = st.lists(
    st.builds(
        Enclosure, url=addresses, media_type=st.none() | media_types, length=st.none() | st.integers(1, (1 << 53) - 1)
    ),
    max_size=4,
    unique_by=lambda each: each.url,
).map(tuple)


def entry(**changes: Any) -> Entry:
    plain = Entry(
        id=f"tag:{SITE.id}:article/aaaaaaaaaaaaaaaaaaaaaaaaaa",
        title="Markets & <rates>",
        link="https://news.example.org/markets",
        published=NOON,
        updated=NOON + timedelta(hours=1),
        author="Li Lei",
        categories=(MONEY, DAILY),
        tags=("rates",),
        summary="Rates fell & rose.",
        content="<p>Rates fell &amp; rose.</p>",
    )
    return replace(plain, **changes)


def picture(**changes: Any) -> Picture:
    return replace(Picture(url="https://img.example.org/a.png?x=1&y=2", media_type="image/png"), **changes)


def origin(**changes: Any) -> Origin:
    full = Origin(
        id="tag:gazette.example,2020:feed",
        title="Gazette & <Sons>",
        url="https://gazette.example/feed.xml?a=1&b=2",
        home="https://gazette.example/",
        author="Han Meimei",
        rights="CC BY 4.0",
    )
    return replace(full, **changes)


def enclosure(**changes: Any) -> Enclosure:
    return replace(Enclosure(url="https://cdn.example/a.mp3", media_type="audio/mpeg", length=4096), **changes)


def rendered(*entries: Entry) -> tuple[RenderedEntry, ...]:
    return tuple(rendered_entry(each) for each in entries)


def rendered_entry(entry: Entry) -> RenderedEntry:
    return render.render_entries([entry], SITE, tuple(Format))[0]


def document(*entries: Entry, category: Category = DAILY, site: Site = SITE, hub: str | None = None) -> FeedDocument:
    return plan.document(category, rendered(*entries), site=site, settings=FeedSettings(hub=hub), parents=(HOME, MONEY))


def files(document: FeedDocument) -> dict[str, bytes]:
    """Return the files of *document* by their names alone."""
    return {file.path.rpartition("/")[2]: file.body for file in render.render(document, SITE)}


def file_paths(made: tuple[FeedFile, ...]) -> list[str]:
    return [file.path for file in made]


def article(**changes: Any) -> Article:
    plain = Article(
        title="Markets",
        title_key="markets",
        published=NOON,
        day=NOON.date(),
        dating=Dating.ZONED,
        body_hash=b"b",
        text_hash=b"t",
        item_hash=b"i",
    )
    return replace(plain, **changes)


def shown(**changes: Any) -> Shown:
    return Shown(
        id=f"tag:{SITE.id}:article/aaaaaaaaaaaaaaaaaaaaaaaaaa",
        source=SOURCE.name,
        locator="markets.md",
        article=article(**changes),
        published=NOON,
        updated=NOON,
        categories=(),
    )


def planned(
    body: Body,
    *,
    source: Source = SOURCE,
    content: ContentPolicy = ContentPolicy.FULL,
    has_pages: bool = False,
    **changes: Any,
) -> Entry:
    return plan.entry(shown(**changes), body, (MONEY,), source=source, site=SITE, content=content, has_pages=has_pages)
