"""PgBouncer before a server of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
from databases import Own, Postgres, as_user

CONFIG: Final = """
[databases]
postgres = host={folder} port=5432 dbname=postgres user=postgres

[pgbouncer]
listen_addr =
unix_socket_dir = {own}
auth_type = any
pool_mode = {mode}
default_pool_size = 40
"""


@contextmanager
def pooled(server: Own, mode: str) -> Iterator[Postgres]:
    """Yield the server as it is behind a pooler of sessions, transactions or statements."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "this test needs pgbouncer (Debian: the package pgbouncer)"
    folder = Path(tempfile.mkdtemp(prefix="feeder-pooler-"))
    folder.chmod(0o777)
    path = folder / "pgbouncer.ini"
    path.write_text(CONFIG.format(folder=server.folder, own=folder, mode=mode), "utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(path)], stdout=log, stderr=log, **as_user())  # type: ignore[call-overload]
    behind = Postgres(f"postgresql:///postgres?host={folder}&port=6432&user=postgres")
    try:
        _await(behind, folder / "log")
        yield behind
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _await(behind: Postgres, log: Path) -> None:
    for _ in range(600):
        with suppress(psycopg.OperationalError), closing(psycopg.connect(behind.url)):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
