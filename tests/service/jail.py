"""Runs a command as a unit's settings would have it, without systemd: mounts, users, powers and system calls.

As root: python jail.py SPECIFICATION COMMAND..., the former a JSON file with `units` (files, later ones win), `places` (paths outside
by their path inside, the key of what may be written beginning with "+"), `user` and `groups`. Real are: the read-only file system, private
devices, /proc, the network or none, users, the bounding set, no new privileges, and the filters of system calls, address
families, namespaces, memory and file modes. Control groups, credentials and the rest are systemd's alone.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import stat
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

NEW_MOUNTS, NEW_USERS, NEW_NETWORK = 0x20000, 0x10000000, 0x40000000
RECURSIVE, PRIVATE, BIND, MOVE = 0x4000, 1 << 18, 0x1000, 0x2000
READ_ONLY, WHOLE_TREE, HERE = 1, 0x8000, -100
SET_ATTRIBUTES = 442  # mount_setattr(2)
DROP_BOUND, NO_NEW_PRIVILEGES = 24, 38
CAPABILITIES = 41
ALLOW, FAIL = 0x7FFF0000, 0x00050000
EQUAL, GREATER, MASKED = 4, 6, 7
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
LAST_FAMILY = 64
NAMESPACES = (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x80)
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    specification = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    unit = settings(map(Path, specification["units"]))
    user = specification["user"]
    enclose(specification["places"], is_apart=unit["PrivateNetwork"] == ["yes"])
    os.setgroups(specification["groups"])
    share_no_users(user)
    for number in range(CAPABILITIES):
        check(libc.prctl(DROP_BOUND, number, 0, 0, 0))
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    check(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    os.umask(int(unit["UMask"][-1], 8))
    os.chdir(unit["WorkingDirectory"][-1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if unit["Nice"]:
        os.nice(int(unit["Nice"][-1]))
    filter_calls(unit)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - this is what it is for


def settings(files: Iterable[Path]) -> defaultdict[str, list[str]]:
    """Return the values of each key; an empty one takes back those before it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in (line for file in files for line in file.read_text("utf-8").splitlines()):
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key] = [*found[key], value] if value else []
    return found


def check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# ---------------------------------------------------------------- mounts and users


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    check(libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()))


def set_read_only(path: str, *, is_so: bool) -> None:
    change = (ctypes.c_uint64 * 4)(READ_ONLY if is_so else 0, 0 if is_so else READ_ONLY, 0, 0)
    check(libc.syscall(SET_ATTRIBUTES, HERE, path.encode(), WHOLE_TREE, change, ctypes.sizeof(change)))


def enclose(places: dict[str, str], *, is_apart: bool) -> None:
    """Make everything read-only but *places* that begin with "+", which appear below new directories."""
    check(libc.unshare(NEW_MOUNTS | (NEW_NETWORK if is_apart else 0)))
    mount("none", "/", flags=RECURSIVE | PRIVATE)
    opened = {path: os.open(path, os.O_PATH) for path in places.values()}  # they may lie below what is covered now
    for top in sorted({"/" + name.lstrip("+").split("/")[1] for name in places}):
        mount("tmpfs", top, "tmpfs", options="mode=0755")
    for name, path in places.items():
        Path(name.lstrip("+")).mkdir(parents=True)
        mount(f"/proc/self/fd/{opened[path]}", name.lstrip("+"), flags=BIND | RECURSIVE)
    make_devices("/mnt")
    mount("proc", "/proc", "proc", options="hidepid=invisible,subset=pid")
    set_read_only("/", is_so=True)
    for name in (*(name[1:] for name in places if name.startswith("+")), "/proc", "/dev/shm"):  # noqa: S108 - not for a file of ours
        set_read_only(name, is_so=False)
    for descriptor in opened.values():
        os.close(descriptor)


def make_devices(place: str) -> None:
    mount("tmpfs", place, "tmpfs", options="mode=0755")
    for name, (major, minor) in DEVICES.items():
        os.mknod(f"{place}/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.chmod(f"{place}/{name}", 0o666)  # noqa: PTH101, S103 - as they are everywhere
    Path(place, "fd").symlink_to("/proc/self/fd")
    Path(place, "shm").mkdir()
    mount("tmpfs", f"{place}/shm", "tmpfs", options="mode=1777")
    mount(place, "/dev", flags=MOVE)


def share_no_users(user: int) -> None:
    """Know no other users than root and *user*; somebody outside has to say so."""
    wait, ready = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(ready)
        os.read(wait, 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{parent}/{name}").write_text(f"0 0 1\n{user} {user} 1\n")
        os._exit(0)
    os.close(wait)
    check(libc.unshare(NEW_USERS))
    os.close(ready)
    if os.waitpid(child, 0)[1]:
        raise OSError(errno.EPERM, "the map of users could not be written")


# ---------------------------------------------------------------- system calls


class Condition(ctypes.Structure):
    """scmp_arg_cmp of libseccomp."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


class Filter:
    """What happens to system calls: *usually* this, and what rules say."""

    def __init__(self, usually: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(usually))

    def rule(self, action: int, call: str, *conditions: tuple[int, int, int, int]) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # others are of other machines
            array = (Condition * len(conditions))(*(Condition(*each) for each in conditions))
            check(self._library.seccomp_rule_add_array(self._context, action, number, len(conditions), array))

    def load(self) -> None:
        check(self._library.seccomp_load(self._context))


def filter_calls(unit: dict[str, list[str]]) -> None:
    """Apply the filters of *unit*: those that look at arguments first, as what loads them is filtered in the end."""
    failing = [Filter(ALLOW), Filter(ALLOW), Filter(ALLOW), Filter(ALLOW)]
    families, memory, namespaces, modes = failing
    refused = FAIL | errno.EAFNOSUPPORT
    allowed = {FAMILIES[name] for value in unit["RestrictAddressFamilies"] for name in value.split()}
    for family in set(range(LAST_FAMILY + 1)) - allowed:
        families.rule(refused, "socket", (0, EQUAL, family, 0))
    families.rule(refused, "socket", (0, GREATER, LAST_FAMILY, 0))
    memory.rule(FAIL | errno.EPERM, "mmap", (2, MASKED, 6, 6))
    for call in ("mprotect", "pkey_mprotect"):
        memory.rule(FAIL | errno.EPERM, call, (2, MASKED, 4, 4))
    namespaces.rule(FAIL | errno.ENOSYS, "clone3")
    for kind in NAMESPACES:
        for call in ("clone", "unshare"):
            namespaces.rule(FAIL | errno.EPERM, call, (0, MASKED, kind, kind))
    for bit in (0o4000, 0o2000):
        for call, argument in {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "openat": 3}.items():
            modes.rule(FAIL | errno.EPERM, call, (argument, MASKED, bit, bit))
    calls = Filter(FAIL | errno.EPERM)
    for name in sorted(calls_of(unit["SystemCallFilter"]) | {"execve"}):
        calls.rule(ALLOW, name)
    for each in (*failing, calls):
        each.load()


def calls_of(values: Iterable[str]) -> set[str]:
    found: set[str] = set(members("@default"))
    for value in values:
        names = {name for word in value.lstrip("~").split() for name in members(word)}
        found = found - names if value.startswith("~") else found | names
    return found


def members(word: str) -> Iterator[str]:
    """Yield the system calls of a group, as this machine's systemd has it; filters never forbid what @default names."""
    if not word.startswith("@"):
        yield word
        return
    listed = subprocess.run(
        ["/usr/bin/systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True
    )
    for line in listed.stdout.splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            yield from members(line.strip())


if __name__ == "__main__":
    main()
