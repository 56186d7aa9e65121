"""Entries, feeds and articles to HTML pages.

Pages need nothing but their own style and script: no word of theirs runs, and no other host is asked for anything but
the pictures and players of articles. Ways between them are relative, so that they hold wherever the site is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from markupsafe import Markup

from feeder.excerpt import excerpt
from feeder.model import Branch, Entry, FeedDocument, Format, RenderedEntry, Site, Tally
from feeder.render import assets
from feeder.render.language import language_of
from feeder.templates import templates_of
from feeder.urls import MEDIA_TYPES, TOP

ENTRIES_OF_SITE: Final = 20  # on its page, where the categories are to be seen as well
ENTRIES: Final = 100  # on the page of a category
DETAILED: Final = 200  # categories; of more, a page tells only names, numbers and days
TITLE: Final = 80  # characters of a title beside a category
_NAMES: Final = {Format.ATOM: "Atom", Format.RSS: "RSS", Format.JSON: "JSON Feed"}
_LIST_OF_FEEDS: Final = "feeds.opml"
_BAR, _HEIGHT = 3, 20  # of a chart: one day's width, and that of the busiest day in height

_TEMPLATES = templates_of("feeder.render")
# A macro: unlike a template, it needs no context made for each entry.
_ITEM = vars(_TEMPLATES.get_template("entry.html").module)["item"]
_PAGE = _TEMPLATES.get_template("category.html")
_ARTICLE = _TEMPLATES.get_template("article.html")


def render_entry(entry: Entry, site: Site) -> bytes:
    """Return the list item of *entry*.

    Raises:
        ValueError: A text of the entry has no bytes: it holds a lone surrogate.
    """
    local = entry.published.astimezone(site.timezone)
    return str(_ITEM(entry, local, language_of(site.language))).encode()


def render_article(entry: Entry, site: Site) -> bytes:
    """Return the page of *entry* itself, for one that has no other.

    Raises:
        ValueError: A text of the entry has no bytes: it holds a lone surrogate.
    """
    root = "../"
    return _ARTICLE.render(
        _frame(site, root),
        canonical=entry.link,
        entry=entry,
        content=Markup(entry.own_page),  # noqa: S704  # cleaned by `feeder.html`
        local=entry.published.astimezone(site.timezone),
        categories=[(level.labels[-1], f"{root}{_way(level.slugs)}") for level in entry.categories],
    ).encode()


def render(document: FeedDocument, site: Site) -> bytes:
    """Return the page of *document*, a category or the whole site."""
    category = document.category
    root = assets.root_from(category)
    return _PAGE.render(
        _frame(site, root),
        canonical=document.home,
        document=document,
        feeds=[(_NAMES[made], MEDIA_TYPES[made], url) for made, url in document.feeds],
        heading=category.title or category.labels[-1] if category.labels else document.title,
        parents=list(_parents(document, root)),
        total=_count(document.branches),
        newest=document.tally and document.tally.newest.astimezone(site.timezone),
        chart=_chart(document.tally, is_large=True),
        tree=Markup("\n").join(_branches(document.branches, site, way=TOP + "/" if not root else "")),
        entries=_joined(document.entries[: ENTRIES if root else ENTRIES_OF_SITE]),
        list_of_feeds=_LIST_OF_FEEDS,
    ).encode()


def _frame(site: Site, root: str) -> dict[str, Any]:
    return {
        "site": site,
        "words": language_of(site.language),
        "root": root,
        "home": root or "./",
        **{name: assets.address(path, root=root, language=site.language) for name, path in assets.OF_PAGES.items()},
    }


def _joined(entries: Sequence[RenderedEntry]) -> Markup:
    return Markup(b"".join(entry.page for entry in entries).decode())  # noqa: S704  # `render_entry` has escaped it


def _parents(document: FeedDocument, root: str) -> Iterator[tuple[str, str]]:
    """Yield the label of each category above, and the way there: to the site, then from level to level."""
    depth = len(document.parents)
    for level, (label, _) in enumerate(document.parents):
        yield label, "../" * (depth - level) if level else root


def _way(slugs: Iterable[str]) -> str:
    return "".join(f"{part}/" for part in (TOP, *slugs))


# ---------------------------------------------------------------- the tree


def _branches(branches: Sequence[Branch], site: Site, *, way: str) -> Iterator[Markup]:
    """Yield the lines of a list of categories, put together by hand: there may be thousands of them."""
    is_detailed = _count(branches) <= DETAILED
    for branch in branches:
        yield from _branch(branch, site, way=f"{way}{branch.category.slugs[-1]}/", is_detailed=is_detailed)


def _branch(branch: Branch, site: Site, *, way: str, is_detailed: bool) -> Iterator[Markup]:
    tally = branch.tally
    local = tally.newest.astimezone(site.timezone)
    language = branch.category.language
    spoken = Markup(' lang="{}"').format(language) if language and language != site.language else ""
    yield Markup('<li{}><a href="{}" dir="auto">{}</a> <b>{}</b> <time>{}</time>').format(
        spoken, way, branch.category.labels[-1], tally.articles, local.date().isoformat()
    )
    if is_detailed:
        yield Markup('<small dir="auto">{}</small>').format(excerpt(tally.title, TITLE))
        yield _chart(tally)
    if branch.branches:
        yield Markup("<ul>")
        for below in branch.branches:
            yield from _branch(below, site, way=f"{way}{below.category.slugs[-1]}/", is_detailed=is_detailed)
        yield Markup("</ul>")
    yield Markup("</li>")


def _count(branches: Iterable[Branch]) -> int:
    return sum(1 + _count(branch.branches) for branch in branches)


def _chart(tally: Tally | None, *, is_large: bool = False) -> Markup:
    """Return the days of *tally* as bars; a day with any article has one that can be seen. One article makes no chart."""
    if tally is None or sum(tally.days) <= 1:
        return Markup()
    most = max(tally.days)
    width = len(tally.days) * _BAR
    heights = [-(-count * _HEIGHT // most) for count in tally.days]
    bars = "".join(f"M{day * _BAR} {_HEIGHT}v-{height}h2v{height}z" for day, height in enumerate(heights) if height)
    return Markup(
        '<svg class="chart {}" viewBox="0 0 {} {}" aria-hidden="true"><path fill="currentColor" d="{}"/>'
        '<path stroke="currentColor" opacity=".35" d="M0 {}h{}"/></svg>'
    ).format("large" if is_large else "small", width, _HEIGHT + 1, bars, _HEIGHT, width)
