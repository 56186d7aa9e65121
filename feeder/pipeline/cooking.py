"""Rendering articles, each once for all feeds that want it, in worker processes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future

from feeder import categories
from feeder.batches import batches
from feeder.dedup import UNRANKED
from feeder.model import UTC_ZONE, Category, RenderedEntry, Shown, Source
from feeder.pipeline import work
from feeder.pipeline.edition import Edition
from feeder.pipeline.larder import weight
from feeder.store.records import StoredBody

JOB = 64  # entries in one job of a worker: each step is done for all of them, so more are faster, but harder to share
MANY = 400  # entries to render that are worth starting processes for
CACHED_BYTES = 24 << 20  # of rendered entries: enough for a category's children until its own turn comes


class Kitchen:
    """Renders the articles of an edition, and keeps the latest at hand."""

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self._parts = edition.parts
        self._jobs: dict[str, work.EntryJob] = {}  # those of articles that are not served yet
        self._running: dict[str, Future[list[work.Served]]] = {}
        self._served: OrderedDict[str, RenderedEntry | None] = OrderedDict()
        self._bytes = 0

    def begin(self, ids: Iterable[str]) -> None:
        """Begin to render those of *ids* that are not at hand."""
        wanted = dict.fromkeys(ids)
        missing = [id_ for id_ in wanted if id_ not in self._served and id_ not in self._running]
        for id_ in wanted:
            if id_ in self._served:
                self._served.move_to_end(id_)
        if len(missing) > MANY:
            self._parts.workers.start()
        for part in batches(missing, JOB):
            self._begin(part)

    def entries(self, ids: Sequence[str]) -> list[RenderedEntry]:
        """Return the entries of *ids* in order, without those that cannot be shown."""
        self.begin(ids)
        found = []
        for id_ in ids:
            if id_ not in self._served and id_ in self._running:
                self._collect(self._running[id_])
            entry = self._served.get(id_)  # one that was withdrawn a moment ago has none, and marked the feed anew
            if entry:
                found.append(entry)
        return found

    def trim(self) -> None:
        """Let go of the entries that were not wanted for longest."""
        while self._bytes > CACHED_BYTES:
            _, entry = self._served.popitem(last=False)
            self._bytes -= _weight(entry)

    def _begin(self, ids: Collection[str]) -> None:
        larder = self._parts.larder
        jobs = _jobs(ids, self.edition)
        self._jobs |= jobs
        ready = [work.Served(id=id_, entry=entry) for id_, job in jobs.items() if (entry := larder.take(job))]
        missing = jobs.keys() - {served.id for served in ready}
        if missing:
            self._render([job for id_, job in jobs.items() if id_ in missing])
        self._put_out(ready)

    def _render(self, jobs: Sequence[work.EntryJob]) -> None:
        job = work.RenderJob(site=self._parts.site, formats=self._parts.feeds.formats, entries=tuple(jobs))
        future = self._parts.workers.submit(work.render, job)
        self._running.update((each.shown.id, future) for each in jobs)

    def _collect(self, future: Future[list[work.Served]]) -> None:
        done = future.result()
        for served in done:
            self._running.pop(served.id, None)
            if served.entry:
                self._parts.larder.put(self._jobs[served.id], served.entry)
        self._put_out(done)

    def _put_out(self, done: Iterable[work.Served]) -> None:
        for served in done:
            self._served[served.id] = served.entry
            self._bytes += _weight(served.entry)
            _note(served, self._jobs.pop(served.id), self.edition)


def _jobs(ids: Collection[str], edition: Edition) -> dict[str, work.EntryJob]:
    """Return how to render *ids*, those that readers see."""
    store, sources = edition.parts.store, edition.parts.sources
    with store.decision():  # all of it as it was at one moment
        shown, digests, bodies = store.shown(ids), store.digests(ids), store.bodies(ids)
        documents = store.documents([each.id for each in shown.values() if _lies_in_no_file(sources.get(each.source))])
    return {
        each.id: _job(each, digests[each.id], bodies.get(each.id), documents.get(each.id), edition)
        for each in shown.values()
    }


def _lies_in_no_file(source: Source | None) -> bool:
    return source is None or source.path is None


def _job(
    shown: Shown, digest: bytes, stored: StoredBody | None, document: bytes | None, edition: Edition
) -> work.EntryJob:
    parts = edition.parts
    source = parts.sources.get(shown.source) or _gone(shown.source)
    key = work.body_key(shown, source, document)
    return work.EntryJob(
        shown=shown,
        source=source,
        categories=_categories(shown, edition),
        content=parts.feeds.content,
        digest=digest,
        has_pages=parts.pages.articles,
        body=stored.packed if stored and stored.key == key else None,
        spare=stored.packed if stored else None,
        document=document,
    )


def _gone(name: str) -> Source:
    """Stand in for a source that has left the config, and whose articles are kept."""
    return Source(name=name, order=UNRANKED, timezone=UTC_ZONE)


def _categories(shown: Shown, edition: Edition) -> tuple[Category, ...]:
    """Every level of every path, parents first; the order of the paths as written does not matter."""
    nodes = {n for path in shown.categories for n in categories.lineage(categories.node(path))[1:]}
    return tuple(map(edition.place, sorted(nodes)))


def _note(served: work.Served, job: work.EntryJob, edition: Edition) -> None:
    """Note what rendering an article has brought to light."""
    if served.body:
        key = work.body_key(job.shown, job.source, job.document)
        edition.bodies.append(StoredBody(id=served.id, key=key, packed=served.body))
    if served.is_outdated:
        edition.late.add(served.id)
        edition.published.outdated.add(job.shown.source)
    if served.problem:
        edition.published.left_out[served.id] = served.problem
        edition.faults.entry_left_out(served.id, served.problem)
    else:
        edition.faults.entry_mended(served.id)


def _weight(entry: RenderedEntry | None) -> int:
    return weight(entry) if entry else 100
