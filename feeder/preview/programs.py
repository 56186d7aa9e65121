"""A preview as programs read it."""

from __future__ import annotations

from collections.abc import Iterable

from feeder.explain.documents import keys
from feeder.model import Article
from feeder.preview.choosing import Subject
from feeder.preview.document import DocumentPreview, written
from feeder.preview.source import NEWEST, SourcePreview, WebFinding
from feeder.wording import stamp


def source_values(seen: SourcePreview, chosen: Subject) -> dict[str, object]:
    """Return *seen* as JSON has it."""
    return {
        "source": seen.name,
        "note": chosen.note,
        "documents": seen.documents,
        "articles": len(seen.articles),
        "merged": seen.merged,
        "feeds": [list(node) for node in seen.feeds],
        "newest": [_article_values(article) for article in seen.articles[:NEWEST]],
        "rejected": _pairs(seen.rejected),
        "left_out": _pairs(seen.left_out),
        "lenient": _pairs(seen.lenient),
        "unlisted": list(seen.unlisted),
        "web": _web_values(seen.web) if seen.web else None,
    }


def document_values(seen: DocumentPreview, chosen: Subject) -> dict[str, object]:
    """Return *seen* as JSON has it."""
    raw, body = seen.raw, seen.body
    return {
        "source": chosen.source.name,
        "locator": raw.locator,
        "note": chosen.note,
        "problem": seen.problem,
        "raw": {
            "dialect": raw.dialect.value,
            "title": raw.title,
            "date": raw.date,
            "updated": raw.updated,
            "categories": None if raw.categories is None else written(raw.categories),
            "tags": list(raw.tags),
            "author": raw.author,
            "image": raw.image,
            "link": raw.link,
            "guid": raw.guid,
            "summary": raw.summary,
        },
        "article": _article_values(seen.article),
        "picture": seen.article.image or body.image,
        "summary": seen.summary,
        "body": body.content,
        "lenient": list(raw.warnings),
    }


def _web_values(web: WebFinding) -> dict[str, object]:
    return {
        "kind": web.kind.value,
        "url": web.url,
        "is_announced": web.is_announced,
        "moved_to": web.moved_to,
        "title": web.title,
        "home": web.home,
        "next_poll": stamp(web.next_poll),
        "why": web.why,
        "older": web.older,
        "categories_over": web.over,
        "warnings": list(web.warnings),
    }


def _pairs(found: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"document": locator, "reason": reason} for locator, reason in found]


def _article_values(article: Article) -> dict[str, object]:
    return {
        "title": article.title,
        "published": stamp(article.published),
        "updated": stamp(article.updated),
        "dating": article.dating.value,
        "categories": [list(path) for path in article.categories],
        "tags": list(article.tags),
        "author": article.author,
        "image": article.image,
        "link": article.link,
        "guid": article.guid,
        "keys": [{"kind": kind, "value": value} for kind, value in keys(article)],
    }
