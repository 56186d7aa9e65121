from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from build import DAY, HOUR, NOON, PREFIX, article, place, reading, source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from states import connection_of

from feeder import dedup
from feeder.dedup import Candidate, Decision, Missing, Rules
from feeder.model import (
    Article,
    Body,
    CategoryPath,
    Dating,
    Due,
    Enclosure,
    Memory,
    Node,
    OnRemove,
    Origin,
    Problem,
    Sighting,
    Status,
    Tally,
    Unlisted,
    Verdict,
)
from feeder.model import Change as Decided
from feeder.silence import Cause
from feeder.store import Store
from feeder.store.packing import pack, unpack
from feeder.store.records import (
    Alert,
    AlertKind,
    ArticlePage,
    Fault,
    FaultKind,
    Listener,
    Mark,
    Outcome,
    PublishedFeed,
    Seen,
    Standing,
    StoredBody,
)
from feeder.store.rows import SIGHTING_COLUMNS, sighting_values
from feeder.store.tables.deciding import HISTORY

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
NEWSROOM, PARTNER = source(), source("partner", 1)
RULES = Rules(prefix=PREFIX, ranks={"newsroom": 0, "partner": 1})
ID = PREFIX + "0" * 26
FOREIGN = "https://old.example.org/?p=7"
SEEN = NOON + HOUR
CLEAN = Body(content="<p>金融👍</p>" * 99, summary="金融", image=None)


@pytest.fixture
def polled(store: Store) -> Store:
    """A store that knows two sources."""
    with store.transaction():
        store.sync_sources([NEWSROOM, PARTNER])
    return store


def poll(store: Store, *found: tuple[str, Article], name: str = "newsroom", now: datetime = SEEN) -> Decision:
    """Take the articles in as a poll does."""
    reader = replace(NEWSROOM, name=name)
    candidates = [
        Candidate(
            locator=where,
            article=what,
            keys=dedup.keys(what, source=reader, locator=where),
            waiting=dedup.waiting_keys(what),
        )
        for where, what in found
    ]
    with store.transaction():
        known = store.known(
            name,
            locators=[c.locator for c in candidates],
            keys=[key for c in candidates for key in c.keys],
            body_hashes=[c.article.body_hash for c in candidates],
        )
        decision = dedup.decide(candidates, known, source=reader, rules=RULES, now=now)
        readings = [reading(where, what) for where, what in found]
        pairs = zip(readings, decision.changes, strict=True)
        store.record(name, [Outcome(reading=read, change=change) for read, change in pairs], now)
        store.stand((_standing(m, decision.copies[m.id], now) for m in decision.memories), now)
    return decision


def forget(store: Store, *locators: str, now: datetime = SEEN) -> None:
    with store.transaction():
        ids = store.forget("newsroom", locators, now)
        store.stand((_standing(memory, copies, now) for memory, copies in store.copies(ids).values()), now)


def publish(store: Store, now: datetime = SEEN) -> set[Node]:
    """Take note of all stale feeds as published; return their nodes."""
    with store.transaction():
        marks = store.stale(now, settle=timedelta())
        for mark in marks:
            store.save_feed(feed(mark.node, *[listed.id for listed in store.newest(mark.node)]), mark=mark, now=now)
    return {mark.node for mark in marks}


def stale(store: Store, now: datetime = SEEN, settle: timedelta = timedelta()) -> set[Node]:
    return {mark.node for mark in store.stale(now, settle=settle)}


def feed(node: Node, *ids: str, **changes: Any) -> PublishedFeed:
    plain = PublishedFeed(
        node=node, fingerprint="f", updated=NOON, files=(("a.xml", "aa", "1"), ("b.xml", "bb", "2")), ids=ids
    )
    return replace(plain, **changes)


def only_id(store: Store, locator: str = "a.md") -> str:
    row = store.row("newsroom", locator)
    assert row
    assert row.sighting
    return row.sighting.id


def scan(store: Store, *found: str | Unlisted, now: datetime = SEEN, at: Collection[str] | None = None) -> int:
    with store.transaction():
        places = [place(each) if isinstance(each, str) else each for each in found]
        return store.scan("newsroom", places, now, at=at).places


def _standing(memory: Memory, copies: Collection[Sighting], now: datetime) -> Standing:
    return Standing(memory=memory, shown=dedup.show(copies, memory, rules=RULES, now=now))


# ---------------------------------------------------------------- transactions


def test_a_transaction_that_fails_leaves_nothing(polled: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_after(polled, article(categories=(("A", "B"),)))
    assert polled.row("newsroom", "a.md") is None
    assert stale(polled) == set()


def test_a_part_of_a_transaction_can_fail_alone(polled: Store) -> None:
    with polled.transaction():
        polled.set_paused("newsroom", paused=True)
        with pytest.raises(ZeroDivisionError):
            _fail_after(polled, article(categories=(("A", "B"),)))
        with polled.transaction():
            polled.set_fingerprint("newsroom", "other")
    state = polled.source("newsroom")
    assert (state.is_paused, state.fingerprint) == (True, "other")
    assert polled.row("newsroom", "a.md") is None
    assert stale(polled) == set()


def test_after_a_transaction_that_failed_the_next_one_starts_from_what_is_there(polled: Store) -> None:
    what = article(categories=(("A", "B"),))
    with pytest.raises(ZeroDivisionError):
        _fail_after(polled, what)
    poll(polled, ("a.md", what))
    assert publish(polled) == {(), ("a",), ("a", "b")}
    assert polled.nodes() == {(): "", ("a",): "A", ("a", "b"): "B"}


def _fail_after(store: Store, what: Article) -> None:
    sighting = Sighting(source="newsroom", locator="a.md", id=ID, article=what, first_seen=SEEN, published=NOON)
    change = Decided(verdict=Verdict.NEW, locator="a.md", sighting=sighting, keys=(b"k" * 16,))
    with store.transaction():
        store.record("newsroom", [Outcome(reading=reading("a.md", what), change=change)], SEEN)
        store.mark([("a",)])
        _ = 1 / 0


# ---------------------------------------------------------------- sources


def test_sources_come_in_the_order_of_the_config(store: Store) -> None:
    with store.transaction():
        store.sync_sources([source("z", 0), source("a", 1)])
    assert [(state.name, state.rank) for state in store.sources()] == [("z", 0), ("a", 1)]


@pytest.mark.parametrize(("on_remove", "left"), [(OnRemove.WITHDRAW, ("gone",)), (OnRemove.KEEP, ())])
def test_a_source_that_leaves_is_told_if_its_articles_go(
    store: Store, on_remove: OnRemove, left: tuple[str, ...]
) -> None:
    with store.transaction():
        assert store.sync_sources([source("gone", 0, on_remove=on_remove), source("newsroom", 1)]) == ()
        assert store.sync_sources([source("newsroom", 0)]) == left
    assert [(state.name, state.rank) for state in store.sources()] == [("newsroom", 0), ("gone", None)]


def test_a_renamed_source_keeps_its_documents_and_is_read_again(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    with polled.transaction():
        polled.set_fingerprint("newsroom", "f")
        assert polled.sync_sources([source("desk", 0, was="newsroom"), PARTNER]) == ()
    assert polled.locators("desk") == ("a.md",)
    assert polled.sources()[0].fingerprint not in {"f", None}


def test_a_name_that_is_still_in_use_is_not_taken_over(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    with polled.transaction():
        polled.sync_sources([NEWSROOM, source("desk", 1, was="newsroom")])
    assert polled.locators("newsroom") == ("a.md",)
    assert polled.locators("desk") == ()


def test_a_source_is_due_at_once_and_claimed_once(polled: Store) -> None:
    with polled.transaction():
        assert polled.claim_due(NOON, limit=9, lease=MINUTE) == ("newsroom", "partner")
        assert polled.claim_due(NOON, limit=9, lease=MINUTE) == ()


def test_no_more_sources_are_claimed_than_asked_for(polled: Store) -> None:
    with polled.transaction():
        assert polled.claim_due(NOON, limit=1, lease=MINUTE) == ("newsroom",)
        assert polled.claim_due(NOON, limit=1, lease=MINUTE) == ("partner",)


def test_a_lease_that_ran_out_is_claimed_again(polled: Store) -> None:
    with polled.transaction():
        polled.claim_due(NOON, limit=9, lease=MINUTE)
        assert polled.claim_due(NOON + MINUTE - SECOND, limit=9, lease=MINUTE) == ()
        assert polled.claim_due(NOON + MINUTE, limit=9, lease=MINUTE) == ("newsroom", "partner")


def test_a_source_is_due_again_at_its_next_poll(polled: Store) -> None:
    with polled.transaction():
        polled.claim_due(NOON, limit=1, lease=DAY)
        polled.finish_poll("newsroom", now=NOON, due=Due(at=NOON + HOUR, why="hourly"), error=None)
        assert "newsroom" not in polled.claim_due(NOON + HOUR - SECOND, limit=9, lease=MINUTE)
        assert "newsroom" in polled.claim_due(NOON + HOUR, limit=9, lease=MINUTE)


def test_a_poll_that_failed_is_counted_until_one_succeeds(polled: Store) -> None:
    with polled.transaction():
        for _ in range(2):
            polled.finish_poll("newsroom", now=NOON, due=Due(at=NOON + HOUR, why="hourly"), error="no such directory")
    state = polled.sources()[0]
    assert (state.failures, state.error, state.last_poll, state.last_success) == (2, "no such directory", NOON, None)
    with polled.transaction():
        polled.finish_poll("newsroom", now=NOON + HOUR, due=Due(at=NOON + 2 * HOUR, why="hourly"), error=None)
    state = polled.sources()[0]
    assert (state.failures, state.error, state.last_success) == (0, None, NOON + HOUR)


def test_polls_that_went_well_are_finished_together(polled: Store) -> None:
    with polled.transaction():
        polled.claim_due(NOON, limit=9, lease=DAY)
        polled.finish_poll("newsroom", now=NOON, due=Due(at=NOON + HOUR, why="back-off"), error="no answer")
        polled.accept("newsroom", NOON)
        polled.finish_polls(
            {"partner": Due(at=NOON + DAY, why="daily"), "newsroom": Due(at=NOON + HOUR, why="hourly")}, NOON
        )
        polled.finish_polls({}, NOON)
        assert polled.claim_due(NOON + HOUR, limit=9, lease=MINUTE) == ("newsroom",)
    one, other = polled.sources()[:2]
    assert (one.failures, one.error, one.failed_with, one.is_accepted, one.why) == (0, None, None, False, "hourly")
    assert (other.next_poll, other.why, other.last_poll, other.last_success) == (NOON + DAY, "daily", NOON, NOON)


def test_some_sources_are_asked_for_at_once(polled: Store) -> None:
    found = polled.states(["partner", "nobody", "newsroom", "partner"])
    assert found == {name: polled.source(name) for name in ("newsroom", "partner")}
    assert polled.states([]) == {}


def test_what_is_known_of_many_sources_is_told_apart(polled: Store) -> None:
    for name, count in (("newsroom", 3), ("partner", 1)):
        for number in range(count):
            _bring(polled, name, article(f"{name} {number}", NOON + number * HOUR))
    poll(polled, ("a.md", article("In a file")))
    known = {name: polled.known_digests(name, 2) for name in ("newsroom", "partner")}
    assert {name: len(digests) for name, digests in known.items()} == {"newsroom": 2, "partner": 1}
    assert known["newsroom"] < polled.known_digests("newsroom", 9)
    newest = polled.newest_of(["newsroom", "partner", "nobody"], 2)
    assert newest == {"newsroom": (NOON + 2 * HOUR, NOON + HOUR), "partner": (NOON,)}
    assert polled.newest_of([], 2) == {}


def _bring(store: Store, name: str, what: Article) -> None:
    """Have a source bring what lies in no file."""
    locator, when = f"urn:{what.title}", what.published or SEEN
    sighting = Sighting(source=name, locator=locator, id=locator, article=what, first_seen=when, published=when)
    change = Decided(verdict=Verdict.NEW, locator=locator, sighting=sighting, keys=(locator.encode(),))
    outcome = Outcome(reading=reading(locator, what, place=place(locator, inode=0)), change=change)
    with store.transaction():
        store.record(name, [outcome], when)


def test_a_poll_can_be_asked_for(polled: Store) -> None:
    with polled.transaction():
        polled.finish_poll("newsroom", now=NOON, due=Due(at=NOON + DAY, why="daily"), error=None)
        assert polled.request_poll("newsroom", NOON + MINUTE)
        assert "newsroom" in polled.claim_due(NOON + MINUTE, limit=9, lease=MINUTE)


def test_a_paused_source_is_not_claimed_until_it_is_resumed(polled: Store) -> None:
    with polled.transaction():
        assert polled.set_paused("newsroom", paused=True)
        assert polled.claim_due(NOON, limit=9, lease=MINUTE) == ("partner",)
        assert polled.sources()[0].is_paused
        assert polled.set_paused("newsroom", paused=False)
        assert polled.claim_due(NOON, limit=9, lease=MINUTE) == ("newsroom",)


def test_what_an_operator_accepts_holds_for_one_poll(polled: Store) -> None:
    with polled.transaction():
        polled.finish_poll("newsroom", now=NOON, due=Due(at=NOON + DAY, why="daily"), error="30 of 40 vanished")
        assert polled.accept("newsroom", NOON + MINUTE)
        assert polled.claim_due(NOON + MINUTE, limit=1, lease=MINUTE) == ("partner",)
        assert polled.claim_due(NOON + MINUTE, limit=1, lease=MINUTE) == ("newsroom",)
        assert polled.sources()[0].is_accepted
        polled.finish_poll("newsroom", now=NOON + MINUTE, due=Due(at=NOON + DAY, why="daily"), error=None)
    assert not polled.sources()[0].is_accepted


def test_an_acceptance_outlives_a_poll_that_failed(polled: Store) -> None:
    with polled.transaction():
        polled.accept("newsroom", NOON)
        polled.finish_poll("newsroom", now=NOON, due=Due(at=NOON + DAY, why="daily"), error="no such directory")
    assert polled.sources()[0].is_accepted


def test_an_unknown_source_cannot_be_asked_for_anything(polled: Store) -> None:
    with polled.transaction():
        assert not polled.request_poll("nobody", NOON)
        assert not polled.set_paused("nobody", paused=True)
        assert not polled.accept("nobody", NOON)


def test_a_source_that_left_the_config_is_never_claimed(polled: Store) -> None:
    with polled.transaction():
        polled.sync_sources([PARTNER])
        assert polled.claim_due(NOON, limit=9, lease=MINUTE) == ("partner",)


# ---------------------------------------------------------------- scans


def test_a_scan_counts_its_places_and_tells_the_new_ones(polled: Store) -> None:
    assert scan(polled, "b.md", "a.md") == 2
    assert list(polled.changed("newsroom", everything=False)) == [Seen(place=place("a.md")), Seen(place=place("b.md"))]
    assert polled.count_changed("newsroom", everything=False) == 2


@pytest.mark.parametrize("stamp", [{}, {"size": 101}, {"mtime_ns": 2}, {"inode": 2}])
def test_a_known_place_is_read_again_if_its_stamp_moved(polled: Store, stamp: dict[str, int]) -> None:
    poll(polled, ("a.md", article()))
    with polled.transaction():
        polled.scan("newsroom", [place("a.md", **stamp)], SEEN)
    assert polled.count_changed("newsroom", everything=False) == len(stamp)
    [seen] = polled.changed("newsroom", everything=True)
    assert seen == Seen(
        place=place("a.md", **stamp), digest=reading("a.md", article()).digest, status=Status.GOOD, reason=None
    )


def test_a_document_that_was_not_settled_is_read_again_whatever_its_stamp(polled: Store) -> None:
    with polled.transaction():
        unsettled = reading("a.md", status=Status.UNSETTLED, reason="being written")
        polled.record("newsroom", [Outcome(reading=unsettled)], SEEN)
    scan(polled, "a.md")
    [seen] = polled.changed("newsroom", everything=False)
    assert (seen.place, seen.status, seen.reason) == (place("a.md"), Status.UNSETTLED, "being written")


def test_what_a_scan_does_not_find_is_missing_since_the_first_such_scan(polled: Store) -> None:
    poll(polled, ("a.md", article()), ("b.md", article("Other")))
    for number in range(3):
        scan(polled, "b.md", now=SEEN + number * HOUR)
    assert polled.missing("newsroom") == (Missing(locator="a.md", id=only_id(polled), since=SEEN, scans=3),)
    row = polled.row("newsroom", "a.md")
    assert row
    assert row.missing_since == SEEN


def test_a_scan_tells_which_articles_lost_or_got_back_one_of_their_documents(polled: Store) -> None:
    poll(polled, ("a.md", article()), ("copy.md", article()), ("b.md", article("Other")))
    id_ = only_id(polled)
    assert [_shifted(polled, *found) for found in (("a.md", "copy.md"), ("a.md",), ("a.md",))] == [(), (id_,), ()]
    assert {copy.locator: copy.missing_since for copy in _copies(polled, id_)} == {"a.md": None, "copy.md": SEEN}
    assert [_shifted(polled, *found) for found in (("copy.md",), ("a.md", "copy.md"))] == [(id_,), (id_,)]
    assert not any(copy.missing_since for copy in _copies(polled, id_))


def _shifted(store: Store, *found: str) -> tuple[str, ...]:
    with store.transaction():
        return store.scan("newsroom", map(place, found), SEEN).shifted


def _copies(store: Store, id_: str) -> tuple[Sighting, ...]:
    return store.copies([id_])[id_][1]


def test_what_is_found_again_is_not_missing(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    scan(polled)
    scan(polled, "a.md")
    assert polled.missing("newsroom") == ()
    assert polled.count_changed("newsroom", everything=False) == 0


def test_below_what_could_not_be_listed_nothing_is_missing(polled: Store) -> None:
    names = ("a/x.md", "a/b/y.md", "a%/z.md", "ab/z.md")
    poll(polled, *[(name, article(name)) for name in names])
    scan(polled, Unlisted(locator="a/", reason="denied"))
    assert [gone.locator for gone in polled.missing("newsroom")] == ["a%/z.md", "ab/z.md"]
    scan(polled, Unlisted(locator="", reason="denied"))
    assert [gone.scans for gone in polled.missing("newsroom")] == [1, 1]


@pytest.mark.parametrize(
    ("at", "missing"),
    [
        (["a"], ["a/b/y.md", "a/x.md"]),
        (["a/b"], ["a/b/y.md"]),
        (["a/x.md", "a0.md"], ["a/x.md", "a0.md"]),
        (["a/x"], []),
        ([], []),
    ],
    ids=str,
)
def test_a_scan_of_some_places_says_nothing_of_others(polled: Store, at: list[str], missing: list[str]) -> None:
    names = ("a/x.md", "a/b/y.md", "a%/z.md", "a.md", "a0.md", "ab/z.md")
    poll(polled, *[(name, article(name)) for name in names])
    scan(polled, at=at)
    assert [gone.locator for gone in polled.missing("newsroom")] == missing


def test_a_scan_of_some_places_does_not_forget_what_could_not_be_listed(polled: Store) -> None:
    poll(polled, ("a/x.md", article()))
    scan(polled, Unlisted(locator="a/", reason="denied"))
    scan(polled, at=["a/x.md"])
    assert polled.unlisted("newsroom") == {"a/": "denied"}
    assert polled.missing("newsroom") == ()


def test_a_scan_of_one_source_leaves_the_others_alone(polled: Store) -> None:
    poll(polled, ("a.md", article()), name="partner")
    scan(polled)
    assert polled.missing("partner") == ()


def test_a_missing_document_is_offered_as_vanished_by_its_text(polled: Store) -> None:
    poll(polled, ("a.md", article()), ("b.md", article("Other", body="Other.")))
    scan(polled, "b.md")
    known = polled.known("newsroom", locators=[], keys=[], body_hashes=[article().body_hash])
    assert [sighting.locator for sighting in known.vanished] == ["a.md"]
    assert set(known.memories) == set(known.copies) == {only_id(polled)}


def test_a_rename_moves_the_row(polled: Store) -> None:
    poll(polled, ("a.md", article(categories=(("A",),))))
    id_ = only_id(polled)
    scan(polled, "b.md")
    poll(polled, ("b.md", article("New headline", categories=(("A",),))), now=SEEN + DAY)
    assert polled.locators("newsroom") == ("b.md",)
    assert only_id(polled, "b.md") == id_
    assert polled.nodes() == {(): "", ("a",): "A"}
    assert [(event.verdict, event.note) for event in polled.history(id_)] == [("renamed", "from a.md")]


# ---------------------------------------------------------------- articles, there and back

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12) | st.sampled_from(
    ["👩‍👩‍👧"]
)
moments = st.integers(min_value=631_152_000, max_value=7_258_118_399).map(lambda s: datetime.fromtimestamp(s, UTC))
hashes = st.binary(min_size=16, max_size=16)
labels = st.text("aAbB 金融👍-_", min_size=1, max_size=4).filter(lambda text: text.strip(" -_"))
any_articles = st.builds(
    Article,
    title=texts,
    title_key=texts,
    published=st.none() | moments,
    day=st.none() | st.dates(date(1990, 1, 1), date(2199, 12, 31)),
    dating=st.sampled_from(Dating),
    updated=st.none() | moments,
    categories=st.lists(st.lists(labels, min_size=1, max_size=3).map(tuple), max_size=3, unique=True).map(tuple),
    tags=st.lists(texts, max_size=3).map(tuple),
    author=st.none() | texts,
    image=st.none() | texts,
    link=st.none() | texts,
    guid=st.none() | texts,
    summary=st.none() | texts,
    origin=st.none()
    | st.builds(
        Origin,
        id=st.none() | texts,
        title=st.none() | texts,
        url=st.none() | texts,
        home=st.none() | texts,
        author=st.none() | texts,
        rights=st.none() | texts,
    ),
    rights=st.none() | texts,
    language=st.none() | texts,
    enclosures=st.lists(
        st.builds(
            Enclosure,
            url=texts,
            media_type=st.none() | texts,
            length=st.none() | st.integers(0, (1 << 53) - 1),
        ),
        max_size=3,
    ).map(tuple),
    body_hash=hashes,
    text_hash=hashes,
    item_hash=hashes,
)
sightings = st.builds(
    Sighting,
    source=st.just("newsroom"),
    locator=texts,
    id=st.sampled_from([ID, FOREIGN]),
    article=any_articles,
    first_seen=moments,
    published=moments,
    text_since=st.none() | moments,
    dated_since=st.none() | moments,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sighting=sightings, key=hashes)
def test_a_sighting_comes_back_as_it_went(polled: Store, sighting: Sighting, key: bytes) -> None:
    change = Decided(verdict=Verdict.UPDATED, locator=sighting.locator, sighting=sighting, keys=(key,))
    memory = Memory(id=sighting.id, first_seen=sighting.first_seen)
    with polled.transaction():
        polled.forget("newsroom", polled.locators("newsroom"), SEEN)
        outcome = Outcome(reading=reading(sighting.locator, sighting.article), change=change)
        polled.record("newsroom", [outcome], SEEN)
        polled.stand([_standing(memory, [sighting], SEEN)], SEEN)
    known = polled.known("newsroom", locators=[sighting.locator], keys=[key], body_hashes=[])
    assert known.sightings == {sighting.locator: sighting}
    assert known.copies[sighting.id] == (sighting,)
    assert key in known.owners
    [shown] = polled.shown([sighting.id]).values()
    assert shown == dedup.show([sighting], memory, rules=RULES, now=SEEN)


def test_what_only_feeds_of_others_bring_takes_no_room_elsewhere() -> None:
    own = Sighting(source="newsroom", locator="a.md", id=ID, article=article(), first_seen=NOON, published=NOON)
    foreign = replace(own, article=article(rights="CC BY", enclosures=(Enclosure(url="https://a.example/"),)))
    extras = [
        dict(zip(SIGHTING_COLUMNS, sighting_values(each, "x", ""), strict=True))["extra"] for each in (own, foreign)
    ]
    assert extras == [None, '{"rights":"CC BY","enclosures":[{"url":"https://a.example/"}]}']


def test_a_key_keeps_its_first_owner(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    [key] = polled.keys_of(only_id(polled))
    with polled.transaction():
        polled.adopt([(Memory(id=FOREIGN, first_seen=NOON), (key,))])
    assert polled.known("newsroom", locators=[], keys=[key], body_hashes=[]).owners == {key: only_id(polled)}


def test_keys_of_former_titles_stay(polled: Store) -> None:
    poll(polled, ("a.md", article("One")))
    poll(polled, ("a.md", article("Two")))
    assert len(polled.keys_of(only_id(polled))) == 2


def test_more_is_known_than_fits_into_one_question(polled: Store) -> None:
    found = [(f"{number:04}.md", article(f"Title {number}", body=f"Text {number}.")) for number in range(1_201)]
    poll(polled, *found)
    known = polled.known("newsroom", locators=[where for where, _ in found], keys=[], body_hashes=[])
    assert len(known.sightings) == len(known.copies) == 1_201
    assert len(polled.shown(list(known.copies))) == 1_201


def test_copies_of_all_sources_are_known(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    poll(polled, ("x.md", article()), name="partner")
    [(memory, copies)] = polled.copies([only_id(polled)]).values()
    assert {(copy.source, copy.locator) for copy in copies} == {("newsroom", "a.md"), ("partner", "x.md")}
    assert memory.text_hash == article().text_hash


def test_the_first_sight_is_remembered_for_good(polled: Store) -> None:
    poll(polled, ("a.md", article()), now=SEEN)
    id_ = only_id(polled)
    forget(polled, "a.md")
    poll(polled, ("b.md", article(body="Edited.")), now=SEEN + DAY)
    forget(polled, "b.md")
    [(memory, copies)] = polled.copies([id_]).values()
    assert (memory.first_seen, memory.text_hash, memory.text_since, copies) == (
        SEEN,
        article(body="Edited.").text_hash,
        SEEN + DAY,
        (),
    )


def test_a_stamp_that_is_not_believed_is_kept_to_be_known_again(polled: Store) -> None:
    poll(polled, ("a.md", article(dating=Dating.NAIVE)))
    poll(polled, ("a.md", article(published=NOON + DAY, dating=Dating.NAIVE)), now=NOON + DAY)
    row = polled.row("newsroom", "a.md")
    assert row
    assert row.sighting
    assert (row.sighting.published, row.sighting.article.published) == (NOON, NOON + DAY)


def test_a_broken_document_keeps_its_last_good_sighting(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    with polled.transaction():
        broken = reading("a.md", status=Status.BROKEN, reason="line 3: no YAML")
        polled.record("newsroom", [Outcome(reading=broken)], SEEN)
    row = polled.row("newsroom", "a.md")
    assert row
    assert (row.status, row.reason) == ("broken", "line 3: no YAML")
    assert row.sighting
    assert row.sighting.article == article()
    assert polled.problems() == (Problem(where="newsroom: a.md", reason="line 3: no YAML"),)
    assert polled.count("newsroom") == 1


def test_a_document_that_is_left_out_loses_its_sighting(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    id_ = only_id(polled)
    with polled.transaction():
        change = Decided(verdict=Verdict.WITHDRAWN, locator="a.md", sighting=None, was_id=id_)
        draft = reading("a.md", status=Status.LEFT_OUT, reason="draft")
        polled.record("newsroom", [Outcome(reading=draft, change=change)], SEEN)
    row = polled.row("newsroom", "a.md")
    assert row
    assert (row.status, row.sighting) == ("left_out", None)
    assert [event.verdict for event in polled.history(id_)] == ["withdrawn"]
    assert (polled.count("newsroom"), polled.rows(id_)) == (0, ())


def test_forgetting_tells_the_articles_that_lose_a_sighting(polled: Store) -> None:
    poll(polled, ("a.md", article()), ("b.md", article()), ("c.md", article("Other")))
    with polled.transaction():
        polled.record("newsroom", [Outcome(reading=reading("x.md", status=Status.BROKEN))], SEEN)
        ids = polled.forget("newsroom", ["a.md", "b.md", "x.md", "nowhere.md"], SEEN)
    assert len(ids) == 1
    assert polled.locators("newsroom") == ("c.md",)


def test_digests_are_those_of_the_winners_documents(polled: Store) -> None:
    poll(polled, ("x.md", article(author="Wu")), name="partner")
    poll(polled, ("a.md", article(author="Li")))
    assert polled.digests([only_id(polled)]) == {only_id(polled): reading("a.md", article(author="Li")).digest}


# ---------------------------------------------------------------- marks and memberships


def filed(*paths: CategoryPath, **changes: Any) -> Article:
    return article(categories=paths, **changes)


def test_a_new_article_marks_its_nodes_and_their_parents(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A", "B"), ("C",))))
    assert stale(polled) == {(), ("a",), ("a", "b"), ("c",)}
    assert polled.nodes() == {(): "", ("a",): "A", ("a", "b"): "B", ("c",): "C"}


def test_an_article_without_a_category_marks_the_site(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    assert stale(polled) == {()}


def test_an_article_that_is_unchanged_marks_nothing(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",))))
    publish(polled)
    poll(polled, ("a.md", filed(("A",))))
    poll(polled, ("copy.md", filed(("A",))))
    assert stale(polled) == set()


def test_an_edit_marks_the_nodes_of_its_article_only(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",))), ("b.md", filed(("B",), title="Other", body="Other.")))
    publish(polled)
    poll(polled, ("a.md", filed(("A",), body="Edited.")))
    assert stale(polled) == {(), ("a",)}


def test_an_article_that_moves_marks_where_it_was_and_where_it_is(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A", "B"))))
    publish(polled)
    poll(polled, ("a.md", filed(("A", "C"))))
    assert stale(polled) == {(), ("a",), ("a", "b"), ("a", "c")}
    assert set(polled.nodes()) == {(), ("a",), ("a", "c")}


def test_a_withdrawn_article_marks_where_it_was(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",))))
    publish(polled)
    forget(polled, "a.md")
    assert stale(polled) == {(), ("a",)}
    assert polled.nodes() == {}
    assert polled.shown([PREFIX + "x"]) == {}


def test_a_corrected_date_moves_an_article_in_its_feeds(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",))), ("b.md", filed(("A",), title="Other", published=NOON - HOUR)))
    publish(polled)
    poll(polled, ("a.md", filed(("A",), published=NOON - DAY)))
    assert stale(polled) == {(), ("a",)}
    ids = [listed.id for listed in polled.newest(("a",))]
    assert ids == [only_id(polled, "b.md"), only_id(polled, "a.md")]


def test_a_held_article_marks_nothing_until_its_hour(polled: Store) -> None:
    held = filed(("A",), published=SEEN + 3 * DAY)
    poll(polled, ("a.md", held))
    assert (stale(polled), list(polled.newest(()))) == (set(), [])
    with polled.transaction():
        assert polled.release(SEEN + 3 * DAY - SECOND) == 0
        assert polled.release(SEEN + 3 * DAY) == 1
        assert polled.release(SEEN + 3 * DAY) == 0
    assert stale(polled) == {(), ("a",)}
    assert [listed.published for listed in polled.newest(("a",))] == [held.published]
    assert not polled.shown([only_id(polled)])[only_id(polled)].held


def test_a_released_article_is_withdrawn_from_where_it_came_in(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",), published=SEEN + 3 * DAY)))
    with polled.transaction():
        polled.release(SEEN + 4 * DAY)
    forget(polled, "a.md", now=SEEN + 5 * DAY)
    assert list(polled.newest(())) == []


def test_newest_is_published_descending_then_id(polled: Store) -> None:
    found = [(f"{n}.md", article(f"Title {n}", NOON - (n % 3) * HOUR, body=f"Text {n}.")) for n in range(9)]
    poll(polled, *found)
    newest = [(listed.published, listed.id) for listed in polled.newest(())]
    assert len(newest) == 9
    assert newest == sorted(newest, key=lambda pair: (-pair[0].timestamp(), pair[1]))


def test_newest_tells_the_winner_s_source(polled: Store) -> None:
    poll(polled, ("x.md", article()), name="partner")
    poll(polled, ("a.md", article()))
    assert [listed.source for listed in polled.newest(())] == ["newsroom"]


def test_an_unknown_node_is_empty(polled: Store) -> None:
    assert list(polled.newest(("nowhere",))) == []


# ---------------------------------------------------------------- labels


def test_the_label_is_the_smallest_current_spelling(polled: Store) -> None:
    poll(polled, ("a.md", filed(("tech news",))))
    assert polled.nodes()["tech-news",] == "tech news"
    poll(polled, ("b.md", filed(("Tech News",), title="Other", body="Other.")))
    assert polled.nodes()["tech-news",] == "Tech News"
    forget(polled, "b.md")
    assert polled.nodes()["tech-news",] == "tech news"


def test_a_label_does_not_depend_on_the_order_of_arrival(polled: Store) -> None:
    poll(polled, ("b.md", filed(("Tech News",))))
    poll(polled, ("a.md", filed(("tech news",), title="Other", body="Other.")))
    assert polled.nodes()["tech-news",] == "Tech News"


def test_a_spelling_stays_while_another_article_has_it(polled: Store) -> None:
    poll(polled, ("a.md", filed(("TECH",))), ("b.md", filed(("tech",), title="Two", body="Two.")))
    poll(polled, ("c.md", filed(("TECH",), title="Three", body="Three.")))
    forget(polled, "a.md")
    assert polled.nodes()["tech",] == "TECH"
    forget(polled, "c.md")
    assert polled.nodes()["tech",] == "tech"


def test_a_label_that_changes_marks_every_feed_that_names_it(polled: Store) -> None:
    beside = filed(("tech", "chips"), ("Money",))
    poll(polled, ("a.md", beside), ("b.md", filed(("Other",), title="Two", body="Two.")))
    publish(polled)
    poll(polled, ("c.md", filed(("TECH",), title="Three", body="Three.")))
    assert stale(polled) == {(), ("tech",), ("tech", "chips"), ("money",)}
    publish(polled)
    forget(polled, "c.md")
    assert stale(polled) == {(), ("tech",), ("tech", "chips"), ("money",)}


def test_a_spelling_of_a_level_below_counts_for_it(polled: Store) -> None:
    poll(polled, ("a.md", filed(("tech", "ai"))), ("b.md", filed(("TECH",), title="Two", body="Two.")))
    poll(polled, ("b.md", filed(("TECH", "AI"), title="Two", body="Two.")))
    assert polled.nodes() == {(): "", ("tech",): "TECH", ("tech", "ai"): "AI"}


def test_an_article_that_is_edited_over_and_over_counts_once(polled: Store) -> None:
    poll(polled, ("a.md", filed(("TECH",))), ("b.md", filed(("tech",), title="Two", body="Two.")))
    for number in range(5):
        poll(polled, ("a.md", filed(("TECH",), body=f"Text {number}.")))
    poll(polled, ("a.md", filed(("tech",), body="Text 4.")))
    assert polled.nodes()["tech",] == "tech"


# ---------------------------------------------------------------- publishing


def test_a_mark_is_removed_when_its_feed_is_saved(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    assert publish(polled) == {()}
    assert stale(polled) == set()


def test_a_mark_that_came_while_the_feed_was_made_survives(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    [mark] = polled.stale(SEEN, settle=timedelta())
    poll(polled, ("a.md", article(body="Edited.")))
    with polled.transaction():
        polled.save_feed(feed(()), mark=mark, now=SEEN)
    assert stale(polled) == {()}


def test_a_feed_that_is_dropped_survives_a_later_mark(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    publish(polled)
    forget(polled, "a.md")
    [mark] = polled.stale(SEEN, settle=timedelta())
    with polled.transaction():
        polled.mark([()])
    with polled.transaction():
        polled.drop_feed(mark)
    assert polled.feeds() == ()
    assert stale(polled) == {()}


def test_the_deepest_nodes_are_published_first(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A", "B"))))
    assert [mark.node for mark in polled.stale(SEEN, settle=timedelta())] == [("a", "b"), ("a",), ()]


def test_a_feed_is_left_to_settle_after_it_was_published(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    assert stale(polled, settle=MINUTE) == {()}
    publish(polled, SEEN)
    poll(polled, ("a.md", article(body="Edited.")))
    assert stale(polled, SEEN + MINUTE - SECOND, settle=MINUTE) == set()
    assert stale(polled, SEEN + MINUTE, settle=MINUTE) == {()}


def test_a_mark_can_be_for_later(polled: Store) -> None:
    with polled.transaction():
        polled.mark([("a",)], not_before=SEEN + HOUR)
    assert stale(polled, SEEN + HOUR - SECOND) == set()
    assert stale(polled, SEEN + HOUR) == {("a",)}


def test_a_change_is_published_although_the_node_was_to_wait(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    with polled.transaction():
        polled.mark([()], not_before=SEEN + HOUR)
    assert stale(polled) == set()
    poll(polled, ("a.md", article(body="Edited.")))
    assert stale(polled) == {()}


def test_a_published_feed_comes_back_as_it_went(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    saved = feed((), only_id(polled), updated=NOON - DAY, fingerprint="渲染")
    with polled.transaction():
        polled.save_feed(saved, mark=Mark(node=(), seqs=(1,)), now=SEEN)
    assert polled.feeds() == (replace(saved, ids=(), count=1),)
    assert polled.feeds_of(only_id(polled)) == ((),)


def test_an_entry_that_leaves_a_feed_is_not_in_it(polled: Store) -> None:
    for ids in ((ID, FOREIGN), (FOREIGN,)):
        with polled.transaction():
            polled.save_feed(feed(("a",), *ids), mark=Mark(node=("a",), seqs=(1,)), now=SEEN)
    assert (polled.feeds_of(ID), polled.feeds_of(FOREIGN)) == ((), (("a",),))


def test_a_body_is_kept_while_a_feed_holds_its_article(polled: Store) -> None:
    body = StoredBody(id=ID, key=b"k", packed=pack(CLEAN))
    with polled.transaction():
        polled.save_bodies([body, replace(body, id=FOREIGN)])
        for node in (("a",), ("b",)):
            polled.save_feed(feed(node, ID, FOREIGN), mark=Mark(node=node, seqs=(1,)), now=SEEN)
        polled.save_feed(feed(("a",), FOREIGN), mark=Mark(node=("a",), seqs=(1,)), now=SEEN)
        assert set(polled.bodies([ID, FOREIGN])) == {ID, FOREIGN}
        polled.drop_feed(Mark(node=("b",), seqs=(1,)))
    assert polled.bodies([ID, FOREIGN]) == {FOREIGN: replace(body, id=FOREIGN)}
    assert unpack(polled.bodies([FOREIGN])[FOREIGN].packed) == CLEAN


def test_the_page_of_an_article_comes_back_as_it_went_and_is_left_when_no_feed_holds_it(polled: Store) -> None:
    pages = [ArticlePage(id=id_, digest="d", stamp="s") for id_ in (ID, FOREIGN)]
    with polled.transaction():
        polled.save_article_pages(pages)
        polled.save_feed(feed((), ID), mark=Mark(node=(), seqs=(1,)), now=SEEN)
    assert (polled.article_pages(), polled.article_pages([ID])) == ({ID: pages[0], FOREIGN: pages[1]}, {ID: pages[0]})
    assert polled.left_article_pages() == (FOREIGN,)
    with polled.transaction():
        polled.save_article_pages([ArticlePage(id=ID)])
    assert set(polled.left_article_pages()) == {ID, FOREIGN}
    with polled.transaction():
        polled.drop_article_pages([ID, FOREIGN])
    assert polled.article_pages() == {}


def test_a_census_counts_what_a_node_holds_and_tells_its_newest(polled: Store) -> None:
    poll(
        polled,
        ("b.md", article("Second", NOON, categories=(("A", "B"),))),
        ("a.md", article("First", NOON - DAY, categories=(("A",),))),
    )
    first, second = Tally(articles=1, newest=NOON, title="Second"), Tally(articles=2, newest=NOON, title="Second")
    assert polled.census() == {(): second, ("a",): second, ("a", "b"): first}
    assert polled.published_since(("a",), NOON) == (NOON,)
    assert sorted(polled.published_since((), NOON - DAY)) == [NOON - DAY, NOON]
    poll(polled, ("a.md", article("First", NOON - DAY, categories=(("C",),))))
    third = Tally(articles=1, newest=NOON - DAY, title="First")
    assert polled.census() == {(): second, ("a",): first, ("a", "b"): first, ("c",): third}


def test_a_body_that_is_cleaned_anew_takes_the_place_of_the_old(polled: Store) -> None:
    old = StoredBody(id=ID, key=b"1", packed=b"old")
    new = StoredBody(id=ID, key=b"2", packed=b"new")
    with polled.transaction():
        polled.save_bodies([old])
        polled.save_bodies([new])
    assert polled.bodies([ID]) == {ID: new}


def test_faults_come_back_as_they_went_until_they_end(polled: Store) -> None:
    feed, entry = (
        Fault(kind=k, subject="金融/a", since=SEEN, reason="full") for k in (FaultKind.FEED, FaultKind.ENTRY)
    )
    with polled.transaction():
        polled.save_faults([feed, entry], [])
    assert polled.faults() == (entry, feed)
    other = replace(feed, since=SEEN + HOUR, reason="gone")
    with polled.transaction():
        polled.save_faults([other], [(FaultKind.ENTRY, "金融/a")])
    assert polled.faults() == (other,)


# ---------------------------------------------------------------- alerts


def test_alerts_come_back_as_they_went_until_nobody_watches(polled: Store) -> None:
    source_, category = (Alert(kind=kind, subject="金融/a", watched=SEEN) for kind in AlertKind)
    with polled.transaction():
        polled.save_alerts([source_, category])
    assert polled.alerts() == (category, source_)
    silent = replace(source_, cause=Cause.SILENT, since=SEEN - DAY, is_told=True)
    with polled.transaction():
        polled.save_alerts([replace(silent, watched=SEEN + DAY)], [(AlertKind.CATEGORY, "金融/a")])
    assert polled.alerts() == (silent,)  # it is watched since then


def test_a_rhythm_has_the_last_article_of_each_hour_newest_first_and_none_of_the_future(store: Store) -> None:
    store.sync_sources([source()])
    minutes = (0, 20, 59, 61, 300, 60 * 24 * 400)
    poll(store, *((f"{m}.md", article(f"A{m}", published=NOON - timedelta(minutes=m))) for m in minutes))
    poll(store, ("b.md", article("B", published=NOON + DAY, categories=(("Sea",),))), now=SEEN + 2 * DAY)
    expected = tuple(NOON - timedelta(minutes=m) for m in (0, 20, 61, 300, 60 * 24 * 400))
    assert store.rhythm_of_source("newsroom", NOON) == expected
    assert store.rhythm_of_node((), NOON) == expected
    assert store.rhythm_of_node(("sea",), NOON + DAY) == (NOON + DAY,)
    assert store.rhythm_of_node(("nowhere",), NOON) == store.rhythm_of_source("nobody", NOON) == ()


# ---------------------------------------------------------------- what nobody needs any more


def rows(store: Store, table: str) -> set[tuple[str, ...]]:
    column = {"paths": "labels", "nodes": "identity"}[table]
    return {tuple(json.loads(text)) for (text,) in connection_of(store).execute(f"SELECT {column} FROM {table}")}


def prune(store: Store) -> None:
    with store.transaction():
        store.prune()


def test_a_category_without_articles_and_feeds_leaves_no_row(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A", "B"))), ("b.md", filed(("A",), title="Other", body="Other.")))
    publish(polled)
    forget(polled, "a.md")
    prune(polled)
    assert rows(polled, "paths") == {("A",)}
    assert rows(polled, "nodes") == {(), ("a",), ("a", "b")}  # its feed is still there, and a mark to remove it
    for mark in polled.stale(SEEN, settle=timedelta()):
        with polled.transaction():
            polled.drop_feed(mark)
    prune(polled)
    assert rows(polled, "nodes") == {(), ("a",)}


def test_a_category_that_was_removed_and_comes_again_is_whole(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A", "B"))))
    publish(polled)
    forget(polled, "a.md")
    for mark in polled.stale(SEEN, settle=timedelta()):
        with polled.transaction():
            polled.drop_feed(mark)
    prune(polled)
    assert rows(polled, "nodes") == {()}
    poll(polled, ("a.md", filed(("A", "B"))))
    assert polled.nodes() == {(): "", ("a",): "A", ("a", "b"): "B"}
    assert stale(polled) == {(), ("a",), ("a", "b")}


def test_a_spelling_that_is_in_use_survives(polled: Store) -> None:
    held = filed(("Held",), title="Later", published=SEEN + 9 * DAY, body="Later.")
    poll(polled, ("a.md", filed(("A",))), ("h.md", held))
    poll(polled, ("p.md", filed(("a",))), name="partner")
    before = rows(polled, "paths"), rows(polled, "nodes")
    prune(polled)
    assert (rows(polled, "paths"), rows(polled, "nodes")) == before
    [copies] = polled.copies([only_id(polled)]).values()
    assert {path for sighting in copies[1] for path in sighting.article.categories} == {("A",), ("a",)}


def test_a_spelling_that_was_miscounted_is_not_torn_from_its_articles(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",))))
    connection_of(polled).execute("UPDATE paths SET sightings = 0")
    prune(polled)
    assert rows(polled, "paths") == {("A",)}


# ---------------------------------------------------------------- asking


def test_the_history_tells_what_happened_oldest_first(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    id_ = only_id(polled)
    poll(polled, ("a.md", article(body="Edited.")), now=SEEN + HOUR)
    poll(polled, ("a.md", article(published=NOON - DAY, body="Edited.")), now=SEEN + 2 * HOUR)
    forget(polled, "a.md", now=SEEN + 3 * HOUR)
    assert [(event.verdict, event.at, event.source, event.locator) for event in polled.history(id_)] == [
        ("updated", SEEN + HOUR, "newsroom", "a.md"),
        ("corrected", SEEN + 2 * HOUR, "newsroom", "a.md"),
        ("withdrawn", SEEN + 3 * HOUR, "newsroom", "a.md"),
    ]


def test_a_history_keeps_its_newest_lines(polled: Store) -> None:
    for hour in range(HISTORY + 10):
        poll(polled, ("a.md", article(body=f"Edit {hour}.")), now=SEEN + hour * HOUR)
    history = polled.history(only_id(polled))
    assert len(history) == HISTORY
    assert history[-1].at == SEEN + (HISTORY + 9) * HOUR


def test_both_articles_remember_that_a_place_was_reused(polled: Store) -> None:
    poll(polled, ("daily.md", article("早报")))
    old = only_id(polled, "daily.md")
    poll(polled, ("daily.md", article("早报", NOON + DAY, body="Next.")))
    for id_ in (old, only_id(polled, "daily.md")):
        assert [event.verdict for event in polled.history(id_)] == ["replaced"]


def test_rows_are_an_article_s_documents_the_first_source_s_first(polled: Store) -> None:
    poll(polled, ("x.md", article()), name="partner")
    poll(polled, ("b.md", article()), ("a.md", article()))
    assert [(row.source, row.place.locator) for row in polled.rows(only_id(polled))] == [
        ("newsroom", "a.md"),
        ("newsroom", "b.md"),
        ("partner", "x.md"),
    ]


def test_merges_are_articles_whose_copies_differ_in_text(polled: Store) -> None:
    poll(polled, ("a.md", article()), ("b.md", article()), ("c.md", article("Two")), ("d.md", article("Two", body="2")))
    [(id_, copies)] = polled.merges()
    assert id_ == only_id(polled, "c.md")
    assert {copy.locator for copy in copies} == {"c.md", "d.md"}


def test_problems_are_the_documents_that_could_not_be_read(polled: Store) -> None:
    outcomes = [
        Outcome(reading=reading("b.md", status=Status.BROKEN, reason="no YAML")),
        Outcome(reading=reading("a.md", status=Status.UNSETTLED, reason="being written")),
        Outcome(reading=reading("c.md", status=Status.LEFT_OUT, reason="draft")),
    ]
    with polled.transaction():
        polled.record("newsroom", outcomes, SEEN)
    assert [(problem.where, problem.reason) for problem in polled.problems()] == [
        ("newsroom: a.md", "being written"),
        ("newsroom: b.md", "no YAML"),
    ]


def test_counts(polled: Store) -> None:
    poll(polled, ("a.md", article()), ("b.md", article()), ("c.md", article("Two", SEEN + 9 * DAY)))
    with polled.transaction():
        polled.record("newsroom", [Outcome(reading=reading("x.md", status=Status.BROKEN, reason="no YAML"))], SEEN)
        polled.record("newsroom", [Outcome(reading=reading("y.md", status=Status.LEFT_OUT, reason="draft"))], SEEN)
        polled.take_down([(FOREIGN, ())], SEEN)
    scan(polled, "a.md", "c.md")
    assert dict(polled.counts()) == {
        "articles": 2,
        "held": 1,
        "removed": 1,
        "sightings": 3,
        "merged": 1,
        "left_out": 1,
        "rejected": 1,
        "missing": 1,
        "feeds": 0,
        "stale": 1,
    }


def test_id_slices_hold_every_article_with_sightings_once(polled: Store) -> None:
    poll(polled, *[(f"{n}.md", article(f"Title {n}", body=f"Text {n}.")) for n in range(1_100)])
    poll(polled, ("copy.md", article("Title 1", body="Text 1.")))
    slices = list(polled.id_slices())
    assert len(slices) > 1
    assert len([id_ for ids in slices for id_ in ids]) == len({id_ for ids in slices for id_ in ids}) == 1_100


# ---------------------------------------------------------------- the operator's word


def test_a_key_passes_to_the_article_that_takes_it_and_the_history_tells(polled: Store) -> None:
    poll(polled, ("a.md", article("Bridge opens")))
    poll(polled, ("a.md", article("Bridge opened")))
    poll(polled, ("b.md", article("Bridge opens", body="Another bridge.")))
    first, second = only_id(polled), only_id(polled, "b.md")
    [key] = dedup.keys(article("Bridge opens"), source=NEWSROOM, locator="b.md")
    assert polled.known("newsroom", locators=[], keys=[key], body_hashes=[]).owners == {key: second}
    [event] = polled.history(second)
    assert (event.verdict, event.note) == ("new", f"title and day were those of {first} before")


def test_a_note_tells_whether_it_said_something_else(polled: Store) -> None:
    with polled.transaction():
        assert [polled.note("rules", told) for told in ("1", "1", "2", "2")] == [False, False, True, False]


def test_an_adopted_article_is_remembered_once(polled: Store) -> None:
    memory = Memory(id=FOREIGN, first_seen=NOON - DAY, adopted=NOON - 2 * DAY, text_since=NOON)
    with polled.transaction():
        assert polled.adopt([(memory, (b"k" * 16,)), (replace(memory, id=ID), ())]) == 2
        assert polled.adopt([(replace(memory, first_seen=NOON), (b"l" * 16,))]) == 0
    known = polled.known("newsroom", locators=[], keys=[b"k" * 16, b"l" * 16], body_hashes=[])
    assert known.owners == {b"k" * 16: FOREIGN, b"l" * 16: FOREIGN}
    assert known.memories == {FOREIGN: memory}


def test_an_article_that_is_taken_down_leaves_its_feeds_and_comes_back_when_that_is_undone(polled: Store) -> None:
    poll(polled, ("a.md", filed(("A",))))
    id_ = only_id(polled)
    publish(polled)
    _take_down(polled, [(id_, polled.keys_of(id_))])
    assert (list(polled.newest(())), stale(polled)) == ([], {(), ("a",)})
    publish(polled)
    _take_down(polled, [])
    assert ([listed.id for listed in polled.newest(("a",))], stale(polled)) == ([id_], {(), ("a",)})


def test_a_takedown_is_told_once(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    id_ = only_id(polled)
    with polled.transaction():
        assert polled.take_down([(id_, ())], SEEN) == (id_,)
        assert polled.take_down([(id_, ())], SEEN) == ()
        assert polled.take_down([], SEEN) == (id_,)


def test_a_takedown_holds_for_an_article_that_is_not_known_yet(polled: Store) -> None:
    keys = dedup.keys(article(), source=NEWSROOM, locator="a.md")
    _take_down(polled, [(FOREIGN, keys)])
    poll(polled, ("a.md", article()))
    assert list(polled.newest(())) == []
    assert polled.copies([FOREIGN])[FOREIGN][0].removed


def test_a_takedown_holds_for_whatever_shares_a_key(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    _take_down(polled, [(FOREIGN, polled.keys_of(only_id(polled)))])
    assert list(polled.newest(())) == []


def test_an_edit_does_not_bring_a_removed_article_back(polled: Store) -> None:
    poll(polled, ("a.md", article()))
    _take_down(polled, [(only_id(polled), ())])
    poll(polled, ("a.md", article(body="Edited.")))
    poll(polled, ("x.md", article()), name="partner")
    assert list(polled.newest(())) == []
    assert polled.counts()["removed"] == 1


def _take_down(store: Store, entries: Sequence[tuple[str, tuple[bytes, ...]]]) -> None:
    with store.transaction():
        ids = store.take_down(entries, SEEN)
        store.stand((_standing(memory, copies, SEEN) for memory, copies in store.copies(ids).values()), SEEN)


# ---------------------------------------------------------------- directories that were left, and news


def test_directories_that_were_left_are_remembered_in_that_order_until_they_are_used_again(store: Store) -> None:
    with store.transaction():
        store.depart({"categories/b": ("b",), "categories/金融": ("金融",)})
        store.depart({"categories/a": ("a", "x"), "categories/b": ("b2",)})
    assert list(store.departures().items()) == [
        ("categories/金融", ("金融",)),
        ("categories/a", ("a", "x")),
        ("categories/b", ("b2",)),
    ]
    with store.transaction():
        store.inherit({"categories/a": ("z",)})
        store.return_to(["categories/b", "categories/none"])
    assert store.departures() == {"categories/金融": ("金融",), "categories/a": ("z",)}


def test_news_are_told_once_and_what_changes_while_they_are_told_is_news_again(store: Store) -> None:
    with store.transaction():
        store.tell((Listener.COMMAND, Listener.HUB), ["a", "b"])
    news = store.news(Listener.COMMAND, 10)
    assert list(news) == ["a", "b"]
    assert list(store.news(Listener.COMMAND, 1)) == ["a"]
    with store.transaction():
        store.tell([Listener.COMMAND], ["b"])
        store.told(news.values())
    assert list(store.news(Listener.COMMAND, 10)) == ["b"]
    with store.transaction():
        store.silence(Listener.HUB)
    assert store.news(Listener.HUB, 10) == {}
    assert list(store.news(Listener.COMMAND, 10)) == ["b"]


def test_the_number_of_news_is_not_used_twice(store: Store) -> None:
    with store.transaction():
        store.tell([Listener.HUB], ["a"])
        (first,) = store.news(Listener.HUB, 1).values()
        store.told([first])
        store.tell([Listener.HUB], ["b"])
    assert first not in store.news(Listener.HUB, 1).values()
