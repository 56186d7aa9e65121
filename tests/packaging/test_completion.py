"""What the shells themselves make of the completions."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

TIMEOUT = 60
DRAWN = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|[\x07\x08\r]")
CONFIG = """
[site]
title = "Harbour"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
[[source]]
name = "newsroom"
path = "newsroom"
[[source]]
name = "harbour-radio"
path = "radio"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a configuration, and a program called feeder."""
    (tmp_path / "config.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "newsroom").mkdir()
    (tmp_path / "newsroom" / "bridge.md").write_text("---\ntitle: Bridge\n---\nOpen.\n")
    program = tmp_path / "bin" / "feeder"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m feeder "$@"\n')
    program.chmod(0o755)
    return tmp_path


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing; install it (Debian: the package {name})")
    return found


def environment(place: Path) -> dict[str, str]:
    return {
        "PATH": f"{place / 'bin'}:/usr/bin:/bin",
        "TERM": "dumb",
        "HOME": str(place),
        "PS1": "> ",
        "LANG": "C.UTF-8",
    }


class Terminal:
    """A shell at a terminal, to which somebody types."""

    def __init__(self, place: Path, *command: str) -> None:
        self._near, far = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, cwd=place, env=environment(place), start_new_session=True
        )
        os.close(far)

    def type(self, text: str, *, until: str) -> str:
        """Return what is on the screen after *text* was typed and *until* was shown."""
        os.write(self._near, text.encode())
        seen = b""
        end = time.monotonic() + TIMEOUT
        while until.encode() not in DRAWN.sub(b"", seen):
            assert time.monotonic() < end, seen
            if select.select([self._near], [], [], 1)[0]:
                seen += os.read(self._near, 4096)
        return DRAWN.sub(b"", seen).decode("utf-8", "replace")

    def close(self) -> None:
        self._process.kill()
        self._process.wait(TIMEOUT)
        os.close(self._near)


STARTED = {
    "bash": (["bash", "--noprofile", "--norc", "-i"], 'eval "$(feeder completion bash)"; echo rea"dy"\n'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'PS1="> "; autoload -U compinit; compinit -u -D; eval "$(feeder completion zsh)"; echo rea"dy"\n',
    ),
}


@pytest.mark.parametrize("name", STARTED)
@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("feeder expl\t", "feeder explain "),
        ("feeder status --mer\t", "feeder status --merges "),
        ("feeder poll new\t", "feeder poll newsroom "),
        ("feeder pause newsroom har\t", "feeder pause newsroom harbour-radio "),
        ("feeder preview har\t", "feeder preview harbour-radio "),
        ("feeder explain newsroom/bri\t", "feeder explain newsroom/bridge.md "),
        ("feeder --log-level debug poll new\t", "feeder --log-level debug poll newsroom "),
    ],
)
def test_a_shell_completes_what_was_begun(name: str, typed: str, whole: str, place: Path) -> None:
    command, setup = STARTED[name]
    terminal = Terminal(place, shell(name), *command[1:])
    try:
        terminal.type(setup, until="ready\n")
        assert whole in terminal.type(typed, until=whole)
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("feeder expl", ["explain"]),
        ("feeder poll ", ["harbour-radio", "newsroom"]),
        ("feeder completion ", ["bash", "fish", "zsh"]),
        ("feeder -c missing.toml poll ", []),
    ],
)
def test_fish_offers_what_may_follow_in_its_own_order(typed: str, offered: list[str], place: Path) -> None:
    script = f"feeder completion fish | source; complete -C '{typed}'"
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", script],
        check=True, capture_output=True, text=True, timeout=TIMEOUT, cwd=place, env=environment(place),
    )  # fmt: skip
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == offered
