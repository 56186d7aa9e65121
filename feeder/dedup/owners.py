"""Whose the keys of an article are, and what id it has if they are nobody's."""

from __future__ import annotations

import re

from feeder.dedup.desk import Desk
from feeder.dedup.identity import EMPTY_BODY, given_key, key_of, mint, waiting_keys
from feeder.model import Article, Sighting

_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[^\s<>\"{}|\\^`]{3,}")
_ACTIVE = re.compile(r"(?:javascript|vbscript|data):", re.IGNORECASE)  # some readers make a link of an id


def own_keys(article: Article, own: tuple[bytes, ...], desk: Desk) -> tuple[bytes, ...]:
    """Return the keys of *article* without title and day where another entry of its feed has these: an hourly report."""
    if desk.source.url is None or not article.guid or not article.day:
        return own
    owner = desk.owners.get(own[0], "")
    if desk.owners.get(own[-1], owner) != owner:  # it is known, of that very moment
        return own[1:]
    return own[1:] if any(_is_another(copy, article, desk) for copy in desk.copies.get(owner, {}).values()) else own


def owner_of(article: Article, own: tuple[bytes, ...], desk: Desk, *, heir: str | None = None) -> str | None:
    """Return who has one of the keys: a given id first, then title and day, then title and text.

    Title and day that the *heir* had before are still its own; those of another article are so if the text is, too.
    """
    owned = {key: desk.owners[key] for key in (*given(article, desk), *own) if key in desk.owners}
    if article.day and owned.get(own[0], heir) != heir and not _holds(owned[own[0]], article, desk):
        del owned[own[0]]
    return next(iter(owned.values()), None)


def given(article: Article, desk: Desk) -> tuple[bytes, ...]:
    """Return the key of the id that *article* itself says is its own in its source."""
    return (key_of("guid", desk.source.name, article.guid),) if article.guid else ()


def taken(article: Article, own: tuple[bytes, ...], id_: str, desk: Desk) -> tuple[bytes, ...]:
    """Return the key that passes to *id_* from an article that is not called so any more."""
    owner = desk.owners.get(own[0], id_)
    return own[:1] if article.day and owner != id_ and not _holds(owner, article, desk) else ()


def adopted_by(article: Article, desk: Desk) -> str | None:
    """Return the adopted entry that waits for *article*: it waits for one only, the first that comes."""
    found = (desk.owners.get(key) for key in waiting_keys(article))
    return next((id_ for id_ in found if id_ and not desk.copies.get(id_)), None)


def new_id(article: Article, key: bytes, former: str | None, desk: Desk) -> str:
    """Return a new id: the article's guid where the source keeps them, else one that is made from *key*.

    The *former* owner of the key may have the one that is made from it, and another article the guid.
    """
    if desk.source.keep_ids and _is_id(article.guid, desk):
        return article.guid or ""
    return mint(key_of("apart", key.hex(), former) if former else key, desk.rules.prefix)


def with_id(own: tuple[bytes, ...], id_: str, article: Article) -> tuple[bytes, ...]:
    """Return the keys of an article; one whose id is its guid keeps others from it."""
    return (*own, given_key(id_)) if id_ == article.guid else own


def _is_another(copy: Sighting, article: Article, desk: Desk) -> bool:
    old = copy.article
    if copy.source != desk.source.name or not old.guid:
        return False
    return old.guid != article.guid and old.published != article.published and old.text_hash != article.text_hash


def _holds(id_: str, article: Article, desk: Desk) -> bool:
    """Tell if an article is still called so on that day, or has this text, or is not there to contradict.

    One that was taken down holds what it ever had: it is not to come back under an old title.
    """
    if id_ in desk.memories and desk.memories[id_].removed:
        return True
    copies = [sighting.article for sighting in desk.copies.get(id_, {}).values()]
    titled = any((copy.title_key, copy.day) == (article.title_key, article.day) for copy in copies)
    is_text = article.body_hash != EMPTY_BODY and any(copy.body_hash == article.body_hash for copy in copies)
    return titled or is_text or not copies


def _is_id(guid: str | None, desk: Desk) -> bool:
    """Tell if *guid* can be an article's id everywhere (RFC 4287, 4.2.6: an absolute IRI), and nobody has it."""
    ours = desk.rules.prefix.rpartition(":")[0] + ":"  # not only of articles: of feeds as well
    if guid is None or not _IRI.fullmatch(guid) or guid.startswith(ours) or _ACTIVE.match(guid):
        return False
    return guid not in desk.memories and given_key(guid) not in desk.owners
