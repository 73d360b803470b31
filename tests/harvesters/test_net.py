"""Where the transport may not go, whatever the address looks like."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from ckanext.gkopen.harvesters import ForbiddenAddress, Limits, SourceUnreachable, load_source, open_transport
from ckanext.gkopen.harvesters.net import is_public

SOURCE = """\
name: probe
title: probe
domain: procurement
organization: demo-0
transport: exchange
url: "{url}"
signer: {{family: bearer}}
secret_env: GKOPEN_SECRET_DEMO
service: s
update_cycle: daily
"""
# Each of them leads to a private, loopback, link-local, metadata or otherwise reserved address.
FORBIDDEN = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost", "10.0.0.8",
    "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.100.100.200", "[::1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[::]", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.7",
]  # fmt: skip


def pages(url: str, *allowed: str) -> None:
    transport = open_transport(
        load_source(SOURCE.format(url=url)), "x", allowed_hosts=allowed, limits=Limits(connect=1, tries=1)
    )
    try:
        list(transport.pages())
    finally:
        transport.close()


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Records every connect and refuses it: nothing of these tests leaves the machine."""
    made: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        made.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return made


@pytest.mark.parametrize("host", FORBIDDEN)
def test_no_connection_to_addresses_that_are_not_public(host, no_connection):
    with pytest.raises(ForbiddenAddress):
        pages(f"http://{host}:8080/x")
    assert no_connection == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_is_guarded_too(scheme, no_connection):
    with pytest.raises(ForbiddenAddress):
        pages(f"{scheme}://127.0.0.1/x")
    assert no_connection == []


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`resolver(*answers)`: each look-up of a name gives the next list of addresses, the last one again."""

    def install(*answers: list[str]) -> None:
        left = list(answers)

        def getaddrinfo(host: str, port: int, *args: object, **kwargs: object) -> list[tuple]:
            addresses = left.pop(0) if len(left) > 1 else left[0]
            kinds = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in addresses]
            return [
                (kind, socket.SOCK_STREAM, 6, "", (each, port)) for kind, each in zip(kinds, addresses, strict=True)
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return install


def test_a_name_that_leads_inside_is_refused(resolver, no_connection):
    resolver(["127.0.0.1"])
    with pytest.raises(ForbiddenAddress):
        pages("http://data.example.cn/x")
    assert no_connection == []


def test_one_private_address_among_public_ones_is_enough(resolver, no_connection):
    resolver(["93.184.216.34", "10.0.0.1"])
    with pytest.raises(ForbiddenAddress):
        pages("http://data.example.cn/x")
    assert no_connection == []


def test_rebinding_gains_nothing(resolver, no_connection):
    """The address that was checked is the one that is connected to; the next look-up is checked again."""
    resolver(["93.184.216.34"], ["127.0.0.1"])
    with pytest.raises(SourceUnreachable):
        pages("http://data.example.cn/x")
    with pytest.raises(ForbiddenAddress):
        pages("http://data.example.cn/x")
    assert no_connection == [("93.184.216.34", 80)]


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:8080", " 127.0.0.1:8080 "])
def test_an_allowed_host_is_connected_to(entry, no_connection):
    with pytest.raises(SourceUnreachable):
        pages("http://127.0.0.1:8080/x", entry)
    assert no_connection == [("127.0.0.1", 8080)]


@pytest.mark.parametrize("entry", ["127.0.0.1:8081", "localhost", "127.0.0", ""])
def test_the_allowed_list_is_exact(entry, no_connection):
    with pytest.raises(ForbiddenAddress):
        pages("http://127.0.0.1:8080/x", entry)
    assert no_connection == []


def test_the_environment_names_no_proxy(monkeypatch, no_connection):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    with pytest.raises(SourceUnreachable):
        pages("http://93.184.216.34/x")
    assert no_connection == [("93.184.216.34", 80)]


def test_public_addresses():
    assert is_public("93.184.216.34")
    assert is_public("2606:4700::1111")
    assert is_public("::ffff:93.184.216.34")
    assert not is_public("fe80::1%eth0")
