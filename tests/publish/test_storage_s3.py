"""Published files in an object store: a real S3 server (moto's), the whole way from a part to a range of a download."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ckan import model as ckan_model
from ckan.lib import files as storages
from ckan.tests.helpers import CKANTestApp
from moto.server import ThreadedMotoServer

from ckanext.gkopen import blobs, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import files, sigv4, store
from ckanext.gkopen.publish.storage_s3 import S3Storage, StoreError
from tests.people import make_cast
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit

PROCUREMENT = get_domain("procurement")
KEYS = ("an-access-key", "a/secret+key")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def objects(endpoint: str, site: Any, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    """`gkopen_public` is a bucket of the server, made by the adapter."""
    for name, value in zip(("GKOPEN_S3_ACCESS_KEY", "GKOPEN_S3_SECRET_KEY"), KEYS, strict=True):
        monkeypatch.setenv(name, value)
    storage = storages.make_storage("gkopen_public", {
        "type": "gkopen:s3", "endpoint": endpoint, "bucket": "gkopen", "path": "public", "initialize": True})
    assert isinstance(storage, S3Storage)
    for place in storage.scan():
        storage.remove(storages.FileData(storage.prepare_location(place)))
    monkeypatch.setitem(storages.storages.members, "gkopen_public", storage)
    return storage


def put(storage: S3Storage, place: str, data: bytes) -> Any:
    upload = storages.Upload(io.BytesIO(data), place, len(data), "text/csv")
    return storage.upload(storage.prepare_location(place), upload)


def test_objects_come_back_as_they_were_put(objects: S3Storage) -> None:
    text = "江海市,1\n".encode() * 100_000
    for place, data in (("ab/cd/one", text), ("ab/cd/one.gz", b"x"), ("空 格+%/二~", b"y"), ("empty", b"")):
        held = put(objects, place, data)
        assert objects.content(held) == data
        assert objects.exists(held)
        assert objects.size(held.location) == len(data)
    assert sorted(objects.scan()) == sorted(["ab/cd/one", "ab/cd/one.gz", "空 格+%/二~", "empty"])
    one = storages.FileData(objects.prepare_location("ab/cd/one"), size=len(text))
    some: Any = objects.stream(one, start=1_000_003)
    assert some.read(10) == text[1_000_003:1_000_013]
    some.close()
    objects.remove(one)
    objects.remove(one)
    assert not objects.exists(one)
    with pytest.raises(storages.exc.MissingFileError):
        objects.content(one)
    with pytest.raises(storages.exc.MissingFileError):
        objects.size(one.location)


def test_a_long_list_is_told_whole(objects: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 lists a thousand names at a time."""
    names = {f"{n:04}" for n in range(1005)}
    for name in names:
        put(objects, name, b"1")
    assert set(objects.scan()) == names


def test_the_signature_is_that_of_amazons_own_client() -> None:
    url = "https://s3.example.gov.cn:9000/gkopen/public/%E7%A9%BA%20~/x"
    query = {"list-type": "2", "prefix": "public/空 ~", "continuation-token": "a=/b+c"}
    now = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
    headers = sigv4.signed("GET", urlsplit(url), query, {"Range": "bytes=5-"}, KEYS, "cn-north-1",
                           payload=sigv4.EMPTY, now=now)
    sent = {name: value for name, value in headers.items() if name != "Authorization"}
    request: Any = AWSRequest("GET", url, params=query, headers=sent)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = S3SigV4Auth(Credentials(*KEYS), "s3", "cn-north-1")
    text = auth.string_to_sign(request, auth.canonical_request(request))
    assert headers["Authorization"].rsplit("=", 1)[1] == auth.signature(text, request)


def test_a_store_that_refuses_is_told_in_a_sentence(objects: S3Storage, endpoint: str) -> None:
    other: Any = storages.make_storage("other", {"type": "gkopen:s3", "endpoint": endpoint, "bucket": "nobody-made-it"})
    with pytest.raises(StoreError, match=r"(?s)did not carry out PUT .*nobody-made-it/x: 404 .*NoSuchBucket"):
        put(other, "x", b"1")


def test_without_keys_the_storage_says_what_to_set(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GKOPEN_S3_SECRET_KEY", raising=False)
    with pytest.raises(storages.exc.InvalidStorageConfigurationError, match="GKOPEN_S3_SECRET_KEY"):
        storages.make_storage("other", {"type": "gkopen:s3", "endpoint": endpoint, "bucket": "x"})


def test_published_files_live_in_the_object_store(objects: S3Storage, web: object) -> None:
    cast, browser = make_cast(), CKANTestApp(web)
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    address = f"/open/procurement/{cast.body}-procurement"
    for form in files.FORMS:
        whole = browser.get(f"{address}.{form}", headers={"Accept-Encoding": "identity"})
        assert whole.headers["ETag"] == f'"{hashlib.sha256(whole.data).hexdigest()}"'
        some = browser.get(f"{address}.{form}", headers={"Range": "bytes=7-30", "Accept-Encoding": "identity"})
        assert (some.status_code, some.data) == (206, whole.data[7:31])
    held = set(objects.scan())
    parts = {row["part"]: row["sha256"] for row in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    parts["2024-05"] = blobs.put(blobs.read(parts["2024-05"]).replace(b"NT-2024", b"NT-2023"), "text/csv")
    files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 2, parts)], blobs.read)
    ckan_model.Session.commit()
    patched = browser.get(f"{address}.csv").data
    assert b"NT-2023-001" in patched
    assert "学校食堂".encode() in patched, "what did not change is copied from the store"
    assert files.sweep()
    ckan_model.Session.commit()
    assert not held & set(objects.scan()) - {store.location(row["sha256"], coding) for row in model.every(
        "select sha256 from gkopen.file where dataset_id is null and sha256 is not null") for coding in store.SUFFIX}
    files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 3, {})], blobs.read)
    ckan_model.Session.commit()
    assert browser.get(f"{address}.csv").status_code == 410
    named = {row["sha256"] for row in model.every("select sha256 from gkopen.file where sha256 is not null")}
    assert {place.rsplit("/", 1)[-1].split(".")[0] for place in objects.scan()} == named
