"""Where a category's files are: their paths below the output root, and their URLs."""

from __future__ import annotations

import re
from base64 import b32hexencode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import quote

from feeder.model import Category, Format, Site

PAGE = "index.html"
FILE_NAMES: Mapping[Format, str] = MappingProxyType(
    {Format.ATOM: "atom.xml", Format.RSS: "rss.xml", Format.JSON: "feed.json"}
)
MEDIA_TYPES: Mapping[Format, str] = MappingProxyType(
    {
        Format.ATOM: "application/atom+xml",
        Format.RSS: "application/rss+xml",
        Format.JSON: "application/feed+json",
    }
)
TYPES_BY_NAME: Mapping[str, str] = MappingProxyType({FILE_NAMES[made]: MEDIA_TYPES[made] for made in FILE_NAMES})
TYPES_BY_SUFFIX: Mapping[str, str] = MappingProxyType(
    {
        "css": "text/css",
        "gif": "image/gif",
        "html": "text/html",
        "ico": "image/vnd.microsoft.icon",
        "jpg": "image/jpeg",
        "js": "text/javascript",
        "json": "application/json",
        "opml": "text/x-opml",
        "png": "image/png",
        "svg": "image/svg+xml",
        "txt": "text/plain",
        "webp": "image/webp",
        "xml": "application/xml",
    }
)
UNKNOWN_TYPE = "application/octet-stream"
TOP = "categories"
ARCHIVE = "archive"
ARTICLES = "articles"  # pages of articles that have no other
ASSETS = "assets"  # what pages look like, and what they do
_OWN_DIRECTORIES = tuple(f"{name}/" for name in (TOP, ARCHIVE, ARTICLES, ASSETS))
OWN_FILES = frozenset({"", PAGE, "feeds.json", "feeds.opml", *FILE_NAMES.values()})  # at the root of the output
# What RFC 3986 lets stand in a URL; the brackets are left out, since only an IPv6 host may hold them.
_ALLOWED = "%/:?#@!$&'()*+,;=~-._"
_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)")
_ENCODED = re.compile(rf"(?:[A-Za-z0-9_{re.escape(_ALLOWED.replace('%', ''))}]++|%[0-9A-Fa-f]{{2}})*+")
_MINTED = re.compile(r"[0-9a-v]{26}")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def directory(category: Category) -> str:
    """Return the directory of *category* below the output root, as it is named on disk; "" for the site."""
    return "/".join((TOP, *category.slugs)) if category.slugs else ""


def file_path(category: Category, name: str) -> str:
    """Return the path of the file *name* of *category* below the output root."""
    return "/".join(filter(None, (directory(category), name)))


def page_url(category: Category, site: Site) -> str:
    """Return the URL of the page of *category*; it ends with "/"."""
    return _directory_url(category.slugs, site.url)


def parent_url(category: Category, site: Site) -> str:
    """Return the URL of the page one level above *category*: the site's for a topmost one."""
    return _directory_url(category.slugs[:-1], site.url)


def feed_urls(category: Category, site: Site, formats: Iterable[Format]) -> tuple[tuple[Format, str], ...]:
    """Return the URL of the feed of *category* in each of *formats*."""
    home = page_url(category, site)
    return tuple((made, home + FILE_NAMES[made]) for made in formats)


def media_type(path: str) -> str:
    """Return what the file at *path* is, as HTTP says it."""
    name = path.rpartition("/")[2]
    kind = TYPES_BY_NAME.get(name) or TYPES_BY_SUFFIX.get(name.rpartition(".")[2].lower(), UNKNOWN_TYPE)
    # JSON has no such parameter: it is always UTF-8 (RFC 8259, section 11).
    return f"{kind}; charset=utf-8" if kind.endswith("xml") or kind.startswith("text/") else kind


def archive_path(number: int, name: str) -> str:
    """Return the path of the file *name* of a page of the archive below the output root."""
    return f"{ARCHIVE}/{number}/{name}"


def archive_urls(number: int, site: Site, formats: Iterable[Format]) -> tuple[tuple[Format, str], ...]:
    """Return the URL of a page of the archive in each of *formats*."""
    return tuple((made, site.url + archive_path(number, FILE_NAMES[made])) for made in formats)


def article_path(id_: str, site: Site) -> str:
    """Return the path of the page of the article *id_* below the output root: named after an id of *site*, else a hash."""
    name = id_.removeprefix(f"tag:{site.id}:article/")
    if name == id_ or not _MINTED.fullmatch(name):
        name = b32hexencode(sha256(id_.encode()).digest()).decode().lower()[:26]
    return f"{ARTICLES}/{name}.html"


def is_own(url: str, site: Site) -> bool:
    """Tell whether *url* is one of the files that *site* publishes, or below its directories."""
    below = url.partition("#")[0].removeprefix(site.url)
    return below != url and (below in OWN_FILES or below.startswith(_OWN_DIRECTORIES))


def encoded(url: str) -> str:
    """Return *url* in ASCII, as RFC 3986 has it, its scheme in small letters; what is encoded already stays as it is."""
    if url.startswith(("http://", "https://")) and _ENCODED.fullmatch(url):
        return url
    authority = _AUTHORITY.match(url)
    if authority is None:
        return _quoted(url)
    scheme, host = authority.groups()
    return scheme.lower() + _host(host) + _quoted(url[authority.end() :])


@lru_cache(maxsize=4096)  # every entry names the same few categories
def _directory_url(slugs: tuple[str, ...], site_url: str) -> str:
    return site_url + "".join(f"{quote(part, safe='')}/" for part in ((TOP, *slugs) if slugs else ()))


def _host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return _quoted(host)


def _quoted(text: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", text), safe=_ALLOWED, errors="replace")
