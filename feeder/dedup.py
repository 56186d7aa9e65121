"""Which items are one article, and what became of each. Decides, does nothing.

A sighting is an article seen at a locator. The article shown is a pure function of its current sightings;
beyond them only a `Memory` is kept: the id, the keys, the first sight, and when the text last changed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from urllib.parse import unquote

from feeder import normalize
from feeder.model import (
    Article,
    CategoryPath,
    Change,
    Dating,
    DedupScope,
    FuturePolicy,
    Memory,
    Shown,
    Sighting,
    Site,
    Source,
    Verdict,
)

AHEAD = timedelta(hours=24)  # zones are often wrong, by less than a day
GUARD_SHARE = 5  # more than a fifth of a source ...
GUARD_COUNT = 20  # ... and over 20 articles vanishing at once look like a fault, not like an editor
SCANS = 2  # a locator must be missed in so many scans
UNRANKED = 1 << 30  # of a source that has left the config
_DIGITS = "0123456789abcdefghijklmnopqrstuv"  # base32hex
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_SHIFTS = tuple(range(120, -1, -10))
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[^\s<>\"{}|\\^`]{3,}")
_ACTIVE = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)  # some readers make a link of an id
EMPTY_BODY = normalize.body_hash("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An item as read now, with what `keys` and `waiting_keys` say of it.

    `same_bytes`: the document is as before, and is read again under other settings.
    """

    locator: str
    article: Article
    keys: tuple[bytes, ...]
    waiting: tuple[bytes, ...]
    same_bytes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows that touches a batch of candidates of one source."""

    sightings: Mapping[str, Sighting] = field(default_factory=dict)  # by locator
    vanished: tuple[Sighting, ...] = ()  # of this source, at locators that are not there any more
    owners: Mapping[bytes, str] = field(default_factory=dict)  # key -> id
    memories: Mapping[str, Memory] = field(default_factory=dict)  # id -> memory
    copies: Mapping[str, tuple[Sighting, ...]] = field(default_factory=dict)  # id -> its current sightings
    present: frozenset[str] | None = None  # the locators in a feed or on a page; None: it is no such window


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the config says of deciding. `prefix` is what minted ids begin with."""

    prefix: str
    never: frozenset[str] = frozenset()  # title keys that are never shared
    ranks: Mapping[str, int] = field(default_factory=dict)  # source name -> place in the config
    future: Mapping[str, FuturePolicy] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()  # sources that are turned off


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The changes, in the candidates' order, and every article they touched with all its sightings now."""

    changes: tuple[Change, ...]
    memories: tuple[Memory, ...]
    copies: Mapping[str, tuple[Sighting, ...]]


# ---------------------------------------------------------------- keys and ids


def keys(article: Article, *, source: Source, locator: str, never: frozenset[str] = frozenset()) -> tuple[bytes, ...]:
    """Return the keys of *article*: two sightings that share one are one article. An id is minted from the first."""
    scope = _scope(article, source=source, locator=locator, never=never)
    found = []
    if article.day:
        found.append(_key("day", *scope, article.title_key, article.day.isoformat()))
    if article.guid:
        found.append(_key("guid", source.name, article.guid))
    if article.dating is not Dating.ZONED:
        found.append(_key("text", *scope, article.title_key, article.text_hash.hex()))
    elif source.url and article.published:
        found.append(_key("moment", *scope, article.published.isoformat(), article.text_hash.hex()))
    return tuple(found)


def never_shared(site: Site) -> frozenset[str]:
    """Return the title keys that the config says are never shared."""
    return frozenset(map(normalize.title_key, site.never_merge))


def adopted_keys(*, title_key: str | None, day: str | None, link: str | None) -> tuple[bytes, ...]:
    """Return the keys under which an entry of a feed that already has subscribers waits for its article.

    An entry with a day waits for an article without one as well: its generator had the date from elsewhere.
    """
    found = [_key("link", address(link))] if link else []
    if title_key:
        found += [_key("title", title_key, each) for each in dict.fromkeys((day or "", ""))]
    return tuple(found)


def waiting_keys(article: Article) -> tuple[bytes, ...]:
    """Return the keys by which *article*, in whatever scope, finds an adopted entry that waits for it."""
    given = (given_key(article.guid),) if article.guid else ()
    linked = (_key("link", address(article.link)),) if article.link else ()
    return (*given, *linked, _key("title", article.title_key, article.day.isoformat() if article.day else ""))


def given_key(guid: str) -> bytes:
    """Return the key by which an entry waits for the article that itself says which one it is."""
    return _key("given", guid)


def mint(key: bytes, prefix: str) -> str:
    """Return the permanent id made from *key*: 26 characters of base32hex (RFC 4648, 7), which sort as the bytes do."""
    number = int.from_bytes(key, "big") << 2  # 128 bits and two of padding are 13 pairs of characters
    return prefix + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def minted_key(id_: str, prefix: str) -> bytes | None:
    """Return the key that *id_* was minted from, or None if it was not."""
    try:
        key = base64.b32hexdecode(id_.removeprefix(prefix).upper() + "======")
    except ValueError:
        return None
    return key if mint(key, prefix) == id_ else None


def address(link: str) -> str:
    """Return what stays of an address when a site moves to https or tidies its links."""
    _, _, rest = link.partition("://")
    host, _, path = rest.partition("#")[0].partition("/")
    return f"{host.lower()}/{unquote(path).removesuffix('index.html').rstrip('/')}"


def _scope(article: Article, *, source: Source, locator: str, never: frozenset[str]) -> tuple[str, ...]:
    if source.dedup is DedupScope.OFF or article.title_key in never:
        return ("document", source.name, locator, article.text_hash.hex() if not article.day else "")
    return ("source", source.name) if source.dedup is DedupScope.SOURCE else ()


def _key(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


# ---------------------------------------------------------------- deciding


def decide(candidates: Iterable[Candidate], known: Known, *, source: Source, rules: Rules, now: datetime) -> Decision:
    """Return what became of each of *candidates*, in order; later ones see what earlier ones did."""
    batch = tuple(candidates)
    desk = _Desk.of(known, source=source, rules=rules, now=now)
    desk.claims = {(_trace(c.article), c.article.title_key) for c in batch if c.locator not in known.sightings}
    changes = tuple(_decide_one(candidate, desk) for candidate in batch)
    return Decision(
        changes=changes,
        memories=tuple(desk.memories[id_] for id_ in sorted(desk.touched)),
        copies={id_: tuple(desk.copies.get(id_, {}).values()) for id_ in sorted(desk.touched)},
    )


@dataclass(slots=True, kw_only=True)
class _Desk:
    """The one mutable thing: what is known, as the decisions of this batch change it."""

    source: Source
    rules: Rules
    now: datetime
    sightings: dict[str, Sighting]
    vanished: dict[tuple[object, ...], list[Sighting]]
    owners: dict[bytes, str]
    memories: dict[str, Memory]
    copies: dict[str, dict[tuple[str, str], Sighting]]
    present: frozenset[str] | None
    claims: set[tuple[object, ...]] = field(default_factory=set)  # what unknown locators bring: trace and title
    touched: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, known: Known, *, source: Source, rules: Rules, now: datetime) -> _Desk:
        return cls(
            source=source,
            rules=rules,
            now=now,
            sightings=dict(known.sightings),
            vanished=_by_trace(known.vanished),
            owners=dict(known.owners),
            memories=dict(known.memories),
            copies={id_: {(s.source, s.locator): s for s in group} for id_, group in known.copies.items()},
            present=known.present,
        )


def _decide_one(candidate: Candidate, desk: _Desk) -> Change:
    before = desk.sightings.get(candidate.locator)
    moved_from = None if before else _renamed(candidate, desk) or _reissued(candidate, desk)
    prior = before or moved_from
    article = _not_ahead(candidate.article, desk.now)
    if before and not candidate.same_bytes and _same(before, article):
        return Change(verdict=Verdict.UNCHANGED, locator=candidate.locator, sighting=before)
    if prior:
        change = _decide_known(replace(candidate, article=article), prior, desk)
    elif desk.owners.keys().isdisjoint(candidate.keys + candidate.waiting):
        change = _decide_new(candidate, article, desk)
    else:
        change = _decide_unknown(candidate.locator, article, candidate.keys, desk)
    return _carry_out(change, prior, desk)


def _same(prior: Sighting, article: Article) -> bool:
    return prior.article.item_hash == article.item_hash and _date(prior.article) == _date(article)


def _date(article: Article) -> tuple[Dating, datetime | None]:
    return article.dating, article.published


def _not_ahead(article: Article, now: datetime) -> Article:
    return replace(article, updated=None) if article.updated and article.updated > now else article


def _decide_known(candidate: Candidate, prior: Sighting, desk: _Desk) -> Change:
    """Apply the table for a locator whose sighting is known."""
    article, published = _believed(candidate, prior, desk)
    read = candidate.keys if article is candidate.article else _keys(article, candidate.locator, desk)
    own = _own(article, read, desk)
    owner = prior.id if _keeps_id(candidate, article, prior) else _owner(article, own, desk, heir=prior.id)
    if _is_replaced(candidate, article, prior) and owner != prior.id:
        change = _decide_unknown(candidate.locator, candidate.article, candidate.keys, desk)
        return replace(change, verdict=Verdict.REPLACED, was_id=prior.id)
    is_split = _is_split(candidate, prior, desk)
    if is_split:
        owner = _owner(replace(article, guid=None), _without_guid(article, own, desk), desk, heir=prior.id)
    id_ = owner or (_new_id(article, own[0], desk.owners.get(own[0]), desk) if is_split else prior.id)
    sighting = Sighting(
        source=desk.source.name,
        locator=candidate.locator,
        id=id_,
        article=article,
        first_seen=prior.first_seen,
        published=published,
        text_since=_text_since(id_, article, prior, desk, same_bytes=candidate.same_bytes),
        dated_since=prior.dated_since if published == prior.published else _dated_since(id_, published, prior, desk),
    )
    return Change(
        verdict=_arrival(owner, desk) if is_split and id_ != prior.id else _verdict(sighting, prior),
        locator=candidate.locator,
        sighting=sighting,
        keys=own,
        taken=(*_taken(article, own, id_, desk), *(_given(article, desk) if is_split else ())),
        note=f"the settings keep it apart from {prior.id}" if is_split and id_ != prior.id else None,
        was_locator=prior.locator if prior.locator != candidate.locator else None,
        was_id=prior.id if prior.id != id_ else None,
    )


def _keeps_id(candidate: Candidate, article: Article, prior: Sighting) -> bool:
    """Tell if no key of another article may move the sighting: its own are as they were, or settings moved its day."""
    old = prior.article
    if candidate.same_bytes:
        return article.day != old.day
    alike = (article.title_key, article.day, article.guid) == (old.title_key, old.day, old.guid)
    return alike and (article.day is not None or article.text_hash == old.text_hash)


def _believed(candidate: Candidate, prior: Sighting, desk: _Desk) -> tuple[Article, datetime]:
    """Return the article and its date as believed: a date that was lost stands, and a stamp moves no day."""
    article, old = candidate.article, prior.article
    if desk.source.url and _is_redated(candidate, prior):
        return replace(article, published=old.published, day=old.day), prior.published
    if article.dating is Dating.NONE and old.dating is not Dating.NONE and not _is_new_text(article, old):
        return replace(article, published=old.published, day=old.day, dating=old.dating), prior.published
    if _is_stamp(candidate, prior, desk.now):
        return replace(article, day=old.day), prior.published
    return article, article.published or prior.published


def _is_redated(candidate: Candidate, prior: Sighting) -> bool:
    """Tell if the date is that of the last change, as in feeds that know no other: an edit is no new article."""
    article, old = candidate.article, prior.article
    if not article.guid or article.guid != old.guid or not article.published or not old.published:
        return False
    return article.published == article.updated and old.published < article.published and old.updated is not None


def _is_stamp(candidate: Candidate, prior: Sighting, now: datetime) -> bool:
    """A date without a zone that claims to be younger than our copy of the same text is a generator's run."""
    article, old = candidate.article, prior.article
    if not article.published or {article.dating, old.dating} != {Dating.NAIVE}:
        return False
    if candidate.same_bytes or article.published == old.published:
        return prior.published != old.published  # the same date again: a stamp if it was one
    if article.day != old.day and _is_other_text(article, old):
        return False
    return prior.first_seen < article.published <= now + AHEAD


def _is_other_text(article: Article, old: Article) -> bool:
    """Tell if the body is another; without one, the title has to tell."""
    if article.body_hash == old.body_hash == EMPTY_BODY:
        return article.title_key != old.title_key
    return article.body_hash != old.body_hash


def _is_new_text(article: Article, old: Article) -> bool:
    return article.title_key != old.title_key and article.body_hash != old.body_hash


def _is_replaced(candidate: Candidate, article: Article, prior: Sighting) -> bool:
    """Another day and another text, or nothing in common at all: a new article at a reused place."""
    old = prior.article
    if candidate.same_bytes or (article.guid and article.guid == old.guid):
        return False
    if article.day and old.day and article.day == old.day:
        return False
    if article.day and old.day:
        return _is_other_text(article, old)
    return _is_new_text(article, old)


def _is_split(candidate: Candidate, prior: Sighting, desk: _Desk) -> bool:
    """Tell if the settings now keep apart what they merged: then all copies but the winner become articles of their own."""
    scope = _scope(candidate.article, source=desk.source, locator=candidate.locator, never=desk.rules.never)
    if not candidate.same_bytes or not scope:
        return False
    copies = (c for c in desk.copies.get(prior.id, {}).values() if c != prior and not _has_one_guid(c, prior))
    strangers = [c for c in copies if c.source != prior.source or scope[0] == "document"]
    return any(_rank(stranger, desk.rules) < _rank(prior, desk.rules) for stranger in strangers)


def _has_one_guid(copy: Sighting, prior: Sighting) -> bool:
    return copy.source == prior.source and copy.article.guid is not None and copy.article.guid == prior.article.guid


def _without_guid(article: Article, own: tuple[bytes, ...], desk: _Desk) -> tuple[bytes, ...]:
    return tuple(key for key in own if key not in _given(article, desk))


def _verdict(sighting: Sighting, prior: Sighting) -> Verdict:
    if sighting.id != prior.id:
        return Verdict.MERGED
    if sighting.locator != prior.locator:
        return Verdict.RENAMED
    article, old = sighting.article, prior.article
    has_moved = (article.dating, sighting.published) != (old.dating, prior.published)
    if has_moved and article.text_hash == old.text_hash:
        return Verdict.CORRECTED
    stamped = replace(prior, article=replace(old, published=article.published))
    return Verdict.UNCHANGED if sighting == stamped else Verdict.UPDATED


def _decide_new(candidate: Candidate, article: Article, desk: _Desk) -> Change:
    """Decide as `_decide_unknown` does where nobody knows a key of the article: most are like that."""
    id_ = _new_id(article, candidate.keys[0], None, desk)
    sighting = Sighting(
        source=desk.source.name,
        locator=candidate.locator,
        id=id_,
        article=article,
        first_seen=desk.now,
        published=article.published or desk.now,
    )
    keys_ = _with_id(candidate.keys, id_, article)
    return Change(verdict=Verdict.NEW, locator=candidate.locator, sighting=sighting, keys=keys_)


def _decide_unknown(locator: str, article: Article, read: tuple[bytes, ...], desk: _Desk) -> Change:
    own = _own(article, read, desk)
    owner = _owner(article, own, desk) or _adopted(article, desk)
    former = desk.owners.get(own[0])
    sighting = _first_sighting(locator, article, owner or _new_id(article, own[0], former, desk), desk)
    known = own if sighting.article is article else _keys(sighting.article, locator, desk)
    return Change(
        verdict=_arrival(owner, desk),
        locator=locator,
        sighting=sighting,
        keys=_with_id(known, sighting.id, article),
        taken=_taken(article, own, sighting.id, desk),
        note=f"title and day were those of {former} before" if former and not owner else None,
    )


def _own(article: Article, own: tuple[bytes, ...], desk: _Desk) -> tuple[bytes, ...]:
    """Return the keys of *article* without title and day where another entry of its feed has these: an hourly report."""
    if desk.source.url is None or not article.guid or not article.day:
        return own
    owner = desk.owners.get(own[0], "")
    if desk.owners.get(own[-1], owner) != owner:  # it is known, of that very moment
        return own[1:]
    return own[1:] if any(_is_another(copy, article, desk) for copy in desk.copies.get(owner, {}).values()) else own


def _is_another(copy: Sighting, article: Article, desk: _Desk) -> bool:
    old = copy.article
    if copy.source != desk.source.name or not old.guid:
        return False
    return old.guid != article.guid and old.published != article.published and old.text_hash != article.text_hash


def _new_id(article: Article, key: bytes, former: str | None, desk: _Desk) -> str:
    """Return a new id: the article's guid where the source keeps them, else one that is made from *key*.

    The *former* owner of the key may have the one that is made from it, and another article the guid.
    """
    if desk.source.keep_ids and _is_id(article.guid, desk):
        return article.guid or ""
    return mint(_key("apart", key.hex(), former) if former else key, desk.rules.prefix)


def _is_id(guid: str | None, desk: _Desk) -> bool:
    """Tell if *guid* can be an article's id everywhere (RFC 4287, 4.2.6: an absolute IRI), and nobody has it."""
    ours = desk.rules.prefix.rpartition(":")[0] + ":"  # not only of articles: of feeds as well
    if guid is None or not _IRI.fullmatch(guid) or guid.startswith(ours) or _ACTIVE.match(guid):
        return False
    return guid not in desk.memories and given_key(guid) not in desk.owners


def _with_id(own: tuple[bytes, ...], id_: str, article: Article) -> tuple[bytes, ...]:
    """Return the keys of an article; one whose id is its guid keeps others from it."""
    return (*own, given_key(id_)) if id_ == article.guid else own


def _arrival(owner: str | None, desk: _Desk) -> Verdict:
    if owner is None:
        return Verdict.NEW
    return Verdict.MERGED if desk.copies.get(owner) else Verdict.RETURNED


def _keys(article: Article, locator: str, desk: _Desk) -> tuple[bytes, ...]:
    return keys(article, source=desk.source, locator=locator, never=desk.rules.never)


def _owner(article: Article, own: tuple[bytes, ...], desk: _Desk, *, heir: str | None = None) -> str | None:
    """Return who has one of the keys: a given id first, then title and day, then title and text.

    Title and day that the *heir* had before are still its own; those of another article are so if the text is, too.
    """
    owned = {key: desk.owners[key] for key in (*_given(article, desk), *own) if key in desk.owners}
    if article.day and owned.get(own[0], heir) != heir and not _holds(owned[own[0]], article, desk):
        del owned[own[0]]
    return next(iter(owned.values()), None)


def _given(article: Article, desk: _Desk) -> tuple[bytes, ...]:
    return (_key("guid", desk.source.name, article.guid),) if article.guid else ()


def _holds(id_: str, article: Article, desk: _Desk) -> bool:
    """Tell if an article is still called so on that day, or has this text, or is not there to contradict.

    One that was taken down holds what it ever had: it is not to come back under an old title.
    """
    if id_ in desk.memories and desk.memories[id_].removed:
        return True
    copies = [sighting.article for sighting in desk.copies.get(id_, {}).values()]
    titled = any((copy.title_key, copy.day) == (article.title_key, article.day) for copy in copies)
    is_text = article.body_hash != EMPTY_BODY and any(copy.body_hash == article.body_hash for copy in copies)
    return titled or is_text or not copies


def _taken(article: Article, own: tuple[bytes, ...], id_: str, desk: _Desk) -> tuple[bytes, ...]:
    """Return the key that passes to *id_* from an article that is not called so any more."""
    owner = desk.owners.get(own[0], id_)
    return own[:1] if article.day and owner != id_ and not _holds(owner, article, desk) else ()


def _adopted(article: Article, desk: _Desk) -> str | None:
    """An adopted entry waits for one article only: the first that comes."""
    found = (desk.owners.get(key) for key in waiting_keys(article))
    return next((id_ for id_ in found if id_ and not desk.copies.get(id_)), None)


def _first_sighting(locator: str, article: Article, id_: str, desk: _Desk) -> Sighting:
    memory = desk.memories.get(id_)
    adopted = memory.adopted if memory else None
    first_seen = _first_seen(memory, article, desk) if memory else desk.now
    copy = _stamped_copy(article, id_, first_seen, desk)
    published = copy.published if copy else article.published or adopted or first_seen
    return Sighting(
        source=desk.source.name,
        locator=locator,
        id=id_,
        article=replace(article, day=copy.article.day) if copy else article,
        first_seen=first_seen,
        published=published,
        text_since=_text_since(id_, article, None, desk, same_bytes=False),
        dated_since=_dated_since(id_, published, None, desk),
    )


def _first_seen(memory: Memory, article: Article, desk: _Desk) -> datetime:
    """Return the first sight of an article that is remembered.

    A feed of ours tells it of an article that was dated a little ahead: it was dated at that moment.
    """
    if memory.adopted and article.published and memory.id.startswith(desk.rules.prefix):
        return memory.adopted if _is_near(article.published, memory.adopted) else memory.first_seen
    return memory.first_seen


def _stamped_copy(article: Article, id_: str, first_seen: datetime, desk: _Desk) -> Sighting | None:
    """Return the copy whose date stands for that of *article*, which a generator stamped anew; None if it did not."""
    if article.published is None or article.dating is not Dating.NAIVE or article.published <= first_seen:
        return None
    alike = [s for s in desk.copies.get(id_, {}).values() if s.article.text_hash == article.text_hash]
    return min(alike, key=lambda s: (s.published, s.source, s.locator), default=None)


def _text_since(
    id_: str, article: Article, prior: Sighting | None, desk: _Desk, *, same_bytes: bool
) -> datetime | None:
    """Return when the text was first seen, if it is not the first text of its place; equal texts share one time."""
    if prior and (same_bytes or prior.article.text_hash == article.text_hash):
        return prior.text_since
    for copy in desk.copies.get(id_, {}).values():
        if copy.article.text_hash == article.text_hash:
            return copy.text_since
    memory = desk.memories.get(id_)
    if memory and memory.text_hash == article.text_hash:
        return memory.text_since
    if memory and memory.text_hash is None and prior is None and memory.text_since:
        return memory.text_since  # adopted: the text that comes first is the one that subscribers have
    is_back = memory is not None and memory.text_hash is not None and not desk.copies.get(id_)
    return desk.now if prior or is_back else None


def _dated_since(id_: str, published: datetime, prior: Sighting | None, desk: _Desk) -> datetime | None:
    """Return when a date was first read, if that was not when its article was first seen; equal dates share one time."""
    copies = desk.copies.get(id_, {}).values()
    if not copies and not prior:
        return None
    return min((s.dated_since or s.first_seen for s in copies if s.published == published), default=desk.now)


def _carry_out(change: Change, prior: Sighting | None, desk: _Desk) -> Change:
    sighting = change.sighting
    assert sighting, "every candidate is an article"  # noqa: S101 - narrows the type
    needed = _needed(change.keys, sighting, desk)
    change = change if needed == change.keys else replace(change, keys=needed)
    for key in change.keys:
        desk.owners.setdefault(key, sighting.id)
    desk.owners |= dict.fromkeys(change.taken, sighting.id)
    if change.verdict is Verdict.UNCHANGED:
        desk.copies[sighting.id][sighting.source, sighting.locator] = sighting  # its date as read may be another
        return change
    if prior:
        desk.copies.get(prior.id, {}).pop((prior.source, prior.locator), None)
        desk.touched.add(prior.id)
    desk.sightings[sighting.locator] = sighting
    desk.copies.setdefault(sighting.id, {})[sighting.source, sighting.locator] = sighting
    desk.memories.setdefault(sighting.id, Memory(id=sighting.id, first_seen=sighting.first_seen))
    desk.touched.add(sighting.id)
    return change


def _needed(own: tuple[bytes, ...], sighting: Sighting, desk: _Desk) -> tuple[bytes, ...]:
    """Return the keys to keep: an entry that has its title and day for itself is found by them.

    Its moment changes with each edit of its text, and would be one key more each time.
    """
    article = sighting.article
    if not own or desk.source.url is None or article.dating is not Dating.ZONED or not article.day:
        return own
    day, *_, moment = _keys(article, sighting.locator, desk)
    has_day = day in own and desk.owners.get(day, sighting.id) == sighting.id
    return tuple(key for key in own if key != moment) if has_day else own


# ---------------------------------------------------------------- one article after all


@dataclass(frozen=True, slots=True, kw_only=True)
class Reunion:
    """Which articles turn out to be others (id -> id), and whose each key is now."""

    merged: Mapping[str, str]
    owners: Mapping[bytes, str]


def reunite(
    namesakes: Sequence[Sighting], memories: Mapping[str, Memory], *, sources: Mapping[str, Source], rules: Rules
) -> Reunion:
    """Return what other settings make of articles with one title: those that now share its day are the oldest of them.

    While documents are read anew one by one, a day that is taken may be about to be left: only after all is that known.
    """
    holders: dict[bytes, set[str]] = {}
    ages: dict[str, tuple[object, ...]] = {}
    for sighting in (s for s in namesakes if s.article.day and not memories[s.id].removed):
        own = keys(sighting.article, source=sources[sighting.source], locator=sighting.locator, never=rules.never)
        if minted_key(sighting.id, rules.prefix) in own[1:]:
            continue  # it stands apart from others of its title and day
        holders.setdefault(own[0], set()).add(sighting.id)
        age = (memories[sighting.id].first_seen, *_rank(sighting, rules))
        ages[sighting.id] = min(age, ages.get(sighting.id, age))
    into: dict[str, str] = {}
    for ids in holders.values():
        oldest, *rest = sorted({_last(id_, into) for id_ in ids}, key=ages.__getitem__)
        into |= dict.fromkeys(rest, oldest)
    return Reunion(
        merged={id_: _last(id_, into) for id_ in into},
        owners={key: _last(min(ids), into) for key, ids in holders.items()},
    )


def _last(id_: str, into: Mapping[str, str]) -> str:
    while id_ in into:
        id_ = into[id_]
    return id_


# ---------------------------------------------------------------- renames


def _trace(article: Article) -> tuple[object, ...]:
    """What an article takes along when its file gets another name."""
    return article.body_hash, article.dating, article.published


def _by_trace(vanished: Iterable[Sighting]) -> dict[tuple[object, ...], list[Sighting]]:
    found: dict[tuple[object, ...], list[Sighting]] = {}
    for sighting in sorted(vanished, key=lambda s: s.locator):
        found.setdefault(_trace(sighting.article), []).append(sighting)
    return found


def _renamed(candidate: Candidate, desk: _Desk) -> Sighting | None:
    """Return the vanished sighting that *candidate* is, if any, and cross it off: one with its title first."""
    trace, title = _trace(candidate.article), candidate.article.title_key
    waiting = desk.vanished.get(trace)
    if not waiting:
        return None
    alike = [s for s in waiting if s.article.title_key == title]
    if not alike and candidate.article.body_hash != EMPTY_BODY:
        alike = [s for s in waiting if (trace, s.article.title_key) not in desk.claims]
    if not alike:
        return None
    waiting.remove(alike[0])
    return alike[0]


def _reissued(candidate: Candidate, desk: _Desk) -> Sighting | None:
    """Return the entry of the same feed that *candidate* is under another guid: one that the feed has no more."""
    if desk.present is None or desk.owners.keys().isdisjoint(candidate.keys):
        return None
    article = candidate.article
    owner = _owner(article, _own(article, candidate.keys, desk), desk)
    copies = desk.copies.get(owner, {}).values() if owner else ()
    gone = (c for c in copies if c.source == desk.source.name and c.locator not in desk.present)
    alike = [c for c in gone if (c.article.title_key, c.article.day) == (article.title_key, article.day)]
    return max(alike, key=lambda copy: (copy.first_seen, copy.locator), default=None)


# ---------------------------------------------------------------- what readers see


def show(copies: Collection[Sighting], memory: Memory, *, rules: Rules, now: datetime) -> Shown | None:
    """Return the article that *copies* make together, or None if nothing of it is to be seen."""
    ranked = sorted((c for c in copies if c.source not in rules.hidden), key=lambda sighting: _rank(sighting, rules))
    if not ranked or memory.removed:
        return None
    winner = ranked[0]
    published = _shown_date(winner, rules)
    return Shown(
        id=memory.id,
        source=winner.source,
        locator=winner.locator,
        article=winner.article,
        published=published,
        updated=winner.article.updated or winner.text_since or published,
        categories=_union(ranked),
        text_since=winner.text_since,
        held=published > now,
    )


def _rank(sighting: Sighting, rules: Rules) -> tuple[int, datetime, str, str]:
    return rules.ranks.get(sighting.source, UNRANKED), sighting.published, sighting.locator, sighting.source


def _shown_date(winner: Sighting, rules: Rules) -> datetime:
    """Return the date of the winner; one that was a little ahead when it was first read is that moment."""
    seen = winner.dated_since or winner.first_seen
    if _is_near(winner.published, seen) and rules.future.get(winner.source, FuturePolicy.SHOW) is FuturePolicy.SHOW:
        return seen
    return winner.published


def _is_near(published: datetime, seen: datetime) -> bool:
    return timedelta() < published - seen <= AHEAD


def _union(ranked: Sequence[Sighting]) -> tuple[CategoryPath, ...]:
    return tuple(dict.fromkeys(path for sighting in ranked for path in sighting.article.categories))


# ---------------------------------------------------------------- withdrawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A sighting whose locator is not there any more."""

    locator: str
    id: str | None
    since: datetime
    scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Which locators are gone; or why none is, although so many are missing."""

    locators: tuple[str, ...] = ()
    refused: str | None = None


def withdraw(
    missing: Sequence[Missing], *, total: int, source: Source, now: datetime, accepted: bool = False
) -> Withdrawal:
    """Return which of *missing* are gone for good; *total* counts all sightings of the source, missing ones too."""
    if accepted:
        return Withdrawal(locators=tuple(gone.locator for gone in missing))
    count = sum(1 for gone in missing if gone.id)
    if count and (count == total or (count > GUARD_COUNT and count * GUARD_SHARE > total)):
        return Withdrawal(refused=f"{count} of {total} articles vanished at once; nothing is withdrawn")
    patient = now - source.withdraw_after
    return Withdrawal(locators=tuple(m.locator for m in missing if m.scans >= SCANS and m.since <= patient))
