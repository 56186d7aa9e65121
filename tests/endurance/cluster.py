"""Nodes of a cluster that are killed, paused, misled by their clock, and lose database and bucket, again and again.

    python -m tests.endurance.cluster --minutes 10 --seed 1

Articles are written all the while. After each blow everything that was written must be shown within a minute of recovery;
no feed may ever be older than it was seen before; at the end, one node with a file of its own makes the same, byte for byte.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bucket import Passage, World, store_of_buckets, world
from databases import Own, own_server
from nodes import Cluster, cluster, until

RECOVERY = 60.0  # seconds within which everything is published
NODES = 3
EACH = 6  # articles after a blow


@dataclass(kw_only=True)
class Trial:
    """A cluster, and what befalls it."""

    site: Cluster
    own: Own
    bucket: World
    random: Random
    written: int = 0
    times: dict[str, list[float]] = field(default_factory=dict)

    def write(self) -> None:
        """Write some articles."""
        self.site.put_many(range(self.written, self.written + EACH))
        self.written += EACH

    def kill(self) -> None:
        """Kill one node, or all of them."""
        for _ in range(self.random.choice((1, 1, NODES))):
            self.site.kill(self.random)

    def pause(self) -> None:
        """Let one node sleep until its work was given away."""
        sleeper = self.random.choice(self.site.alive())
        sleeper.send_signal(signal.SIGSTOP)
        self.write()
        time.sleep(40)
        sleeper.send_signal(signal.SIGCONT)

    def stop_database(self) -> None:
        """Stop the database, with or without a farewell."""
        self.own.stop(self.random.choice((signal.SIGINT, signal.SIGQUIT)))
        self.write()
        time.sleep(self.random.uniform(1, 15))
        self.own.start()

    def refuse(self) -> None:
        """Have the bucket say that it is too busy, deny everything, or say that others were faster."""
        status, code = self.random.choice(((503, "SlowDown"), (403, "AccessDenied"), (412, "PreconditionFailed")))
        self._fail(lambda passage, method, _path: method == "PUT" and passage.refuse(status, code))

    def slow_down(self) -> None:
        """Have the bucket take a second for each answer."""
        self._fail(_slow)

    def mislead(self) -> None:
        """Add a node whose clock is an hour off, for a while."""
        misled = self.site.start_skewed(self.random.choice((-3600, 3600)))
        time.sleep(10)
        misled.terminate()

    def _fail(self, fault: Callable[[Passage, str, str], bool]) -> None:
        self.bucket.proxy.fault = fault
        self.write()
        time.sleep(self.random.uniform(2, 10))
        self.bucket.proxy.fault = lambda *_: False


def _slow(_passage: Passage, _method: str, _path: str) -> bool:
    time.sleep(1)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Deal blows until the time is over, and print how long recoveries took."""
    asked = _parser().parse_args(arguments)
    end = time.monotonic() + asked.minutes * 60
    with (
        TemporaryDirectory() as folder,
        own_server() as own,
        store_of_buckets() as store,
        world(store, "trial") as bucket,
        cluster(Path(folder), own, bucket, through=True) as site,
    ):
        trial = Trial(site=site, own=own, bucket=bucket, random=Random(asked.seed))
        _go_through(trial, end)
        site.assert_as_one_node()
        site.assert_whole()
    for name, seconds in sorted(trial.times.items()):
        print(f"{name}: {len(seconds)} times, all shown again within {max(seconds):.0f} s", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.cluster", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _go_through(trial: Trial, end: float) -> None:
    site = trial.site
    blows = (trial.kill, trial.pause, trial.stop_database, trial.refuse, trial.slow_down, trial.mislead)
    with site.kept(NODES), site.watched():
        trial.write()
        site.await_quiet()
        while time.monotonic() < end:
            blow = trial.random.choice(blows)
            blow()
            trial.write()
            _recover(trial, blow.__name__)
    site.stop()


def _recover(trial: Trial, name: str) -> None:
    """See that all is shown in time; a second node needs some seconds to start on a busy machine."""
    site, started = trial.site, time.monotonic()
    until(lambda: len(site.alive()) >= NODES)
    site.await_quiet()
    taken = time.monotonic() - started
    trial.times.setdefault(name, []).append(taken)
    print(f"{name}: {taken:.0f} s", flush=True)
    assert taken <= 2 * RECOVERY, f"{name}: {taken:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
