"""A real SMTP server on 127.0.0.1, small: it keeps what it is given, and can refuse on demand."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import default
from typing import Any


class Postbox(socketserver.ThreadingTCPServer):
    """`refuse`: the answer to RCPT instead of 250, such as "451 later" or "550 no such user"; `bye`: the one to QUIT;
    `endless`: instead of greeting it sends letter after letter until the other side has had enough."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.mails: list[EmailMessage] = []
        self.raw: list[str] = []
        self.refuse: str | None = None
        self.bye = "221 bye"
        self.endless = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.StreamRequestHandler):
    server: Postbox

    def handle(self) -> None:
        if self.server.endless:
            self._go_on()
            return
        self._say("220 test")
        while line := self.rfile.readline():
            verb = line.decode().strip().upper()
            if verb.startswith(("EHLO", "HELO", "MAIL", "RSET", "NOOP")):
                self._say("250 ok")
            elif verb.startswith("RCPT"):
                self._say(self.server.refuse or "250 ok")
            elif verb.startswith("DATA"):
                self._say("354 go on")
                self._keep()
                self._say("250 kept")
            elif verb.startswith("QUIT"):
                self._say(self.server.bye)
                return
            else:
                self._say("502 unknown")

    def _go_on(self) -> None:
        self.connection.settimeout(0.02)
        with suppress(ConnectionError):
            while True:
                self.wfile.write(b"2")
                with suppress(TimeoutError):
                    if self.connection.recv(1) == b"":
                        return

    def _keep(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        data = b"".join(lines)
        message = email.message_from_bytes(data, policy=default)
        assert isinstance(message, EmailMessage)
        self.server.mails.append(message)
        self.server.raw.append(data.decode("utf-8", "replace"))

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def postbox() -> Iterator[Any]:
    with Postbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
