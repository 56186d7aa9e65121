"""The commands, run on real trees: what they say, what they leave, and their exit codes."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from desk import Desk
from test_store_faults import _cut_off, _cut_off_in_its_header, _damaged_schema, _foreign, _newer, _text

ARTICLE = "newsroom/bridge.md"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.settle()
    desk.write(ARTICLE)
    yield desk
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


# ---------------------------------------------------------------- the program


def test_help_lists_the_commands_in_groups_with_examples_exit_codes_and_files(desk: Desk) -> None:
    told = desk.program("--help")
    assert told.code == 0
    places = [told.out.index(f"\n{title}") for title in ("Set up:", "Work:", "Look:", "Steer:", "  Examples:")]
    assert places == sorted(places)
    assert all(part in told.out for part in ("Exit codes:", "removed.txt", "FEEDER_CONFIG", "/etc/feeder/config.toml"))


def test_help_starts_without_what_commands_need(desk: Desk) -> None:
    code = "import sys, feeder.cli; print([m for m in ('pydantic', 'rich', 'lxml', 'structlog') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=desk.folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told(desk: Desk) -> None:
    told = desk.program("--version")
    assert (told.code, told.out.split()[0]) == (0, "feeder")


@pytest.mark.parametrize("arguments", [["nonsense"], ["once", "--nonsense"], ["poll"], ["explain"]])
def test_wrong_usage_is_exit_code_2(desk: Desk, arguments: list[str]) -> None:
    told = desk.call(*arguments)
    assert told.code == 2
    assert "Usage: feeder" in told.err


def test_without_a_config_the_places_that_were_tried_are_named(tmp_path: Path) -> None:
    told = Desk(tmp_path).program("status")
    assert told.code == 2
    assert "neither config.toml nor /etc/feeder/config.toml" in told.err
    assert "feeder init" in told.err


def test_the_config_in_the_working_directory_is_found(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.folder)
    assert desk.call("check").code == 0


@pytest.mark.parametrize(
    ("before", "after", "environment"),
    [
        pytest.param(["-c", "other.toml"], [], {}, id="before-the-command"),
        pytest.param([], ["-c", "other.toml"], {}, id="behind-the-command"),
        pytest.param([], [], {"FEEDER_CONFIG": "other.toml"}, id="in-the-environment"),
        pytest.param(["-c", "other.toml"], [], {"FEEDER_CONFIG": "bad.toml"}, id="an-option-beats-the-environment"),
    ],
)
def test_the_config_may_be_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, before: list[str], after: list[str], environment: dict[str, str]
) -> None:
    desk.config.rename(desk.folder / "other.toml")
    desk.put("config.toml", "wrong")
    desk.put("bad.toml", "wrong")
    monkeypatch.chdir(desk.folder)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    told = desk.call(*before, "check", *after)
    assert (told.code, told.err) == (0, "")
    assert "other.toml" in told.out


def test_a_closed_pipe_is_no_traceback(desk: Desk) -> None:
    for number in range(40):
        desk.put(f"newsroom/{number}.md", f"---\ntitle: {'long ' * 300}\n---\n" + "\0" * 999)
    desk.run("once")
    command = [sys.executable, "-m", "feeder", "status", "--json"]
    with subprocess.Popen(command, cwd=desk.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")


@pytest.mark.parametrize("arguments", [["status"], ["once", "--all", "--json"], ["check"], ["--help"]])
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_an_output_that_cannot_be_written_is_one_line_and_exit_code_1(
    desk: Desk, arguments: list[str], buffered: str
) -> None:
    command = [sys.executable, "-m", "feeder", "--log-level", "error", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command,
            cwd=desk.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": buffered},
        )
    assert (done.returncode, done.stderr) == (
        1,
        "feeder: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["status", "check", "once --all"])
def test_streams_that_are_closed_are_missed_by_nobody(desk: Desk, command: str, closed: str) -> None:
    desk.run("once")
    words = f'exec "$0" -m feeder --log-level error {command} {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", words, sys.executable], cwd=desk.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_disk_without_room_for_the_number_in_the_lock_is_no_traceback(desk: Desk) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from feeder.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "--log-level", "error", "once"]
    done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"feeder: {desk.folder / 'var/state.db'}: the state cannot be used: ")


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        pytest.param(signal.SIGINT, 130, "feeder: interrupted; ", id="interrupt"),
        pytest.param(signal.SIGTERM, 143, "feeder: terminated; ", id="terminate"),
    ],
)
def test_a_signal_ends_once_with_a_line_and_a_state_that_is_whole(
    desk: Desk, number: signal.Signals, code: int, said: str
) -> None:
    for count in range(1200):
        desk.write(f"newsroom/{count}.md", title=f"News {count}", more=f"categories: [C{count % 60}]")
    command = [sys.executable, "-m", "feeder", "--log-level", "error", "once"]
    with subprocess.Popen(command, cwd=desk.folder, stderr=subprocess.PIPE, text=True) as process:
        while not (desk.folder / "var/state.db-wal").exists():
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code
    assert errors.lstrip() == f"{said}what was done stands, the rest is done at the next run\n"
    assert desk.run("once", "--json").json["state"]["articles"] == 1201


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_daemon_works_ends_it_with_0(desk: Desk, number: signal.Signals) -> None:
    code = "import sys, time; sys.stderr.write('.'); sys.stderr.flush()"
    hook = f"import feeder.opening; before = feeder.opening.opened\ndef slow(*all):\n  {code}; time.sleep(60)\nfeeder.opening.opened = slow"
    command = [sys.executable, "-c", f"{hook}\nfrom feeder.cli import main\nmain(['run'])"]
    with subprocess.Popen(command, cwd=desk.folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.read(1) == "."
        process.send_signal(number)
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("before", [True, False])
def test_the_log_level_may_stand_before_and_behind_the_command(desk: Desk, *, before: bool) -> None:
    level = ["--log-level", "error"]
    told = desk.program(*(level if before else []), "once", *([] if before else level))
    assert (told.code, told.err) == (0, "")


def test_an_interrupted_run_leaves_a_state_that_the_next_run_goes_on_with(desk: Desk) -> None:
    for number in range(1200):
        desk.write(f"newsroom/{number}.md", title=f"News {number}", more=f"categories: [C{number % 60}]")
    command = [sys.executable, "-m", "feeder", "--log-level", "error", "once"]
    with subprocess.Popen(command, cwd=desk.folder, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not (desk.folder / "var/state.db-wal").exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the processes it started as well
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.strip() == b"feeder: interrupted; what was done stands, the rest is done at the next run"
    again = desk.program("--log-level", "error", "once", "--json")
    assert (again.code, again.json["state"]["articles"], again.json["state"]["stale"]) == (0, 1201, 0)


def test_a_terminal_gets_tables_and_bars_and_nothing_that_drives_it(desk: Desk) -> None:
    desk.write("newsroom/evil.md", title='"\\e[31mRed\\e[0m \\u202eevil [bold]x[/bold]"')
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "feeder", "preview", "newsroom"]
    with subprocess.Popen(command, cwd=desk.folder, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = _read_all(ours)
    assert process.returncode == 0
    assert "─" in shown
    assert "[bold]x[/bold]" in shown
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown


def _read_all(terminal: int) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux tells the end of a terminal so
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


def test_bars_are_drawn_on_a_terminal_and_gone_at_the_end(desk: Desk) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "feeder", "once"]
    with subprocess.Popen(command, cwd=desk.folder, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = _read_all(ours)
        assert process.stdout
        said = process.stdout.read()
    assert "articles" in shown
    assert "1/1" in shown
    assert said == "1 source polled: 1 new\n3 feeds published: 19 files written, 0 removed\n"


# ---------------------------------------------------------------- once


def test_once_polls_publishes_and_sums_up(desk: Desk) -> None:
    desk.write("newsroom/draft.md", more="draft: true")
    desk.write("newsroom/later.md", title="Later", date="2199-01-01T00:00:00Z")
    desk.put("newsroom/bad.md", "---\ntitle: Bad\n---\n" + "\0" * 9)
    told = desk.run("once")
    assert told.code == 0
    assert told.out.splitlines() == [
        "1 source polled: 2 new, 1 held, 1 left out, 1 rejected",
        "  rejected: newsroom: bad.md: a binary file: it holds NUL characters",
        "3 feeds published: 19 files written, 0 removed",
    ]


def test_a_second_run_finds_nothing_new_and_writes_nothing(desk: Desk) -> None:
    desk.run("once")
    before = desk.tree("public")
    assert (
        desk.run("once", "--all").out == "1 source polled: nothing new\n0 feeds published: 0 files written, 0 removed\n"
    )
    assert desk.tree("public") == before


def test_once_leaves_alone_what_is_not_due(desk: Desk) -> None:
    desk.run("once")
    assert desk.run("once").out.startswith("0 sources polled")


def test_once_as_json_counts_and_names_files(desk: Desk) -> None:
    told = desk.run("once", "--json").json
    assert (told["sources"], told["new"], told["feeds"], told["failed"]) == (1, 1, 3, {})
    assert "categories/city/roads/atom.xml" in told["written"]
    assert told["state"]["articles"] == 1


def test_a_change_is_published_at_once_however_fresh_the_feed_is(desk: Desk) -> None:
    desk.run("once")
    desk.write("newsroom/second.md", title="Second")
    assert desk.run("once", "--all").out.splitlines()[1] == "3 feeds published: 14 files written, 0 removed"


def test_more_rejected_documents_than_are_named_are_counted(desk: Desk) -> None:
    for number in range(8):
        desk.put(f"newsroom/{number}.md", "\0")
    assert "… and 3 more; `feeder status` lists them" in desk.run("once").out


def test_a_source_that_fails_is_exit_code_3_and_the_others_are_published(desk: Desk) -> None:
    desk.settle("newsroom", "partner")
    (desk.folder / "partner").rmdir()
    told = desk.run("once")
    assert told.code == 3
    assert "  failed: partner: " in told.out
    assert (desk.folder / "public/atom.xml").exists()


def test_a_feed_that_cannot_be_written_is_exit_code_1(desk: Desk) -> None:
    (desk.folder / "public/categories/city/atom.xml").mkdir(parents=True)
    told = desk.run("once")
    assert told.code == 1
    assert "  failed: city: " in told.out
    assert (desk.folder / "public/categories/city/roads/atom.xml").exists()


def test_a_state_that_is_in_use_is_exit_code_1(desk: Desk) -> None:
    with desk.daemon():
        told = desk.run("once")
    assert told.code == 1
    assert "is in use by process" in told.err


def test_a_lost_state_is_not_begun_anew_unless_it_is_asked_for(desk: Desk) -> None:
    desk.run("once")
    for file in (desk.folder / "var").iterdir():
        file.unlink()
    refused = desk.run("once")
    assert refused.code == 1
    assert "--fresh" in refused.err
    assert desk.run("once", "--fresh").code == 0


def _delete(state: Path) -> None:
    state.unlink()


def _empty(state: Path) -> None:
    os.truncate(state, 0)


def _put_another_in_its_place(state: Path) -> None:
    state.unlink()
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("lose", [_delete, _empty, _put_another_in_its_place])
@pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=["", "dry"])
def test_a_lost_state_is_refused_with_both_ways_out(desk: Desk, lose: Callable[[Path], None], flags: list[str]) -> None:
    desk.run("once")
    lose(desk.folder / "var/state.db")
    refused = desk.run("once", *flags)
    assert refused.code == 1
    assert refused.err.startswith(f"feeder: {desk.folder / 'var/state.db'}: the")
    assert f"`feeder adopt {desk.folder / 'public/feeds.json'}`" in refused.err
    assert desk.run("once", "--fresh", *flags).code == 0


@pytest.mark.parametrize(
    "damage", [_text, _cut_off, _cut_off_in_its_header, _damaged_schema, _newer, _foreign, _empty, _delete]
)
def test_fault_85_nothing_begins_with_a_state_that_is_none(desk: Desk, damage: Callable[[Path], None]) -> None:
    desk.run("once")
    damage(state := desk.folder / "var/state.db")
    before = desk.tree("public"), state.read_bytes() if state.exists() else None
    done = desk.program("--log-level", "error", "run", "-c", str(desk.config))
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith(f"feeder: {state}: ")
    assert (desk.tree("public"), state.read_bytes() if state.exists() else None) == before


@pytest.mark.parametrize("question", [["status"], ["status", "--json"], ["explain", ARTICLE], ["pause", "newsroom"]])
def test_a_lost_state_is_told_and_not_begun_by_asking(desk: Desk, question: list[str]) -> None:
    desk.run("once")
    os.truncate(desk.folder / "var/state.db", 0)
    told = desk.run(*question)
    assert (told.code, told.out, told.err) == (1, "", desk.run("once").err)
    assert "the state is empty, but" in told.err
    assert (desk.folder / "var/state.db").stat().st_size == 0


@pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=["", "dry"])
def test_a_damaged_state_is_called_by_its_own_name(desk: Desk, flags: list[str]) -> None:
    desk.run("once")
    state = desk.folder / "var/state.db"
    with state.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (state.stat().st_size - 4_096))
    told = desk.run("once", *flags)
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert told.err.startswith(f"feeder: {state}: the state cannot be used: ")
    assert "restore it from a backup" in told.err


def test_the_number_of_sources_that_are_due_has_no_limit(desk: Desk) -> None:
    desk.settle(*(f"s{number}" for number in range(120)))
    assert desk.run("once").out.startswith("120 sources polled")


@pytest.mark.parametrize("flags", [["--dry-run"], []], ids=["dry", ""])
def test_a_source_with_other_settings_is_due(desk: Desk, flags: list[str]) -> None:
    desk.settle("newsroom", "partner", "paused")
    desk.run("once")
    desk.run("pause", "paused")
    desk.settle("newsroom\nauthor = 'Desk'", "partner", "paused\nauthor = 'Desk'")
    assert desk.run("once", *flags).out.startswith("1 source polled: 1 updated")


def test_a_source_that_fails_is_due_once_it_is_set_right(desk: Desk) -> None:
    desk.settle("newsroom")
    desk.write("newsroom/a.md")
    right = desk.config.read_text("utf-8")
    desk.config.write_text(right.replace('path = "newsroom"', 'path = "newsrom"'), "utf-8")
    assert desk.run("once").code == 3
    assert desk.run("once").out.startswith("0 sources polled")
    desk.config.write_text(right, "utf-8")
    assert desk.run("once").out.startswith("1 source polled: 1 new")


def test_a_source_polled_by_a_clock_that_was_ahead_is_due(desk: Desk) -> None:
    desk.run("once")
    with closing(sqlite3.connect(desk.folder / "var/state.db")) as connection, connection:
        connection.execute("UPDATE sources SET next_poll = next_poll + 86400")
    assert desk.run("once").out.startswith("1 source polled")


def test_a_disabled_source_is_not_polled(desk: Desk) -> None:
    desk.settle("newsroom\nenabled = false")
    assert [desk.run("once", *flags).out.split()[0] for flags in ([], ["--all"])] == ["0", "0"]


def test_a_source_that_is_turned_off_is_hidden_and_comes_back_as_it_was(desk: Desk) -> None:
    desk.settle("newsroom", "partner")
    desk.write("partner/other.md", title="Other")
    desk.write("partner/copy.md", more="categories: [Country]")
    desk.write("newsroom/undated.md", title="Undated", date=None, more="categories: [Country]")
    desk.run("once")
    before = desk.tree("public")
    desk.settle("newsroom\nenabled = false", "partner")
    desk.run("once", "--all")
    items = json.loads(desk.tree("public")["public/feed.json"])["items"]
    assert {item["title"] for item in items} == {"Other", "Bridge opens"}
    assert {item["title"]: item["tags"] for item in items}["Bridge opens"] == ["Country"]
    desk.settle("newsroom", "partner")
    desk.run("once", "--all")
    assert desk.tree("public") == before


def test_an_article_is_withdrawn_with_its_last_document(desk: Desk) -> None:
    desk.write("newsroom/other.md", title="Other")
    copies = [desk.write(f"newsroom/{name}.md") for name in ("copy", "draft")]
    desk.run("once")
    copies[0].unlink()
    desk.write("newsroom/draft.md", more="draft: true")
    assert [desk.run("once", "--all", "--json").json["withdrawn"] for _ in range(2)] == [0, 0]
    (desk.folder / ARTICLE).unlink()
    assert [desk.run("once", "--all", "--json").json["withdrawn"] for _ in range(3)] == [0, 1, 0]


def test_a_last_document_that_is_taken_back_withdraws_its_article(desk: Desk) -> None:
    desk.run("once")
    desk.write(ARTICLE, more="draft: true")
    assert desk.run("once", "--all", "--json").json["withdrawn"] == 1


def test_a_paused_source_is_polled_only_by_all(desk: Desk) -> None:
    desk.run("once")
    desk.run("pause", "newsroom")
    desk.run("poll", "newsroom")
    assert desk.run("once").out.startswith("0 sources polled")
    assert desk.run("once", "--all").out.startswith("1 source polled")


# ---------------------------------------------------------------- once --dry-run


def test_a_dry_run_on_nothing_names_the_files_and_makes_none(desk: Desk) -> None:
    told = desk.run("once", "--dry-run")
    assert told.code == 0
    assert "3 feeds would be published: 19 files written, 0 removed" in told.out
    assert "would write categories/city/roads/atom.xml" in told.out.splitlines()
    assert not (desk.folder / "public").exists()
    assert not (desk.folder / "var/state.db").exists()


def test_a_dry_run_changes_neither_state_nor_output(desk: Desk) -> None:
    desk.run("once")
    desk.write("newsroom/second.md", title="Second", more="categories: [Country]")
    (desk.folder / ARTICLE).unlink()
    before = desk.tree("public", "var")
    told = desk.run("once", "--all", "--dry-run", "--json").json
    assert desk.tree("public", "var") == before
    assert told["dry_run"] is True
    assert "categories/country/atom.xml" in told["written"]


def test_a_dry_run_names_the_files_that_would_go(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second", more="categories: [Country]")
    desk.run("once")
    desk.write("newsroom/second.md", title="Second", more="categories: [City]")
    told = desk.run("once", "--all", "--dry-run")
    assert "would remove categories/country/atom.xml" in told.out.splitlines()


def test_a_dry_run_works_while_the_daemon_runs(desk: Desk) -> None:
    desk.run("once")
    with desk.daemon():
        assert desk.run("once", "--all", "--dry-run").code == 0


@pytest.mark.parametrize("guid", ["", "\nguid: {}"], ids=["", "guid"])
@pytest.mark.parametrize(
    ("apart", "site"),
    [
        pytest.param("\ndedup = 'source'", "", id="source"),
        pytest.param("", "[dedup]\nnever = ['Weather']", id="never"),
    ],
)
def test_copies_that_settings_keep_apart_are_told_as_new(desk: Desk, apart: str, site: str, guid: str) -> None:
    desk.settle("newsroom", "partner")
    desk.write("newsroom/a.md", title="Weather", more="categories: [City]" + guid.format("one"))
    desk.write("partner/b.md", title="Weather", more="categories: [City]" + guid.format("two"))
    desk.run("once")
    [before] = items(desk)
    desk.settle(f"newsroom{apart}", f"partner{apart}", site=site)
    rehearsed = desk.run("once", "--dry-run").out.splitlines()
    assert "2 sources polled: 1 new" in rehearsed
    assert [line.rpartition("; ")[2] for line in rehearsed if line.startswith("the settings of")] == ["1 new id"]
    assert "2 sources polled: 1 new" in desk.run("once").out
    after = items(desk)
    assert (len(after), before in after) == (2, True)
    told = desk.run("explain", desk.folder / "partner/b.md")
    assert f"new (the settings keep it apart from {before})" in " ".join(told.out.split())


def items(desk: Desk) -> list[str]:
    """Return the ids of all articles about the weather."""
    feed = json.loads((desk.folder / "public/feed.json").read_text("utf-8"))
    return [item["id"] for item in feed["items"] if item["title"] == "Weather"]


def test_a_dry_run_tells_what_a_change_of_settings_does(desk: Desk) -> None:
    desk.write("newsroom/late.md", title="Late", date="2026-03-10T20:00:00Z", more="categories: [Night]")
    desk.write("newsroom/copy.md", title="Bridge opens", more="categories: [City]")
    desk.settle("newsroom\ndedup = 'off'")
    desk.run("once")
    desk.settle(site='timezone = "Asia/Shanghai"\n[categories.City]\nslug = "town"')
    told = desk.run("once", "--dry-run")
    assert (
        "the settings of 1 source changed (newsroom): 1 article changes day, 1 merges; 2 feeds move; 0 new ids"
        in told.out.splitlines()
    )
    assert desk.run("once", "--dry-run", "--json").json["settings"] == {
        "sources": ["newsroom"],
        "new_days": 1,
        "merged": 1,
        "feeds_moved": 2,
        "new_ids": 0,
    }


def test_a_dry_run_counts_what_is_withdrawn_or_hidden_as_no_merge(desk: Desk) -> None:
    desk.settle("newsroom", "partner")
    desk.write("partner/theirs.md", title="Theirs")
    desk.write("newsroom/daily.md", title="Daily")
    desk.write("newsroom/draft.md", title="Draft")
    desk.run("once")
    desk.write("newsroom/daily.md", title="Daily", date="2026-03-12T12:00:00Z", body="The next one.")
    desk.write("newsroom/draft.md", title="Draft", more="draft: true")
    desk.settle("newsroom", "partner\nenabled = false", site='timezone = "Asia/Shanghai"')
    told = desk.run("once", "--all", "--dry-run", "--json").json
    assert (told["replaced"], told["withdrawn"], told["settings"]["merged"]) == (1, 1, 0)


def test_a_dry_run_tells_what_other_settings_of_feeds_do(desk: Desk) -> None:
    desk.run("once")
    desk.settle(site='[categories.City]\nslug = "town"')
    told = desk.run("once", "--dry-run").out
    assert "the settings of the feeds changed: 0 articles change day, 0 merge; 2 feeds move; 0 new ids" in told


def test_a_dry_run_with_the_same_settings_says_nothing_of_them(desk: Desk) -> None:
    desk.run("once")
    assert desk.run("once", "--dry-run", "--json").json["settings"] is None


# ---------------------------------------------------------------- check


def test_check_says_what_is_configured(desk: Desk) -> None:
    desk.settle("newsroom", 'partner\ncron = "@daily"', "closed\nenabled = false")
    desk.put("newsroom/picture.png", "no document")
    told = desk.run("check")
    rows = [line.split() for line in told.out.splitlines()]
    assert told.code == 0
    assert ["newsroom", "1", "every", "10", "min", str(desk.folder / "newsroom")] in rows
    assert ["partner", "0", "@daily", str(desk.folder / "partner")] in rows
    assert ["closed", "0", "no", "(enabled", "=", "false)", str(desk.folder / "closed")] in rows
    assert ["formats", "atom,", "rss,", "json"] in rows
    assert ["server", "off"] in rows
    assert "(not there yet)" in told.out


def test_check_tells_all_faults_at_once(desk: Desk) -> None:
    desk.settle("newsroom\nintervall = 1\ntimezone = 'Nowhere/City'", feeds="entries = -1")
    told = desk.run("check")
    assert told.code == 2
    assert all(word in told.err for word in ("intervall", "Nowhere/City", "entries"))
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("written", "told"),
    [
        pytest.param("[[source]]\nname = 'b'\npath = '.'\nintervall = '1h'", 'source "b": unknown key "intervall"', id="key"),
        pytest.param("[[source]]\nname = 'b'\npath = '.'\nlimit = 'many'", 'limit: "many" is not a whole number', id="type"),
        pytest.param("[[source]]\nname = 'b'\npath = '.'\ninterval = '0s'", 'interval: "0s" is not longer', id="zero"),
        pytest.param("[[source]]\nname = 'b'\npath = '.'\ninterval = '-5m'", 'interval: "-5m" is negative', id="negative"),
        pytest.param("[categories]\nA.slug = 'x'\nB.slug = 'x'", "categories", id="two-in-one-file"),
        pytest.param("[[source", "line ", id="no-toml"),
    ],
)  # fmt: skip
def test_fault_92_nothing_begins_with_a_config_that_is_wrong(desk: Desk, written: str, told: str) -> None:
    desk.config.write_text(f"{desk.config.read_text()}\n{written}\n")
    done = desk.program("run", "-c", str(desk.config))
    assert done.code == 2
    assert "config.toml: " in done.err
    assert told in done.err
    assert "Traceback" not in done.err
    assert not (desk.folder / "public").exists()


def test_check_warns_of_a_directory_that_is_not_there(desk: Desk) -> None:
    desk.settle("newsroom", "partner")
    (desk.folder / "partner").rmdir()
    told = desk.run("check", "--json")
    assert told.code == 0
    assert told.err.startswith("warning: ")
    assert told.json["sources"][1]["problem"] == "No such file or directory"
    assert told.json["sources"][0] == {
        "name": "newsroom",
        "path": str(desk.folder / "newsroom"),
        "url": None,
        "enabled": True,
        "documents": 1,
        "problem": None,
    }


def test_check_shows_a_url_and_asks_no_server(desk: Desk) -> None:
    url = "https://example.net/feed.xml"
    desk.config.write_text(f'{desk.config.read_text()}\n[[source]]\nname = "far"\nurl = "{url}"\ninterval = "auto"\n')
    [row] = [line.split() for line in desk.run("check").out.splitlines() if url in line]
    assert row == ["far", "?", "as", "it", "publishes", url]
    assert desk.run("check", "--json").json["sources"][-1] == {
        "name": "far",
        "path": None,
        "url": url,
        "enabled": True,
        "documents": None,
        "problem": None,
    }


def test_check_says_where_the_server_listens(desk: Desk) -> None:
    desk.config.write_text(desk.config.read_text().replace('listen = ""', 'listen = "127.0.0.1:8080"'))
    assert "http://127.0.0.1:8080/" in desk.run("check").out
    assert desk.run("check", "--json").json["listen"] == "127.0.0.1:8080"


def test_check_reads_the_takedowns_as_well(desk: Desk) -> None:
    desk.put("removed.txt", "tag:x,2026:article/y nonsense\n")
    told = desk.run("check")
    assert told.code == 2
    assert "removed.txt: line 1" in told.err


# ---------------------------------------------------------------- status


def test_status_before_the_first_poll(desk: Desk) -> None:
    desk.settle("newsroom", "closed\nenabled = false")
    told = desk.run("status")
    assert told.code == 0
    assert ["newsroom", "new", "0", "never", "-", "-", "-"] in [line.split() for line in told.out.splitlines()]
    assert [each["state"] for each in desk.run("status", "--json").json["sources"]] == ["new", "off"]
    assert not (desk.folder / "var").exists()


def test_status_tells_how_each_source_stands(desk: Desk) -> None:
    desk.settle("newsroom", "failing", "paused", "closed", "old\non_remove = 'keep'")
    desk.run("once")
    desk.run("pause", "paused")
    (desk.folder / "failing").rmdir()
    desk.settle("newsroom", "failing", "paused", "closed\nenabled = false", "late")
    (desk.folder / "failing").rmdir()
    desk.run("poll", "failing")
    desk.run("once", "--all")
    desk.settle("newsroom", "failing", "paused", "closed\nenabled = false", "late", "newest")
    states = {each["name"]: each["state"] for each in desk.run("status", "--json").json["sources"]}
    assert states == {
        "newsroom": "ok",
        "failing": "failing",
        "paused": "paused",
        "closed": "off",
        "late": "ok",
        "old": "gone",
        "newest": "new",
    }


def test_status_tells_what_is_wrong_with_the_config_and_then_what_the_state_remembers(desk: Desk) -> None:
    desk.settle("newsroom", "failing", "old\non_remove = 'keep'", "paused")
    desk.run("once")
    (desk.folder / "failing").rmdir()
    desk.settle("newsroom", "failing", "paused", "closed")
    (desk.folder / "failing").rmdir()
    desk.run("poll", "failing")
    desk.run("pause", "paused")
    desk.run("once")
    good = desk.config.read_text("utf-8")
    desk.config.write_text(good.replace('name = "newsroom"', 'name = "newsroom"\nintervall = "1h"'), "utf-8")
    told = desk.run("status", "--json")
    assert told.code == 2
    wrong, *_, rest = told.err.splitlines()
    assert 'config.toml: source "newsroom": unknown key "intervall"' in wrong
    assert rest == "what follows is by the configuration of before"
    states = {each["name"]: each["state"] for each in told.json["sources"]}
    assert states == {"newsroom": "ok", "failing": "failing", "paused": "paused", "closed": "ok", "old": "gone"}
    assert desk.run("status", "--merges").out.startswith("Sources\n")


@pytest.mark.parametrize("wrong", ["[site", '[[sources]]\nname = "x"', "[site]\ntitle = 7"])
def test_status_tells_what_is_wrong_with_the_config_alone_if_there_is_no_state_by_it(desk: Desk, wrong: str) -> None:
    desk.config.write_text(wrong, "utf-8")
    told = desk.run("status")
    assert (told.code, told.out) == (2, "")
    assert "config.toml" in told.err


@pytest.mark.parametrize("state", [None, b"no database"])
def test_status_tells_what_is_wrong_with_the_config_alone_if_the_state_tells_nothing(
    desk: Desk, state: bytes | None
) -> None:
    if state:
        desk.put("var/state.db", state.decode())
    desk.config.write_text(desk.config.read_text("utf-8").replace("[defaults]", "[default]"), "utf-8")
    told = desk.run("status")
    assert (told.code, told.out) == (2, "")
    assert told.err.endswith('config.toml: unknown key "default"; did you mean "defaults"?\n')


def test_status_tells_a_failure_in_plain_words(desk: Desk) -> None:
    desk.settle("newsroom", "failing")
    (desk.folder / "failing").rmdir()
    desk.run("once")
    assert "failing: No such file or directory" in desk.run("status").out.replace(str(desk.folder) + "/", "")


def test_status_says_when_a_source_is_polled_next(desk: Desk) -> None:
    desk.run("once")
    assert "in 9 min" in desk.run("status").out or "in 10 min" in desk.run("status").out
    desk.run("poll", "newsroom")
    assert "due" in desk.run("status").out.split()


# Root is stopped by nothing but the loss of its capabilities: capset(2).
READER = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
from feeder.cli import main
main()
"""


def test_a_user_who_may_only_read_can_ask_and_is_told_that_more_cannot_be_done(desk: Desk) -> None:
    here = desk.folder
    desk.run("once")
    closed = (here, here / "var", here / "public", here / "var/state.db")
    for each in closed:
        each.chmod(0o555)
    try:
        status, explained, checked, polled = (
            subprocess.run(
                [sys.executable, "-c", READER, *words], cwd=here, capture_output=True, text=True, check=False
            )
            for words in (["status"], ["explain", ARTICLE], ["check"], ["poll", "newsroom"])
        )
    finally:
        for each in closed:
            each.chmod(0o700)
    assert (status.returncode, explained.returncode) == (0, 0), status.stderr + explained.stderr
    assert (checked.returncode, polled.returncode) == (2, 2), checked.stderr + polled.stderr
    assert f'storage: state: "{here}/var" cannot be written to' in checked.stderr
    assert f'storage: output: "{here}/public" cannot be written to' in checked.stderr


def test_sightings_and_articles_are_told_apart(desk: Desk) -> None:
    desk.write("newsroom/copy.md")
    assert desk.run("once").out.startswith("1 source polled: 1 new, 1 merged as copies\n")
    told = [" ".join(line.split()) for line in desk.run("status").out.splitlines()]
    assert "SOURCE STATE SIGHTINGS LAST SUCCESS NEXT POLL WHY ERROR" in told
    assert {"articles 1", "sightings of them 2", "articles with several sightings 1"} <= set(told)
    assert desk.run("status", "--json").json["sources"][0]["sightings"] == 2


def test_status_counts(desk: Desk) -> None:
    desk.write("newsroom/copy.md")
    desk.write("newsroom/draft.md", more="draft: true")
    desk.write("newsroom/later.md", title="Later", date="2199-01-01T00:00:00Z")
    desk.put("newsroom/bad.md", "\0")
    desk.run("once")
    counts = desk.run("status", "--json").json["counts"]
    expected = {"articles": 2, "merged": 1, "held": 1, "left_out": 1, "rejected": 1, "feeds": 3, "stale": 0}
    assert expected.items() <= counts.items()


def test_status_lists_rejected_documents_up_to_twenty_and_json_has_all(desk: Desk) -> None:
    for number in range(23):
        desk.put(f"newsroom/{number:02}.md", "\0")
    desk.run("once")
    told = desk.run("status")
    assert told.out.count("a binary file") == 20
    assert "… and 3 more; --json lists all" in told.out
    rejected = desk.run("status", "--json").json["rejected"]
    assert len(rejected) == 23
    assert rejected[0] == {"document": "newsroom: 00.md", "reason": "a binary file: it holds NUL characters"}


def test_status_lists_merges_whose_texts_differ(desk: Desk) -> None:
    desk.write("newsroom/copy.md", body="Another text.")
    desk.write("newsroom/twin.md", title="Twin")
    desk.write("newsroom/twins.md", title="Twin")
    desk.run("once")
    told = desk.run("status", "--merges").out
    assert "newsroom: bridge.md" in told
    assert "newsroom: copy.md" in told
    assert "twin" not in told
    (merge,) = desk.run("status", "--merges", "--json").json["merges"]
    assert [each["locator"] for each in merge["documents"]] == ["bridge.md", "copy.md"]


def test_status_says_if_no_merges_differ(desk: Desk) -> None:
    assert desk.run("status", "--merges").out.endswith("No merged articles differ in their texts.\n")
    assert desk.run("status", "--merges", "--json").json["merges"] == []


def test_status_works_while_the_daemon_writes(desk: Desk) -> None:
    desk.run("once")
    with desk.daemon() as app, app.store.transaction():
        assert desk.run("status").code == 0


def test_titles_of_all_scripts_keep_their_blanks_and_lose_their_controls(desk: Desk) -> None:
    desk.put("newsroom/\x9b31m\u202e.md", "\0")
    desk.write("newsroom/wide.md", title="大桥\u3000开通")
    desk.run("once")
    assert "大桥 开通" in desk.run("explain", desk.folder / "newsroom/wide.md").out
    shown = desk.run("status").out
    assert "\x9b" not in shown
    assert "\u202e" not in shown


# ---------------------------------------------------------------- poll, pause, resume, accept


@pytest.mark.parametrize("command", ["poll", "pause", "resume", "accept"])
def test_an_unknown_source_is_exit_code_2_with_the_nearest_name(desk: Desk, command: str) -> None:
    desk.run("once")
    told = desk.run(command, "newsrom")
    assert (told.code, told.err) == (2, 'feeder: there is no source "newsrom"; did you mean "newsroom"?\n')


@pytest.mark.parametrize("command", ["poll", "pause", "resume", "accept", "remove", "explain"])
def test_without_a_state_there_is_nothing_to_steer(desk: Desk, command: str) -> None:
    told = desk.run(command, "newsroom")
    assert told.code == 1
    assert "there is no state yet; run `feeder once` first" in told.err
    assert not (desk.folder / "var/state.db").exists()


def test_a_source_that_is_new_in_the_config_waits_for_the_daemon(desk: Desk) -> None:
    desk.run("once")
    desk.settle("newsroom", "partner")
    told = desk.run("poll", "partner")
    assert told.code == 1
    assert "has not been taken over from the configuration yet" in told.err


@pytest.mark.parametrize("command", ["poll", "pause", "resume", "accept"])
def test_sources_are_steered_while_the_daemon_runs(desk: Desk, command: str) -> None:
    desk.run("once")
    with desk.daemon():
        told = desk.run(command, "newsroom")
    assert (told.code, told.err) == (0, "")


def test_poll_makes_sources_due(desk: Desk) -> None:
    desk.settle("newsroom", "partner")
    desk.run("once")
    assert desk.run("poll", "newsroom", "partner").out == "newsroom: is due now\npartner: is due now\n"
    assert desk.run("once").out.startswith("2 sources polled")


def test_poll_says_when_a_source_is_paused(desk: Desk) -> None:
    desk.run("once")
    desk.run("pause", "newsroom")
    assert desk.run("poll", "newsroom").out == "newsroom: is paused; `feeder resume newsroom` has it polled\n"
    desk.run("resume", "newsroom")
    assert desk.run("once").out.startswith("1 source polled")


def test_one_unknown_name_and_none_is_touched(desk: Desk) -> None:
    desk.run("once")
    assert desk.run("pause", "newsroom", "nobody").code == 2
    assert desk.run("status", "--json").json["sources"][0]["state"] == "ok"


def test_resume_ends_a_pause(desk: Desk) -> None:
    desk.run("once")
    desk.run("pause", "newsroom")
    assert desk.run("status", "--json").json["sources"][0]["state"] == "paused"
    desk.run("resume", "newsroom")
    assert desk.run("status", "--json").json["sources"][0]["state"] == "ok"


def test_accept_confirms_that_all_that_is_missing_is_gone(desk: Desk) -> None:
    desk.run("once")
    (desk.folder / ARTICLE).unlink()
    assert desk.run("once", "--all").code == 3
    assert "1 of 1 articles vanished at once" in desk.run("status").out
    told = desk.run("accept", "newsroom")
    assert told.out == "newsroom: 1 of 1 articles are missing; the next poll withdraws them\n"
    assert desk.run("once").out.startswith("1 source polled: 1 withdrawn")


def test_accept_changes_nothing_if_nothing_is_missing(desk: Desk) -> None:
    desk.run("once")
    assert desk.run("accept", "newsroom").out == "newsroom: nothing is missing; nothing is changed\n"


# ---------------------------------------------------------------- remove


def test_a_takedown_leaves_every_feed_at_once_and_does_not_return(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    desk.run("once")
    told = desk.run("remove", desk.folder / ARTICLE, "--note", "court order\n12/26")
    assert told.code == 0
    assert told.out.splitlines()[0] == "taken down: Bridge opens"
    assert "it has left 3 feeds: " in told.out
    assert (desk.folder / "removed.txt").read_text().endswith(" # court order 12/26\n")
    desk.settle("newsroom", "partner")
    desk.write("partner/again.md")
    desk.run("once", "--all")
    assert not [path for path, body in desk.tree("public").items() if b"Bridge opens" in body]


def test_a_takedown_beside_the_daemon_is_published_by_it(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    desk.run("once")
    with desk.daemon() as app:
        told = desk.run("remove", desk.folder / ARTICLE)
        assert (told.code, "as soon as the daemon publishes" in told.out) == (0, True)
        assert app.store.counts()["stale"] == 3


def test_an_article_is_taken_down_by_its_id(desk: Desk) -> None:
    desk.run("once")
    id_ = desk.run("explain", desk.folder / ARTICLE, "--json").json["id"]
    assert desk.run("remove", id_[-26:].upper()).code == 0
    assert desk.run("remove", id_).out == f"{id_}: was taken down already\n"
    assert len((desk.folder / "removed.txt").read_text().splitlines()) == 1


def test_a_takedown_that_outlived_the_state_leaves_no_date_behind(desk: Desk) -> None:
    undated = desk.write("newsroom/undated.md", title="Undated", date=None)
    desk.run("once")
    desk.run("remove", undated)
    for file in (desk.folder / "var").iterdir():
        file.unlink()
    desk.run("once", "--fresh")
    desk.put("removed.txt", "")
    desk.run("once", "--all")
    [found] = [
        item for item in json.loads(desk.tree("public")["public/feed.json"])["items"] if item["title"] == "Undated"
    ]
    assert not found["date_published"].startswith("1970")


def test_a_takedown_is_undone_by_deleting_its_line(desk: Desk) -> None:
    desk.run("once")
    desk.run("remove", desk.folder / ARTICLE)
    (desk.folder / "removed.txt").write_text("")
    desk.run("once")
    assert b"Bridge opens" in (desk.folder / "public/atom.xml").read_bytes()


def test_a_document_that_is_no_article_cannot_be_taken_down(desk: Desk) -> None:
    draft = desk.write("newsroom/draft.md", more="draft: true")
    desk.run("once")
    told = desk.run("remove", draft)
    assert told.code == 1
    assert "is no article" in told.err
    assert not (desk.folder / "removed.txt").exists()


def test_an_article_that_is_withdrawn_can_be_taken_down(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    desk.run("once")
    id_ = desk.run("explain", desk.folder / ARTICLE, "--json").json["id"]
    (desk.folder / ARTICLE).unlink()
    for _ in range(3):
        desk.run("once", "--all")
    assert "an article that no source holds now" in desk.run("remove", id_).out


def test_a_takedown_whose_feed_cannot_be_written_is_exit_code_1(desk: Desk) -> None:
    desk.write("newsroom/second.md", title="Second")
    desk.run("once")
    blocked = desk.folder / "public/categories/city/atom.xml"
    blocked.unlink()
    blocked.mkdir()
    told = desk.run("remove", desk.folder / ARTICLE)
    assert told.code == 1
    assert "failed: city" in told.err
