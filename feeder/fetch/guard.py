"""Which addresses may be reached: public ones, and those that the operator opened.

The check is made where a socket is made, on the address that it will be connected to: whatever a name was resolved to
before, however an address is spelt and whoever redirected there.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

from feeder.errors import ConfigError

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address
AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` returns it: family, type, protocol, canonical name, socket address."""

ANYWHERE: Final = ("0.0.0.0/0", "::/0")

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # all that is given out; the rest is private, local or to come
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is in the last 32 bits
# Addresses that `is_global` lets pass, or lets pass in some versions of Python.
_CLOSED: Final[tuple[Network, ...]] = (
    IPv4Network("100.64.0.0/10"),  # inside of carriers and clouds
    IPv4Network("168.63.129.16/32"),  # Azure's own services, of each virtual machine
    IPv4Network("192.0.0.0/24"),  # protocol assignments; a metadata service too
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("224.0.0.0/3"),  # multicast, reserved, broadcast
    IPv6Network("2001::/23"),  # protocol assignments; Teredo holds an IPv4 address
    IPv6Network("2002::/16"),  # 6to4 holds an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)


class ForbiddenAddress(OSError):
    """A connection would lead to where it must not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Opens sockets to public addresses, and to those inside of `opened`."""

    opened: tuple[Network, ...] = ()

    def socket_to(self, info: AddressInfo) -> socket.socket:
        """Return a new socket for the address of *info*.

        Raises:
            ForbiddenAddress: It may not be reached.
        """
        family, kind, protocol, _, address = info
        self.check(_parsed(address[0]))
        return socket.socket(family, kind, protocol)

    def check(self, address: Address) -> None:
        """Raise ForbiddenAddress if *address* may not be reached."""
        inner = _inner(address)
        is_opened = any(_holds(network, inner) or _holds(network, address) for network in self.opened)
        if not (is_opened or _is_public(inner)):
            raise ForbiddenAddress(f"{address} is not a public address, and allow_private does not open it")

    def check_host(self, host: str) -> None:
        """Check *host* if it is an address, in any spelling that a system takes for one; other names pass."""
        if address := _address_in(host.strip("[]").rstrip(".").lower()):
            self.check(address)


@lru_cache(maxsize=1024)
def guard_of(opened: tuple[str, ...]) -> Guard:
    """Return a guard that lets pass what is inside of the networks *opened*, "10.0.3.7/32".

    Raises:
        ConfigError: One of them is no network.
    """
    return Guard(opened=tuple(_networks(opened)))


def _networks(texts: Iterable[str]) -> Iterable[Network]:
    for text in texts:
        try:
            yield ip_network(text, strict=False)
        except ValueError as error:
            raise ConfigError(f'allow_private: "{text}" is no network of addresses') from error


@lru_cache(maxsize=4096)
def _parsed(address: str) -> Address:
    return ip_address(address)


def _address_in(host: str) -> Address | None:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _inner(address: Address) -> Address:
    """Return where a connection to *address* ends: an IPv4 address may be wrapped in an IPv6 one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:  # the way to all of the old web where there is IPv6 only
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not any(_holds(network, address) for network in _CLOSED)
