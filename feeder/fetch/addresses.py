"""Addresses on the web: what may be asked for at all, and what belongs together."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import httpx

from feeder.errors import FetchError

SCHEMES: Final = ("http", "https")

_HOST: Final = re.compile(rb"[0-9A-Za-z._:-]+")
_USERINFO: Final = re.compile(r"//[^/]*@")


@lru_cache(maxsize=4096)  # many are asked for again and again
def address_of(url: str) -> httpx.URL:
    """Return *url* as an address.

    Raises:
        FetchError: It is none on the web; the text shows no password.
    """
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchError(_USERINFO.sub("//", url), f"is no URL: {error}") from error
    if not _is_web(address):
        raise FetchError(shown(address), "only http://… and https://… can be fetched")
    return address


def redirected(address: httpx.URL, location: str) -> httpx.URL:
    """Return where *location*, as a server at *address* sent it, leads; a password in it is dropped.

    Raises:
        ValueError: Nowhere on the web.
    """
    try:
        target = address.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError("it leads to what is no URL") from error
    if not _is_web(target):
        raise ValueError("it leads out of the web, to neither http://… nor https://…")
    return bare(target)


def shown(address: httpx.URL) -> str:
    """Return *address* as logs and errors may show it."""
    return str(address.copy_with(userinfo=b"") if address.userinfo else address)


def bare(address: httpx.URL) -> httpx.URL:
    """Return *address* as it is asked for: without a password or a fragment."""
    return address.copy_with(userinfo=b"", fragment=None) if address.userinfo or address.fragment else address


def is_same_site(one: httpx.URL, other: httpx.URL) -> bool:
    """Say whether what is meant for *one* may be sent to *other*: the same origin, or its https side."""
    if (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port):
        return True
    return (one.host, one.scheme, one.port, other.scheme, other.port) == (other.host, "http", None, "https", None)


def _is_web(address: httpx.URL) -> bool:
    return address.scheme in SCHEMES and _HOST.fullmatch(address.raw_host) is not None
