"""Nodes of a cluster that are killed, paused, cut off, misled by their clock, and lose database and bucket, again and again.

    python -m tests.endurance.cluster --rounds 3 --seed 1

Takes root, or the right to make a network of its own, and iptables. Articles are written all the while. After each blow everything that was written must be shown within a minute of recovery;
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

import roads
from bucket import Passage, World, store_of_buckets, world
from databases import Own, own_server
from nodes import Cluster, Process, cluster, cradle_of_nodes
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

    def cut_off(self) -> None:
        """Lose all packets between a node and the rest, until its work was given away, and it gave up."""
        far = self._far()
        with roads.cut():
            self.recover("cut off, while it is")
            until(lambda: far.poll() is not None, lambda: "it waits for ever", seconds=RECOVERY)
            until(lambda: not self._sessions_of(far), lambda: "the database waits for it", seconds=RECOVERY)

    def cut_off_for_a_while(self) -> None:
        """Lose all packets between a node and the rest, for less time than it waits, or a bit more."""
        self._cut_off(20, 50)

    def cut_off_from_database(self) -> None:
        """Lose all packets between a node and the database; it may go on writing into the bucket."""
        self._cut_off(5, 50, roads.DATABASE)

    def cut_off_from_bucket(self) -> None:
        """Lose all packets between a node and the bucket; it keeps its leases."""
        self._cut_off(5, 50, self.bucket.proxy.server_address[1])

    def database_stands_still(self) -> None:
        """Have the database answer nothing, and close nothing."""
        self.write()
        self._wait(0, 2)
        self.own.pause()
        self.write()
        self._wait(1, 60)
        self.own.resume()

    def mislead(self) -> None:
        """Have nodes whose clocks are an hour off come for a while."""
        misled = [self.site.start_skewed(lead) for lead in (-3600, 3600)]
        for _ in range(3):
            self.write()
            self._wait(3, 6)
        for each in misled:
            each.send_signal(signal.SIGTERM)

    def _cut_off(self, least: float, most: float, port: int | None = None) -> None:
        far = self._far()
        with roads.cut(port):
            self.write()
            self._wait(least, most)
        self.recover("joined again")
        far.send_signal(signal.SIGTERM)

    def _far(self) -> Process:
        """Start a node that can be cut off, and have it work."""
        far = self.site.start_far()
        until(lambda: self._sessions_of(far), seconds=RECOVERY)
        for _ in range(3):
            self.write()
            self._wait(0, 2)
        return far

    def _sessions_of(self, node: Process) -> object:
        return self.own.execute(
            self.site.state, f"SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'feeder {node.pid} %'"
        )

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
    Trial.cut_off,
    Trial.cut_off_for_a_while,
    Trial.cut_off_from_database,
    Trial.cut_off_from_bucket,
    Trial.database_stands_still,
)


def _slow(_passage: Passage, _method: str, _path: str) -> bool:
    time.sleep(1)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Deal blows until the time is over, and print how long recoveries took."""
    given = sys.argv[1:] if arguments is None else arguments
    asked = _parser().parse_args(given)
    roads.enter("tests.endurance.cluster", given)
    with (
        _folder(asked.keep) as folder,
        own_server(listen=roads.LISTEN) as own,
        cradle_of_nodes() as cradle,
        store_of_buckets() as store,
        world(store, "trial", listen=roads.LISTEN) as bucket,
        cluster(folder, cradle, own, bucket, through=True) as site,
    ):
        site.below = 7
        trial = Trial(site=site, own=own, bucket=bucket, random=Random(asked.seed))
        _go_through(trial, asked.rounds, [blow for blow in BLOWS if asked.only in blow.__name__])
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
    parser.add_argument("--only", default="", metavar="NAME", help="blows whose names hold this, such as cut_off")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where articles and the log of the nodes stay")
    return parser


def _go_through(trial: Trial, rounds: int, blows: Sequence[Callable[[Trial], None]]) -> None:
    """Deal every blow so often, each time in another order."""
    site = trial.site
    with site.kept(NODES), site.watched():
        trial.write()
        site.await_quiet(seconds=PATIENCE)
        for _ in range(rounds):
            for blow in trial.random.sample(blows, len(blows)):
                blow(trial)
                trial.recover(blow.__name__.replace("_", " "))
    site.stop()


if __name__ == "__main__":
    sys.exit(main())
