"""What cannot be published, remembered in the state: a line in the log when it begins or changes, and one when it ends."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Final

import structlog

from feeder import categories
from feeder.errors import Replaced
from feeder.log import Flood
from feeder.model import Node
from feeder.store import Store
from feeder.store.records import Fault, FaultKind, Listener

log = structlog.get_logger(__name__)

_TELLINGS: Final = MappingProxyType({Listener.COMMAND: FaultKind.COMMAND, Listener.HUB: FaultKind.HUB})


def failed_feeds(store: Store) -> tuple[Node, ...]:
    """Return the nodes whose feeds could not be written when that was last tried."""
    return tuple(categories.parse_path(fault.subject) for fault in store.faults() if fault.kind is FaultKind.FEED)


class Faults:
    """The faults of the state and those of this publish, which `save` writes."""

    def __init__(self, store: Store, now: datetime) -> None:
        self._store = store
        self._now = now
        self._known = {(fault.kind, fault.subject): fault for fault in store.faults()}
        self._unsaved: set[tuple[FaultKind, str]] = set()
        self._flood = Flood()

    def feed_failed(self, node: Node, error: Exception) -> None:
        """Note that the feed of *node* cannot be written; that another process was faster is nothing to worry about."""
        category, reason = categories.join_path(node), str(error)
        if not self._begins(FaultKind.FEED, category, reason) or not self._flood.lets("feed_failed"):
            return
        if isinstance(error, Replaced):
            log.info("feed_overtaken", category=category, reason=reason)
        else:
            log.error("feed_failed", category=category, reason=reason)

    def feed_mended(self, node: Node) -> None:
        """Note that the feed of *node* is as it should be."""
        if self._ends(FaultKind.FEED, categories.join_path(node)) and self._flood.lets("feed_mended"):
            log.info("feed_mended", category=categories.join_path(node))

    def indexes_failed(self, reason: str) -> None:
        """Note that the lists of all feeds cannot be written."""
        if self._begins(FaultKind.INDEXES, "", reason):
            log.error("indexes_failed", reason=reason)

    def indexes_mended(self) -> None:
        """Note that the lists of all feeds are as they should be."""
        if self._ends(FaultKind.INDEXES, ""):
            log.info("indexes_mended")

    def entry_left_out(self, id_: str, reason: str) -> None:
        """Note that an article cannot be written into feeds."""
        if self._begins(FaultKind.ENTRY, id_, reason) and self._flood.lets("entry_left_out"):
            log.warning("entry_left_out", id=id_, reason=reason)

    def entry_mended(self, id_: str) -> None:
        """Note that an article can be written, or need not be."""
        if self._ends(FaultKind.ENTRY, id_) and self._flood.lets("entry_mended"):
            log.info("entry_mended", id=id_)

    def telling_failed(self, listener: Listener, reason: str) -> None:
        """Note that somebody cannot be told which files changed."""
        if self._begins(_TELLINGS[listener], "", reason):
            log.error("telling_failed", listener=listener.value, reason=reason)

    def telling_mended(self, listener: Listener) -> None:
        """Note that somebody was told, or need not be."""
        if self._ends(_TELLINGS[listener], ""):
            log.info("telling_mended", listener=listener.value)

    def alert_failed(self, reason: str) -> None:
        """Note that the operator's command cannot be told of silence."""
        if self._begins(FaultKind.ALERT, "", reason):
            log.error("alert_failed", reason=reason)

    def alert_mended(self) -> None:
        """Note that it was told, or need not be."""
        if self._ends(FaultKind.ALERT, ""):
            log.info("alert_mended")

    def config_failed(self, reason: str) -> None:
        """Note that the config cannot be taken over as it is written now."""
        self._begins(FaultKind.CONFIG, "", reason)

    def config_mended(self) -> None:
        """Note that the config is the one that is written."""
        self._ends(FaultKind.CONFIG, "")

    def entries(self) -> tuple[str, ...]:
        """Return the ids of the articles that are left out."""
        return tuple(subject for kind, subject in self._known if kind is FaultKind.ENTRY)

    def report_rest(self) -> None:
        """Log how much else there was, of floods of which only the beginning was logged."""
        for event, count in self._flood.rest().items():
            log.warning("events_left_out", left_out=event, count=count)

    def save(self) -> None:
        """Write what is new; inside a transaction, and `saved` behind it."""
        begun = [self._known[about] for about in self._unsaved if about in self._known]
        self._store.save_faults(begun, self._unsaved - self._known.keys())

    def saved(self) -> None:
        """Take it that the transaction was committed; until then, it may have to be done again."""
        self._unsaved.clear()

    def _begins(self, kind: FaultKind, subject: str, reason: str) -> bool:
        known = self._known.get((kind, subject))
        if known and known.reason == reason:
            return False
        self._known[kind, subject] = Fault(kind=kind, subject=subject, since=self._now, reason=reason)
        self._unsaved.add((kind, subject))
        return True

    def _ends(self, kind: FaultKind, subject: str) -> bool:
        if self._known.pop((kind, subject), None) is None:
            return False
        self._unsaved.add((kind, subject))
        return True
