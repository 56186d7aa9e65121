"""What is remembered between polls. One contract, an implementation per database.

The store obeys: it carries out what `dedup` decided and keeps the marks of the nodes that this touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from feeder.dedup import Known, Missing, Reunion
from feeder.model import (
    CategoryPath,
    Deletion,
    Due,
    Memory,
    Node,
    Place,
    Problem,
    Shown,
    Sighting,
    Source,
    Tally,
    Unlisted,
)
from feeder.store.records import (
    Alert,
    AlertKind,
    ArchivePage,
    ArticlePage,
    Breach,
    Event,
    Fault,
    FaultKind,
    Lease,
    Listed,
    Mark,
    Outcome,
    Peer,
    PublishedFeed,
    Row,
    Scanned,
    Seen,
    SourceState,
    Standing,
    StoredBody,
    WrittenPage,
)


class Store(Protocol):
    """The state. Times are aware; every write happens inside `transaction`."""

    @property
    def is_shared(self) -> bool:
        """Whether other machines may work with it."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit all of what happens inside, or nothing; one inside of another is a part of it that can fail alone."""

    def decision(self) -> AbstractContextManager[None]:
        """A transaction whose outcome rests on what is read in it.

        Raises:
            Overtaken: Another process changed that meanwhile: it is to be done again, from its beginning.
        """

    def close(self) -> None:
        """Release the database."""

    def check_in_place(self) -> None:
        """Raise StoreError if the database is not the one that was opened any more."""

    def stay(self) -> None:
        """Let the database hear that a transaction goes on: one that is idle for half a minute may be ended."""

    # sources

    def sync_sources(self, sources: Sequence[Source]) -> tuple[str, ...]:
        """Take over the config's sources; return those that are in the state but not in the config."""

    def sources(self) -> tuple[SourceState, ...]:
        """Return all sources, in the config's order, those that left it last."""

    def source(self, name: str) -> SourceState:
        """Return one source, which there is."""

    def states(self, names: Collection[str]) -> Mapping[str, SourceState]:
        """Return those of some sources that there are."""

    def claim_due(self, now: datetime, *, limit: int, lease: timedelta) -> tuple[str, ...]:
        """Lease and return the names of sources whose poll is due and that nobody else holds."""

    def finish_poll(
        self, name: str, *, now: datetime, due: Due, error: str | None, failed_with: str | None = None
    ) -> None:
        """Give a lease back with the poll's outcome; *failed_with* is the fingerprint of settings that failed."""

    def finish_polls(self, dues: Mapping[str, Due], now: datetime) -> None:
        """Give the leases of many sources back, each of which was polled without an error."""

    def set_memo(self, name: str, memo: str) -> None:
        """Keep what a source's answer told."""

    def set_fingerprint(self, name: str, fingerprint: str) -> None:
        """Note with which settings all documents of the source have been read."""

    def request_poll(self, name: str, now: datetime) -> bool:
        """Make a source due now; False if there is none of that name. Likewise below."""

    def set_paused(self, name: str, *, paused: bool) -> bool:
        """Stop or resume the polling of a source."""

    def accept(self, name: str, now: datetime) -> bool:
        """Note that what is missing from the source is gone for good, and make it due."""

    # polling

    def scan(
        self, name: str, found: Iterable[Place | Unlisted], now: datetime, *, at: Collection[str] | None = None
    ) -> Scanned:
        """Compare what a source holds, or what is at or below some locators, with what is known.

        Notes what is missing there.
        """

    def unlisted(self, name: str) -> Mapping[str, str]:
        """Return what the last scan could not list, each with the reason."""

    def changed(self, name: str, *, everything: bool) -> Iterator[Seen]:
        """Yield the scan's places that are new or have another stamp, with what was last read there."""

    def seen(self, name: str, locators: Collection[str]) -> Mapping[str, Seen]:
        """Return what was last read at each of some locators where anything was."""

    def known_digests(self, name: str, limit: int) -> frozenset[bytes]:
        """Return the digests of what was last read at the places of a source, or at so many of them."""

    def save_documents(self, name: str, documents: Mapping[str, bytes]) -> None:
        """Keep the bodies, by locator, of sightings that lie in no file."""

    def documents(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the body of each article whose winning sighting lies in no file."""

    def prune_documents(self, before: datetime) -> None:
        """Forget the bodies of sightings from before some time that are in no feed; those still offered come again."""

    def note_offered(self, name: str, locators: Collection[str], now: datetime) -> None:
        """Note what of a source's articles, which lie in no file, it offers on this day."""

    def expired(self, before: datetime, limit: int) -> tuple[tuple[str, str, str | None], ...]:
        """Return source, locator and article of what was last offered before some time, and is not now.

        An article that is offered elsewhere, in a feed, in the archive, held or taken down is none of these.
        """

    def forgettable(self, before: datetime, limit: int) -> tuple[str, ...]:
        """Return the articles without a sighting of which nothing was heard since some time, and that nothing shows."""

    def erase(self, ids: Collection[str]) -> None:
        """Forget articles, with their keys and history, but for those that were taken down."""

    def spare_bytes(self) -> tuple[int, int]:
        """Return how much of the room that the state takes is not in use, and how much it takes."""

    def compact(self) -> None:
        """Return all room that is not in use to the disk, now; meanwhile as much again is needed."""

    def give_back(self) -> int:
        """Return room that is not needed to the disk, some at a time; to be called outside of a transaction."""

    def paths_of(self, name: str) -> frozenset[CategoryPath]:
        """Return the category paths that the articles of a source have, as spelled."""

    def newest_of(self, names: Collection[str], limit: int) -> Mapping[str, tuple[datetime, ...]]:
        """Return when the newest articles of each source that has any that say so were published."""

    def count_changed(self, name: str, *, everything: bool) -> int:
        """Return how many places `changed` yields."""

    def known(
        self, name: str, *, locators: Collection[str], keys: Collection[bytes], body_hashes: Collection[bytes]
    ) -> Known:
        """Return all that touches items at *locators* with these keys and hashes."""

    def record(self, name: str, outcomes: Iterable[Outcome], now: datetime) -> None:
        """Write what was read and decided."""

    def stand(self, standings: Iterable[Standing], now: datetime) -> None:
        """Write what readers see of articles, and mark the nodes in which that changed.

        What readers see no more leaves the archive, and is among the deletions of the feeds that held it.
        """

    def copies(self, ids: Collection[str]) -> Mapping[str, tuple[Memory, tuple[Sighting, ...]]]:
        """Return each article's memory and current sightings."""

    def namesakes(self, names: Collection[str]) -> tuple[Sighting, ...]:
        """Return the good sightings of some sources whose title several articles have."""

    def reunite(self, reunion: Reunion, now: datetime) -> tuple[str, ...]:
        """Make articles one; return the ids of all that this touches."""

    def missing(self, name: str) -> tuple[Missing, ...]:
        """Return the documents that the last scan did not find."""

    def count(self, name: str) -> int:
        """Return how many current sightings a source has."""

    def forget(self, name: str, locators: Collection[str], now: datetime) -> tuple[str, ...]:
        """Remove documents; return the ids of the articles that lose a sighting."""

    def locators(self, name: str) -> tuple[str, ...]:
        """Return all locators of a source."""

    # publishing

    def release(self, now: datetime) -> int:
        """Let held articles in whose hour has come; return how many."""

    def stale(self, now: datetime, *, settle: timedelta, shard: int | None = None) -> tuple[Mark, ...]:
        """Return the marks that may be published now, all or those of a shard (see `feeder.shards`)."""

    def mark(self, nodes: Iterable[Node], *, not_before: datetime | None = None) -> None:
        """Make nodes stale, to be published at once or not before some time."""

    def newest(self, node: Node) -> Iterator[Listed]:
        """Yield the node's articles in feed order: published descending, then id."""

    def census(self) -> Mapping[Node, Tally]:
        """Return what every node that has articles holds."""

    def published_since(self, node: Node, since: datetime) -> tuple[datetime, ...]:
        """Return when the node's articles were published, of those not older than *since*, in any order."""

    def nodes(self) -> Mapping[Node, str]:
        """Return every node that has articles, with its label; the site's is empty."""

    def shown(self, ids: Collection[str]) -> Mapping[str, Shown]:
        """Return what readers see of articles."""

    def digests(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return the digest of each article's winning document, as last read."""

    def bodies(self, ids: Collection[str]) -> Mapping[str, StoredBody]:
        """Return the cleaned bodies that are kept."""

    def save_bodies(self, bodies: Iterable[StoredBody], *, kept: bool = False) -> None:
        """Keep cleaned bodies while their articles are in a feed; with *kept*, for good."""

    def save_feed(self, feed: PublishedFeed, *, mark: Mark, now: datetime) -> None:
        """Note a feed as written, and remove its mark."""

    def drop_feed(self, mark: Mark) -> None:
        """Note a feed as gone, and remove its mark."""

    def shows_removed(self, node: Node) -> bool:
        """Tell whether the feed of a node, as it was written, holds an article that was taken down since."""

    def feeds(self) -> tuple[PublishedFeed, ...]:
        """Return every published feed, without the ids of its entries."""

    def depart(self, left: Mapping[str, Node]) -> None:
        """Note directories as left by the feeds of categories."""

    def departures(self) -> Mapping[str, Node]:
        """Return the directories that feeds have left, those left first before others, with their categories."""

    def inherit(self, heirs: Mapping[str, Node]) -> None:
        """Note for directories that were left that they stand for other categories by now."""

    def return_to(self, directories: Iterable[str]) -> None:
        """Forget that directories were left."""

    def tell(self, listeners: Iterable[str], paths: Collection[str]) -> None:
        """Note for each of *listeners* that the files at *paths* changed."""

    def news(self, listener: str, limit: int) -> Mapping[str, int]:
        """Return the files that *listener* has not been told of, the first of them, each with the number of its news."""

    def told(self, numbers: Iterable[int]) -> None:
        """Forget news that have been told."""

    def silence(self, listener: str) -> None:
        """Forget all news for *listener*."""

    def deletions(self, node: Node, limit: int) -> tuple[Deletion, ...]:
        """Return the newest entries that the feed of a node held and that readers see no more."""

    def end_deletions(self, before: datetime) -> None:
        """Forget the deletions up to some time, and mark the nodes that told of them."""

    # the archive of the site's feed

    def enter_archive(self, ids: Sequence[str]) -> None:
        """Note articles as being in the site's feed, those that have not been before in this order."""

    def waiting(self) -> tuple[str, ...]:
        """Return the articles that have been in the site's feed and are on no page yet, in the order they came."""

    def add_page(self, ids: Iterable[str]) -> None:
        """Put articles on a new page, the last."""

    def clear_archive(self, numbers: Iterable[int], *, waiting: bool = False) -> None:
        """Take all articles off some pages; with *waiting*, forget those that are on no page, too."""

    def page_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return the pages in their order, each with the number of its articles."""

    def skip_pages(self, number: int) -> None:
        """Give no new page a number up to this one."""

    def stale_pages(self) -> tuple[int, ...]:
        """Return the pages that changed since they were written, the last first."""

    def page(self, number: int) -> ArchivePage:
        """Return a page, which there is."""

    def last_page(self) -> int | None:
        """Return the last page."""

    def pages(self) -> tuple[WrittenPage, ...]:
        """Return what was written of each page, in their order."""

    def pages_of(self, ids: Collection[str]) -> tuple[int, ...]:
        """Return the pages that hold articles."""

    def change_pages(self, numbers: Iterable[int]) -> None:
        """Make pages stale."""

    def save_page(self, page: ArchivePage, fingerprint: str, files: Iterable[tuple[str, str, str]]) -> None:
        """Note a page as written."""

    def drop_page(self, page: ArchivePage) -> None:
        """Note a page as gone; those beside it are stale."""

    # nodes that share the state

    def clock(self) -> datetime:
        """Return what time it is to the database."""

    def take_lease(self, lease: Lease, *, lasting: timedelta) -> bool:
        """Take a lease that nobody has, or whose holder was silent for too long; False if somebody has it."""

    def keep_leases(self, holders: Collection[str], *, lasting: timedelta) -> None:
        """Make the leases of *holders* last from now on, but for those that were given back."""

    def end_lease(self, lease: Lease) -> None:
        """Give a lease back, if it was not lost."""

    def take_away_leases(self, *, but: Lease) -> None:
        """Take all leases but one from whoever has them."""

    def under(self, lease: Lease) -> AbstractContextManager[None]:
        """Have every transaction inside that does anything fail with LeaseLost if another has the lease by its end."""

    def check_lease(self) -> None:
        """Raise LeaseLost if another has the lease that this is done under."""

    def due_shards(self, now: datetime) -> tuple[int, ...]:
        """Return the shards of which a source is due."""

    def due_in(self, shard: int, now: datetime, *, limit: int) -> tuple[str, ...]:
        """Return the sources of a shard that are due, for the one who has its lease."""

    def stale_shards(self, now: datetime, *, settle: timedelta) -> tuple[int, ...]:
        """Return the shards of which a feed may be published now; `shards.SITE` is that of the site's own."""

    def note_peer(self, peer: Peer) -> None:
        """Note that a node is there."""

    def forget_peer(self, node: str) -> None:
        """Note that a node has gone."""

    def forget_silent(self, *, since: timedelta) -> None:
        """Forget the nodes of which nothing was heard for so long, and leases that nobody has."""

    def peers(self) -> tuple[Peer, ...]:
        """Return the nodes that were there of late, by name."""

    # the pages of articles

    def article_pages(self, ids: Collection[str] | None = None) -> Mapping[str, ArticlePage]:
        """Return the pages of articles, all or those of *ids*, by the article's id."""

    def save_article_pages(self, pages: Iterable[ArticlePage]) -> None:
        """Note pages as written."""

    def drop_article_pages(self, ids: Iterable[str]) -> None:
        """Note pages as gone."""

    def left_article_pages(self) -> tuple[str, ...]:
        """Return the ids of articles whose page is to go, or that are in no feed and no archive."""

    # faults and alerts

    def faults(self) -> tuple[Fault, ...]:
        """Return what could not be published."""

    def save_faults(self, begun: Iterable[Fault], ended: Iterable[tuple[FaultKind, str]]) -> None:
        """Note what cannot be published, or for another reason than before, and of what kind and subject that is over."""

    def alerts(self) -> tuple[Alert, ...]:
        """Return what is known of all that is watched."""

    def save_alerts(self, alerts: Iterable[Alert], gone: Iterable[tuple[AlertKind, str]] = ()) -> None:
        """Note how something that is watched is, and what is not watched any more."""

    def rhythm_of_source(self, name: str, now: datetime) -> tuple[datetime, ...]:
        """Return when a source's articles were published, up to *now*: the last of each hour, newest first."""

    def rhythm_of_node(self, node: Node, now: datetime) -> tuple[datetime, ...]:
        """Return when a node's articles were published, likewise."""

    def prune(self) -> None:
        """Remove the spellings of categories that no article has, and the nodes that nothing is known of any more."""

    # asking

    def row(self, name: str, locator: str) -> Row | None:
        """Return one document."""

    def rows(self, id_: str) -> tuple[Row, ...]:
        """Return the documents that are sightings of an article."""

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield the id of each article with each of its links."""

    def history(self, id_: str) -> tuple[Event, ...]:
        """Return what happened to an article, oldest first."""

    def feeds_of(self, id_: str) -> tuple[Node, ...]:
        """Return the nodes whose feeds hold an article."""

    def keys_of(self, id_: str) -> tuple[bytes, ...]:
        """Return every key an article ever had."""

    def merges(self) -> tuple[tuple[str, tuple[Sighting, ...]], ...]:
        """Return the articles whose current sightings differ in text."""

    def problems(self) -> tuple[Problem, ...]:
        """Return the documents that could not be read."""

    def counts(self) -> Mapping[str, int]:
        """Return how many articles, sightings, merged, held, removed, rejected and stale nodes there are."""

    def id_slices(self) -> Iterator[tuple[str, ...]]:
        """Yield the ids of all articles with sightings, some at a time."""

    # the operator's word

    def note(self, name: str, value: str) -> bool:
        """Keep a note of the whole site; return whether it said something else before."""

    def noted(self, name: str) -> str | None:
        """Return what a note of the whole site says."""

    def adopt(self, entries: Iterable[tuple[Memory, tuple[bytes, ...]]]) -> int:
        """Remember articles that subscribers already have; return how many are new."""

    def take_down(
        self, entries: Iterable[tuple[str, tuple[bytes, ...]]], now: datetime, *, is_all: bool = True
    ) -> tuple[str, ...]:
        """Make these articles, and whatever shares a key with them, removed; return the ids that change.

        Args:
            entries: The id of each, and its keys.
            now: The time of day.
            is_all: Whether all others are to be shown again.
        """

    def removed(self) -> Iterator[tuple[str, bytes]]:
        """Yield the id of each article that is removed with each key that it ever had."""

    # health

    def damage(self) -> tuple[str, ...]:
        """Return what is wrong with the database, a line each."""

    def rebuild_indexes(self) -> None:
        """Make anew what is made of other things in the database; to be called outside of a transaction."""

    def breaches(self) -> tuple[Breach, ...]:
        """Return what contradicts itself in the state."""

    def mend(self, breach: Breach, now: datetime) -> None:
        """Mend what contradicts itself, as far as the state alone can tell what is right."""

    def marked(self) -> frozenset[Node]:
        """Return the nodes whose feeds are stale."""
