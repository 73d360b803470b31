"""What HTTP asks of the files below /open/: codings, conditions, ranges, and requests that make no sense."""

from __future__ import annotations

import gzip
import hashlib

import pyarrow as pa
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen.domains import get_domain
from tests.people import Cast
from tests.publish.sample import address

PROCUREMENT = get_domain("procurement")


def test_conditions_ranges_and_head(cast: Cast, browser: CKANTestApp) -> None:
    whole = browser.get(address(cast))
    etag, changed = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert browser.get(address(cast), headers={"If-None-Match": etag}).status_code == 304
    assert browser.get(address(cast), headers={"If-None-Match": '"other"'}).status_code == 200
    assert browser.get(address(cast), headers={"If-Modified-Since": changed}).status_code == 304
    some = browser.get(address(cast), headers={"Range": "bytes=5-14"})
    assert (some.status_code, some.data) == (206, whole.data[5:15])
    assert some.headers["Content-Range"] == f"bytes 5-14/{len(whole.data)}"
    last = browser.get(address(cast), headers={"Range": "bytes=-4", "If-Range": etag})
    assert (last.status_code, last.data) == (206, whole.data[-4:])
    outdated = browser.get(address(cast), headers={"Range": "bytes=-4", "If-Range": '"other"'})
    assert (outdated.status_code, outdated.data) == (200, whole.data)
    beyond = browser.get(address(cast), headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.data)}")
    head = browser.test_client().head(address(cast))
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(whole.data)))


CODINGS = {
    None: None, "": None, "gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd",
    "gzip;q=1.0, zstd;q=0.5": "gzip", "zstd;q=0, gzip": "gzip", "*": "zstd", "*;q=0": None, "br": None,
    "gzip;q=0.2, identity;q=0.8": None, "identity;q=0, gzip;q=0.1": "gzip", "gzip;q=nonsense": None, ";;,==": None,
    "GZIP": "gzip", "identity": None}
"""Accept-Encoding → Content-Encoding."""


def test_the_coding_that_the_client_asks_for(cast: Cast, browser: CKANTestApp) -> None:
    plain = browser.get(address(cast)).data
    sha256 = hashlib.sha256(plain).hexdigest()
    unpack = {"gzip": gzip.decompress, "zstd": unzstd, None: bytes}
    for accepted, coding in CODINGS.items():
        answer = browser.get(address(cast), headers={} if accepted is None else {"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == coding, accepted
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["ETag"] == (f'"{sha256}-{coding}"' if coding else f'"{sha256}"')
        assert unpack[coding](answer.data) == plain
        assert answer.headers["Content-Length"] == str(len(answer.data))


def unzstd(data: bytes) -> bytes:
    return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()


def test_conditions_and_ranges_belong_to_the_representation(cast: Cast, browser: CKANTestApp) -> None:
    asked = {"Accept-Encoding": "gzip"}
    packed = browser.get(address(cast), headers=asked)
    plain = browser.get(address(cast))
    again = browser.get(address(cast), headers={**asked, "If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.headers["Vary"], again.data) == (304, "Accept-Encoding", b"")
    assert browser.get(address(cast), headers={"If-None-Match": packed.headers["ETag"]}).status_code == 200
    some = browser.get(address(cast), headers={**asked, "Range": "bytes=3-9", "If-Range": packed.headers["ETag"]})
    assert (some.status_code, some.data) == (206, packed.data[3:10])
    assert some.headers["Content-Range"] == f"bytes 3-9/{len(packed.data)}"
    other = browser.get(address(cast), headers={**asked, "Range": "bytes=3-9", "If-Range": plain.headers["ETag"]})
    assert (other.status_code, other.data) == (200, packed.data)
    for form in ("xlsx", "zip", "parquet"):
        whole = browser.get(address(cast, form), headers={"Accept-Encoding": "gzip, zstd"})
        assert "Content-Encoding" not in whole.headers
        assert "Vary" not in whole.headers


NONSENSE = (
    {"Range": "lines=1-2"}, {"Range": "bytes=9-3"}, {"Range": f"bytes={'1' * 5000}-1"}, {"Range": "bytes=0-1,5-6"},
    {"Range": "bytes=x"}, {"Range": "bytes="}, {"Range": "bytes=-"}, {"Range": "bytes"},
    {"If-Modified-Since": "yesterday"}, {"If-None-Match": "no quotes at all"}, {"If-None-Match": 'W/"'},
    {"If-Modified-Since": "\u00ff"}, {"Range": "bytes=0-3", "If-Range": "rubbish"})


def test_what_makes_no_sense_is_ignored_as_the_standard_says(cast: Cast, browser: CKANTestApp) -> None:
    whole = browser.get(address(cast)).data
    for headers in NONSENSE:
        answer = browser.get(address(cast), headers=headers)
        assert (answer.status_code, answer.data) == (200, whole), headers
        assert "Content-Range" not in answer.headers


def test_other_conditions_of_the_standard(cast: Cast, browser: CKANTestApp) -> None:
    plain = browser.get(address(cast))
    etag = plain.headers["ETag"]

    def status(**headers: str) -> int:
        return browser.get(address(cast), headers={n.replace("_", "-"): v for n, v in headers.items()}).status_code

    assert status(If_None_Match="*") == 304
    assert status(If_None_Match=f"W/{etag}") == 304, "weak comparison"
    assert status(If_None_Match=f'"a", {etag}, "b"') == 304
    assert status(If_None_Match='"a"', If_Modified_Since=plain.headers["Last-Modified"]) == 200, "the tag wins"
    assert status(Range="bytes=0-3", If_Range=f"W/{etag}") == 200, "strong comparison"
    assert status(Range="bytes=0-3", If_Range=plain.headers["Last-Modified"]) == 206
    assert status(Range="BYTES=0-3") == 206
    assert status(Range="bytes=0-99999999999") == 206
    assert status(Range="bytes=0-3", If_None_Match=etag) == 304, "the file is the client's already"
    assert status(Range="bytes=0-3", If_None_Match='"a"') == 206
    ending = browser.get(address(cast), headers={"Range": f"bytes=-{len(plain.data) + 1}"})
    assert (ending.status_code, ending.data) == (206, plain.data), "who wants more of the end than there is wants all"
    assert ending.headers["Content-Range"] == f"bytes 0-{len(plain.data) - 1}/{len(plain.data)}"
    assert status(Range="bytes=-0") == 416
    assert status(Range="bytes=-0", If_Range='"a"') == 200
    assert status(If_Match="*") == status(If_Match=f'"a", {etag}') == 200
    assert status(If_Match=etag, If_None_Match=etag) == 304
    assert status(If_Match=f"W/{etag}") == 412, "strong comparison"
    assert status(If_Unmodified_Since=plain.headers["Last-Modified"]) == 200
    assert status(If_Unmodified_Since="Mon, 01 Jan 2024 00:00:00 GMT") == 412
    other = browser.get(address(cast), headers={"If-Match": '"a"'})
    assert (other.status_code, other.mimetype) == (412, "text/plain") and "no-store" in other.headers["Cache-Control"]
    head = browser.test_client().head(address(cast), headers={"Range": "bytes=0-3"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(plain.data)))
