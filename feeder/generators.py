"""What the configs of other generators say that a first config of ours can use. They are read and never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin

from feeder.config import values
from feeder.errors import ConfigError, ParseError
from feeder.model import CategoryMode, Dialect
from feeder.parse.dialects import Fields, Value
from feeder.parse.fields import load_json, load_toml, load_yaml

MAX_BYTES: Final = 1 << 20  # of one config
BEGINNING: Final = 4 << 10  # bytes of an article, in which its slug stands if it has one
HEXO_PERMALINK: Final = ":year/:month/:day/:title/"
PELICAN_URL: Final = "{slug}.html"

_HUGO_NAMES: Final = ("hugo", "config")
_HUGO_LANGUAGES: Final = ("locale", "languagecode", "defaultcontentlanguage")
_HUGO_FILES: Final = tuple(
    f"{folder}{name}{suffix}"
    for folder in ("", "config/_default/")
    for name in _HUGO_NAMES
    for suffix in (".toml", ".yaml", ".yml", ".json")
)
_WORD = re.compile(r":([A-Za-z_]+)")
_FIELD = re.compile(r"\{([^{}]*)\}")
_DAY: Final = MappingProxyType({"year": "{year}", "month": "{month}", "day": "{day}"})
# Names that generators put into URLs as they are.
_KEPT_NAME = re.compile(r"[\w-]+")
_UNDATED_NAME = re.compile(r"(?!\d{4}-\d\d-\d\d-)[\w-]+")
_KEPT_ASCII_NAME = re.compile(r"[\w-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a generator's config says. Nothing is checked but the permalink, which is a template of ours."""

    dialect: Dialect
    articles: Path
    category_mode: CategoryMode | None = None
    title: str | None = None
    url: str | None = None  # of the generator's site
    language: str | None = None
    timezone: str | None = None
    author: str | None = None
    exclude: tuple[str, ...] = ()
    permalink: str | None = None
    foreign_permalink: str | None = None  # as written, if it cannot be told from the files alone
    more: tuple[Path, ...] = ()  # further directories of articles
    slugs: tuple[tuple[str, str], ...] = ()  # name of a category, name of its directory


def read(dialect: Dialect, directory: Path) -> Found:
    """Return what the config of a generator in *directory* says.

    Raises:
        ConfigError: There is none, or it cannot be read.
    """
    return READERS[dialect](directory)


# ---------------------------------------------------------------- Hexo


def _hexo(directory: Path) -> Found:
    fields = _load(directory, ("_config.yml", "_config.yaml", "_config.json"))
    url = _site_url(_text(fields.get("url")))
    written = _text(fields.get("permalink")) or HEXO_PERMALINK
    articles = directory / (_text(fields.get("source_dir")) or "source") / "_posts"
    permalink = _translated(written, _hexo_words(_text(fields.get("new_post_name")), articles), url)
    return Found(
        dialect=Dialect.HEXO,
        category_mode=CategoryMode.PATH,
        articles=articles,
        title=_text(fields.get("title")),
        url=url,
        language=_text(fields.get("language")),
        timezone=_text(fields.get("timezone")),
        author=_text(fields.get("author")),
        permalink=permalink,
        foreign_permalink=None if permalink else written,
        slugs=tuple(_slugs(fields.get("category_map"))),
    )


def _slugs(value: Value) -> Iterator[tuple[str, str]]:
    for name, slug in value.items() if isinstance(value, dict) else ():
        if isinstance(slug, str):
            yield name, slug


def _hexo_words(new_post_name: str | None, articles: Path) -> Mapping[str, str]:
    """Return what Hexo's words mean; ``:title`` is what its pattern of file names makes it."""
    titles = {":title.md": "{path}", ":year-:month-:day-:title.md": "{slug}"}
    title = titles.get(new_post_name or ":title.md")
    named = {"abbrlink": "{slug}"} if _all_bring("abbrlink", articles) else {}
    return {**_DAY, "name": "{name}", **named} | ({"title": title} if title else {})


# ---------------------------------------------------------------- Jekyll


def _jekyll(directory: Path) -> Found:
    fields = _load(directory, ("_config.yml", "_config.yaml", "_config.toml"))
    url = _site_url(_joined(_text(fields.get("url")), _text(fields.get("baseurl"))))
    folder = directory / (_text(fields.get("source")) or "") / (_text(fields.get("collections_dir")) or "")
    written = _text(fields.get("permalink")) or "date"
    is_kept = _are_kept(folder / "_posts", _KEPT_NAME)
    words = {**_DAY, "output_ext": ".html"} | ({"title": "{slug}"} if is_kept else {})
    # Those without a word are styles, such as "pretty"; all of them begin with the categories.
    permalink = _translated(written, words, url) if ":" in written else None
    return Found(
        dialect=Dialect.JEKYLL,
        category_mode=CategoryMode.FLAT,
        articles=folder / "_posts",
        title=_text(fields.get("title")) or _text(fields.get("name")),
        url=url,
        language=_text(fields.get("lang")) or _text(fields.get("locale")),
        timezone=_text(fields.get("timezone")),
        author=_name(fields.get("author")),
        permalink=permalink,
        foreign_permalink=None if permalink else written,
        more=tuple(_collections(fields.get("collections"), folder)),
    )


def _collections(value: Value, folder: Path) -> Iterator[Path]:
    """Yield the directories of the collections that have pages, ``posts`` apart."""
    for name, settings in value.items() if isinstance(value, dict) else ():
        has_pages = isinstance(settings, dict) and settings.get("output") == "true"
        if has_pages and name != "posts" and (folder / f"_{name}").is_dir():
            yield folder / f"_{name}"


# ---------------------------------------------------------------- Hugo


def _hugo(directory: Path) -> Found:
    fields = _hugo_fields(directory)
    url = _site_url(_text(fields.get("baseurl")))
    content = directory / (_text(fields.get("contentdir")) or "content")
    written = dict(_permalinks(fields.get("permalinks")))
    section = next(iter(written)) if len(written) == 1 else ""
    articles = content / section if section and (content / section).is_dir() else content
    if articles != content:
        permalink = _translated(written[section], _hugo_words(section, articles), url)
    else:
        permalink = None if written or not _has_plain_paths(fields, content) else _template("{page}/", url)
    return Found(
        dialect=Dialect.HUGO,
        category_mode=CategoryMode.FLAT,
        articles=articles if permalink else content,
        title=_text(fields.get("title")),
        url=url,
        language=next((text for name in _HUGO_LANGUAGES if (text := _text(fields.get(name)))), None),
        timezone=_text(fields.get("timezone")),
        author=_name(_folded(fields.get("params")).get("author")) or _name(fields.get("author")),
        exclude=("_index.md",),
        permalink=permalink,
        foreign_permalink=None if permalink else " ".join(written.values()) or "/:sections/:slug/",
    )


def _hugo_fields(directory: Path) -> Fields:
    """Return what the config, the tables in files of their own and the first language say."""
    fields = _load(directory, _HUGO_FILES)
    for path in sorted((directory / "config/_default").glob("*")):
        if path.suffix in _LOADERS and path.stem not in _HUGO_NAMES:
            fields.setdefault(path.stem.lower(), _load(path.parent, (path.name,)))
    languages = _folded(fields.get("languages"))
    first = _text(fields.get("defaultcontentlanguage")) or next(iter(languages), "")
    fields.update(_folded(languages.get(first.lower())))
    return fields


def _permalinks(value: Value) -> Iterator[tuple[str, str]]:
    """Yield each section and its pattern, written ``[permalinks]`` or ``[permalinks.page]``."""
    table = _folded(value)
    for section, pattern in _folded(table.get("page") if isinstance(table.get("page"), dict) else value).items():
        if isinstance(pattern, str):
            yield section, pattern


def _has_plain_paths(fields: Fields, content: Path) -> bool:
    """Tell whether each page lies at the path of its file, as it does where nothing else is said."""
    switches = (fields.get("uglyurls"), fields.get("defaultcontentlanguageinsubdir"))
    if "frontmatter" in fields or any(switch not in (None, "false") for switch in switches):
        return False
    paths = (path.relative_to(content).with_suffix("") for path in content.rglob("*.m*d*"))
    return all(_KEPT_NAME.fullmatch(part) and part == part.lower() for path in paths for part in path.parts)


def _hugo_words(section: str, articles: Path) -> Mapping[str, str]:
    """Return what Hugo's words mean; ``:slug`` may be made of a title, in a way of its own."""
    own = {"slug": "{slug}"} if _all_bring("slug", articles) else {}
    if not _are_kept(articles, _UNDATED_NAME, is_lower=True):
        return {**_DAY, **own, "section": section}
    names = {"filename": "{name}", "contentbasename": "{name}"}
    slugs = {"slugorfilename": "{slug}", "slugorcontentbasename": "{slug}"}
    return {**_DAY, **own, **names, **slugs, "section": section}


# ---------------------------------------------------------------- Pelican


def _pelican(directory: Path) -> Found:
    fields = _assigned(directory / "pelicanconf.py")
    if (directory / "publishconf.py").is_file():  # where the address of the public site stands
        fields |= _assigned(directory / "publishconf.py")
    url = _site_url(fields.get("SITEURL"))
    articles = directory / fields.get("PATH", ".")
    written = fields.get("ARTICLE_URL", PELICAN_URL)
    permalink = _pelican_permalink(written, fields.get("SLUGIFY_SOURCE"), articles, url)
    return Found(
        dialect=Dialect.PELICAN,
        category_mode=CategoryMode.FLAT,
        articles=articles,
        title=fields.get("SITENAME"),
        url=url,
        language=fields.get("DEFAULT_LANG"),
        timezone=fields.get("TIMEZONE"),
        author=fields.get("AUTHOR"),
        exclude=("pages/**",),
        permalink=permalink,
        foreign_permalink=None if permalink else written,
    )


def _pelican_permalink(written: str, slug_source: str | None, articles: Path, url: str | None) -> str | None:
    words = {"date:%Y": "year", "date:%m": "month", "date:%d": "day"}
    is_kept = slug_source == "basename" and _are_kept(articles, _KEPT_ASCII_NAME, is_lower=True)
    if is_kept or _all_bring("slug", articles):
        words["slug"] = "slug"
    return _template(_FIELD.sub(lambda found: f"{{{words.get(found[1], '?')}}}", written), url)


def _assigned(path: Path) -> dict[str, str]:
    """Return the names that a Python file gives a plain text; nothing in it is run."""
    text = _read(path)
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        raise ConfigError(f"{path}: line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; brackets without end
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    found: dict[str, str] = {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            value = statement.value.value
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            found.update((name, value) for name in names if isinstance(value, str) and value.strip())
    return found


READERS: Final[Mapping[Dialect, Callable[[Path], Found]]] = MappingProxyType(
    {Dialect.HEXO: _hexo, Dialect.HUGO: _hugo, Dialect.JEKYLL: _jekyll, Dialect.PELICAN: _pelican}
)
"""The generators whose configs can be read."""


# ---------------------------------------------------------------- files and values


def _json_object(text: str) -> Fields:
    if not text.lstrip().startswith("{"):
        raise ParseError("not a JSON object", line=1)
    return load_json(text)


_LOADERS: Final[Mapping[str, Callable[[str], Fields]]] = MappingProxyType(
    {".yml": load_yaml, ".yaml": load_yaml, ".toml": load_toml, ".json": _json_object}
)


def _load(directory: Path, names: Iterable[str]) -> Fields:
    path = next((directory / name for name in names if (directory / name).is_file()), directory / next(iter(names)))
    try:
        return _LOADERS[path.suffix](_read(path))
    except ParseError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        return body.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8") from error


def _text(value: Value) -> str | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return first.strip() or None if isinstance(first, str) else None


def _name(value: Value) -> str | None:
    return _text(_folded(value).get("name")) if isinstance(value, dict) else _text(value)


def _folded(value: Value) -> dict[str, Value]:
    return {key.lower(): part for key, part in value.items()} if isinstance(value, dict) else {}


def _joined(url: str | None, below: str | None) -> str | None:
    return f"{url.rstrip('/')}/{(below or '').strip('/')}" if url else None


def _site_url(text: str | None) -> str | None:
    """Return the URL that a site's links begin with, if there is a good one."""
    try:
        return values.root_url(text)
    except ValueError:
        return None


def _all_bring(key: str, directory: Path) -> bool:
    """Tell whether there are articles, and all of them say *key* in their first lines."""
    line = re.compile(rb"^[\"']?" + key.encode() + rb"[\"']?[ \t]*[:=]", re.IGNORECASE | re.MULTILINE)
    paths = [path for path in directory.rglob("*.m*d*") if path.stem != "_index"]
    return bool(paths) and all(line.search(_beginning(path)) for path in paths)


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BEGINNING)
    except OSError:
        return b""


def _are_kept(directory: Path, name: re.Pattern[str], *, is_lower: bool = False) -> bool:
    """Tell whether the names of all articles stand in URLs as they are."""
    stems = (path.stem for path in directory.rglob("*.m*d*") if path.stem != "_index")
    return all(name.fullmatch(stem) and stem != "index" and (not is_lower or stem == stem.lower()) for stem in stems)


# ---------------------------------------------------------------- permalinks


def _translated(written: str, words: Mapping[str, str], url: str | None) -> str | None:
    """Return a pattern with ``:words`` as a template of ours; None if one of its words means nothing to us."""
    if "{" in written or "}" in written:
        return None
    return _template(_WORD.sub(lambda found: words.get(found[1].lower(), "{?}"), written), url)


def _template(path: str, url: str | None) -> str | None:
    try:
        return values.permalink(urljoin(url, path.lstrip("/"))) if url else None
    except ValueError:
        return None
