"""The nouns: frozen values without behaviour. Every datetime is aware, in UTC and of whole seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from feeder.travel import travels

CategoryPath: TypeAlias = tuple[str, ...]
"""Labels from the top down, as shown to people: ``("金融", "新浪财经")``."""

Node: TypeAlias = tuple[str, ...]
"""The identity of a category: its labels after folding (see `categories.identity`). ``()`` is the whole site."""

RawTree: TypeAlias = "str | tuple[RawTree, ...]"
"""A value of the front matter as written: text, or a list of such values."""

UTC_ZONE = ZoneInfo("UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AlertAfter: TypeAlias = timedelta | Literal["auto"]
"""How long a source or a category may be silent before that is told; "auto": longer than its rhythm suggests."""

PATH_MARK = " › "  # between the labels of a path, where people read it
DEFAULT_INCLUDE = ("*.md", "*.markdown", "*.html", "*.txt")


# ---------------------------------------------------------------- settings


class Dialect(StrEnum):
    """Whose field names and habits a document follows."""

    AUTO = "auto"
    HEXO = "hexo"
    JEKYLL = "jekyll"
    HUGO = "hugo"
    PELICAN = "pelican"
    ELEVENTY = "eleventy"
    ASTRO = "astro"
    OBSIDIAN = "obsidian"


class CategoryMode(StrEnum):
    """What a list of category names means: one path, or as many paths as names."""

    PATH = "path"
    FLAT = "flat"


class CategoryFrom(StrEnum):
    """Where an article's categories are taken from."""

    FIELDS = "fields"
    PATH = "path"


class DatePolicy(StrEnum):
    """How far the dates of a source are believed.

    AUTO: a date without a zone may be the stamp of a generator's run. TRUST: it is as good as any.
    IGNORE: dates are not read; the time of first sight stands in.
    """

    AUTO = "auto"
    TRUST = "trust"
    IGNORE = "ignore"


class FuturePolicy(StrEnum):
    """What happens to an article dated up to a day ahead; anything later is always held."""

    SHOW = "show"
    HOLD = "hold"


class ImagePolicy(StrEnum):
    """Whether an article's picture is taken (from its fields, else its body), or none is shown."""

    AUTO = "auto"
    FIELDS = "fields"
    NONE = "none"


class DedupScope(StrEnum):
    """Among which articles one with the same title and date counts as a copy."""

    SITE = "site"
    SOURCE = "source"
    OFF = "off"


class Watch(StrEnum):
    """Whether changes in a directory are looked at as they happen, and not only at polls."""

    AUTO = "auto"  # unless other machines may change it unheard, as on NFS
    ON = "on"
    OFF = "off"


class SourceKind(StrEnum):
    """What a URL leads to. AUTO: found by what comes back."""

    AUTO = "auto"
    FEED = "feed"
    PAGE = "page"  # HTML, read by the selectors of the source
    DOCUMENT = "document"  # one front-matter document
    ARCHIVE = "archive"  # a tree in a .tar.gz


class OnRemove(StrEnum):
    """What becomes of the articles of a source that leaves the config."""

    WITHDRAW = "withdraw"
    KEEP = "keep"


class ContentPolicy(StrEnum):
    """How much of an article a feed carries."""

    FULL = "full"
    SUMMARY = "summary"


class Format(StrEnum):
    """A feed format; the value is the name in the config."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySettings:
    """What ``[categories."A/B"]`` says of one category."""

    path: CategoryPath
    title: str | None = None
    slug: str | None = None
    description: str | None = None
    language: str | None = None
    entries: int | None = None
    same_as: CategoryPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A line of ``[redirects]``: decoded paths behind the host, which may hold ``{slug}`` and ``{path}``."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the config says of the whole site."""

    title: str
    url: str  # absolute, ends with "/"
    id: str  # RFC 4151 authority and date: "feeds.example.org,2026"
    author: str
    language: str = "en"
    timezone: ZoneInfo = UTC_ZONE
    zones: tuple[tuple[str, timedelta], ...] = ()  # [dates.zones]: upper-case name -> offset from UTC
    never_merge: tuple[str, ...] = ()  # [dedup] never: titles as written
    categories: tuple[CategorySettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """What ``[feeds]`` says."""

    formats: tuple[Format, ...] = (Format.ATOM, Format.RSS, Format.JSON)
    entries: int = 50
    window: timedelta = timedelta(days=2)
    max_entries: int = 500
    content: ContentPolicy = ContentPolicy.FULL
    settle: timedelta = timedelta(seconds=10)
    hub: str | None = None  # [websub]
    archive: int = 20_000  # articles that the archive of the site's feed holds; 0: there is none
    deletions: timedelta = timedelta(days=30)  # how long a feed tells that an entry has gone


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """What ``[pages]`` says."""

    articles: bool = True  # an article without a link gets a page of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """CSS selectors that find articles on a page: `item` from its root, the others inside each item."""

    item: str
    title: str | None = None  # None: the item's first heading, else its link's text
    link: str | None = None  # None: the first link, that of the title before others
    date: str | None = None  # None: the first <time>
    body: str | None = None
    image: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """Regular expressions as RE2 has them, for fields of an article; capitals make no difference."""

    title: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    category: tuple[str, ...] = ()  # of each path: "金融/新浪财经"
    link: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place articles are polled from, with every default filled in."""

    name: str
    order: int  # its place in the config; smaller wins among copies
    path: Path | None = None
    url: str | None = None
    enabled: bool = True
    interval: timedelta = timedelta(minutes=10)
    cron: str | None = None
    watch: Watch = Watch.AUTO
    dialect: Dialect = Dialect.AUTO
    include: tuple[str, ...] = DEFAULT_INCLUDE
    exclude: tuple[str, ...] = ()
    require_front_matter: bool = True
    timezone: ZoneInfo = UTC_ZONE  # of dates without a zone
    language: str | None = None  # None: the site's
    dates: DatePolicy = DatePolicy.AUTO
    date_offset: timedelta = timedelta()
    future: FuturePolicy = FuturePolicy.SHOW
    category: CategoryPath = ()  # for articles that bring none
    category_mode: CategoryMode | None = None  # None: as the dialect has it
    category_from: CategoryFrom = CategoryFrom.FIELDS
    fields: tuple[tuple[str, str], ...] = ()  # our word -> the front matter's key
    author: str | None = None
    permalink: str | None = None  # template: "https://example.org/{year}/{slug}/"
    base_url: str | None = None  # what relative links in bodies are relative to
    image: ImagePolicy = ImagePolicy.AUTO
    remove: tuple[str, ...] = ()  # CSS selectors
    only: Patterns | None = None  # of the articles that are wanted
    without: Patterns | None = None  # of those that are not; it beats `only`
    keep_deleted: bool = False
    withdraw_after: timedelta = timedelta(minutes=30)
    on_remove: OnRemove = OnRemove.WITHDRAW
    was: str | None = None
    dedup: DedupScope = DedupScope.SITE
    limit: int | None = None  # entries of this source in one feed
    max_categories: int | None = None  # of its own; None: any number
    content: ContentPolicy | None = None  # None: the feeds'
    rights: str | None = None
    attribution: str | None = None
    alert_after: AlertAfter | None = None  # None: its silence is nobody's concern
    # Of a URL:
    kind: SourceKind = SourceKind.AUTO
    select: Select | None = None
    is_adaptive: bool = False  # interval = "auto"
    min_interval: timedelta | None = None  # None: ten minutes, an hour from a server without validators
    max_interval: timedelta = timedelta(days=1)
    timeout: timedelta = timedelta(seconds=20)  # of one whole exchange, redirects included
    max_size: int = 15 << 20  # bytes, decoded
    allow_private: tuple[str, ...] = ()  # networks ("10.0.3.7/32") that may be reached though they are not public
    headers: tuple[tuple[str, str], ...] = ()  # a value may name a secret: "env:NAME", "credential:NAME"
    auth: str | None = None  # "basic:" or "bearer:" and the name of a secret: "basic:env:PARTNER" holds "user:password"
    cookies: str | None = None  # the name of a secret that holds the Cookie header
    proxy: str | None = None
    tls_ca: Path | None = None  # certificates to be trusted in place of the system's
    keep_ids: bool = False
    first: int = 50  # entries that a new source brings, the newest

    @property
    def is_of_another(self) -> bool:
        """Whether its articles are from the web, be it by way of an archive that was unpacked here."""
        return self.url is not None or self.kind is SourceKind.ARCHIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What the answers of a URL source tell of when to come again. The last ones; `published` is of all of them."""

    has_validators: bool | None = None  # an ETag or a Last-Modified; None: nothing has been answered yet
    fresh_for: timedelta | None = None  # as its server says
    every: timedelta | None = None  # this and the next two: as the feed says, see `ForeignFeed`
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()
    retry_after: timedelta | None = None  # only of the very last answer
    published: tuple[datetime, ...] = ()  # of its newest articles, in any order


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When a source is polled next, and why not earlier, in a few words."""

    at: datetime
    why: str


# ---------------------------------------------------------------- fetching and parsing


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A document that a source holds now, and the stamp that moves when it may have changed, if it lies in a file."""

    locator: str
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """A part of a source that could not be listed: what lies below is unknown, not gone."""

    locator: str  # "" for the whole source, else a prefix that ends with "/"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Bytes as they were found at *locator*; nothing is decoded yet."""

    locator: str
    body: bytes
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered to a GET. Header values are as sent; nothing of `body` is read yet."""

    status: int  # 200 or 304
    url: str  # after all redirects; without user and password
    moved_to: str | None = None  # where 301 and 308 alone, from the first hop on, lead
    body: bytes = b""  # without its content coding
    media_type: str | None = None  # lower case, without parameters
    charset: str | None = None  # as the Content-Type says
    etag: str | None = None
    last_modified: str | None = None
    fresh_for: timedelta | None = None  # Cache-Control: max-age, else Expires - Date
    links: tuple[tuple[str, str], ...] = ()  # (rel, absolute address) of its Link headers


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The feed that an item was first published in."""

    id: str | None = None
    title: str | None = None
    url: str | None = None  # of the feed
    home: str | None = None  # of its site
    author: str | None = None
    rights: str | None = None


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that comes with an item."""

    url: str
    media_type: str | None = None
    length: int | None = None  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RawItem:
    """An article as written: untrusted text, fields under our names, nothing cleaned."""

    locator: str
    dialect: Dialect
    title: str | None = None
    date: str | None = None
    updated: str | None = None
    categories: RawTree | None = None
    tags: tuple[str, ...] = ()
    author: str | None = None
    image: str | None = None
    link: str | None = None
    slug: str | None = None
    guid: str | None = None
    summary: str | None = None
    left_out: str | None = None  # why its author does not want it shown: "draft", "published: false"
    body: str = ""
    is_html: bool = False  # the body is HTML for certain, whatever its locator ends in
    base_url: str | None = None  # what relative addresses of the item are relative to; None: the source's
    origin: Origin | None = None  # None: the source itself
    rights: str | None = None
    language: str | None = None
    enclosures: tuple[Enclosure, ...] = ()
    warnings: tuple[str, ...] = ()  # for people: "line 3: not valid YAML; read line by line"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFeed:
    """A feed of somebody else's, read. Texts are plain and untrusted, addresses are absolute."""

    origin: Origin
    items: tuple[RawItem, ...]  # as they stand in the feed; their locator is the guid, else the link
    every: timedelta | None = None  # not to be asked for more often: <ttl>, sy:updatePeriod
    skip_hours: frozenset[int] = frozenset()  # of UTC
    skip_days: frozenset[int] = frozenset()  # of UTC; Monday is 0
    moved_to: str | None = None  # itunes:new-feed-url and the like
    warnings: tuple[str, ...] = ()


# ---------------------------------------------------------------- articles


class Dating(StrEnum):
    """How an item was dated. NONE: no date that can be used."""

    ZONED = "zoned"
    NAIVE = "naive"
    NONE = "none"


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An item after normalizing: clean text, UTC times, category paths, hashes. It knows nothing of time or place."""

    title: str
    title_key: str
    published: datetime | None
    day: date | None  # of `published`, in the site's time zone
    dating: Dating
    updated: datetime | None = None
    categories: tuple[CategoryPath, ...] = ()
    tags: tuple[str, ...] = ()
    author: str | None = None
    image: str | None = None
    link: str | None = None
    guid: str | None = None
    summary: str | None = None
    origin: Origin | None = None
    rights: str | None = None
    language: str | None = None
    enclosures: tuple[Enclosure, ...] = ()  # each address once
    body_hash: bytes
    text_hash: bytes
    item_hash: bytes


class Status(StrEnum):
    """What reading a document came to."""

    GOOD = "good"
    LEFT_OUT = "left_out"  # its author says so: a draft, hidden
    BROKEN = "broken"  # cannot be read; its last good sighting stands
    UNSETTLED = "unsettled"  # being written just now; look again in a moment, and at the next poll
    UNREADABLE = "unreadable"  # cannot be opened; look again at the next poll, since its stamp will not tell
    SAME = "same"  # the bytes are those that were read before


REJECTED = (Status.BROKEN, Status.UNSETTLED, Status.UNREADABLE)


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read at one place. `article` is there exactly when the status is GOOD."""

    place: Place
    status: Status
    digest: bytes = b""  # of the bytes read
    article: Article | None = None
    keys: tuple[bytes, ...] = ()  # of the article (see `dedup.keys`)
    waiting: tuple[bytes, ...] = ()  # likewise (see `dedup.waiting_keys`)
    reason: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An article seen at a locator, as last read there."""

    source: str
    locator: str
    id: str
    article: Article
    first_seen: datetime
    published: datetime  # as believed: a stamp is ignored, a missing date is the first sight
    text_since: datetime | None = None  # None: the text is the first that was seen
    dated_since: datetime | None = None  # when `published` was first read; None: at the first sight
    missing_since: datetime | None = None  # the first of the last scans that did not find it; it may come back


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is kept of an article beyond its sightings, for good."""

    id: str
    first_seen: datetime
    adopted: datetime | None = None  # the date that subscribers have, from a feed of before
    link: str | None = None  # that subscribers have; for an article that brings none and has no template
    text_hash: bytes | None = None  # of the text last shown
    text_since: datetime | None = None
    removed: bool = False  # taken down


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An article as readers see it: the winner's fields, the union of the categories."""

    id: str
    source: str  # the winner's
    locator: str  # the winner's
    article: Article  # the winner's
    published: datetime
    updated: datetime
    categories: tuple[CategoryPath, ...]
    text_since: datetime | None = None
    held: bool = False  # not before `published`


class Verdict(StrEnum):
    """What became of an item."""

    UNCHANGED = "unchanged"
    NEW = "new"
    RETURNED = "returned"
    UPDATED = "updated"
    CORRECTED = "corrected"
    RENAMED = "renamed"
    MERGED = "merged"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A verdict on one sighting, and what the store must write for it."""

    verdict: Verdict
    locator: str
    sighting: Sighting | None  # None: the locator holds nothing any more
    keys: tuple[bytes, ...] = ()  # the sighting's keys, the one its id was minted from first
    taken: tuple[bytes, ...] = ()  # of the keys, what another article had before
    was_locator: str | None = None  # before a rename
    was_id: str | None = None  # the article that loses this sighting
    note: str | None = None


# ---------------------------------------------------------------- feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A cleaned body. `content` is safe HTML; `summary` is plain text; `image` is its first picture."""

    content: str
    summary: str
    image: str | None = None


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A node of the tree with all that a feed says of it."""

    node: Node
    labels: CategoryPath
    slugs: tuple[str, ...]
    description: str | None = None
    language: str | None = None
    title: str | None = None  # from the config, in place of the joined labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An article's picture. Its type is known by its file extension, or not at all."""

    url: str
    media_type: str | None = None
    in_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An article inside a feed, ready to be written; it reads the same in every feed."""

    id: str  # the full IRI
    title: str
    link: str | None
    published: datetime
    updated: datetime
    author: str | None
    categories: tuple[Category, ...]  # every level of every path, parents first, no repeats
    tags: tuple[str, ...] = ()
    language: str | None = None  # only if it is not the site's
    picture: Picture | None = None
    summary: str = ""
    content: str | None = None  # None: the feed carries summaries
    rights: str | None = None
    origin: Origin | None = None
    enclosures: tuple[Enclosure, ...] = ()  # the picture is not among them, but for one that the article encloses
    own_page: str | None = None  # safe HTML: what stands on the page that `link` leads to, if that is one of ours
    is_republished: bool = False  # it was found on the web


@travels
@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEntry:
    """One entry as the bytes that each feed joins; empty in a format that was not asked for."""

    id: str
    updated: datetime
    atom: bytes = b""
    rss: bytes = b""
    json: bytes = b""
    page: bytes
    article: bytes = b""  # the page of its own, if it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a category holds, with all below it: how many articles, and when the newest was published."""

    articles: int
    newest: datetime
    title: str  # of the newest
    days: tuple[int, ...] = ()  # articles on each of the last days before the site's newest, if they were counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A category as the page of one above it lists it."""

    category: Category
    tally: Tally
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """An entry that a feed held and that readers see no more."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """A feed to be rendered: what it says of itself, and its entries, newest first."""

    category: Category
    id: str  # tag IRI
    title: str
    subtitle: str | None
    language: str
    author: str
    home: str  # absolute URL of the page
    feeds: tuple[tuple[Format, str], ...]  # absolute URL of each format
    updated: datetime
    hub: str | None = None
    rights: str | None = None
    parents: tuple[tuple[str, str], ...] = ()  # (label, URL), from the site down
    tally: Tally | None = None
    branches: tuple[Branch, ...] = ()  # right below it; on the site's page, all levels
    entries: tuple[RenderedEntry, ...] = ()
    deletions: tuple[Deletion, ...] = ()  # newest first
    is_archive: bool = False  # a page of the feed's archive (RFC 5005, 4)
    history: tuple[tuple[str, tuple[tuple[Format, str], ...]], ...] = ()  # relation -> absolute URL of each format


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFile:
    """A file to be published. `path` is relative to the output root, with "/" between its parts."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRecord:
    """A published feed, as ``feeds.json`` and ``feeds.opml`` list it."""

    category: Category
    id: str
    title: str
    updated: datetime
    entries: int
    home: str
    feeds: tuple[tuple[Format, str], ...]
    digests: tuple[tuple[Format, str], ...]  # SHA-256, hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something a person should know: where it is and what is wrong with it."""

    where: str
    reason: str
    fields: tuple[tuple[str, str], ...] = field(default=())
