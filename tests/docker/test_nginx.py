"""The real nginx with the configuration of docker/: published files from their folder, what is missing from CKAN."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from ckan import model as ckan_model
from ckan.plugins import toolkit
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ckanext.gkopen import blobs, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import files, served
from tests.people import Cast, make_cast
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit

CONF = Path(__file__).resolve().parents[2] / "docker/nginx/portal.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/gateway.conf;
    include {folder}/portal.conf;
}}
"""
Get = Callable[..., requests.Response]


class Portal(BaseHTTPRequestHandler):
    """In CKAN's place: says that it was asked."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("X-Asked", self.path)
        self.send_header("X-Who", self.headers["X-Forwarded-For"])
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def cast(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cast:
    folder = Path(toolkit.config["ckan.files.storage.gkopen_public.path"]).parent / "served"
    shutil.rmtree(folder, ignore_errors=True)
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.published_folder", str(folder))
    made = make_cast()
    approve(made, submit(made, *FIRST)["revision_id"])
    drain()
    return made


@pytest.fixture
def get(cast: Cast, tmp_path: Path) -> Iterator[Get]:
    if NGINX is None:
        pytest.skip("no nginx on this machine: install Debian's nginx-light, as .ci/run does")
    portal = ThreadingHTTPServer(("127.0.0.1", 0), Portal)
    threading.Thread(target=portal.serve_forever, args=[0.02], daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = toolkit.config["ckanext.gkopen.published_folder"]
    text = CONF.read_text("utf-8").replace("/var/lib/ckan/public/served", folder)
    text = text.replace("server web:5000;", f"server 127.0.0.1:{portal.server_port};")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/var/cache/nginx", str(tmp_path))
    text = text.replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "portal.conf").write_text(text, "utf-8")
    gateway = CONF.with_name("gateway.conf.template").read_text("utf-8").replace("${GKOPEN_GATEWAY}", "127.0.0.1")
    (tmp_path / "gateway.conf").write_text(gateway, "utf-8")
    main = MAIN.format(folder=tmp_path, user="user root;" if os.geteuid() == 0 else "")
    (tmp_path / "nginx.conf").write_text(main, "utf-8")
    server = subprocess.Popen([NGINX, "-c", str(tmp_path / "nginx.conf")])
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(max_retries=Retry(connect=8, backoff_factor=0.1)))

        def ask(path: str, method: str = "GET", **headers: str) -> requests.Response:
            sent: Any = {"Accept-Encoding": None} | {name.replace("_", "-"): value for name, value in headers.items()}
            answer = session.request(method, f"http://127.0.0.1:{port}{path}", headers=sent, stream=True)
            answer.bytes = answer.raw.read(decode_content=False)  # type: ignore[attr-defined]
            return answer

        yield ask
    server.terminate()
    server.wait(10)
    portal.shutdown()
    portal.server_close()
    assert not [line for line in (tmp_path / "error.log").read_text().splitlines() if "[crit]" in line]


def test_published_files_come_from_the_folder(get: Get, cast: Cast) -> None:
    for form, media_type in files.FORMS.items():
        answer: Any = get(f"/open/procurement/{cast.body}-procurement.{form}")
        assert answer.status_code == 200
        assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.bytes).hexdigest()}"'
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{cast.body}-procurement.{form}"'
        assert answer.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Last-Modified" in answer.headers
        assert answer.headers.get("Vary") == (None if form in ("xlsx", "parquet", "zip") else "Accept-Encoding")
    assert get("/open/procurement.csv").status_code == 200


def test_who_asks_is_whom_the_gateway_names(get: Get) -> None:
    assert get("/x", X_Forwarded_For="203.0.113.9").headers["X-Who"] == "203.0.113.9"
    assert get("/x", X_Forwarded_For="198.51.100.1, 203.0.113.9").headers["X-Who"] == "203.0.113.9"
    assert get("/x").headers["X-Who"] == "127.0.0.1"


def test_codings_conditions_and_ranges(get: Get, cast: Cast) -> None:
    path = f"/open/procurement/{cast.body}-procurement.csv"
    plain: Any = get(path)
    packed: Any = get(path, Accept_Encoding="gzip, deflate")
    etag = packed.headers["ETag"]
    assert packed.headers["Content-Encoding"] == "gzip"
    assert etag == plain.headers["ETag"][:-1] + '-gzip"'
    assert gzip.decompress(packed.bytes) == plain.bytes
    assert get(path, Accept_Encoding="gzip, br, zstd").headers["Content-Encoding"] == "zstd"
    assert "Content-Encoding" not in get(path, Accept_Encoding="br").headers
    again: Any = get(path, Accept_Encoding="gzip", If_None_Match=f'"x", W/{etag}')
    assert (again.status_code, again.bytes, again.headers["ETag"]) == (304, b"", etag)
    assert get(path, If_None_Match=etag).status_code == 200
    assert get(path, If_None_Match="*").status_code == 304
    assert get(path, If_Modified_Since=plain.headers["Last-Modified"]).status_code == 304
    assert get(path, If_None_Match='"x"', If_Modified_Since=plain.headers["Last-Modified"]).status_code == 200
    some: Any = get(path, Range="bytes=5-14")
    assert (some.status_code, some.bytes) == (206, plain.bytes[5:15])
    assert get(path, Range="bytes=99999999-").status_code == 416
    head: Any = get(path, "HEAD")
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(plain.bytes)))
    workbook = get(path.replace(".csv", ".xlsx"), Accept_Encoding="gzip, zstd")
    assert "Content-Encoding" not in workbook.headers


def test_the_rest_is_ckans(get: Get, cast: Cast) -> None:
    path = f"/open/procurement/{cast.body}-procurement.csv"
    for asked in ("/open/", "/open/index.json", "/open/procurement/nobody.csv", "/open/nothing.csv", "/open/../x.csv",
                  "/open/procurement/.hidden.csv"):
        assert "X-Asked" in get(asked).headers
    for headers in ({"Accept_Encoding": "gzip;q=0.5, *;q=0"}, {"If_Range": '"x"', "Range": "bytes=0-3"},
                    {"If_Match": '"x"'}):
        assert get(path, **headers).headers.get("X-Asked") == path


def test_keys_in_addresses_are_not_written_down(get: Get, tmp_path: Path) -> None:
    for asked in ("/office/feed.atom?token=geheim", "/en/office/feed.atom?token=geheim", "/user/reset/7?key=geheim",
                  "/zh_Hans_CN/user/reset/7?key=geheim", "/dataset/?q=office/"):
        get(asked)
    get("/")                                              # a request is written down after its answer: before the next
    noted = (tmp_path / "access.log").read_text("utf-8")
    assert "geheim" not in noted
    for line in ("GET /office/feed.atom HTTP", "GET /en/office/feed.atom HTTP", "GET /user/reset/7 HTTP",
                 "GET /zh_Hans_CN/user/reset/7 HTTP", "GET /dataset/?q=office/ HTTP"):
        assert line in noted


def test_the_addresses_of_another_language_have_the_same_limits(get: Get) -> None:
    login = [get(f"{prefix}/user/login").status_code for prefix in ("", "/en", "/zh_Hans_CN") * 5]
    assert login[:11] == [404] * 11
    assert login[-1] == 429
    assert "X-Cache" in get("/en/about").headers
    for asked in ("/en/open/index.json", "/en/open/", "/en/api/3/action/status_show", "/datastore/dump/x"):
        assert "X-Cache" not in get(asked).headers


def test_a_withdrawal_takes_the_file_away_at_once_and_a_sweep_puts_the_folder_right(get: Get, cast: Cast) -> None:
    path = f"/open/procurement/{cast.body}-procurement.csv"
    folder = Path(toolkit.config["ckanext.gkopen.published_folder"])
    whole: Any = get("/open/procurement.csv")
    files.bring_up_datasets(get_domain("procurement"), [files.Wanted(dataset_id(cast), 2, {})], blobs.read)
    ckan_model.Session.commit()
    assert get(path).headers["X-Asked"] == path
    assert not list((folder / "of/procurement").iterdir())
    shutil.rmtree(folder)
    (folder / "at").mkdir(parents=True)
    (folder / "at/left.csv").symlink_to(f"../of/{'0' * 64}.left.csv")
    (folder / "of").mkdir()
    (folder / f"of/{'1' * 64}-gzip.procurement.csv").write_text("of an earlier version, when a maker was killed")
    files.sweep()
    ckan_model.Session.commit()
    assert not (folder / "at/left.csv").is_symlink()
    assert not (folder / f"of/{'1' * 64}-gzip.procurement.csv").exists()
    restored: Any = get("/open/procurement.csv")
    assert (restored.bytes, restored.headers["ETag"]) == (whole.bytes, whole.headers["ETag"])


def test_a_sweep_that_just_settles_the_folder_brings_nothing_back(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(toolkit.config["ckanext.gkopen.published_folder"])
    rows = model.every("select address, sha256, variants, updated_at from gkopen.file where sha256 is not null")
    monkeypatch.setattr(files, "_own_storage", lambda: served.settle(rows))
    files.bring_up_datasets(get_domain("procurement"), [files.Wanted(dataset_id(cast), 2, {})], blobs.read)
    ckan_model.Session.commit()
    assert (folder / "at/procurement.csv").is_symlink()
    assert not list((folder / "at/procurement").iterdir())
    assert not list((folder / "of/procurement").iterdir())
