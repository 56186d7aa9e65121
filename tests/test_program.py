"""Running the operator's program: real processes, that read or do not, end or do not."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from feeder import program
from feeder.errors import Unheard

TIMEOUT = 20


def run(*command: str, lines: tuple[str, ...] = (), within: float = TIMEOUT, folder: Path = Path("/")) -> None:
    async def main() -> None:
        told = timedelta(seconds=within)
        await program.run(command, lines, within=told, folder=folder, further={"FEEDER_OUTPUT": "/srv/新"})

    asyncio.run(main())


def python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def reason(*command: str, **changes: object) -> str:
    with pytest.raises(Unheard) as caught:
        run(*command, **changes)  # type: ignore[arg-type]
    return str(caught.value)


def has_ended(pid: int) -> bool:
    """Tell whether a process ends before long; one that nobody waits for is a zombie then."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


def test_a_program_gets_lines_its_folder_and_where_the_output_is(tmp_path: Path) -> None:
    text = "import os, sys; open('got', 'w').write(sys.stdin.read() + os.environ['FEEDER_OUTPUT'])"
    run(*python(text), lines=("a/rss.xml", "新/b c.xml"), folder=tmp_path)
    assert (tmp_path / "got").read_text("utf-8") == "a/rss.xml\n新/b c.xml\n/srv/新"


def test_no_shell_reads_the_words(tmp_path: Path) -> None:
    run("touch", "$(id) > x; y", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["$(id) > x; y"]


def test_a_program_that_reads_nothing_of_a_long_list_is_fine() -> None:
    run("true", lines=tuple(f"categories/{number}/rss.xml" for number in range(100_000)))


def test_a_program_that_says_very_much_is_fine() -> None:
    run(*python("import sys; sys.stdout.write('x' * 10_000_000)"))


def test_a_failure_says_what_it_said_last() -> None:
    assert reason(*python("import sys; print('a'); print('no route', file=sys.stderr); sys.exit(23)")) == (
        "it ended with exit code 23: no route"
    )
    assert reason("false") == "it ended with exit code 1"
    assert reason("sh", "-c", "kill -9 $$") == "it was ended by signal 9"


def test_a_program_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    assert reason("./none", folder=tmp_path) == "it cannot be started: No such file or directory"
    assert "cannot be started" in reason("true", folder=tmp_path / "none")


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 100 & echo $! >{tmp_path}/child; echo waiting; trap '' TERM; wait; sleep 100; sleep 100"
    assert reason("sh", "-c", script, within=1) == "it did not end within 1 s: waiting"
    assert has_ended(int((tmp_path / "child").read_text("utf-8")))


def test_what_a_program_leaves_running_holds_up_nobody(tmp_path: Path) -> None:
    run("sh", "-c", f"sleep 100 & echo $! >{tmp_path}/child")
    pid = int((tmp_path / "child").read_text("utf-8"))
    os.kill(pid, 15)
    assert has_ended(pid)


def test_a_program_ends_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(
            program.run(
                ("sh", "-c", "echo $$ >pid; mv pid child; sleep 100"),
                (),
                within=timedelta(seconds=100),
                folder=tmp_path,
                further={},
            )
        )
        async with asyncio.timeout(TIMEOUT):
            while not (tmp_path / "child").exists():  # noqa: ASYNC110 - a file does not tell
                await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert has_ended(int((tmp_path / "child").read_text("utf-8")))
