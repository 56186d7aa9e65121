"""TOML within limits: what would take too much of tomllib never gets there."""

from __future__ import annotations

import pytest

from feeder import toml


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(".".join("a" * 30_000) + " = 1", id="key"),
        pytest.param(" . ".join(['"a.b"', "'c'"] * 5_000) + " = 1", id="quoted-key"),
        pytest.param("[" + ".".join("a" * 30_000) + "]", id="table"),
        pytest.param("b = {a = 1, " + ".".join("a" * 30_000) + " = 1}", id="inline-table"),
        pytest.param("a = " + "[" * 30_000, id="arrays"),
        pytest.param("a = " + "{a=" * 30_000, id="inline-tables"),
        pytest.param('a = "\\""\nb = ' + "[" * 30_000, id="after-a-text"),
    ],
)
def test_what_goes_too_deep_is_refused_and_the_place_is_named(text: str) -> None:
    lines = text.count("\n") + 2
    with pytest.raises(ValueError, match=rf"^nested deeper than 100 levels \(at line {lines}, column \d+\)$"):
        toml.loads("title = 1\n" + text)


def test_a_hundred_levels_are_the_limit() -> None:
    assert toml.loads(".".join("a" * 100) + " = 1")
    with pytest.raises(ValueError, match=r"\(at line 1, column 200\)$"):
        toml.loads(".".join("a" * 101) + " = 1")
    assert toml.loads("a = " + "[" * 100 + "]" * 100)
    with pytest.raises(ValueError, match=r"\(at line 1, column 105\)$"):
        toml.loads("a = " + "[" * 101 + "]" * 101)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('a = "' + "." * 200 + '"', id="text"),
        pytest.param("a = '" + "[." * 200 + "\\'", id="literal-text"),
        pytest.param('a = """\n' + '[."' * 200 + '\\""""""', id="lines"),
        pytest.param("a = '''\n" + "{.''" * 200 + ".'''''", id="literal-lines"),
        pytest.param("# " + "{." * 200 + "'\"", id="comment"),
        pytest.param("a = [" + "1.5, " * 200 + "]", id="numbers"),
        pytest.param("a = [" + "[]," * 200 + "]", id="closed-brackets"),
        pytest.param("\n".join(f"a.b{n} = 1.5" for n in range(200)), id="many-keys"),
    ],
)
def test_dots_and_brackets_elsewhere_are_no_levels(text: str) -> None:
    assert toml.loads(f"{text}\n[c.d]\ne = 1.5\n")["c"] == {"d": {"e": 1.5}}


def test_numbers_may_be_left_as_they_are_written() -> None:
    assert toml.loads("a = 1.50", parse_float=str) == {"a": "1.50"}
