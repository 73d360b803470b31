"""CKAN file storage `gkopen:s3`: objects of an S3-compatible store (AWS, MinIO, Ceph, SeaweedFS, cloud providers).

    ckan.files.storage.gkopen_public.type = gkopen:s3
    ckan.files.storage.gkopen_public.endpoint = https://s3.example.gov.cn
    ckan.files.storage.gkopen_public.bucket = gkopen
    ckan.files.storage.gkopen_public.path = public

The keys come from the environment alone: GKOPEN_S3_ACCESS_KEY and GKOPEN_S3_SECRET_KEY. Addresses are path-style. An
upload is one PUT, of at most 5 GB, as S3 allows; what is read may begin anywhere (`stream(data, start=...)`).
"""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import requests
from ckan.config.declaration import Declaration, Key
from ckan.lib.files import base, exc

from ckanext.gkopen.publish.sigv4 import EMPTY, UNSIGNED, signed

TIMEOUT = (5, 60)
"""Seconds to connect and between two pieces of an answer."""
TRIES = 3
"""Of a request that got no answer, or 5xx."""
PIECE = 1 << 18
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class StoreError(Exception):
    """The object store refused, or gave no answer. The sentence names the request and the store's own words."""


@dataclasses.dataclass()
class Settings(base.Settings):
    endpoint: str = ""
    bucket: str = ""
    region: str = "us-east-1"

    _required_options: ClassVar[list[str]] = ["endpoint", "bucket"]

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.endpoint, self.path = self.endpoint.rstrip("/"), self.path.strip("/")
        missing = [n for n in ("GKOPEN_S3_ACCESS_KEY", "GKOPEN_S3_SECRET_KEY") if not os.environ.get(n)]
        if missing:
            raise exc.InvalidStorageConfigurationError(self.name, f"set {' and '.join(missing)} in the environment")


class _Client:
    """One HTTP session a thread; every request signed by AWS Signature Version 4."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = os.environ["GKOPEN_S3_ACCESS_KEY"], os.environ["GKOPEN_S3_SECRET_KEY"]
        self.local = threading.local()

    def ask(self, method: str, key: str = "", *, query: dict[str, str] | None = None, body: Any = None,
            headers: dict[str, str] | None = None, may_miss: bool = False) -> requests.Response:
        """:raises StoreError: an answer of 4xx (`may_miss`: but 404) or 5xx, or none"""
        path = quote(f"/{self.settings.bucket}/{key}" if key else f"/{self.settings.bucket}", safe="/-_.~")
        url = self.settings.endpoint + path
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(0.2 * 2**attempt)
                if body is not None:
                    body.seek(0)
            sent = signed(method, urlsplit(url), query or {}, headers or {}, self.keys, self.settings.region,
                          payload=EMPTY if body is None else UNSIGNED)
            try:
                answer = self._session().request(method, url, params=query, data=body, headers=sent, timeout=TIMEOUT,
                                                 stream=True, allow_redirects=False)
            except requests.RequestException as error:
                problem = str(error)
                continue
            if answer.status_code < 300 or (may_miss and answer.status_code == 404):
                return answer
            problem = f"{answer.status_code} {answer.text[:300]}"
            answer.close()
            if answer.status_code < 500:
                break
        raise StoreError(f"the object store did not carry out {method} {url}: {problem}")

    def _session(self) -> requests.Session:
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            # Machines of the portal's own network: no proxy, no .netrc.
            self.local.session.trust_env = False
        return self.local.session


class Uploader(base.Uploader):
    storage: S3Storage
    capabilities = base.Capability.CREATE

    def upload(self, location: base.Location, upload: Any, extras: dict[str, Any]) -> base.FileData:
        headers = {"Content-Type": upload.content_type or "application/octet-stream",
                   "Content-Length": str(upload.size)}
        # An empty stream would be sent in chunks, which S3 refuses.
        body = upload.stream if upload.size else None
        self.storage.client.ask("PUT", self.storage.key(location), body=body, headers=headers).close()
        return base.FileData(location, size=upload.size, content_type=upload.content_type)


class Reader(base.Reader):
    storage: S3Storage
    capabilities = base.Capability.STREAM

    def stream(self, data: base.FileData, extras: dict[str, Any]) -> Any:
        """The bytes from `start` (0) to the end: iterable, with `read` and `close`."""
        start = extras.get("start", 0)
        headers = {"Range": f"bytes={start}-"} if start else {}
        answer = self.storage.client.ask("GET", self.storage.key(data.location), headers=headers, may_miss=True)
        if answer.status_code == 404:
            raise exc.MissingFileError(self.storage, data.location)
        return Coming(answer)


class Coming:
    """The body of an answer, as it comes."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer = answer

    def read(self, size: int | None = None) -> bytes:
        return self.answer.raw.read(size)

    def __iter__(self) -> Iterator[bytes]:
        yield from self.answer.iter_content(PIECE)

    def close(self) -> None:
        self.answer.close()


class Manager(base.Manager):
    storage: S3Storage
    capabilities = (base.Capability.REMOVE | base.Capability.SCAN | base.Capability.EXISTS | base.Capability.ANALYZE)

    def exists(self, data: base.FileData, extras: dict[str, Any]) -> bool:
        with self.storage.client.ask("HEAD", self.storage.key(data.location), may_miss=True) as answer:
            return answer.status_code != 404

    def analyze(self, location: base.Location, extras: dict[str, Any]) -> base.FileData:
        with self.storage.client.ask("HEAD", self.storage.key(location), may_miss=True) as answer:
            if answer.status_code == 404:
                raise exc.MissingFileError(self.storage, location)
            return base.FileData(location, size=int(answer.headers["Content-Length"]),
                                 content_type=answer.headers.get("Content-Type", ""))

    def remove(self, data: base.FileData, extras: dict[str, Any]) -> bool:
        """Gone, also where it was not there: S3 does not tell the difference."""
        self.storage.client.ask("DELETE", self.storage.key(data.location), may_miss=True).close()
        return True

    def scan(self, extras: dict[str, Any]) -> Iterator[str]:
        prefix = f"{self.storage.settings.path}/" if self.storage.settings.path else ""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            with self.storage.client.ask("GET", query=query) as answer:
                listed = ElementTree.fromstring(answer.content)
            for entry in listed.iter(f"{NAMESPACE}Key"):
                yield (entry.text or "").removeprefix(prefix)
            following = listed.findtext(f"{NAMESPACE}NextContinuationToken")
            if not following:
                return
            query["continuation-token"] = following


class S3Storage(base.Storage):
    """Objects in one bucket, below the prefix `path`."""

    settings: Settings
    SettingsFactory = Settings
    UploaderFactory = Uploader
    ReaderFactory = Reader
    ManagerFactory = Manager

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.client = _Client(self.settings)
        if self.settings.initialize:
            with self.client.ask("HEAD", may_miss=True) as answer:
                missing = answer.status_code == 404
            if missing:
                self.client.ask("PUT").close()

    def key(self, location: str) -> str:
        return f"{self.settings.path}/{location}" if self.settings.path else location

    @classmethod
    def declare_config_options(cls, declaration: Declaration, key: Key) -> None:
        super().declare_config_options(declaration, key)
        declaration.declare(key.endpoint, "").set_description(
            "Address of the object store, for example https://s3.example.gov.cn")
        declaration.declare(key.bucket, "").set_description(
            "The bucket; `initialize` makes it where it is missing.")
        declaration.declare(key.region, "us-east-1").set_description("The region that requests are signed for.")
