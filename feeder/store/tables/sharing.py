"""What nodes that work with one state have of each other: leases, shards, and who there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from feeder import shards
from feeder.errors import LeaseLost
from feeder.store import rows
from feeder.store.records import Lease, Peer
from feeder.store.tables.ground import Ground


class Sharing(Ground):
    """Leases, shards and nodes. The time of all of them is the database's: clocks of nodes may differ."""

    def clock(self) -> datetime:
        """Return what time it is to the database."""
        (seconds,) = self._db.one("clock")
        return rows.moment(seconds)

    def take_lease(self, lease: Lease, *, lasting: timedelta) -> bool:
        """Take a lease that nobody has, or whose holder was silent for too long; False if somebody has it."""
        values = {"name": lease.name, "holder": lease.holder, "node": lease.node, "lasting": _whole(lasting)}
        return self._db.run("take_lease", values) > 0

    def keep_leases(self, holders: Collection[str], *, lasting: timedelta) -> None:
        """Make the leases of *holders* last from now on, but for those that were given back."""
        self._db.each("keep_leases", holders, _whole(lasting))

    def end_lease(self, lease: Lease) -> None:
        """Give a lease back, if it was not lost."""
        self._db.run("end_lease", {"name": lease.name, "holder": lease.holder})

    def take_away_leases(self, *, but: Lease) -> None:
        """Take all leases but one from whoever has them."""
        self._db.run("take_away_leases", {"name": but.name})

    @contextmanager
    def under(self, lease: Lease) -> Iterator[None]:
        """Have every transaction inside that does anything fail with LeaseLost if another has the lease by its end."""
        self._fence = lambda: self._check(lease)
        try:
            yield
        finally:
            self._fence = None

    def check_lease(self) -> None:
        """Raise LeaseLost if another has the lease that this is done under."""
        if self._fence:
            self._fence()

    def due_shards(self, now: datetime) -> tuple[int, ...]:
        """Return the shards of which a source is due."""
        values = {"now": rows.seconds(now), "last": shards.SOURCES - 1}
        return tuple(shard for (shard,) in self._db.all("due_shards", values))

    def due_in(self, shard: int, now: datetime, *, limit: int) -> tuple[str, ...]:
        """Return the sources of a shard that are due, for the one who has its lease."""
        values = {"shard": shard, "now": rows.seconds(now), "limit": limit}
        return tuple(name for (name,) in self._db.all("due_in", values))

    def stale_shards(self, now: datetime, *, settle: timedelta) -> tuple[int, ...]:
        """Return the shards of which a feed may be published now; `shards.SITE` is that of the site's own."""
        values = {"now": rows.seconds(now), "settle": int(settle.total_seconds()), "feeds": shards.FEEDS}
        return tuple(shard for (shard,) in self._db.all("stale_shards", values))

    def note_peer(self, peer: Peer) -> None:
        """Note that a node is there."""
        self._db.run("put_peer", {"node": peer.node, "started": rows.seconds(peer.started), "facts": peer.facts})

    def forget_peer(self, node: str) -> None:
        """Note that a node has gone."""
        self._db.run("forget_peer", {"node": node})

    def forget_silent(self, *, since: timedelta) -> None:
        """Forget the nodes of which nothing was heard for so long, and leases that nobody has."""
        for statement in ("forget_silent", "forget_leases"):
            self._db.run(statement, {"since": _whole(since)})

    def peers(self) -> tuple[Peer, ...]:
        """Return the nodes that were there of late, by name."""
        return tuple(
            Peer(node=node, started=rows.moment(started), seen=rows.moment(seen), facts=facts)
            for node, started, seen, facts in self._db.all("peers")
        )

    def _check(self, lease: Lease) -> None:
        if not self._db.one("hold_lease", {"name": lease.name, "holder": lease.holder}):
            raise LeaseLost(f"{lease.name} was given to another node, which does it anew")


def _whole(time: timedelta) -> int:
    return int(time.total_seconds())
