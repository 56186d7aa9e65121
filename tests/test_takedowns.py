from __future__ import annotations

from pathlib import Path

import pytest
from build import PREFIX
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeder import takedowns
from feeder.errors import ConfigError, OutputError
from feeder.takedowns import Takedown

ID = PREFIX + "0" * 26
TAKEDOWN = Takedown(id=ID, keys=(b"\x00\x23", b"k" * 16), note="on request of A. # 2026")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / takedowns.NAME


def test_without_a_file_nothing_is_taken_down(path: Path) -> None:
    assert takedowns.load(path) == ()


def test_what_is_appended_is_loaded_in_order(path: Path) -> None:
    others = (TAKEDOWN, Takedown(id="https://old.example.org/?p=7", keys=()), Takedown(id=ID, keys=(), note="again"))
    for takedown in others:
        takedowns.append(path, takedown)
    assert takedowns.load(path) == others


def test_what_an_operator_wrote_stays(path: Path) -> None:
    path.write_text(f"\ufeff# by the desk\n\n  {ID}   6b6b,6c\t6d # a note\r\n{ID} # no keys", "utf-8")
    takedowns.append(path, TAKEDOWN)
    assert path.read_text("utf-8").startswith("\ufeff# by the desk\n\n")
    assert takedowns.load(path) == (
        Takedown(id=ID, keys=(b"kk", b"l", b"m"), note="a note"),
        Takedown(id=ID, keys=(), note="no keys"),
        TAKEDOWN,
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.text(st.characters()), keys=st.lists(st.binary(min_size=1), max_size=3))
def test_whatever_the_note_a_takedown_is_one_line_and_holds(path: Path, note: str, keys: list[bytes]) -> None:
    path.unlink(missing_ok=True)
    takedowns.append(path, Takedown(id=ID, keys=tuple(keys), note=note))
    takedowns.append(path, TAKEDOWN)
    [first, second] = takedowns.load(path)
    assert (first.id, first.keys, second) == (ID, tuple(keys), TAKEDOWN)


@pytest.mark.parametrize(
    ("note", "read"),
    [
        pytest.param("two\nlines\r\nand\u2028more", "two lines and more", id="lines"),
        pytest.param("# 7 # 8", "# 7 # 8", id="number-signs"),
        pytest.param("  ", "", id="blank"),
        pytest.param("应要求 👍", "应要求 👍", id="any-script"),
        pytest.param("bytes \udcff", "bytes \\udcff", id="what-is-no-text"),
    ],
)
def test_a_note_is_one_line(path: Path, note: str, read: str) -> None:
    takedowns.append(path, Takedown(id=ID, keys=(), note=note))
    assert takedowns.load(path) == (Takedown(id=ID, keys=(), note=read),)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(f"{ID} 6b6b,xyz", "removed.txt: line 3: a key is not hexadecimal", id="key"),
        pytest.param(f"{ID} because we were asked to", "removed.txt: line 3: a key is not hexadecimal", id="note"),
        pytest.param("articles/a.md", 'removed.txt: line 3: "articles/a.md" is not the id of an article', id="file"),
    ],
)
def test_a_line_that_is_no_takedown_is_named(path: Path, line: str, told: str) -> None:
    path.write_text(f"# taken down\n{ID}\n{line}\n{ID}\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        takedowns.load(path)
    assert str(refused.value).startswith(f"{path.parent}/{told}; mend the line")
    assert str(refused.value).endswith("or delete it")


def test_a_file_that_is_no_text_is_the_operator_s_to_mend(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"removed.txt: cannot be read"):
        takedowns.load(path)


def test_a_file_that_cannot_be_read_is_the_operator_s_to_mend(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match=r"removed.txt: cannot be read"):
        takedowns.load(path)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        takedowns.append(tmp_path / "nowhere" / "removed.txt", TAKEDOWN)
