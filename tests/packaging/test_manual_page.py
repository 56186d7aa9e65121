"""What the readers of manuals make of the page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "feeder.1"


@pytest.mark.parametrize(
    ("command", "package"),
    [
        pytest.param(["mandoc", "-T", "lint", "-W", "warning"], "mandoc", id="mandoc"),
        pytest.param(["groff", "-man", "-ww", "-z", "-Tutf8"], "groff-base", id="groff"),
    ],
)
def test_a_formatter_has_nothing_to_say_against_it(command: list[str], package: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        pytest.fail(f"{command[0]} is missing; install it (Debian: the package {package})")
    done = subprocess.run([program, *command[1:], str(PAGE)], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
