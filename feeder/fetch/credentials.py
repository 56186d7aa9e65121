"""What a source sends along so that it is let in: its own headers, a password or token, cookies."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import httpx

from feeder.errors import FetchError
from feeder.fetch.secrets import revealed
from feeder.model import Source

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Headers for the host of a source alone; they are never shown."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def credentials_of(source: Source, home: httpx.URL, *, where: str) -> Credentials:
    """Return what *source*, whose address is *home*, sends; its secrets are read now.

    Raises:
        FetchError: A secret is missing, or a header cannot be sent.
    """
    return Credentials(headers=tuple(_headers(source, home, where)))


def _headers(source: Source, home: httpx.URL, where: str) -> Iterator[tuple[str, str]]:
    for name, value in source.headers:
        if not _NAME.fullmatch(name):
            raise FetchError(where, f"{name!a} is no name of a header")
        yield name, _sendable(revealed(value, where=where), f'the header "{name}"', where)
    if source.cookies:
        yield "Cookie", _sendable(revealed(source.cookies, where=where), "cookies", where)
    if authorization := _authorization(source, home, where):
        yield "Authorization", _sendable(authorization, "auth", where)


def _authorization(source: Source, home: httpx.URL, where: str) -> str | None:
    if not source.auth:
        return _basic(f"{home.username}:{home.password}") if home.userinfo else None
    scheme, _, secret = source.auth.partition(":")
    if scheme not in _SCHEMES:
        raise FetchError(where, 'auth must begin with "basic:" or "bearer:"')
    return _SCHEMES[scheme](revealed(secret, where=where))


def _sendable(value: str, what: str, where: str) -> str:
    if not all(character == "\t" or character.isprintable() for character in value):
        raise FetchError(where, f"{what} holds a line break or another character that cannot be sent")
    return value


def _basic(user_and_password: str) -> str:
    return f"Basic {b64encode(user_and_password.encode()).decode()}"


_SCHEMES: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType({"basic": _basic, "bearer": "Bearer {}".format})
