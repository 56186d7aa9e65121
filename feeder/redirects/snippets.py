"""Redirects in the words of nginx and of Caddy, to be included in their configs.

Both map an address to where it leads by expressions, which need no table sizes that an admin would have to set. What a
placeholder stands for is taken from the address as it was sent, still percent-encoded: decoded, it could hold a line
break, which nginx would put into a header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from feeder.redirects import NAMES, PATH, SLUG, Redirects, is_pattern, pieces, placeholders

GONE: Final = "gone"
"""What stands in the place of an address that there is no more."""

_HEAD: Final = "# Written by Feeder; what is changed here is lost.\n"
# What a name in an address may be made of as it is sent. RE2, which Caddy has, cannot look ahead.
_SIGNS: Final = r"\w~%!&'()*+,;=:@-"
_NAME: Final = f"[{_SIGNS}][.{_SIGNS}]*"
_VALUES: Final = {SLUG: _NAME, PATH: f"{_NAME}(?:/{_NAME})*"}
_FILES: Final = "|".join(re.escape(name) for name in sorted(NAMES) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """How a group is written in an expression, how what it matched in a value, and a map of a source to a variable."""

    group: Callable[[int, str], str]
    value: Callable[[int], str]
    map: Callable[[str, Iterable[tuple[str, str]]], str]
    path: str
    address: str


def nginx(redirects: Redirects, site_url: str) -> bytes:
    """Return two maps for the http level: $feeder_moved, and $feeder_matched for patterns."""
    return _written(redirects, site_url, _NGINX)


def caddy(redirects: Redirects, site_url: str) -> bytes:
    """Return two maps for a site: {feeder_moved}, and {feeder_matched} for patterns."""
    return _written(redirects, site_url, _CADDY)


def _nginx_map(source: str, lines: Iterable[tuple[str, str]]) -> str:
    told = "".join(f'    "~{expression}" "{target}";\n' for expression, target in lines)
    return f'map {source} {{\n    default "";\n{told}}}\n'


def _caddy_map(source: str, lines: Iterable[tuple[str, str]]) -> str:
    told = "".join(f"\t`~{expression}` `{target}`\n" for expression, target in lines)
    return f"map {source} {{\n{told}\tdefault ``\n}}\n"


_NGINX: Final = _Dialect(
    group=lambda number, inside: f"(?<feeder_{number}>{inside})",
    value=lambda number: f"${{feeder_{number}}}",
    map=_nginx_map,
    path="$uri $feeder_moved",
    address="$request_uri $feeder_matched",
)
_CADDY: Final = _Dialect(
    group=lambda _, inside: f"({inside})",
    value=lambda number: f"${{{number}}}",
    map=_caddy_map,
    path="{http.request.uri.path} {feeder_moved}",
    address="{http.request.orig_uri} {feeder_matched}",
)


def _written(redirects: Redirects, site_url: str, dialect: _Dialect) -> bytes:
    address = urlsplit(site_url)
    origin = f"{address.scheme}://{address.netloc}"
    moved = dialect.map(dialect.path, _of_paths(redirects, origin, dialect))
    return (_HEAD + moved + dialect.map(dialect.address, _of_patterns(redirects, origin, dialect))).encode()


def _of_paths(redirects: Redirects, origin: str, dialect: _Dialect) -> Iterator[tuple[str, str]]:
    for rule, end in redirects.shortened():
        if not is_pattern(rule):
            yield f"^{re.escape(rule.source)}$", GONE if end is None else origin + quote(end)
    for directory, now in redirects.left.items():
        path = re.escape(f"{redirects.base}{directory}")
        target = GONE if now is None else f"{origin}{quote(redirects.base + now)}/{dialect.value(1)}"
        yield f"^{path}(?:/{dialect.group(1, _FILES)}?)?$", target


def _of_patterns(redirects: Redirects, origin: str, dialect: _Dialect) -> Iterator[tuple[str, str]]:
    for rule in filter(is_pattern, redirects.rules):
        numbers = {name: number for number, name in enumerate(placeholders(rule.source), start=1)}
        sent = (
            dialect.group(numbers[part], _VALUES[part]) if part in numbers else _as_sent(part)
            for part in pieces(rule.source)
        )
        target = (dialect.value(numbers[part]) if part in numbers else quote(part) for part in pieces(rule.target))
        yield f"^{''.join(sent)}(?:[?].*)?$", origin + "".join(target)


def _as_sent(text: str) -> str:
    """Return an expression for *text*, percent-encoded or not."""
    return "".join(map(_sign_as_sent, text))


def _sign_as_sent(sign: str) -> str:
    encoded = quote(sign, safe="/~")
    return re.escape(sign) if encoded == sign else f"(?:(?i:{encoded})|{re.escape(sign)})"
