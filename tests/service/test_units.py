"""The units: as closed as they claim to be, and the daemon lives in them. It takes root, and systemd's programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from servers import talking
from visitors import ask_unix
from waiting import until

ROOT = Path(__file__).parent.parent.parent
UNITS = ROOT / "systemd"
JAIL = Path(__file__).with_name("jail.py")
TIMEOUT = 60
USER, EDITORS = 64_001, 64_002
MOST_EXPOSED, MOST_EXPOSED_ALONE = 1.1, 0.3
PYTHON = os.path.realpath(sys.executable)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which(command[0]):
        pytest.fail(f"{command[0]} is missing; install it (Debian: the package systemd)")
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a directory, with a program that is there."""
    for path in (*UNITS.glob("*.service"), *UNITS.glob("*.timer")):
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace("/usr/local/bin/feeder", PYTHON))
    return tmp_path


def exposure(unit: Path) -> float:
    done = run("systemd-analyze", "security", "--offline=true", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


@pytest.mark.parametrize("name", ["feeder.service", "feeder@.service", "feeder-once.service", "feeder-worker@.service"])
def test_units_are_understood_and_closed(installed: Path, name: str) -> None:
    path = installed / name
    instance = path if "@" not in name else path.rename(installed / name.replace("@", "@harbour"))
    checked = run("systemd-analyze", "verify", str(instance))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert exposure(instance) <= MOST_EXPOSED
    (installed / f"{instance.name}.d").mkdir()
    shutil.copy(UNITS / "local.conf", installed / f"{instance.name}.d")
    checked = run("systemd-analyze", "verify", str(instance))
    assert (checked.stdout, checked.stderr) == ("", "")
    assert exposure(instance) <= MOST_EXPOSED_ALONE


def test_the_unit_for_several_sites_says_the_same_of_each() -> None:
    one, many = ((UNITS / name).read_text("utf-8") for name in ("feeder.service", "feeder@.service"))
    assert many.replace(" (%i)", "").replace("feeder-%i", "feeder").replace("feeder@", "feeder") == one


@pytest.mark.parametrize("kind", ["service", "timer"])
def test_the_backup_of_several_sites_says_the_same_of_each(kind: str) -> None:
    one, many = ((UNITS / f"{name}.{kind}").read_text("utf-8") for name in ("feeder-backup", "feeder-backup@"))
    assert many.replace(" (%i)", "").replace("feeder-%i", "feeder") == one


def test_the_unit_without_a_daemon_is_as_closed_as_the_one_with_it() -> None:
    daemon, once = (
        set((UNITS / name).read_text("utf-8").splitlines()) for name in ("feeder.service", "feeder-once.service")
    )
    apart = (
        "Type",
        "Description",
        "Exec",
        "Restart",
        "RuntimeDirectory",
        "StartLimit",
        "LogRate",
        "Watchdog",
        "WantedBy",
    )
    lost = {line for line in daemon - once if line and not line.startswith(("#", "[", *apart))}
    assert lost == set()


@pytest.mark.parametrize("name", ["feeder-backup", "feeder-backup@", "feeder-once"])
def test_what_runs_by_the_clock_is_understood_and_closed(installed: Path, name: str) -> None:
    if name.endswith("@"):
        for kind in ("service", "timer"):
            (installed / f"{name}.{kind}").rename(installed / f"{name}harbour.{kind}")
        name += "harbour"
    checked = run("systemd-analyze", "verify", str(installed / f"{name}.timer"), str(installed / f"{name}.service"))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert exposure(installed / f"{name}.service") <= MOST_EXPOSED
    (when,) = re.findall("^OnCalendar=(.+)$", (installed / f"{name}.timer").read_text("utf-8"), re.MULTILINE)
    assert run("systemd-analyze", "calendar", when).returncode == 0


def test_the_user_is_one_that_systemd_makes(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", str(UNITS / "feeder.sysusers.conf"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^feeder:x:\d+:\d+:Feeder:/var/lib/feeder:", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)


# ---------------------------------------------------------------- life in the unit


class Cell:
    """What the service sees: its state, its configuration, a tree for a group, and Python."""

    def __init__(self, root: Path, *, alone: bool = False) -> None:
        self.root = root
        self.alone = alone
        for name in ("state", "etc", "run", "tree", "tmp"):
            (root / name).mkdir()
        for name in ("state", "etc", "run", "tmp"):
            os.chown(root / name, USER, USER)
        os.chown(root / "tree", 0, EDITORS)
        (root / "tree").chmod(0o750)
        (root / "state").chmod(0o711)
        text = (UNITS / "config.toml").read_text("utf-8").replace("/run/feeder/", "/srv/run/")
        listen = '"unix:/srv/run/http.sock"' if alone else '"127.0.0.1:0"'
        self.config = root / "etc" / "config.toml"
        self.config.write_text(re.sub(r'^listen = "[^"]*"', f"listen = {listen}", text, flags=re.MULTILINE))

    def write(self, title: str) -> None:
        file = self.root / "tree" / f"{title}.md"
        file.write_text(
            f"---\ntitle: {title}\ndate: 2026-01-02T03:04:05Z\ncategories: [News]\n---\nWritten for {title}.\n"
        )
        os.chown(file, 0, EDITORS)
        file.chmod(0o640)

    @property
    def log(self) -> str:
        return (self.root / "log").read_text("utf-8")

    def command(self, *words: str) -> list[str]:
        paths = [
            path for path in (str(ROOT), *sys.path) if Path(path).is_dir() and not path.startswith(sys.base_prefix)
        ]
        shown = {f"/opt/{number}": path for number, path in enumerate(paths)}
        python = {"/opt/python": sys.base_prefix}  # which may lie where only root can go
        kept = {name: str(self.root / own) for name, own in {
            "+/var/lib/feeder": "state", "+/srv/etc": "etc", "+/srv/run": "run", "/srv/articles": "tree", "+/srv/tmp": "tmp",
        }.items()}  # fmt: skip
        file = self.root / "specification.json"
        units = [str(UNITS / "feeder.service"), *([str(UNITS / "local.conf")] if self.alone else [])]
        file.write_text(
            json.dumps({"units": units, "places": {**kept, **shown, **python}, "user": USER, "groups": [EDITORS]})
        )
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join(shown),
            "LD_LIBRARY_PATH": "/opt/python/lib",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": "/srv/tmp",
            "NOTIFY_SOCKET": "/srv/run/notify",
            "WATCHDOG_USEC": "60000000",
        }
        program = f"/opt/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        return [sys.executable, str(JAIL), str(file), program, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*words)
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=TIMEOUT, env=self.environment
        )

    def feeder(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "feeder", "-c", "/srv/etc/config.toml", *words)

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the end of the block, from its READY on."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, (self.root / "log").open("wb") as log:
            manager.bind(str(self.root / "run" / "notify"))
            (self.root / "run" / "notify").chmod(0o666)
            manager.settimeout(TIMEOUT)
            command = self.command("-m", "feeder", "-c", "/srv/etc/config.toml", "run")
            with subprocess.Popen(command, stdout=log, stderr=log, env=self.environment) as process:
                limit = threading.Timer(TIMEOUT * 2, process.kill)
                limit.start()
                try:
                    assert b"READY=1" in manager.recv(4096)
                    yield process
                    process.terminate()
                    assert process.wait(TIMEOUT) == 0
                finally:
                    limit.cancel()
                    process.kill()
                    print(self.log)  # noqa: T201 - shown if the test fails


def titles(cell: Cell) -> set[str]:
    file = cell.root / "state/public/feed.json"
    return {item["title"] for item in json.loads(file.read_text("utf-8"))["items"]} if file.exists() else set()


WHOLE = (
    b"<rss version='2.0'><channel><title>x</title><item><title>From the web</title><guid>1</guid>"
    b"<pubDate>Fri, 02 Jan 2026 03:04:05 GMT</pubDate></item></channel></rss>"
)
BROKEN = WHOLE.replace(b"From the web", b"Broken & <b>loose").replace(b"</channel></rss>", b"")


def test_the_daemon_lives_in_its_unit(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    for number in range(40):
        cell.write(f"Article {number}")
    with talking(addresses=2) as server:
        server.put("/whole", WHOLE, content_type="application/rss+xml")
        server.put("/broken", BROKEN, content_type="application/rss+xml")
        with cell.config.open("a") as file:
            for number, name in enumerate(("whole", "broken")):
                address = server.at(number, f"/{name}")
                file.write(
                    f'[[source]]\nname = "{name}"\nurl = "{address}"\nkind = "feed"\nallow_private = ["127.0.0.0/8"]\n'
                )
        with cell.daemon():
            until(lambda: {"Article 0", "Article 39", "From the web", "Broken & loose"} <= titles(cell))
            served = re.search(r'"address": "([^"]+)"', cell.log)
            assert served
            with urlopen(f"{served[1]}atom.xml", timeout=TIMEOUT) as response:  # noqa: S310 - our own server
                assert response.status == 200
            assert ask_unix(tmp_path / "run/admin.sock", "/status.json").status == 200
            cell.write("Written later")
            until(lambda: "Written later" in titles(cell))
            cell.config.write_text(cell.config.read_text().replace('name = "broken"', 'name = "mended"'))
            done = cell.feeder("reload")
            assert (done.returncode, done.stderr) == (0, "")
            cell.config.write_text("[site\n")
            assert cell.feeder("reload").returncode == 2
    assert '"level": "error"' not in cell.log
    assert (tmp_path / "state/feeder.db").stat().st_uid == USER
    assert (tmp_path / "state/public/atom.xml").stat().st_mode & 0o777 == 0o644


def test_the_daemon_lives_without_a_network(tmp_path: Path) -> None:
    cell = Cell(tmp_path, alone=True)
    cell.write("First")
    with cell.daemon():
        until(lambda: "First" in titles(cell))
        assert ask_unix(tmp_path / "run/http.sock", "/atom.xml").status == 200
        cell.write("Second")
        until(lambda: "Second" in titles(cell))
    assert '"level": "error"' not in cell.log


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        ("open('/usr/x', 'w')", "Read-only file system"),
        ("open('/srv/articles/x', 'w')", "Read-only file system"),
        ("open('/etc/shadow')", "Permission denied"),
        ("os.stat('/proc/1')", "No such file or directory"),
        ("os.stat('/dev/sda')", "No such file or directory"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "Address family not supported"),
        ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "Address family not supported"),
        ("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "not permitted"),
        ("os.setuid(0)", "not permitted"),
        ("os.chown('/srv/tmp', 0, 0)", "not permitted"),
        ("os.chmod('/srv/tmp', 0o4755)", "not permitted"),
        ("os.nice(-5)", "not permitted"),
        ("os.sched_setaffinity(0, {0})", "not permitted"),
        ("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)", "not permitted"),
        ("call('mount', b'a', b'/srv/tmp', b'tmpfs', 0, b'')", "not permitted"),
        ("call('unshare', 0x10000000)", "not permitted"),
        ("call('ptrace', 0, 0, 0, 0)", "not permitted"),
    ],
)
def test_what_the_daemon_does_not_need_it_may_not(attempt: str, error: str, tmp_path: Path) -> None:
    program = f"""
import ctypes, mmap, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if libc[name](*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
{attempt}
"""
    done = Cell(tmp_path).run("-c", program)
    assert done.returncode == 1
    assert error in done.stderr


def test_it_has_no_power_of_root(tmp_path: Path) -> None:
    done = Cell(tmp_path).run("-c", "print(open('/proc/self/status').read())")
    assert re.findall(r"^(?:Cap\w+|Uid|NoNewPrivs|Seccomp):\s+(.*)$", done.stdout, re.MULTILINE) == [
        "\t".join([str(USER)] * 4),
        *["0" * 16] * 5,
        "1",
        "2",
    ], done.stderr
