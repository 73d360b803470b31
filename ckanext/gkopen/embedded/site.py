"""A CKAN site on the servers of one home: databases, folders, secrets and settings."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from .databases import Databases
from .keeping import secret
from .places import PROJECT, StartError, make_folder
from .servers import Servers

Profile = Literal["demo", "test"]
DATABASE_NAMES: dict[Profile, str] = {"demo": "gkopen", "test": "gkopen_test"}
SITE_INI = Path(__file__).with_name("site.ini")


@dataclass(frozen=True)
class Site:
    """Everything that CKAN has to be told about the home it runs in."""

    databases: Databases
    servers: Servers
    storage: Path

    def environment(self) -> dict[str, str]:
        """The variables with which CKAN overrides its settings, as test.ini expects them."""
        return {
            "CKAN_SQLALCHEMY_URL": self.databases.ckan_url,
            "CKAN_DATASTORE_WRITE_URL": self.databases.write_url,
            "CKAN_DATASTORE_READ_URL": self.databases.read_url,
            "CKAN_SOLR_URL": self.servers.solr_url,
            "CKAN_REDIS_URL": self.servers.redis_url,
            "CKAN_STORAGE_PATH": str(self.storage),
        }


def describe_site(servers: Servers, home: Path, profile: Profile) -> Site:
    databases = Databases(
        servers.postgres_url,
        DATABASE_NAMES[profile],
        secret(home, "database"),
        secret(home, "database_reader"),
    )
    return Site(databases, servers, make_folder(home / "storage"))


def make_site(
    servers: Servers,
    home: Path,
    *,
    profile: Profile,
    site_url: str = "http://127.0.0.1:5000",
    extra: Mapping[str, str] | None = None,
) -> Path:
    """Bring databases and folders to the present version and return the settings file to start CKAN with.

    For the profile `test` that is test.ini, and the caller sets `Site.environment()`. Doing it again is
    quick, and keeps the data. `extra` are further settings. Raises StartError when a migration fails.
    """
    site = describe_site(servers, home, profile)
    site.databases.create()
    for folder in ("ckan", "webassets", "private", "public"):
        make_folder(site.storage / folder)
    (site.storage / "private").chmod(0o700)
    ini = PROJECT / "test.ini" if profile == "test" else _write_ini(site, home, site_url, extra or {})
    site.databases.bring_up_to(_stamp(), partial(run_ckan, ini, "db", "upgrade", environment=site.environment()))
    return ini


def ckan_program() -> Path:
    """The `ckan` command of the environment that we run in."""
    return Path(sys.executable).with_name("ckan")


def run_ckan(ini: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run one `ckan` command to its end and return what it printed; its last lines are in the StartError if
    it fails.
    """
    done = subprocess.run(
        [ckan_program(), "-c", ini, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise StartError(f"`ckan {' '.join(arguments)}` failed; it ended with:\n" + "\n".join(lines))
    return done.stdout


def _write_ini(site: Site, home: Path, site_url: str, extra: Mapping[str, str]) -> Path:
    """The site's own settings on top of site.ini, readable by its owner only."""
    token = f"string:{secret(home, 'api_token')}"
    settings = {
        "use": f"config:{SITE_INI}",
        "SECRET_KEY": secret(home, "session"),
        "WTF_CSRF_SECRET_KEY": secret(home, "csrf"),
        "api_token.jwt.encode.secret": token,
        "api_token.jwt.decode.secret": token,
        "ckan.site_url": site_url,
        "sqlalchemy.url": site.databases.ckan_url,
        "ckan.datastore.write_url": site.databases.write_url,
        "ckan.datastore.read_url": site.databases.read_url,
        "solr_url": site.servers.solr_url,
        "ckan.redis.url": site.servers.redis_url,
        "ckan.storage_path": str(site.storage / "ckan"),
        "ckan.webassets.path": str(site.storage / "webassets"),
        "ckan.files.storage.gkopen_private.path": str(site.storage / "private"),
        "ckan.files.storage.gkopen_public.path": str(site.storage / "public"),
        **extra,
    }
    ini = home / "ckan.ini"
    lines = [
        "# Written at each start by ckanext/gkopen/embedded/site.py: changes belong into site.ini beside it.",
        "[app:main]",
        *(f"{key} = {value.replace('%', '%%')}" for key, value in settings.items()),
    ]
    descriptor = os.open(ini, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return ini


def _stamp() -> str:
    """What the tables depend on: CKAN's version, the plugins in site.ini, and the text of our migrations."""
    digest = hashlib.sha256(version("ckan").encode())
    for path in (SITE_INI, *sorted((PROJECT / "ckanext/gkopen/migration").rglob("*.py"))):
        digest.update(path.read_bytes())
    return f"gkopen {digest.hexdigest()}"
