"""What the sysadmin's chapter says is so, and what the dashboard asks for is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from test_docs import CODE, COMMAND, FENCE, OPTION, ROOT, commands, options, tables

from feeder.metrics import MEASURES

DOCS = ROOT / "docs"
CHAPTER = (DOCS / "operating.md").read_text("utf-8")
UNIT = re.compile(r"\b(feeder[\w-]*@?\.(?:service|timer))\b")
EVENT = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
METRIC = re.compile(r"\bfeeder_[a-z_]+")


def spans() -> Iterator[str]:
    """Yield all that is set as code, lines of blocks one by one."""
    yield from CODE.findall(CHAPTER)
    yield from (line for _, block in FENCE.findall(CHAPTER) for line in block.splitlines())


def test_commands_and_their_options_exist() -> None:
    known = commands()
    named = [
        (found[2], span[found.end() :])
        for span in spans()
        for found in COMMAND.finditer(span.replace(" exec feeder", ""))
    ]
    assert {name for name, _ in named} > {
        "status",
        "doctor",
        "explain",
        "preview",
        "restore",
        "backup",
        "poll",
        "accept",
    }
    for name, rest in named:
        below = [command for full, command in known.items() if full.partition(" ")[0] == name]
        assert below, name
        told = {option for option in OPTION.findall(re.split(r"[&|>;]", rest)[0]) if option.startswith("--")}
        assert told <= set().union(*map(options, below)), (name, rest)


def test_units_that_are_named_exist() -> None:
    there = {path.name for path in (ROOT / "systemd").iterdir()}
    named = set(UNIT.findall(CHAPTER.replace("feeder@NAME", "feeder@")))
    assert named >= {"feeder.service", "feeder@.service", "feeder-once.timer", "feeder-backup.timer"}
    assert named <= there


def test_settings_of_units_that_are_named_stand_in_them() -> None:
    unit = (ROOT / "systemd" / "feeder.service").read_text("utf-8")
    outside = {"OnFailure="}  # for the operator to add
    named = {span for span in CODE.findall(CHAPTER) if re.fullmatch(r"[A-Z][A-Za-z]+=\S*", span)}
    assert {f"{name.partition('=')[0]}=" for name in named} - outside
    assert [name for name in named if name not in unit and name not in outside] == []


def test_metrics_and_files_that_are_named_exist() -> None:
    assert set(METRIC.findall(CHAPTER)) <= MEASURES.keys()


def test_each_symptom_has_where_to_look_and_what_to_do() -> None:
    (rows,) = (rows for head, rows in tables(CHAPTER) if head[0] == "what is seen")
    assert len(rows) >= 30
    assert [row for row in rows if len(row) != 3 or not CODE.search(row[1]) or not row[2]] == []


# ---------------------------------------------------------------- the dashboard

BOARD: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text("utf-8"))
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}


def expressions() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_metrics_that_there_are_with_their_labels() -> None:
    for expression in expressions():
        names = set(re.findall(r"\b(?:feeder|process)_[a-z_]+", expression))
        plain = {re.sub("_(count|sum|bucket)$", "", name) for name in names}
        assert plain, expression
        assert plain <= MEASURES.keys() | PROCESS, expression
        labels = {MEASURES[name].label for name in plain & MEASURES.keys()} | {"le", "instance"}
        asked = re.findall(r"\bby \((\w+)\)|, (\w+)!?=", expression)
        assert {name for pair in asked for name in pair if name} <= labels, expression


def test_no_two_panels_of_the_dashboard_have_one_number_or_place() -> None:
    panels = BOARD["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert len({panel["id"] for panel in panels}) == len(panels)
