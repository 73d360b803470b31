"""A TCP forwarder on loopback that can hold its next connection back: a slow moment of a server, to the instant."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """`hold()`: the next connection waits, `held` tells when it is there; `release()` lets it through."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "", parts.port or 80)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{self.listening.getsockname()[1]}"))
        self.held, self._open, self._hold = threading.Event(), threading.Event(), False

    def hold(self) -> None:
        self.held.clear()
        self._open.clear()
        self._hold = True

    def release(self) -> None:
        self._open.set()

    def serve(self) -> None:
        with suppress(OSError):                            # closed: the test is over
            while True:
                client, _ = self.listening.accept()
                hold, self._hold = self._hold, False
                threading.Thread(target=self._forward, args=(client, hold), daemon=True).start()

    def _forward(self, client: socket.socket, hold: bool) -> None:
        if hold:
            self.held.set()
            self._open.wait()
        with suppress(OSError), client, socket.create_connection(self.target) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def gate(url: str) -> Iterator[Gate]:
    """A gate in front of the server of `url`; use its `url` instead."""
    made = Gate(url)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.release()
        made.listening.close()
