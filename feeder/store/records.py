"""What the store takes and gives: how things stood when they were last read, written, told, or held by a node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from feeder.model import EPOCH, Change, Memory, Node, Place, Reading, Shown, Sighting, Status
from feeder.silence import Cause
from feeder.travel import travels


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is kept of a source between polls. `rank` is None once it has left the config."""

    name: str
    rank: int | None
    next_poll: datetime
    is_paused: bool = False
    is_accepted: bool = False
    failures: int = 0
    fingerprint: str | None = None
    last_poll: datetime | None = None
    last_success: datetime | None = None
    error: str | None = None
    failed_with: str | None = None  # the fingerprint of the settings it failed with
    why: str | None = None  # it is polled no earlier than `next_poll`
    memo: str | None = None  # what a URL's last answers told (see `feeder.memo`)


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A place to be read, and how its last reading went: `status` is None and `digest` empty if there was none."""

    place: Place
    digest: bytes = b""
    status: Status | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """How many places a scan found; and which articles, of several documents of the source, lost or got back one."""

    places: int
    shifted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was read at a place, and what became of it. No change: the document is no news, or unreadable."""

    reading: Reading
    change: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An article after a decision. `shown` is None where readers see nothing of it."""

    memory: Memory
    shown: Shown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A node whose feeds are stale. What is removed in the end are the marks with these numbers, and none made since."""

    node: Node
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An article in the feed order of a node."""

    id: str
    published: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBody:
    """A cleaned body, packed; `key` covers its text and all that cleaning depends on."""

    id: str
    key: bytes
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFeed:
    """A node's feed as it was last written: `files` maps a path to its SHA-256 and the output's stamp."""

    node: Node
    fingerprint: str
    updated: datetime
    files: tuple[tuple[str, str, str], ...]
    ids: tuple[str, ...] = ()  # of its entries, when it is saved
    count: int = 0  # of its entries


class Listener(StrEnum):
    """Who is told which files changed."""

    COMMAND = "command"
    HUB = "hub"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePage:
    """A page of the archive, as it was last written and as it is to be."""

    number: int
    changes: int  # so many times since it came to be
    ids: tuple[str, ...]  # of the articles on it, the last that came first
    paths: tuple[str, ...] = ()  # of its files
    before: int | None = None  # the page that is read after this one
    after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """A page of the archive as it was last written; `files` are as those of a feed."""

    number: int
    fingerprint: str
    files: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticlePage:
    """An article's page as it was last written: its SHA-256, and the output's stamp. Without these it is to go."""

    id: str
    digest: str = ""
    stamp: str = ""


class FaultKind(StrEnum):
    """What cannot be published."""

    FEED = "feed"
    INDEXES = "indexes"
    ENTRY = "entry"
    COMMAND = "command"  # that is run after publishing
    HUB = "hub"
    ALERT = "alert"  # the command that is told of silence
    CONFIG = "config"  # as it is written now; the one of before holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that could not be published when it was last tried, and since when for this reason."""

    kind: FaultKind
    subject: str  # the path of a feed's node (see `categories.join_path`), "", or an entry's id
    since: datetime
    reason: str


class AlertKind(StrEnum):
    """Whose silence is told."""

    SOURCE = "source"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is known of a source or a category that is watched. Without a cause, it is as it should be."""

    kind: AlertKind
    subject: str  # a source's name, or a category's path as it is configured
    watched: datetime  # since when
    cause: Cause | None = None
    since: datetime | None = None  # it is as the cause says
    is_told: bool = False  # that there is a cause, to the operator's command


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an article's history."""

    at: datetime
    verdict: str
    source: str
    locator: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A document as the store has it: its stamp, how reading it went, and its sighting if it is an article."""

    source: str
    place: Place
    digest: bytes
    status: str
    reason: str | None
    missing_since: datetime | None
    sighting: Sighting | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of one holder to do a piece of work; `holder` is another one each time it is taken."""

    name: str
    holder: str
    node: str  # for people who look


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A node that works with the state. `facts` is JSON, for people."""

    node: str
    started: datetime
    seen: datetime = EPOCH
    facts: str = "{}"

    @property
    def name(self) -> str:
        """What people call it: `node` without what makes it unique."""
        return self.node.rpartition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Something in which the state contradicts itself."""

    name: str
    told: str  # in words that go behind a number
    found: tuple[str, ...]  # whatever it is about: ids of articles, nodes, paths
