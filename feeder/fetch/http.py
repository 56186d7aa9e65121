"""One document from the web, whole or not at all. Only this module knows httpx."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Final

import httpx

from feeder.errors import FetchError

DEADLINE: Final = 60.0  # seconds, from the first look-up of a name to the last byte, redirects included
MAX_BYTES: Final = 50 << 20  # of a document, decompressed
MAX_REDIRECTS: Final = 5
SCHEMES: Final = ("http", "https")

_USERINFO = re.compile(r"//[^/]*@")
_STEP: Final = 64 << 10  # bytes that are decompressed at a time
_GZIP_START: Final = b"\x1f\x8b"
_GZIP_NAMES: Final = ("gzip", "x-gzip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A document, and the address it had after all redirects."""

    url: str
    body: bytes


def download(url: str, *, deadline: float = DEADLINE, max_bytes: int = MAX_BYTES) -> Download:
    """Return the document at *url*, which an operator named: any host will do.

    No proxy, cookie or password of the environment is used; a name and a password in *url* are for its own host.

    Raises:
        FetchError: There is none that can be had in time; the text names *url*, without its password.
    """
    return asyncio.run(_download(_address(url), deadline, max_bytes))


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchError(_USERINFO.sub("//", url), f"is no URL: {error}") from error
    if address.scheme not in SCHEMES or not address.host:
        raise FetchError(shown(address), "only http://… and https://… can be fetched")
    return address


def shown(address: httpx.URL) -> str:
    """Return *address* as logs and errors may show it."""
    return str(address.copy_with(userinfo=b""))


async def _download(address: httpx.URL, deadline: float, max_bytes: int) -> Download:
    where = shown(address)
    try:
        async with asyncio.timeout(deadline):
            return await _exchanged(address, max_bytes)
    except TimeoutError as error:
        raise FetchError(where, f"did not answer in full within {deadline:g} s") from error
    except httpx.TooManyRedirects as error:
        raise FetchError(where, f"leads through more than {MAX_REDIRECTS} redirects") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(where, _reason(error)) from error


async def _exchanged(address: httpx.URL, max_bytes: int) -> Download:
    auth = httpx.BasicAuth(address.username, address.password) if address.userinfo else None
    async with (
        _client() as client,
        client.stream("GET", address.copy_with(userinfo=b""), auth=auth) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise FetchError(shown(address), f"answers {response.status_code} {response.reason_phrase}".rstrip())
        body = bytearray()
        async for part in _decoded(response, shown(address)):
            body += part
            if len(body) > max_bytes:
                raise FetchError(shown(address), f"is larger than {max_bytes >> 20} MiB")
        return Download(url=shown(response.url), body=bytes(body))


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers={
            "User-Agent": f"Feeder/{version('feeder')}",
            "Accept": "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5",
            "Accept-Encoding": "gzip",
        },
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),  # none is ever taken
        verify=httpx.create_ssl_context(),  # which honours SSL_CERT_FILE, as trust_env alone would not
        trust_env=False,
        timeout=None,  # noqa: S113 - the deadline is around all of it
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
    )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"cannot be fetched: {text or type(error).__name__}"


# ---------------------------------------------------------------- decompression


async def _decoded(response: httpx.Response, where: str) -> AsyncIterator[bytes]:
    """Yield the body in small parts; httpx would take a stream that was cut short for a whole one."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        async for part in response.aiter_raw():
            yield part
    elif encoding in _GZIP_NAMES:
        async for part in _unzipped(response.aiter_raw(), where):
            yield part
    else:
        raise FetchError(where, f"is encoded as {encoding}, which was not asked for")


async def _unzipped(parts: AsyncIterator[bytes], where: str) -> AsyncIterator[bytes]:
    stream = _new_stream()
    async for part in parts:
        waiting = part
        while waiting:
            try:
                found = stream.decompress(waiting, _STEP)
            except zlib.error as error:
                raise FetchError(where, "is no valid gzip") from error
            yield found
            waiting = stream.unconsumed_tail
            if stream.eof and stream.unused_data:
                if not stream.unused_data.startswith(_GZIP_START):
                    return  # padding
                waiting, stream = stream.unused_data, _new_stream()
    if not stream.eof:
        raise FetchError(where, "is cut short: its gzip has no end")


def _new_stream() -> zlib._Decompress:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)  # gzip alone
