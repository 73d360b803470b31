"""Faults of the wire: what is sent instead of an answer, and how an answer is sent badly."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
import zlib
from collections.abc import Iterator

from werkzeug.wrappers import Request, Response

from ckanext.gkopen.simulator.faults import Faults

NOTICE = "<html><head><title>系统维护公告</title></head><body>请于次日 8 时后访问。</body></html>".encode("gbk")
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>统一身份认证</title></head><body>请登录</body></html>"
MEGABYTE = 1024 * 1024


class Transmission:
    """The wire of one call. `stopping` ends every wait when the server stops."""

    def __init__(self, faults: Faults, service: str, stopping: threading.Event):
        self._faults = faults
        self._service = service
        self._stopping = stopping

    def instead_of_answer(self, request: Request, page: int) -> Response | None:
        """A response that takes the place of the answer, or None."""
        if self._faults.take("timeout", self._service):
            self._stopping.wait()
            return Response(status=503)
        if self._faults.take("reset", self._service):
            _reset(request)
        if fault := self._faults.take("maintenance", self._service):
            return Response(NOTICE, status=fault.value or 200, content_type="text/html; charset=gbk")
        if self._faults.take("html", self._service):
            return Response(LOGIN_PAGE, content_type="text/html; charset=utf-8")
        if self._faults.take("500_on_page_N", self._service, page):
            return Response("Internal Server Error", status=500, mimetype="text/plain")
        if fault := self._faults.take("429", self._service):
            return self.too_many(1 if fault.value is None else fault.value)
        if self._faults.take("redirect_loopback", self._service):
            # Port 9 (discard) of this machine: a harvester that follows has connected where it must not.
            return Response(status=307, headers={"Location": "http://127.0.0.1:9/internal"})
        return None

    def too_many(self, seconds: int) -> Response:
        return Response("Too Many Requests", 429, {"Retry-After": str(seconds)}, mimetype="text/plain")

    def send(self, response: Response, request: Request) -> Response:
        """The answer, as the faults let it through; compressed when the caller takes gzip."""
        body = response.get_data()
        if self._faults.take("truncated_json", self._service):
            response.set_data(body[: len(body) * 2 // 3])
            return response
        if fault := self._faults.take("big_body", self._service):
            _replace_body(response, _blanks(fault.value or 100))
            return response
        if fault := self._faults.take("zip_bomb", self._service):
            response.set_data(_squeezed(fault.value or 100))
            response.headers["Content-Encoding"] = "gzip"
            return response
        if self._faults.take("half_body", self._service):
            _replace_body(response, iter([body[: len(body) // 2]]))
            response.headers["Content-Length"] = str(len(body))
            return response
        if self._faults.take("slow", self._service):
            _replace_body(response, self._drop_by_drop(body))
            response.headers["Content-Length"] = str(len(body))
            return response
        if len(body) > 1024 and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.set_data(gzip.compress(body, compresslevel=1))
            response.headers["Content-Encoding"] = "gzip"
        return response

    def _drop_by_drop(self, body: bytes) -> Iterator[bytes]:
        for at in range(len(body)):
            if self._stopping.wait(1.0):
                return
            yield body[at : at + 1]


def _replace_body(response: Response, chunks: Iterator[bytes]) -> None:
    response.headers.pop("Content-Length", None)
    response.response = chunks


def _squeezed(megabytes: int) -> bytes:
    """Blanks as gzip, never held in memory as a whole."""
    press = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(press.compress(blanks) for blanks in _blanks(megabytes)) + press.flush()


def _blanks(megabytes: int) -> Iterator[bytes]:
    for _ in range(megabytes):
        yield b" " * MEGABYTE


def _reset(request: Request) -> None:
    """Close with RST. The socket is the one of werkzeug's own server, which drops the call on the exception."""
    sock: socket.socket = request.environ["werkzeug.socket"]
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(sock.detach())
    raise ConnectionResetError
