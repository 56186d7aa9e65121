"""Where old addresses lead, written down beside the state for web servers, whenever it has become another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import structlog

from feeder.config import Config
from feeder.errors import OutputError
from feeder.output.files import FileOutput
from feeder.pipeline import edition
from feeder.redirects import Redirects, base_of, forwarding

log = structlog.get_logger(__name__)


class Signposts:
    """What is written down, as far as we know, and why it is not, if that failed."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._output = FileOutput(state.parent)
        self._written: Redirects | None = None
        self._problem: str | None = None
        self._again: datetime | None = None
        self._is_swept = False

    def sweep(self) -> int:
        """Sweep the directory of the state, but once: at a reload, the file of the status may just be written there."""
        if self._is_swept:
            return 0
        self._is_swept = True
        return forwarding.sweep(self._state)

    def are_due(self, now: datetime) -> bool:
        """Tell whether it failed, and is to be tried again by now."""
        return self._again is not None and now >= self._again

    def put_up(self, left: Mapping[str, str | None], settings: Config, now: datetime) -> None:
        """Write down where the directories that feeds have *left* lead. That this fails is no reason not to publish."""
        found = Redirects(base=base_of(settings.site.url), rules=settings.redirects, left=left)
        if found == self._written:
            return
        before, self._problem, self._again = self._problem, None, None
        try:
            forwarding.write(found, self._output, self._state, site_url=settings.site.url)
        except OutputError as error:
            self._problem, self._again = str(error), now + edition.RETRY
            if self._problem != before:
                log.error("redirects_failed", error=str(error))
        else:
            self._written = found
            if before:
                log.info("redirects_mended")
