"""Asks the web on behalf of sources, as politely as each wants it, and has the answers read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from concurrent.futures import BrokenExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from typing import Final, TypeVar

import structlog

from feeder import robots
from feeder.app import App
from feeder.errors import FetchError, Refused
from feeder.fetch.archive import unpack
from feeder.fetch.web import Web
from feeder.model import Answer, Source, SourceKind
from feeder.pipeline.answers import AnswerJob, Received, receive
from feeder.pipeline.polling import Polled
from feeder.pipeline.receiving import Heard, Question
from feeder.pipeline.work import unforeseen

log = structlog.get_logger(__name__)

MANY: Final = 20  # sources at once that are worth starting processes for
AT_ONCE: Final = 8  # requests that are begun in one turn of the loop
UNREAD: Final = 8 << 20  # bytes of answers that are held before nothing more is asked for
TOGETHER: Final = 50  # answers that are taken in one transaction, at most
GATHERING: Final = timedelta(seconds=0.1)  # for which one answer waits for others
RULES_KEPT: Final = timedelta(hours=24)  # RFC 9309, 2.4
AGENT: Final = f"Feeder/{version('feeder')}"

T = TypeVar("T")


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
        self._rules: dict[str, tuple[str, float]] = {}  # of a robots.txt, and until when they hold

    async def ask(self, question: Question) -> Heard:
        """Return what came of *question*, errors included."""
        try:
            return await self._heard(question)
        except FetchError as error:
            return Heard(error=error)
        except Exception as error:  # the other sources go on, whatever this one met
            log.exception("poll_crashed", source=question.source.name)
            return Heard(error=FetchError(question.source.url or "", f"cannot be asked for: {unforeseen(error)}"))

    async def _heard(self, question: Question) -> Heard:
        source = question.source
        if source.kind is SourceKind.PAGE or source.select:
            await self._check_rules(source)
        answer = await self._web.get(source, url=question.url, etag=question.etag, last_modified=question.last_modified)
        digest = sha256(answer.body).hexdigest() if answer.body else None
        if digest in {None, question.digest}:
            return Heard(answer=_spent(answer), digest=digest)
        received = await self._received(source, answer, question.known)
        if received.elsewhere:
            return await self._heard_elsewhere(source, received.elsewhere, question.known)
        return Heard(answer=_spent(answer), digest=digest, received=received)

    async def _heard_elsewhere(self, source: Source, url: str, known: frozenset[bytes]) -> Heard:
        """Read the feed that a page announced."""
        answer = await self._web.get(source, url=url)
        received = await self._received(replace(source, kind=SourceKind.FEED), answer, known)
        digest = sha256(answer.body).hexdigest()
        return Heard(answer=_spent(answer), digest=digest, received=received, elsewhere=url)

    async def _received(self, source: Source, answer: Answer, known: frozenset[bytes]) -> Received:
        job = AnswerJob(source=source, site=self._app.config.site, answer=answer, known=known)
        async with self._backlog.reading(len(answer.body)):
            received = await self._read(job)
            if received.kind is SourceKind.ARCHIVE:
                await asyncio.to_thread(unpack, answer.body, source, below=self._app.archives)
        return received

    async def _read(self, job: AnswerJob) -> Received:
        workers = self._app.parts.workers
        if self._backlog.held > MANY and not workers.is_running:
            await asyncio.to_thread(workers.start)
        if not workers.is_running:
            async with self._here:  # several threads that compute would keep the loop from its turn
                return await asyncio.to_thread(receive, job)
        try:
            return await asyncio.wrap_future(workers.submit(receive, job))
        except (BrokenExecutor, RuntimeError) as error:  # or they were stopped in between
            workers.stop()  # new ones start when needed
            raise FetchError(job.answer.url, "the process that read its answer was killed") from error

    async def _check_rules(self, source: Source) -> None:
        """Raise FetchError if the site's robots.txt keeps us from the page of *source*."""
        url = source.url or ""
        if not robots.allows(await self._rules_of(source, robots.place(url)), url, AGENT):
            raise FetchError(url, "its site's robots.txt asks robots not to read it")

    async def _rules_of(self, source: Source, place: str) -> str:
        now = asyncio.get_running_loop().time()
        rules, until = self._rules.get(place, ("", 0.0))
        if until <= now:
            rules = await self._fresh_rules(source, place)
            self._rules[place] = rules, now + RULES_KEPT.total_seconds()
        return rules

    async def _fresh_rules(self, source: Source, place: str) -> str:
        try:
            answer = await self._web.get(source, url=place)
        except Refused as error:
            return robots.meaning(error.status)
        except FetchError:
            return robots.meaning(None)
        return robots.meaning(answer.status, answer.body)


@asynccontextmanager
async def asker(app: App) -> AsyncIterator[Asker]:
    """Yield an asker for *app*."""
    backlog = Backlog()
    async with Web(contact=app.config.site.url, room=backlog.room) as web:
        yield Asker(app, web, backlog)


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
    come: asyncio.Queue[tuple[str, Heard]] = asyncio.Queue()
    done: list[Polled] = []
    async with asker(app) as one:

        async def ask(name: str, question: Question) -> None:
            come.put_nowait((name, await one.ask(question)))

        tasks = [asyncio.create_task(ask(*each)) async for each in paced(app.questions(names).items())]
        try:
            while len(done) < len(tasks):
                done += app.take(await _gathered(come, min(TOGETHER, len(tasks) - len(done))), now)
        finally:
            for task in tasks:
                task.cancel()
    return tuple(done)


async def _gathered(come: asyncio.Queue[tuple[str, Heard]], most: int) -> dict[str, Heard]:
    """Return the answers that come within a moment of the first: a transaction costs as much as several of them."""
    heard = dict([await come.get()])
    with suppress(TimeoutError):
        async with asyncio.timeout(GATHERING.total_seconds()):
            while len(heard) < most:
                heard.update([await come.get()])
    return heard


def _spent(answer: Answer) -> Answer:
    """Return *answer* without its body, which has been read: many answers may wait for the state."""
    return replace(answer, body=b"")
