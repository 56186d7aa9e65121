"""WebSub (https://www.w3.org/TR/websub/): who a feed's hub is, and telling it of news.

How a publisher tells a hub is not in that recommendation: this is PubSubHubbub's way (0.3, section 7.1), which hubs have.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import httpx

from feeder.errors import Declined, Unheard
from feeder.fetch.tls import tls_context
from feeder.headers import retry_after
from feeder.urls import ARCHIVE, FILE_NAMES

LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
TIMEOUT_SECONDS: Final = 20.0  # of one ping

_FEEDS: Final = frozenset(FILE_NAMES.values())


def is_topic(path: str) -> bool:
    """Tell whether the published file at *path* is a feed that a hub has subscribers for; nobody waits for an archive."""
    return path.rpartition("/")[2] in _FEEDS and not path.startswith(f"{ARCHIVE}/")


def topic(path: str, site_url: str) -> str:
    """Return the URL of the published file at *path*, as its feed has it."""
    return site_url + quote(path)


def caller() -> httpx.AsyncClient:
    """Return what `ping` calls hubs with. The operator named them: no address is refused, and no other is gone to."""
    return httpx.AsyncClient(verify=_trust(), timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)


@cache  # reading the certificates takes as long as serving a hundred files, in the same loop
def _trust() -> ssl.SSLContext:
    return tls_context(None)


async def ping(client: httpx.AsyncClient, hub: str, topics: Sequence[str]) -> None:
    """Tell *hub* that *topics* have news.

    Raises:
        Declined: It does not want to hear of them.
        Unheard: It cannot be told now.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            request = client.build_request("POST", hub, data={"hub.mode": "publish", "hub.url": list(topics)})
            answer = await client.send(request, stream=True)
            await answer.aclose()  # what it says besides is of no matter, and may be endless
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise Unheard(f"no answer: {str(error) or type(error).__name__}") from error
    if not answer.is_success:
        wait = retry_after(answer.headers.get("retry-after"), now=datetime.now(UTC))
        is_final = answer.is_client_error and answer.status_code not in LATER
        raise (Declined if is_final else Unheard)(f"it answers {answer.status_code}", wait=wait)
