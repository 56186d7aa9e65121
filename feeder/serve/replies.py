"""What is said about a file: types, validators, conditions, codings and ranges, as RFC 9110 has them."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import quote

from feeder.model import Format
from feeder.serve.paths import Found, Names, Stamp
from feeder.urls import ARTICLES, MEDIA_TYPES, TYPES_BY_NAME, media_type

Fields: TypeAlias = Mapping[bytes, bytes]
"""The header fields of a request that matter here, by their names in small letters."""

ASKED_BY: Final = frozenset(
    {b"if-none-match", b"if-modified-since", b"accept-encoding", b"range", b"if-range", b"sec-fetch-dest"}
)
CHUNK: Final = 256 * 1024  # bytes of an answer that are in memory for each client
PACKED_FROM: Final = 512  # bytes; less is one packet anyway
LEVEL: Final = 6  # of gzip: 9 takes twice the time for a hundredth of the size
LONGEST_FIELD: Final = 1000  # characters of an Accept-Encoding that are worth reading
ETAG_DIGITS: Final = 32
SHORT_SECONDS: Final = 10  # that it may be believed there is nothing at an address

# Chromium shows these by their style sheet only as plain XML, and as mere text under their own types.
_STYLED: Final = frozenset({MEDIA_TYPES[Format.ATOM], MEDIA_TYPES[Format.RSS]})
_SHOWN_TYPE: Final = "application/xml; charset=utf-8"
_OPEN_TYPES: Final = frozenset({*MEDIA_TYPES.values(), "application/json", "text/x-opml"})  # to scripts of other sites

# Pages bring their own style sheet and script, and show the pictures of articles, wherever these are.
POLICY: Final = (
    "default-src 'none'; img-src * data:; style-src 'self'; script-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ARTICLE_POLICY: Final = f"{POLICY}; media-src *; frame-src https:"  # what they have to play may be anywhere, too
SAFETY: Final = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",  # some servers give no pictures to readers of other sites
    }
)
ALLOWED: Final = MappingProxyType({"allow": "GET, HEAD, OPTIONS"})  # section 10.2.1
# What scripts of other sites may send to have less sent: browsers ask before they do.
_OPENED: Final = MappingProxyType(
    {
        "access-control-allow-origin": "*",
        "access-control-allow-headers": "if-modified-since, if-none-match, range",
        "access-control-max-age": "86400",
    }
)
_SENTENCES: Final = MappingProxyType(
    {
        HTTPStatus.GONE: "This feed is gone: its category has no article any more.",
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
        HTTPStatus.METHOD_NOT_ALLOWED: "Only GET and HEAD are answered here.",
        HTTPStatus.SERVICE_UNAVAILABLE: "This file cannot be read now; please try again later.",
    }
)
_LASTING: Final = ("etag", "last-modified", "cache-control", "vary", "access-control-allow-origin")
_RANGE: Final = re.compile(rb"bytes[ \t]*=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.IGNORECASE)
_COMMA: Final = b", "


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the answers for all files have in common."""

    url: str = "/"  # where the root is served; it ends with "/"
    max_age: timedelta = timedelta()  # for which an answer may be taken for the newest
    hub: str | None = None  # who tells subscribers of news (WebSub)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `body` is what is sent of it; None: the bytes of a file in `span`, from and to."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None = b""
    span: tuple[int, int] = (0, 0)
    head: bytes = field(init=False)  # the status line and the headers, as they are sent

    def __post_init__(self) -> None:
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", *map(": ".join, self.headers)]
        object.__setattr__(self, "head", "".join(f"{line}\r\n" for line in lines).encode("latin-1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A file in one coding: the answers that send it, and that say that the client has it."""

    etag: bytes
    full: Reply
    known: Reply
    shown: Reply  # to a person who opens it in a browser


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A file as it was read once, with all that may be said of it. `packed` is gzip's form, if it is worth while."""

    stamp: Stamp
    changed: int  # seconds since 1970
    plain: Form
    packed: Form | None = None

    @property
    def weight(self) -> int:
        """The bytes it takes in memory; what is not a body is rounded up."""
        forms = (self.plain, self.packed) if self.packed else (self.plain,)
        return sum(len(form.full.body or b"") + 4 * len(form.full.head) for form in forms)


def date() -> tuple[str, str]:
    """Return the header that says when an answer is given (section 6.6.1)."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(now: int) -> tuple[str, str]:
    return "date", formatdate(now, usegmt=True)


# ---------------------------------------------------------------- a version


def read(found: Found, names: Names, terms: Terms, *, most: int) -> Version:
    """Return what is to be said of an open file; its bytes are kept if they are not more than *most*."""
    # No later than the answer's date (section 8.8.2.1): a clock that is set back leaves later ones.
    changed = min(found.mtime_ns // 10**9, int(time.time()))
    headers = _headers(names, changed, terms)
    body = _read_whole(found) if found.size <= most else None
    digest = _digest(found) if body is None else sha256(body).hexdigest()
    size = found.size if body is None else len(body)
    packed = _packed(body, headers["content-type"]) if body else None
    if packed:
        headers["vary"] = ", ".join(("accept-encoding", *([headers["vary"]] if "vary" in headers else [])))
    etag = digest[:ETAG_DIGITS]
    return Version(
        stamp=found.stamp,
        changed=changed,
        plain=_form(headers, etag, body, size),
        packed=_form({**headers, "content-encoding": "gzip"}, f"{etag}-gzip", packed, len(packed)) if packed else None,
    )


def _headers(names: Names, changed: int, terms: Terms) -> dict[str, str]:
    named = media_type(names[-1])
    kind = named.partition(";")[0]
    headers = {
        "content-type": named,
        "last-modified": formatdate(changed, usegmt=True),
        "cache-control": f"public, max-age={int(terms.max_age.total_seconds())}, must-revalidate",
        "accept-ranges": "bytes",
        **SAFETY,
    }
    if names[0] == ARTICLES:
        headers["content-security-policy"] = ARTICLE_POLICY
    if kind in _STYLED:
        headers["vary"] = "sec-fetch-dest"
    if kind in _OPEN_TYPES:
        headers |= {"access-control-allow-origin": "*", "access-control-expose-headers": "etag, link"}
    if names[-1] in TYPES_BY_NAME:
        headers["link"] = ", ".join(_links(names, terms))
    return headers


def _links(names: Names, terms: Terms) -> Iterable[str]:
    yield f'<{terms.url}{"/".join(quote(name, safe="") for name in names)}>; rel="self"'
    if terms.hub:
        yield f'<{terms.hub}>; rel="hub"'


def _read_whole(found: Found) -> bytes:
    parts = []
    while part := found.file.read(CHUNK):
        parts.append(part)
    return b"".join(parts)


def _digest(found: Found) -> str:
    digest = sha256()
    while part := found.file.read(CHUNK):
        digest.update(part)
    return digest.hexdigest()


def _packed(body: bytes, media_type: str) -> bytes | None:
    is_text = media_type.endswith(("json", "; charset=utf-8"))
    if not is_text or len(body) < PACKED_FROM:
        return None
    packed = gzip.compress(body, LEVEL, mtime=0)
    return packed if len(packed) < len(body) else None


def _form(headers: Mapping[str, str], etag: str, body: bytes | None, size: int) -> Form:
    full = {**headers, "content-length": str(size), "etag": f'"{etag}"'}
    known = tuple((name, text) for name, text in full.items() if name in _LASTING)
    whole = Reply(status=HTTPStatus.OK, headers=tuple(full.items()), body=body, span=(0, size))
    is_styled = full["content-type"].partition(";")[0] in _STYLED
    shown = {**full, "content-type": _SHOWN_TYPE}
    return Form(
        etag=f'"{etag}"'.encode(),
        full=whole,
        shown=replace(whole, headers=tuple(shown.items())) if is_styled else whole,
        known=Reply(status=HTTPStatus.NOT_MODIFIED, headers=known),
    )


# ---------------------------------------------------------------- the answer to a question


def reply(version: Version, fields: Fields) -> Reply:
    """Return the answer to a GET; one to a HEAD is the same without its body."""
    forms: tuple[Form, ...] = (version.plain,)
    if version.packed and takes_gzip(fields.get(b"accept-encoding", b"")):
        forms = (version.packed, version.plain)
    known = _known(forms, version.changed, fields)
    if known:
        return known.known
    if b"range" in fields:
        return _part(version, fields)
    return forms[0].shown if fields.get(b"sec-fetch-dest") == b"document" else forms[0].full


def _known(forms: tuple[Form, ...], changed: int, fields: Fields) -> Form | None:
    """Return the form that the client has (section 13.2.2: an ETag outweighs a date)."""
    tags = fields.get(b"if-none-match")
    if tags is None:
        return forms[0] if _is_since(changed, fields.get(b"if-modified-since", b"")) else None
    told = {tag.strip().removeprefix(b"W/") for tag in tags.split(b",")}
    return next((form for form in forms if form.etag in told or b"*" in told), None)


def _is_since(changed: int, date: bytes) -> bool:
    moment = _moment(date)
    return moment is not None and changed <= moment


@lru_cache(maxsize=64)  # clients that know dates alone send that of the same file
def _moment(date: bytes) -> float | None:
    if not date or len(date) > LONGEST_FIELD:
        return None
    try:
        found = parsedate_to_datetime(date.decode("latin-1"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # no date, or one of a year that cannot be
        return None


def takes_gzip(accepted: bytes) -> bool:
    """Tell whether a client wants gzip at least as much as the plain bytes (section 12.5.3)."""
    return len(accepted) <= LONGEST_FIELD and _takes_gzip(accepted)


@lru_cache(maxsize=256)
def _takes_gzip(accepted: bytes) -> bool:
    weights = dict(map(_weighted, accepted.lower().split(b",")))
    gzipped = max((weights[name] for name in (b"gzip", b"x-gzip") if name in weights), default=weights.get(b"*", 0.0))
    return gzipped > 0 and gzipped >= weights.get(b"identity", 0.0)


def _weighted(coding: bytes) -> tuple[bytes, float]:
    name, *parameters = (part.strip() for part in coding.split(b";"))
    try:
        return name, next((float(each[2:]) for each in parameters if each.startswith(b"q=")), 1.0)
    except ValueError:
        return name, 0.0


def _part(version: Version, fields: Fields) -> Reply:
    """Return a range of the plain bytes, or all of them if the client asks for several or its copy is another."""
    full = version.plain.full
    asked = _RANGE.fullmatch(fields[b"range"])
    if not asked or asked.groups() == (b"", b"") or not _is_same(version, fields.get(b"if-range")):
        return full
    size = full.span[1]
    first, last = (int(number) if number else None for number in asked.groups())
    if first is not None and last is not None and first > last:
        return full  # it is no range at all (section 14.1.1)
    begin = max(size - (last or 0), 0) if first is None else first
    end = size if first is None or last is None else min(last + 1, size)
    if begin >= end:
        headers = {**SAFETY, "content-range": f"bytes */{size}"}
        return sentence(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
    headers = {**dict(full.headers), "content-range": f"bytes {begin}-{end - 1}/{size}"}
    headers["content-length"] = str(end - begin)
    body = None if full.body is None else full.body[begin:end]
    return Reply(status=HTTPStatus.PARTIAL_CONTENT, headers=tuple(headers.items()), body=body, span=(begin, end))


def _is_same(version: Version, validator: bytes | None) -> bool:
    """Tell whether the rest of a client's copy is in this version (section 13.1.5: the date is to be the very same)."""
    return validator is None or validator in {
        version.plain.etag,
        formatdate(version.changed, usegmt=True).encode(),
    }


def options(names: Names | None) -> Reply:
    """Return the answer to OPTIONS, which may be how a browser asks for what a script of another site may do."""
    is_open = names is not None and media_type(names[-1]).partition(";")[0] in _OPEN_TYPES
    return Reply(status=HTTPStatus.NO_CONTENT, headers=tuple({**ALLOWED, **(_OPENED if is_open else {})}.items()))


def sentence(status: HTTPStatus, headers: Mapping[str, str] = MappingProxyType({}), *, said: str = "") -> Reply:
    """Return an answer in plain words, which *said* can replace."""
    body = f"{said or _SENTENCES.get(status, status.phrase)}\n".encode()
    length = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    return Reply(
        status=status,
        headers=tuple({"cache-control": f"max-age={SHORT_SECONDS}", **SAFETY, **length, **headers}.items()),
        body=body,
        span=(0, len(body)),
    )


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return those of a request's headers that matter; what is said in several lines is one list."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in ASKED_BY:
            fields[name] = fields[name] + _COMMA + value if name in fields else value
    return fields
