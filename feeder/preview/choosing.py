"""What is to be previewed, and with which settings."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from feeder.config import Config, imagined, values
from feeder.errors import UnknownName
from feeder.fetch.directory import locator_of
from feeder.model import Site, Source

# A host before the first slash; what ends like a file is one.
_HOST: Final = re.compile(
    r"[\w-]+(?:\.[\w-]+)*\.(?!(?:md|markdown|html?|txt|xml|json|toml|ya?ml)(?:/|$))[\w-]+(?::\d+)?(?:/|$)"
)
UNNAMED: Final = "preview"  # a source that the config does not have
DEFAULT_SITE: Final = Site(title="Preview", url="http://localhost/", id="localhost,2000", author="Preview")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be read, and with which settings. `note` says so where the config does not name it."""

    source: Source
    site: Site
    locator: str | None = None  # None: the whole source
    note: str | None = None


def subject(word: str, settings: Config | None) -> Subject:
    """Return what *word* names: a source of the config, a URL, a file or a directory.

    A file in a source is read as the source has it; any other with the settings of the first source, or the defaults.
    A URL of no source is asked for with the defaults of the main file: the secrets of a source are for nobody else.

    Raises:
        UnknownName: There is neither such a source nor such a file, and it is no URL.
    """
    sources = settings.sources if settings else ()
    site = settings.site if settings else DEFAULT_SITE
    named_so = next((source for source in sources if source.name == word), None)
    if named_so:
        return Subject(source=named_so, site=site)
    if "://" in word:
        return _remote(word, settings, site)
    path = Path(word).absolute()
    if not os.path.exists(path):  # noqa: PTH110 - a name may be too long for pathlib
        names = [source.name for source in sources]
        near = f"; did you mean https://{word} ?" if _HOST.match(word) else values.suggestion(word, names)
        raise UnknownName(f"{word}: there is neither a source nor a file of this name{near}")
    for source in sources:
        if source.path and not path.is_dir() and path.resolve().is_relative_to(source.path.resolve()):
            return Subject(source=source, site=site, locator=locator_of(source.path.resolve(), path.resolve()))
    return _stranger(path.resolve(), settings, site)


def _remote(word: str, settings: Config | None, site: Site) -> Subject:
    try:
        url = values.source_url(word)
    except ValueError as error:
        raise UnknownName(f"url: {error}") from error
    known = next((source for source in settings.sources if source.url == url), None) if settings else None
    if known:
        return Subject(source=known, site=site)
    like, used = _by_default(settings, url=url)
    note = f"{url} is the url of no source; the settings used are {used}"
    return Subject(source=replace(like, name=urlsplit(url).netloc), site=site, note=note)


def _stranger(path: Path, settings: Config | None, site: Site) -> Subject:
    root = path if path.is_dir() else path.parent
    if settings and settings.sources:
        like = settings.sources[0]
        used = f"those of source {like.name}"
    else:
        like, used = _by_default(settings, path=".")
    locator = None if path.is_dir() else locator_of(root, path)
    note = f"{path} lies in no source; the settings used are {used}"
    return Subject(source=replace(like, path=root), site=site, locator=locator, note=note)


def _by_default(settings: Config | None, **told: str) -> tuple[Source, str]:
    """Return a source that has nothing but what is *told* of itself, and what its settings are called."""
    if settings:
        return imagined(settings, name=UNNAMED, **told), f"the defaults of {settings.path.name}"
    return Source(name=UNNAMED, order=0, url=told.get("url")), "the defaults"
