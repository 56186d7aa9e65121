"""Events as lines: JSON for machines, columns for people. Only this module sets up structlog and logging."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# The least level of libraries that report every step. What matters of uvicorn, `serve` tells in events of its own.
CHATTY: Final = {
    "apscheduler": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn": logging.CRITICAL,
    "watchfiles": logging.WARNING,
}


LOGGED: Final = 20  # times that one event is logged in one piece of work; of the rest, the number


class Flood:
    """Lets the first few of each event of a piece of work into the log, and counts the rest."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def lets(self, event: str) -> bool:
        """Count *event*, and tell whether it is one of the first."""
        self._seen[event] += 1
        return self._seen[event] <= LOGGED

    def rest(self) -> Mapping[str, int]:
        """Return the events that were not let in, each with how often."""
        return {event: count - LOGGED for event, count in self._seen.items() if count > LOGGED}


def configure(level: str, *, stream: TextIO | None = None, json: bool | None = None) -> None:
    """Send every event of ours and of the libraries to *stream*, as one line each.

    May be called again, with another level for instance. A stream that fails loses its lines and nothing else.

    Args:
        level: One of `LEVELS`.
        stream: None means standard error.
        json: None means JSON unless *stream* is a terminal.
    """
    # structlog takes as long to import as a short command runs.
    import structlog  # noqa: PLC0415

    number = LEVELS[level]
    target = sys.stderr if stream is None else stream
    terminal = target is not None and target.isatty()
    handler = _LineHandler(_writer(target))
    handler.setFormatter(_formatter(plain=terminal if json is None else not json, colors=terminal))
    logging.basicConfig(handlers=[handler], level=number, force=True)
    logging.captureWarnings(capture=True)
    for name, least in CHATTY.items():
        logging.getLogger(name).setLevel(number if level == "debug" else max(number, least))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_chain(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _chain() -> list[Processor]:
    from structlog import contextvars, processors, stdlib  # noqa: PLC0415 - see `configure`

    return [
        contextvars.merge_contextvars,
        stdlib.add_log_level,
        processors.TimeStamper(fmt="iso", utc=True),
        processors.StackInfoRenderer(),
        processors.format_exc_info,
        _first_things_first,
    ]


def _formatter(*, plain: bool, colors: bool) -> logging.Formatter:
    from structlog import dev, processors, stdlib  # noqa: PLC0415 - see `configure`

    columns = dev.ConsoleRenderer(colors=colors, sort_keys=False, exception_formatter=dev.plain_traceback)
    lines = processors.JSONRenderer(serializer=_to_json)
    renderers: list[Processor] = [_made_printable, columns] if plain else [lines]
    return stdlib.ProcessorFormatter(
        foreign_pre_chain=[stdlib.add_logger_name, *_chain()],
        processors=[stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _first_things_first(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {key: event[key] for key in ("timestamp", "level", "event") if key in event} | dict(event)


def _to_json(event: object, **options: Any) -> str:
    text = json.dumps(event, ensure_ascii=False, **options)
    if text.isprintable():
        return text
    # What json leaves as it is, but a terminal or UTF-8 does not: C1 controls, bidi marks, lone surrogates.
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _made_printable(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape what could move a cursor or pass for a line of its own; a traceback keeps its lines, indented."""
    return {
        _printable(key): _indented(value) if key in ("exception", "stack") else _printable(value)
        for key, value in event.items()
    }


def _printable(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def _indented(text: str) -> str:
    return "\n".join("    " + _printable(line) for line in text.split("\n"))


class _LineHandler(logging.Handler):
    """Hand each record to a function as one line; a log that cannot be written stops nothing."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        # A full disk, a closed pipe, a value whose repr raises: there is nobody left to tell.
        with contextlib.suppress(Exception):
            self._write(self.format(record) + "\n")


def _writer(stream: TextIO | None) -> Callable[[str], None]:
    """Return a function that writes to *stream* at once.

    A file is written past Python's buffers: what a full disk refuses would stay in them, and the interpreter
    would fail over it again on its way out.
    """
    if stream is None:
        return lambda _line: None
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return stream.write  # type: ignore[return-value]  # the count of characters is not wanted
    return lambda line: _write_all(number, line.encode("utf-8", "backslashreplace"))


def _write_all(number: int, line: bytes) -> None:
    while line:
        line = line[os.write(number, line) :]
