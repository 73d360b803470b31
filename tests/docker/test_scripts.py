"""The shell scripts: their form, and secrets.sh by running it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from .setup_files import DOCKER, compose, example, filled

SCRIPTS = sorted(DOCKER.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_well_formed_and_stops_at_errors(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)
    lines = script.read_text("utf-8").splitlines()
    assert lines[0] == "#!/bin/sh"
    assert "set -eu" in lines
    assert os.access(script, os.X_OK)


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    for name in ("secrets.sh", ".env.example"):
        shutil.copy(DOCKER / name, tmp_path)
    subprocess.run(["sh", tmp_path / "secrets.sh"], check=True, capture_output=True)
    first = filled(tmp_path / ".env")
    assert set(first) == set(example())
    secrets = [first[name] for name, value in example().items()
               if not value and name.endswith(("PASSWORD", "KEY", "SECRET"))]
    assert len(secrets) == len(set(secrets)) == 7
    assert all(len(secret) == 64 and set(secret) <= set("0123456789abcdef") for secret in secrets)
    for name in (".env", "sources.env"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    (tmp_path / "sources.env").write_text("GKOPEN_SECRET_CITY=x\n", "utf-8")
    subprocess.run(["sh", tmp_path / "secrets.sh"], check=True, capture_output=True)
    assert filled(tmp_path / ".env") == first
    assert (tmp_path / "sources.env").read_text("utf-8") == "GKOPEN_SECRET_CITY=x\n"


def test_backup_and_restore_are_about_the_same_things() -> None:
    """Both databases and each folder that is not a cache, in the same order; the database before the files."""
    saved, brought = ((DOCKER / name).read_text("utf-8") for name in ("backup.sh", "restore.sh"))
    for text in (saved, brought):
        databases, folders = text.index("for database in gkopen gkopen_datastore"), text.index(
            "for folder in private public ckan")
        assert databases < folders
    mounted = {entry.split(":")[1].removeprefix("/var/lib/ckan/")
               for entry in compose()["services"]["web"]["volumes"]}
    assert mounted - {"webassets"} == {"private", "public", "ckan"}
    assert "search-index rebuild" in brought
    assert "gkopen verify" in brought
