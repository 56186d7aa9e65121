"""`feeder preview`: what would be read, and that nothing is kept of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from build import NOON
from desk import Desk

from feeder import config
from feeder.preview import people, programs
from feeder.preview.choosing import subject
from feeder.preview.source import of_source


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.settle("newsroom", "partner\ncategory = 'Partners'")
    desk.write("newsroom/bridge.md", body="The bridge is **open**.")
    return desk


def test_a_source_is_summed_up_and_nothing_is_stored(desk: Desk) -> None:
    desk.write("newsroom/copy.md")
    desk.write("newsroom/draft.md", more="draft: true")
    desk.write("newsroom/lenient.md", title="Second", date="2026-03-11T12:00:00Z", more="tags: [open")
    desk.put("newsroom/bad.md", "\0")
    told = desk.run("preview", "newsroom")
    assert told.code == 0
    assert told.out.splitlines()[:2] == [
        "newsroom: 5 documents: 3 articles (1 of them a copy), 1 left out, 1 rejected; 1 read leniently",
        "It would make 3 feeds: (the whole site), city, city › roads",
    ]
    assert "a binary file: it holds NUL characters" in told.out
    assert "2026-03-10 12:00:00 +0000  Bridge opens  City › Roads" in told.out
    assert sorted(path.name for path in desk.folder.iterdir()) == ["config.toml", "newsroom", "partner"]


def test_the_newest_ten_are_shown_newest_first(desk: Desk) -> None:
    for day in range(10, 25):
        desk.write(f"newsroom/{day}.md", title=f"Day {day}", date=f"2026-04-{day}T00:00:00Z")
    told = desk.run("preview", "newsroom", "--json").json
    assert [each["title"] for each in told["newest"]] == [f"Day {day}" for day in range(24, 14, -1)]
    assert told["articles"] == 16


def test_more_reasons_than_are_listed_are_counted(desk: Desk) -> None:
    for number in range(22):
        desk.put(f"newsroom/{number}.md", "\0")
    told = desk.run("preview", "newsroom")
    assert told.out.count("a binary file") == 20
    assert "… and 2 more; --json lists all" in told.out
    assert len(desk.run("preview", "newsroom", "--json").json["rejected"]) == 22


def test_a_large_source_is_read_by_many_processes_alike(desk: Desk) -> None:
    for number in range(600):
        desk.write(f"newsroom/{number}.md", title=f"News {number}")
    assert desk.run("preview", "newsroom", "--json").json["articles"] == 601


def test_titles_that_are_never_merged_are_no_copies(desk: Desk) -> None:
    desk.settle("newsroom", site='[dedup]\nnever = ["Bridge opens"]')
    desk.write("newsroom/copy.md")
    assert desk.run("preview", "newsroom", "--json").json["merged"] == 0


def test_a_source_that_cannot_be_listed_is_exit_code_1(desk: Desk) -> None:
    (desk.folder / "partner").rmdir()
    told = desk.run("preview", "partner")
    assert told.code == 1
    assert "No such file or directory" in told.err


def test_a_directory_that_cannot_be_listed_is_told(desk: Desk) -> None:
    chosen = subject("newsroom", config.load(desk.config))
    seen = replace(of_source(chosen, now=NOON), unlisted=("locked/: Permission denied",))
    assert "cannot be listed: locked/: Permission denied" in list(people.source_blocks(seen, chosen))
    assert programs.source_values(seen, chosen)["unlisted"] == ["locked/: Permission denied"]


def test_neither_a_source_nor_a_file_is_exit_code_2_with_the_nearest_name(desk: Desk) -> None:
    told = desk.run("preview", "newsrom")
    assert (told.code, told.err) == (
        2,
        'feeder: newsrom: there is neither a source nor a file of this name; did you mean "newsroom"?\n',
    )


def test_a_file_shows_the_fields_as_written_and_as_read(desk: Desk) -> None:
    told = desk.run("preview", desk.folder / "newsroom/bridge.md")
    rows = [line.split("  ") for line in told.out.splitlines()]
    assert told.out.startswith("newsroom: bridge.md: an article\n")
    assert ["2026-03-10T12:00:00Z", "2026-03-10T12:00:00Z (with a time zone)"] in [
        [cell.strip() for cell in row if cell.strip()][1:] for row in rows
    ]
    assert "[City, Roads]" in told.out
    assert "City › Roads" in told.out
    assert "The bridge is open." in told.out
    assert "<p>The bridge is <strong>open</strong>.</p>" in told.out
    assert "bridge opens · 2026-03-10" in told.out


def test_a_file_as_json(desk: Desk) -> None:
    file = desk.write(
        "newsroom/full.md", more="categories: [[A, [B]], C]\ntags: [x]\nguid: g-1\nauthor: Ann\nsummary: Short"
    )
    told = desk.run("preview", file, "--json").json
    assert told["raw"]["categories"] == "[[A, […]], C]"
    assert told["article"]["author"] == "Ann"
    assert {key["kind"] for key in told["article"]["keys"]} == {"title and day", "given id"}
    assert told["summary"] == "Short"
    assert told["note"] is None


def test_a_long_body_is_cut_for_people_and_whole_for_programs(desk: Desk) -> None:
    file = desk.write("newsroom/long.md", body="word " * 400)
    assert "word…" in desk.run("preview", file).out.replace(" …", "…")
    assert desk.run("preview", file, "--json").json["body"].count("word") == 400


def test_a_file_without_anything_shows_nothing(desk: Desk) -> None:
    file = desk.write("newsroom/empty.md", date=None, body="", more="x: y")
    told = desk.run("preview", file)
    assert "no date that can be used" in told.out
    assert "title and text" in told.out


def test_a_draft_says_so(desk: Desk) -> None:
    draft = desk.write("newsroom/draft.md", more="draft: true")
    assert desk.run("preview", draft).out.startswith("newsroom: draft.md: left out: draft\n")


def test_a_broken_file_is_exit_code_1(desk: Desk) -> None:
    told = desk.run("preview", desk.put("newsroom/bad.md", "\0"))
    assert (told.code, told.out) == (1, "")
    assert "a binary file" in told.err


def test_a_file_outside_of_all_sources_is_read_with_the_first_ones_settings_and_that_is_said(desk: Desk) -> None:
    desk.settle("partner\ncategory = 'Partners'", "newsroom")
    file = desk.write("elsewhere/x.md", more="x: y")
    told = desk.run("preview", file)
    assert told.code == 0
    assert "lies in no source; the settings used are those of source partner" in told.err
    assert "Partners" in told.out


def test_a_directory_is_read_as_a_source(desk: Desk) -> None:
    desk.write("elsewhere/x.md")
    told = desk.run("preview", desk.folder / "elsewhere", "--json").json
    assert (told["articles"], "lies in no source" in told["note"]) == (1, True)


def test_without_a_config_the_defaults_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    desk.write("x.md")
    monkeypatch.chdir(tmp_path)
    told = desk.call("preview", "x.md")
    assert told.code == 0
    assert "the settings used are the defaults" in told.err


def test_without_a_source_the_defaults_of_the_config_are_used(desk: Desk) -> None:
    text = desk.config.read_text("utf-8").replace("[defaults]\n", '[defaults]\ncategory = "Elsewhere"\n')
    desk.config.write_text(text[: text.index("[[source]]")], "utf-8")
    desk.write("elsewhere/x.md", more="tags: []")
    told = desk.run("preview", desk.folder / "elsewhere" / "x.md", "--json").json
    assert told["article"]["categories"] == [["Elsewhere"]]
    assert told["note"].endswith("the settings used are the defaults of config.toml")


def test_a_file_that_is_reached_by_a_link_is_read_as_its_source_has_it(desk: Desk) -> None:
    (desk.folder / "link").symlink_to(desk.folder / "newsroom")
    assert desk.run("preview", desk.folder / "link/bridge.md").out.startswith("newsroom: bridge.md")


@pytest.mark.parametrize(
    ("word", "is_address"),
    [
        ("example.org", True),
        ("example.org/feed.xml", True),
        ("127.0.0.1:8080/atom.xml", True),
        ("nothing", False),
        ("nothing.md", False),
        ("posts/nothing.md", False),
    ],
)
def test_an_address_without_its_scheme_is_told_from_a_file(desk: Desk, word: str, is_address: bool) -> None:  # noqa: FBT001 - a table
    told = desk.run("preview", word)
    assert told.code == 2
    assert (f"did you mean https://{word} ?" in told.err) is is_address
