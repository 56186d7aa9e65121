"""Snapshots to RawItems. One contract, an implementation per kind of document."""

from __future__ import annotations

from typing import Protocol

from feeder.model import RawItem, Snapshot, Source
from feeder.parse import frontmatter


class Parser(Protocol):
    """Reads documents of one kind."""

    def parse(self, snapshot: Snapshot, source: Source) -> RawItem:
        """Return the article that *snapshot* holds, as written.

        Raises:
            ParseError: The document cannot be used.
            Unfinished: It ends too early; it may still be on its way.
        """

    def read_body(self, snapshot: Snapshot, source: Source) -> str:
        """Return the body alone, the same text as ``parse(...).body``, without reading the fields.

        Raises:
            ParseError: As `parse`.
        """


def parser_of(_source: Source) -> Parser:
    """Return who reads the documents of a source."""
    return frontmatter
