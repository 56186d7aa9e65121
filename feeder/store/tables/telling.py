"""What others are to be told: of files, faults and silence, and where feeds went."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from feeder.model import Node
from feeder.silence import HOURS, Cause
from feeder.store import rows
from feeder.store.records import Alert, AlertKind, Fault, FaultKind
from feeder.store.tables.ground import Ground


class Telling(Ground):
    """What others are to be told: of files, faults and silence, and where feeds went."""

    def depart(self, left: Mapping[str, Node]) -> None:
        """Note directories as left by the feeds of categories."""
        self._db.write("put_departure", [(directory, rows.texts(node)) for directory, node in left.items()])

    def departures(self) -> Mapping[str, Node]:
        """Return the directories that feeds have left, those left first before others, with their categories."""
        return {directory: rows.labels(identity) for directory, identity in self._db.all("departures")}

    def inherit(self, heirs: Mapping[str, Node]) -> None:
        """Note for directories that were left that they stand for other categories by now."""
        self._db.write("set_departure", [(rows.texts(node), directory) for directory, node in heirs.items()])

    def return_to(self, directories: Iterable[str]) -> None:
        """Forget that directories were left."""
        self._db.write("delete_departure", [(directory,) for directory in directories])

    def tell(self, listeners: Iterable[str], paths: Collection[str]) -> None:
        """Note for each of *listeners* that the files at *paths* changed."""
        self._db.write("put_news", [(listener, path) for listener in listeners for path in paths])

    def news(self, listener: str, limit: int) -> Mapping[str, int]:
        """Return the files that *listener* has not been told of, the first of them, each with the number of its news."""
        return {path: number for number, path in self._db.all("news", listener, limit)}

    def told(self, numbers: Iterable[int]) -> None:
        """Forget news that have been told."""
        self._db.write("delete_news", [(number,) for number in numbers])

    def silence(self, listener: str) -> None:
        """Forget all news for *listener*."""
        self._db.run("silence", listener)

    def faults(self) -> tuple[Fault, ...]:
        """Return what could not be published."""
        return tuple(
            Fault(kind=FaultKind(kind), subject=subject, since=rows.moment(since), reason=reason)
            for kind, subject, since, reason in self._db.all("faults")
        )

    def save_faults(self, begun: Iterable[Fault], ended: Iterable[tuple[FaultKind, str]]) -> None:
        """Note what cannot be published, or for another reason than before, and of what kind and subject that is over."""
        self._db.write("delete_fault", [(kind.value, subject) for kind, subject in ended])
        self._db.write("put_fault", [(f.kind.value, f.subject, rows.seconds(f.since), f.reason) for f in begun])

    def alerts(self) -> tuple[Alert, ...]:
        """Return what is known of all that is watched."""
        return tuple(
            Alert(
                kind=AlertKind(kind),
                subject=subject,
                watched=rows.moment(watched),
                cause=Cause(cause) if cause else None,
                since=rows.moment_or_none(since),
                is_told=bool(told),
            )
            for kind, subject, watched, cause, since, told in self._db.all("alerts")
        )

    def save_alerts(self, alerts: Iterable[Alert], gone: Iterable[tuple[AlertKind, str]] = ()) -> None:
        """Note how something that is watched is, and what is not watched any more."""
        self._db.write("delete_alert", [(kind.value, subject) for kind, subject in gone])
        self._db.write(
            "put_alert",
            [
                (
                    each.kind.value,
                    each.subject,
                    rows.seconds(each.watched),
                    each.cause.value if each.cause else None,
                    rows.seconds_or_none(each.since),
                    each.is_told,
                )
                for each in alerts
            ],
        )

    def rhythm_of_source(self, name: str, now: datetime) -> tuple[datetime, ...]:
        """Return when a source's articles were published, up to *now*: the last of each hour, newest first."""
        found = self._db.all("rhythm_of_source", name, rows.seconds(now), HOURS)
        return tuple(rows.moment(published) for (published,) in found)

    def rhythm_of_node(self, node: Node, now: datetime) -> tuple[datetime, ...]:
        """Return when a node's articles were published, likewise."""
        found = self._db.all("rhythm_of_node", rows.texts(node), rows.seconds(now), HOURS)
        return tuple(rows.moment(published) for (published,) in found)
