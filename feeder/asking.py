"""Asks the web on behalf of sources, as politely as each wants it, and has the answers read."""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import islice, zip_longest
from typing import Final, TypeAlias, TypeVar

import structlog

from feeder import robots
from feeder.app import App
from feeder.errors import FetchError, Gone, Refused, Stillborn
from feeder.fetch.archive import unpack
from feeder.fetch.web import AGENT, Web
from feeder.leaving import begin_beside
from feeder.life import Do, at_once
from feeder.model import Answer, Source, SourceKind
from feeder.pipeline.answers import AnswerJob, Received, receive
from feeder.pipeline.polling import Polled
from feeder.pipeline.receiving import Heard, Question
from feeder.pipeline.work import unforeseen

log = structlog.get_logger(__name__)

MANY: Final = 20  # answers at once that are worth starting processes for
READERS: Final = 2 * (os.cpu_count() or 1)  # pieces of work beside the loop
BEGUN: Final = 1000  # requests that are under way or wait for their turn; each holds some memory
AT_ONCE: Final = 8  # requests that are begun in one turn of the loop
UNREAD: Final = 4 << 20  # bytes of answers that are held before nothing more is asked for
TOGETHER: Final = 50  # answers that are taken in one transaction, at most
GATHERING: Final = timedelta(seconds=0.1)  # for which one answer waits for others
RULES_KEPT: Final = timedelta(hours=24)  # RFC 9309, 2.4
RULES_MISSED: Final = timedelta(minutes=5)  # until a robots.txt that could not be had is asked for again

T = TypeVar("T")
Recall: TypeAlias = Callable[[str], Awaitable[frozenset[bytes]]]
"""Returns the digests of what a source told before: that is no news."""


async def nothing_known(_name: str) -> frozenset[bytes]:
    """Know nothing: all of it is wanted."""
    return frozenset()


class Backlog:
    """Keeps further requests waiting while many answers are held that nobody has read yet: each may be large."""

    def __init__(self) -> None:
        self.held = 0
        self.size = 0  # bytes
        self._changed = asyncio.Condition()

    async def room(self) -> None:
        """Wait until one more answer may be held."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.size < UNREAD)
            self._changed.notify()  # one after the other: all at once would hold up the loop

    @asynccontextmanager
    async def reading(self, size: int) -> AsyncIterator[None]:
        """Count an answer of so many bytes until it has been read."""
        self.held += 1
        self.size += size
        try:
            yield
        finally:
            self.held -= 1
            self.size -= size
            async with self._changed:
                self._changed.notify()


class Asker:
    """Asks; one for a process, since it is what keeps the distance between two requests to one host."""

    def __init__(self, app: App, web: Web, backlog: Backlog) -> None:
        self._app = app
        self._web = web
        self._backlog = backlog
        self._here = asyncio.Lock()  # for reading in this process
        self.deciding = asyncio.Lock()  # two rounds that took in the same news at once would overtake each other
        self._rules: dict[str, tuple[str, float]] = {}  # of a robots.txt, and until when they hold
        self._readers = asyncio.Semaphore(READERS)
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # for a robots.txt

    async def ask(self, question: Question, recall: Recall) -> Heard:
        """Return what came of *question*, errors included; *recall* is asked what is known if there is news."""
        started = time.monotonic()
        heard = await self._heard_or_failed(question, recall)
        return replace(heard, seconds=time.monotonic() - started)

    async def _heard_or_failed(self, question: Question, recall: Recall) -> Heard:
        try:
            return await self._heard(question, recall)
        except FetchError as error:
            return Heard(error=error)
        except Exception as error:  # the other sources go on, whatever this one met
            log.exception("poll_crashed", source=question.source.name)
            return Heard(error=FetchError(_where(question.source), f"cannot be asked: {unforeseen(error)}"))

    async def _heard(self, question: Question, recall: Recall) -> Heard:
        source, kind = question.source, question.kind or question.source.kind
        if kind is SourceKind.PAGE or source.select:
            await self._check_rules(source)
        answer = await self._web.get(source, url=question.url, etag=question.etag, last_modified=question.last_modified)
        digest = sha256(answer.body).hexdigest() if answer.body else None
        if digest in {None, question.digest}:
            return Heard(answer=_spent(answer), digest=digest, size=len(answer.body))
        known = await recall(source.name) if question.digest else frozenset()  # with none, all of it is wanted
        received = await self._received(replace(source, kind=kind), answer, known)
        if received.elsewhere:
            return await self._heard_elsewhere(source, received.elsewhere, known)
        # What cannot be read is looked at once more by those who say what could be done about it.
        spent = answer if received.problem else _spent(answer)
        return Heard(answer=spent, digest=digest, received=received, size=len(answer.body))

    async def _heard_elsewhere(self, source: Source, url: str, known: frozenset[bytes]) -> Heard:
        """Read the feed that a page announced."""
        try:
            answer = await self._web.get(source, url=url)
        except Gone as error:  # not so the page, which may announce another one tomorrow
            raise FetchError(error.where, error.reason) from error
        received = await self._received(replace(source, kind=SourceKind.FEED), answer, known)
        digest = sha256(answer.body).hexdigest()
        return Heard(answer=_spent(answer), digest=digest, received=received, elsewhere=url, size=len(answer.body))

    async def _received(self, source: Source, answer: Answer, known: frozenset[bytes]) -> Received:
        job = AnswerJob(source=source, site=self._app.config.site, answer=answer, known=known)
        async with self._backlog.reading(len(answer.body)):
            received = await self._read(job)
            if received.kind is SourceKind.ARCHIVE:
                unpacked = await self._beside(lambda: unpack(answer.body, source, below=self._app.archives))
                return replace(received, warnings=unpacked.warnings)
        return received

    async def _read(self, job: AnswerJob) -> Received:
        """Have an answer read in another process, if there are any; otherwise here."""
        workers = self._app.parts.workers
        if self._backlog.held > MANY and not workers.is_running:
            await self._beside(workers.start)
        received = await self._read_elsewhere(job) if workers.is_running else None
        if received:
            return received
        async with self._here:  # several threads that compute would keep the loop from its turn
            return await self._beside(lambda: receive(job))

    async def _read_elsewhere(self, job: AnswerJob) -> Received | None:
        """Have an answer read in another process; None if there are none any more, as there was little to do."""
        workers = self._app.parts.workers
        try:
            return await asyncio.wrap_future(workers.submit(receive, job))
        except BrokenExecutor as error:  # what killed other processes is not to kill this one
            raise FetchError(_where(job.source), "cannot be read: the process that read it was killed") from error
        except Stillborn as error:
            raise FetchError(_where(job.source), f"cannot be read: {error}") from error
        except RuntimeError:
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            return None

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do *work* beside the loop; should that end first, it does not wait, as it would for a thread of its own."""
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()  # it cannot be cancelled any more
        async with self._readers:
            begin_beside(partial(_do, work, done))
            return await asyncio.wrap_future(done)

    async def _check_rules(self, source: Source) -> None:
        """Raise FetchError if the site's robots.txt keeps us from the page of *source*."""
        url = source.url or ""
        place = robots.place(url)
        rules = await self._rules_of(source, place)
        if not robots.allows(rules, url, AGENT):
            told = "cannot be had, and may forbid it" if rules == robots.NOTHING else "asks robots not to read it"
            raise FetchError(url, f"its site's robots.txt {told}")

    async def _rules_of(self, source: Source, place: str) -> str:
        clock = asyncio.get_running_loop().time
        async with self._asking[place]:
            rules, until = self._rules.get(place, (robots.EVERYTHING, 0.0))
            if until <= clock():
                rules, kept = await self._fresh_rules(source, place)
                self._rules[place] = rules, clock() + kept.total_seconds()
        return rules

    async def _fresh_rules(self, source: Source, place: str) -> tuple[str, timedelta]:
        """Return what a robots.txt says, and for how long to believe it."""
        try:
            answer = await self._web.get(source, url=place)
        except FetchError as error:
            rules = robots.meaning(error.status if isinstance(error, Refused) else None)
            return rules, RULES_MISSED if rules == robots.NOTHING else RULES_KEPT
        return robots.meaning(answer.status, answer.body), RULES_KEPT


def _do(work: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001 - it is raised where the result is waited for
        done.set_exception(error)


def _where(source: Source) -> str:
    return source.url or source.name


class Round:
    """Sources that the web is asked for, and what it answered, until the state has taken it in."""

    def __init__(self, one: Asker, app: App, do: Do, *, gathering: timedelta = GATHERING) -> None:
        self._asker = one
        self._app = app
        self._do = do
        self._gathering = gathering
        self._come: asyncio.Queue[tuple[str, Heard]] = asyncio.Queue()
        self.asked: dict[str, asyncio.Task[None]] = {}

    async def begin(self, names: Collection[str]) -> None:
        """Ask for those of *names* that are not being asked for."""
        new = [name for name in names if name not in self.asked]
        for start in range(0, len(new), TOGETHER):  # what is known of each takes some memory
            part = new[start : start + TOGETHER]
            questions = await self._do("question", partial(self._app.questions, part))
            async for name, question in paced((questions or {}).items()):
                self.asked[name] = asyncio.create_task(self._ask(name, question))

    async def take(
        self, clock: Callable[[], datetime], *, jitter: Callable[[], float] | None, patience: float | None = None
    ) -> list[Polled] | None:
        """Take in what comes within a moment of the first answer; None if the state cannot.

        Args:
            clock: The time of day.
            jitter: Draws the jitter of each source; None: there is none.
            patience: Seconds for the first answer; None: as long as it takes.
        """
        try:
            async with asyncio.timeout(patience):
                heard = dict([await self._come.get()])
        except TimeoutError:
            return []
        with suppress(TimeoutError):
            async with asyncio.timeout(self._gathering.total_seconds()):
                while len(heard) < min(TOGETHER, len(self.asked)):
                    heard.update([await self._come.get()])
        async with self._turn(heard):
            while not self._come.empty() and len(heard) < TOGETHER:
                heard.update([self._come.get_nowait()])
            polls = await self._do("take", lambda: self._app.take(heard, clock(), jitter=jitter or _no_jitter))
        for name in heard:
            del self.asked[name]
        return polls

    def _turn(self, heard: Mapping[str, Heard]) -> AbstractAsyncContextManager[object]:
        return self._asker.deciding if any(each.received for each in heard.values()) else nullcontext()

    async def end(self) -> None:
        """Ask no more; what was asked for is asked for anew by the next one."""
        for task in self.asked.values():
            task.cancel()
        await asyncio.gather(*self.asked.values(), return_exceptions=True)

    async def _ask(self, name: str, question: Question) -> None:
        self._come.put_nowait((name, await self._asker.ask(question, self._recall)))

    async def _recall(self, name: str) -> frozenset[bytes]:
        return await self._do("recall", lambda: self._app.known(name)) or frozenset()


def _no_jitter() -> float:
    return 0.0


@asynccontextmanager
async def asker(app: App) -> AsyncIterator[Asker]:
    """Yield an asker for *app*."""
    backlog = Backlog()
    async with Web(contact=app.config.site.url, room=backlog.room) as web:
        yield Asker(app, web, backlog)


def poll_all(app: App, names: Collection[str], now: datetime) -> tuple[Polled, ...]:
    """Poll the sources *names*: directories in their order, then all URLs at once."""
    here = tuple(app.poll(name, now) for name in names if not app.is_remote(name))
    return here + poll(app, [name for name in names if app.is_remote(name)], now)


def poll(app: App, names: Collection[str], now: datetime) -> tuple[Polled, ...]:
    """Ask for all of the sources *names*, at once as far as that is polite, and take each answer as it comes."""
    if not names:
        return ()
    if len(names) > MANY:
        app.parts.workers.start()
    return asyncio.run(_polled(app, names, now))


async def paced(values: Iterable[T]) -> AsyncIterator[T]:
    """Yield *values*, a few in one turn of the loop: what is begun for each has work to do before it waits."""
    for number, value in enumerate(values, start=1):
        yield value
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)


async def _polled(app: App, names: Collection[str], now: datetime) -> tuple[Polled, ...]:
    done: list[Polled] = []
    waiting = _by_turns(app, names)
    async with asker(app) as one:
        round_ = Round(one, app, at_once)
        try:
            while len(done) < len(names):
                await round_.begin([*islice(waiting, BEGUN - len(round_.asked))])
                done += await round_.take(lambda: now, jitter=None) or ()
        finally:
            await round_.end()
    return tuple(done)


def _by_turns(app: App, names: Collection[str]) -> Iterator[str]:
    """Yield the first source of each host, then the second of each, and so on: nobody stands in a row of others' sources."""
    hosts: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        hosts[app.host_of(name)].append(name)
    for row in zip_longest(*hosts.values()):
        yield from filter(None, row)


def _spent(answer: Answer) -> Answer:
    """Return *answer* without its body, which has been read: many answers may wait for the state."""
    return replace(answer, body=b"") if answer.body else answer
