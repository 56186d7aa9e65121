"""Makes docs/feeder.1, the page of the manual, from what the commands say of themselves: python tests/manual.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from inspect import cleandoc
from itertools import groupby
from pathlib import Path

import click

from feeder.cli import EPILOG, GROUPS, feeder

PAGE = Path(__file__).parent.parent / "docs" / "feeder.1"
DATED = re.compile(r'^\.TH FEEDER 1 "([\d-]+)"', re.MULTILINE)
KEPT = "\b\n"  # click's mark of a paragraph whose lines stay as they are
SECTIONS = {"Exit codes": "EXIT STATUS", "Files": "FILES", "Environment": "ENVIRONMENT", "Examples": "EXAMPLES"}


def main() -> None:
    """Write the page; one that says the same keeps its date."""
    before = PAGE.read_text("utf-8") if PAGE.exists() else ""
    dated = DATED.search(before)
    if not dated or page(dated[1]) != before:
        PAGE.write_text(page(f"{datetime.now(UTC):%Y-%m-%d}"), "utf-8")


def page(date: str) -> str:
    """Return the page as of *date*."""
    return "\n".join(_lines(date)) + "\n"


def _lines(date: str) -> Iterator[str]:
    root = click.Context(feeder, info_name="feeder", **feeder.context_settings)
    yield f'.TH FEEDER 1 "{date}" "Feeder {version("feeder")}" "User Commands"'
    yield ".SH NAME"
    yield f"feeder \\- {_text(_first(feeder)).rstrip('.')}"
    yield ".SH SYNOPSIS"
    yield ".B feeder"
    yield _text("[OPTIONS] COMMAND [ARGUMENTS]")
    yield ".SH DESCRIPTION"
    yield from _prose(feeder.help or "")
    yield ".SH OPTIONS"
    yield from _options(root)
    for title, names in GROUPS.items():
        yield f'.SH "{title.upper()}"'
        for name in names:
            yield from _command(name, feeder, root)
    told = dict(_epilog())
    for title, section in SECTIONS.items():
        yield f'.SH "{section}"'
        yield from _kept(told[title])
    yield '.SH "SEE ALSO"'
    yield ".BR systemd.service (5),"
    yield ".BR journalctl (1)"


def _command(name: str, group: click.Group, parent: click.Context) -> Iterator[str]:
    command = group.commands[name]
    context = click.Context(command, info_name=name, parent=parent)
    if isinstance(command, click.Group):
        for each in command.commands:
            yield from _command(each, command, context)
        return
    yield f'.SS "{_text(" ".join((context.command_path, *command.collect_usage_pieces(context)[1:])))}"'
    yield from _prose(command.help or "")
    yield from _options(context)


def _options(context: click.Context) -> Iterator[str]:
    common = set() if context.parent is None else {"--config", "--log-level", "--help"}
    for param in context.command.get_params(context):
        record = param.get_help_record(context) if isinstance(param, click.Option) else None
        if record and common.isdisjoint(param.opts):
            yield ".TP"
            yield f".B {_text(record[0])}"
            yield _text(record[1])


def _prose(text: str) -> Iterator[str]:
    paragraphs = re.split(r"\n\s*\n", cleandoc(text))
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        if paragraph.startswith(KEPT):
            yield from _kept(paragraph.removeprefix(KEPT).splitlines())
        else:
            yield _text(" ".join(paragraph.split()))


def _kept(lines: Iterable[str]) -> Iterator[str]:
    yield ".nf"
    yield from map(_text, lines)
    yield ".fi"


def _epilog() -> Iterator[tuple[str, list[str]]]:
    """Yield what stands below each title."""
    lines = [line for line in EPILOG.splitlines() if line.strip() and line != "\b"]
    title = ""
    for is_title, block in groupby(lines, lambda line: line.endswith(":") and not line.startswith(" ")):
        found = list(block)
        if is_title:
            title = found[-1].rstrip(":")
        else:
            yield title, found


def _first(command: click.Command) -> str:
    return " ".join(cleandoc(command.help or "").split("\n\n")[0].split())


def _text(text: str) -> str:
    """Return *text* as roff has it."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    plain = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in escaped)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


if __name__ == "__main__":
    main()
