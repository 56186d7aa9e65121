"""Where a server is to be found: TCP and Unix sockets."""

from __future__ import annotations

import errno
import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from stat import S_ISSOCK
from typing import Final

from feeder.config import Address, address_text
from feeder.errors import FeederError

BACKLOG: Final = 512  # connections that wait to be accepted
FOR_ALL: Final = 0o666  # of a socket; who may come to its directory is for the operator to say

_PORT: Final = re.compile(r":[0-9]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket that listens, and where clients find it."""

    socket: socket.socket
    url: str
    path: Path | None = None  # of a Unix socket
    inode: int = 0  # of its name

    def close(self) -> None:
        """Listen no more; the name of a Unix socket goes, unless it is another's by now."""
        self.socket.close()
        with suppress(OSError):
            if self.path and self.path.lstat().st_ino == self.inode:
                self.path.unlink()


def listen(address: Address, *, mode: int = FOR_ALL) -> Listener:
    """Listen at *address*; a Unix socket takes the place of one that nobody listens at.

    Args:
        address: A host, the first address of which is taken, IPv4 before IPv6, and a port; or the path of a socket.
        mode: Of a Unix socket.

    Raises:
        FeederError: The address cannot be had: it is in use, or not of this machine.
    """
    try:
        return _listen_unix(address, mode) if isinstance(address, Path) else _listen_tcp(*address)
    except (OSError, UnicodeError) as error:  # the latter of a name that cannot be one
        raise FeederError(f"cannot listen on {address_text(address)}: {_reason(error)}") from error


def is_meant(host: str, address: Address) -> bool:
    """Tell whether a client that asks for *host* (the header, with or without a port) can mean what listens at *address*.

    What listens at a loopback address is asked for by an address, or as localhost. A page on the web may have its own
    name lead there (DNS rebinding) and have a browser ask; but it cannot take the name away.
    """
    if isinstance(address, Path) or not _is_loopback(address[0]):
        return True
    name = _PORT.sub("", host.strip().lower()).strip("[]").rstrip(".")
    return name in {"", address[0].lower()} or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _listen_tcp(host: str, port: int) -> Listener:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda each: each[0])
    is_dual = family == socket.AF_INET6 and host == "::"
    listening = socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    # Connections inherit it. asyncio does not set it on these, and each answer would wait 40 ms for a delayed ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Listener(socket=listening, url=f"http://{address_text(listening.getsockname()[:2])}/")


def _listen_unix(path: Path, mode: int) -> Listener:
    _check_free(path)
    new = path.with_name(f"{path.name}.new")  # in place only once it has its mode, and answers
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        new.unlink(missing_ok=True)
        listening.bind(os.fspath(new))
        new.chmod(mode)
        listening.listen(BACKLOG)
        new.replace(path)
    except BaseException:
        listening.close()
        raise
    return Listener(socket=listening, url=address_text(path), path=path, inode=path.lstat().st_ino)


def _check_free(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not S_ISSOCK(status.st_mode):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)  # a queue that is full has somebody behind it as well
        if client.connect_ex(os.fspath(path)) not in {errno.ECONNREFUSED, errno.ENOENT}:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        reason = os.strerror(error.errno)  # `socket.create_server` adds the address to its own text
        return f"{reason}; [server] may name another" if error.errno == errno.EADDRINUSE else reason
    return getattr(error, "strerror", None) or str(error)
