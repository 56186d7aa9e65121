"""What people see: lines and tables, on a terminal or in a pipe, and JSON. Only this module knows rich."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Final, TypeAlias

from rich.cells import cell_len

FEW: Final = 5  # of a kind that a summary names
MANY: Final = 20  # of a kind that a table lists; JSON has all
GAP: Final = "  "  # between columns
JOINERS: Final = frozenset("\u200c\u200d")  # they shape Persian words and emoji, and move no cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a title. Without `columns` they are names and values."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


Block: TypeAlias = "str | Table"


def clipped(table: Table) -> Iterator[Block]:
    """Yield *table* with as many rows as people read, and how many more there are."""
    yield replace(table, rows=table.rows[:MANY])
    if len(table.rows) > MANY:
        yield f"… and {len(table.rows) - MANY} more; --json lists all"


def show(blocks: Iterable[Block]) -> None:
    """Print lines as they are, and tables that have rows."""
    shown = (block for block in blocks if isinstance(block, str) or block.rows)
    for number, block in enumerate(shown):
        if isinstance(block, str):
            print(printable(block))  # noqa: T201 - this is what the command is for
        elif sys.stdout.isatty():
            _draw(block)
        else:
            _print(block, is_first=number == 0)


def show_json(values: object) -> None:
    """Print *values* as JSON in which nothing can drive a terminal."""
    text = json.dumps(values, ensure_ascii=False, indent=2)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))  # noqa: T201 - as in `show`


def printable(text: str) -> str:
    """Return *text* in one line, with everything escaped that could drive a terminal or turn the text around.

    Unlike in a log, blanks of all widths stay blanks: titles are full of them.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in JOINERS else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return character
    return ascii(character)[1:-1]


def _print(table: Table, *, is_first: bool) -> None:
    """Print columns that line up, and that `awk` and `cut` can part."""
    head = [tuple(name.upper() for name in table.columns)] if table.columns else []
    rows = [tuple(printable(cell) for cell in row) for row in (*head, *table.rows)]
    widths = [max(map(cell_len, column)) for column in zip_longest(*rows, fillvalue="")]
    print(table.title if is_first else f"\n{table.title}")  # noqa: T201 - as in `show`
    for row in rows:
        print(_line(row, widths))  # noqa: T201 - as in `show`


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=False))
    return (GAP + GAP.join(padded)).rstrip()


def _draw(table: Table) -> None:
    # Half of the time that a short command takes goes into importing these.
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as Drawn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Drawn(
        title=Text(table.title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_header=bool(table.columns),
        pad_edge=False,
    )
    for name in table.columns:
        drawn.add_column(Text(name), overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))  # Text: a title may look like rich's markup
    Console(highlight=False).print(drawn)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Show bars with counts while work goes on, if there is a terminal to show them on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - as in `_draw`
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars).show


class _Bars:
    """A bar for each thing that is counted."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def show(self, what: str, done: int, total: int) -> None:
        """Move the bar of *what*."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
