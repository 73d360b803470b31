"""gunicorn takes an address that was typed in Chinese, and still none with blanks or controls."""

import pytest
from gunicorn.config import Config
from gunicorn.http import message
from gunicorn.http.errors import InvalidRequestLine
from gunicorn.http.parser import RequestParser

from ckanext.gkopen.embedded.request_line import take_typed_addresses


def parsed(target: bytes) -> message.Request:
    return next(RequestParser(Config(), iter([b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"]), ("127.0.0.1", 1)))


def test_chinese_in_an_address_needs_no_encoding(monkeypatch):
    with pytest.raises(InvalidRequestLine):
        parsed("/?q=公路".encode())     # no more needed where gunicorn takes it by itself
    refused = vars(message)["RFC9112_TARGET_INVALID"]
    monkeypatch.setattr(message, "RFC9112_TARGET_INVALID", refused)       # put back afterwards
    take_typed_addresses()
    request = parsed("/dataset/停车?q=公路".encode())
    assert (request.query or "").encode("latin-1").decode() == "q=公路"
    for target in (b"/a\x00b", b"/a\x1fb", b"/a\x7fb"):
        with pytest.raises(InvalidRequestLine):
            parsed(target)
