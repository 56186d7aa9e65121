"""What a document says now beside what it said before: which date to believe, and whether it is another article."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from feeder.dedup.desk import Candidate, Desk
from feeder.dedup.identity import EMPTY_BODY
from feeder.dedup.rules import AHEAD
from feeder.model import Article, Dating, Sighting


def is_same(prior: Sighting, article: Article) -> bool:
    """Tell if *article* says what it said before."""
    return prior.article.item_hash == article.item_hash and _date(prior.article) == _date(article)


def keeps_id(candidate: Candidate, article: Article, prior: Sighting) -> bool:
    """Tell if no key of another article may move the sighting: its own are as they were, or settings moved its day."""
    old = prior.article
    if candidate.same_bytes:
        return article.day != old.day
    alike = (article.title_key, article.day, article.guid) == (old.title_key, old.day, old.guid)
    return alike and (article.day is not None or article.text_hash == old.text_hash)


def believed(candidate: Candidate, prior: Sighting, desk: Desk) -> tuple[Article, datetime]:
    """Return the article and its date as believed: a date that was lost stands, and a stamp moves no day."""
    article, old = candidate.article, prior.article
    if desk.source.url and _is_redated(candidate, prior):
        return replace(article, published=old.published, day=old.day), prior.published
    if article.dating is Dating.NONE and old.dating is not Dating.NONE and not _is_new_text(article, old):
        return replace(article, published=old.published, day=old.day, dating=old.dating), prior.published
    if _is_stamp(candidate, prior, desk.now):
        return replace(article, day=old.day), prior.published
    return article, article.published or prior.published


def is_replaced(candidate: Candidate, article: Article, prior: Sighting) -> bool:
    """Tell if it is a new article at a reused place: another day and another text, or nothing in common at all."""
    old = prior.article
    if candidate.same_bytes or (article.guid and article.guid == old.guid):
        return False
    if article.day and old.day and article.day == old.day:
        return False
    if article.day and old.day:
        return _is_other_text(article, old)
    return _is_new_text(article, old)


def _date(article: Article) -> tuple[Dating, datetime | None]:
    return article.dating, article.published


def _is_redated(candidate: Candidate, prior: Sighting) -> bool:
    """Tell if the date is that of the last change, as in feeds that know no other: an edit is no new article."""
    article, old = candidate.article, prior.article
    if not article.guid or article.guid != old.guid or not article.published or not old.published:
        return False
    return article.published == article.updated and old.published < article.published and old.updated is not None


def _is_stamp(candidate: Candidate, prior: Sighting, now: datetime) -> bool:
    """Tell if the date is a generator's run: without a zone, and claiming to be younger than our copy of this text."""
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
