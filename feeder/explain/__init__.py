"""Why an article is where it is, or is not: its documents, its keys, its feeds and its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from feeder.app import App
from feeder.explain.documents import Document, document_of, keys, role_of
from feeder.explain.feeds import Feed, feeds_of
from feeder.explain.finding import Found, failing
from feeder.explain.verdict import unread, verdict_of
from feeder.model import Memory, Shown
from feeder.store.records import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All there is to know. `state` is one word, `verdict` a sentence."""

    state: str
    verdict: str
    id: str | None = None
    shown: Shown | None = None
    memory: Memory | None = None
    documents: tuple[Document, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    feeds: tuple[Feed, ...] = ()
    history: tuple[Event, ...] = ()


def explain(found: Found, app: App, now: datetime) -> Explanation:
    """Return why what was *found* is where it is, or is not."""
    if found.id is None:
        (row,) = found.rows
        document = document_of(row, "no article", app)
        return Explanation(state=row.status, verdict=unread(row) + failing(row.source, app), documents=(document,))
    memory = app.store.copies([found.id])[found.id][0]
    shown = app.store.shown([found.id]).get(found.id)
    feeds = tuple(feeds_of(shown, app, now)) if shown and not shown.held else ()
    history = app.store.history(found.id)
    state, verdict = verdict_of(found, memory, shown, feeds, app=app, now=now, history=history)
    return Explanation(
        state=state,
        verdict=verdict + (failing(found.rows[0].source, app) if found.rows else ""),
        id=found.id,
        shown=shown,
        memory=memory,
        documents=tuple(document_of(row, role_of(row, found, shown, app), app) for row in found.rows),
        keys=tuple(dict.fromkeys(key for row in found.rows if row.sighting for key in keys(row.sighting.article))),
        feeds=feeds,
        history=history,
    )
