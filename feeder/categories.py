"""The category tree's rules: when two labels are one category, and what its directory is called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from feeder.model import CategoryPath, Node

MAX_SLUG: Final = 80  # bytes of UTF-8; file systems take 255, URLs triple them
HASH_BYTES: Final = 4
# Of a path, and of its identity, in UTF-8: databases have them in indexes, whose rows hold 2,700 bytes; a quote counts twice there.
MAX_PATH: Final = 1_200

# Windows cannot hold files of these names, with whatever extension.
RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)

# Unicode's format characters (Cf) for a class of a pattern, listed so that no version of Python moves an identity.
FORMAT_CHARACTERS: Final = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)

_FORMATTING = re.compile(f"[{FORMAT_CHARACTERS}]+")
_BREAKS = re.compile(r"[\s_-]+")
_LOOKS_HASHED = re.compile(r"(?:.*-)?[0-9a-f]{8}", re.DOTALL)
_SEGMENT = re.compile(r"(?:\\.|[^/])+", re.DOTALL)
_ESCAPED = re.compile(r"\\([/\\])")
_TO_ESCAPE = re.compile(r"[/\\]")


def fold(text: str) -> str:
    """Return *text* as it is compared: NFKC, case folded, without format characters. Folding twice changes nothing."""
    if text.isascii():
        return text.lower()
    # Format characters are not printable; where all is, a regex need not look for them.
    visible = text if text.isprintable() else _FORMATTING.sub("", text)
    # Two rounds: case folding may leave what NFKC changes, and that what folding changes, but no further (Unicode, D146).
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


@lru_cache(maxsize=16_384)
def identity(label: str) -> str:
    """Return what makes *label* the same category as another; blanks, hyphens and underscores are all one ``-``."""
    return _BREAKS.sub("-", fold(label).strip())


@lru_cache(maxsize=16_384)
def slug(label: str) -> str:
    """Return the directory name of a label, or of its identity.

    A pure function, and one to one but for collisions of 32 bits: what is dropped or cut is made up for by a hash of
    the identity, which is also added to an identity that itself looks as if it ended in one.
    """
    key = identity(label)
    kept = unicodedata.normalize("NFC", "".join(filter(_is_kept, key)))
    if kept == key and _stands_by_itself(key):
        return key
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).hexdigest()
    room = MAX_SLUG - len(f"-{digest}")
    stem = kept.encode()[:room].decode(errors="ignore").strip("-")
    return f"{stem}-{digest}" if _is_readable(stem) and key not in RESERVED else digest


@lru_cache(maxsize=16_384)
def node(path: CategoryPath) -> Node:
    """Return the category that the labels of *path* name; labels that come to nothing are left out."""
    return tuple(filter(None, map(identity, path)))


def fitting(path: CategoryPath) -> CategoryPath:
    """Return *path* without the levels that make it longer than a database can look for."""
    sizes = accumulate(max(_size(label), _size(identity(label))) for label in path)
    return path[: sum(size <= MAX_PATH for size in sizes)]


def slugs(path: CategoryPath | Node) -> tuple[str, ...]:
    """Return the directory names of *path*, from the top down."""
    return tuple(map(slug, node(path)))


@lru_cache(maxsize=16_384)
def lineage(node: Node) -> tuple[Node, ...]:
    """Return every node that holds what *node* holds: the site first, then each level down to itself."""
    return tuple(node[:depth] for depth in range(len(node) + 1))


def renamed(node: Node, aliases: Mapping[Node, Node]) -> Node:
    """Return *node* with its longest aliased part replaced."""
    known = (length for length in range(len(node), 0, -1) if node[:length] in aliases)
    length = next(known, 0)
    return aliases[node[:length]] + node[length:] if length else node


def parse_path(text: str) -> CategoryPath:
    r"""Return the labels of a path like ``金融/新浪财经``; ``\/`` is a slash within a label, ``\\`` a backslash."""
    labels = (_ESCAPED.sub(r"\1", segment).strip() for segment in _SEGMENT.findall(text))
    return tuple(filter(None, labels))


def join_path(path: CategoryPath) -> str:
    """Return *path* as `parse_path` reads it."""
    return "/".join(_TO_ESCAPE.sub(r"\\\g<0>", label) for label in path)


def _size(label: str) -> int:
    return len(label.encode("utf-8", "surrogatepass"))


def _is_kept(character: str) -> bool:
    return character == "-" or unicodedata.category(character)[0] in "LMN"


def _stands_by_itself(key: str) -> bool:
    return (
        _is_readable(key)
        and key not in RESERVED
        and len(key.encode()) <= MAX_SLUG
        and _LOOKS_HASHED.fullmatch(key) is None
    )


def _is_readable(text: str) -> bool:
    return any(unicodedata.category(character)[0] in "LN" for character in text)
