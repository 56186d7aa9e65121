"""Keys, by which sightings are known to be one article, and the permanent ids that are minted from them."""

from __future__ import annotations

import base64
from hashlib import blake2b
from urllib.parse import unquote

from feeder.likeness import body_hash, title_key
from feeder.model import Article, Dating, DedupScope, Site, Source

EMPTY_BODY = body_hash("")
_DIGITS = "0123456789abcdefghijklmnopqrstuv"  # base32hex
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_SHIFTS = tuple(range(120, -1, -10))


def keys(article: Article, *, source: Source, locator: str, never: frozenset[str] = frozenset()) -> tuple[bytes, ...]:
    """Return the keys of *article*: two sightings that share one are one article. An id is minted from the first."""
    scope = scope_of(article, source=source, locator=locator, never=never)
    found = []
    if article.day:
        found.append(key_of("day", *scope, article.title_key, article.day.isoformat()))
    if article.guid:
        found.append(key_of("guid", source.name, article.guid))
    if article.dating is not Dating.ZONED:
        found.append(key_of("text", *scope, article.title_key, article.text_hash.hex()))
    elif source.url and article.published:
        found.append(key_of("moment", *scope, article.published.isoformat(), article.text_hash.hex()))
    return tuple(found)


def never_shared(site: Site) -> frozenset[str]:
    """Return the title keys that the config says are never shared."""
    return frozenset(map(title_key, site.never_merge))


def adopted_keys(*, title_key: str | None, day: str | None, link: str | None) -> tuple[bytes, ...]:
    """Return the keys under which an entry of a feed that already has subscribers waits for its article.

    An entry with a day waits for an article without one as well: its generator had the date from elsewhere.
    """
    found = [key_of("link", address(link))] if link else []
    if title_key:
        found += [key_of("title", title_key, each) for each in dict.fromkeys((day or "", ""))]
    return tuple(found)


def waiting_keys(article: Article) -> tuple[bytes, ...]:
    """Return the keys by which *article*, in whatever scope, finds an adopted entry that waits for it."""
    given = (given_key(article.guid),) if article.guid else ()
    linked = (key_of("link", address(article.link)),) if article.link else ()
    return (*given, *linked, key_of("title", article.title_key, article.day.isoformat() if article.day else ""))


def given_key(guid: str) -> bytes:
    """Return the key by which an entry waits for the article that itself says which one it is."""
    return key_of("given", guid)


def mint(key: bytes, prefix: str) -> str:
    """Return the permanent id made from *key*: 26 characters of base32hex (RFC 4648, 7), which sort as the bytes do."""
    number = int.from_bytes(key, "big") << 2  # 128 bits and two of padding are 13 pairs of characters
    return prefix + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def minted_key(id_: str, prefix: str) -> bytes | None:
    """Return the key that *id_* was minted from, or None if it was not."""
    try:
        key = base64.b32hexdecode(id_.removeprefix(prefix).upper() + "======")
    except ValueError:
        return None
    return key if mint(key, prefix) == id_ else None


def address(link: str) -> str:
    """Return what stays of an address when a site moves to https or tidies its links."""
    _, _, rest = link.partition("://")
    host, _, path = rest.partition("#")[0].partition("/")
    return f"{host.lower()}/{unquote(path).removesuffix('index.html').rstrip('/')}"


def scope_of(article: Article, *, source: Source, locator: str, never: frozenset[str]) -> tuple[str, ...]:
    """Return what the keys of *article* begin with where it is not to be shared with all; () if it is."""
    if source.dedup is DedupScope.OFF or article.title_key in never:
        return ("document", source.name, locator, article.text_hash.hex() if not article.day else "")
    return ("source", source.name) if source.dedup is DedupScope.SOURCE else ()


def key_of(*parts: str) -> bytes:
    """Return the hash of what a key is made of."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
