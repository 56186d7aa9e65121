"""Web pages to items, by CSS selectors, and to the feeds that they announce. Only this module knows bs4 and soupsieve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

import soupsieve
from bs4 import BeautifulSoup, Tag
from bs4.filter import SoupStrainer
from soupsieve import SelectorSyntaxError, SoupSieve

from feeder.characters import unescaped
from feeder.errors import ParseError
from feeder.links import picture_url, srcset_url, web_url
from feeder.markup import bearable_page
from feeder.model import Dialect, ForeignFeed, Origin, RawItem, Select
from feeder.parse.encoding import decode_sent
from feeder.parse.found import locator_of

MAX_ITEMS: Final = 1000  # of one page
MAX_CATEGORIES: Final = 50  # of one item
MAX_TEXT: Final = 2000  # characters of a title, date or category
MAX_ADDRESS: Final = 4000  # characters; longer ones are no addresses of articles

_HEADING: Final = "h1, h2, h3, h4, h5, h6"
_LONGEST_WRITTEN: Final = 10 * MAX_TEXT  # characters, with the blanks of its markup
_WHITE_RUN = re.compile(r"\s+")
_TITLE = re.compile(rf"<title(?:\s[^<>]{{0,500}})?>([^<]{{1,{MAX_TEXT}}})", re.IGNORECASE)
_TITLE_WITHIN: Final = 100_000  # characters
_STYLED_PICTURE = re.compile(r"url\(\s*[\"']?([^\"')]+)")
_BREAKS: Final = frozenset({"br", "dd", "div", "dt", "li", "p", "td", "th", "tr"})  # between words, without a blank

_FEED_TYPES: Final = ("application/atom+xml", "application/rss+xml", "application/feed+json")  # the best first
_FEED_RELS: Final = frozenset({"alternate", "feed"})
_OF_COMMENTS = re.compile("comment|评论|評論|コメント", re.IGNORECASE)
_LIKE_A_FEED = re.compile(r"[/.=](?:atom|rss|feeds?|rdf)(?:[/.?]|$)", re.IGNORECASE)

_GUESSES: Final = (  # where pages often have their articles, what says most first
    "article",
    ":is(.post, .entry, .story, .news-item)",
    "li:has(time)",
    "li:has(h2, h3, h4)",
    "div:has(> h2, > h3)",
    "h2:has(a)",
    "h3:has(a)",
    "main li:has(a)",
)
_WORTH_TELLING: Final = 2  # articles; a single one is as likely something else


def read_page(body: bytes, *, url: str, charset: str | None, select: Select) -> ForeignFeed:
    """Return the items of an HTML page, in its order.

    An item's locator is its link, else a hash of its title and date. An item inside another one is a part of it; of
    items with the same link the first that has a title counts. Where nothing in an item matches, the item itself may.

    Args:
        body: The page.
        url: Its address after all redirects.
        charset: What its server says of it.
        select: Where the articles are.

    Raises:
        ParseError: It is no page, or one of the selectors matches nothing at all: a page that was rebuilt must never
            look like an empty one.
    """
    selectors = _compiled(select)
    page = _Page.of(body, url, charset)
    tags = _outermost(selectors.pop("item").iselect(page.root))
    if not tags:
        raise _nothing("item", select.item)
    reader = _Reader(selectors=selectors, base=page.base)
    items = [reader.read(tag) for tag in tags[:MAX_ITEMS]]
    for name in selectors:
        if name not in reader.matched:
            raise _nothing(name, selectors[name].pattern)
    distinct = _distinct(items)
    return ForeignFeed(
        origin=Origin(title=page.title, home=url),
        items=distinct,
        warnings=(*page.warnings, *_warnings(len(tags), items, distinct)),
    )


def find_feed(body: bytes, *, url: str, charset: str | None, links: Iterable[tuple[str, str]] = ()) -> tuple[str, ...]:
    """Return the addresses of the feeds that an HTML page announces, the best first.

    Atom comes before RSS and JSON, otherwise the page's order counts; feeds of comments come last.

    Args:
        body: The page.
        url: Its address after all redirects.
        charset: What its server says of it.
        links: (rel, address) of its Link headers; since they have no type, only addresses like a feed's count.

    Raises:
        ParseError: It is no text.
    """
    page = _Page.of(body, url, charset, only=SoupStrainer(["base", "link"]))
    found = [
        (_OF_COMMENTS.search(f"{_value(link, 'title')} {address}") is not None, _FEED_TYPES.index(kind), address)
        for link in page.root.find_all("link")
        if (kind := _media_type(link)) in _FEED_TYPES and _is_announced(_value(link, "rel"))
        if (address := _address(_value(link, "href"), page.base))
    ]
    named = [address for rel, address in links if _is_announced(rel) and _LIKE_A_FEED.search(address)]
    return tuple(dict.fromkeys([*(address for *_, address in sorted(found, key=lambda each: each[:2])), *named]))


def guess_item(body: bytes, *, url: str, charset: str | None) -> tuple[str, int] | None:
    """Return a selector that seems to find the articles on an HTML page, and how many it finds; None if none does.

    Raises:
        ParseError: It is no text.
    """
    page = _Page.of(body, url, charset)
    reader = _Reader(selectors={}, base=page.base)
    for guess in _GUESSES:
        tags = _outermost(soupsieve.iselect(guess, page.root))[:MAX_ITEMS]
        links = {item.link for item in map(reader.read, tags) if item and item.title and item.link}
        if len(links) >= _WORTH_TELLING:
            return guess, len(links)
    return None


def _is_announced(rel: str) -> bool:
    return not _FEED_RELS.isdisjoint(rel.lower().split())


def _media_type(link: Tag) -> str:
    return _value(link, "type").partition(";")[0].strip().lower()


# ---------------------------------------------------------------- the page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    root: BeautifulSoup
    base: str
    title: str | None
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, body: bytes, url: str, charset: str | None, *, only: SoupStrainer | None = None) -> _Page:
        sent, warnings = decode_sent(body, charset=charset)
        text = sent.replace("\0", "")
        markup, is_whole = bearable_page(text)
        # The comment keeps bs4 from taking a page without a tag for the name of a file.
        root = BeautifulSoup(f"<!---->{markup}", "lxml", parse_only=only)
        base = root.select_one("base[href]")
        title = _TITLE.search(text, 0, _TITLE_WITHIN)
        return cls(
            root=root,
            base=(_address(_value(base, "href"), url) if base else None) or url,
            title=_plain(unescaped(title[1])) if title else None,
            warnings=warnings if is_whole else (*warnings, "the page is too large; its end is not read"),
        )


def _compiled(select: Select) -> dict[str, SoupSieve]:
    written = {name: getattr(select, name) for name in ("item", "title", "link", "date", "body", "image", "category")}
    return {name: _selector(name, selector) for name, selector in written.items() if selector is not None}


def _selector(name: str, written: str) -> SoupSieve:
    try:
        return soupsieve.compile(written)
    except (SelectorSyntaxError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ParseError(f"select.{name} is no CSS selector: {written!a}: {reason}") from error


def _nothing(name: str, selector: str) -> ParseError:
    return ParseError(f"select.{name} matches nothing on the page: {selector!a}")


def _outermost(tags: Iterable[Tag]) -> list[Tag]:
    """Return those of *tags*, which are in the order of the page, that lie in no other one."""
    kept: dict[int, Tag] = {}
    for tag in tags:
        if not any(id(parent) in kept for parent in tag.parents):
            kept[id(tag)] = tag
    return list(kept.values())


def _distinct(items: Iterable[RawItem | None]) -> tuple[RawItem, ...]:
    found: dict[str, RawItem] = {}
    for item in filter(None, items):
        known = found.get(item.locator)
        if known is None or (known.title is None and item.title is not None):
            found[item.locator] = item  # in the first one's place
    if not found:
        raise ParseError("no item on the page has a title or a link")
    return tuple(found.values())


def _warnings(number: int, read: Sequence[RawItem | None], distinct: Sequence[RawItem]) -> Iterator[str]:
    if number > MAX_ITEMS:
        yield f"holds {number} items; the first {MAX_ITEMS} are read"
    if None in read:
        yield f"{read.count(None)} items have neither a title nor a link; they are left out"
    if len(distinct) == 1 < len(read) - read.count(None):
        yield "all items have the same link, so they are one"


# ---------------------------------------------------------------- an item


@dataclass(slots=True, kw_only=True)
class _Reader:
    selectors: Mapping[str, SoupSieve]
    base: str
    matched: set[str] = field(default_factory=set)  # the selectors that something matched

    def read(self, item: Tag) -> RawItem | None:
        """Return the item, or None if it has neither a title nor a link."""
        titles = self._all("title", item) if "title" in self.selectors else _default_titles(item)
        heading = next((tag for tag in titles if _content(tag)), None)
        title = _content(heading) if heading else None
        link = self._link(item, heading)
        dates = self._all("date", item) if "date" in self.selectors else item.find_all("time")
        date = next((text for tag in dates if (text := _content(tag))), None)
        image = next((address for tag in self._all("image", item) if (address := _picture(tag, self.base))), None)
        categories = tuple(filter(None, map(_content, self._all("category", item)[:MAX_CATEGORIES])))
        body = "\n".join(tag.decode() for tag in _outermost(self._all("body", item)))
        if not (title or link):
            return None
        return RawItem(
            locator=locator_of(link) if link else _hashed(title, date),
            dialect=Dialect.AUTO,
            title=title,
            date=date,
            categories=categories or None,
            image=image,
            link=link,
            body=body,
            is_html=True,
            base_url=self.base,
        )

    def _link(self, item: Tag, heading: Tag | None) -> str | None:
        if "link" in self.selectors:
            return next((found for tag in self._all("link", item) if (found := _link(tag, self.base))), None)
        return next((found for tag in filter(None, (heading, item)) if (found := _link_near(tag, self.base))), None)

    def _all(self, name: str, item: Tag) -> list[Tag]:
        """Return what the selector matches inside *item*, else *item* itself if it does."""
        selector = self.selectors.get(name)
        if selector is None:
            return []
        found = selector.select(item) or [item] * selector.match(item)
        if found:
            self.matched.add(name)
        return found


def _default_titles(item: Tag) -> list[Tag]:
    """Return the headings; without any that says something, the links, mere pictures last."""
    headings = [tag for tag in item.select(_HEADING) if _content(tag)]
    links = [tag for tag in (item, *item.select("a[href]")) if tag.name == "a"]
    return headings or sorted(links, key=lambda link: not link.get_text(strip=True))


def _hashed(title: str | None, date: str | None) -> str:
    told = f"{title}\0{date}".encode(errors="replace")
    return f"#{blake2b(told, digest_size=16).hexdigest()}"


# ---------------------------------------------------------------- an element


def _content(tag: Tag) -> str | None:
    """Return what *tag* says: to machines (`<time datetime>`, `<meta content>`), else to people."""
    return _plain(_value(tag, "datetime")) or _plain(_value(tag, "content")) or _plain(_text(tag))


def _text(tag: Tag) -> str:
    """Return the text in *tag*; that of a picture in its place if there is none."""
    text = "".join(
        " " * (each.name in _BREAKS) if isinstance(each, Tag) else str(each) for each in (tag, *tag.descendants)
    )
    pictures = () if text.strip() else (tag, *tag.select("img"))
    return next((alt for picture in pictures if (alt := _value(picture, "alt"))), text)


def _plain(text: str) -> str | None:
    return _WHITE_RUN.sub(" ", text[:_LONGEST_WRITTEN]).strip()[:MAX_TEXT] or None


def _link(tag: Tag, base: str) -> str | None:
    """Return where *tag* leads: by itself, by its text, or by a link in it or around it."""
    written = [_value(tag, name) for name in ("href", "content", "data-href")]
    text = _plain(_text(tag)) or ""
    written += [text] * text.startswith(("http://", "https://"))
    return next((found for each in written if (found := _address(each, base))), None) or _link_near(tag, base)


def _link_near(tag: Tag, base: str) -> str | None:
    links = (each for each in (tag, *tag.select("a[href]"), *tag.parents) if each.name == "a")
    return next((found for link in links if (found := _address(_value(link, "href"), base))), None)


def _picture(tag: Tag, base: str) -> str | None:
    """Return the picture that *tag* is, holds, or has behind it."""
    for each in (tag, *tag.select("img, source")):
        attributes = {name: _value(each, name) for name in each.attrs}
        if each.name == "source":
            found = srcset_url((attributes.get("srcset", ""), attributes.get("data-srcset", "")), base)
        else:
            found = picture_url(attributes, base)
        if found:
            return found
    styled = _STYLED_PICTURE.search(_value(tag, "style"))
    return _address(_value(tag, "content") or _value(tag, "href") or (styled[1] if styled else ""), base)


def _address(written: str, base: str) -> str | None:
    url = web_url(written, base) if len(written) <= MAX_ADDRESS else None
    try:
        return url if url and urlsplit(url).netloc else None
    except ValueError:  # brackets that hold no address
        return None


def _value(tag: Tag, name: str) -> str:
    """Return an attribute; bs4 has a list for some."""
    value = tag.get(name) or ""
    return value if isinstance(value, str) else " ".join(value)
