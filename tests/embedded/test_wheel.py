"""The wheel has everything that the portal reads, and nothing that belongs to others."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = {
    "ckanext/gkopen": "ckanext/gkopen",
    "schemas": "ckanext/gkopen/schemas",
    "harvesters": "ckanext/gkopen/harvesters",
}
NOT_SHIPPED = {".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built offline, from a copy, with the setuptools that is installed."""
    copy = tmp_path_factory.mktemp("source") / "gkopen"
    skip = shutil.ignore_patterns("__pycache__", ".venv", ".git", "var", "build", "*.egg-info", "tests", "docs")
    shutil.copytree(PROJECT, copy, ignore=skip, symlinks=True)
    code = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True, text=True)
    [path] = (copy / "dist").glob("ckanext_gkopen-*.whl")
    return zipfile.ZipFile(path)


def test_every_file_of_the_sources_is_in_it(wheel):
    expected = {
        f"{target}/{path.relative_to(PROJECT / source).as_posix()}"
        for source, target in SOURCES.items()
        for path in (PROJECT / source).rglob("*")
        if path.is_file() and path.suffix not in NOT_SHIPPED and not path.name.startswith(".")
    }
    assert expected - set(wheel.namelist()) == set()


def test_it_owns_only_its_own_packages(wheel):
    outside = [name for name in wheel.namelist() if not name.startswith(("ckanext/gkopen/", "ckanext_gkopen-"))]
    assert outside == []


def test_entry_points(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["ckan.plugins"])["gkopen"] == "ckanext.gkopen.plugin:GkopenPlugin"
    assert dict(points["ckan.plugins"])["gkopen_routes"] == "ckanext.gkopen.plugin:GkopenRoutesPlugin"
    assert dict(points["babel.extractors"]) == {"ckan": "ckan.lib.extract:extract_ckan"}
