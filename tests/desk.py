"""An operator's desk: a folder with a config and articles, and the commands run on them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import dropwhile, islice, takewhile
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from feeder import config
from feeder.app import App
from feeder.cli import main
from feeder.opening import opened

# Run a command, and write down the most memory that it used: started by a large process, a small one counts that one's as its own.
WEIGHED = """
import os, sys
_, weight, *command = sys.argv
process = os.posix_spawn(command[0], command, os.environ)
_, status, used = os.wait4(process, 0)
with open(weight, "w") as file:
    print(used.ru_maxrss << 10, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""

CONFIG = """\
[site]
title = "Example newsroom"
url = "https://feeds.example.org/"
id = "feeds.example.org,2026"
{site}
[feeds]
{feeds}
[storage]
state = "{state}"
output = "public"
[server]
listen = ""
[defaults]
withdraw_after = "0s"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def rows(self, title: str) -> dict[str, str]:
        """Return what a table of names and values says."""
        lines = dropwhile(lambda line: line != title, self.out.splitlines())
        table = takewhile(lambda line: line.startswith("  "), islice(lines, 1, None))
        return {name: value.strip() for name, _, value in (line.strip().partition("  ") for line in table)}


@dataclass(frozen=True, slots=True)
class Desk:
    """Writes files below *folder* and runs commands on them."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def settle(self, *sources: str, site: str = "", feeds: str = "", state: str = "sqlite:///var/state.db") -> None:
        """Write the config. Each source is "name" or "name" and further lines; its articles lie in its name."""
        tables = []
        for source in sources or ("newsroom",):
            name, _, rest = source.partition("\n")
            (self.folder / name).mkdir(exist_ok=True)
            tables.append(f'[[source]]\nname = "{name}"\npath = "{name}"\n{rest}\n')
        self.config.write_text(CONFIG.format(site=site, feeds=feeds, state=state) + "\n".join(tables), "utf-8")

    def write(
        self,
        path: str,
        title: str = "Bridge opens",
        date: str | None = "2026-03-10T12:00:00Z",
        body: str = "The bridge is open.",
        more: str = "categories: [City, Roads]",
    ) -> Path:
        """Write an article."""
        dated = f"date: {date}\n" if date else ""
        return self.put(path, f"---\ntitle: {title}\n{dated}{more}\n---\n{body}\n")

    def put(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def run(self, command: str, *arguments: str | Path) -> Result:
        """Run a command on the config, in this process."""
        return self.call(command, "-c", self.config, *arguments)

    def call(self, *arguments: str | Path) -> Result:
        """Run the command line in this process, as it is given."""
        out, err = io.StringIO(), io.StringIO()
        code: Any = None
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main([*map(str, arguments)])
            except SystemExit as exit_:
                code = exit_.code
        return Result(code=code, out=out.getvalue(), err=err.getvalue())

    def program(self, *arguments: str, **environment: str) -> Result:
        """Run the real program, in the folder."""
        done = subprocess.run(
            [sys.executable, "-m", "feeder", *arguments],
            cwd=self.folder,
            env=os.environ | environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)

    def weighed(self, *arguments: str) -> tuple[Result, int]:
        """Run the real program, in the folder; return what it said, and the MiB of memory that it used at most."""
        with NamedTemporaryFile() as weight:
            command = [sys.executable, "-c", WEIGHED, weight.name, sys.executable, "-m", "feeder", *arguments]
            done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True)
            return Result(code=done.returncode, out=done.stdout, err=done.stderr), int(weight.read()) >> 20

    @contextmanager
    def daemon(self) -> Iterator[App]:
        """Hold the state as a running daemon does."""
        with opened(config.load(self.config), workers=1) as app:
            yield app

    def tree(self, *names: str) -> dict[str, bytes]:
        """Return every file below some folders, but for what SQLite keeps beside its file while that is open."""
        files = (path for name in names for path in sorted((self.folder / name).rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
