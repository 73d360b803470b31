"""A machine with a copy of docker/ and folders of its own, on which the scripts run without containers (here.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ckanext.gkopen.embedded.databases import Databases
from ckanext.gkopen.embedded.places import PROJECT

from .setup_files import DOCKER

HERE = Path(__file__).with_name("here.py")
WITHOUT_CONTAINERS = """#!/bin/sh
exec "{python}" "{here}" "$@"
"""


class Machine:
    """`folder` stands for /var/lib/ckan; `programs`: where PostgreSQL's are."""

    def __init__(self, folder: Path, databases: Databases, programs: Path, redis_url: str, solr_url: str) -> None:
        self.folder, self.databases = folder, databases
        server = urlsplit(databases.superuser)
        host, redis = f"127.0.0.1:{server.port}", urlsplit(redis_url)
        for name in ("docker", "bin", "webassets", "private", "public", "ckan"):
            (folder / name).mkdir(parents=True)
        (folder / "private").chmod(0o700)
        for name in ("backup.sh", "restore.sh", "compose.yaml"):
            shutil.copy(DOCKER / name, folder / "docker")
        settings = (DOCKER / "production.ini").read_text("utf-8")
        (folder / "production.ini").write_text(settings.replace(
            "config:../", f"config:{PROJECT}/").replace("/var/lib/ckan", str(folder)), "utf-8")
        docker = folder / "bin/docker"
        docker.write_text(WITHOUT_CONTAINERS.format(python=sys.executable, here=HERE), "utf-8")
        docker.chmod(0o755)
        names = {"//gkopen": f"//{databases.name}", "@postgres/gkopen": f"@{host}/{databases.name}",
                 "@postgres/": f"@{host}/", "@valkey:6379/0": f"@{redis.hostname}:{redis.port}/1",
                 "http://solr:8983/solr/ckan": solr_url, "/var/lib/ckan": str(folder)}
        path = f"{folder / 'bin'}:{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "GKOPEN_MACHINE": str(folder), "PATH": path}
        (folder / "machine.json").write_text(json.dumps({
            "names": names, "databases": {"gkopen": databases.name, "gkopen_datastore": databases.datastore},
            "environment": {"CKAN_INI": str(folder / "production.ini"), "PGHOST": "127.0.0.1",
                            "PGPORT": str(server.port), "PGPASSWORD": server.password or ""}}), "utf-8")

    def run(self, script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", self.folder / "docker" / script, *arguments], env=self.environment, check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def service(self, service: str, *command: str, **more: Any) -> subprocess.Popen[Any]:
        """A command of a service, as Compose would start it."""
        docker = self.folder / "docker"
        return subprocess.Popen([self.folder / "bin/docker", "compose", "--file", docker / "compose.yaml",
                                 "--env-file", docker / ".env", "exec", service, *command], env=self.environment,
                                stdin=subprocess.DEVNULL, **more)
