"""Whether an article of a source is wanted: patterns on its title, author, categories and link. Only this module knows RE2.

RE2 takes time in proportion to the text, whatever the pattern; Python's own engine can be kept busy for ever by a title.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from unicodedata import normalize as in_form

import re2

from feeder.model import Article, Patterns

MAX_PATTERN: Final = 1000  # characters
_MOST_MEMORY: Final = 1 << 20  # bytes for one pattern; in less than it would like, RE2 is only slower
_FIELDS: Final = ("title", "author", "category", "link")


def unwanted(article: Article, *, only: Patterns | None, without: Patterns | None) -> str | None:
    """Return why *article* is left out, or None if it is wanted.

    Args:
        article: A path of its categories is matched as one text: ``金融/新浪财经``.
        only: In every field with patterns, one of them must be found.
        without: None of these may be found; they beat `only`.
    """
    refused = _refused(article, without) if without else None
    return refused or (_missed(article, only) if only else None)


def check_pattern(pattern: str) -> None:
    """Check that *pattern* can be looked for.

    Raises:
        ValueError: It is no regular expression as RE2 has them (without back-references and look-around), or too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of {len(pattern)} characters: {MAX_PATTERN} is the most")
    try:
        _compiled(pattern)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise ValueError(f"not a pattern: {pattern!r}: {reason}") from error


def _refused(article: Article, without: Patterns) -> str | None:
    for field in _FIELDS:
        patterns = getattr(without, field)
        if patterns and (found := _found(patterns, _texts(article, field))):
            return f'its {field} matches "{found}"'
    return None


def _missed(article: Article, only: Patterns) -> str | None:
    for field in _FIELDS:
        patterns = getattr(only, field)
        if patterns and not _found(patterns, _texts(article, field)):
            return f"its {field} matches nothing that is asked for"
    return None


def _texts(article: Article, field: str) -> tuple[str, ...]:
    if field == "category":
        return tuple(map("/".join, article.categories))
    text = getattr(article, field)
    return (text,) if text else ()


def _found(patterns: Iterable[str], texts: tuple[str, ...]) -> str | None:
    """Return the first of *patterns* that is somewhere in one of *texts*."""
    composed = [in_form("NFC", text) for text in texts]
    return next((each for each in patterns if any(map(_compiled(each).search, composed))), None)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    return re2.compile(in_form("NFC", pattern), options)
