"""The words and dates of pages, in the languages of the folder `languages`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

FALLBACK: Final = "en"
# Regions whose Chinese is written in traditional characters: their tags seldom say so.
_TRADITIONAL: Final = frozenset({"zh-hk", "zh-mo", "zh-tw"})
_FOLDER: Final = resources.files("feeder.render") / "languages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What one file says; each of `words` under its key, and `forms` of the words that go with numbers."""

    tag: str
    words: Mapping[str, str]
    forms: Mapping[str, tuple[str, ...]]

    def __getitem__(self, key: str) -> str:
        return self.words[key]

    def number(self, key: str, count: int) -> str:
        """Return how many there are of what *key* names."""
        forms = self.forms[key]
        return forms[0 if count == 1 else -1].format(count=count)

    def date(self, local: datetime) -> str:
        """Return the day of *local*."""
        return self.words["date"].format(day=local.day, month=self.forms["months"][local.month - 1], year=local.year)

    def moment(self, local: datetime) -> str:
        """Return the day and the time of *local*, to the minute."""
        return self.words["time"].format(date=self.date(local), time=f"{local:%H:%M}")


@lru_cache(maxsize=16)  # a site has one
def language_of(tag: str) -> Language:
    """Return the language that *tag* (BCP 47) asks for, or one that is more general, or English."""
    files = {file.name.removesuffix(".toml"): file for file in _FOLDER.iterdir() if file.name.endswith(".toml")}
    found = next((name for name in _wanted(tag.lower()) if name in files), FALLBACK)
    return _read(found, tomllib.loads(files[found].read_text("utf-8")))


def _wanted(tag: str) -> Iterator[str]:
    if tag in _TRADITIONAL:
        yield "zh-hant"
    parts = tag.split("-")
    yield from ("-".join(parts[:length]) for length in range(len(parts), 0, -1))


def _read(tag: str, told: Mapping[str, Any]) -> Language:
    return Language(
        tag=tag,
        words=MappingProxyType({key: value for key, value in told.items() if isinstance(value, str)}),
        forms=MappingProxyType({key: tuple(value) for key, value in told.items() if isinstance(value, list)}),
    )
