"""Which keys of a source mean something for which kind of source: a key that did nothing would be a lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from feeder.config.values import shown
from feeder.model import SourceKind

DIRECTORY: Final = "directory"
URL_KINDS: Final = frozenset({SourceKind.FEED, SourceKind.PAGE, SourceKind.DOCUMENT, SourceKind.ARCHIVE})
LEARNED: Final = "auto"  # an interval

_DOCUMENTS: Final = frozenset({DIRECTORY, SourceKind.ARCHIVE, SourceKind.DOCUMENT})
_TREES: Final = frozenset({DIRECTORY, SourceKind.ARCHIVE})
_WINDOWS: Final = frozenset({SourceKind.FEED, SourceKind.PAGE})

SCOPES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "watch": frozenset({DIRECTORY}),
        "include": _TREES,
        "exclude": _TREES,
        "category_from": _TREES,
        "keep_deleted": _TREES,
        "withdraw_after": _TREES,
        "dialect": _DOCUMENTS,
        "fields": _DOCUMENTS,
        "require_front_matter": _DOCUMENTS,
        "select": frozenset({SourceKind.PAGE}),
        "keep_ids": frozenset({SourceKind.FEED}),
        "first": _WINDOWS,
        **dict.fromkeys(
            (
                "kind",
                "min_interval",
                "max_interval",
                "timeout",
                "max_size",
                "allow_private",
                "headers",
                "auth",
                "cookies",
                "proxy",
                "tls_ca",
            ),
            URL_KINDS,
        ),
    }
)
"""The kinds of sources that a key is for; a key that is not named here is for all."""

_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        DIRECTORY: "directories",
        SourceKind.ARCHIVE: "archives",
        SourceKind.DOCUMENT: "documents",
        SourceKind.FEED: "feeds",
        SourceKind.PAGE: "pages",
    }
)


def without_strangers(defaults: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the *defaults* that mean something for the source *raw*; the others are for other sources of the file."""
    kind = _kind(raw, defaults)
    return {key: value for key, value in defaults.items() if kind is None or _fits(key, value, kind)}


def strangers(raw: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each key of the source *raw* that means nothing for its kind, and for one that it lacks."""
    kind = _kind(raw, defaults)
    if kind is None:
        return
    for key, value in raw.items():
        if not _fits(key, value, kind):
            yield f"{key}: {_claim(key, value)}; this source is {_called(kind)}"
    if kind == SourceKind.PAGE and "select" not in raw:
        yield 'select: is missing; a page is read by selectors, such as select.item = "article"'


def _kind(raw: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """Return what the source *raw* is; None if it does not say, or says two things."""
    if ("path" in raw) == ("url" in raw):
        return None
    if "path" in raw:
        return DIRECTORY
    kind = raw.get("kind", defaults.get("kind", SourceKind.AUTO))
    return kind if kind in tuple(SourceKind) else SourceKind.AUTO


def _fits(key: str, value: object, kind: str) -> bool:
    scope = SCOPES.get(key)
    if key == "interval" and value == LEARNED:
        scope = URL_KINDS
    return scope is None or (bool(scope & URL_KINDS) if kind == SourceKind.AUTO else kind in scope)


def _claim(key: str, value: object) -> str:
    if key == "interval":
        return f"{shown(value)} is for URLs"
    scope = SCOPES[key]
    if scope == URL_KINDS:
        return "is for URLs"
    *names, last = (name for kind, name in _NAMES.items() if kind in scope)
    return f"is for {', '.join(names)} and {last}" if names else f"is for {last}"


def _called(kind: str) -> str:
    if kind == SourceKind.AUTO:
        return "a URL"
    return f"an {kind}" if kind == SourceKind.ARCHIVE else f"a {kind}"
