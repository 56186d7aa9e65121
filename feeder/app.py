"""Opens the parts once, and hands out what the runners call: what is due, poll, publish."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import structlog

from feeder import cadence, config, dedup, render, takedowns
from feeder import memo as memory
from feeder.config import Config
from feeder.errors import ConfigError, Declined, FetchError, OutputError, Overtaken, StoreError, Unheard, Unreachable
from feeder.fetch.archive import as_directory, sweep
from feeder.lock import alone
from feeder.memo import Memo
from feeder.model import Due, FeedSettings, PageSettings, Site, Source, SourceKind
from feeder.output import Output
from feeder.output.files import FileOutput
from feeder.output.rehearsal import Rehearsal
from feeder.outputs import output_of
from feeder.pipeline import Parts, moves, orphans, polling, publishing, receiving, retention
from feeder.pipeline.announcing import Announcing
from feeder.pipeline.faults import Faults
from feeder.pipeline.larder import Larder
from feeder.pipeline.polling import Polled
from feeder.pipeline.publishing import Published
from feeder.pipeline.receiving import Heard, Question
from feeder.pipeline.work import unforeseen
from feeder.redirects import Redirects, base_of, forwarding
from feeder.store import Alert, AlertKind, Listener, SourceState, Store, sqlite
from feeder.store.opening import copy_state, is_there, open_existing, open_shared, open_store
from feeder.store.tables import prefix
from feeder.takedowns import Takedown
from feeder.workers import Workers

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)  # after this, a poll whose process died may be done by another
DUE_LIMIT = 1000  # sources taken by one tick
GONE = timedelta(days=36_500)
SHELF_LIFE = timedelta(days=30)  # of what a URL's articles said, once no feed holds them
ARCHIVES = "archives"  # beside the state
INDEX = "feeds.json"
PAUSES = (0.0, 0.05, 0.2, 0.8, 2.0)  # seconds before what another process overtook is done again
RELOADED = "reloaded"  # a note that is another one whenever the config was read anew
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
    _forwarded: Redirects | None = None  # what is written down, as far as we know
    _unforwarded: str | None = None  # why it is not
    _forward_again: datetime | None = None  # when that is tried once more
    _is_swept: bool = False  # beside the state
    _beside: FileOutput = field(init=False)  # where what is written down for others lies: beside the state
    _sources: Mapping[str, Source] = field(init=False)  # as configured; to all others an archive is a directory

    def __post_init__(self) -> None:
        self._beside = FileOutput(self.config.local.parent)
        self._sources = {source.name: source for source in self.config.sources}

    @property
    def store(self) -> Store:
        """The state."""
        return self.parts.store

    def prepare(self, now: datetime) -> None:
        """Bring the state in line with the config, the takedowns and what lies in the output directory."""
        swept = self.parts.output.sweep() + self._sweep_beside()
        if swept:
            log.info("strays_swept", files=swept)
        self._decided(lambda: self._align(now))
        self._keep_takedowns()
        sweep(self.archives, (source for source in self.config.sources if source.url))
        self.find_archives()
        self._check_output()
        self._silence(now)
        self._forward(moves.settled(self.parts, self.store.feeds()), now)

    def _sweep_beside(self) -> int:
        """Sweep the directory of the state, but once: at a reload, the file of the status may just be written there."""
        if self.is_rehearsal or self._is_swept:
            return 0
        self._is_swept = True
        return forwarding.sweep(self.config.local)

    def _check_output(self) -> None:
        """Mark what is not as it was written; a bucket that does not answer now is no reason not to start."""
        try:
            publishing.check(self.parts)
        except Unreachable as error:
            log.warning("output_unreachable", error=str(error))

    def _align(self, now: datetime) -> None:
        for name in self.store.sync_sources(self.config.sources):
            self._retire(name, now)
        for name in (*self.reread(), *self._mended()):
            self.store.request_poll(name, now)
        self._recall(now)
        self._take_down(now)
        self._restand_all(now)

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
        """
        before, fingerprints = self._sources, self.parts.fingerprints
        self.config = settings
        output = _announcing(settings, self.store, output_of(settings))
        self.parts = _parts(settings, self.store, output, self.parts.workers)
        self._sources = {source.name: source for source in settings.sources}
        return frozenset(
            name
            for name, source in before.items()
            if fingerprints[name] != self.parts.fingerprints.get(name)
            or source != replace(self._sources[name], order=source.order)
        )

    def note_reload(self, error: ConfigError | None, now: datetime) -> None:
        """Note that the config was read anew, and what is wrong with it."""
        faults = Faults(self.store, now)
        with self.store.transaction():
            if error:
                faults.config_failed("; ".join(error.problems))
            else:
                faults.config_mended()
            faults.save()
            self.store.note(RELOADED, token_hex(8))

    def find_archives(self) -> None:
        """Have the trees read that archives were last unpacked into."""
        found = self.found()
        for source in self.config.sources:
            if source.url:
                kind = found.get(source.name, Memo()).kind
                self._locate(source, kind if source.kind is SourceKind.AUTO else source.kind)

    def found(self) -> dict[str, Memo]:
        """Return what the answers of each source told under its present settings."""
        current = self.parts.fingerprints
        states = self.store.sources()
        return {s.name: memory.under(memory.load(s.memo), current[s.name]) for s in states if s.name in current}

    def recall(self, now: datetime) -> None:
        """Make those sources due whose next poll is further away than their settings can have put it.

        The clock was ahead when they were polled, or their interval was longer.
        """
        with self.store.transaction():
            self._recall(now)

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
        polled, seconds = self._decided(lambda: self._spared(name, lambda: self._poll(name, now, jitter), now, jitter))
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
        states = self.store.states(names)
        known = self.store.known_digests(names, receiving.MOST_KNOWN)
        return {
            name: receiving.question(self._sources[name], states[name], self.parts, known=known.get(name, frozenset()))
            for name in names
        }

    def take(self, heard: Mapping[str, Heard], now: datetime, *, jitter: Callable[[], float] = _NONE) -> list[Polled]:
        """Take what the web answered for some sources as `poll` does what is in a directory, in one transaction.

        Args:
            heard: By the source's name.
            now: When it was heard.
            jitter: Draws the jitter of each source.
        """
        heard = {name: each for name, each in heard.items() if self.knows(name)}  # others left the config meanwhile
        timed = self._decided(lambda: self._taken(heard, now, jitter))
        if any(each.received for each in heard.values()):
            self._keep_takedowns()
        for polled, seconds in timed:
            self._report(polled, seconds)
        return [polled for polled, _ in timed]

    def look_at(self, name: str, locators: Collection[str], now: datetime) -> Polled | None:
        """Poll some documents of a source, between its polls; None if that is a matter for a poll of all of it."""
        started = time.monotonic()
        polled = self._decided(lambda: self._looked_at(name, locators, now))
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
                self._forward(published.left, now)
            if self.observer:
                self.observer.published(published, seconds)
            tell = log.info if published.written or published.removed else log.debug
            tell(
                "published",
                feeds=published.nodes,
                written=len(published.written),
                removed=len(published.removed),
                failed=len(published.failed),
                seconds=round(seconds, 3),
            )
        elif self._forward_again and now >= self._forward_again:
            self._forward(moves.settled(self.parts, self.store.feeds()), now)
        return published

    def news(self, listener: Listener, limit: int) -> Mapping[str, int]:
        """Return files that *listener* has not been told of, each with the number of its news."""
        return self.store.news(listener, limit)

    def note_telling(self, listener: Listener, news: Mapping[str, int], failure: Unheard | None, now: datetime) -> bool:
        """Note that *listener* was told of *news*, or why not; return True."""
        faults = Faults(self.store, now)
        with self.store.transaction():
            if failure:
                faults.telling_failed(listener, str(failure))
            else:
                faults.telling_mended(listener)
            if failure is None or isinstance(failure, Declined):
                self.store.told(news.values())
            faults.save()
        return True

    def note_alerts(self, alerts: Iterable[Alert], gone: Iterable[tuple[AlertKind, str]]) -> bool:
        """Note which of what is watched is silent, and what is not watched any more; return True."""
        with self.store.transaction():
            self.store.save_alerts(alerts, gone)
        return True

    def note_alarm(self, alert: Alert | None, failure: Unheard | None, now: datetime) -> bool:
        """Note that the operator's command was told how *alert* is, or why not, or that nothing is to be told.

        Return True.
        """
        faults = Faults(self.store, now)
        with self.store.transaction():
            if failure:
                faults.alert_failed(str(failure))
            else:
                faults.alert_mended()
                if alert:
                    self.store.save_alerts([replace(alert, is_told=alert.cause is not None)])
            faults.save()
        return True

    def clear(self) -> tuple[str, ...]:
        """Remove feeds that nobody knows of; return their files."""
        return orphans.clear(self.parts)

    def remove(self, id_: str, note: str, now: datetime) -> None:
        """Take an article down for good."""
        takedowns.append(self._takedown_file, Takedown(id=id_, keys=self.store.keys_of(id_), note=note))
        self._decided(lambda: self._take_down(now))
        self._keep_takedowns()

    def close(self) -> None:
        """Release everything."""
        self.parts.workers.stop()
        self.store.close()

    def _report(self, polled: Polled, seconds: float) -> None:
        _log_poll(polled, seconds)
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

    def _looked_at(self, name: str, locators: Collection[str], now: datetime) -> Polled | None:
        state = self.store.source(name)
        if state.is_paused:
            return Polled(source=name, is_paused=True)
        if state.error or state.fingerprint != self.parts.fingerprints[name]:
            return None
        try:
            polled = polling.poll(self.parts.sources[name], state, self.parts, now=now, at=locators)
        except FetchError:
            return None
        if polled.error:
            return None
        if polled.missing:
            self.store.request_poll(name, _confirmation(self.parts.sources[name], now))
        return polled

    def _poll(self, name: str, now: datetime, jitter: float) -> Polled:
        source, state = self.parts.sources[name], self.store.source(name)
        polled = polling.poll(source, state, self.parts, now=now, progress=self._counting("articles"))
        self._finish(polled, state, None, now, jitter)
        return polled

    def _spared(
        self, name: str, act: Callable[[], Polled], now: datetime, jitter: float, *, is_part: bool = True
    ) -> tuple[Polled, float]:
        """Return what *act* on a source gives, and its seconds; the other sources go on, whatever this one met.

        What it wrote by then is undone, if it is a part of the transaction.
        """
        started = time.monotonic()
        try:
            with self.store.transaction() if is_part else nullcontext():
                polled = act()
        except StoreError:
            raise
        except FetchError as error:
            polled = self._failed(name, str(error), now, jitter)
        except Exception as error:
            self.parts.workers.stop()
            polled = self._failed(name, unforeseen(error), now, jitter)
            if polled.error != polled.before:
                log.exception("poll_crashed", source=name)
        return polled, time.monotonic() - started

    def _taken(
        self, heard: Mapping[str, Heard], now: datetime, jitter: Callable[[], float]
    ) -> list[tuple[Polled, float]]:
        """Take all that was *heard*; most of it is no news, and costs one statement in all."""
        states = self.store.states(heard)
        quiet = {name for name, each in heard.items() if receiving.is_quiet(each, states[name])}
        learned = self.store.newest_of([name for name in quiet if self._sources[name].is_adaptive], cadence.NEWEST)
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
        self.store.finish_polls(dues, now)
        return timed

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
        source = self._sources[state.name]
        polled, memo = receiving.take(source, state, heard, self.parts, now=now)
        polled.before = state.error
        due = self._due(source, memo, now, failures=0, jitter=jitter, learned=learned)
        before = memory.load(state.memo)
        if memo != before:
            self.store.set_memo(source.name, memory.dump(memo))
        _log_news(source.name, before, memo)
        dues[source.name] = due
        return polled

    def _take(self, state: SourceState, heard: Heard, now: datetime, jitter: float) -> Polled:
        name, source = state.name, self._sources[state.name]
        if heard.received and not heard.received.problem:
            self._locate(source, heard.received.kind)
        progress = self._counting("articles")
        polled, memo = receiving.take(source, state, heard, self.parts, now=now, progress=progress)
        text = memory.dump(memo)
        if text != state.memo:
            self.store.set_memo(name, text)
        self._finish(polled, state, memo, now, jitter)
        _log_news(name, memory.load(state.memo), memo)
        return polled

    def _failed(self, name: str, error: str, now: datetime, jitter: float) -> Polled:
        polled = Polled(source=name, error=error)
        with self.store.transaction():
            state = self.store.source(name)
            self._finish(polled, state, memory.load(state.memo), now, jitter)
        return polled

    def _finish(self, polled: Polled, state: SourceState, memo: Memo | None, now: datetime, jitter: float) -> None:
        """Note how a poll went and when the next one is due; the *state* is that from before it."""
        source = self._sources[polled.source]
        polled.before = state.error
        failures = state.failures + 1 if polled.error else 0
        due = self._due(source, memo, now, failures=failures, jitter=jitter)
        if polled.missing and not polled.error and source.cron is None and source.url is None:
            due = replace(due, at=min(due.at, _confirmation(source, now)))
        tried = config.whole_fingerprint(source) if polled.error else None
        self.store.finish_poll(polled.source, now=now, due=due, error=polled.error, failed_with=tried)

    def _due(
        self,
        source: Source,
        memo: Memo | None,
        now: datetime,
        *,
        failures: int,
        jitter: float,
        learned: tuple[datetime, ...] | None = None,
    ) -> Due:
        """Return when *source* is to be polled next; *learned* from its newest articles, if the state was asked already."""
        if source.url is None or memo is None:
            return cadence.next_poll(source, now, failures=failures, jitter=jitter)
        memo = memory.under(memo, self.parts.fingerprints[source.name])
        if memo.is_gone:
            return Due(at=now + GONE, why="its server says that it is gone for good")
        pace = memo.pace
        if source.is_adaptive:
            if learned is None:
                learned = self.store.newest_of([source.name], cadence.NEWEST).get(source.name, ())
            pace = replace(pace, published=learned)
        return cadence.next_poll(source, now, failures=failures, jitter=jitter, pace=pace)

    def _retire(self, name: str, now: datetime) -> None:
        """Withdraw what a source brought that left the config; should it come back, it is as good as new, and due."""
        polling.retire(name, self.parts, now=now)
        self.store.set_memo(name, memory.dump(Memo()))
        self.store.request_poll(name, now)

    def _locate(self, source: Source, kind: SourceKind) -> None:
        is_tree = kind is SourceKind.ARCHIVE
        self.parts.sources[source.name] = (
            replace(as_directory(source, below=self.archives), url=None, kind=kind) if is_tree else source
        )

    def _mended(self) -> tuple[str, ...]:
        """Return the sources that failed with other settings than these: somebody set them right."""
        failed = (state for state in self.store.sources() if state.failed_with and state.name in self._sources)
        return tuple(s.name for s in failed if config.whole_fingerprint(self._sources[s.name]) != s.failed_with)

    def _recall(self, now: datetime) -> None:
        for state in self.store.sources():
            source = self._sources.get(state.name)
            if source is None:
                continue
            latest = self._due(source, memory.load(state.memo), now, failures=state.failures, jitter=1.0).at
            if state.next_poll > latest:
                self.store.request_poll(state.name, now)
                log.info("source_recalled", source=state.name, was_due=state.next_poll.isoformat())

    def _forward(self, left: Mapping[str, str | None], now: datetime) -> None:
        """Write down where old addresses lead, for web servers. That this fails is no reason not to publish."""
        site_url = self.config.site.url
        found = Redirects(base=base_of(site_url), rules=self.config.redirects, left=left)
        if self.is_rehearsal or found == self._forwarded:
            return
        before, self._unforwarded, self._forward_again = self._unforwarded, None, None
        try:
            forwarding.write(found, self._beside, self.config.local, site_url=site_url)
        except OutputError as error:
            self._unforwarded, self._forward_again = str(error), now + publishing.RETRY
            if self._unforwarded != before:
                log.error("redirects_failed", error=str(error))
        else:
            self._forwarded = found
            if before:
                log.info("redirects_mended")

    def _silence(self, now: datetime) -> None:
        """Keep no news, and no fault, for those whom the config does not name any more; nor that of a config of before."""
        faults = Faults(self.store, now)
        faults.config_mended()
        with self.store.transaction():
            for listener in sorted(set(Listener).difference(self.parts.listeners)):
                self.store.silence(listener)
                faults.telling_mended(listener)
            faults.save()

    def _take_down(self, now: datetime) -> None:
        entries = [(taken.id, taken.keys) for taken in takedowns.load(self._takedown_file)]
        polling.restand(self.store.take_down(entries, now), self.parts, now=now)

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

    def _restand_all(self, now: datetime) -> None:
        """Rank all copies anew if the order of the sources, what they do with the future, or which are on, has changed."""
        rules = self.parts.rules
        told = repr((sorted(rules.ranks.items()), sorted(rules.future.items()), sorted(rules.hidden)))
        if self.store.note("rules", told):
            for ids in self.store.id_slices():
                polling.restand(ids, self.parts, now=now)

    @property
    def _takedown_file(self) -> Path:
        return self.config.path.parent / takedowns.NAME

    def _counting(self, what: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, total: progress(what, done, total)


def has_state(settings: Config) -> bool:
    """Tell whether anything was kept yet.

    Raises:
        StoreError: What lies in the state's place cannot be used.
    """
    return is_there(settings.state, site_id=settings.site.id)


def is_begun(settings: Config) -> bool:
    """Tell whether anything was kept yet, as `has_state` does.

    Raises:
        StoreError: As `has_state`, or it was lost: there are feeds without it.
    """
    _check_not_lost(settings, output_of(settings))
    return has_state(settings)


@contextmanager
def rehearsed(
    settings: Config, *, is_fresh: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Iterator[App]:
    """Yield the whole as `opened` does, but with a copy of the state and an output that only notes what it would do.

    Raises:
        StoreError: As `opened`, but that another process uses the state is no matter.
    """
    output = output_of(settings)
    with TemporaryDirectory(prefix="feeder-") as folder:
        state = Path(folder) / "state.db"
        if not is_fresh:
            _check_not_lost(settings, output)
        if has_state(settings):
            copy_state(settings.state, state, site_id=settings.site.id)
        with suppress(OSError):  # there are none, or one is being replaced; what is stored of its articles serves
            shutil.copytree(settings.local.parent / ARCHIVES, Path(folder) / ARCHIVES, symlinks=True)
        store = sqlite.open_store(state, site_id=settings.site.id, called=settings.state)
        app = App(
            config=settings,
            parts=_parts(settings, store, Rehearsal(output), Workers(workers)),
            archives=Path(folder) / ARCHIVES,
            progress=progress,
            is_rehearsal=True,
        )
        try:
            yield app
        finally:
            app.close()


@contextmanager
def blank(site: Site, sources: tuple[Source, ...]) -> Iterator[App]:
    """Yield the whole with a state that is empty and nowhere to publish: to see what *sources* would bring."""
    with TemporaryDirectory(prefix="feeder-") as folder:
        place = Path(folder)
        settings = Config(
            path=place / "config.toml",
            site=site,
            feeds=FeedSettings(),
            pages=PageSettings(),
            state=place / "state.db",
            local=place / "state.db",
            output=place / "public",
            listen=None,
            sources=sources,
        )
        store = open_store(settings.state, site_id=site.id)
        parts = _parts(settings, store, output_of(settings), Workers())
        app = App(config=settings, parts=parts, archives=place / ARCHIVES, is_rehearsal=True)
        try:
            with store.transaction():
                store.sync_sources(sources)
            yield app
        finally:
            app.close()


@contextmanager
def beside(settings: Config) -> Iterator[App]:
    """Yield the whole for questions and for notes to the process that works with the state: not to poll or publish.

    Raises:
        StoreError: There is no state yet, it was lost, or it cannot be used.
    """
    output = output_of(settings)
    _check_not_lost(settings, output)
    store = open_existing(settings.state, site_id=settings.site.id)
    app = App(
        config=settings, parts=_parts(settings, store, output, Workers(1)), archives=settings.local.parent / ARCHIVES
    )
    try:
        app.find_archives()
        yield app
    finally:
        app.close()


@contextmanager
def opened(
    settings: Config, *, is_fresh: bool = False, workers: int | None = None, progress: Progress | None = None
) -> Iterator[App]:
    """Open the state for writing, alone, and yield the whole.

    Raises:
        StoreError: The state cannot be used, another process uses it, or it is new beside feeds that exist.
    """
    output = output_of(settings)
    with alone(settings.local):
        if not is_fresh:
            _check_not_lost(settings, output)
        store = open_store(settings.state, site_id=settings.site.id)
        app = App(
            config=settings,
            parts=_parts(settings, store, _announcing(settings, store, output), Workers(workers)),
            archives=settings.local.parent / ARCHIVES,
            progress=progress,
        )
        try:
            app.find_archives()
            gc.freeze()  # what is there by now stays; to look through it for garbage would hold up everything, for 50 ms
            yield app
        finally:
            app.close()


@contextmanager
def shared(settings: Config, *, workers: Workers) -> Iterator[App]:
    """Open the state for one of many that work with it at the same time, and yield the whole.

    Raises:
        StoreError: The state cannot be used so, or it is new beside feeds that exist.
    """
    output = output_of(settings)
    _check_not_lost(settings, output)
    with closing(open_shared(settings.state, site_id=settings.site.id)) as store:
        app = App(
            config=settings,
            parts=_parts(settings, store, _announcing(settings, store, output), workers),
            archives=settings.local.parent / ARCHIVES,
        )
        app.find_archives()
        yield app


def _parts(settings: Config, store: Store, output: Output, workers: Workers) -> Parts:
    return Parts(
        site=settings.site,
        feeds=settings.feeds,
        pages=settings.pages,
        sources={source.name: source for source in settings.sources},
        fingerprints={source.name: config.fingerprint(source, settings.site) for source in settings.sources},
        fingerprint=config.render_fingerprint(settings, look=render.look(settings.site)),
        rules=_rules(settings),
        store=store,
        output=output,
        workers=workers,
        larder=Larder(),
        wait=time.sleep,
        listeners=tuple(_listeners(settings)),
    )


def _announcing(settings: Config, store: Store, output: Output) -> Output:
    listeners = tuple(_listeners(settings))
    return Announcing(output, store, listeners) if listeners else output


def _listeners(settings: Config) -> Iterator[Listener]:
    if settings.after_publish:
        yield Listener.COMMAND
    if settings.feeds.hub:
        yield Listener.HUB


def _rules(settings: Config) -> dedup.Rules:
    return dedup.Rules(
        prefix=prefix(settings.site.id),
        never=dedup.never_shared(settings.site),
        ranks={source.name: source.order for source in settings.sources},
        future={source.name: source.future for source in settings.sources},
        hidden=frozenset(source.name for source in settings.sources if not source.enabled),
    )


def _check_not_lost(settings: Config, output: Output) -> None:
    """A new state beside published feeds would make old articles new again, for every subscriber."""
    if has_state(settings) or output.read(INDEX) is None:
        return
    found = "the state is empty" if settings.local.exists() else "there is no state"
    raise StoreError(
        f"{settings.state}: {found}, but {settings.output} holds feeds that Feeder wrote. "
        f"Restore the state from a backup; or take over their ids: `feeder adopt {_published_index(settings)}`; "
        "or begin anew, with new ids where the old ones cannot be derived: add `--fresh`"
    )


def _published_index(settings: Config) -> str:
    """Return where `feeder adopt` finds the list of all feeds: nobody but Feeder's output itself opens a bucket."""
    place = settings.output
    return str(place / INDEX) if isinstance(place, Path) else settings.site.url + INDEX


def _confirmation(source: Source, now: datetime) -> datetime:
    """Return when files that are missing now will have been away for long enough; the state counts whole seconds."""
    return now + source.withdraw_after + timedelta(seconds=1)


def _log_news(name: str, before: Memo, memo: Memo) -> None:
    """Log that a source has moved for good, or is gone for good, or what could not be read of it as it stands."""
    if memo.has_moved and memo.url != before.url:
        log.info("source_moved", source=name, url=memo.url)
    if memo.is_gone and not before.is_gone:
        log.warning("source_gone", source=name)
    for warning in memo.warnings:
        if warning not in before.warnings:
            log.info("source_read_leniently", source=name, warning=warning)


def _log_poll(polled: Polled, seconds: float) -> None:
    """Log what became of articles; of a fault that it has begun, that it is another one, or that it is over."""
    for event, count in polled.flood.rest().items():
        log.warning("events_left_out", source=polled.source, left_out=event, count=count)
    facts = {verdict.value: count for verdict, count in polled.verdicts.items() if count}
    facts.pop("unchanged", None)
    if polled.error and polled.error != polled.before:
        log.warning("poll_failed", source=polled.source, error=polled.error, **facts)
        return
    if polled.before and not polled.error:
        log.info("source_mended", source=polled.source)
    if facts or not polled.error:
        tell = log.info if facts else log.debug
        tell("polled", source=polled.source, places=polled.places, seconds=round(seconds, 3), **facts)
