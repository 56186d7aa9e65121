"""What became of an article or a document, in one word and in a sentence."""

from __future__ import annotations

from datetime import datetime

from feeder import takedowns
from feeder.app import App
from feeder.explain.documents import is_winner
from feeder.explain.feeds import Feed
from feeder.explain.finding import Found
from feeder.model import Memory, Shown, Status, Verdict
from feeder.pipeline import receiving
from feeder.store.records import Event, Row
from feeder.wording import apart, local, many, stamp


def verdict_of(
    found: Found,
    memory: Memory,
    shown: Shown | None,
    feeds: tuple[Feed, ...],
    *,
    app: App,
    now: datetime,
    history: tuple[Event, ...],
) -> tuple[str, str]:
    """Return what became of an article."""
    if memory.removed:
        return "removed", f"Taken down{_note(found.id, app)}. It is in no feed and cannot return."
    if shown is None:
        return _unshown(found, history)
    if shown.held:
        zone = app.config.site.timezone
        return "held", f"Held until {local(shown.published, zone)} ({apart(shown.published, now)}): its date is ahead."
    return _shown_verdict(found.rows[0], shown, feeds)


def unread(row: Row) -> str:
    """Return why a document is no article."""
    if row.reason == receiving.OLDER:
        return f"Left out: {row.reason} (`first`)."
    reasons = {
        Status.LEFT_OUT: f"Left out: {row.reason}.",
        Status.BROKEN: f"Rejected: {row.reason}. It is read again when it changes.",
        **dict.fromkeys(
            (Status.UNSETTLED, Status.UNREADABLE),
            f"Could not be read: {row.reason}. It is tried again at the next poll.",
        ),
    }
    return reasons.get(Status(row.status), "It was read, and is no article.")


def _unshown(found: Found, history: tuple[Event, ...]) -> tuple[str, str]:
    if found.rows:
        names = ", ".join(dict.fromkeys(row.source for row in found.rows))
        return (
            "hidden",
            f"Hidden: {names} is turned off (enabled = false). Turned on, it has the article back as it was.",
        )
    if not history:
        return "adopted", "Adopted from a feed that subscribers have; it waits for its article."
    if history[-1].verdict == Verdict.MERGED:
        where = history[-1].note or "into another article"
        return "merged", f"Merged {where}: its documents have a title and day, or a text, of that one."
    return "withdrawn", "Withdrawn: no source holds it any more. If it returns, it keeps its id."


def _note(id_: str | None, app: App) -> str:
    own = app.store.keys_of(id_) if id_ else ()
    taken = takedowns.load(app.config.path.parent / takedowns.NAME)
    entry = next((each for each in taken if each.id == id_ or not set(each.keys).isdisjoint(own)), None)
    return f": {entry.note}" if entry and entry.note else ""


def _shown_verdict(row: Row, shown: Shown, feeds: tuple[Feed, ...]) -> tuple[str, str]:
    holding = sum(1 for feed in feeds if feed.reason is None)
    where = f"in {holding} of {many(len(feeds), 'feed')}"
    broken = f" Its document is broken now ({row.reason}); what was read before stands." if row.reason else ""
    gone = f" Its document is missing since {stamp(row.missing_since)}." if row.missing_since else ""
    if not is_winner(row, shown):
        return "merged", f"Merged: {shown.source}: {shown.locator} is shown in its place, {where}.{broken}{gone}"
    if holding:
        return "shown", f"Shown {where}.{broken}{gone}"
    reasons = "; ".join(dict.fromkeys(feed.reason for feed in feeds if feed.reason))
    state = "too_old" if any(_is_beyond(feed) for feed in feeds) else "waiting"
    return state, f"In no feed: {reasons}.{broken}{gone}"


def _is_beyond(feed: Feed) -> bool:
    return bool(feed.reason and feed.reason.startswith("beyond"))
