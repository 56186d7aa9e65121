"""The wheel and the source distribution: all that is needed is in them, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
STEM = f"{PROJECT['name']}-{PROJECT['version']}"
TIMEOUT = 240
UNITS = "share/feeder/systemd"


def run(*command: str, cwd: Path, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8", **variables}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both; the wheel is made from the other one, so that this must be whole."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[ZipFile]:
    with ZipFile(built / f"{STEM}-py3-none-any.whl") as file:
        yield file


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    return BytesParser().parsebytes(wheel.read(f"{STEM}.dist-info/METADATA"))


def files(folder: str) -> set[str]:
    """Return the files of the tree below a directory, as they are called from the top."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_holds_the_program_the_manual_the_units_and_nothing_else(wheel: ZipFile) -> None:
    parts = {name for name in wheel.namelist() if not name.startswith((f"{STEM}.dist-info/", f"{STEM}.data/"))}
    assert parts == files("feeder") | {"feeder/config.toml"}
    placed = {name.removeprefix(f"{STEM}.data/data/") for name in wheel.namelist() if ".data/" in name}
    units = {f"{UNITS}/{path.name}" for path in (ROOT / "systemd").iterdir()}
    assert placed == units | {"share/man/man1/feeder.1"}
    assert {PurePosixPath(name).suffix for name in parts} >= {".sql", ".html", ".css", ".js", ".toml", ".py"}
    assert f"{STEM}.dist-info/licenses/LICENSE" in wheel.namelist()


def test_the_source_distribution_holds_the_tree_tests_included(built: Path) -> None:
    with tarfile.open(built / f"{STEM}.tar.gz") as archive:
        held = {member.name.removeprefix(f"{STEM}/") for member in archive.getmembers() if member.isfile()}
    folders = (".ci", "benchmarks", "docs", "examples", "feeder", "systemd", "tests")
    tree = set().union(*map(files, folders))
    assert tree - held == set()
    assert {name for name in held - tree if "/" in name} == set()
    assert {"Containerfile", "LICENSE", "README.md", "SECURITY.md", "config.toml", "pyproject.toml"} <= held


def test_the_metadata_says_what_it_is(metadata: Message) -> None:
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "# Feeder" in str(metadata.get_payload())
    assert set(metadata.get_all("Provides-Extra", [])) >= {"test", "dev", "bench"}
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(needed) == len(PROJECT["dependencies"])
    classifiers = metadata.get_all("Classifier", [])
    assert "Programming Language :: Python :: 3.11" in classifiers
    assert "Typing :: Typed" in classifiers


def test_what_is_installed_works_away_from_the_tree(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "opt"
    wheel = str(built / f"{STEM}-py3-none-any.whl")
    install = ("install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", "--prefix", str(home))
    run(sys.executable, "-m", "pip", *install, wheel, cwd=tmp_path)
    (package,) = home.glob("lib/python*/site-packages")
    site = tmp_path / "site"
    (site / "articles").mkdir(parents=True)
    (site / "articles" / "one.md").write_text("---\ntitle: One\ndate: 2026-01-02T03:04:05Z\n---\nText.\n", "utf-8")

    def feeder(*words: str) -> str:
        return run(sys.executable, "-P", "-m", "feeder", *words, cwd=site, PYTHONPATH=str(package))

    place = "import feeder; print(feeder.__file__)"
    assert run(sys.executable, "-P", "-c", place, cwd=site, PYTHONPATH=str(package)).startswith(str(package))
    assert feeder("--version") == f"feeder {PROJECT['version']}\n"
    feeder("init", "--articles", "articles", "--url", "https://feeds.example.org/")
    feeder("once")
    assert b"<title>One</title>" in (site / "public" / "atom.xml").read_bytes()
    assert (home / UNITS / "feeder.service").read_bytes() == (ROOT / "systemd" / "feeder.service").read_bytes()
    assert re.search(r"\.TH FEEDER 1", (home / "share/man/man1/feeder.1").read_text("utf-8"))
