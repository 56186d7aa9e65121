"""The sources, and when each is polled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from feeder import shards
from feeder.model import Due, Source
from feeder.store import rows
from feeder.store.records import SourceState
from feeder.store.tables.ground import Ground


class Sources(Ground):
    """The sources, and when each is polled."""

    def sync_sources(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Take over the config's sources; return those whose articles go, as they have left the config."""
        for source in sources:
            if source.was and source.was not in {s.name for s in sources}:
                self._db.run("rename_source", {"name": source.name, "was": source.was})
        self._db.run("unrank_sources")
        self._db.write(
            "put_source", [(s.name, s.order, s.on_remove.value, s.enabled, shards.of_source(s)) for s in sources]
        )
        self._source_ids.clear()
        return tuple(name for (name,) in self._db.all("left_sources"))

    def sources(self) -> tuple[SourceState, ...]:
        """Return all sources, in the config's order, those that left it last."""
        return tuple(_source_state(row) for row in self._db.all("sources"))

    def source(self, name: str) -> SourceState:
        """Return one source, which there is."""
        return _source_state(self._db.one("source", name))

    def states(self, names: Collection[str]) -> Mapping[str, SourceState]:
        """Return those of some sources that there are."""
        found = map(_source_state, self._db.each("states", names))
        return {state.name: state for state in found}

    def claim_due(self, now: datetime, *, limit: int, lease: timedelta) -> tuple[str, ...]:
        """Lease and return the names of sources whose poll is due and that nobody else holds."""
        due = self._db.all("due_sources", {"now": rows.seconds(now), "limit": limit})
        self._db.write("lease", [(rows.seconds(now + lease), source) for source, _ in due])
        return tuple(name for _, name in due)

    def finish_poll(
        self, name: str, *, now: datetime, due: Due, error: str | None, failed_with: str | None = None
    ) -> None:
        """Give a lease back with the poll's outcome; *failed_with* is the fingerprint of settings that failed."""
        if not error:
            self.finish_polls({name: due}, now)
            return
        times = {"now": rows.seconds(now), "next": rows.seconds(due.at)}
        values = times | {"name": name, "why": due.why, "error": error, "failed_with": failed_with}
        self._db.run("poll_failed", values)

    def finish_polls(self, dues: Mapping[str, Due], now: datetime) -> None:
        """Give the leases of many sources back, each of which was polled without an error."""
        ended = sorted(dues.items())  # in one order, so that no two writers wait for each other
        self._db.write(
            "polls_succeeded", [(name, rows.seconds(due.at), due.why, rows.seconds(now)) for name, due in ended]
        )

    def set_memo(self, name: str, memo: str) -> None:
        """Keep what a source's answer told."""
        self._db.run("set_memo", memo, name)

    def set_fingerprint(self, name: str, fingerprint: str) -> None:
        """Note with which settings all documents of the source have been read."""
        self._db.run("set_fingerprint", fingerprint, name)

    def request_poll(self, name: str, now: datetime) -> bool:
        """Make a source due now; False if there is none of that name."""
        return self._db.run("request_poll", {"now": rows.seconds(now), "name": name}) > 0

    def set_paused(self, name: str, *, paused: bool) -> bool:
        """Stop or resume the polling of a source; False if there is none of that name."""
        return self._db.run("set_paused", paused, name) > 0

    def accept(self, name: str, now: datetime) -> bool:
        """Note that what is missing is gone for good, and make the source due; False if there is none."""
        return self._db.run("accept", {"now": rows.seconds(now), "name": name}) > 0


def _source_state(row: Sequence[Any]) -> SourceState:
    name, rank, next_poll, paused, accepted, failures, fingerprint, last_poll, last_success, error, *rest = row
    failed_with, why, memo = rest
    return SourceState(
        name=name,
        rank=rank,
        next_poll=rows.moment(next_poll),
        is_paused=bool(paused),
        is_accepted=bool(accepted),
        failures=failures,
        fingerprint=fingerprint,
        last_poll=rows.moment_or_none(last_poll),
        last_success=rows.moment_or_none(last_success),
        error=error,
        failed_with=failed_with,
        why=why,
        memo=memo,
    )
