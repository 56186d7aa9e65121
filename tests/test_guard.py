from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeder.errors import ConfigError
from feeder.fetch.guard import ANYWHERE, ForbiddenAddress, guard_of

CLOSED = [
    "0.0.0.0",  # noqa: S104 - it is not listened at
    "0.1.2.3",
    "10.0.3.7",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.3.7",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "172.32.0.1",
    "223.255.255.254",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_public_is_closed(address: str) -> None:
    with pytest.raises(ForbiddenAddress, match="is not a public address"):
        guard_of(()).check(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_what_is_public_is_open(address: str) -> None:
    guard_of(()).check(ip_address(address))


def test_an_operator_opens_what_is_named_and_no_more() -> None:
    guard = guard_of(("10.0.3.7/32", "fd00:1::/32", "192.168.7.9/24"))
    for address in ("10.0.3.7", "::ffff:10.0.3.7", "fd00:1:2::3", "192.168.7.1", "8.8.8.8"):
        guard.check(ip_address(address))
    for address in ("10.0.3.8", "::ffff:10.0.3.8", "fd00:2::3", "192.168.8.1", "127.0.0.1", "::1"):
        with pytest.raises(ForbiddenAddress):
            guard.check(ip_address(address))


@given(st.ip_addresses())
def test_all_may_be_opened(address: IPv4Address | IPv6Address) -> None:
    guard_of(ANYWHERE).check(address)


@given(st.ip_addresses(v=4))
def test_a_wrapped_address_is_judged_as_it_is(address: IPv4Address) -> None:
    def verdict(of: IPv4Address | IPv6Address) -> bool:
        try:
            guard_of(()).check(of)
        except ForbiddenAddress:
            return False
        return True

    wrapped = int(address)
    assert verdict(IPv6Address((0xFFFF << 32) + wrapped)) == verdict(address)
    assert verdict(IPv6Address(int(IPv6Address("64:ff9b::")) + wrapped)) == verdict(address)
    assert not verdict(IPv6Address(wrapped))
    assert not verdict(IPv6Address((0x2002 << 112) + (wrapped << 80)))


@pytest.mark.parametrize("text", ["10.0.0.0/33", "intranet", "", "10.0.0.0/8/8"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f'^allow_private: "{text}" is no network'):
        guard_of((text,))


def test_a_socket_is_made_for_an_open_address_alone() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with pytest.raises(
        ForbiddenAddress, match=r"^127\.0\.0\.1 is not a public address, and allow_private does not open it$"
    ):
        guard_of(()).socket_to(info)
    guard_of(("127.0.0.0/8",)).socket_to(info).close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "127.0.0.1.",
        "::1",
        "[::1]",
        "::ffff:7f00:1",
    ],
)
def test_an_address_is_known_in_any_spelling(host: str) -> None:
    with pytest.raises(ForbiddenAddress):
        guard_of(()).check_host(host)


@pytest.mark.parametrize("host", ["example.org", "8.8.8.8", "1e100.net", "", "999.1.1.1", "a" * 300])
def test_a_name_is_no_address(host: str) -> None:
    guard_of(()).check_host(host)
