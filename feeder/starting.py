"""A first config: the documented one, with the values of this place filled in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urljoin, urlsplit

from feeder import categories, config, generators
from feeder.config import values
from feeder.errors import ConfigError
from feeder.generators import Found
from feeder.model import Dialect

STAND_IN_URL: Final = "http://127.0.0.1:8080/"
STAND_IN_HOST: Final = "localhost"
LIKELY_PLACES: Final = ("articles", "source/_posts", "content", "_posts", "posts")
LOCAL_ZONE: Final = Path("/etc/localtime")

_TABLE = re.compile(r"\[{1,2}(\w+)\]{1,2}\n?")
_KEY = re.compile(r"#?(\w+) = ")
_EXAMPLE = re.compile(r"# As it stands .*\n")
_HOW = "# `feeder check` tells what is wrong with it, `feeder once` publishes once, `feeder run` goes on and serves the feeds.\n"

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A config that was written, and what its owner should look at."""

    path: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the owner says of the config, or what can be guessed; all of it is good."""

    title: str
    url: str
    id: str
    author: str
    language: str
    timezone: str
    articles: Path
    found: Found
    slugs: dict[str, str]  # category, as the config names it -> directory


def start(
    path: Path,
    *,
    today: date,
    title: str | None = None,
    url: str | None = None,
    articles: Path | None = None,
    like: tuple[Dialect, Path] | None = None,
    timezone: str | None = None,
) -> Started:
    """Write a commented config to *path*, where there must be none.

    What the config of *like*, a generator in its directory, says is the default of all that is not given.

    Raises:
        ConfigError: There is a file, it cannot be written, or a value is not good.
    """
    found = generators.read(*like) if like else Found(dialect=Dialect.AUTO, articles=_likely(path.parent))
    notes: list[str] = []
    wish = _Wish(
        title=_good(values.line, title, "--title") or _fit(values.line, found.title, "title", notes) or _name(path),
        url=(address := _url(url, found)),
        id=_site_id(address, today),
        author=_fit(values.line, found.author, "author", notes) or "",
        language=_fit(values.language, found.language and found.language.replace("_", "-"), "language", notes) or "en",
        timezone=_fit(_zone, found.timezone, "timezone", notes) or timezone or "UTC",
        articles=articles or found.articles,
        found=found,
        slugs=_slugs(found, notes),
    )
    _write(path, _filled(template(), _settings(wish, path), _remarks(found)) + _more(wish, path))
    return Started(path=path, notes=(*notes, *_notes(wish, url, path)))


def local_zone() -> str | None:
    """Return the name of this computer's time zone."""
    name = os.path.realpath(LOCAL_ZONE).partition("zoneinfo/")[2]
    try:
        return _zone(name)
    except ValueError:
        return None


def template() -> str:
    """Return the documented config: shipped with the package, or at the top of a checkout."""
    shipped = resources.files("feeder") / "config.toml"
    return (shipped if shipped.is_file() else Path(__file__).parent.parent / "config.toml").read_text("utf-8")


# ---------------------------------------------------------------- values


def _good(check: Callable[[object], str], value: str | None, name: str) -> str | None:
    """Return what the owner gave, if it is good."""
    try:
        return None if value is None else check(value)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error


def _fit(check: Callable[[object], str], value: str | None, name: str, notes: list[str]) -> str | None:
    """Return what another generator's config says, or note that it is of no use."""
    try:
        return check(value) if value else None
    except ValueError as error:
        notes.append(f"the {name} was left out: {error}")
        return None


def _slugs(found: Found, notes: list[str]) -> dict[str, str]:
    """Return the directories of top categories that are not what Feeder itself would call them."""
    kept = {}
    for name, directory in found.slugs:
        slug = _fit(values.category_slug, directory, f"slug of the category {values.shown(name)}", notes)
        if slug and slug != categories.slug(name):
            kept[categories.join_path((name,))] = slug
    return kept


def _zone(value: object) -> str:
    return values.zone(value).key


def _name(path: Path) -> str:
    """Call the site what its directory is called."""
    try:
        return values.line(path.absolute().parent.name)
    except ValueError:
        return "Feeder"


def _url(given: str | None, found: Found) -> str:
    """Return where readers find the feeds: beside the pages of the generator, if nobody says otherwise."""
    beside = urljoin(found.url, "feeds/") if found.url else STAND_IN_URL
    return _good(values.root_url, given, "--url") or beside


def _site_id(url: str, today: date) -> str:
    host = urlsplit(url).hostname or ""
    try:
        return values.site_id(f"{STAND_IN_HOST if _is_here(host) else host},{today.year}")
    except ValueError:  # an address in brackets
        return f"{STAND_IN_HOST},{today.year}"


def _is_here(host: str) -> bool:
    return host in {STAND_IN_HOST, "::1"} or host.startswith("127.")


def _likely(directory: Path) -> Path:
    return next(
        (directory / name for name in LIKELY_PLACES if (directory / name).is_dir()), directory / LIKELY_PLACES[0]
    )


# ---------------------------------------------------------------- text


def _settings(wish: _Wish, path: Path) -> dict[_Key, object]:
    """Return the keys that are set, in the order of the file."""
    found = wish.found
    always: dict[_Key, object] = {
        ("site", "title"): wish.title,
        ("site", "url"): wish.url,
        ("site", "id"): wish.id,
        ("site", "author"): wish.author or wish.title,
        ("site", "language"): wish.language,
        ("site", "timezone"): wish.timezone,
        ("storage", "output"): _output(wish, path),
        ("source", "name"): _source_name(wish),
        ("source", "path"): _written(wish.articles, path),
    }
    learned: dict[_Key, object] = {
        ("source", "exclude"): list(found.exclude),
        ("source", "dialect"): None if found.dialect is Dialect.AUTO else found.dialect.value,
        ("source", "category_mode"): found.category_mode and found.category_mode.value,
        ("source", "permalink"): found.permalink,
        ("source", "base_url"): found.url,
    }
    return always | {key: value for key, value in learned.items() if value}


def _source_name(wish: _Wish) -> str:
    if wish.found.dialect is not Dialect.AUTO:
        return wish.found.dialect.value
    try:
        return values.name(wish.articles.absolute().name)
    except ValueError:
        return LIKELY_PLACES[0]


def _output(wish: _Wish, path: Path) -> str:
    """Return a directory of our own: generators clear theirs, which many call ``public``, and none may hold articles."""
    articles = wish.articles.resolve()
    if path.absolute().parent.resolve().is_relative_to(articles):
        return str(articles.parent / f"{_source_name(wish)}-feeds")
    return "public" if wish.found.dialect is Dialect.AUTO else "feeds"


def _written(directory: Path, path: Path) -> str:
    """Return *directory* as the config at *path* names it."""
    home, target = path.absolute().parent.resolve(), directory.resolve()
    return target.relative_to(home).as_posix() if target.is_relative_to(home) else str(target)


def _remarks(found: Found) -> dict[_Key, str]:
    if found.foreign_permalink is None:
        return {}
    pattern = values.shown(found.foreign_permalink)
    return {
        ("source", "permalink"): f"# {found.dialect.value.capitalize()} has {pattern}, which cannot be told from the"
        " files alone. Without a template, articles\n# have the links that they bring themselves.\n"
    }


def _filled(text: str, settings: Mapping[_Key, object], remarks: Mapping[_Key, str]) -> str:
    """Return the documented config with *settings* in place of what it shows, and *remarks* above the keys they are on."""
    lines, table, waiting = [], "", dict(settings)
    for line in _EXAMPLE.sub(_HOW, text).splitlines(keepends=True):
        table = found[1] if (found := _TABLE.fullmatch(line)) else table
        key = (table, found[1]) if (found := _KEY.match(line)) else ("", "")
        lines.append(remarks.get(key, ""))
        lines.append(f"{key[1]} = {_toml(waiting.pop(key))}\n" if key in waiting else line)
    return "".join(lines)


def _toml(value: object) -> str:
    """Return a text or a list of texts; what JSON writes, TOML reads, for lines without control characters."""
    return json.dumps(value, ensure_ascii=False)


def _more(wish: _Wish, path: Path) -> str:
    """Return a source for each further directory of articles, and the slugs of categories."""
    slugs = "".join(f"\n[categories.{_toml(name)}]\nslug = {_toml(slug)}\n" for name, slug in wish.slugs.items())
    return slugs + "".join(
        f"\n[[source]]\nname = {_toml(place.name.strip('_'))}\npath = {_toml(_written(place, path))}\n"
        f'dialect = "{wish.found.dialect.value}"\n'
        for place in wish.found.more
    )


def _notes(wish: _Wish, given_url: str | None, path: Path) -> Iterator[str]:
    if given_url is None:
        yield f"site.url is a guess: {wish.url}; set it, and site.id, before the first feed is published"
    if wish.found.foreign_permalink:
        yield f"the permalink {values.shown(wish.found.foreign_permalink)} was left out; see the comment on permalink"
    if not wish.articles.is_dir():
        yield f"{_written(wish.articles, path)}: there is no such directory yet"


# ---------------------------------------------------------------- writing


def _write(path: Path, text: str) -> None:
    """Write a new file, and take it away again if it would not do."""
    if os.path.lexists(path):
        raise ConfigError(f"{path}: is there already; remove it, or name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        body = text.encode()
        with path.open("xb") as file:
            file.write(body)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    except UnicodeEncodeError as error:
        raise ConfigError("the name of a directory is not UTF-8, as a config has to be; rename it") from error
    try:
        config.load(path)
    except ConfigError:
        path.unlink()
        raise
