from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from feeder import log

HOSTILE = (
    "News\n2026-01-01T00:00:00Z [info     ] all_is_well\r\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2028 中文\x00\ud800"
)


def written(level: str = "info", *, as_json: bool = True, event: str = "polled", **fields: object) -> str:
    stream = io.StringIO()
    log.configure(level, stream=stream, json=as_json)
    structlog.get_logger().info(event, **fields)
    return stream.getvalue()


def fail(reason: str, _secret: str = "") -> None:
    try:
        _raise(reason)
    except ValueError:
        structlog.get_logger().exception("poll_failed")


def _raise(reason: str) -> None:
    raise ValueError(reason)


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_a_line_of_json() -> None:
    [event] = read(written(source="a", new=2))
    assert event.pop("timestamp").endswith("Z")
    assert event == {"level": "info", "event": "polled", "source": "a", "new": 2}


def test_time_level_and_event_stand_first() -> None:
    [event] = read(written(aaa=1))
    assert list(event) == ["timestamp", "level", "event", "aaa"]


def test_people_get_columns() -> None:
    line = written(as_json=False, source="a", new=2)
    assert line.split()[1:] == ["[info", "]", "polled", "source=a", "new=2"]


def test_what_is_no_terminal_gets_json() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream)
    structlog.get_logger().info("polled")
    assert read(stream.getvalue())[0]["event"] == "polled"


def test_a_terminal_gets_columns() -> None:
    reader, writer = os.openpty()
    with os.fdopen(writer, "w") as terminal, os.fdopen(reader, "rb") as screen:
        log.configure("info", stream=terminal)
        structlog.get_logger().info("polled", source="a")
        assert b"\x1b[1mpolled" in screen.read1()


def test_lower_levels_are_left_out() -> None:
    assert written("warning") == ""


def test_another_level_may_be_set_later() -> None:
    stream = io.StringIO()
    logger = structlog.get_logger()
    log.configure("warning", stream=stream, json=True)
    logger.info("left_out")
    log.configure("debug", stream=stream, json=True)
    logger.debug("let_in")
    assert [event["event"] for event in read(stream.getvalue())] == ["let_in"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        log.configure("loud")


def test_bound_fields_come_along() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream, json=True)
    with structlog.contextvars.bound_contextvars(run=7):
        structlog.get_logger().bind(source="a").info("polled")
    [event] = read(stream.getvalue())
    assert (event["run"], event["source"]) == (7, "a")


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exception_is_told_without_local_values(as_json: bool) -> None:  # noqa: FBT001 - pytest's way
    stream = io.StringIO()
    log.configure("info", stream=stream, json=as_json)
    fail("no such file", "pass" + "word")
    assert "ValueError: no such file" in stream.getvalue()
    assert "password" not in stream.getvalue()


def test_libraries_log_through_the_same_pipe() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream, json=True)
    logging.getLogger("apscheduler.scheduler").warning("missed by %s", "1 s")
    logging.getLogger("apscheduler.scheduler").info("looked for jobs")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")  # the server tells it as its own
    found = [(event["level"], event["logger"], event["event"]) for event in read(stream.getvalue())]
    assert found == [
        ("warning", "apscheduler.scheduler", "missed by 1 s"),
    ]


def test_libraries_may_speak_when_debugging() -> None:
    stream = io.StringIO()
    log.configure("debug", stream=stream, json=True)
    logging.getLogger("apscheduler.scheduler").info("looked for jobs")
    assert read(stream.getvalue())[0]["event"] == "looked for jobs"


def test_warnings_go_through_the_same_pipe() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream, json=True)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old\nways", DeprecationWarning, stacklevel=1)
    [event] = read(stream.getvalue())
    assert (event["logger"], event["level"]) == ("py.warnings", "warning")


# ---------------------------------------------------------------- hostile values


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"title": HOSTILE}, id="field"),
        pytest.param({"event": HOSTILE}, id="event"),
        pytest.param({"titles": [HOSTILE, {"a": HOSTILE}]}, id="list"),
        pytest.param({HOSTILE: 1}, id="name"),
        pytest.param({"path": Path(HOSTILE)}, id="object"),
        pytest.param({"url": b"\x1b[2J\n"}, id="bytes"),
    ],
)
def test_fault_99_a_value_forges_no_line_and_drives_no_terminal(
    fields: dict[str, Any],
    as_json: bool,  # noqa: FBT001 - pytest's way
) -> None:
    line = written(as_json=as_json, **{"event": "polled"} | fields)
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@pytest.mark.parametrize("as_json", [True, False])
def test_fault_99_a_library_forges_no_line(as_json: bool) -> None:  # noqa: FBT001 - pytest's way
    stream = io.StringIO()
    log.configure("info", stream=stream, json=as_json)
    logging.getLogger("uvicorn.error").warning("cannot serve %s", HOSTILE)
    assert stream.getvalue()[:-1].isprintable()


def test_fault_99_an_exception_forges_no_line_of_json() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream, json=True)
    fail(HOSTILE)
    assert stream.getvalue()[:-1].isprintable()


def test_fault_99_an_exception_on_a_terminal_is_indented_and_escaped() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream, json=False)
    fail(HOSTILE)
    first, *others = stream.getvalue()[:-1].split("\n")
    assert first.split()[-1] == "poll_failed"
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_fault_99_json_gives_every_character_back() -> None:
    [event] = read(written(title=HOSTILE))
    assert event["title"] == HOSTILE


@given(st.text(), st.dictionaries(st.text(min_size=1).filter(lambda key: key not in {"event", "self"}), st.text()))
@settings(deadline=None)
def test_whatever_is_logged_is_one_printable_line(event: str, fields: dict[str, str]) -> None:
    for as_json in (True, False):
        line = written(as_json=as_json, event=event, **{f"_{key}": value for key, value in fields.items()})
        assert line[:-1].isprintable()


# ---------------------------------------------------------------- streams that fail


def test_fault_81_a_full_disk_stops_nothing() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        log.configure("info", stream=stream)
        structlog.get_logger().info("polled", title="x" * 100_000)


def test_fault_81_a_closed_pipe_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        log.configure("info", stream=stream)
        structlog.get_logger().info("polled")


def test_fault_81_a_closed_stream_stops_nothing() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream)
    stream.close()
    structlog.get_logger().info("polled")


def test_fault_81_a_value_that_cannot_be_shown_stops_nothing() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    assert written(value=Shy()) == ""


@pytest.mark.parametrize(
    "redirection", [pytest.param("2>/dev/full", id="full-disk"), pytest.param("2>&-", id="no-standard-error")]
)
def test_fault_81_the_program_still_ends_well(redirection: str) -> None:
    script = (
        "from feeder import log; import structlog; log.configure('info'); "
        "[structlog.get_logger().info('polled') for _ in range(999)]; print('done')"
    )
    command = f'"{sys.executable}" -c "{script}" {redirection}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_importing_the_room_imports_no_structlog() -> None:
    script = "import sys, feeder.log; print('structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
