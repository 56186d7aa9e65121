"""Runs a program of the operator's, gives it a list, and ends it with all that it started when it takes too long."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from feeder.errors import Unheard

KEPT: Final = 4096  # bytes of what it says last
SHOWN: Final = 200  # characters of its last line
PATIENCE_SECONDS: Final = 2.0  # between being asked to end and being ended
LAST_WORDS_SECONDS: Final = 0.5  # for what it said to arrive, if what it leaves running holds its output open


async def run(
    command: Sequence[str], lines: Iterable[str], *, within: timedelta, folder: Path, further: Mapping[str, str]
) -> None:
    """Run *command* in *folder* with *lines* as its input; what it says is not kept, but for the reason of a failure.

    Args:
        command: The program and its words; no shell reads them.
        lines: None of them holds a line break.
        within: After this it is ended, with its whole process group. So it is if this task is cancelled.
        folder: What a relative path of a program is relative to.
        further: Variables of its environment, besides ours.

    Raises:
        Unheard: It cannot be started, fails, or takes too long.
    """
    with TemporaryFile() as told:  # in place of a pipe, which a program may leave unread
        told.write("".join(f"{line}\n" for line in lines).encode())
        told.seek(0)
        async with _said() as (tail, output):
            process = await _start(command, told, output, folder, further)
            try:
                async with asyncio.timeout(within.total_seconds()):
                    code = await process.wait()
            except TimeoutError:
                raise Unheard(f"it did not end within {within.total_seconds():.0f} s{tail.last()}") from None
            finally:
                if process.returncode is None:
                    await _end(process)
            await tail.heard()
    if code:
        raise Unheard(f"{_ending(code)}{tail.last()}")


async def _start(
    command: Sequence[str], told: IO[bytes], output: int, folder: Path, further: Mapping[str, str]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=told,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **further},
            start_new_session=True,  # a process group of its own
        )
    except (OSError, ValueError) as error:
        raise Unheard(f"it cannot be started: {getattr(error, 'strerror', None) or error}") from error
    finally:
        os.close(output)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.wait()
        os.killpg(process.pid, signal.SIGKILL)  # those of the group that are left
    await process.wait()


def _ending(code: int) -> str:
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"


# ---------------------------------------------------------------- what it says


class _Tail(asyncio.Protocol):
    """The end of what was said."""

    def __init__(self) -> None:
        self._text = b""
        self._end = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._text = (self._text + data)[-KEPT:]

    def connection_lost(self, _reason: Exception | None) -> None:
        self._end.set()

    async def heard(self) -> None:
        """Wait for the end, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._end.wait()

    def last(self) -> str:
        """Return the last line, to be put behind a reason."""
        said = self._text.decode(errors="replace").split("\n")
        line = next((line.strip() for line in reversed(said) if line.strip()), "")
        return f": {line[-SHOWN:]}" if line else ""


@asynccontextmanager
async def _said() -> AsyncIterator[tuple[_Tail, int]]:
    """Yield what is said, and the file descriptor to say it to, which is to be closed by whoever takes it."""
    reading, writing = os.pipe()
    transport, tail = await asyncio.get_running_loop().connect_read_pipe(_Tail, os.fdopen(reading, "rb", buffering=0))
    try:
        yield tail, writing
    finally:
        transport.close()
        await asyncio.sleep(0)  # for it to close the pipe
