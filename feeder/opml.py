"""Subscription lists and the config: a list becomes a file of sources, and sources become a list."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final
from unicodedata import category
from urllib.parse import urlsplit

from feeder import config
from feeder.categories import join_path, node
from feeder.config import Config, values
from feeder.config.files import read_file
from feeder.errors import ConfigError, FeederError, ParseError
from feeder.fetch.web import download
from feeder.memo import Memo
from feeder.model import CategoryPath, Source, SourceKind
from feeder.parse.opml import MAX_BYTES, Subscription, read_opml
from feeder.render.opml import render_subscriptions
from feeder.urls import is_own
from feeder.wording import many

DIRECTORY: Final = "sources.d"  # beside the config
MAX_LEVELS: Final = 10  # of a category
LONGEST_STEM: Final = 50  # characters of a file's name
MAX_LABEL: Final = 200  # characters
DEFAULT_NAME: Final = "feeds"
KNOWN, REPEATED = COUNTED = ("is a source already", "stands there twice")  # why a feed is no new source

_HEAD = """\
# Feeds of a subscription list, written by `feeder opml import`. Edit it as you like: no later import changes it, unless
# it is told to.
"""
_USERINFO = re.compile(r"//[^/?#]*@")
_FEED_SCHEME = re.compile(r"^feed:(?://)?(?=https?://)|^feed(?=://)", re.IGNORECASE)
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a list. `path` is None if it names no feed that is new."""

    path: Path | None
    added: tuple[str, ...] = ()  # names of sources
    known: int = 0  # feeds that are sources already
    repeated: int = 0  # times that the list names a feed again
    left_out: tuple[tuple[str, str], ...] = ()  # (feed, reason)
    is_included: bool = True  # the config reads the file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A source to be written."""

    name: str
    url: str
    category: CategoryPath


def import_list(where: str, settings: Config, *, force: bool = False) -> Imported:
    """Write a file of sources for the feeds of the list *where*, a file or a URL, that are none yet.

    Args:
        where: The list.
        settings: The config that the file is for.
        force: A file of that name, from an import of before, is replaced; otherwise it is refused.

    Raises:
        FeederError: The list cannot be read, or the file cannot be written, or would not do.
    """
    subscriptions = _read(where)
    path = settings.path.parent / DIRECTORY / f"{_stem(where)}.toml"
    if os.path.lexists(path) and not force:
        raise ConfigError(f"{path}: is there already; --force replaces it")
    chosen = tuple(_choose(subscriptions, settings, replaced=_names_in(path)))
    entries = [made for _, made in chosen if isinstance(made, _Entry)]
    done = Imported(
        path=path if entries else None,
        added=tuple(entry.name for entry in entries),
        known=sum(made == KNOWN for _, made in chosen),
        repeated=sum(made == REPEATED for _, made in chosen),
        left_out=tuple((_label(each), made) for each, made in chosen if isinstance(made, str) and made not in COUNTED),
    )
    if not entries:
        return done
    loaded = _put(path, _text(entries), settings)
    return replace(done, is_included=set(done.added) <= {source.name for source in loaded.sources})


def export_list(settings: Config, found: Mapping[str, Memo] = MappingProxyType({})) -> tuple[bytes, int]:
    """Return the config's feeds as OPML 2.0, and how many URLs that are no feeds were left out.

    Args:
        settings: The config.
        found: What was found at the URLs of its sources: the feed that a page announces takes the place of the page.
    """
    on_web = [source for source in settings.sources if source.url]
    feeds = [feed for source in on_web if (feed := _feed(source, found.get(source.name, Memo())))]
    return render_subscriptions(feeds, settings.site), len(on_web) - len(feeds)


def report(done: Imported, settings: Config) -> Iterator[str]:
    """Yield what became of a list, line by line."""
    if done.path is None:
        yield "no feed of the list is new; nothing was written"
    else:
        yield f"{done.path}: written, with {many(len(done.added), 'source')}"
    if done.known:
        yield f"  {many(done.known, 'feed')} of the list {'is a source' if done.known == 1 else 'are sources'} already"
    if done.repeated:
        yield f"  {many(done.repeated, 'repetition')} left out"
    yield from (f"  left out: {feed}: {reason}" for feed, reason in done.left_out)
    if done.path and not done.is_included:
        wanted = _toml([f"{DIRECTORY}/*.toml"])
        yield f"  {settings.path} does not read it yet: write include = {wanted} at its top"


def _feed(source: Source, found: Memo) -> Source | None:
    """Return *source* where its feed is; None if it is none."""
    kind = found.kind if source.kind is SourceKind.AUTO else source.kind
    return replace(source, url=found.url or source.url) if kind in {SourceKind.AUTO, SourceKind.FEED} else None


# ---------------------------------------------------------------- reading


def _read(where: str) -> tuple[Subscription, ...]:
    try:
        found = read_opml(_body(where))
    except ParseError as error:
        raise FeederError(f"{_shown(where)}: {error}") from error
    if not found:
        raise FeederError(f"{_shown(where)}: the list names no feed")
    return found


def _body(where: str) -> bytes:
    if _is_url(where):
        return download(where, max_bytes=MAX_BYTES).body
    try:
        with Path(where).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ParseError(f"cannot be read: {error.strerror}") from error


def _is_url(where: str) -> bool:
    return where.lower().startswith(("http://", "https://"))


def _shown(where: str) -> str:
    return _USERINFO.sub("//", where, count=1) if _is_url(where) else where


def _label(subscription: Subscription) -> str:
    return subscription.title or _USERINFO.sub("//", subscription.url, count=1)


def _stem(where: str) -> str:
    """Return what to call the file: as the list is called, or the host that it is from."""
    text = (urlsplit(where).hostname or "") if _is_url(where) else Path(where).stem
    return re.sub(r"[^\w-]+", "-", text).strip("-")[:LONGEST_STEM] or DEFAULT_NAME


# ---------------------------------------------------------------- choosing


def _choose(
    subscriptions: Iterable[Subscription], settings: Config, *, replaced: Collection[str]
) -> Iterator[tuple[Subscription, _Entry | str]]:
    """Yield each feed with the source that it becomes, or the reason why it becomes none.

    A source that is *replaced* keeps its name, whatever the list calls it now: under another it would be a new one.
    """
    sources = {_identity(source.url): source.name for source in settings.sources if source.url}
    names = _Names(name for source in settings.sources for name in (source.name, source.was) if name)
    taken: set[object] = set()
    for each in subscriptions:
        try:
            url = values.source_url(_FEED_SCHEME.sub(_plain_scheme, each.url, count=1))
        except ValueError as error:
            yield each, str(error)
            continue
        name = sources.get(_identity(url))
        if is_own(url, settings.site):
            yield each, "is what this site publishes"
        elif name and name not in replaced:
            yield each, KNOWN
        elif _identity(url) in taken:
            yield each, REPEATED
        else:
            taken.add(_identity(url))
            yield each, _Entry(name=name or names.new(_name(each, url)), url=url, category=_category(each.folders))


def _names_in(path: Path) -> frozenset[str]:
    """Return the names of the sources in a file that is to be replaced, if there is one."""
    with suppress(ConfigError):
        tables = read_file(path).tables.get("source")
        return frozenset(str(table.get("name")) for table in tables or () if isinstance(table, dict))
    return frozenset()


class _Names:
    """Names that are taken, and new ones: of equals the later ones are numbered."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            self._last[wanted] = self._last.get(wanted, 1) + 1
            number = f" {self._last[wanted]}"
            name = wanted[: values.LONGEST_NAME - len(number)] + number
        self._taken.add(name)
        return name


def _plain_scheme(found: re.Match[str]) -> str:
    return "http" if found[0].lower() == "feed" else ""


def _identity(url: str) -> tuple[object, ...]:
    """Return what two addresses of one feed have in common."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], parts.path or "/", parts.query


def _name(subscription: Subscription, url: str) -> str:
    return _clean(subscription.title or "", values.LONGEST_NAME) or _clean(urlsplit(url).netloc, values.LONGEST_NAME)


def _category(folders: CategoryPath) -> CategoryPath:
    labels = (_clean(folder, MAX_LABEL) for folder in folders[:MAX_LEVELS])
    return tuple(label for label in labels if node((label,)))


def _clean(text: str, most: int) -> str:
    """Return one line without what cannot be typed or seen."""
    seen = "".join(each if each.isprintable() else "" if category(each) == "Cf" else " " for each in text)
    return " ".join(seen.split())[:most].strip()


# ---------------------------------------------------------------- writing


def _text(entries: Iterable[_Entry]) -> str:
    return _HEAD + "".join(f"\n[[source]]\n{''.join(_lines(entry))}" for entry in entries)


def _lines(entry: _Entry) -> Iterator[str]:
    yield f"name = {_toml(entry.name)}\n"
    yield f"url = {_toml(entry.url)}\n"
    if entry.category:
        yield f"category = {_toml(join_path(entry.category))}\n"


def _toml(value: object) -> str:
    """Return a text or a list of texts; what JSON writes, TOML reads, for lines without control characters."""
    return json.dumps(value, ensure_ascii=False)


def _put(path: Path, text: str, settings: Config) -> Config:
    """Write the file, and return the config with it; a file that would not do is taken back."""
    before = path.read_bytes() if path.is_file() else None
    _write(path, text.encode())
    try:
        return config.load(settings.path, to_write=False)
    except ConfigError:
        if before is None:
            path.unlink()
        else:
            _write(path, before)
        raise


def _write(path: Path, body: bytes) -> None:
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(body)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
