"""What must hold in every state, in words. The statements are in sql/invariants.sql."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TOLD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sightings_of_nothing": "documents belong to articles that are not known",
        "keys_of_nothing": "keys belong to articles that are not known",
        "articles_without_a_key": "articles have no key, so that copies of them are not found",
        "shown_without_a_sighting": "articles are shown for documents that are not there",
        "not_shown": "articles are not shown although a document of them is there",
        "shown_though_taken_down": "articles are shown although they were taken down",
        "counts_of_spellings": "spellings of categories are counted wrongly",
        "memberships": "articles are in the wrong lists of categories",
        "tallies": "categories count their articles wrongly",
        "labels": "categories have another name than their articles give them",
        "marks_of_nothing": "marks are for categories that are not known",
        "feeds_of_nothing": "feeds are of categories that are not known",
        "entries_of_nothing": "entries of feeds are of nothing that is known",
        "feeds_that_are_missing": "categories have articles and no feed",
        "feeds_that_are_over": "feeds are of categories without an article",
        "archived_nowhere": "articles are on pages of the archive that are not known",
    }
)
"""What it means that an invariant is broken, in the order in which they are to be mended."""

RESTOOD: Final = frozenset({"sightings_of_nothing", "shown_without_a_sighting", "not_shown", "shown_though_taken_down"})
"""Those that are mended by working out anew what readers see of the articles that are found."""

_INDEX: Final = re.compile(
    r"row \d+ missing from index|wrong # of entries in index|non-unique entry in index|index \S+ is not valid"
)


def is_of_indexes(lines: tuple[str, ...]) -> bool:
    """Tell whether all that is damaged can be made anew from what is whole."""
    return all(_INDEX.search(line) for line in lines)
