"""RawItem to Article: clean text, UTC times, category paths, absolute URLs, and the hashes that changes are seen by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from feeder.categories import FORMAT_CHARACTERS, fitting, identity, lineage, node
from feeder.characters import safe_text, unescaped
from feeder.dates import parse_date
from feeder.errors import InvalidItem
from feeder.excerpt import excerpt
from feeder.html import first_words
from feeder.likeness import body_hash, digest, title_key
from feeder.links import picture_url, web_url
from feeder.marks import tamed
from feeder.model import (
    Article,
    CategoryFrom,
    CategoryMode,
    CategoryPath,
    DatePolicy,
    Dating,
    Dialect,
    Enclosure,
    ImagePolicy,
    Node,
    Origin,
    RawItem,
    RawTree,
    Site,
    Source,
)

MAX_NODES: Final = 100  # categories of one article, those above them counted, for each is a feed
MAX_DEPTH: Final = 10  # levels of one path; nobody looks deeper
MAX_LABEL: Final = 200  # characters, as of a tag
MAX_TITLE: Final = 1000  # characters, as of an author
MAX_TAGS: Final = 100
MAX_SUMMARY: Final = 10_000  # characters; more is the article itself
MAX_GUID: Final = 1000  # bytes in UTF-8; a longer one is a text that went astray
MAX_ENCLOSURES: Final = 20
MAX_LENGTH: Final = (1 << 53) - 1  # bytes; a larger number is not the same in every reader of JSON

# In these a list of categories is a list; in Hexo it is one path.
FLAT_DIALECTS: Final = frozenset(
    {Dialect.JEKYLL, Dialect.HUGO, Dialect.PELICAN, Dialect.ELEVENTY, Dialect.ASTRO, Dialect.OBSIDIAN}
)

# Signs that are no format characters and yet show nothing: fillers, selectors of variants, a Braille blank.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_VISIBLE = re.compile(rf"[^\s{FORMAT_CHARACTERS}{_FILLERS}]")
_EXTENSION = re.compile(r"(?<=[^/])\.[A-Za-z0-9]{1,9}\Z")
_DATE_PREFIX = re.compile(r"\d{4}-\d{2}-\d{2}-(?=.)")
_BLOCK_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|h[1-6]|hr|tr|td|th|table|blockquote)\b[^<>]*>", re.IGNORECASE)
_INLINE_TAG = re.compile(r"</?[A-Za-z][^<>]*>")

_to_json = json.JSONEncoder(check_circular=False).encode
_of_origin = attrgetter(*(each.name for each in fields(Origin)))
_of_enclosure = attrgetter(*(each.name for each in fields(Enclosure)))

# A name or four numbers, of a port that may be one. Nobody publishes at an IPv6 address, and few can read one.
_SOUND = re.compile(
    r"https?://(?:[^/?#@\[\]\s]*@)?[A-Za-z0-9_-][A-Za-z0-9_.-]*(?::\d{1,5})?(?:[/?#].*)?", re.IGNORECASE
)
_USER = re.compile(r"(?<=://)[^/?#]*@")
# Parameters that let in who knows them: the address that a feed was asked for at may be nobody else's business.
_TICKET = re.compile(
    r"[?&;](?:[a-z_-]*(?:token|secret|passw|auth|api_?-?key|signature|credential)[a-z_-]*|key|sig|sid|pwd)=",
    re.IGNORECASE,
)
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
# As RFC 6838 has names; what follows a ";" is for servers.
_MEDIA_TYPE = re.compile(r"\s*([a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63})\s*(?:;.*)?", re.DOTALL)
# The tags of RFC 5646 that people use: language, script, region, variants.
_LANGUAGE = re.compile(
    r"([a-z]{2,3}(?:-[a-z]{3})?)(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?((?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3})){0,3})"
)
_NO_LANGUAGES = frozenset({"mis", "mul", "und", "zxx"})  # codes of ISO 639-2 for none, many and nobody knows

_PROXIED = re.compile(r"https?://[^?#]*\?(https?://[^/\s].*)", re.IGNORECASE)
# Services of pictures by chance or without content. What picsum shows by number or by seed was chosen and stays.
_PLACEHOLDER = re.compile(
    r"https?://(?:[^/?#]*\.)?(?:picsum\.photos/(?!(?:id|seed)/[^?#]*$)|(?:loremflickr\.com|lorempixel\.com"
    r"|source\.unsplash\.com|placekitten\.com|placeholder\.com|placehold\.(?:it|co)|dummyimage\.com)(?:[/?#]|$))",
    re.IGNORECASE,
)


def normalize(raw: RawItem, source: Source, site: Site) -> Article:
    """Return *raw* as a clean article: a function of the item and the settings alone.

    Raises:
        InvalidItem: Nothing in it, its place included, can serve as a title.
    """
    # Long, but flat: one line a field, and the hash beside them must list what is shown.
    title = _title(raw)
    key = title_key(title)
    published, dating = _dated(raw.date, source, site)
    updated, updated_dating = _dated(raw.updated, source, site)
    local = published.astimezone(site.timezone) if published else None
    categories = _categories(raw, source, site)
    tags = _tags(raw.tags)
    author = _line(raw.author) or _line(source.author) or None
    base_url = _absolute(raw.base_url, source.base_url) or source.base_url
    image = _image(raw.image, source, base_url)
    link = _absolute(raw.link, base_url) or _permalink(raw, source, title=title, categories=categories, local=local)
    guid = _guid(raw.guid)
    summary = _summary(raw.summary)
    origin = _origin(raw.origin) if raw.origin else None
    rights = _line(raw.rights) or None
    language = _language(raw.language)
    enclosures = _enclosures(raw.enclosures, base_url)
    body = body_hash(raw.body)
    # A date without a zone may be the stamp of a generator's run, so it does not count as a change.
    times = [_timestamp(published, dating), _timestamp(updated, updated_dating)]
    shown: list[object] = [title, times, categories, tags, author, image, link, guid, summary, body.hex()]
    # Only what feeds of others bring, so that the hashes of all other articles are what they were.
    if origin or rights or language or enclosures:
        shown += [origin and _of_origin(origin), rights, language, [_of_enclosure(each) for each in enclosures]]
    return Article(
        title=title,
        title_key=key,
        published=published,
        day=local.date() if local else None,
        dating=dating,
        updated=updated,
        categories=categories,
        tags=tags,
        author=author,
        image=image,
        link=link,
        guid=guid,
        summary=summary,
        origin=origin,
        rights=rights,
        language=language,
        enclosures=enclosures,
        body_hash=body,
        text_hash=digest(key.encode() + body),  # the last 16 bytes are the body's: one to one
        item_hash=digest(_to_json(shown).encode()),
    )


def warnings(raw: RawItem, article: Article, source: Source, site: Site) -> tuple[str, ...]:
    """Return what of *raw* is not in *article*, which was made from it, though it might be missed."""
    if (
        2 * sum(map(len, article.categories)) < MAX_NODES
    ):  # one more would have fitted; most articles are done with here
        return ()
    left_out = sum(1 for _ in _paths(raw, source, site)) - len(article.categories)
    limit = f"an article has {MAX_NODES} at most, those above them counted"
    return (f"{left_out} of its categories left out: {limit}",) if left_out else ()


def _line(text: str | None, *, limit: int = MAX_TITLE) -> str:
    """Return *text* safe, in one line and not too long; "" if nothing of it can be seen."""
    if not text:
        return ""
    line = " ".join(tamed(safe_text(text)).split())
    if len(line) > limit:
        line = tamed(excerpt(line, limit))
    return line if _VISIBLE.search(line) else ""


# ---------------------------------------------------------------- title and dates


def _title(raw: RawItem) -> str:
    title = (
        _line(raw.title)
        or _line(first_words(raw.body))
        or _line(_DATE_PREFIX.sub("", _file_name(raw.locator), count=1))
        or _line(raw.locator)
    )
    if not title:
        raise InvalidItem("nothing in it can serve as a title")
    return title


def _file_name(locator: str) -> str:
    """Return the last part of *locator* without an extension."""
    return _EXTENSION.sub("", PurePosixPath(locator).name)


def _dated(text: str | None, source: Source, site: Site) -> tuple[datetime | None, Dating]:
    if text is None or source.dates is DatePolicy.IGNORE:
        return None, Dating.NONE
    moment, dating = parse_date(text, zone=source.timezone, names=dict(site.zones), offset=source.date_offset)
    # Trusting a source means just this: nothing below tells its naive dates from those with a zone.
    trusted = dating is Dating.NAIVE and source.dates is DatePolicy.TRUST
    return moment, Dating.ZONED if trusted else dating


def _timestamp(moment: datetime | None, dating: Dating) -> int | None:
    return int(moment.timestamp()) if moment and dating is Dating.ZONED else None


# ---------------------------------------------------------------- categories and tags


def _categories(raw: RawItem, source: Source, site: Site) -> tuple[CategoryPath, ...]:
    """Return the article's paths as written, up to the first that brings it more categories than it may have."""
    kept: list[CategoryPath] = []
    nodes: set[Node] = set()
    for path in _paths(raw, source, site):
        nodes.update(lineage(node(path))[1:])
        if kept and len(nodes) > MAX_NODES:
            break
        kept.append(path)
    return tuple(kept)


def _paths(raw: RawItem, source: Source, site: Site) -> Iterator[CategoryPath]:
    """Yield the article's paths as written, without repeats; the source's own category if it brings none."""
    moves = tuple((each.path, each.same_as) for each in site.categories if each.same_as)
    seen: set[Node] = set()
    written = filter(None, map(_labels, _written(raw, source)))
    first = next(written, source.category)
    for path in chain([first] if first else [], written):
        moved = _moved(path, moves) if moves else path
        if (at := node(moved)) not in seen:
            seen.add(at)
            yield moved


def _written(raw: RawItem, source: Source) -> Iterator[Sequence[RawTree]]:
    """Yield each path as written. Once one is a list of its own, names beside it are paths too, as Hexo has it."""
    tree = raw.categories
    if source.category_from is CategoryFrom.PATH:
        yield PurePosixPath(raw.locator).parts[:-1]
    elif isinstance(tree, str):
        yield (tree,)
    elif tree and _mode(raw, source) is CategoryMode.PATH and all(isinstance(part, str) for part in tree):
        yield tree
    else:
        yield from ((part,) for part in tree or ())


def _mode(raw: RawItem, source: Source) -> CategoryMode:
    if source.category_mode:
        return source.category_mode
    # A URL's items that follow no dialect are a feed's, whose categories are a list.
    a_list = raw.dialect in FLAT_DIALECTS or (raw.dialect is Dialect.AUTO and source.url is not None)
    return CategoryMode.FLAT if a_list else CategoryMode.PATH


def _labels(parts: Sequence[RawTree]) -> CategoryPath:
    return _path(tuple(leaf[:MAX_LABEL] for leaf in islice(_leaves(parts), MAX_DEPTH)))


def _leaves(parts: Sequence[RawTree]) -> Iterator[str]:
    """Yield the texts of a tree in order, however deep it is."""
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        else:
            waiting.extend(reversed(part))


@lru_cache(maxsize=4096)  # a site has few paths and many articles in each
def _path(labels: tuple[str, ...]) -> CategoryPath:
    return fitting(tuple(filter(identity, map(_line, labels))))


@lru_cache(maxsize=4096)
def _moved(path: CategoryPath, moves: tuple[tuple[CategoryPath, CategoryPath], ...]) -> CategoryPath:
    """Return where the config moves *path*, or the longest part of it from the top; moves may follow one another."""
    targets = {node(old): new for old, new in moves}
    for _ in moves:  # a chain is no longer than that, and a circle would be the config's fault
        at = node(path)
        depth = next((depth for depth in range(len(at), 0, -1) if at[:depth] in targets), 0)
        if depth == 0:
            break
        path = targets[at[:depth]] + path[depth:]
    return fitting(path)


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    unique: dict[str, str] = {}
    for tag in filter(None, (_line(tag, limit=MAX_LABEL) for tag in tags[:MAX_TAGS])):
        unique.setdefault(title_key(tag), tag)
    return tuple(unique.values())


# ---------------------------------------------------------------- URLs


def _image(text: str | None, source: Source, base_url: str | None) -> str | None:
    """Return the picture's URL; None for the stand-ins that generators put where there is none."""
    if text is None or source.image is ImagePolicy.NONE:
        return None
    url = _sound(picture_url({"src": safe_text(text)}, base_url))
    if url and "?" in url and (real := _PROXIED.fullmatch(url)):
        url = _sound(picture_url({"src": real[1]}, None))
    return url if url and not _PLACEHOLDER.match(url) else None


def _absolute(text: str | None, base_url: str | None) -> str | None:
    """Return a web address in ASCII; None if *text* is no such thing, even below *base_url*."""
    return _sound(web_url(safe_text(text), base_url)) if text else None


def _sound(url: str | None) -> str | None:
    return url if url and _SOUND.fullmatch(url) else None


def _permalink(
    raw: RawItem, source: Source, *, title: str, categories: tuple[CategoryPath, ...], local: datetime | None
) -> str | None:
    """Return the source's template filled in; None if it asks for what the article does not have."""
    if source.permalink is None:
        return None
    try:
        pieces = dict(_pieces(raw, title=title, categories=categories, local=local))
        url = source.permalink.format_map({name: piece for name, piece in pieces.items() if piece})
    except (KeyError, UnicodeError):
        return None
    return _absolute(url, None)


def _pieces(
    raw: RawItem, *, title: str, categories: tuple[CategoryPath, ...], local: datetime | None
) -> Iterator[tuple[str, str]]:
    """Yield what may stand in a template, percent-encoded; bytes of a file's name that are no text stay those bytes."""
    name = _file_name(raw.locator)
    slug = _slug(raw)
    yield "title", _quoted(title)
    yield "name", _quoted(name)
    # Without a slug of its own an article has that of its file, as its generator will have it.
    yield "slug", _quoted(slug or _DATE_PREFIX.sub("", name, count=1), safe="/")
    path = _EXTENSION.sub("", raw.locator)
    yield "path", _quoted(path, safe="/")
    yield "page", _quoted(_page(path, slug), safe="/")
    yield "category", "/".join(map(_quoted, categories[0])) if categories else ""
    if local:
        yield from (("year", f"{local:%Y}"), ("month", f"{local:%m}"), ("day", f"{local:%d}"))


def _slug(raw: RawItem) -> str | None:
    """Return the article's own slug as its generator puts it into addresses."""
    slug = _line(raw.slug)
    return slug.lower().replace(" ", "-") if slug and raw.dialect is Dialect.HUGO else slug


def _page(path: str, slug: str | None) -> str:
    """Return the directories and the slug, else the file's name; an index stands for its directory."""
    folder, _, name = path.rpartition("/")
    if name == "index":
        folder, _, name = folder.rpartition("/")
    return "/".join(filter(None, (folder, slug or name)))


def _quoted(text: str, *, safe: str = "") -> str:
    return quote(text, safe=safe, errors="surrogateescape")


# ---------------------------------------------------------------- from feeds of others


@lru_cache(maxsize=256)  # the entries of a feed share one
def _origin(written: Origin) -> Origin | None:
    """Return what can be shown of *written*; None if that is nothing."""
    found = Origin(
        id=_iri(written.id),
        title=_line(written.title) or None,
        url=_public(written.url),
        home=_public(written.home),
        author=_line(written.author) or None,
        rights=_line(written.rights) or None,
    )
    return found if any(_of_origin(found)) else None


def _iri(text: str | None) -> str | None:
    """Return a permanent name as it is written, since it is compared letter by letter; None if *text* is none."""
    iri = safe_text(text or "").strip()
    return iri if len(iri.encode()) <= MAX_GUID and _IRI.fullmatch(iri) else None


def _public(text: str | None) -> str | None:
    """Return the address of a feed or its site without a name and password; None if it holds another secret."""
    url = _absolute(text, None)
    return None if url is None or _TICKET.search(url) else _USER.sub("", url, count=1)


def _language(text: str | None) -> str | None:
    """Return a language tag with the capitals that RFC 5646 (2.1.1) advises; None if *text* is none."""
    found = _LANGUAGE.fullmatch((text or "").strip().replace("_", "-").lower())
    if found is None or found[1] in _NO_LANGUAGES:
        return None
    language, script, region, variants = found.groups()
    parts = (language, script and script.title(), region and region.upper(), variants[1:])
    return "-".join(filter(None, parts))


def _enclosures(written: Iterable[Enclosure], base_url: str | None) -> tuple[Enclosure, ...]:
    found: dict[str, Enclosure] = {}
    for each in islice(written, MAX_ENCLOSURES):
        if url := _absolute(each.url, base_url):
            found.setdefault(url, Enclosure(url=url, media_type=_media_type(each.media_type), length=_length(each)))
    return tuple(found.values())


def _media_type(text: str | None) -> str | None:
    found = _MEDIA_TYPE.fullmatch(text.lower()) if text else None
    return found[1] if found else None


def _length(enclosure: Enclosure) -> int | None:
    """Return the length in bytes; RSS, where it must be told, writes 0 for one that is not known."""
    length = enclosure.length or 0
    return length if 0 < length <= MAX_LENGTH else None


# ---------------------------------------------------------------- the rest


def _guid(text: str | None) -> str | None:
    if not text:
        return None
    guid = safe_text(text).strip()
    written = guid.encode()
    if len(written) > MAX_GUID:
        return digest(written).hex()
    return guid if _VISIBLE.search(guid) else None


def _summary(text: str | None) -> str | None:
    if text and ("<" in text or "&" in text):
        text = unescaped(_INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", text)))
    return _line(text, limit=MAX_SUMMARY) or None
