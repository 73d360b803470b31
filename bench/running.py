"""An empty CKAN with all plugins on real servers below `<GKOPEN_HOME>/bench`, in this process."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysolr

from ckanext.gkopen.embedded.places import gkopen_home, make_folder, require_libmagic
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.embedded.servers import Servers
from ckanext.gkopen.embedded.site import describe_site, make_site

DOMAINS = Path(__file__).with_name("domains")
TRASH = "trash"
SECRET_ENV = "GKOPEN_SECRET_BENCH"


def bench_home() -> Path:
    return make_folder(gkopen_home() / "bench")


def served_folder() -> Path:
    """Where nginx finds the published files."""
    return bench_home() / "storage" / "public" / "served"


@contextmanager
def empty_site(screen: Screen) -> Iterator[Path]:
    """Servers, an empty site and its settings file; CKAN is loaded, inside a request. Servers write through to
    the disk, as in production."""
    require_libmagic()
    home = bench_home()
    os.environ[SECRET_ENV] = "of-the-benchmark"
    os.environ["_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=4"   # Solr is compiled as in production, not for a quick start
    with Servers(home, tell=screen.tell) as servers:
        site = describe_site(servers, home, "demo")
        site.databases.drop()
        site.storage.rename(make_folder(home / TRASH) / str(time.time_ns()))
        pysolr.Solr(servers.solr_url).delete(q="*:*", commit=True)  # else CKAN finds datasets of the last run by name
        ini = make_site(servers, home, profile="demo", extra={
            "ckanext.gkopen.domains_dir": str(DOMAINS),
            "ckanext.gkopen.harvest.allowed_hosts": "127.0.0.1",
            "ckanext.gkopen.published_folder": str(served_folder()),
        })
        os.environ["CKAN_INI"] = str(ini)
        with loaded(ini):
            yield ini


def clear() -> None:
    """Deletes what earlier sites stored. At the end: for some minutes ext4 passes over each deleted entry before it
    makes a new one nearby, which took ten times as long."""
    shutil.rmtree(bench_home() / TRASH, ignore_errors=True)


@contextmanager
def loaded(ini: Path) -> Iterator[None]:
    """CKAN with this settings file, inside a request."""
    require_libmagic()
    from ckan.cli import load_config  # loads libmagic
    from ckan.config.middleware import make_app

    app: Any = make_app(load_config(str(ini)))
    with app._wsgi_app.test_request_context():
        yield
