"""One HTTP exchange. Only this module knows aiohttp; addresses, headers and errors are those of httpx.

The transport of httpx takes its pool through all connections at each request: a thousand hosts at once cost it
twenty seconds of CPU. Connections are not kept: the next request to a host comes minutes later, a thousand idle ones
are a thousand file descriptors, and nothing that a server sends behind its answer can pass for the next one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from feeder.fetch.guard import Guard
from feeder.fetch.names import Names

MAX_FIELD: Final = 32 << 10  # bytes of a header field
MAX_FIELDS: Final = 256
MAX_ADDRESSES: Final = 8  # of one name, that are tried

_BUFFER: Final = 64 << 10  # bytes that are read ahead
_AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # what aiohttp would add
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)  # the deadline is around all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answers, its body still on the wire."""

    status: int
    headers: httpx.Headers
    _answer: aiohttp.ClientResponse

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; errors are those of httpx."""
        with _translated():
            async for part in self._answer.content.iter_any():
                yield part

    def close(self) -> None:
        """Hang up: whatever is still to come is not waited for."""
        self._answer.close()


class Wire:
    """Sends requests through sockets of a guard's, or through a proxy, whose own address no guard looks at."""

    def __init__(self, *, guard: Guard, names: Names, tls: ssl.SSLContext, proxy: str | None = None) -> None:
        self._guard = guard
        self._proxy = URL(proxy) if proxy else None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls,
                limit=0,
                force_close=True,
                use_dns_cache=False,
                resolver=_Resolver(names),
                socket_factory=_unguarded if proxy else guard.socket_to,
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_AUTOMATIC,
            timeout=_NO_TIMEOUT,
            trust_env=False,
            read_bufsize=_BUFFER,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
        )

    async def get(self, address: httpx.URL, headers: Mapping[str, str]) -> Reply:
        """Ask for what is at *address* and return the answer, which is to be closed; errors are those of httpx."""
        with _translated():
            if self._proxy:
                self._guard.check_host(address.host)
            answer = await self._session.request(
                "GET",
                URL(str(address), encoded=True),  # as it is: encoding it anew breaks signatures
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            )
        _watch(answer)
        return Reply(status=answer.status, headers=httpx.Headers([*answer.raw_headers]), _answer=answer)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._session.close()


def _watch(answer: aiohttp.ClientResponse) -> None:
    """Let the body of *answer* end with its connection.

    aiohttp closes the connection at a chunk that is none, and leaves whoever reads the body waiting.
    """
    protocol = answer.connection.protocol if answer.connection else None
    if protocol is not None and (closed := protocol.closed) is not None:  # otherwise all is here
        closed.add_done_callback(lambda ended: _end(answer.content, ended))


def _end(content: aiohttp.StreamReader, ended: asyncio.Future[None]) -> None:
    with suppress(asyncio.CancelledError):
        ended.exception()  # so that asyncio knows it is not overlooked: whoever reads was told
    if not content.is_eof() and content.exception() is None:
        content.set_exception(aiohttp.ClientPayloadError("it is no proper HTTP"))


class _Resolver(AbstractResolver):
    """Names, as aiohttp asks for them."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - all families are tried
    ) -> list[ResolveResult]:
        infos = await self._names.addresses(host, port)
        return [
            ResolveResult(hostname=host, host=address[0], port=port, family=found, proto=protocol, flags=0)
            for found, _, protocol, _, address in infos[:MAX_ADDRESSES]
        ]

    async def close(self) -> None: ...


def _unguarded(info: tuple[Any, ...]) -> socket.socket:
    return socket.socket(*info[:3])


# ---------------------------------------------------------------- errors


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what httpx would, with a text that holds nothing of what was sent and not much of what came."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        kind, reason = _told(error)
        raise kind(reason) from error


def _told(error: Exception) -> tuple[type[httpx.TransportError], str]:
    kind, tell = next(told for known, told in _TELLERS.items() if isinstance(error, known))
    return kind, tell(error)


def _connector_reason(error: Any) -> str:
    failure: OSError = error.os_error
    if failure.errno and failure.errno > 0:  # those of names are below; asyncio has words of its own for the others
        return os.strerror(failure.errno)
    return _line(failure.strerror or str(failure) or type(failure).__name__)


def _certificate_reason(error: Any) -> str:
    return f"SSL: {_line(str(error.certificate_error))}"


def _tls_reason(error: Any) -> str:
    return f"SSL: {_line(str(error.os_error))}"


def _message(error: Any) -> str:
    """Return the first line of what the parser says: the next ones quote what came."""
    return f"the answer is no proper HTTP: {_line(error.message).rstrip(':')}"


def _payload_reason(error: Exception) -> str:
    return f"the body is not whole: {_line(getattr(error.__cause__, 'message', None) or str(error.__cause__ or error))}"


def _line(text: str) -> str:
    return ascii(text.partition("\n")[0].strip()[:200])[1:-1]


_TELLERS: Final[Mapping[type[Exception], tuple[type[httpx.TransportError], Callable[[Any], str]]]] = MappingProxyType(
    {  # a special one stands before the general
        aiohttp.ClientProxyConnectionError: (
            httpx.ProxyError,
            lambda error: f"the proxy cannot be reached: {_connector_reason(error)}",
        ),
        aiohttp.ClientHttpProxyError: (httpx.ProxyError, lambda error: f"the proxy answers {error.status}"),
        aiohttp.ClientConnectorCertificateError: (httpx.ConnectError, _certificate_reason),
        aiohttp.ClientConnectorSSLError: (httpx.ConnectError, _tls_reason),
        aiohttp.ClientConnectorDNSError: (
            httpx.ConnectError,
            lambda error: f"its name leads nowhere: {_connector_reason(error)}",
        ),
        aiohttp.ClientConnectorError: (httpx.ConnectError, _connector_reason),
        aiohttp.InvalidURL: (httpx.UnsupportedProtocol, lambda _: "its host is no proper name or address"),
        aiohttp.ServerDisconnectedError: (
            httpx.ReadError,
            lambda _: "the server closed the connection before it had answered",
        ),
        aiohttp.ClientPayloadError: (httpx.ReadError, _payload_reason),
        aiohttp.ClientResponseError: (httpx.RemoteProtocolError, _message),
        OSError: (httpx.ReadError, lambda error: _line(error.strerror or str(error) or type(error).__name__)),
        Exception: (httpx.TransportError, lambda error: type(error).__name__),
    }
)
