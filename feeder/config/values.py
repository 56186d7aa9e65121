"""What one value of the config may look like: text to durations, zones, URLs and the like, or a reason why not.

Every function raises ValueError with a sentence that begins with what was found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from string import Formatter
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from feeder.cadence import cron_trigger
from feeder.categories import MAX_PATH, fitting, node, parse_path, slug
from feeder.html import check_selector
from feeder.model import UTC_ZONE, CategoryPath
from feeder.urls import encoded

LONGEST: Final = timedelta(days=3660)  # longer than any sensible setting, and dates can still bear it
LONGEST_TIMEOUT: Final = timedelta(minutes=5)
ALIKE: Final = 0.7  # so near must a word be to be suggested, 1 being the same
LONGEST_NAME: Final = 100
SHOWN: Final = 60  # characters of a faulty value that a message repeats
PLACEHOLDERS: Final = ("year", "month", "day", "slug", "title", "path", "page", "name", "category")
LAST_PORT: Final = 65535
UNIX: Final = "unix:"
LONGEST_SOCKET: Final = 100  # bytes of its path; the system takes 107, and a new one is called a little longer at first
MOST_BYTES: Final = 1 << 30  # of one answer, which is held in memory
UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
FIXED_ZONES: Final = frozenset({"GMT", "UT", "UTC", "Z"})

_NO_LINE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]")
_DURATION: Final = re.compile(r"(-?)(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_OFFSET: Final = re.compile(r"([+-])(\d\d):([0-5]\d)", re.ASCII)
_ZONE_NAME: Final = re.compile(r"[A-Za-z]{1,12}")
_LANGUAGE: Final = re.compile(
    r"[A-Za-z]{2,8}(?:-[A-Za-z]{3}){0,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(?:-[0-9A-WYZa-wyz](?:-[A-Za-z0-9]{2,8})+)*(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?",
    re.ASCII,
)
_HOST_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
_SITE_ID: Final = re.compile(rf"(?:[A-Za-z0-9._-]+@)?{_HOST_NAME},(\d{{4}})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,10})(B|KiB|MiB|GiB)", re.ASCII)
_USERINFO: Final = re.compile(r"[^/?#]*//[^/?#]*@|[^/?#:]*:[^/?#]*@")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_FIELD_VALUE: Final = re.compile(r"[!-~](?:[ -~\t]*[!-~])?")  # RFC 9110, 5.5, without what it calls obsolete
_SECRET: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|credential:(?!\.\.?$)[A-Za-z0-9._-]{1,255}")
_AUTH: Final = re.compile(rf"(?:basic|bearer):(?:{_SECRET.pattern})")
_REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_OF_THE_EXCHANGE: Final = "is for Feeder to say: it goes with how an answer is read"
HEADERS_OF_OTHERS: Final = {
    "authorization": 'is not for headers; give it by auth = "bearer:env:NAME" or "basic:env:NAME"',
    "cookie": 'is not for headers; give it by cookies = "env:NAME"',
    "proxy-authorization": "is not for headers; a proxy is reached without a password",
    "host": "is not for headers; it is what the url says",
    **dict.fromkeys(
        (
            "accept-encoding",
            "connection",
            "content-length",
            "expect",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "keep-alive",
            "range",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ),
        _OF_THE_EXCHANGE,
    ),
}
"""Names of headers, in small letters, that a source cannot set, and why."""


def shown(value: object) -> str:
    """Return *value* as TOML would write it, in one short printable line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return printable(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def shown_path(path: object) -> str:
    """Return a path, whole, in quotes."""
    return f'"{printable(str(path))}"'


def printable(text: str) -> str:
    """Return *text* with everything escaped that could break a line or drive a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "…"?`` for the nearest of *known*, or nothing."""
    plain = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold(), plain, n=1, cutoff=ALIKE)
    return f'; did you mean "{plain[near[0]]}"?' if near else ""


def line(value: object) -> str:
    """Return text of one line, without blanks around it."""
    text = _text(value)
    if not text.strip() or _NO_LINE.search(text):
        raise ValueError(f"{shown(value)} is not a line of text")
    return text.strip()


def name(value: object) -> str:
    """Return what a source is called in logs and commands."""
    text = line(value)
    if not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"{shown(value)} is not a name of up to {LONGEST_NAME} printable characters")
    return text


def duration(value: object) -> timedelta:
    """Return a length of time: "10m", "1h30m", "0s"."""
    length = signed_duration(value)
    if length < timedelta():
        raise ValueError(f"{shown(value)} is negative")
    return length


def positive_duration(value: object) -> timedelta:
    """Return a length of time of a second at least."""
    length = duration(value)
    if not length:
        raise ValueError(f'{shown(value)} is not longer than "0s"')
    return length


def interval(value: object) -> timedelta | Literal["auto"]:
    """Return a length of time of a second at least, or "auto": learned."""
    return "auto" if value == "auto" else positive_duration(value)


def timeout(value: object) -> timedelta:
    """Return a length of time that a poll may well wait for: other processes hold one for dead after twice as much."""
    length = positive_duration(value)
    if length > LONGEST_TIMEOUT:
        raise ValueError(f'{shown(value)} is longer than "5m"')
    return length


def argument(value: object) -> str:
    """Return a word of a command, as a program is given it."""
    text = _text(value)
    if not text or "\0" in text:
        raise ValueError(f"{shown(value)} is not a word that a program can be given")
    return text


def hub(value: object) -> str:
    """Return the URL of a WebSub hub, which is published. A password would be, too."""
    text = _text(value)
    if _USERINFO.match(text):
        raise ValueError("holds a name or a password, which every feed would show")
    found = url(text)
    if "#" in found:
        raise ValueError(f"{shown(value)} holds a fragment, which no server sees")
    return found


def size(value: object) -> int:
    """Return a number of bytes: "15MiB"."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'{shown(value)} is not a size such as "15MiB"')
    number = int(found[1]) * UNITS[found[2]]
    if not 0 < number <= MOST_BYTES:
        raise ValueError(f'{shown(value)} is not between "1B" and "1GiB"')
    return number


def signed_duration(value: object) -> timedelta:
    """Return a length of time that may be negative: "-8h"."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'{shown(value)} is not a duration such as "10m"')
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups()[1:])
    if days > LONGEST.days or hours + minutes + seconds > LONGEST.total_seconds():
        raise ValueError(f'{shown(value)} is longer than "{LONGEST.days}d"')
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST:
        raise ValueError(f'{shown(value)} is longer than "{LONGEST.days}d"')
    return -length if found[1] else length


def zone(value: object) -> ZoneInfo:
    """Return a time zone by its IANA name."""
    text = _text(value)
    try:
        return ZoneInfo(text)
    except (LookupError, OSError, ValueError):
        zones = available_timezones()
        cities = {name.rpartition("/")[2].casefold(): name for name in sorted(zones)}
        hint = cities.get(text.casefold().replace(" ", "_"))
        nearest = f'; did you mean "{hint}"?' if hint else suggestion(text, sorted(zones))
        raise ValueError(f'{shown(value)} is not a time zone such as "Asia/Shanghai"{nearest}') from None


def zone_name(value: object) -> str:
    """Return the upper-case short name of a zone, as dates carry it."""
    text = _text(value)
    if not _ZONE_NAME.fullmatch(text):
        raise ValueError(f'{shown(value)} is not the short name of a zone such as "CST"')
    if text.upper() in FIXED_ZONES:
        raise ValueError(f"{shown(value)} always means +00:00; a source that means something else has date_offset")
    return text.upper()


def zone_offset(value: object) -> timedelta:
    """Return an offset from UTC: "+08:00"."""
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3])) if found else timedelta.max
    if not found or offset > timedelta(hours=14):
        raise ValueError(f'{shown(value)} is not an offset such as "+08:00"')
    return -offset if found[1] == "-" else offset


def language(value: object) -> str:
    """Return a language tag of the syntax of BCP 47."""
    text = _text(value)
    if not _LANGUAGE.fullmatch(text):
        raise ValueError(f'{shown(value)} is not a language tag such as "zh-CN"')
    return text


def url(value: object) -> str:
    """Return an absolute http(s) URL, percent-encoded."""
    text = _text(value)
    if not _is_absolute(text) or not text.isprintable() or " " in text:
        raise ValueError(f'{shown(value)} is not an absolute URL such as "https://example.org/"')
    return encoded(text)


def source_url(value: object) -> str:
    """Return the URL of a source. A name and a password do not belong there, and are not repeated in the message."""
    text = _text(value)
    if _USERINFO.match(text):
        raise ValueError('holds a name or a password, which logs would show; give them by auth = "basic:env:NAME"')
    return url(text)


def proxy(value: object) -> str:
    """Return the URL of a proxy."""
    text = _text(value)
    if _USERINFO.match(text):
        raise ValueError("holds a name or a password; a proxy is reached without")
    found = url(text)
    if urlsplit(found).path not in {"", "/"} or "?" in found or "#" in found:
        raise ValueError(f"{shown(value)} holds more than scheme, host and port")
    return found


def root_url(value: object) -> str:
    """Return the URL of a directory: it ends with "/" and has neither query nor fragment."""
    text = url(value)
    if "?" in text or "#" in text or "@" in text:
        raise ValueError(f"{shown(value)} holds more than scheme, host and path")
    return text if text.endswith("/") else text + "/"


def site_id(value: object) -> str:
    """Return an authority and a date that make tag URIs (RFC 4151)."""
    text = _text(value)
    found = _SITE_ID.fullmatch(text)
    try:
        date(*(int(part or 1) for part in found.groups())) if found else date(0, 0, 0)
    except ValueError:
        raise ValueError(f'{shown(value)} is not a domain and a date such as "feeds.example.org,2026"') from None
    return text


def category(value: object) -> CategoryPath:
    r"""Return a path of names from "Partners/Example"; a slash in a name is written ``\/``."""
    path = parse_path(line(value))
    if not path or len(node(path)) < len(path):
        raise ValueError(f'{shown(value)} is not a path of names such as "Partners/Example"')
    if fitting(path) != path:
        raise ValueError(f"{shown(value)} is longer than {MAX_PATH} bytes")
    return path


def category_slug(value: object) -> str:
    """Return the last directory of a category's feeds: what stays as it is when a slug is made of it."""
    text = _text(value)
    if slug(text) != text:
        raise ValueError(f'{shown(value)} is not a slug such as "my-news": small letters, digits and "-"')
    return text


def selector(value: object) -> str:
    """Return a CSS selector that the HTML parser understands."""
    text = line(value)
    try:
        check_selector(text)
    except ValueError:
        raise ValueError(f'{shown(value)} is not a CSS selector such as ".ad"') from None
    return text


def pattern(value: object) -> str:
    """Return a regular expression as RE2 has them."""
    # Few configs have one, and RE2 need not be loaded for the others.
    from feeder.filters import check_pattern  # noqa: PLC0415

    text = line(value)
    check_pattern(text)
    return text


def page_selector(value: object) -> str:
    """Return a CSS selector that the reader of web pages understands; it knows some that others do not."""
    # Few configs have one, and the import takes longer than the rest of most commands.
    import soupsieve  # noqa: PLC0415

    text = line(value)
    try:
        soupsieve.compile(text)
    except soupsieve.SelectorSyntaxError as error:
        reason = printable(str(error).partition("\n")[0])
        raise ValueError(f'{shown(value)} is not a CSS selector such as "article h2": {reason}') from None
    return text


def network(value: object) -> str:
    """Return a network of addresses: "10.0.3.7/32"."""
    text = _text(value)
    try:
        return str(ip_network(text))
    except ValueError:
        nearest = f'; did you mean "{ip_network(text, strict=False)}"?' if _reads(_loose_network, text) else ""
        raise ValueError(f'{shown(value)} is not a network such as "10.0.3.7/32"{nearest}') from None


def header_name(value: object) -> str:
    """Return the name of a header that a source may send."""
    text = _text(value)
    if not _TOKEN.fullmatch(text):
        raise ValueError(f'{shown(value)} is not the name of a header such as "Accept-Language"')
    if text.lower() in HEADERS_OF_OTHERS:
        raise ValueError(f"{shown(value)} {HEADERS_OF_OTHERS[text.lower()]}")
    return text


def header_value(value: object) -> str:
    """Return what a header says, or the name of the secret that it says: "env:NAME", "credential:NAME"."""
    text = _text(value)
    if not _FIELD_VALUE.fullmatch(text):
        raise ValueError(f"{shown(value)} is not a line of ASCII without blanks around it")
    if text.startswith(("env:", "credential:")) and not _SECRET.fullmatch(text):
        raise ValueError(f'{shown(value)} is not the name of a secret such as "env:NAME" or "credential:NAME"')
    return text


def auth(value: object) -> str:
    """Return how a source is entered and the name of the secret. What is none is not repeated: it may be the secret."""
    if not isinstance(value, str) or not _AUTH.fullmatch(value):
        raise ValueError(
            'is not the name of a secret such as "basic:env:NAME" or "bearer:credential:NAME"; '
            "a secret itself does not belong here"
        )
    return value


def cookies(value: object) -> str:
    """Return the name of the secret that holds cookies. What is none is not repeated: it may be the secret."""
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise ValueError(
            'is not the name of a secret such as "env:NAME" or "credential:NAME"; cookies themselves do not belong here'
        )
    return value


def secret(value: object) -> str:
    """Return the name of a secret. What is none is not repeated: it may be the secret."""
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise ValueError(
            'is not the name of a secret such as "env:NAME" or "credential:NAME"; a secret itself does not belong here'
        )
    return value


def region(value: object) -> str:
    """Return the name of a region of S3."""
    text = _text(value)
    if not _REGION.fullmatch(text):
        raise ValueError(f'{shown(value)} is not a region such as "eu-central-1"')
    return text


def endpoint(value: object) -> str:
    """Return the address of a store; the bucket is not part of it."""
    text = url(value).removesuffix("/")
    if urlsplit(text).path or urlsplit(text).query or urlsplit(text).username is not None:
        raise ValueError(f'{shown(value)} is not the address of a store such as "https://s3.example.org:9000"')
    return text


def glob(value: object) -> str:
    """Return a pattern of file names below a directory."""
    text = line(value)
    if ".." in text.split("/"):
        raise ValueError(f'{shown(value)} is not a pattern below the directory such as "*.md"')
    return text


def permalink(value: object) -> str:
    """Return a template of URLs with placeholders that are known."""
    text = line(value)
    example = 'a template such as "https://example.org/{year}/{slug}/"'
    try:
        fields = list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"{shown(value)} is not {example}: a brace has no partner") from None
    for _, name, form, conversion in fields:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            raise ValueError(
                f'{shown(value)}: "{{{printable(name)}}}" is no placeholder{suggestion(name, PLACEHOLDERS)}'
            )
    filled = "".join(literal + ("x" if name else "") for literal, name, _, _ in fields)
    if not _reads(url, filled):
        raise ValueError(f"{shown(value)} is not {example}")
    return text


def listen(value: object) -> str:
    """Return "host:port" or "unix:/path", or nothing."""
    text = _text(value)
    if text and not _reads(address, text):
        raise ValueError(
            f'{shown(value)} is not a host and a port such as "127.0.0.1:8080", nor "unix:/run/feeder/http.sock", nor ""'
        )
    return text


Address: TypeAlias = tuple[str, int] | Path
"""A host and a port, or the path of a Unix socket."""


def address(text: str) -> Address:
    """Return the address that is written "host:port", "[host]:port" or "unix:/path"."""
    if text.startswith(UNIX):
        return _socket_path(text.removeprefix(UNIX))
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare and bare == host) or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        raise ValueError(text)
    if int(port) > LAST_PORT or not bare.isprintable() or " " in bare or "/" in bare:
        raise ValueError(text)
    return bare, int(port)


def address_text(address: Address) -> str:
    """Return an address as `address` reads it."""
    if isinstance(address, Path):
        return f"{UNIX}{address}"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _socket_path(path: str) -> Path:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable() or len(path.encode()) > LONGEST_SOCKET:
        raise ValueError(path)
    return Path(path)


def cron(value: object) -> str:
    """Return a crontab line."""
    text = line(value)
    try:
        cron_trigger(text, UTC_ZONE)
    except ValueError as error:
        raise ValueError(
            f'{shown(value)} is not a crontab line such as "*/10 * * * *": {printable(str(error))}'
        ) from None
    return text


def choice(words: Collection[str]) -> Callable[[object], str]:
    """Return a function that takes one of *words* and nothing else."""

    def chosen(value: object) -> str:
        if value not in words:
            listed = ", ".join(f'"{word}"' for word in words)
            raise ValueError(f"{shown(value)} is not one of {listed}")
        return str(value)

    return chosen


def _loose_network(text: str) -> object:
    return ip_network(text, strict=False)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not text")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _is_absolute(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
    except ValueError:  # of a port, a bracketed address
        return False


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True
