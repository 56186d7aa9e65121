"""What the headers of an answer say: pure readings of text that may be anything, where garbage reads as nothing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urljoin

from feeder.dates import parse_date
from feeder.model import UTC_ZONE

MAX_WAIT: Final = timedelta(hours=24)  # however long a server would keep us away
MAX_READ: Final = 16 << 10  # characters of a header; a server may send hundreds of one name, which are one to us
MAX_FRESH: Final = timedelta(days=365)  # RFC 9111, 1.2.2: longer means no more than that

_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_MAX_AGE: Final = re.compile(r'max-age="?([0-9]+)"?')
_UNCACHED: Final = frozenset({"no-store", "no-cache"})
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_MEDIA_TYPE: Final = re.compile(rf"\s*({_WORD}++/{_WORD}++)\s*(?:[;,]|$)")
_CHARSET: Final = re.compile(r""";\s*+charset\s*+=\s*+["']?([\w.:+-]++)""", re.IGNORECASE | re.ASCII)
# RFC 8288, 3. All repetitions are possessive: reading is linear in the header.
_VALUE: Final = r'(?:"(?:[^"\\]|\\.)*+"|[^\s;,"]*+)'
_LINK: Final = re.compile(rf"<([^<>]*+)>((?:\s*+;\s*+{_WORD}++(?:\s*+=\s*+{_VALUE})?+)*+)")
_PARAMETER: Final = re.compile(rf"({_WORD}++)(?:\s*+=\s*+({_VALUE}))?+")
_ESCAPED: Final = re.compile(r"\\(.)")


def retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Return how long a Retry-After asks us to wait, which is a day at most; RFC 9110, 10.2.3."""
    text = (value or "").strip()
    if _DIGITS.fullmatch(text):
        return min(timedelta(seconds=min(int(text), MAX_WAIT // timedelta(seconds=1))), MAX_WAIT)
    instant = http_date(text)
    return min(max(instant - now, timedelta()), MAX_WAIT) if instant else None


def fresh_for(cache_control: str | None, *, expires: str | None, date: str | None) -> timedelta | None:
    """Return how long an answer stays good: its max-age, else Expires - Date; RFC 9111, 4.2.1.

    What is said to shared caches alone (s-maxage) says nothing to us.
    """
    directives = [part.strip().lower() for part in (cache_control or "")[:MAX_READ].split(",")]
    if any(part.partition("=")[0].rstrip() in _UNCACHED for part in directives):
        return None
    for part in directives:
        if found := _MAX_AGE.fullmatch(part):
            return _seconds(found[1])
    until, since = http_date(expires), http_date(date)
    return min(max(until - since, timedelta()), MAX_FRESH) if until and since else None


def content_type(value: str | None) -> tuple[str | None, str | None]:
    """Return the media type and the charset of a Content-Type, both in lower case."""
    text = (value or "")[:MAX_READ]
    found = _MEDIA_TYPE.match(text)
    charset = _CHARSET.search(text)
    return found[1].lower() if found else None, charset[1].lower() if charset else None


def links(value: str | None, *, base: str) -> tuple[tuple[str, str], ...]:
    """Return the (relation, absolute address) pairs of a Link header; RFC 8288.

    A link that is said of something else than the answer (`anchor`) is left out.
    """
    return tuple(
        pair for target, rest in _LINK.findall((value or "")[:MAX_READ]) for pair in _pairs(target, rest, base)
    )


def http_date(value: str | None) -> datetime | None:
    """Return the instant that *value* names, in any of the three forms of RFC 9110, 5.6.7."""
    return parse_date(value, zone=UTC_ZONE, names={})[0]


def _seconds(digits: str) -> timedelta:
    # More digits than that are longer than a year, and Python refuses to read very many.
    return min(timedelta(seconds=int(digits)), MAX_FRESH) if len(digits) < len("1000000000") else MAX_FRESH


def _pairs(target: str, rest: str, base: str) -> list[tuple[str, str]]:
    said = {name.lower(): _unquoted(text) for name, text in reversed(_PARAMETER.findall(rest))}  # the first counts
    if "anchor" in said:
        return []
    try:
        address = urljoin(base, target.strip())
    except ValueError:  # a broken IPv6 address
        return []
    return [(relation, address) for relation in said.get("rel", "").lower().split()]


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text
