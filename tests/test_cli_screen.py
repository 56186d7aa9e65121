"""What people see: tables in a pipe and on a terminal, and JSON."""

from __future__ import annotations

import io
import json
import sys

import pytest

from feeder import screen
from feeder.screen import Table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_printed_table_lines_up_in_all_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show([Table(title="T", columns=("a", "b"), rows=(("大桥", "1"), ("x", "2")))])
    assert capsys.readouterr().out == "T\n  A     B\n  大桥  1\n  x     2\n"


def test_json_escapes_what_could_drive_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show_json({"title": "大\x9b\u202e\udc80👩\u200d🚒"})
    shown = capsys.readouterr().out
    assert "大" in shown
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert json.loads(shown) == {"title": "大\x9b\u202e\udc80👩\u200d🚒"}


def test_a_table_on_a_terminal_takes_titles_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    screen.show(
        ["first", Table(title="T [red]", columns=("a",), rows=(("[bold]x[/bold]\x1b[31m",),)), Table(title="no")]
    )
    assert "[bold]x[/bold]\\x1b[31m" in terminal.getvalue()
    assert "T [red]" in terminal.getvalue()
    assert "no" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("大桥\u3000开通", "大桥\u3000开通", id="wide-blank"),
        pytest.param("a\u00a0b", "a\u00a0b", id="no-break-space"),
        pytest.param("👩\u200d🚒", "👩\u200d🚒", id="joined-emoji"),
        pytest.param("a\nb\tc\x1b", r"a\nb\tc\x1b", id="controls"),
        pytest.param("\u202eevil", r"\u202eevil", id="override-of-direction"),
        pytest.param("a\u2028b", r"a\u2028b", id="line-separator"),
        pytest.param("\udce9", r"\udce9", id="no-text"),
    ],
)
def test_only_what_drives_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert screen.printable(text) == shown


def test_without_a_terminal_there_are_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with screen.progress() as show:
        assert show is None


def test_a_bar_is_drawn_once_for_each_thing_that_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with screen.progress() as show:
        assert show
        for done in range(3):
            show("articles", done, 2)
    last_frame = terminal.getvalue().rpartition("2/2")[0].rpartition("\r")[2]
    assert last_frame.count("articles") == 1
