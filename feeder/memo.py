"""What a URL's answers told, kept between polls: where to ask next, with which validators, and how often."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from feeder.model import Answer, ForeignFeed, Pace, SourceKind

LOOK_AGAIN: Final = timedelta(days=1)
_DAY: Final = 86_400  # seconds
SIGHTINGS: Final = 2  # of one permanent redirect, before the new address is asked at once
MOST_NEW: Final = (
    10_000  # items that one source may bring in a day: each is remembered, and a server could make up more and more
)
MOST_NEW_BYTES: Final = 256 << 20  # to be kept of them
MOST_EDITS: Final = 10_000  # items that may change in a day: of each text that a title had, some bytes are remembered
PATIENCE: Final = 3  # failures, before a source is found out anew: its own address is asked, and it may be of any kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What is remembered of a source with a URL.

    `url` is asked in place of the source's own: it moved there for good, or its page announced that feed.
    """

    settings: str | None = None  # the fingerprint of those that it was asked with
    url: str | None = None
    has_moved: bool = False  # to `url`; else its page announced that feed
    looked_at: int | None = None  # seconds since 1970, when that page was last read
    kind: SourceKind = SourceKind.AUTO  # what was found there
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None  # of the last body that was understood, hexadecimal
    moved_to: str | None = None  # by the redirects of the last answer, all of them permanent
    moves: int = 0  # answers in a row that said so
    is_gone: bool = False  # for good, as its server says
    pace: Pace = field(default_factory=Pace)
    warnings: tuple[str, ...] = ()  # of the last answer that was understood
    day: int = 0  # since 1970, on which there came ...
    new: int = 0  # ... so many items, and ...
    new_bytes: int = 0  # ... so much to be kept of them, and ...
    edits: int = 0  # ... so many items that had changed


@lru_cache(maxsize=1024)  # one is looked at several times, from the question to the taking of the answer
def load(text: str | None) -> Memo:
    """Return what `dump` was given; nothing if there is none, or if it is another version's and cannot be read."""
    try:
        return _loaded(json.loads(text or ""))
    except (ValueError, TypeError, KeyError):  # it costs one whole answer
        return Memo()


def dump(memo: Memo) -> str:
    """Return *memo* as text. The times of articles are not kept in it: the state has the articles."""
    pace = {each.name: getattr(memo.pace, each.name) for each in fields(memo.pace) if each.name != "published"}
    values = {each.name: getattr(memo, each.name) for each in fields(memo)}
    return json.dumps(values | {"pace": pace}, default=_plain)


def under(memo: Memo, settings: str) -> Memo:
    """Return *memo*; of one that was made with other settings, only what was found."""
    return memo if memo.settings == settings else Memo(settings=settings, kind=memo.kind)


def answered(memo: Memo, answer: Answer, *, digest: str | None) -> Memo:
    """Return what is remembered after *answer*, whose body has this *digest*; None if nothing came, as nothing changed."""
    moves = memo.moves + 1 if answer.moved_to and answer.moved_to == memo.moved_to else int(answer.moved_to is not None)
    has_moved = moves >= SIGHTINGS
    validators = bool(answer.etag or answer.last_modified)
    pace = replace(
        memo.pace,
        has_validators=validators or digest is None,  # "not modified" shows that it can say so
        fresh_for=answer.fresh_for,
        retry_after=None,
    )
    return replace(
        memo,
        url=answer.moved_to if has_moved else memo.url,
        has_moved=memo.has_moved or has_moved,
        # "Not modified" need not repeat what still holds (RFC 9110, 15.4.5).
        etag=answer.etag or (None if digest else memo.etag),
        last_modified=answer.last_modified or (None if digest else memo.last_modified),
        digest=digest or memo.digest,
        moved_to=None if has_moved else answer.moved_to,
        moves=0 if has_moved else moves,
        is_gone=False,
        pace=pace,
    )


def understood(
    memo: Memo, kind: SourceKind, feed: ForeignFeed | None, *, warnings: tuple[str, ...] = (), url: str | None = None
) -> Memo:
    """Return what is remembered once an answer was read: what it is, and how often its author wants it to be read.

    *url*: where the feed is that its page announced.
    """
    pace = memo.pace
    if feed:
        pace = replace(pace, every=feed.every, skip_hours=feed.skip_hours, skip_days=feed.skip_days)
    return replace(
        memo, kind=kind, url=url or memo.url, has_moved=memo.has_moved and url is None, pace=pace, warnings=warnings
    )


def is_page_due(memo: Memo, last_poll: datetime | None) -> bool:
    """Tell if the page that announced the feed is to be looked at again: it may announce another one by now."""
    if memo.looked_at is None or last_poll is None:
        return False
    return last_poll.timestamp() - memo.looked_at >= LOOK_AGAIN.total_seconds()


def failed(memo: Memo, *, failures: int, is_gone: bool = False, retry_after: timedelta | None = None) -> Memo:
    """Return what is remembered after the *failures*-th failure in a row."""
    kept = (
        memo if failures < PATIENCE else replace(_counted(memo), settings=memo.settings, kind=memo.kind, pace=memo.pace)
    )
    return replace(kept, is_gone=is_gone, pace=replace(kept.pace, retry_after=retry_after))


def spending(memo: Memo, sizes: Iterable[int], now: datetime) -> tuple[int, Memo]:
    """Return how many of the new items, of which so many bytes would be kept, may come today, and *memo* with these."""
    memo = _today(memo, now)
    new, new_bytes = memo.new, memo.new_bytes
    for size in sizes:
        if new >= MOST_NEW or new_bytes + size > MOST_NEW_BYTES:
            break
        new, new_bytes = new + 1, new_bytes + size
    return new - memo.new, replace(memo, new=new, new_bytes=new_bytes)


def editing(memo: Memo, count: int, now: datetime) -> tuple[int, Memo]:
    """Return how many of *count* changed items may change today, and *memo* with these."""
    memo = _today(memo, now)
    taken = min(count, max(MOST_EDITS - memo.edits, 0))
    return taken, replace(memo, edits=memo.edits + taken)


def unread(memo: Memo) -> Memo:
    """Return *memo* without what would spare the next answer to be read, as not all of this one was taken."""
    return replace(memo, etag=None, last_modified=None, digest=None)


def _today(memo: Memo, now: datetime) -> Memo:
    day = int(now.timestamp() // _DAY)
    return memo if memo.day == day else replace(memo, day=day, new=0, new_bytes=0, edits=0)


def _counted(memo: Memo) -> Memo:
    return Memo(day=memo.day, new=memo.new, new_bytes=memo.new_bytes, edits=memo.edits)


def _loaded(known: dict[str, Any]) -> Memo:
    pace: dict[str, Any] = known.pop("pace")
    for name in ("fresh_for", "every", "retry_after"):
        pace[name] = None if pace[name] is None else timedelta(seconds=pace[name])
    for name in ("skip_hours", "skip_days"):
        pace[name] = frozenset(pace[name])
    own = {"kind": SourceKind(known["kind"]), "warnings": tuple(known["warnings"])}
    return Memo(**known | own, pace=Pace(**pace))


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else sorted(value)  # type: ignore[call-overload]
