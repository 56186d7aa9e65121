"""A preview as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from feeder.explain.documents import DATINGS, keys
from feeder.model import Article, Site, Source, SourceKind
from feeder.preview.choosing import Subject
from feeder.preview.document import DocumentPreview, written
from feeder.preview.source import NEWEST, SourcePreview, WebFinding
from feeder.screen import FEW, Block, Table, clipped
from feeder.wording import apart, local, many, named, stamp

BEGINNING: Final = 500  # characters of a body that are shown
NOUNS: Final = {
    SourceKind.FEED: ("entry", "entries"),
    SourceKind.PAGE: ("item",),
    SourceKind.DOCUMENT: ("document",),
    SourceKind.ARCHIVE: ("document",),
}
KINDS: Final = {
    SourceKind.FEED: "a feed",
    SourceKind.PAGE: "a page, read by its selectors",
    SourceKind.DOCUMENT: "a document with front matter",
    SourceKind.ARCHIVE: "an archive of a tree",
}


def source_blocks(seen: SourcePreview, chosen: Subject) -> Iterator[Block]:
    """Yield *seen* as people read it."""
    copies = f" ({many(seen.merged, 'of them a copy', 'of them copies')})" if seen.merged else ""
    documents = many(seen.documents, *(NOUNS[seen.web.kind] if seen.web else ("document",)))
    yield (
        f"{seen.name}: {documents}: {many(len(seen.articles), 'article')}{copies}, "
        f"{len(seen.left_out)} left out, {len(seen.rejected)} rejected; {len(seen.lenient)} read leniently"
    )
    deepest = ", ".join(named(node) for node in seen.feeds[:FEW]) + (", …" if len(seen.feeds) > FEW else "")
    yield f"It would make {many(len(seen.feeds), 'feed')}: {deepest}"
    yield from (f"cannot be listed: {each}" for each in seen.unlisted)
    if seen.web:
        yield Table(title="On the web", rows=tuple(_web_rows(seen.web, chosen.source)))
    rows = tuple(_article_row(article, chosen.site) for article in seen.articles[:NEWEST])
    yield Table(title=f"The newest {len(rows)}", columns=("date", "title", "categories"), rows=rows)
    for title, found in (("Rejected", seen.rejected), ("Left out", seen.left_out), ("Read leniently", seen.lenient)):
        yield from clipped(Table(title=title, columns=("document", "reason"), rows=found))


def document_blocks(seen: DocumentPreview, chosen: Subject) -> Iterator[Block]:
    """Yield *seen* as people read it."""
    yield f"{chosen.source.name}: {seen.raw.locator}: " + (seen.problem or "an article")
    yield Table(title="Fields", columns=("field", "as written", "as read"), rows=tuple(_fields(seen, chosen.site)))
    yield Table(title="Copies are found by", columns=("key", "value"), rows=tuple(keys(seen.article)))
    yield Table(title="Read leniently", columns=("what",), rows=tuple((warning,) for warning in seen.raw.warnings))
    yield Table(title="Summary", rows=((seen.summary or "-",),))
    beginning = seen.body.content[:BEGINNING] + ("…" if len(seen.body.content) > BEGINNING else "")
    yield Table(title="Body", rows=tuple((line,) for line in beginning.splitlines()) or (("-",),))


def _web_rows(web: WebFinding, source: Source) -> Iterator[tuple[str, str]]:
    yield "is", "a page that announces a feed" if web.is_announced else KINDS[web.kind]
    yield "read from", web.url
    if web.moved_to:
        yield "has moved", f"for good to {web.moved_to}; its url may be changed to that"
    yield from ((name, text) for name, text in (("title", web.title), ("site", web.home)) if text)
    if web.older:
        older = many(web.older, "older entry is", "older entries are")
        yield "left behind", f"{older} not for a new source: it brings the newest {source.first} (first)"
    if web.over:
        over = many(web.over, "category is", "categories are")
        yield "too many", f"{over} left out: it may bring {source.max_categories} (max_categories)"
    yield from (("warning", warning) for warning in web.warnings)
    yield "next poll", f"{apart(web.next_poll, web.asked)}: {web.why}"


def _article_row(article: Article, site: Site) -> tuple[str, ...]:
    return (local(article.published, site.timezone), article.title, "; ".join(map(named, article.categories)) or "-")


def _fields(seen: DocumentPreview, site: Site) -> Iterator[tuple[str, str, str]]:
    raw, article = seen.raw, seen.article
    yield "dialect", "-", raw.dialect.value
    yield "title", raw.title or "-", article.title
    yield "date", raw.date or "-", f"{stamp(article.published) or '-'} ({DATINGS[article.dating]})"
    yield "day", "-", f"{article.day or '-'} in {site.timezone}"
    yield "updated", raw.updated or "-", stamp(article.updated) or "-"
    yield "categories", written(raw.categories), "; ".join(map(named, article.categories)) or "-"
    yield "tags", ", ".join(raw.tags) or "-", ", ".join(article.tags) or "-"
    yield "author", raw.author or "-", article.author or "-"
    yield "picture", raw.image or "-", article.image or seen.body.image or "-"
    yield "link", raw.link or "-", article.link or "-"
    yield "id", raw.guid or "-", article.guid or "-"
    yield "summary", raw.summary or "-", article.summary or "-"
