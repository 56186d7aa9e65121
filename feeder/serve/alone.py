"""`feeder serve`: the server without the daemon, for a directory that another process or machine fills."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from datetime import datetime

import structlog

from feeder import metrics
from feeder.config import Config
from feeder.errors import FeederError
from feeder.output import Bucket
from feeder.serve import serving
from feeder.serve.probes import Probes
from feeder.serve.status import figures

log = structlog.get_logger(__name__)


def run(settings: Config, *, clock: Callable[[], datetime]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        FeederError: No address is configured, or one cannot be had.
    """
    if settings.listen is None and settings.admin is None:
        raise FeederError(f"{settings.path}: server: listen and admin are both off, so there is nothing to serve at")
    asyncio.run(_serve(settings, clock))


async def _serve(settings: Config, clock: Callable[[], datetime]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    probes = Probes(
        waits_for=lambda: None if _has_output(settings) else "nothing has been published yet",
        figures=lambda: figures(settings, clock()),
        metrics=metrics.exposition(metrics.State(lambda: settings, clock)),
    )
    async with serving(settings, probes) as served:
        log.info("serving", addresses=served.urls)
        await stopping.wait()
    log.info("stopped")


def _has_output(settings: Config) -> bool:
    return isinstance(settings.output, Bucket) or settings.output.is_dir()
