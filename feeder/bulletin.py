"""How everything stands, as a file beside the state, for monitors that read files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from feeder import report
from feeder.config import Config
from feeder.errors import OutputError, StoreError
from feeder.model import FeedFile
from feeder.output.files import FileOutput
from feeder.store.opening import open_to_read

log = structlog.get_logger(__name__)

IDLE_SECONDS: Final = 60.0  # between looks whether a file is wanted, if none is


def path_of(state: Path) -> Path:
    """Return where the file of the site with this state is."""
    return state.with_name(f"{state.stem}.status.json")


class Bulletin:
    """Writes the file; that it cannot be written is logged when that begins and when it ends."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._output: FileOutput | None = None

    async def go_on(self, settings: Callable[[], Config], clock: Callable[[], datetime]) -> None:
        """Write it again and again until cancelled."""
        while True:
            every = settings().status_every.total_seconds()
            await asyncio.sleep(every or IDLE_SECONDS)
            if every:
                await asyncio.to_thread(self.write, settings(), clock())

    def write(self, settings: Config, now: datetime) -> None:
        """Write it, as everything stands now; the state is read beside whoever writes it."""
        path = path_of(settings.local)
        self._output = self._output or FileOutput(path.parent)
        try:
            body = json.dumps(_stands(settings, now), ensure_ascii=False, indent=2) + "\n"
            self._output.publish([FeedFile(path=path.name, body=body.encode("utf-8", "backslashreplace"))])
        except (OutputError, StoreError) as error:
            if self._reason != str(error):
                log.error("status_failed", error=str(error))
            self._reason = str(error)
            return
        if self._reason:
            log.info("status_mended")
        self._reason = None


def _stands(settings: Config, now: datetime) -> dict[str, object]:
    with closing(open_to_read(settings.state, site_id=settings.site.id)) as store:
        return report.brief(settings, store, now)
