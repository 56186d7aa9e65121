"""How one document would be read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from feeder import html, normalize
from feeder.errors import FeederError, ParseError
from feeder.fetch import fetcher_of
from feeder.model import Article, Body, RawItem, RawTree
from feeder.parse import parser_of
from feeder.pipeline import work
from feeder.preview.choosing import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPreview:
    """How one document would be read. `problem` says why it is no article."""

    raw: RawItem
    article: Article
    body: Body
    problem: str | None = None

    @property
    def summary(self) -> str:
        """What a feed says in short: as written, or the beginning of the body."""
        return self.article.summary or self.body.summary


def of_document(chosen: Subject) -> DocumentPreview:
    """Read one document.

    Raises:
        FetchError: It cannot be read.
        ParseError: It is no article.
        InvalidItem: Nothing in it can serve as a title.
    """
    source, locator = chosen.source, chosen.locator or ""
    snapshot = fetcher_of(source).read(source, locator)
    try:
        raw = parser_of(source).parse(snapshot, source)
        article = normalize.normalize(raw, source, chosen.site)
        raw = replace(raw, warnings=(*raw.warnings, *normalize.warnings(raw, article, source, chosen.site)))
        body = html.clean(raw.body, locator=locator, base_url=source.base_url, remove=source.remove)
    except FeederError:
        raise
    except Exception as error:
        raise ParseError(f"could not be read: {work.unforeseen(error)}") from error
    problem = f"left out: {raw.left_out}" if raw.left_out else None
    return DocumentPreview(raw=raw, article=article, body=body, problem=problem)


def written(tree: RawTree | None) -> str:
    """Return a value of the front matter as it stands there, to a depth that people can read."""
    if tree is None:
        return "-"
    return tree if isinstance(tree, str) else "[" + ", ".join(_written_part(part) for part in tree) + "]"


def _written_part(part: RawTree) -> str:
    if isinstance(part, str):
        return part
    return "[" + ", ".join(each if isinstance(each, str) else "[…]" for each in part) + "]"
