"""The table of faults is whole, and each of its rows is shown by a test that runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
import test_bad_answers
import test_bad_files
from test_docs import ROOT, SHOWN_BY, tables

ROWS = range(1, 102)
FAULTS = {
    int(row[0]): {(path, name) for path, name in SHOWN_BY.findall(row[-1])}
    for _, rows in tables((ROOT / "docs" / "faults.md").read_text("utf-8"))
    for row in rows
}
NUMBERED = re.compile(r"test_faults?_((?:\d+_|to_|and_)+)")
LEFT_OUT = re.compile(r"\b(skip|skipif|xfail|importorskip)\b")


@cache
def functions(path: str) -> dict[str, ast.FunctionDef]:
    """Return the tests of a file by their names."""
    module = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


def numbered() -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield each test whose name has the number of a row, with that number."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        path = str(file.relative_to(ROOT))
        for name in functions(path):
            if found := NUMBERED.match(name):
                yield from ((number, (path, name)) for number in numbers(found[1]))


def numbers(text: str) -> Iterator[int]:
    """Yield the numbers that a name means: 1_to_3_and_7."""
    for first, last in re.findall(r"(\d+)(?:_to_(\d+))?", text):
        yield from range(int(first), int(last or first) + 1)


def test_no_row_is_missing_and_none_comes_twice() -> None:
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    assert [int(row[0]) for _, rows in tables(text) for row in rows] == list(ROWS)


@pytest.mark.parametrize("number", ROWS)
def test_every_fault_is_shown_by_tests_that_run(number: int) -> None:
    assert FAULTS[number]
    for path, name in FAULTS[number]:
        test = functions(path)[name]
        assert name.startswith("test_")
        assert not LEFT_OUT.search(ast.unparse(test)), name


def test_every_test_with_the_number_of_a_fault_stands_in_its_row() -> None:
    assert [(number, test) for number, test in numbered() if test not in FAULTS[number]] == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        pytest.param("tests/test_bad_answers.py", list(test_bad_answers.FAULTS), id="answers"),
        pytest.param("tests/test_bad_files.py", list(test_bad_files.FILES), id="files"),
    ],
)
def test_every_bad_answer_and_file_is_of_a_fault_that_names_its_test(path: str, names: list[str]) -> None:
    told = {number for number, tests in FAULTS.items() if path in {file for file, _ in tests}}
    assert {int(name.partition("-")[0]) for name in names} - told == set()
