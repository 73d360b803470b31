from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def unused_tcp_port_socket() -> Iterator[socket.socket]:
    """A socket that listens on a port of its own, so that nobody else can."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken
