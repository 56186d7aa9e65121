"""What workers do with documents that nobody foresaw: each costs itself alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import build
import feed_values
import pytest
from build import HOUR, NOON
from worlds import MINUTE, SiteUnderTest, run, scratch, site, without_privileges

from feeder.app import App
from feeder.errors import ParseError
from feeder.fetch import fetcher_of
from feeder.fetch.directory import MAX_SIZE
from feeder.model import Body, ContentPolicy, Format, Status
from feeder.pipeline import work
from feeder.preview.choosing import Subject
from feeder.preview.document import of_document
from feeder.preview.source import of_source
from feeder.store.packing import pack
from feeder.store.records import Seen

GOOD = "---\ntitle: Bridge opens\ndate: 2026-03-10T12:00:00Z\n---\nThe bridge is open.\n"
NUMBER = f"&#{'9' * 5000};"


@pytest.fixture
def tree() -> Iterator[Path]:
    """A directory that anybody can reach, unlike `tmp_path`."""
    with scratch() as folder:
        folder.chmod(0o755)
        (folder / "good.md").write_text(GOOD)
        yield folder


@pytest.fixture
def newsroom(tmp_path: Path, tree: Path) -> SiteUnderTest:
    return site(tmp_path / "site", {"newsroom": tree})


def job(tree: Path, *locators: str, **changes: Any) -> work.ReadJob:
    source = build.source(path=tree, **changes)
    seen = tuple(Seen(place=build.place(locator)) for locator in locators)
    return work.ReadJob(source=source, site=build.site(), seen=seen, now=NOON)


# ---------------------------------------------------------------- what nobody foresaw

# No config can hold this template; it stands for any fault of ours that only some documents bring out.
FAULTY = "{title.nonsense}"


def test_a_document_that_breaks_the_program_is_broken_and_says_how(tree: Path) -> None:
    [reading] = work.read(job(tree, "good.md", permalink=FAULTY))
    assert reading
    assert (reading.status, reading.place.locator) == (Status.BROKEN, "good.md")
    assert reading.digest
    assert reading.reason == "could not be read: AttributeError: 'str' object has no attribute 'nonsense'"


def test_documents_are_read_in_their_order_however_large_they_are(tree: Path) -> None:
    long = "The bridge is long. " * (work.TOGETHER // 40)
    bodies = {"a.md": GOOD, "b.md": GOOD + long, "c.md": "", "d.md": GOOD + long, "e.md": GOOD + 4 * long, "f.md": GOOD}
    for locator, text in bodies.items():
        (tree / locator).write_text(text)
    *readings, gone = work.read(job(tree, *bodies, "gone.md"))
    assert gone is None
    for locator, reading in zip(bodies, readings, strict=True):
        assert [reading] == work.read(job(tree, locator))


def test_what_an_unforeseen_fault_says_is_one_short_line_of_text() -> None:
    said = work.unforeseen(ValueError("one\ntwo \0 " + "x" * 1000))
    assert said.startswith("ValueError: one two x")
    assert len(said) < 250
    assert work.unforeseen(RecursionError()) == "RecursionError"


def entry_job(**changes: Any) -> work.EntryJob:
    plain = work.EntryJob(
        shown=feed_values.shown(), source=build.source(), categories=(), content=ContentPolicy.FULL, digest=b""
    )
    return replace(plain, **changes)


def test_an_entry_that_breaks_the_program_is_left_out_and_the_others_are_made() -> None:
    good = pack(Body(content="<p>Open.</p>", summary="Open."))
    entries = (entry_job(body=b"no stored body"), entry_job(body=good))
    broken, made = work.render(work.RenderJob(site=feed_values.SITE, formats=tuple(Format), entries=entries))
    assert (broken.id, broken.entry) == (entries[0].shown.id, None)
    assert broken.problem is not None
    assert broken.problem.startswith("could not be rendered: ZstdError: ")
    assert made.entry is not None


def test_a_body_that_breaks_the_program_leaves_its_entry_out(tree: Path) -> None:
    source = build.source(path=tree, remove=("p[",))  # a config refuses such a selector
    shown = replace(feed_values.shown(), locator="good.md")
    digest = work.digest_of(fetcher_of(source).read(source, "good.md"))
    [served] = work.render(
        work.RenderJob(
            site=feed_values.SITE,
            formats=tuple(Format),
            entries=(entry_job(shown=shown, source=source, digest=digest),),
        )
    )
    assert served.problem is not None
    assert served.problem.startswith("could not be rendered: Selectolax")


def polled_job(tree: Path, locator: str) -> work.EntryJob:
    """Return the job of an article whose title is its locator, as it lies in *tree*."""
    source = build.source(path=tree)
    shown = replace(feed_values.shown(title=locator), locator=locator)
    return entry_job(shown=shown, source=source, digest=work.digest_of(fetcher_of(source).read(source, locator)))


@pytest.mark.parametrize("portion", [1, 30, work.PORTION])
def test_each_article_gets_its_own_entry_however_few_fit_in_memory(
    tree: Path, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "PORTION", portion)
    names = [f"{number}.md" for number in range(5)]
    for name in names:
        (tree / name).write_text(f"---\ntitle: Told\n---\nThis is told in {name}.\n")
    jobs = [polled_job(tree, name) for name in names]
    (tree / "1.md").write_text("---\ntitle: Told\n---\nThis is another text.\n")
    jobs[3] = replace(jobs[3], body=pack(Body(content="<p>This was told in 3.md.</p>", summary="")))
    made = work.render(work.RenderJob(site=feed_values.SITE, formats=tuple(Format), entries=tuple(jobs)))
    told = {number: f" told in {number}.md." for number in (0, 2, 3, 4)}
    assert [number for number, one in enumerate(made) if one.entry is None] == [1]
    assert all(told[number].encode() in made[number].entry.json for number in told)  # type: ignore[union-attr]
    assert [one.is_outdated for one in made] == [False, True, False, False, False]
    assert [bool(one.body) for one in made] == [True, False, True, False, True]


def test_no_articles_make_no_entries() -> None:
    assert work.render(work.RenderJob(site=feed_values.SITE, formats=tuple(Format), entries=())) == []


def test_a_document_that_breaks_the_program_is_told_by_a_preview(tree: Path) -> None:
    source = build.source(path=tree, permalink=FAULTY)
    one = Subject(source=source, site=build.site(), locator="good.md")
    with pytest.raises(ParseError, match="could not be read: AttributeError"):
        of_document(one)
    whole = of_source(replace(one, locator=None), now=NOON)
    assert [where for where, _ in whole.rejected] == ["good.md"]


def test_references_to_characters_that_do_not_exist_cost_nothing(tree: Path) -> None:
    (tree / "bomb.md").write_text(f"---\ntitle: Bomb\nexcerpt: 'A {NUMBER} B'\n---\nBody\n")
    [reading] = work.read(job(tree, "bomb.md"))
    assert reading
    assert reading.article is not None
    assert reading.article.summary == "A \ufffd B"


# ---------------------------------------------------------------- what cannot be read


@pytest.fixture
def waits(newsroom: SiteUnderTest) -> Iterator[tuple[App, list[float]]]:
    """A site, opened, that notes how long it would wait."""
    waited: list[float] = []
    with newsroom.opened() as app:
        app.parts = replace(app.parts, wait=waited.append)
        yield app, waited


def problems(app: App) -> list[str]:
    return [problem.reason for problem in app.store.problems()]


def test_a_document_that_is_too_large_is_rejected_once_without_waiting(
    tree: Path, waits: tuple[App, list[float]]
) -> None:
    app, waited = waits
    with (tree / "large.md").open("wb") as file:
        file.truncate(MAX_SIZE + 1)
    assert run(app, NOON).polls[0].statuses == {Status.GOOD: 1, Status.BROKEN: 1}
    assert problems(app) == ["is larger than 10 MiB"]
    assert run(app, NOON + MINUTE).polls[0].statuses == {}
    assert waited == []


def test_a_document_that_may_not_be_opened_is_tried_at_every_poll_without_waiting(
    tree: Path, waits: tuple[App, list[float]]
) -> None:
    app, waited = waits
    (tree / "secret.md").write_text(GOOD)
    (tree / "secret.md").chmod(0)
    app.prepare(NOON)
    with without_privileges():
        assert app.poll("newsroom", NOON).statuses == {Status.GOOD: 1, Status.UNREADABLE: 1}
        assert app.poll("newsroom", NOON + MINUTE).statuses == {Status.UNREADABLE: 1}
    assert problems(app) == ["Permission denied"]
    assert app.store.counts()["rejected"] == 1
    (tree / "secret.md").chmod(0o644)
    assert app.poll("newsroom", NOON + HOUR).statuses == {Status.GOOD: 1}
    assert waited == []


def test_a_lack_of_memory_is_told_in_words() -> None:
    assert work.unforeseen(MemoryError()) == "it takes more memory than a process may have"
