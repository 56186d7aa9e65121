"""What is measured of URL sources, in a process of its own: `python -m benchmarks.rounds CONFIG once|run`.

`once` asks for all sources once and publishes, as `feeder once --all` does; `run` is the daemon, with a watch on its loop.
What came of it is the last line of what it prints, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from feeder import allocator, asking, config, log, schedule
from feeder.app import App
from feeder.opening import opened

LOOK_SECONDS: Final = 0.001  # between two looks whether the loop is late


def once(app: App) -> Mapping[str, object]:
    """Ask for all sources, and publish."""
    app.prepare(datetime.now(UTC))
    names = [source.name for source in app.config.sources]
    begun, used = time.perf_counter(), _cpu()
    polls = asking.poll(app, names, datetime.now(UTC))
    polled = time.perf_counter()
    app.publish(datetime.now(UTC), settle=timedelta())
    wall = time.perf_counter() - begun
    app.parts.workers.stop()  # what they used is known once they have ended
    errors = [f"{each.source}: {each.error}" for each in polls if each.error]
    return {"wall": wall, "polling": polled - begun, "cpu": _cpu() - used, "errors": errors}


def run(app: App) -> Mapping[str, object]:
    """Be the daemon until a signal, and tell how late its loop was at worst."""
    watch = _Watch()
    schedule.run(app, clock=lambda: datetime.now(UTC), ready=lambda _: watch.begin())
    return {"stall": max(watch.late, default=0.0), "errors": []}


class _Watch:
    """Looks again and again, and notes by how much each look came too late."""

    def __init__(self) -> None:
        self.late: list[float] = []

    def begin(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self.late.append(loop.time() - due)


def _cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


ROUNDS: Final[Mapping[str, Callable[[App], Mapping[str, object]]]] = {"once": once, "run": run}

if __name__ == "__main__":
    allocator.keep_small()
    log.configure("warning" if sys.argv[2] == "once" else "info", json=True)
    with opened(config.load(Path(sys.argv[1]))) as opened_app:
        print(json.dumps(ROUNDS[sys.argv[2]](opened_app)), flush=True)
