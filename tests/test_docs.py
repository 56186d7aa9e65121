"""What the README and its companions in docs/ say is so."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import pytest

from feeder import config
from feeder.cli import feeder
from feeder.config.scopes import strangers
from feeder.metrics import MEASURES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text("utf-8")
DOCUMENTS = [str(path.relative_to(ROOT)) for path in sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))]
SHOWN_BY = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ALL = "\n".join((ROOT / name).read_text("utf-8") for name in DOCUMENTS)
UNIT = (ROOT / "systemd" / "feeder.service").read_text("utf-8")

CODE = re.compile(r"`([^`\n]+)`")
CELL = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKED = re.compile(r"^<!-- (?P<mark>[^>]+) -->\n```\w*\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def section(title: str) -> str:
    """Return what the README or one of its companions says below a heading."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", ALL, re.MULTILINE | re.DOTALL)
    return str(found)


def marked(mark: str) -> str:
    """Return the block below a comment."""
    return next(found["block"] for found in MARKED.finditer(ALL) if found["mark"] == mark)


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the head and the rows of each table."""
    for is_table, lines in groupby(text.splitlines(), lambda line: line.startswith("|")):
        if is_table:
            head, _, *rows = ([cell.strip() for cell in CELL.split(line)[1:-1]] for line in lines)
            yield head, rows


def code(cell: str) -> str:
    """Return the first thing in a cell that is set as code."""
    found = CODE.search(cell)
    return found[1] if found else ""


# ---------------------------------------------------------------- configuration

PREFIXES = {"": "", '[categories."A/B"]': "categories.*.", "[[source]]": "source."}


def settings() -> Iterator[tuple[str, str]]:
    """Yield each key that the README documents, as `config.keys` has it, and what it gives as its default."""
    for head, rows in tables(section("Configuration")):
        table = code(head[0])
        prefix = PREFIXES[table] if table in PREFIXES else f"{table.strip('[]')}."
        yield from ((prefix + code(key), default) for key, default, _ in rows)


def test_every_key_is_documented_and_no_other() -> None:
    assert "`[defaults]`" in section("Configuration")
    assert sorted([*dict(settings()), "defaults"]) == sorted(config.keys())


def first_configuration(home: Path) -> Path:
    (home / "articles").mkdir()
    path = home / "config.toml"
    path.write_text(marked("configuration: first"), "utf-8")
    return path


def test_the_first_configuration_is_good(tmp_path: Path) -> None:
    loaded = config.load(first_configuration(tmp_path))
    assert loaded.warnings == ()
    assert [source.path for source in loaded.sources] == [tmp_path / "articles"]


def literal(cell: str) -> object:
    """Return the value that a cell is, or None if it is words."""
    whole = CODE.fullmatch(cell)
    try:
        return tomllib.loads(f"value = {whole[1]}")["value"] if whole else None
    except tomllib.TOMLDecodeError:
        return None


SITE = {"title": "A", "url": "https://example.org/", "id": "example.org,2026"}
SOURCES = ({"name": "a", "path": "articles"}, {"name": "a", "url": "https://example.net/"})


def written(tables: dict[str, dict[str, Any]], path: Path) -> Path:
    """Write tables as TOML; a source's has double brackets."""
    text = ""
    for name, values in tables.items():
        text += f"[[{name}]]\n" if name == "source" else f"[{name}]\n"
        text += "".join(f"{key} = {toml(value)}\n" for key, value in values.items())
    path.write_text(text, "utf-8")
    return path


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "{}" if value == {} else repr(value)


@pytest.mark.parametrize("source", SOURCES, ids=["path", "url"])
def test_the_documented_defaults_are_the_defaults(source: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    plain = {"site": dict(SITE), "source": dict(source)}
    full: dict[str, dict[str, Any]] = {"site": dict(SITE), "source": dict(source)}
    documented = {key: literal(default) for key, default in settings()}
    given = {key: value for key, value in documented.items() if value is not None and key.count(".") == 1}
    for key, value in given.items():
        table, _, name = key.partition(".")
        if table != "source" or not list(strangers({**source, name: value}, {})):
            full.setdefault(table, {})[name] = value
    least = 20
    assert sum(len(table) for table in full.values()) >= least
    explicit = config.load(written(full, tmp_path / "full.toml"))
    assert replace(explicit, path=tmp_path) == replace(
        config.load(written(plain, tmp_path / "plain.toml")), path=tmp_path
    )


def test_the_examples_of_old_addresses_and_of_a_command_are_good(tmp_path: Path) -> None:
    path = first_configuration(tmp_path)
    text = path.read_text("utf-8").replace("[storage]\n", f"[storage]\n{marked('after_publish: example')}")
    path.write_text(text + marked("redirects: example"), "utf-8")
    loaded = config.load(path)
    assert len(loaded.redirects) == 4
    assert loaded.after_publish[0] == "rsync"


# ---------------------------------------------------------------- commands

COMMAND = re.compile(r"(?:^|(?<=[\s/`]))feeder ((?:-[a-z-]+(?: [A-Z]+)? )*)([a-z]+)\b")
WORDS = re.compile(r"^feeder ([a-z]+(?: [a-z]+)*)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def commands() -> dict[str, click.Command]:
    """Return every command by its name; those of a group by both."""
    assert isinstance(feeder, click.Group)
    found: dict[str, click.Command] = {}
    for name, command in feeder.commands.items():
        below = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {each}": one for each, one in below.items()} or {name: command}
    return found


def rows_of_commands() -> dict[str, str]:
    """Return what the README says of each command, a row each."""
    found: dict[str, str] = {}
    for head, rows in tables(section("Commands")):
        if head[0] == "command":
            found |= {WORDS.findall(code(row[0]))[0]: " ".join(row) for row in rows}
    return found


def options(command: click.Command) -> set[str]:
    """Return the options that a command takes besides -h."""
    return {name for param in command.params if isinstance(param, click.Option) for name in param.opts}


def own_options(command: click.Command) -> set[str]:
    """Return those that not all commands take."""
    return options(command) - {"-c", "--config", "--log-level"}


def test_every_command_is_documented_and_no_other() -> None:
    assert sorted(rows_of_commands()) == sorted(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    told = {option for span in CODE.findall(rows_of_commands()[name]) for option in OPTION.findall(span)}
    assert told == own_options(commands()[name])


def test_the_options_of_all_commands_are_documented() -> None:
    told = section("Commands")
    assert [name for name in options(feeder) if f"`{name}" not in told] == []


def test_commands_that_documents_name_exist() -> None:
    spans = [
        span for text in (ALL, UNIT) for span in (*CODE.findall(text), *(block for _, block in FENCE.findall(text)))
    ]
    named = {found[1] for span in [*spans, UNIT] for found in COMMAND.findall(span)}
    assert named
    known = {name.partition(" ")[0] for name in commands()}
    assert named <= known, named - known


# ---------------------------------------------------------------- logs


LEVEL = re.compile(r"\b(debug|info|warning|error|exception)\b")
LOGGER = re.compile(r"\blog\.(?=debug|info|warning|error|exception)")


def levels(text: str) -> frozenset[str]:
    """Return the levels that a text names; an exception is an error with its traceback."""
    return frozenset("error" if level == "exception" else level for level in LEVEL.findall(text))


def logged() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each event of the code with its levels; a level may be chosen beforehand: `tell = log.info if … else …`."""
    for path in sorted((ROOT / "feeder").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        chosen = {
            ast.unparse(node.targets[0]): ast.unparse(node.value)
            for node in nodes
            if isinstance(node, ast.Assign) and LOGGER.search(ast.unparse(node.value))
        }
        for node in nodes:
            if isinstance(node, ast.Call) and node.args and isinstance(event := node.args[0], ast.Constant):
                function = ast.unparse(node.func)
                logger = chosen.get(function, function)
                if LOGGER.search(logger) and isinstance(event.value, str):
                    yield event.value, levels(logger)


def test_every_event_is_documented_with_its_level_and_no_other() -> None:
    tables_of_events = [rows for head, rows in tables(section("Logs")) if head[0] == "event"]
    told = {code(row[0]): levels(row[1]) for rows in tables_of_events for row in rows}
    assert told == dict(logged())


# ---------------------------------------------------------------- metrics


def test_every_metric_is_documented_and_no_other() -> None:
    told = [
        (code(name), kind, code(label))
        for head, rows in tables(ALL)
        if head[0] == "metric"
        for name, kind, label, _ in rows
    ]
    assert told == [(name, each.kind.value, each.label or "") for name, each in MEASURES.items()]


def test_the_rules_for_prometheus_ask_for_metrics_that_there_are() -> None:
    rules = (ROOT / "docs" / "alerts.yml").read_text("utf-8")
    asked = set(re.findall(r"\bfeeder_[a-z_]+", rules))
    assert asked
    assert {re.sub("_(count|sum|bucket)$", "", name) for name in asked} <= MEASURES.keys()


def test_the_example_of_alerts_is_good(tmp_path: Path) -> None:
    path = first_configuration(tmp_path)
    path.write_text(path.read_text("utf-8") + marked("alerts: example"), "utf-8")
    assert config.load(path).alerts.categories == ((("金融", "新浪财经"), "auto"),)


# ---------------------------------------------------------------- the rest


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    links = LINK.findall((ROOT / name).read_text("utf-8"))
    assert [link for link in links if not link.startswith("https://") and not leads(ROOT / name, link)] == []


def leads(document: Path, link: str) -> bool:
    """Tell whether a link of a document leads to a file that there is, and to a heading in it."""
    name, _, heading = link.partition("#")
    path = document.parent / name if name else document
    return path.exists() and (not heading or heading in map(anchor, HEADING.findall(path.read_text("utf-8"))))


def test_the_configurations_of_web_servers_are_those_that_are_tested() -> None:
    shown = {found["mark"]: found["block"] for found in MARKED.finditer(DEPLOYING)}
    files = [*(ROOT / "docs").glob("nginx*.conf"), *(ROOT / "docs").glob("Caddyfile*")]
    assert shown == {f"file: docs/{path.name}": path.read_text("utf-8") for path in files}


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_the_version_that_is_installed_is_that_of_the_tree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert version("feeder") == project["version"]


def test_both_commands_are_single_lines_that_ci_can_run() -> None:
    for mark, end in (("command: run", "feeder run"), ("command: test", "pytest")):
        (line,) = marked(mark).splitlines()
        assert line.endswith(f"/{end}")


def test_licences_of_all_libraries_are_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.split(r"[<>=~! ]", dependency)[0] for dependency in project["dependencies"]]
    told = section("Licence").lower()
    assert [name for name in names if name not in told] == []


def test_every_wall_is_shown_by_a_test_that_there_is() -> None:
    threats = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    for line in threats:
        named = SHOWN_BY.search(CELL.split(line)[-2])
        assert named, line
        path, name = named.groups()
        text = (ROOT / path).read_text("utf-8")
        assert name is None or f"def {name}(" in text, line
