"""Which sighting that is not there any more a document is, at another place or under another guid."""

from __future__ import annotations

from feeder.dedup.desk import Candidate, Desk, trace_of
from feeder.dedup.identity import EMPTY_BODY
from feeder.dedup.owners import own_keys, owner_of
from feeder.model import Sighting


def renamed(candidate: Candidate, desk: Desk) -> Sighting | None:
    """Return the vanished sighting that *candidate* is, if any, and cross it off: one with its title first."""
    trace, title = trace_of(candidate.article), candidate.article.title_key
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


def reissued(candidate: Candidate, desk: Desk) -> Sighting | None:
    """Return the entry of the same feed that *candidate* is under another guid: one that the feed has no more."""
    if desk.present is None or desk.owners.keys().isdisjoint(candidate.keys):
        return None
    article = candidate.article
    owner = owner_of(article, own_keys(article, candidate.keys, desk), desk)
    copies = desk.copies.get(owner, {}).values() if owner else ()
    gone = (c for c in copies if c.source == desk.source.name and c.locator not in desk.present)
    alike = [c for c in gone if (c.article.title_key, c.article.day) == (article.title_key, article.day)]
    return max(alike, key=lambda copy: (copy.first_seen, copy.locator), default=None)
