"""Reads a broken feed with feedparser: a program of its own, for it takes its time. Only this module knows feedparser.

The text comes in by the standard input, as UTF-8; what is found leaves by the standard output, as JSON. It imports
nothing of ours, so that it starts fast and can be run by its path alone.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Iterable
from typing import Any

MAX_ENTRIES = 5_000
MAX_OUTPUT = 48 << 20  # bytes

_ENTRY = ("id", "link", "feedburner_origlink", "published", "updated", "created", "author", "rights", "language")
_DETAIL = ("title_detail", "summary_detail")
_LISTS = ("content", "tags", "links", "media_content", "media_thumbnail", "authors")
_FEED = (
    "id", "link", "rights", "language", "ttl", "sy_updateperiod", "sy_updatefrequency", "new-feed-url", "itunes_new-feed-url",
)  # fmt: skip


def main() -> None:
    """Read, parse and write within the limits given as arguments: seconds of CPU time, and bytes of memory."""
    seconds, memory = map(int, sys.argv[1:3])
    url = sys.argv[3]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    written = json.dumps(found(sys.stdin.buffer.read(), url)).encode("ascii")
    sys.stdout.buffer.write(written if len(written) <= MAX_OUTPUT else b"")


def found(body: bytes, url: str) -> dict[str, Any]:
    """Return what feedparser finds in *body*, in plain lists and texts."""
    import feedparser  # noqa: PLC0415 - after the limits are set
    from feedparser.mixin import _FeedParserMixin  # noqa: PLC0415 - likewise

    _FeedParserMixin.can_be_relative_uri -= {"id"}  # an id is no address, and the same when the feed is whole again
    read = feedparser.parse(
        io.BytesIO(body),
        sanitize_html=False,
        resolve_relative_uris=False,
        response_headers={"content-type": "application/xml; charset=utf-8", "content-location": url},
    )
    return {
        "version": read.get("version") or "",
        "feed": _taken(read.feed, _FEED) | {"source": _source(read.feed)},
        "count": len(read.entries),
        "entries": [_entry(entry) for entry in read.entries[:MAX_ENTRIES]],
    }


def _entry(entry: Any) -> dict[str, Any]:
    taken = _taken(entry, (*_ENTRY, *_DETAIL, *_LISTS))
    return taken | {
        "is_link": bool(dict.get(entry, "guidislink", True)),
        "image": dict.get(dict.get(entry, "image") or {}, "href"),
        "source": _source(dict.get(entry, "source")),
    }


def _source(source: Any) -> dict[str, Any] | None:
    return (
        _taken(source, ("id", "title", "title_detail", "href", "link", "links", "author", "authors", "rights"))
        if source
        else None
    )


def _taken(found: Any, names: Iterable[str]) -> dict[str, Any]:
    # Asked in its own way, feedparser answers with one date where another is missing.
    return {name: value for name in names if (value := dict.get(found, name))}


if __name__ == "__main__":
    main()
