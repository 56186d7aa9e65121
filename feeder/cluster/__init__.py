"""Many nodes: the work of one daemon as jobs of a queue that all nodes share. One contract, an implementation per engine.

`jobs` says what there is to do, `queue` hands it out, `work` does it, `node` is a process that goes on doing it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a job does."""

    POLL = "poll"  # the sources of a shard that are due
    PUBLISH = "publish"  # the stale feeds of a shard
    SITE = "site"  # what there is once: the site's own feed, its archive, the lists of all feeds
    HOUSE = "house"  # audit, recall, prune
    CHORES = "chores"  # tells others, looks after what is silent; goes on until its node stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of work that exists at most once at a time."""

    kind: Kind
    shard: int = 0

    @property
    def key(self) -> str:
        """What it is called in the queue, and its lease in the state."""
        return f"{self.kind}/{self.shard}"


class Queue(Protocol):
    """Hands each job to one node. It may lose a job, hand it out twice, or late: the truth is in the state."""

    def register(self, kind: Kind, work: Callable[[Job], Awaitable[None]]) -> None:
        """Have *work* do the jobs of a kind; what it raises ends the job."""

    async def enqueue(self, jobs: Collection[Job]) -> int:
        """Add those of *jobs* that neither wait nor run; return how many those were."""

    def schedule(self, every: timedelta, work: Callable[[], Awaitable[None]]) -> None:
        """Have *work* done on this node so often; others do it as well, at the same time perhaps."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Do jobs until *stopping* is set, and finish those in hand.

        Raises:
            StoreError: The queue was lost; a new process may find it again.
        """
