"""The rules of the house that no tool checks."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for room in ("feeder", "benchmarks") for path in (ROOT / room).rglob("*.py"))
LONGEST = 40  # lines of a function
LONG_FOR_A_REASON = {"normalize": "one line a field; the hash beside them must list what is shown"}

LOCKS = frozenset(
    {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "package-lock.json", "yarn.lock"}
)
# Put together here, so that this file does not hold them.
PLACES = tuple(f"/{top}/" for top in ("work", "home", "root", "Users"))
REGISTRIES = tuple(
    ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("deb", "debian", "org"))
)


def tracked() -> Iterator[Path]:
    """Yield the files of the repository: all but what `.gitignore` names."""
    ignored = [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if line)]
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(fnmatch(part, pattern) for part in parts for pattern in ignored):
            yield path


def lines() -> Iterator[tuple[str, str]]:
    """Yield each line of text with its file."""
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        yield from ((str(path.relative_to(ROOT)), line) for line in text.splitlines())


def functions() -> Iterator[tuple[str, str, int]]:
    """Yield each function's module, name and length."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path.stem, node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_long_without_a_reason() -> None:
    long = {name for _, name, length in functions() if length > LONGEST}
    assert long == set(LONG_FOR_A_REASON)


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_the_first_line_of_a_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text("utf-8")
    said = ast.get_docstring(ast.parse(text))
    assert said
    assert text.startswith(('"""', 'r"""'))


def test_no_file_names_a_place_of_one_machine() -> None:
    assert [(name, line) for name, line in lines() if any(place in line for place in PLACES)] == []


def test_no_file_names_a_package_registry() -> None:
    assert [(name, line) for name, line in lines() if any(host in line for host in REGISTRIES)] == []


def test_there_is_no_lock_file() -> None:
    assert [path.name for path in tracked() if path.name in LOCKS] == []


def test_every_rule_whose_branches_are_counted_is_there() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"]["run"]["include"]
    assert len(patterns) > len(LOCKS)
    assert [pattern for pattern in patterns if not any(ROOT.glob(pattern))] == []
