"""A threaded HTTP server for the platform, in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ckanext.gkopen.simulator.faults import Fault
from ckanext.gkopen.simulator.folder import Folder
from ckanext.gkopen.simulator.platform import Platform
from ckanext.gkopen.simulator.signatures import PREFIX


class _Handler(WSGIRequestHandler):
    """Quiet: calls are counted, and a peer that hangs up in the middle is daily business here."""

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        # werkzeug drops names with underscores, and the national gateway's headers are written so.
        for name, value in self.headers.items():
            if name.startswith(f"{PREFIX}_"):
                environ[f"HTTP_{name.upper()}"] = value
        return environ

    def log(self, type: str, message: str, *args: Any) -> None:
        return

    def send_response(self, code: int, message: str | None = None) -> None:
        # The base class adds a Date of its own; the platform's clock may be off, so its Date is the one sent.
        self.send_response_only(code, message)


def bind(
    data: Path, secret: str, *, host: str = "127.0.0.1", port: int = 0, faults: list[Fault] | None = None
) -> tuple[BaseWSGIServer, Platform]:
    """A server that listens but does not serve yet; port 0 takes a free one (`server.port`).

    Raises FolderError, or OSError when the port is taken.
    """
    platform = Platform(Folder(data), secret, faults)
    # Listening here and not in werkzeug, which ends the process when the port is taken.
    with socket.create_server((host, port)) as listening:
        server = make_server(host, port, platform, threaded=True, request_handler=_Handler, fd=listening.fileno())
    server.daemon_threads = True  # pyright: ignore[reportAttributeAccessIssue]
    return server, platform


@contextmanager
def running(
    data: Path, secret: str, *, port: int = 0, faults: list[Fault] | None = None
) -> Iterator[tuple[str, Platform]]:
    """The platform on a thread of its own; gives its address (`http://127.0.0.1:PORT`) and the platform."""
    server, platform = bind(data, secret, port=port, faults=faults)
    # It sees that it shall stop when it next looks up: half a second where nothing is said.
    thread = threading.Thread(target=server.serve_forever, args=[0.02], name="simulator", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}", platform
    finally:
        platform.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
