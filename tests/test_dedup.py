from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from build import DAY, HOUR, NOON, PREFIX, article, source
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder import dedup
from feeder.dedup import Candidate, Decision, Known, Missing, Rules
from feeder.model import (
    Article,
    CategoryPath,
    Change,
    Dating,
    DedupScope,
    FuturePolicy,
    Memory,
    Shown,
    Sighting,
    Source,
    Verdict,
)

SOURCE = source()
RULES = Rules(prefix=PREFIX, ranks={"newsroom": 0, "partner": 1})
MINUTE = timedelta(minutes=1)
AWAY, LONG_AWAY = "?", "??"  # ends the locator of a copy that is missing, and of one that was missed before it
SEEN = NOON + HOUR  # when articles dated NOON are first polled
LATE = NOON + 9 * DAY  # when no article is dated ahead


@dataclass(kw_only=True)
class Ledger:
    """All that is known, as decisions change it."""

    source: Source = SOURCE
    rules: Rules = RULES
    sightings: dict[tuple[str, str], Sighting] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    owners: dict[bytes, str] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)

    def poll(
        self,
        *found: tuple[str, Article],
        now: datetime = SEEN,
        same_bytes: bool = False,
        by: Source | None = None,
        present: Collection[str] | None = None,
    ) -> tuple[Change, ...]:
        """Read the articles at their locators, and carry out what is decided."""
        reader = by or self.source
        candidates = [
            Candidate(
                locator=where,
                article=what,
                keys=self.keys(what, where, reader),
                waiting=dedup.waiting_keys(what),
                same_bytes=same_bytes,
            )
            for where, what in found
        ]
        known = replace(self.known(reader), present=None if present is None else frozenset(present))
        decision = dedup.decide(candidates, known, source=reader, rules=self.rules, now=now)
        self._carry_out(decision, reader, now)
        return decision.changes

    def verdict(self, where: str, what: Article, **options: Any) -> Verdict:
        return self.poll((where, what), **options)[0].verdict

    def keys(self, what: Article, where: str, reader: Source) -> tuple[bytes, ...]:
        return dedup.keys(what, source=reader, locator=where, never=self.rules.never)

    def known(self, reader: Source) -> Known:
        mine = {where: s for (name, where), s in self.sightings.items() if name == reader.name}
        return Known(
            sightings={where: s for where, s in mine.items() if where not in self.vanished},
            vanished=tuple(s for where, s in mine.items() if where in self.vanished),
            owners=self.owners,
            memories=self.memories,
            copies={id_: self.copies(id_) for id_ in self.memories},
        )

    def copies(self, id_: str) -> tuple[Sighting, ...]:
        return tuple(s for s in self.sightings.values() if s.id == id_)

    def withdraw(self, where: str, *, now: datetime = SEEN) -> None:
        lost = self.sightings.pop((self.source.name, where))
        self._remember([lost.id], now)

    def show(self, id_: str, *, now: datetime = SEEN) -> Shown | None:
        return dedup.show(self.copies(id_), self.memories[id_], rules=self.rules, now=now)

    def shown(self, where: str, *, now: datetime = SEEN, by: str = SOURCE.name) -> Shown:
        shown = self.show(self.sightings[by, where].id, now=now)
        assert shown
        return shown

    def everything(self, now: datetime = SEEN) -> dict[str, Shown | None]:
        return {id_: self.show(id_, now=now) for id_ in self.memories if self.copies(id_)}

    def id(self, where: str) -> str:
        return self.sightings[self.source.name, where].id

    def _carry_out(self, decision: Decision, reader: Source, now: datetime) -> None:
        for change in decision.changes:
            if change.was_locator:
                del self.sightings[reader.name, change.was_locator]
        for change in decision.changes:
            if change.sighting:
                self.sightings[reader.name, change.locator] = change.sighting
                for key in change.keys:
                    self.owners.setdefault(key, change.sighting.id)
                self.owners |= dict.fromkeys(change.taken, change.sighting.id)
        self.memories |= {memory.id: memory for memory in decision.memories}
        assert all(set(decision.copies[m.id]) == set(self.copies(m.id)) for m in decision.memories)
        self._remember([memory.id for memory in decision.memories], now)

    def _remember(self, ids: Iterable[str], now: datetime) -> None:
        for id_ in ids:
            if shown := self.show(id_, now=now):
                memory = self.memories[id_]
                self.memories[id_] = replace(memory, text_hash=shown.article.text_hash, text_since=shown.text_since)


def ledger(*found: tuple[str, Article], now: datetime = SEEN, **options: Any) -> Ledger:
    """Return what is known after *found* was polled."""
    known = Ledger(**options)
    known.poll(*found, now=now)
    return known


def naive(published: datetime | None = NOON, **changes: Any) -> Article:
    return article(published=published, dating=Dating.NAIVE, **changes)


def keys(what: Article, *, reader: Source = SOURCE, where: str = "a.md", never: Sequence[str] = ()) -> set[bytes]:
    return set(dedup.keys(what, source=reader, locator=where, never=frozenset(never)))


# ---------------------------------------------------------------- keys and ids


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(article(), article(), id="same-title-and-day"),
        pytest.param(article(), article(published=NOON + HOUR), id="another-hour-of-the-day"),
        pytest.param(article(), article(body="Other text."), id="another-text"),
        pytest.param(article("Bridge Opens"), article("ＢＲＩＤＧＥ  opens"), id="titles-that-fold-to-one"),
        pytest.param(naive(), article(), id="naive-and-zoned-of-one-day"),
        pytest.param(naive(), naive(NOON + 3 * DAY), id="naive-dates-and-one-text"),
        pytest.param(naive(None), naive(), id="no-date-and-a-naive-one-and-one-text"),
        pytest.param(article(guid="7"), article("Bridge", NOON + DAY, guid="7"), id="one-guid"),
    ],
)
def test_articles_that_share_a_key(one: Article, other: Article) -> None:
    assert keys(one) & keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(article(), article("Bridge closes"), id="another-title"),
        pytest.param(article("★★★"), article("★★"), id="symbols-count"),
        pytest.param(article(), article(published=NOON + DAY), id="another-day"),
        pytest.param(article(), article(published=None), id="a-zoned-date-is-no-missing-one"),
        pytest.param(naive(), naive(NOON + DAY, body="Other text."), id="naive-and-another-text"),
        pytest.param(article(published=None), article(published=None, body="Other text."), id="no-dates-other-text"),
        pytest.param(article(guid="7"), article("Bridge", NOON + DAY, guid="8"), id="another-guid"),
    ],
)
def test_articles_that_share_no_key(one: Article, other: Article) -> None:
    assert not keys(one) & keys(other)


@pytest.mark.parametrize(
    ("scope", "at_another_place", "in_another_source"),
    [
        pytest.param(DedupScope.SITE, True, True, id="site"),
        pytest.param(DedupScope.SOURCE, True, False, id="source"),
        pytest.param(DedupScope.OFF, False, False, id="off"),
    ],
)
def test_the_scope_says_which_copies_are_one(
    scope: DedupScope, *, at_another_place: bool, in_another_source: bool
) -> None:
    here, there = source(dedup=scope), source("partner", 1, dedup=scope)
    assert bool(keys(article(), reader=here) & keys(article(), reader=here, where="b.md")) is at_another_place
    assert bool(keys(article(), reader=here) & keys(article(), reader=there, where="b.md")) is in_another_source


def test_a_guid_is_one_source_s_own() -> None:
    other_day = article("Other", NOON + DAY, guid="7")
    assert not keys(article(guid="7")) & keys(other_day, reader=source("partner", 1))


@pytest.mark.parametrize("dated", [NOON, None])
def test_a_title_that_never_merges_is_a_key_only_at_its_own_place(dated: datetime | None) -> None:
    daily = article("早报", dated)
    assert not keys(daily, never=["早报"]) & keys(daily, where="b.md", never=["早报"])
    assert keys(daily, never=["早报"]) == keys(daily, never=["早报", "other"])


def test_titles_that_never_merge_leave_others_alone() -> None:
    assert keys(article(), never=["早报"]) == keys(article())


def test_a_text_key_is_only_for_dates_that_may_be_stamps() -> None:
    assert len(keys(article())) == 1
    assert len(keys(naive())) == 2
    assert len(keys(naive(guid="7"))) == 3
    assert len(keys(article(published=None))) == 1


def test_a_minted_id_is_a_tag_uri_with_26_characters_of_its_first_key() -> None:
    [change] = Ledger().poll(("a.md", article()))
    assert change.sighting
    assert change.sighting.id == dedup.mint(change.keys[0], PREFIX)
    assert change.sighting.id.startswith("tag:feeds.example.org,2026:article/")
    token = change.sighting.id.removeprefix(PREFIX)
    assert len(token) == 26
    assert set(token) <= set("0123456789abcdefghijklmnopqrstuv")


@pytest.mark.parametrize("key", [b"\0" * 16, b"\xff" * 16, b"sixteen bytes.  "])
def test_a_minted_id_tells_its_key(key: bytes) -> None:
    assert dedup.minted_key(dedup.mint(key, PREFIX), PREFIX) == key


@pytest.mark.parametrize(
    "id_",
    [
        "https://old.example.org/?p=7",
        "tag:other.example.org,2026:article/" + "0" * 26,
        PREFIX + "0" * 25,
        PREFIX + "v" * 26,
        PREFIX + "金",
        PREFIX,
    ],
)
def test_an_id_that_was_not_minted_tells_no_key(id_: str) -> None:
    assert dedup.minted_key(id_, PREFIX) is None


def test_an_id_does_not_depend_on_the_text_or_the_place() -> None:
    one, other = ledger(("a.md", article())), ledger(("b/c.md", article(body="Other text.")))
    assert one.id("a.md") == other.id("b/c.md")


def test_a_given_guid_beats_title_and_day() -> None:
    known = ledger(("a.md", article("One", guid="1")), ("b.md", article("Two", NOON + DAY)))
    known.poll(("c.md", article("Two", NOON + DAY, guid="1")))
    assert known.id("c.md") == known.id("a.md")


# ---------------------------------------------------------------- the table for a known locator


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        pytest.param(article(), article(), Verdict.UNCHANGED, id="equal"),
        pytest.param(article(), article(body="The bridge  is\nopen."), Verdict.UNCHANGED, id="equal-but-for-spaces"),
        pytest.param(article(), article(body="It is open."), Verdict.UPDATED, id="body-edited"),
        pytest.param(article(), article(author="Li"), Verdict.UPDATED, id="a-field-edited"),
        pytest.param(article(), article(categories=(("A",),)), Verdict.UPDATED, id="categories-edited"),
        pytest.param(article(), article("Bridge opened"), Verdict.UPDATED, id="title-edited-same-day-and-body"),
        pytest.param(article(), article("Bridge opened", body="It is."), Verdict.UPDATED, id="all-edited-same-day"),
        pytest.param(article(), article("Opened", NOON + DAY), Verdict.UPDATED, id="title-and-day-same-body"),
        pytest.param(article(), article(published=NOON + DAY), Verdict.CORRECTED, id="day-moved"),
        pytest.param(article(), article(published=NOON - DAY), Verdict.CORRECTED, id="day-moved-back"),
        pytest.param(article(), article(published=NOON + HOUR), Verdict.CORRECTED, id="hour-moved"),
        pytest.param(article(), naive(), Verdict.CORRECTED, id="zone-taken-away"),
        pytest.param(naive(), article(), Verdict.CORRECTED, id="zone-given"),
        pytest.param(naive(), naive(NOON - DAY), Verdict.CORRECTED, id="naive-day-moved-back"),
        pytest.param(naive(), naive(NOON + MINUTE), Verdict.CORRECTED, id="naive-but-older-than-our-copy"),
        pytest.param(naive(), naive(SEEN + 3 * DAY), Verdict.CORRECTED, id="naive-but-further-than-a-day-ahead"),
        pytest.param(naive(), naive(SEEN + HOUR), Verdict.UNCHANGED, id="stamp"),
        pytest.param(naive(), naive(SEEN + 20 * HOUR), Verdict.UNCHANGED, id="stamp-of-the-next-day"),
        pytest.param(article(), article(published=NOON + DAY, body="New."), Verdict.REPLACED, id="day-and-text"),
        pytest.param(naive(), naive(SEEN + 20 * HOUR, body="New."), Verdict.REPLACED, id="naive-day-and-text"),
        pytest.param(
            article(body=""), article("New", NOON + DAY, body=""), Verdict.REPLACED, id="day-and-title-without-a-body"
        ),
        pytest.param(
            naive(body=""), naive(SEEN + 20 * HOUR, title="New", body=""), Verdict.REPLACED, id="naive-without-a-body"
        ),
        pytest.param(article(body=""), article(published=NOON + DAY, body=""), Verdict.CORRECTED, id="only-the-day"),
        pytest.param(article(body=""), article("New", body=""), Verdict.UPDATED, id="only-the-title"),
        pytest.param(article(), article("New", NOON + DAY, body="New."), Verdict.REPLACED, id="everything"),
        pytest.param(naive(None), naive(None, body="New."), Verdict.UPDATED, id="no-dates-and-a-body-edited"),
        pytest.param(naive(None), naive(None, title="New"), Verdict.UPDATED, id="no-dates-and-a-title-edited"),
        pytest.param(naive(None), naive(None, title="New", body="New."), Verdict.REPLACED, id="no-dates-nothing-same"),
        pytest.param(naive(None), article(), Verdict.CORRECTED, id="a-date-given"),
        pytest.param(
            article(guid="7"), article("New", NOON + DAY, body="New.", guid="7"), Verdict.UPDATED, id="same-guid"
        ),
        pytest.param(article(), article(published=None), Verdict.UPDATED, id="date-lost"),
        pytest.param(article(), article("New", None, body="New."), Verdict.REPLACED, id="date-lost-nothing-same"),
    ],
)
def test_a_second_reading_at_one_place(before: Article, after: Article, verdict: Verdict) -> None:
    known = ledger(("daily.md", before))
    id_ = known.id("daily.md")
    [change] = known.poll(("daily.md", after), now=SEEN + 10 * MINUTE)
    assert change.verdict is verdict
    assert (known.id("daily.md") != id_) is (verdict is Verdict.REPLACED)
    assert known.verdict("daily.md", after, now=SEEN + 20 * MINUTE) is Verdict.UNCHANGED


def test_a_correction_moves_the_date_and_keeps_the_id() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(published=NOON - 5 * DAY)))
    assert known.shown("a.md").published == NOON - 5 * DAY


def test_a_correction_that_comes_late_is_not_taken_for_a_date_ahead() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(published=NOON + 6 * HOUR)), now=SEEN + DAY)
    known.poll(("a.md", article(published=NOON + 6 * HOUR, author="Li")), now=SEEN + 2 * DAY)
    assert known.shown("a.md", now=SEEN + 2 * DAY).published == NOON + 6 * HOUR


def test_a_correction_to_a_date_a_little_ahead_is_dated_at_that_moment() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(published=SEEN + 6 * HOUR)), now=SEEN + 2 * HOUR)
    assert known.shown("a.md", now=SEEN + 2 * HOUR).published == SEEN + 2 * HOUR


def test_a_copy_that_comes_late_is_not_taken_for_one_that_is_dated_ahead() -> None:
    known = ledger(("x.md", article()), source=source("partner", 1))
    known.poll(("a.md", article(published=NOON + 6 * HOUR)), now=SEEN + DAY, by=SOURCE)
    assert known.shown("a.md", now=SEEN + DAY).published == NOON + 6 * HOUR


def test_copies_that_are_dated_alike_are_dated_ahead_alike() -> None:
    ahead = article(published=SEEN + 6 * HOUR)
    known = ledger(("x.md", ahead))
    known.poll(("a.md", ahead), now=SEEN + DAY)
    assert known.shown("a.md", now=SEEN + DAY).published == SEEN


def test_a_stamp_moves_nothing() -> None:
    known = ledger(("a.md", naive()))
    before = known.shown("a.md")
    known.poll(("a.md", naive(SEEN + 20 * HOUR)), now=SEEN + 20 * HOUR)
    after = known.shown("a.md")
    assert (after.published, after.updated, after.article.day) == (NOON, NOON, before.article.day)


def test_a_stamp_is_known_again_by_the_copies_of_the_day_it_claims() -> None:
    known = ledger(("a.md", naive(title="早报")))
    known.poll(("a.md", naive(NOON + DAY, title="早报")), now=NOON + DAY)
    known.poll(("b.md", naive(NOON + DAY, title="早报", body="Next.")), now=NOON + DAY)
    assert known.id("a.md") != known.id("b.md")


def test_a_stamp_stays_one_when_the_same_bytes_are_read_again() -> None:
    known = ledger(("a.md", naive()))
    known.poll(("a.md", naive(NOON + DAY)), now=NOON + DAY)
    assert known.verdict("a.md", naive(NOON + DAY), now=NOON + 9 * DAY, same_bytes=True) is Verdict.UNCHANGED
    assert known.shown("a.md").published == NOON


def test_a_stamp_stays_one_when_its_document_is_edited() -> None:
    known = ledger(("a.md", naive()))
    known.poll(("a.md", naive(NOON + DAY)), now=NOON + DAY)
    assert known.verdict("a.md", naive(NOON + DAY, body="Edited."), now=NOON + 9 * DAY) is Verdict.UPDATED
    assert known.shown("a.md").published == NOON


def test_a_stamp_that_comes_with_an_edit_of_the_same_day_is_ignored() -> None:
    known = ledger(("a.md", naive()))
    assert known.verdict("a.md", naive(SEEN + HOUR, body="Edited."), now=SEEN + HOUR) is Verdict.UPDATED
    assert known.shown("a.md").published == NOON


def test_every_run_of_a_generator_is_ignored() -> None:
    known = ledger(("a.md", naive()))
    for day in range(1, 30):
        assert known.verdict("a.md", naive(NOON + day * DAY), now=NOON + day * DAY) is Verdict.UNCHANGED
    assert known.shown("a.md", now=NOON + 30 * DAY).published == NOON


def test_other_settings_may_move_a_naive_date() -> None:
    known = ledger(("a.md", naive()))
    assert known.verdict("a.md", naive(NOON + 5 * HOUR), now=NOON + 9 * DAY, same_bytes=True) is Verdict.CORRECTED
    assert known.sightings["newsroom", "a.md"].published == NOON + 5 * HOUR


def test_a_date_that_is_lost_stands() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(published=None)), now=SEEN + DAY)
    assert known.shown("a.md").published == NOON


def test_an_article_without_a_date_has_that_of_its_first_sight() -> None:
    known = ledger(("a.md", article(published=None)))
    known.poll(("a.md", article(published=None, author="Li")), now=SEEN + DAY)
    assert known.shown("a.md").published == SEEN


def test_an_edited_title_keeps_the_id_and_its_old_key() -> None:
    known = ledger(("a.md", article("Bridge opens")))
    known.poll(("a.md", article("Bridge opened")))
    known.poll(("copy.md", article("Bridge opens")))
    assert known.id("copy.md") == known.id("a.md")


def retitled(*, body: str = "The bridge is open.") -> Ledger:
    """Return what is known when a.md, once "Bridge opens", is called "Bridge opened"."""
    known = ledger(("a.md", article("Bridge opens", body=body)))
    known.poll(("a.md", article("Bridge opened", body=body)))
    return known


def test_another_article_may_have_the_title_that_one_had_before() -> None:
    known = retitled()
    [change] = known.poll(("b.md", article("Bridge opens", body="Another bridge.")))
    assert (change.verdict, change.note) == (Verdict.NEW, f"title and day were those of {known.id('a.md')} before")
    assert known.id("b.md") != known.id("a.md")
    assert known.poll(("b.md", article("Bridge opens", body="Edited.")))[0].verdict is Verdict.UPDATED
    assert known.verdict("c.md", article("Bridge opens", body="A copy, edited.")) is Verdict.MERGED
    assert known.id("c.md") == known.id("b.md")


def test_every_article_that_takes_a_title_over_has_an_id_of_its_own() -> None:
    known = retitled()
    for number in range(4):
        known.poll((f"{number}.md", article("Bridge opens", body=f"Bridge {number}.")))
        known.poll((f"{number}.md", article(f"Bridge {number} opened", body=f"Bridge {number}.")))
    assert len({sighting.id for sighting in known.sightings.values()}) == 5


def test_an_article_that_took_a_title_over_has_it_when_it_returns() -> None:
    known = retitled()
    known.poll(("b.md", article("Bridge opens", body="Another bridge.")))
    second = known.id("b.md")
    known.withdraw("b.md")
    assert known.verdict("c.md", article("Bridge opens", body="Edited.")) is Verdict.RETURNED
    assert known.id("c.md") == second


def test_a_title_that_an_article_had_before_and_no_text_is_another_article() -> None:
    known = retitled(body="")
    assert known.verdict("b.md", article("Bridge opens", body="")) is Verdict.NEW


def test_a_known_place_may_take_the_title_that_another_article_had_before() -> None:
    known = retitled()
    known.poll(("b.md", article("Tunnel", body="It is long.")))
    before = known.id("b.md")
    assert known.verdict("b.md", article("Bridge opens", body="It is long.")) is Verdict.UPDATED
    assert known.id("b.md") == before
    assert known.verdict("c.md", article("Bridge opens", body="A copy, edited.")) is Verdict.MERGED
    assert known.id("c.md") == before


def test_a_place_that_gets_its_earlier_title_and_day_back_is_the_same_article() -> None:
    known = ledger(("a.md", article()))
    first = known.id("a.md")
    known.poll(("a.md", article(published=NOON + DAY)))
    known.poll(("a.md", article(body="Another text.")))
    assert known.id("a.md") == first


def test_a_new_article_at_a_reused_place_may_have_a_title_of_before() -> None:
    known = retitled()
    known.poll(("daily.md", article("早报", NOON - DAY, body="News.")))
    assert known.verdict("daily.md", article("Bridge opens", body="Another bridge.")) is Verdict.REPLACED
    assert len({sighting.id for sighting in known.sightings.values()}) == 2


def test_a_reused_place_holds_a_new_article_and_the_old_one_has_no_sighting() -> None:
    known = ledger(("daily.md", article("早报")))
    old = known.id("daily.md")
    [change] = known.poll(("daily.md", article("早报", NOON + DAY, body="Next.")), now=NOON + DAY)
    assert change.was_id == old
    assert known.show(old) is None
    assert known.shown("daily.md", now=NOON + DAY).updated == NOON + DAY


def test_a_reused_place_may_hold_an_article_that_is_known() -> None:
    known = ledger(("daily.md", article("早报")), ("archive.md", article("早报", NOON + DAY, body="Next.")))
    [change] = known.poll(("daily.md", article("早报", NOON + DAY, body="Next.")), now=NOON + DAY)
    assert change.verdict is Verdict.REPLACED
    assert known.id("daily.md") == known.id("archive.md")


def test_a_place_that_gets_an_earlier_article_of_its_own_back_is_the_same_article() -> None:
    known = ledger(("daily.md", article("早报")))
    first = known.id("daily.md")
    known.poll(("daily.md", article("早报", NOON + DAY, body="Next.")), now=NOON + DAY)
    known.poll(("daily.md", article("早报")), now=NOON + DAY)
    assert known.id("daily.md") == first


def test_a_title_that_another_article_has_moves_the_sighting_there() -> None:
    known = ledger(("a.md", article("One")), ("b.md", article("Two", body="Other text.")))
    old = known.id("b.md")
    [change] = known.poll(("b.md", article("One", body="Other text.")))
    assert (change.verdict, change.was_id) == (Verdict.MERGED, old)
    assert known.id("b.md") == known.id("a.md")
    assert known.show(old) is None


def test_without_a_day_the_text_that_another_article_has_moves_the_sighting_there() -> None:
    known = ledger(("a.md", naive(body="One.")), ("b.md", naive(None, body="Two.")))
    known.poll(("b.md", naive(None, body="One.")))
    assert known.id("b.md") == known.id("a.md")


def test_an_edit_is_never_moved_by_a_key_that_was_so_before() -> None:
    known = ledger(("a.md", article()))
    known.owners = dict.fromkeys(known.owners, PREFIX + "0" * 26)
    [change] = known.poll(("a.md", article(body="Edited.")))
    assert change.was_id is None


# ---------------------------------------------------------------- the same bytes under other settings


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(article("New", NOON + DAY, body="New."), id="everything"),
        pytest.param(article(published=NOON + DAY, body="New."), id="day-and-text"),
        pytest.param(article("New", None, body="New."), id="no-date-any-more"),
    ],
)
def test_reading_the_same_bytes_under_other_settings_never_replaces(after: Article) -> None:
    known = ledger(("a.md", article()))
    id_ = known.id("a.md")
    assert known.verdict("a.md", after, same_bytes=True) is not Verdict.REPLACED
    assert known.id("a.md") == id_


def test_other_settings_move_no_updated() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(body="The bridge, it is open.")), now=SEEN + DAY, same_bytes=True)
    assert known.shown("a.md").updated == NOON


def test_another_site_timezone_moves_no_article_to_its_neighbour() -> None:
    days = [NOON + number * DAY for number in range(4)]
    dailies = [(f"{number}.md", article("早报", day, body=f"Text {number}.")) for number, day in enumerate(days)]
    known = ledger(*dailies)
    before = [known.id(where) for where, _ in dailies]
    shifted = [
        (where, replace(what, day=what.day - DAY if what.day else None, item_hash=what.item_hash))
        for where, what in dailies
    ]
    known.poll(*shifted, same_bytes=True)
    known.poll(*[(where, replace(what, author="Li", item_hash=b"edited")) for where, what in shifted])
    assert [known.id(where) for where, _ in dailies] == before


def test_settings_that_keep_titles_apart_split_what_they_had_merged() -> None:
    daily = [("a.md", article("早报")), ("b.md", article("早报", body="Another text."))]
    known = ledger(*daily)
    merged = known.id("a.md")
    known.rules = replace(RULES, never=frozenset({"早报"}))
    known.poll(*daily, same_bytes=True)
    assert known.id("a.md") == merged
    assert known.id("b.md") != merged
    assert {change.verdict for change in known.poll(*daily, same_bytes=True)} == {Verdict.UNCHANGED}


def test_settings_that_keep_sources_apart_split_what_they_had_merged() -> None:
    known = ledger(("a.md", article()))
    apart = source("partner", 1, dedup=DedupScope.SOURCE)
    known.poll(("x.md", article()), ("y.md", article()), by=replace(apart, dedup=DedupScope.SITE))
    known.poll(("x.md", article()), ("y.md", article()), by=apart, same_bytes=True)
    ids = {where: s.id for (_, where), s in known.sightings.items()}
    assert ids["x.md"] == ids["y.md"] != ids["a.md"]


@pytest.mark.parametrize("dated", [NOON, None])
def test_articles_with_guids_of_their_own_are_split_for_good(dated: datetime | None) -> None:
    first, second = (naive(dated, guid=guid) for guid in ("one", "two"))
    apart = source("partner", 1, dedup=DedupScope.SOURCE)
    known = Ledger()
    known.poll(("x.md", second), ("y.md", second), by=replace(apart, dedup=DedupScope.SITE))
    known.poll(("a.md", first))
    before = known.id("a.md")
    changes = known.poll(("x.md", second), ("y.md", second), by=apart, same_bytes=True)
    assert [change.verdict for change in changes] == [Verdict.NEW, Verdict.MERGED]
    ids = {where: s.id for (_, where), s in known.sightings.items()}
    assert (ids["a.md"], ids["x.md"] == ids["y.md"] != before) == (before, True)
    known.poll(("x.md", naive(dated, guid="two", body="Edited.")), by=apart)
    known.poll(("x.md", second), ("y.md", second), by=apart, same_bytes=True)
    assert {where: s.id for (_, where), s in known.sightings.items()} == ids


def test_a_guid_that_two_documents_share_outweighs_settings_that_keep_titles_apart() -> None:
    daily = [("a.md", article("早报", guid="g")), ("b.md", article("早报", guid="g", body="Another text."))]
    known = ledger(*daily)
    known.rules = replace(RULES, never=frozenset({"早报"}))
    known.poll(*daily, same_bytes=True)
    assert known.id("a.md") == known.id("b.md")


def test_articles_that_are_kept_apart_once_more_have_their_ids_back() -> None:
    daily = [("a.md", article("早报")), ("b.md", article("早报", body="Another text."))]
    never = replace(RULES, never=frozenset({"早报"}))
    known = ledger(*daily)
    known.rules = never
    [_, parted] = known.poll(*daily, same_bytes=True)
    assert (parted.verdict, parted.note) == (Verdict.NEW, f"the settings keep it apart from {known.id('a.md')}")
    apart = known.id("b.md")
    known.rules = RULES
    known.poll(*daily, same_bytes=True)
    assert known.id("b.md") == known.id("a.md")
    known.rules = never
    [_, parted] = known.poll(*daily, same_bytes=True)
    assert (parted.verdict, known.id("b.md")) == (Verdict.RETURNED, apart)


def test_settings_that_see_copies_merge_them() -> None:
    known = ledger(("a.md", article()), ("b.md", article()), source=source(dedup=DedupScope.OFF))
    assert known.id("a.md") != known.id("b.md")
    known.source = SOURCE
    known.poll(("a.md", article()), ("b.md", article()), same_bytes=True)
    assert known.id("a.md") == known.id("b.md")


# ---------------------------------------------------------------- updated


def test_updated_is_published_while_the_text_is_the_first_that_was_seen() -> None:
    known = ledger(("a.md", article()))
    assert known.shown("a.md").updated == NOON


def test_updated_is_the_poll_that_first_saw_the_present_text() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(body="Edited.")), now=SEEN + DAY)
    known.poll(("a.md", article(body="Edited.", author="Li")), now=SEEN + 2 * DAY)
    assert known.shown("a.md").updated == SEEN + DAY


def test_the_document_s_own_updated_beats_both() -> None:
    known = ledger(("a.md", article(updated=NOON + MINUTE)))
    known.poll(("a.md", article(body="Edited.", updated=NOON + 2 * MINUTE)), now=SEEN + DAY)
    assert known.shown("a.md").updated == NOON + 2 * MINUTE


def test_an_updated_field_that_lies_ahead_is_not_believed() -> None:
    known = ledger(("a.md", article(updated=SEEN + MINUTE)))
    assert known.shown("a.md").updated == NOON


def test_a_field_that_changes_moves_no_updated() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(categories=(("A",),), image="https://example.org/a.png")), now=SEEN + DAY)
    assert known.shown("a.md").updated == NOON


def test_the_text_of_another_copy_is_as_old_as_there() -> None:
    known = ledger(("a.md", article()), ("b.md", article()))
    known.poll(("b.md", article(body="Edited.")), now=SEEN + DAY)
    known.poll(("a.md", article(body="Edited.")), now=SEEN + 2 * DAY)
    assert known.shown("a.md").updated == SEEN + DAY


def test_a_new_copy_of_an_edited_text_is_as_old_as_the_edit() -> None:
    known = ledger(("b.md", article()))
    known.poll(("b.md", article(body="Edited.")), now=SEEN + DAY)
    known.poll(("a.md", article(body="Edited.")), now=SEEN + 2 * DAY)
    assert known.shown("a.md").locator == "a.md"
    assert known.shown("a.md").updated == SEEN + DAY


def test_a_changed_winner_with_an_equal_text_does_not_move_updated() -> None:
    known = ledger(("a.md", article()), ("b.md", article()))
    known.poll(("a.md", article(body="Edited.")), ("b.md", article(body="Edited.")), now=SEEN + DAY)
    known.withdraw("a.md", now=SEEN + 2 * DAY)
    assert known.shown("b.md").updated == SEEN + DAY


def test_merged_categories_do_not_move_updated() -> None:
    known = ledger(("a.md", article(categories=(("A",),))))
    known.poll(("b.md", article(categories=(("B",),))), now=SEEN + DAY)
    assert known.shown("a.md").updated == NOON


# ---------------------------------------------------------------- what readers see of copies


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param(("newsroom", NOON, "z.md"), ("partner", NOON - HOUR, "a.md"), id="order-of-the-config-first"),
        pytest.param(("newsroom", NOON - HOUR, "z.md"), ("newsroom", NOON, "a.md"), id="then-the-earlier-date"),
        pytest.param(("newsroom", NOON, "a.md"), ("newsroom", NOON, "z.md"), id="then-the-locator"),
        pytest.param(("partner", NOON, "z.md"), ("gone", NOON - HOUR, "a.md"), id="a-source-that-left-comes-last"),
        pytest.param(("gone", NOON, "a.md"), ("left", NOON, "a.md"), id="and-at-last-the-source-s-name"),
        pytest.param(
            ("newsroom", NOON, "z.md"),
            ("newsroom", NOON - HOUR, f"a.md{AWAY}"),
            id="what-is-missing-comes-after-what-its-source-has",
        ),
        pytest.param(
            ("newsroom", NOON, f"z.md{AWAY}"),
            ("newsroom", NOON - HOUR, f"a.md{LONG_AWAY}"),
            id="what-was-missed-first-comes-last",
        ),
        pytest.param(
            ("newsroom", NOON, f"z.md{AWAY}"),
            ("partner", NOON - HOUR, "a.md"),
            id="but-before-what-others-have",
        ),
    ],
)
def test_the_winner_is_the_smallest_copy(winner: tuple[str, datetime, str], loser: tuple[str, datetime, str]) -> None:
    copies = [_sighting(*winner), _sighting(*loser)]
    for order in permutations(copies):
        shown = dedup.show(order, Memory(id="urn:1", first_seen=NOON), rules=RULES, now=SEEN)
        assert shown
        assert (shown.source, shown.published, shown.locator) == winner
        assert shown.article.author == winner[0] + winner[2]


def test_categories_are_those_of_all_copies_the_winner_s_first() -> None:
    first = _sighting("newsroom", NOON, "a.md", categories=(("B",), ("C",)))
    second = _sighting("partner", NOON, "b.md", categories=(("A",), ("C",)))
    shown = dedup.show([second, first], Memory(id="urn:1", first_seen=NOON), rules=RULES, now=SEEN)
    assert shown
    assert shown.categories == (("B",), ("C",), ("A",))


def test_nothing_is_seen_of_an_article_without_sightings() -> None:
    assert dedup.show((), Memory(id="urn:1", first_seen=NOON), rules=RULES, now=SEEN) is None


def test_nothing_is_seen_of_an_article_that_was_taken_down() -> None:
    removed = Memory(id="urn:1", first_seen=NOON, removed=True)
    assert dedup.show([_sighting("newsroom", NOON, "a.md")], removed, rules=RULES, now=SEEN) is None


def _sighting(name: str, published: datetime, where: str, *, categories: tuple[CategoryPath, ...] = ()) -> Sighting:
    what = article(published=published, author=name + where, categories=categories)
    return Sighting(
        source=name,
        locator=where,
        id="urn:1",
        article=what,
        first_seen=NOON,
        published=published,
        missing_since=SEEN - where.count(AWAY) * HOUR if AWAY in where else None,
    )


# ---------------------------------------------------------------- the future


@pytest.mark.parametrize(
    ("policy", "ahead", "held", "published"),
    [
        pytest.param(FuturePolicy.SHOW, timedelta(), False, SEEN, id="now"),
        pytest.param(FuturePolicy.SHOW, MINUTE, False, SEEN, id="a-little-ahead-is-dated-at-its-first-sight"),
        pytest.param(FuturePolicy.SHOW, DAY, False, SEEN, id="a-day-ahead-too"),
        pytest.param(FuturePolicy.SHOW, DAY + MINUTE, True, SEEN + DAY + MINUTE, id="further-ahead-waits"),
        pytest.param(FuturePolicy.HOLD, MINUTE, True, SEEN + MINUTE, id="or-all-wait"),
        pytest.param(FuturePolicy.HOLD, timedelta(), False, SEEN, id="but-what-is-due"),
    ],
)
def test_an_article_dated_ahead(policy: FuturePolicy, ahead: timedelta, *, held: bool, published: datetime) -> None:
    rules = replace(RULES, future={"newsroom": policy})
    known = ledger(("a.md", article(published=SEEN + ahead)), rules=rules)
    shown = known.shown("a.md")
    assert (shown.held, shown.published) == (held, published)


def test_a_held_article_comes_in_at_its_hour() -> None:
    known = ledger(("a.md", article(published=SEEN + 3 * DAY)))
    assert known.shown("a.md", now=SEEN + 3 * DAY - MINUTE).held
    assert not known.shown("a.md", now=SEEN + 3 * DAY).held


def test_a_date_a_little_ahead_stays_dated_at_its_first_sight() -> None:
    known = ledger(("a.md", article(published=SEEN + HOUR)))
    assert known.shown("a.md", now=SEEN + 9 * DAY).published == SEEN


# ---------------------------------------------------------------- what comes a second time


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(article(), article(body="Edited."), id="edited-copy"),
        pytest.param(naive(), naive(SEEN + 3 * HOUR), id="stamped-copy"),
        pytest.param(article(published=None), article(published=None), id="no-date"),
    ],
)
def test_a_copy_elsewhere_is_the_same_article(before: Article, after: Article) -> None:
    known = ledger(("a.md", before))
    [change] = known.poll(("b.md", after), now=SEEN + 3 * HOUR)
    assert change.verdict is Verdict.MERGED
    assert known.id("b.md") == known.id("a.md")


def test_a_copy_that_a_generator_stamped_anew_is_as_old_as_the_other() -> None:
    known = ledger(("b.md", naive(title="早报")))
    known.poll(("a.md", naive(NOON + DAY, title="早报")), now=NOON + DAY)
    assert known.sightings["newsroom", "a.md"].published == NOON
    known.poll(("c.md", naive(NOON + DAY, title="早报", body="Next.")), now=NOON + DAY)
    assert known.id("c.md") != known.id("a.md")


def test_a_withdrawn_article_that_returns_gets_its_id_and_its_first_sight_back() -> None:
    known = ledger(("a.md", article(published=None)))
    id_ = known.id("a.md")
    known.withdraw("a.md")
    [change] = known.poll(("b.md", article(published=None)), now=SEEN + 9 * DAY)
    assert change.verdict is Verdict.RETURNED
    assert known.id("b.md") == id_
    shown = known.shown("b.md", now=SEEN + 9 * DAY)
    assert (shown.published, shown.updated) == (SEEN, SEEN)


def test_a_withdrawn_article_that_returns_with_its_edited_text_has_its_updated_back() -> None:
    known = ledger(("a.md", article()))
    known.poll(("a.md", article(body="Edited.")), now=SEEN + DAY)
    known.withdraw("a.md", now=SEEN + 2 * DAY)
    known.poll(("a.md", article(body="Edited.")), now=SEEN + 9 * DAY)
    assert known.shown("a.md").updated == SEEN + DAY


def test_a_withdrawn_article_that_returns_with_another_text_is_updated_now() -> None:
    known = ledger(("a.md", article()))
    known.withdraw("a.md")
    known.poll(("a.md", article(body="Edited.")), now=SEEN + 9 * DAY)
    assert known.shown("a.md").updated == SEEN + 9 * DAY


def test_an_article_that_was_taken_down_does_not_return_under_an_old_title() -> None:
    known = retitled()
    id_ = known.id("a.md")
    known.memories[id_] = replace(known.memories[id_], removed=True)
    known.poll(("b.md", article("Bridge opens", body="Another text.")))
    assert known.id("b.md") == id_


def test_an_article_that_was_taken_down_does_not_return_as_a_copy() -> None:
    known = ledger(("a.md", article()))
    id_ = known.id("a.md")
    known.memories[id_] = replace(known.memories[id_], removed=True)
    known.poll(("x.md", article()), by=source("partner", 1))
    assert known.sightings["partner", "x.md"].id == id_
    assert known.show(id_) is None


# ---------------------------------------------------------------- renames


def renamed(old: Article, new: Article) -> tuple[Ledger, Change]:
    known = ledger(("old.md", old))
    known.vanished = {"old.md"}
    [change] = known.poll(("new.md", new), now=SEEN + DAY)
    return known, change


def test_a_renamed_file_is_the_same_article() -> None:
    known, change = renamed(article(), article())
    assert (change.verdict, change.was_locator) == (Verdict.RENAMED, "old.md")
    assert list(known.sightings) == [("newsroom", "new.md")]
    assert known.shown("new.md").updated == NOON


def test_a_renamed_file_may_have_another_headline() -> None:
    known, change = renamed(article("Bridge opens"), article("Bridge opened"))
    assert change.verdict is Verdict.RENAMED
    assert change.sighting
    assert change.sighting.id == dedup.mint(next(iter(keys(article("Bridge opens")))), PREFIX)
    assert known.shown("new.md").updated == SEEN + DAY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(article("One"), article("Two", body="Other."), id="another-body"),
        pytest.param(article("One"), article("Two", NOON + HOUR), id="another-date"),
        pytest.param(article("One"), naive(title="Two"), id="another-dating"),
        pytest.param(article("One", body=""), article("Two", body=""), id="nothing-in-it"),
    ],
)
def test_what_is_not_a_rename(old: Article, new: Article) -> None:
    known, change = renamed(old, new)
    assert change.verdict is Verdict.NEW
    assert ("newsroom", "old.md") in known.sightings


def test_an_empty_article_is_renamed_if_it_keeps_its_title() -> None:
    assert renamed(article(body=""), article(body=""))[1].verdict is Verdict.RENAMED


def test_a_stamped_article_is_renamed_by_the_date_it_was_last_read_with() -> None:
    known = ledger(("old.md", naive(title="One")))
    known.poll(("old.md", naive(NOON + DAY, title="One")), now=NOON + DAY)
    id_ = known.id("old.md")
    known.sightings["newsroom", "old.md"] = replace(
        known.sightings["newsroom", "old.md"], article=known.sightings["newsroom", "old.md"].article
    )
    known.vanished = {"old.md"}
    assert known.verdict("new.md", naive(NOON + DAY, title="Two"), now=NOON + 2 * DAY) is Verdict.RENAMED
    assert known.id("new.md") == id_
    assert known.shown("new.md").published == NOON


def test_of_files_with_one_text_each_keeps_its_own_title() -> None:
    stubs = [("a.md", article("One")), ("b.md", article("Two"))]
    for order in permutations([("c.md", article("Three")), ("d.md", article("Two")), ("e.md", article("One"))]):
        known = ledger(*stubs)
        ids = known.id("a.md"), known.id("b.md")
        known.vanished = {"a.md", "b.md"}
        known.poll(*order)
        assert (known.id("e.md"), known.id("d.md")) == ids
        assert known.id("c.md") not in ids


def test_a_vanished_file_is_renamed_once() -> None:
    known = ledger(("old.md", article("One")))
    known.vanished = {"old.md"}
    changes = known.poll(("x.md", article("Two")), ("y.md", article("Three")))
    assert [change.verdict for change in changes] == [Verdict.RENAMED, Verdict.NEW]


def test_a_rename_to_a_title_of_another_article_merges() -> None:
    known = ledger(("old.md", article("One")), ("b.md", article("Two", body="Other.")))
    old = known.id("old.md")
    known.vanished = {"old.md"}
    [change] = known.poll(("new.md", article("Two")))
    assert (change.verdict, change.was_id, change.was_locator) == (Verdict.MERGED, old, "old.md")
    assert known.id("new.md") == known.id("b.md")


# ---------------------------------------------------------------- withdrawing


def missing(count: int, *, scans: int = 2, ago: timedelta = HOUR, id_: str | None = "urn:1") -> list[Missing]:
    return [Missing(locator=f"{number}.md", id=id_, since=NOON - ago, scans=scans) for number in range(count)]


@pytest.mark.parametrize(
    ("scans", "ago", "is_gone"),
    [
        pytest.param(1, HOUR, False, id="one-scan-is-not-enough"),
        pytest.param(2, 29 * MINUTE, False, id="two-scans-in-too-short-a-time"),
        pytest.param(2, 30 * MINUTE, True, id="two-scans-and-the-patience"),
        pytest.param(9, DAY, True, id="long-gone"),
    ],
)
def test_a_missing_file_is_gone_after_two_scans_and_the_patience(scans: int, ago: timedelta, *, is_gone: bool) -> None:
    decided = dedup.withdraw(missing(1, scans=scans, ago=ago), total=100, source=SOURCE, now=NOON)
    assert decided.locators == (("0.md",) if is_gone else ())
    assert decided.refused is None


def test_the_patience_is_the_source_s_own() -> None:
    patient = source(withdraw_after=2 * HOUR)
    assert dedup.withdraw(missing(1), total=100, source=patient, now=NOON).locators == ()
    hasty = source(withdraw_after=timedelta())
    assert dedup.withdraw(missing(1, ago=timedelta()), total=100, source=hasty, now=NOON).locators == ("0.md",)


@pytest.mark.parametrize(
    ("count", "total", "is_refused"),
    [
        pytest.param(1, 1, True, id="all-of-one"),
        pytest.param(1, 2, False, id="half-of-two"),
        pytest.param(20, 21, False, id="no-more-than-twenty"),
        pytest.param(21, 104, True, id="more-than-a-fifth"),
        pytest.param(21, 105, False, id="a-fifth"),
        pytest.param(500, 10_000, False, id="many-of-very-many"),
        pytest.param(10_000, 10_000, True, id="all-of-many"),
        pytest.param(0, 0, False, id="none"),
    ],
)
def test_too_many_that_vanish_at_once_are_not_withdrawn(count: int, total: int, *, is_refused: bool) -> None:
    decided = dedup.withdraw(missing(count), total=total, source=SOURCE, now=NOON)
    assert bool(decided.refused) is is_refused
    assert len(decided.locators) == (0 if is_refused else count)


def test_a_refusal_says_how_many() -> None:
    decided = dedup.withdraw(missing(30), total=40, source=SOURCE, now=NOON)
    assert decided.refused == "30 of 40 articles vanished at once; nothing is withdrawn"


def test_the_guard_acts_before_the_patience_ends() -> None:
    assert dedup.withdraw(missing(30, scans=1, ago=timedelta()), total=40, source=SOURCE, now=NOON).refused


def test_the_operator_s_word_beats_guard_and_patience() -> None:
    fresh = missing(30, scans=1, ago=timedelta())
    decided = dedup.withdraw(fresh, total=30, source=SOURCE, now=NOON, accepted=True)
    assert len(decided.locators) == 30
    assert decided.refused is None


def test_documents_that_are_no_articles_do_not_alarm_the_guard() -> None:
    decided = dedup.withdraw(missing(50, id_=None), total=60, source=SOURCE, now=NOON)
    assert len(decided.locators) == 50


# ---------------------------------------------------------------- adopted entries


def adopted(*waiting: bytes) -> Ledger:
    id_ = "https://old.example.org/?p=7"
    return Ledger(owners=dict.fromkeys(waiting, id_), memories={id_: Memory(id=id_, first_seen=NOON - DAY)})


@pytest.mark.parametrize(
    ("what", "entry"),
    [
        pytest.param(article(), {"title_key": "bridge opens", "day": "2026-03-10", "link": None}, id="title-and-day"),
        pytest.param(
            article(link="https://example.org/a"),
            {"title_key": "old headline", "day": None, "link": "https://example.org/a"},
            id="link",
        ),
        pytest.param(
            article(published=None), {"title_key": "bridge opens", "day": "2020-01-01", "link": None}, id="title"
        ),
    ],
)
def test_an_adopted_entry_waits_for_its_article(what: Article, entry: dict[str, Any]) -> None:
    known = adopted(*dedup.adopted_keys(**entry))
    [change] = known.poll(("a.md", what))
    assert change.verdict is Verdict.RETURNED
    assert known.id("a.md") == "https://old.example.org/?p=7"


@pytest.mark.parametrize(
    "link",
    [
        "http://Example.org/a/",
        "https://example.org/a/index.html",
        "https://example.org/a#top",
        "https://example.org/%61",
    ],
)
def test_a_link_that_was_tidied_still_finds_its_entry(link: str) -> None:
    known = adopted(*dedup.adopted_keys(title_key=None, day=None, link=link))
    assert known.verdict("a.md", article(link="https://example.org/a")) is Verdict.RETURNED


@pytest.mark.parametrize("link", ["https://example.org/b", "https://example.org/a?page=2", "https://example.com/a"])
def test_another_link_finds_nothing(link: str) -> None:
    known = adopted(*dedup.adopted_keys(title_key=None, day=None, link=link))
    assert known.verdict("a.md", article(link="https://example.org/a")) is Verdict.NEW


def test_an_adopted_article_is_as_old_as_subscribers_have_it() -> None:
    known = adopted(*dedup.adopted_keys(title_key="bridge opens", day=None, link=None))
    [(id_, memory)] = known.memories.items()
    known.memories[id_] = replace(memory, text_since=NOON + MINUTE)
    known.poll(("a.md", article(published=None)))
    assert known.shown("a.md").updated == NOON + MINUTE
    known.poll(("a.md", article(published=None, body="Edited.")), now=SEEN + DAY)
    assert known.shown("a.md").updated == SEEN + DAY


def test_a_dated_article_does_not_take_an_entry_of_another_day() -> None:
    known = adopted(*dedup.adopted_keys(title_key="bridge opens", day="2020-01-01", link=None))
    assert known.verdict("a.md", article()) is Verdict.NEW


def test_an_adopted_entry_waits_for_one_article_only() -> None:
    known = adopted(*dedup.adopted_keys(title_key="old", day=None, link="https://example.org/"))
    link = "https://example.org/"
    changes = known.poll(("a.md", article("One", link=link)), ("b.md", article("Two", link=link)))
    assert [change.verdict for change in changes] == [Verdict.RETURNED, Verdict.NEW]


def test_a_new_article_at_a_reused_place_takes_the_entry_that_waits_for_it() -> None:
    known = ledger(("daily.md", article("早报")))
    waiting = dedup.adopted_keys(title_key="old", day=None, link="https://example.org/2")
    known.owners |= dict.fromkeys(waiting, "urn:old")
    known.memories["urn:old"] = Memory(id="urn:old", first_seen=NOON)
    known.poll(("daily.md", article("早报", NOON + DAY, body="Next.", link="https://example.org/2")))
    assert known.id("daily.md") == "urn:old"


def test_a_new_article_at_the_place_of_a_stamped_copy_has_its_own_day() -> None:
    midnight = NOON + 12 * HOUR
    known = ledger(
        ("a.md", article("One", None, body="Text.")),
        ("b.md", article("One", midnight, body="Text.", dating=Dating.NAIVE)),  # a stamp: the day is that of a.md
    )
    later = article("Two", midnight, body="Other text.", dating=Dating.NAIVE)
    assert known.verdict("b.md", later, now=SEEN + HOUR) is Verdict.REPLACED
    assert known.shown("b.md").article.day == midnight.date()
    assert known.verdict("b.md", later, now=SEEN + 2 * HOUR, same_bytes=True) is Verdict.UNCHANGED


# ---------------------------------------------------------------- entries of feeds

FEED = replace(SOURCE, name="wire", url="https://wire.example.org/feed.xml")


def report(number: int, **changes: Any) -> Article:
    hour = NOON + number * HOUR
    told = {"body": f"Of magnitude {number}.", "guid": f"urn:quake:{number}"} | changes
    return article("Earthquake report", told.pop("published", hour), **told)


def test_reports_of_one_feed_that_differ_in_guid_time_and_text_are_articles_of_their_own() -> None:
    known = ledger()
    known.poll(*((f"q{n}", report(n)) for n in range(3)), by=FEED)
    known.poll(("q3", report(3)), by=FEED)
    assert len({known.sightings["wire", f"q{n}"].id for n in range(4)}) == 4
    again = known.poll(*((f"q{n}", report(n)) for n in range(4)), by=FEED, now=SEEN + HOUR)
    assert {change.verdict for change in again} == {Verdict.UNCHANGED}
    edited = known.poll(("q2", report(2, body="Of magnitude 2.5.")), by=FEED, now=SEEN + 2 * HOUR)
    assert [change.verdict for change in edited] == [Verdict.UPDATED]


@pytest.mark.parametrize(
    "alike",
    [
        pytest.param({"body": "Of magnitude 0."}, id="one-text"),
        pytest.param({"published": NOON}, id="one-time"),
        pytest.param({"guid": None}, id="no-guid"),
    ],
)
def test_entries_of_one_feed_that_have_more_in_common_are_one_article(alike: dict[str, Any]) -> None:
    known = ledger()
    known.poll(("q0", report(0)), ("q1", report(1, **alike)), by=FEED)
    assert known.sightings["wire", "q0"].id == known.sightings["wire", "q1"].id


def test_reports_stay_apart_when_settings_change() -> None:
    known = ledger()
    known.poll(("q0", report(0)), ("q1", report(1)), by=FEED)
    found = tuple(known.sightings.values())
    assert not dedup.reunite(found, known.memories, sources={"wire": FEED}, rules=RULES).merged


def test_reports_that_two_feeds_carry_are_the_same_ones() -> None:
    known, other = ledger(), replace(FEED, name="other", url="https://other.example.org/feed.xml")
    known.poll(*((f"q{n}", report(n)) for n in range(4)), by=FEED)
    known.poll(*((f"o{n}", report(n, guid=f"urn:other:{n}")) for n in (3, 2, 1, 0)), by=other)
    for n in range(4):
        assert known.sightings["other", f"o{n}"].id == known.sightings["wire", f"q{n}"].id


def test_an_entry_under_another_guid_is_the_one_that_the_feed_has_no_more() -> None:
    known = ledger()
    known.poll(("z", article("Story", guid="z", body="The mayor did it.")), by=FEED)
    told = article("Story", guid="a", body="Correction: he did not.", link="https://wire.example.org/new")
    [change] = known.poll(("a", told), by=FEED, now=SEEN + HOUR, present={"a"})
    assert (change.verdict, change.was_locator) == (Verdict.RENAMED, "z")
    shown = known.shown("a", by="wire")
    assert (shown.article.link, shown.updated) == ("https://wire.example.org/new", SEEN + HOUR)
    assert ("wire", "z") not in known.sightings


def test_two_entries_of_one_title_and_day_that_the_feed_holds_together_are_copies() -> None:
    known = ledger()
    known.poll(("z", article("Story", guid="z")), by=FEED, present={"z"})
    [change] = known.poll(("a", article("Story", guid="a")), by=FEED, present={"a", "z"})
    assert change.verdict is Verdict.MERGED


def test_an_entry_that_tells_only_when_it_was_changed_keeps_its_date() -> None:
    known = ledger()
    known.poll(("a", article("Living document", guid="a", updated=NOON)), by=FEED)
    later = NOON + DAY
    edited = article("Living document", later, guid="a", updated=later, body="Longer.")
    [change] = known.poll(("a", edited), by=FEED, now=later + HOUR)
    assert change.verdict is Verdict.UPDATED
    shown = known.shown("a", by="wire")
    assert (shown.published, shown.updated) == (NOON, later)


def test_a_document_whose_author_moves_its_date_has_that_date() -> None:
    known = ledger(("a.md", article("Minutes", guid="a", updated=NOON)))
    later = NOON + DAY
    known.poll(("a.md", article("Minutes", later, guid="a", updated=later)), now=later + HOUR)
    assert known.shown("a.md").published == later


@pytest.mark.parametrize(
    "guid", ["javascript:alert(1)", "data:text/html,x", "tag:feeds.example.org,2026:feed", f"{PREFIX}stolen"]
)
def test_no_entry_gets_an_id_that_is_ours_or_that_acts(guid: str) -> None:
    known = ledger()
    known.poll(("a", article("One", guid=guid)), by=replace(FEED, keep_ids=True))
    assert known.sightings["wire", "a"].id not in {guid, ""}
    assert known.sightings["wire", "a"].id.startswith(PREFIX)


def test_a_source_may_keep_the_ids_of_its_entries() -> None:
    known, planet = ledger(), replace(FEED, keep_ids=True)
    known.poll(("a", article("One", guid="urn:uuid:1")), ("b", article("Two", guid="no-iri")), by=planet)
    assert known.sightings["wire", "a"].id == "urn:uuid:1"
    assert known.sightings["wire", "b"].id.startswith(PREFIX)
    edited = article("One, again", guid="urn:uuid:1")
    known.poll(("a", edited), by=planet, now=SEEN + HOUR)
    assert known.sightings["wire", "a"].id == "urn:uuid:1"


def test_an_entry_cannot_take_the_id_of_another_article() -> None:
    known, planet = ledger(), replace(FEED, keep_ids=True)
    liar = replace(planet, name="liar")
    known.poll(("a", article("One", guid="urn:uuid:1")), by=planet)
    known.poll(("x", article("Two", guid="urn:uuid:1", body="A lie.")), by=liar)
    ours = known.sightings["wire", "a"].id
    known.poll(("y", article("Three", guid=f"{PREFIX}stolen", body="Another.")), by=liar)
    assert known.sightings["liar", "x"].id.startswith(PREFIX)
    assert known.sightings["liar", "y"].id != f"{PREFIX}stolen"
    assert known.sightings["wire", "a"].id == ours == "urn:uuid:1"


# ---------------------------------------------------------------- laws


places = st.sampled_from(["a.md", "b.md", "c.md", "d/a.md", "d/b.md", "e.md"])
titles = st.sampled_from(["One", "one", "Two", "早报"])
bodies = st.sampled_from(["", "Text.", "Other text."])
moments = st.integers(min_value=-60, max_value=60).map(lambda hours: NOON + hours * HOUR)
fields = st.fixed_dictionaries(
    {}, optional={"author": st.sampled_from(["Li", "Wu"]), "categories": st.just((("A", "B"),))}
)


@st.composite
def articles(draw: st.DrawFn, datings: Sequence[Dating] = (Dating.ZONED,)) -> Article:
    dating = draw(st.sampled_from(datings))
    moment = None if dating is Dating.NONE else draw(moments)
    return article(draw(titles), moment, body=draw(bodies), dating=dating, **draw(fields))


zoned_trees = st.dictionaries(places, articles(), max_size=6)
trees = st.dictionaries(places, articles(tuple(Dating)), max_size=6)


@settings(deadline=None)
@given(first=trees, second=trees, same_bytes=st.booleans())
def test_deciding_again_finds_nothing_new(
    *, first: dict[str, Article], second: dict[str, Article], same_bytes: bool
) -> None:
    known = ledger(*first.items())
    known.poll(*second.items(), now=SEEN + HOUR)
    again = known.poll(*second.items(), now=SEEN + 2 * HOUR, same_bytes=same_bytes)
    assert {change.verdict for change in again} <= {Verdict.UNCHANGED}


@settings(deadline=None)
@given(zoned_trees, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(tree: dict[str, Article], random: Any) -> None:
    shuffled = list(tree.items())
    random.shuffle(shuffled)
    assert ledger(*shuffled).everything() == ledger(*tree.items()).everything()


@settings(deadline=None)
@given(trees, trees, st.integers(min_value=0, max_value=6))
def test_splitting_a_batch_in_two_changes_nothing(
    first: dict[str, Article], second: dict[str, Article], cut: int
) -> None:
    found = list(second.items())
    """But for `updated` where places swap their texts at once: only the last shown text is remembered."""
    whole, split = ledger(*first.items()), ledger(*first.items())
    whole.poll(*found, now=SEEN + HOUR)
    split.poll(*found[:cut], now=SEEN + HOUR)
    split.poll(*found[cut:], now=SEEN + HOUR)
    assert _timeless(split.everything()) == _timeless(whole.everything())


@settings(deadline=None)
@given(st.lists(zoned_trees, min_size=1, max_size=4), zoned_trees)
def test_whatever_came_and_went_the_last_tree_is_shown_as_if_it_were_the_first(
    history: list[dict[str, Article]], last: dict[str, Article]
) -> None:
    """Where each place keeps its title and day: else its article is another one, or goes on as the one it was."""
    stable = [{where: _like(tree[where], last.get(where)) for where in tree} for tree in history]
    known = Ledger()
    for number, tree in enumerate([*stable, last]):
        for where in [where for _, where in known.sightings if where not in tree]:
            known.withdraw(where)
        known.poll(*sorted(tree.items()), now=LATE + number * MINUTE)
    cold = ledger(*sorted(last.items()), now=LATE)
    assert _timeless(known.everything(LATE)) == _timeless(cold.everything(LATE))


def _like(what: Article, final: Article | None) -> Article:
    if final is None:
        return article("Passing", what.published, author=what.author)
    return article(final.title, final.published, body=final.title + (what.author or ""), categories=what.categories)


def _timeless(everything: dict[str, Shown | None]) -> dict[str, Shown | None]:
    """Leave out when a text was edited, which only a history knows."""
    return {
        id_: replace(shown, updated=shown.published, text_since=None) if shown else None
        for id_, shown in everything.items()
    }


def test_an_entry_that_is_edited_again_and_again_leaves_no_key_for_each_text() -> None:
    known = ledger()
    known.poll(("q0", report(0)), by=FEED)
    before = dict(known.owners)
    for edit in range(5):
        known.poll(("q0", report(0, body=f"Of magnitude {edit}.5.")), by=FEED, now=SEEN + edit * HOUR)
    assert known.owners == before
    known.poll(("q1", report(1)), by=FEED)  # one that has not its title and day for itself is known by its moment
    other = replace(FEED, name="other", url="https://other.example.org/feed.xml")
    known.poll(("o0", report(0, guid="urn:o:0")), ("o1", report(1, guid="urn:o:1")), by=other)
    assert known.sightings["other", "o1"].id == known.sightings["wire", "q1"].id
