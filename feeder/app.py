"""The whole, opened: what the runners call, which is prepare, what is due, poll and publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import structlog

from feeder import config, takedowns
from feeder.assembly import announcing, assembled
from feeder.config import Config
from feeder.errors import ConfigError, OutputError, Overtaken, Unreachable
from feeder.fetch.archive import sweep
from feeder.model import Source
from feeder.outputs import output_of
from feeder.pipeline import Parts, auditing, booking, moves, orphans, polling, publishing, retention
from feeder.pipeline.edition import Published
from feeder.pipeline.faults import Faults
from feeder.pipeline.polling import Polled
from feeder.pipeline.receiving import Heard, Question
from feeder.polls import Polls
from feeder.signposts import Signposts
from feeder.store import Store
from feeder.store.records import Listener
from feeder.takedowns import Takedown

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)  # after this, a poll whose process died may be done by another
DUE_LIMIT = 1000  # sources taken by one tick
SHELF_LIFE = timedelta(days=30)  # of what a URL's articles said, once no feed holds them
PAUSES = (0.0, 0.05, 0.2, 0.8, 2.0, 5.0)  # seconds before what another process overtook is done again
RELOADED = "reloaded"  # a note of when the config was last read anew, by the monotonic clock of this machine
TERMS = "settings"  # a note of what configuration all nodes go by
_NONE = float  # draws no jitter
FIXED: Mapping[str, Callable[[Config], object]] = MappingProxyType(
    {
        "site.id": lambda settings: settings.site.id,
        "storage.state": lambda settings: settings.state,
        "storage.local": lambda settings: settings.local,
        "storage.output": lambda settings: settings.output,
        "server.listen": lambda settings: settings.listen,
        "server.admin": lambda settings: settings.admin,
        "server.cache": lambda settings: settings.cache,
    }
)
"""What cannot change while the state is open."""
T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Told what is counted ("articles", "feeds"), how many are done, and how many there are to do."""


class Observer(Protocol):
    """Told what polls and publishing came to, and how many seconds they took."""

    def polled(self, polled: Polled, seconds: float) -> None:
        """Take note of a poll."""

    def published(self, published: Published, seconds: float) -> None:
        """Take note of a publishing that wrote feeds, or tried to."""


@dataclass(slots=True, kw_only=True)
class App:
    """The whole, opened. `now` is an argument of everything that needs it."""

    config: Config
    parts: Parts
    archives: Path  # where the trees in archives are unpacked
    progress: Progress | None = None
    observer: Observer | None = None
    is_rehearsal: bool = False
    _unkept: str | None = None  # why takedowns are not all on the list
    _signposts: Signposts = field(init=False)
    _sources: Mapping[str, Source] = field(init=False)  # as configured; to all others an archive is a directory

    def __post_init__(self) -> None:
        self._signposts = Signposts(self.config.local)
        self._sources = {source.name: source for source in self.config.sources}

    @property
    def store(self) -> Store:
        """The state."""
        return self.parts.store

    @property
    def polls(self) -> Polls:
        """The sources, ready to be polled."""
        return Polls(
            parts=self.parts, sources=self._sources, archives=self.archives, progress=self._counting("articles")
        )

    def prepare(self, now: datetime, *, is_node: bool = False) -> None:
        """Bring the state in line with the config, the takedowns and what lies in the output directory.

        Args:
            now: The time of day.
            is_node: Whether other machines share the state, and have takedowns on lists of their own.
        """
        swept = self.parts.output.sweep() + (0 if self.is_rehearsal else self._signposts.sweep())
        if swept:
            log.info("strays_swept", files=swept)
        self._decided(lambda: self._align(now, is_node=is_node))
        self._keep_takedowns()
        sweep(self.archives, (source for source in self.config.sources if source.url))
        self.polls.find_archives()
        self._check_output()
        self._silence(now)
        self._put_up(moves.settled(self.parts, self.store.feeds()), now)

    def add_takedowns(self, now: datetime) -> None:
        """Take down what is on this machine's list, and has not been yet."""
        self._decided(lambda: self._take_down(now, is_all=False))

    def reconfigured(self) -> Config:
        """Return the config as it is written now, for `take_over`.

        Raises:
            ConfigError: It is wrong, or changes what cannot change; all goes on as before.
        """
        settings = config.load(self.config.path)
        takedowns.load(self._takedown_file)
        fixed = [key for key, value in FIXED.items() if value(settings) != value(self.config)]
        if fixed:
            raise ConfigError(
                *(f"{settings.path}: {key}: cannot change while the daemon runs: restart it" for key in fixed)
            )
        return settings

    def take_over(self, settings: Config) -> frozenset[str]:
        """Go on by *settings*, to which `prepare` brings the state; return what sources are gone, or other ones now.

        Nothing else may use this meanwhile.

        Raises:
            OutputError: The output cannot be opened; all goes on as before.
        """
        before, fingerprints = self._sources, self.parts.fingerprints
        output = announcing(settings, self.store, output_of(settings))
        self.parts = assembled(settings, self.store, output, self.parts.workers)
        self.config = settings
        self._sources = {source.name: source for source in settings.sources}
        return frozenset(
            name
            for name, source in before.items()
            if fingerprints[name] != self.parts.fingerprints.get(name)
            or source != replace(self._sources[name], order=source.order)
        )

    def note_reload(self, error: ConfigError | None, now: datetime, *, begun: int) -> None:
        """Note that the config was read anew, and what is wrong with it.

        Args:
            error: What is wrong.
            now: The time of day.
            begun: When reading began, in nanoseconds of the monotonic clock.
        """
        faults = Faults(self.store, now)
        with self.store.transaction():
            if error:
                faults.config_failed("; ".join(error.problems))
            else:
                faults.config_mended()
            faults.save()
            self.store.note(RELOADED, str(begun))

    def recall(self, now: datetime) -> None:
        """Make those sources due whose next poll is too far away (see `booking.recall`)."""
        with self.store.transaction():
            booking.recall(self._sources, self.parts, now)

    def reread(self) -> tuple[str, ...]:
        """Return the sources that were last read with other settings than these, or by another version."""
        current = self.parts.fingerprints
        states = self.store.sources()
        return tuple(s.name for s in states if s.fingerprint and current.get(s.name, s.fingerprint) != s.fingerprint)

    def rerender(self) -> bool:
        """Tell if feeds were last rendered with other settings than these, or by another version."""
        return any(feed.fingerprint != self.parts.fingerprint for feed in self.store.feeds())

    def claim_due(self, now: datetime) -> tuple[str, ...]:
        """Lease and return the names of the sources whose poll is due."""
        with self.store.transaction():
            return self.store.claim_due(now, limit=DUE_LIMIT, lease=LEASE)

    def poll(self, name: str, now: datetime, *, jitter: float = 0.0) -> Polled:
        """Poll one source; whatever goes wrong with it is in the result and in the state, and changes nothing else."""
        polled, seconds = self._decided(lambda: self.polls.poll(name, now, jitter))
        self._keep_takedowns()
        self._report(polled, seconds)
        return polled

    def knows(self, name: str) -> bool:
        """Tell whether there is a source of that name in the config."""
        return name in self._sources

    def is_remote(self, name: str) -> bool:
        """Tell whether the web is to be asked for a source, with `question` and `take` in place of `poll`."""
        return self._sources[name].url is not None

    def host_of(self, name: str) -> str:
        """Return the host that is asked for a source with a URL."""
        return urlsplit(self._sources[name].url or "").netloc

    def questions(self, names: Collection[str]) -> dict[str, Question]:
        """Return what to ask the web for each of some sources with a URL."""
        return self.polls.questions(names)

    def known(self, name: str) -> frozenset[bytes]:
        """Return the digests of what a source with a URL told before, or of the latest of it."""
        return self.polls.known(name)

    def take(self, heard: Mapping[str, Heard], now: datetime, *, jitter: Callable[[], float] = _NONE) -> list[Polled]:
        """Take what the web answered for some sources as `poll` does what is in a directory, in one transaction.

        Args:
            heard: By the source's name.
            now: When it was heard.
            jitter: Draws the jitter of each source.
        """
        heard = {name: each for name, each in heard.items() if self.knows(name)}  # others left the config meanwhile
        timed = self._decided(lambda: self.polls.take(heard, now, jitter))
        if any(each.received for each in heard.values()):
            self._keep_takedowns()
        for polled, seconds in timed:
            self._report(polled, seconds)
        return [polled for polled, _ in timed]

    def look_at(self, name: str, locators: Collection[str], now: datetime) -> Polled | None:
        """Poll some documents of a source, between its polls; None if that is a matter for a poll of all of it."""
        started = time.monotonic()
        polled = self._decided(lambda: self.polls.look_at(name, locators, now))
        if polled and not polled.is_paused:
            self._keep_takedowns()
            self._report(polled, time.monotonic() - started)
        return polled

    def prune(self, now: datetime) -> None:
        """Forget, once a day, what old articles from URLs said that are in no feed; and articles, if they are not kept."""
        with self.store.transaction():
            if self.store.note("pruned", now.date().isoformat()):
                self.store.prune_documents(now - SHELF_LIFE)
        if self.config.keep:
            retention.forget(self.parts, self.config.keep, now)
        self.store.give_back()

    def request_poll(self, name: str, now: datetime) -> bool:
        """Make a source due; False if there is none of that name."""
        with self.store.transaction():
            return self.store.request_poll(name, now)

    def publish(self, now: datetime, *, settle: timedelta | None = None) -> Published:
        """Write the feeds that are stale; those that changed within *settle* (by default the config's) wait."""
        return self._published(publishing.publish, now, settle=settle)

    def publish_site(self, now: datetime) -> Published:
        """Write the site's own feed if it is stale, and what there is once."""
        return self._published(publishing.publish_site, now)

    def publish_shard(self, shard: int, now: datetime) -> Published:
        """Write the feeds of a shard that are stale."""
        return self._published(partial(publishing.publish_shard, shard=shard), now, is_part=True)

    def clear(self) -> tuple[str, ...]:
        """Remove feeds that nobody knows of; return their files."""
        return orphans.clear(self.parts)

    def remove(self, id_: str, note: str, now: datetime) -> None:
        """Take an article down for good."""
        takedowns.append(self._takedown_file, Takedown(id=id_, keys=self.store.keys_of(id_), note=note))
        self.add_takedowns(now)
        self._keep_takedowns()

    def close(self) -> None:
        """Release everything."""
        self.parts.workers.stop()
        self.store.close()

    def _check_output(self) -> None:
        """Mark what is not as it was written; a bucket that does not answer now is no reason not to start."""
        try:
            auditing.check(self.parts)
        except Unreachable as error:
            log.warning("output_unreachable", error=str(error))

    def _align(self, now: datetime, *, is_node: bool) -> None:
        if not is_node and self.store.noted(TERMS):
            self.store.note(TERMS, "")  # nodes that come back must not take the state for in line with theirs
        for name in self.store.sync_sources(self.config.sources):
            self.polls.retire(name, now)
        for name in (*self.reread(), *self._mended()):
            self.store.request_poll(name, now)
        booking.recall(self._sources, self.parts, now)
        self._take_down(now, is_all=not is_node)
        self._restand_all(now)

    def _mended(self) -> tuple[str, ...]:
        """Return the sources that failed with other settings than these: somebody set them right."""
        failed = (state for state in self.store.sources() if state.failed_with and state.name in self._sources)
        return tuple(s.name for s in failed if config.whole_fingerprint(self._sources[s.name]) != s.failed_with)

    def _restand_all(self, now: datetime) -> None:
        """Rank all copies anew if the order of the sources, what they do with the future, or which are on, has changed."""
        rules = self.parts.rules
        told = repr((sorted(rules.ranks.items()), sorted(rules.future.items()), sorted(rules.hidden)))
        if self.store.note("rules", told):
            for ids in self.store.id_slices():
                polling.restand(ids, self.parts, now=now)

    def _silence(self, now: datetime) -> None:
        """Keep no news, and no fault, for those whom the config does not name any more; nor that of a config of before."""
        faults = Faults(self.store, now)
        faults.config_mended()
        with self.store.transaction():
            for listener in sorted(set(Listener).difference(self.parts.listeners)):
                self.store.silence(listener)
                faults.telling_mended(listener)
            faults.save()

    def _put_up(self, left: Mapping[str, str | None], now: datetime) -> None:
        if not self.is_rehearsal:
            self._signposts.put_up(left, self.config, now)

    def _report(self, polled: Polled, seconds: float) -> None:
        booking.log_poll(polled, seconds)
        if self.observer:
            self.observer.polled(polled, seconds)

    def _decided(self, act: Callable[[], T]) -> T:
        """Do *act*, which decides about articles, in a transaction; again if another process was faster."""
        for seconds in PAUSES:
            try:
                with self.store.decision():
                    return act()
            except Overtaken as error:
                log.debug("overtaken", reason=str(error))
                self.parts.wait(seconds)
        with self.store.decision():
            return act()

    def _published(
        self,
        publish: Callable[..., Published],
        now: datetime,
        *,
        settle: timedelta | None = None,
        is_part: bool = False,
    ) -> Published:
        started = time.monotonic()
        settle = self.parts.feeds.settle if settle is None else settle
        published = publish(self.parts, now=now, settle=settle, progress=self._counting("feeds"))
        seconds = time.monotonic() - started
        if published.nodes:
            if not is_part:
                self._put_up(published.left, now)
            if self.observer:
                self.observer.published(published, seconds)
            _log_published(published, seconds)
        elif self._signposts.are_due(now):
            self._put_up(moves.settled(self.parts, self.store.feeds()), now)
        return published

    def _take_down(self, now: datetime, *, is_all: bool) -> None:
        entries = [(taken.id, taken.keys) for taken in takedowns.load(self._takedown_file)]
        polling.restand(self.store.take_down(entries, now, is_all=is_all), self.parts, now=now)

    def _keep_takedowns(self) -> None:
        """Note what else articles that were taken down are called by now, for a state that knows nothing of them."""
        if self.is_rehearsal:
            return
        try:
            takedowns.complete(self._takedown_file, self.store.removed())
            self._unkept = None
        except (ConfigError, OutputError) as error:  # they hold in this state; a wrong line stops the next start
            if self._unkept != str(error):
                log.warning("takedowns_not_kept", error=str(error))
            self._unkept = str(error)

    @property
    def _takedown_file(self) -> Path:
        return self.config.path.parent / takedowns.NAME

    def _counting(self, what: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, total: progress(what, done, total)


def _log_published(published: Published, seconds: float) -> None:
    tell = log.info if published.written or published.removed else log.debug
    tell(
        "published",
        feeds=published.nodes,
        written=len(published.written),
        removed=len(published.removed),
        failed=len(published.failed),
        seconds=round(seconds, 3),
    )
