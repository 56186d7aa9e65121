"""What Feeder is built on: its licences, and how far its versions may go."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DIRECT = tuple(map(Requirement, PROJECT["dependencies"]))

# Who uses, links or ships with these owes nothing but a notice; those of MPL 2.0 are to stay as they are.
FREE = re.compile(
    r"(The )?(MIT|ISC|0?BSD|Free ?BSD|Apache|PSF|Python Software Foundation|Mozilla Public License 2|MPL-2)\b.*",
    re.IGNORECASE,
)
CHOSEN = {"feedgen": "BSD License"}  # of several, one of which would bind
INSIDES = {"aiohttp", "feedgen", "feedparser", "uvicorn"}  # of which more than the public names is used


def needed() -> dict[str, Distribution]:
    """Return all that is installed for Feeder to run."""
    found: dict[str, Distribution] = {}
    waiting = [r for r in DIRECT if r.marker is None or r.marker.evaluate()]
    while waiting:
        name = waiting.pop().name
        if name not in found:
            found[name] = distribution(name)
            asked = map(Requirement, found[name].requires or [])
            waiting += [r for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def licences(library: Distribution) -> list[str]:
    """Return what its packager says: an expression (PEP 639), else classifiers, else a word."""
    told = library.metadata
    if expressions := told.get_all("License-Expression"):
        return re.split(r" AND | OR ", expressions[0])
    classified = [
        c.split(" :: ")[-1] for c in told.get_all("Classifier") or [] if c.startswith("License :: OSI Approved :: ")
    ]
    return classified or told.get_all("License") or [""]


@pytest.mark.parametrize("name", sorted(needed()))
def test_a_library_has_a_licence_that_binds_nobody(name: str) -> None:
    told = licences(distribution(name))
    if name in CHOSEN:
        assert CHOSEN[name] in told
    else:
        assert [each for each in told if not FREE.fullmatch(each)] == []


@pytest.mark.parametrize("dependency", DIRECT, ids=str)
def test_a_library_is_of_a_version_that_was_tried(dependency: Requirement) -> None:
    signs = {specifier.operator for specifier in dependency.specifier}
    assert ">=" in signs
    if dependency.marker is None or dependency.marker.evaluate():
        assert dependency.specifier.contains(distribution(dependency.name).version)
    assert "<" in signs or dependency.name not in INSIDES


def test_what_is_installed_goes_together() -> None:
    for library in needed().values():
        for asked in map(Requirement, library.requires or []):
            if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                assert asked.specifier.contains(distribution(asked.name).version, prereleases=True), (
                    f"{library.name}: {asked}"
                )


def test_nothing_is_loaded_at_the_start_that_is_not_declared() -> None:
    code = "import sys, feeder.opening, feeder.schedule, feeder.serve, feeder.asking; print(*{n.partition('.')[0] for n in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"pytest", "hypothesis", "playwright", "starlette", "jsonschema"}
