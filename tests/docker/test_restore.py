"""Row 41: what backup.sh saved, restore.sh brings to an empty machine: a new PostgreSQL, empty folders, an empty index.

The scripts are the very ones, and so are compose.yaml's environment, production.ini, init.py and gunicorn.py; only the
program `docker` is another (here.py), which runs a service's command on this machine.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import eq
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg2
import pysolr
import pytest
from ckan.plugins import toolkit
from psycopg2 import sql
from rdflib import Graph
from rdflib.compare import isomorphic

from ckanext.gkopen import ids, model
from ckanext.gkopen.embedded.databases import Databases
from ckanext.gkopen.embedded.keeping import JsonFile, free_port
from ckanext.gkopen.embedded.places import make_folder
from ckanext.gkopen.embedded.postgres import Postgres
from ckanext.gkopen.embedded.servers import ELSEWHERE, Servers
from ckanext.gkopen.embedded.site import Site
from ckanext.gkopen.harvest import worker
from tests.docker.machine import Machine
from tests.docker.setup_files import example
from tests.fresh import TABLES
from tests.leaks import crawl
from tests.leaks.crawl import Seen
from tests.leaks.world import PUBLIC_ROW, World, build

STRANGER = {"X-Forwarded-For": "203.0.113.9"}
SAME: dict[str, Callable[[bytes, bytes], bool]] = {
    "file": eq, "interface": eq, "graph": lambda one, other: isomorphic(turtle(one), turtle(other))}
"""How bodies are compared; pages of HTML, which hold the moment of their making, by their status alone."""
SAVED = ("gkopen.dump", "gkopen_datastore.dump", "private.tar", "public.tar", "ckan.tar", "env", "sources.env")


@pytest.fixture
def boxes(site: Site, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Machine, Machine]]:
    """The machine that has the portal, and an empty one: another PostgreSQL without roles and databases."""
    home = servers.home.with_name(f"{servers.home.name}-boxes")
    shutil.rmtree(home, ignore_errors=True)
    make_folder(home)
    programs = next(server for server in servers.all if isinstance(server, Postgres)).programs
    programs = programs if programs.exists() else Postgres(home).programs
    old = Machine(home / "old", site.databases, programs, servers.redis_url, servers.solr_url)
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.published_folder", str(home / "old/public/served"))
    write_secrets(old, site, servers)
    for name in ("valkey", "solr"):
        monkeypatch.setenv(ELSEWHERE[name], {"valkey": servers.redis_url, "solr": servers.solr_url}[name])
    monkeypatch.delenv(ELSEWHERE["postgres"], raising=False)
    # As the container does on an empty volume, the new server takes the password that the secrets name.
    JsonFile(home / "secrets.json").change(postgres=urlsplit(site.databases.superuser).password)
    try:
        with Servers(home, durable=False, tell=lambda _: None) as empty:
            databases = Databases(empty.postgres_url, site.databases.name, site.databases.password,
                                  site.databases.read_password)
            yield old, Machine(home / "new", databases, programs, servers.redis_url, servers.solr_url)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_secrets(machine: Machine, site: Site, servers: Servers) -> None:
    values = {**example(), "CKAN_SITE_URL": toolkit.config["ckan.site_url"], "CKAN_WEB_WORKERS": "1",
              "POSTGRES_PASSWORD": urlsplit(site.databases.superuser).password,
              "CKAN_DB_PASSWORD": site.databases.password, "CKAN_DB_READ_PASSWORD": site.databases.read_password,
              "VALKEY_PASSWORD": urlsplit(servers.redis_url).password or "",
              "CKAN_SECRET_KEY": toolkit.config["SECRET_KEY"], "CKAN_CSRF_SECRET_KEY": "0f" * 32,
              "CKAN_OCDS_PREFIX": toolkit.config["ckanext.gkopen.prefix.ocds"],
              "CKAN_OC4IDS_PREFIX": toolkit.config["ckanext.gkopen.prefix.oc4ids"],
              "CKAN_SITE_TITLE": toolkit.config["ckan.site_title"],
              "CKAN_TOKEN_SECRET": toolkit.config["api_token.jwt.encode.secret"].removeprefix("string:")}
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    (machine.folder / "docker/.env").write_text(lines, "utf-8")
    (machine.folder / "docker/sources.env").write_text("GKOPEN_SECRET_DEMO=only-for-tests\n", "utf-8")


def take_files(site: Site, machine: Machine) -> None:
    """The tests' storages, laid out as in production: contents and the web server's folder on one volume."""
    shutil.copytree(site.storage / "public", machine.folder / "public/content", copy_function=os.link)
    for name in ("private", "ckan"):
        shutil.copytree(site.storage / name, machine.folder / name, dirs_exist_ok=True)


def tables(databases: Databases) -> dict[str, tuple[Any, ...]]:
    """Table → (rows, hash over all of them); sequence → its last value. Of both databases."""
    found: dict[str, tuple[Any, ...]] = {}
    for name in (databases.name, databases.datastore):
        with psycopg2.connect(databases.as_superuser(name)) as connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
            for (table,) in cursor.fetchall():
                cursor.execute(f"select count(*), md5(string_agg(t::text, e'\\n' order by t::text collate \"C\"))"
                               f" from {table} t")
                found[f"{name}.{table}"] = tuple(cursor.fetchone() or ())
            cursor.execute("select schemaname || '.' || sequencename, last_value from pg_sequences")
            found |= {f"{name}.{sequence}": (value,) for sequence, value in cursor.fetchall()}
            cursor.execute("select tgrelid::regclass::text, tgname, tgenabled from pg_trigger where not tgisinternal")
            found |= {f"{name}.{table} trigger {trigger}": (on,) for table, trigger, on in cursor.fetchall()}
    return found


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    """Name → (sha256, mode) of every file and link of the three storages."""
    return {str(path.relative_to(folder)): (
        str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest(),
        path.lstat().st_mode) for name in ("private", "public", "ckan")
        for path in (folder / name).rglob("*") if path.is_symlink() or path.is_file()}


@contextmanager
def web(machine: Machine, log: Path) -> Iterator[http.client.HTTPConnection]:
    """The portal as the image starts it, on a free port."""
    port = free_port()
    with log.open("wb") as said:
        process = machine.service("web", "gunicorn", "--config", "docker/gunicorn.py", "--bind", f"127.0.0.1:{port}",
                                  "ckanext.gkopen.embedded.wsgi", stdout=said, stderr=said)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                if ask(connection, "/readyz")[0] == 200:
                    break
            except OSError:
                connection.close()
            assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8")
            time.sleep(0.1)
        while '"GET /readyz HTTP/1.1" 200' not in log.read_text("utf-8"):          # gunicorn's own logs are written
            assert time.monotonic() < end
            time.sleep(0.1)
        yield connection
    finally:
        connection.close()
        process.terminate()
        process.wait()


def ask(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str] = STRANGER
        ) -> tuple[int, str, bytes]:
    """Status, headers, body."""
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    return answer.status, str(answer.headers), answer.read()


def turtle(data: bytes) -> Graph:
    return Graph().parse(data=data, format="turtle")


def asked(world: World, app: Any) -> dict[str, str]:
    """Address → endpoint: everything that has bytes, what the interfaces answer, and one address of each route."""
    name, table = world.public_name, ids.resource_id(world.public)
    found = {f"/open/{row['address']}": "file" for row in model.every("select address from gkopen.file")}
    found |= dict.fromkeys((
        f"/api/3/action/package_show?id={name}", f"/api/3/action/datastore_search?resource_id={table}",
        "/api/3/action/datastore_search?resource_id=procurement&q=停车", f"/datastore/dump/{table}",
        f"/api/3/action/gkopen_changes?dataset={name}", "/api/3/action/package_search?q=采购"), "interface")
    found |= dict.fromkeys((f"/dataset/{name}.ttl", "/catalog.ttl"), "graph")
    for endpoint, path, methods in crawl.addresses(world, app.flask_app.url_map.iter_rules()):
        if "GET" in methods and endpoint not in found.values():
            found.setdefault(path, endpoint)
    return {quote(path, safe="/?&=%:,;+@~!$'()*"): endpoint for path, endpoint in found.items()}


def test_an_empty_machine_has_everything_again(boxes: tuple[Machine, Machine], site: Site, servers: Servers, app: Any,
                                               tmp_path: Path) -> None:
    old, new = boxes
    world = build()
    worker.sweep()                                         # as each hour: bytes that no address names any more go
    take_files(site, old)
    done = old.run("backup.sh", tmp_path)
    assert done.returncode == 0, done.stderr
    [backup] = tmp_path.iterdir()
    assert {path.name for path in backup.iterdir()} == {*SAVED, "SHA256SUMS"}
    assert {path.stat().st_mode & 0o077 for path in (backup, *backup.iterdir())} == {0}
    app.client = app.test_client(use_cookies=False)
    app.client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    addresses = asked(world, app)
    before = {path: app.client.get(path, follow_redirects=False) for path in addresses}
    wanted = tables(site.databases)
    pysolr.Solr(servers.solr_url).delete(q="*:*", commit=True)
    what_is_not_whole_is_refused(old, new, backup)

    done = new.run("restore.sh", backup)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all is well", "the restore ends with `ckan gkopen verify`"
    found = tables(new.databases)
    assert {name: (found.get(name), value) for name, value in wanted.items() if found.get(name) != value} == {}
    assert found.keys() == wanted.keys()
    assert contents(old.folder).items() <= contents(new.folder).items()
    more = contents(new.folder).keys() - contents(old.folder).keys()
    assert more <= {"ckan/licences/licenses.json"}, "which every start of CKAN writes"
    assert (new.folder / "docker/.env").read_bytes() == (old.folder / "docker/.env").read_bytes()
    assert (new.folder / "private").stat().st_mode & 0o777 == 0o700
    served = [path for path in (new.folder / "public/served/of").rglob("*") if path.is_file()]
    assert served and all(path.stat().st_nlink > 1 for path in served), "links to the storage, not copies"

    seen, different, compared = Seen(), {}, 0
    with web(new, tmp_path / "web.log") as connection:
        for path, endpoint in addresses.items():
            status, headers, body = ask(connection, path)
            seen.look(path, headers + crawl.text_of(body), unquote(path), world.secrets)
            same = (before[path].status_code, before[path].get_data() if endpoint in ("file", "interface") else body)
            compared += endpoint in ("file", "interface")
            if same != (status, body):
                different[path] = (before[path].status_code, status)
        token = {**STRANGER, "Authorization": world.tokens[world.cast.officer]}
        held = json.loads(ask(connection, f"/api/3/action/gkopen_revision_show?id={world.revisions['held']}", token)[2])
        cookie = ask(connection, "/user/login")[1]
    assert different == {} and seen.leaks == {}
    assert held["result"]["state"] == "held", "people's tokens are valid again"
    assert "ckan=" in cookie and "Secure" in cookie
    assert PUBLIC_ROW in before[f"/open/procurement/{world.public_name}.csv"].get_data(as_text=True)
    private_stays_private(new, world, servers)
    print(f"{len(wanted)} tables and sequences, {len(served)} public files, {len(addresses)} addresses ({compared} byte"
          f" for byte) equal; {seen.tried} answers without a canary")


def what_is_not_whole_is_refused(old: Machine, new: Machine, backup: Path) -> None:
    """A byte changed, a file not named, a file gone, a back-up that broke off: refused before anything is touched."""
    damaged = backup.with_name("damaged")

    def refused(said: str) -> None:
        done = new.run("restore.sh", damaged)
        assert done.returncode == 1 and said in done.stderr and "nothing was touched" in done.stderr, done.stderr
        assert not new.databases.exists(new.databases.name) and not (new.folder / "docker/.env").exists()
        shutil.rmtree(damaged)

    for name in SAVED:
        shutil.copytree(backup, damaged)
        with (damaged / name).open("r+b") as file:
            first = file.read(1)
            file.seek(0)
            file.write(bytes([first[0] ^ 1]))
        refused("damaged")
        shutil.copytree(backup, damaged)
        (damaged / name).unlink()
        refused("damaged")
        lines = (backup / "SHA256SUMS").read_text("utf-8").splitlines(keepends=True)
        shutil.copytree(backup, damaged)
        (damaged / name).unlink()
        (damaged / "SHA256SUMS").write_text("".join(line for line in lines if name not in line.split()), "utf-8")
        refused(f"does not name {name}")
    folder = old.folder / "ckan"
    folder.rename(old.folder / "away")
    done = old.run("backup.sh", backup.with_name("half"))
    (old.folder / "away").rename(folder)
    [half] = backup.with_name("half").iterdir()
    assert done.returncode != 0 and half.suffix == ".half", "a back-up that broke off never gets its name"
    half.rename(damaged)
    refused("no whole back-up")


def private_stays_private(machine: Machine, world: World, servers: Servers) -> None:
    """Neither the folder that a web server reads, nor the index, nor what the read role sees holds a canary."""
    texts = {str(path): crawl.text_of(path.read_bytes()) for path in (machine.folder / "public").rglob("*")
             if path.is_file() and path.suffix not in (".gz", ".zst")}
    texts["index"] = json.dumps(pysolr.Solr(servers.solr_url).search("*:*", rows=1000, fl="*").docs,
                                ensure_ascii=False)
    with psycopg2.connect(machine.databases.read_url) as connection, connection.cursor() as cursor:
        cursor.execute("select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where"
                       " c.relkind in ('r', 'v', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and"
                       " has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')")
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("select * from {}.{}").format(sql.Identifier(schema), sql.Identifier(table)))
            texts[f"{schema}.{table}"] = str(cursor.fetchall())
    assert PUBLIC_ROW in texts[f"public.{ids.table_id('procurement')}"] and world.public_name in texts["index"]
    assert {(place, what) for place, text in texts.items() for secret, what in world.secrets.items()
            if secret in text} == set()
    reader = machine.databases.read_url.replace(f"/{machine.databases.datastore}", f"/{machine.databases.name}")
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(reader)
