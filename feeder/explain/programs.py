"""An explanation as programs read it."""

from __future__ import annotations

from feeder.explain import Explanation
from feeder.explain.documents import Document
from feeder.wording import stamp


def values(told: Explanation) -> dict[str, object]:
    """Return *told* as JSON has it."""
    return {
        "state": told.state,
        "verdict": told.verdict,
        "id": told.id,
        "title": told.shown.article.title if told.shown else None,
        "published": stamp(told.shown.published) if told.shown else None,
        "updated": stamp(told.shown.updated) if told.shown else None,
        "held_until": stamp(told.shown.published) if told.shown and told.shown.held else None,
        "categories": [list(path) for path in told.shown.categories] if told.shown else [],
        "removed": bool(told.memory and told.memory.removed),
        "first_seen": stamp(told.memory.first_seen) if told.memory else None,
        "keys": [{"kind": kind, "value": value} for kind, value in told.keys],
        "documents": [_document_values(each) for each in told.documents],
        "feeds": [
            {
                "category": list(f.node),
                "title": f.title,
                "holds": f.reason is None,
                "reason": f.reason,
                "urls": [*f.urls],
            }
            for f in told.feeds
        ],
        "history": [
            {"at": stamp(e.at), "what": e.verdict, "source": e.source, "locator": e.locator, "note": e.note}
            for e in told.history
        ],
    }


def _document_values(document: Document) -> dict[str, object]:
    row, raw = document.row, document.raw
    sighting = row.sighting
    return {
        "source": row.source,
        "locator": row.place.locator,
        "status": row.status,
        "reason": row.reason,
        "role": document.role,
        "doubt": document.doubt,
        "url": document.url,
        "origin": sighting.article.origin.title if sighting and sighting.article.origin else None,
        "guid": sighting.article.guid if sighting else None,
        "link": sighting.article.link if sighting else None,
        "missing_since": stamp(row.missing_since),
        "raw_title": raw.title if raw else None,
        "raw_date": raw.date if raw else None,
        "title": sighting.article.title if sighting else None,
        "date": stamp(sighting.article.published) if sighting else None,
        "dating": sighting.article.dating.value if sighting else None,
        "first_seen": stamp(sighting.first_seen) if sighting else None,
        "published": stamp(sighting.published) if sighting else None,
    }
