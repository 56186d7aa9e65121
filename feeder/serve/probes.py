"""What monitors and operators ask for: does it live, is it ready, how does it stand?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Generic, TypeAlias, TypeVar

import structlog

from feeder.errors import FeederError
from feeder.serve.replies import SAFETY, Reply, sentence
from feeder.serve.site import Headers, Receive, Scope, Send, Site, send_reply
from feeder.serve.status import POLICY, Figures, page, values

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 2.0  # for which one look at the state serves all who ask
Answering: TypeAlias = Callable[[], Awaitable[Reply]]

_PLAIN: Final = "text/plain; charset=utf-8"
_MISDIRECTED: Final = "This is answered under the address that it listens at, or as localhost; a proxy has to say so."
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"


T = TypeVar("T")


class _Shared(Generic[T]):
    """What is found out in a thread, once for all who ask within a moment."""

    def __init__(self, find: Callable[[], T]) -> None:
        self._find = find
        self._finding: asyncio.Task[T] | None = None
        self._until = 0.0

    async def get(self) -> T:
        """Return what was found a moment ago, or will be."""
        if self._finding is None or (self._finding.done() and time.monotonic() > self._until):
            self._finding = asyncio.create_task(asyncio.to_thread(self._find))
            self._finding.add_done_callback(self._keep)
        return await asyncio.shield(self._finding)

    def _keep(self, finding: asyncio.Task[T]) -> None:
        self._until = time.monotonic() + FRESH_SECONDS
        if not finding.cancelled():
            finding.exception()  # all who asked may have gone; it is no news then


@dataclass(slots=True, kw_only=True)
class Probes:
    """Answers to /healthz, /readyz, /status, /status.json and /metrics, from functions that may take their time.

    Args:
        waits_for: What has to happen before all is ready, in a few words, or None. It reads the state.
        figures: How everything stands.
        metrics: The same as numbers, in Prometheus' text format.
    """

    waits_for: Callable[[], str | None]
    figures: Callable[[], Figures]
    metrics: Callable[[], bytes] | None = None
    _ready: _Shared[str | None] = field(init=False)
    _stands: _Shared[Figures] = field(init=False)
    _measured: _Shared[bytes] | None = field(init=False)

    def __post_init__(self) -> None:
        self._ready = _Shared(self.waits_for)
        self._stands = _Shared(self.figures)
        self._measured = _Shared(self.metrics) if self.metrics else None

    @property
    def for_all(self) -> Mapping[bytes, Answering]:
        """What anybody may know."""
        return {b"/healthz": self._healthy, b"/readyz": self._readiness}

    @property
    def for_us(self) -> Mapping[bytes, Answering]:
        """What the operator may know: sources have addresses, and errors tell of the insides."""
        measures = {b"/metrics": partial(self._metrics, self._measured)} if self._measured else {}
        return {**self.for_all, b"/status": self._page, b"/status.json": self._values, **measures}

    async def _healthy(self) -> Reply:
        return _reply(HTTPStatus.OK, "alive\n", _PLAIN)

    async def _readiness(self) -> Reply:
        try:
            missing = await self._ready.get()
        except FeederError:
            missing = "the state cannot be read"  # whoever asks need not know where it is
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return _reply(status, f"{missing or 'ready'}\n", _PLAIN)

    async def _page(self) -> Reply:
        return await self._told(page, "text/html; charset=utf-8")

    async def _values(self) -> Reply:
        return await self._told(
            lambda stands: json.dumps(values(stands), ensure_ascii=False, indent=2) + "\n", "application/json"
        )

    async def _metrics(self, measured: _Shared[bytes]) -> Reply:
        return _reply(HTTPStatus.OK, (await measured.get()).decode(), _METRICS)

    async def _told(self, tell: Callable[[Figures], str], media_type: str) -> Reply:
        try:
            stands = await self._stands.get()
        except FeederError as error:
            return _reply(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n", _PLAIN)
        return _reply(HTTPStatus.OK, await asyncio.to_thread(tell, stands), media_type)


class Desk:
    """An `Application`: a site, and answers at addresses that are no files of it.

    Args:
        site: Answers for all other addresses.
        answers: By the path that is asked for.
        is_meant: Tells of each Host that a client may name whether it gets *answers*.
    """

    def __init__(
        self,
        site: Site,
        answers: Mapping[bytes, Answering] = MappingProxyType({}),
        *,
        is_meant: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._site = site
        self._answers = answers
        self._is_meant = is_meant

    def at_once(self, target: bytes, headers: Headers) -> Reply | None:
        """Return the site's answer."""
        return None if target in self._answers else self._site.at_once(target, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answering = self._answers.get(scope["raw_path"])
        if answering is None or scope["method"] not in {"GET", "HEAD"}:
            await self._site(scope, receive, send)
            return
        hosts = (value.decode("latin-1") for name, value in scope["headers"] if name == b"host")
        if not all(map(self._is_meant, hosts)):
            await send_reply(sentence(HTTPStatus.MISDIRECTED_REQUEST, said=_MISDIRECTED), send)
            return
        try:
            answer = await answering()
        except Exception:
            log.exception("request_failed", path=scope["path"])
            raise  # as from the site
        await send_reply(answer, send, with_body=scope["method"] == "GET")


def _reply(status: HTTPStatus, text: str, media_type: str) -> Reply:
    body = text.encode("utf-8", "backslashreplace")  # as JSON escapes them, too: lone surrogates
    headers = {
        **SAFETY,
        "content-security-policy": POLICY,
        "content-type": media_type,
        "content-length": str(len(body)),
        "cache-control": "no-store",
    }
    return Reply(status=status, headers=tuple(headers.items()), body=body)
