"""Polls sources, each by itself: whatever goes wrong with one is in the result and in the state, and changes nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from feeder import cadence
from feeder import memo as memory
from feeder.errors import FetchError, Stillborn, StoreError, Unstorable
from feeder.fetch.archive import as_directory
from feeder.memo import Memo
from feeder.model import Due, Source, SourceKind
from feeder.pipeline import Parts, booking, polling, receiving
from feeder.pipeline.polling import Polled, Progress
from feeder.pipeline.receiving import Heard, Question
from feeder.pipeline.work import unforeseen
from feeder.store.records import SourceState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polls:
    """The sources of one config, and what polls of them work with. All is done in a transaction of the caller's."""

    parts: Parts
    sources: Mapping[str, Source]  # as configured; to the parts, an archive is a directory
    archives: Path  # where the trees in archives are unpacked
    progress: Progress | None = None

    def poll(self, name: str, now: datetime, jitter: float) -> tuple[Polled, float]:
        """Poll what is in a directory; return what came of it, and the seconds that it took."""
        return self._spared(name, lambda: self._poll(name, now, jitter), now, jitter)

    def look_at(self, name: str, locators: Collection[str], now: datetime) -> Polled | None:
        """Poll some documents of a source, between its polls; None if that is a matter for a poll of all of it."""
        source, state = self.parts.sources[name], self.parts.store.source(name)
        if state.is_paused:
            return Polled(source=name, is_paused=True)
        if state.error or state.fingerprint != self.parts.fingerprints[name]:
            return None
        try:
            polled = polling.poll(source, state, self.parts, now=now, at=locators)
        except FetchError:
            return None
        if polled.error:
            return None
        if polled.missing:
            self.parts.store.request_poll(name, booking.confirmation(source, now))
        return polled

    def questions(self, names: Collection[str]) -> dict[str, Question]:
        """Return what to ask the web for each of some sources with a URL."""
        states = self.parts.store.states(names)
        return {name: receiving.question(self.sources[name], states[name], self.parts) for name in names}

    def known(self, name: str) -> frozenset[bytes]:
        """Return the digests of what a source with a URL told before, or of the latest of it."""
        return self.parts.store.known_digests(name, receiving.MOST_KNOWN)

    def take(
        self, heard: Mapping[str, Heard], now: datetime, jitter: Callable[[], float]
    ) -> list[tuple[Polled, float]]:
        """Take all that was *heard*, as `poll`; most of it is no news, and costs one statement in all."""
        store = self.parts.store
        states = store.states(heard)
        quiet = {name for name, each in heard.items() if receiving.is_quiet(each, states[name])}
        learned = store.newest_of([name for name in quiet if self.sources[name].is_adaptive], cadence.NEWEST)
        dues: dict[str, Due] = {}
        timed = []
        for name, each in heard.items():
            drawn = jitter()
            if name in quiet:
                newest = learned.get(name, ())
                take = partial(self._take_quiet, states[name], each, now, jitter=drawn, learned=newest, dues=dues)
            else:
                take = partial(self._take, states[name], each, now, drawn)
            polled, seconds = self._spared(name, take, now, drawn, is_part=name not in quiet)
            timed.append((polled, seconds + each.seconds))
        store.finish_polls(dues, now)
        return timed

    def retire(self, name: str, now: datetime) -> None:
        """Withdraw what a source brought that left the config; should it come back, it is as good as new, and due."""
        polling.retire(name, self.parts, now=now)
        self.parts.store.set_memo(name, memory.dump(Memo()))
        self.parts.store.request_poll(name, now)

    def memos(self) -> dict[str, Memo]:
        """Return what the answers of each source told under its present settings."""
        current = self.parts.fingerprints
        states = self.parts.store.sources()
        return {s.name: memory.under(memory.load(s.memo), current[s.name]) for s in states if s.name in current}

    def find_archives(self) -> None:
        """Have the trees read that archives were last unpacked into."""
        found = self.memos()
        for source in self.sources.values():
            if source.url:
                kind = found.get(source.name, Memo()).kind
                self._locate(source, kind if source.kind is SourceKind.AUTO else source.kind)

    def _locate(self, source: Source, kind: SourceKind) -> None:
        is_tree = kind is SourceKind.ARCHIVE
        self.parts.sources[source.name] = (
            replace(as_directory(source, below=self.archives), url=None, kind=kind) if is_tree else source
        )

    def _poll(self, name: str, now: datetime, jitter: float) -> Polled:
        source, state = self.parts.sources[name], self.parts.store.source(name)
        polled = polling.poll(source, state, self.parts, now=now, progress=self.progress)
        self._finish(polled, state, None, now, jitter)
        return polled

    def _take_quiet(
        self,
        state: SourceState,
        heard: Heard,
        now: datetime,
        *,
        jitter: float,
        learned: tuple[datetime, ...],
        dues: dict[str, Due],
    ) -> Polled:
        """Take what is no news, and leave in *dues* when the source is due again.

        All that can fail comes before anything is written: it is no part of the transaction that can fail alone.
        """
        source = self.sources[state.name]
        polled, memo = receiving.take(source, state, heard, self.parts, now=now)
        polled.before = state.error
        due = booking.next_due(source, memo, self.parts, now=now, failures=0, jitter=jitter, learned=learned)
        before = memory.load(state.memo)
        if memo != before:
            self.parts.store.set_memo(source.name, memory.dump(memo))
        booking.log_news(source.name, before, memo)
        dues[source.name] = due
        return polled

    def _take(self, state: SourceState, heard: Heard, now: datetime, jitter: float) -> Polled:
        source = self.sources[state.name]
        if heard.received and not heard.received.problem:
            self._locate(source, heard.received.kind)
        polled, memo = receiving.take(source, state, heard, self.parts, now=now, progress=self.progress)
        text = memory.dump(memo)
        if text != state.memo:
            self.parts.store.set_memo(source.name, text)
        self._finish(polled, state, memo, now, jitter)
        booking.log_news(source.name, memory.load(state.memo), memo)
        return polled

    def _spared(
        self, name: str, act: Callable[[], Polled], now: datetime, jitter: float, *, is_part: bool = True
    ) -> tuple[Polled, float]:
        """Return what *act* on a source gives, and its seconds; the other sources go on, whatever this one met.

        What it wrote by then is undone, if it is a part of the transaction.
        """
        started = time.monotonic()
        try:
            with self.parts.store.transaction() if is_part else nullcontext():
                polled = act()
        except (FetchError, Stillborn, Unstorable) as error:
            polled = self._failed(name, str(error), now, jitter)
        except StoreError:
            raise
        except Exception as error:
            self.parts.workers.stop()
            polled = self._failed(name, unforeseen(error), now, jitter)
            if polled.error != polled.before:
                log.exception("poll_crashed", source=name)
        return polled, time.monotonic() - started

    def _failed(self, name: str, error: str, now: datetime, jitter: float) -> Polled:
        polled = Polled(source=name, error=error)
        with self.parts.store.transaction():
            state = self.parts.store.source(name)
            self._finish(polled, state, memory.load(state.memo), now, jitter)
        return polled

    def _finish(self, polled: Polled, state: SourceState, memo: Memo | None, now: datetime, jitter: float) -> None:
        booking.finish(polled, self.sources[polled.source], state, memo, self.parts, now=now, jitter=jitter)
