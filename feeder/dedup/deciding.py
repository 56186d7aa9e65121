"""What became of each item of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from feeder.dedup.changes import believed, is_replaced, is_same, keeps_id
from feeder.dedup.desk import Candidate, Desk, Known, keys_of, trace_of
from feeder.dedup.identity import scope_of
from feeder.dedup.moves import reissued, renamed
from feeder.dedup.owners import adopted_by, given, new_id, own_keys, owner_of, taken, with_id
from feeder.dedup.rules import Rules, is_near, rank
from feeder.model import Article, Change, Dating, Memory, Sighting, Source, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The changes, in the candidates' order, and every article they touched with all its sightings now."""

    changes: tuple[Change, ...]
    memories: tuple[Memory, ...]
    copies: Mapping[str, tuple[Sighting, ...]]


def decide(candidates: Iterable[Candidate], known: Known, *, source: Source, rules: Rules, now: datetime) -> Decision:
    """Return what became of each of *candidates*, in order; later ones see what earlier ones did."""
    batch = tuple(candidates)
    desk = Desk.of(known, source=source, rules=rules, now=now)
    desk.claims = {(trace_of(c.article), c.article.title_key) for c in batch if c.locator not in known.sightings}
    changes = tuple(_decide_one(candidate, desk) for candidate in batch)
    return Decision(
        changes=changes,
        memories=tuple(desk.memories[id_] for id_ in sorted(desk.touched)),
        copies={id_: tuple(desk.copies.get(id_, {}).values()) for id_ in sorted(desk.touched)},
    )


def _decide_one(candidate: Candidate, desk: Desk) -> Change:
    before = desk.sightings.get(candidate.locator)
    moved_from = None if before else renamed(candidate, desk) or reissued(candidate, desk)
    prior = before or moved_from
    article = _not_ahead(candidate.article, desk.now)
    if before and not candidate.same_bytes and is_same(before, article):
        return Change(verdict=Verdict.UNCHANGED, locator=candidate.locator, sighting=before)
    if prior:
        change = _decide_known(replace(candidate, article=article), prior, desk)
    elif desk.owners.keys().isdisjoint(candidate.keys + candidate.waiting):
        change = _decide_new(candidate, article, desk)
    else:
        change = _decide_unknown(candidate.locator, article, candidate.keys, desk)
    return _carry_out(change, prior, desk)


def _not_ahead(article: Article, now: datetime) -> Article:
    return replace(article, updated=None) if article.updated and article.updated > now else article


def _decide_known(candidate: Candidate, prior: Sighting, desk: Desk) -> Change:
    """Apply the table for a locator whose sighting is known."""
    article, published = believed(candidate, prior, desk)
    read = candidate.keys if article is candidate.article else keys_of(article, candidate.locator, desk)
    own = own_keys(article, read, desk)
    owner = prior.id if keeps_id(candidate, article, prior) else owner_of(article, own, desk, heir=prior.id)
    if is_replaced(candidate, article, prior) and owner != prior.id:
        change = _decide_unknown(candidate.locator, candidate.article, candidate.keys, desk)
        return replace(change, verdict=Verdict.REPLACED, was_id=prior.id)
    is_split = _is_split(candidate, prior, desk)
    if is_split:
        owner = owner_of(replace(article, guid=None), _without_guid(article, own, desk), desk, heir=prior.id)
    id_ = owner or (new_id(article, own[0], desk.owners.get(own[0]), desk) if is_split else prior.id)
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
        taken=(*taken(article, own, id_, desk), *(given(article, desk) if is_split else ())),
        note=f"the settings keep it apart from {prior.id}" if is_split and id_ != prior.id else None,
        was_locator=prior.locator if prior.locator != candidate.locator else None,
        was_id=prior.id if prior.id != id_ else None,
    )


def _is_split(candidate: Candidate, prior: Sighting, desk: Desk) -> bool:
    """Tell if the settings now keep apart what they merged: then all copies but the winner become articles of their own."""
    scope = scope_of(candidate.article, source=desk.source, locator=candidate.locator, never=desk.rules.never)
    if not candidate.same_bytes or not scope:
        return False
    copies = (c for c in desk.copies.get(prior.id, {}).values() if c != prior and not _has_one_guid(c, prior))
    strangers = [c for c in copies if c.source != prior.source or scope[0] == "document"]
    return any(rank(stranger, desk.rules) < rank(prior, desk.rules) for stranger in strangers)


def _has_one_guid(copy: Sighting, prior: Sighting) -> bool:
    return copy.source == prior.source and copy.article.guid is not None and copy.article.guid == prior.article.guid


def _without_guid(article: Article, own: tuple[bytes, ...], desk: Desk) -> tuple[bytes, ...]:
    return tuple(key for key in own if key not in given(article, desk))


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


def _decide_new(candidate: Candidate, article: Article, desk: Desk) -> Change:
    """Decide as `_decide_unknown` does where nobody knows a key of the article: most are like that."""
    id_ = new_id(article, candidate.keys[0], None, desk)
    sighting = Sighting(
        source=desk.source.name,
        locator=candidate.locator,
        id=id_,
        article=article,
        first_seen=desk.now,
        published=article.published or desk.now,
    )
    keys_ = with_id(candidate.keys, id_, article)
    return Change(verdict=Verdict.NEW, locator=candidate.locator, sighting=sighting, keys=keys_)


def _decide_unknown(locator: str, article: Article, read: tuple[bytes, ...], desk: Desk) -> Change:
    own = own_keys(article, read, desk)
    owner = owner_of(article, own, desk) or adopted_by(article, desk)
    former = desk.owners.get(own[0])
    sighting = _first_sighting(locator, article, owner or new_id(article, own[0], former, desk), desk)
    known = own if sighting.article is article else keys_of(sighting.article, locator, desk)
    return Change(
        verdict=_arrival(owner, desk),
        locator=locator,
        sighting=sighting,
        keys=with_id(known, sighting.id, article),
        taken=taken(article, own, sighting.id, desk),
        note=f"title and day were those of {former} before" if former and not owner else None,
    )


def _arrival(owner: str | None, desk: Desk) -> Verdict:
    if owner is None:
        return Verdict.NEW
    return Verdict.MERGED if desk.copies.get(owner) else Verdict.RETURNED


def _first_sighting(locator: str, article: Article, id_: str, desk: Desk) -> Sighting:
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


def _first_seen(memory: Memory, article: Article, desk: Desk) -> datetime:
    """Return the first sight of an article that is remembered.

    A feed of ours tells it of an article that was dated a little ahead: it was dated at that moment.
    """
    if memory.adopted and article.published and memory.id.startswith(desk.rules.prefix):
        return memory.adopted if is_near(article.published, memory.adopted) else memory.first_seen
    return memory.first_seen


def _stamped_copy(article: Article, id_: str, first_seen: datetime, desk: Desk) -> Sighting | None:
    """Return the copy whose date stands for that of *article*, which a generator stamped anew; None if it did not."""
    if article.published is None or article.dating is not Dating.NAIVE or article.published <= first_seen:
        return None
    alike = [s for s in desk.copies.get(id_, {}).values() if s.article.text_hash == article.text_hash]
    return min(alike, key=lambda s: (s.published, s.source, s.locator), default=None)


def _text_since(id_: str, article: Article, prior: Sighting | None, desk: Desk, *, same_bytes: bool) -> datetime | None:
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
    is_there = any(copy.missing_since is None for copy in desk.copies.get(id_, {}).values())
    is_back = memory is not None and memory.text_hash is not None and not is_there
    return desk.now if prior or is_back else None


def _dated_since(id_: str, published: datetime, prior: Sighting | None, desk: Desk) -> datetime | None:
    """Return when a date was first read, if that was not when its article was first seen; equal dates share one time."""
    copies = desk.copies.get(id_, {}).values()
    if not copies and not prior:
        return None
    return min((s.dated_since or s.first_seen for s in copies if s.published == published), default=desk.now)


def _carry_out(change: Change, prior: Sighting | None, desk: Desk) -> Change:
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


def _needed(own: tuple[bytes, ...], sighting: Sighting, desk: Desk) -> tuple[bytes, ...]:
    """Return the keys to keep: an entry that has its title and day for itself is found by them.

    Its moment changes with each edit of its text, and would be one key more each time.
    """
    article = sighting.article
    if not own or desk.source.url is None or article.dating is not Dating.ZONED or not article.day:
        return own
    day, *_, moment = keys_of(article, sighting.locator, desk)
    has_day = day in own and desk.owners.get(day, sighting.id) == sighting.id
    return tuple(key for key in own if key != moment) if has_day else own
