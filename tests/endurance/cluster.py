"""Nodes of a cluster that are killed, paused, misled by their clock, and lose database and bucket, again and again.

    python -m tests.endurance.cluster --rounds 3 --seed 1

Articles are written all the while. After each blow everything that was written must be shown within a minute of recovery;
no feed may ever be older than it was seen before; at the end, one node with a file of its own makes the same, byte for byte.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from bucket import Passage, World, store_of_buckets, world
from databases import Own, own_server
from nodes import Cluster, cluster, cradle_of_nodes
from waiting import until

RECOVERY = 60.0  # seconds within which everything is published
PATIENCE = 180.0  # for what takes longer, to tell how long
NODES = 3
EACH = 6  # articles at a time


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
        self.site.put_many(range(self.written, self.written + EACH), chance=self.random)
        self.written += EACH

    def recover(self, name: str) -> None:
        """See that all is shown in time."""
        self.write()
        started = time.monotonic()
        until(lambda: len(self.site.alive()) >= NODES, seconds=PATIENCE)
        self.site.await_quiet(seconds=PATIENCE)
        taken = time.monotonic() - started
        self.times.setdefault(name, []).append(taken)
        print(f"{name}: {taken:.0f} s", flush=True)
        assert taken <= RECOVERY, f"{name}: {taken:.0f} s"

    # ------------------------------------------------------------ blows

    def kill_one(self) -> None:
        """Kill a node at work."""
        self.write()
        self._wait(0, 2)
        self.site.kill(self.random)

    def kill_all(self) -> None:
        """Kill all nodes at work."""
        self.write()
        self._wait(0, 2)
        self.site.kill(self.random, count=NODES)

    def kill_again_and_again(self) -> None:
        """Kill nodes one after the other, and those that take their place, at any moment of their lives."""
        for _ in range(3 * NODES):
            self.write()
            self._wait(0, 4)
            self.site.kill(self.random)

    def pause(self) -> None:
        """Let a node at work sleep, and wake it after its work was given away and done."""
        self.write()
        self._wait(0, 2)
        sleeper = self.random.choice(self.site.alive())
        sleeper.send_signal(signal.SIGSTOP)
        self.recover("pause, while it sleeps")
        sleeper.send_signal(signal.SIGCONT)

    def stop_database_fast(self) -> None:
        """Stop the database so that it throws out who is connected."""
        self._stop_database(signal.SIGINT)

    def stop_database_immediately(self) -> None:
        """Stop the database without a farewell."""
        self._stop_database(signal.SIGQUIT)

    def bucket_too_busy(self) -> None:
        """Have the bucket say that it is too busy."""
        self._refuse(503, "SlowDown")

    def bucket_denies(self) -> None:
        """Have the bucket deny everything."""
        self._refuse(403, "AccessDenied")

    def bucket_has_another(self) -> None:
        """Have the bucket say that others were faster."""
        self._refuse(412, "PreconditionFailed")

    def bucket_slow(self) -> None:
        """Have the bucket take a second for each answer."""
        self._fail(_slow)

    def mislead(self) -> None:
        """Have nodes whose clocks are an hour off come for a while."""
        misled = [self.site.start_skewed(lead) for lead in (-3600, 3600)]
        for _ in range(3):
            self.write()
            self._wait(3, 6)
        for each in misled:
            each.send_signal(signal.SIGTERM)

    def _stop_database(self, how: signal.Signals) -> None:
        self.write()
        self._wait(0, 2)
        self.own.stop(how)
        self.write()
        self._wait(1, 15)
        self.own.start()

    def _refuse(self, status: int, code: str) -> None:
        self._fail(lambda passage, method, _path: method == "PUT" and passage.refuse(status, code))

    def _fail(self, fault: Callable[[Passage, str, str], bool]) -> None:
        self.bucket.proxy.fault = fault
        self.write()
        self._wait(2, 10)
        self.bucket.proxy.fault = lambda *_: False

    def _wait(self, least: float, most: float) -> None:
        time.sleep(self.random.uniform(least, most))


BLOWS: Final = (
    Trial.kill_one,
    Trial.kill_all,
    Trial.kill_again_and_again,
    Trial.pause,
    Trial.stop_database_fast,
    Trial.stop_database_immediately,
    Trial.bucket_too_busy,
    Trial.bucket_denies,
    Trial.bucket_has_another,
    Trial.bucket_slow,
    Trial.mislead,
)


def _slow(_passage: Passage, _method: str, _path: str) -> bool:
    time.sleep(1)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Deal blows until the time is over, and print how long recoveries took."""
    asked = _parser().parse_args(arguments)
    with (
        _folder(asked.keep) as folder,
        own_server() as own,
        cradle_of_nodes() as cradle,
        store_of_buckets() as store,
        world(store, "trial") as bucket,
        cluster(folder, cradle, own, bucket, through=True) as site,
    ):
        site.below = 7
        trial = Trial(site=site, own=own, bucket=bucket, random=Random(asked.seed))
        _go_through(trial, asked.rounds)
        site.assert_as_one_node()
        site.assert_whole()
    for name, seconds in sorted(trial.times.items()):
        print(
            f"{name}: {len(seconds)} times, all shown again within {max(seconds):.0f} s, as a rule {median(seconds):.0f} s",
            flush=True,
        )
    return 0


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        yield keep
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where articles and the log of the nodes stay")
    return parser


def _go_through(trial: Trial, rounds: int) -> None:
    """Deal every blow so often, each time in another order."""
    site = trial.site
    with site.kept(NODES), site.watched():
        trial.write()
        site.await_quiet(seconds=PATIENCE)
        for _ in range(rounds):
            for blow in trial.random.sample(BLOWS, len(BLOWS)):
                blow(trial)
                trial.recover(blow.__name__.replace("_", " "))
    site.stop()


if __name__ == "__main__":
    sys.exit(main())
