"""The standards' own checkers on schemas that lie beside this file: nothing is fetched."""

from __future__ import annotations

import csv
import functools
import json
import zipfile
from pathlib import Path
from typing import Any

import jsonref
import libcove.lib.common
from frictionless import Package, system
from libcoveoc4ids.common_checks import common_checks_oc4ids
from libcoveoc4ids.config import LibCoveOC4IDSConfig
from libcoveoc4ids.schema import SchemaOC4IDS
from libcoveocds.api import ocds_json_output
from libcoveocds.config import LibCoveOCDSConfig

SCHEMAS = Path(__file__).with_name("schemas")
OCDS_ZIP = SCHEMAS / "ocds/standard-1__1__5.zip"
TOLD = ("additional_closed_codelist_values", "additional_fields", "deprecated_fields", "structure_warnings",
        "conformance_errors")
"""What a report says beside its validation errors, where it says anything."""


def of_ocds(name: str) -> dict[str, Any]:
    """A schema file of OCDS 1.1.5."""
    with zipfile.ZipFile(OCDS_ZIP) as archive:
        return json.loads(archive.read(f"standard-1__1__5/schema/{name}"))


class _Zip:
    """Answers what jsonref would fetch, from the zip."""

    def __init__(self, uri: str) -> None:
        self.name = uri.rsplit("/", 1)[-1].split("#")[0]

    @classmethod
    def get(cls, uri: str) -> _Zip:
        return cls(uri)

    def raise_for_status(self) -> None:
        """The zip has every file, or reading it fails."""

    def json(self, **_: Any) -> Any:
        return of_ocds(self.name)


def ocds(package: dict[str, Any], monkeypatch: Any) -> list[str]:
    """Problems of a release or record package (libcoveocds)."""
    monkeypatch.setattr(jsonref, "requests", _Zip)
    config = LibCoveOCDSConfig()
    config.config.update(standard_zip=OCDS_ZIP.as_uri(), context="api")
    return _problems(ocds_json_output(json_data=package, lib_cove_ocds_config=config))


class _Beside(SchemaOC4IDS):
    """The schema of OC4IDS from this folder instead of the web."""

    @functools.cached_property
    def schema_str(self) -> str:
        return (SCHEMAS / "oc4ids/project-package-schema.json").read_text("utf-8")

    def deref_schema(self, schema_str: str) -> Any:
        def load(uri: str, **_: Any) -> Any:
            return json.loads((SCHEMAS / "oc4ids" / uri.rsplit("/", 1)[-1].split("#")[0]).read_text("utf-8"))

        schema = jsonref.loads(schema_str, loader=load)
        repr(schema)  # a broken reference fails here
        return schema

    def process_codelists(self) -> None:
        common = libcove.lib.common
        self.core_codelist_schema_paths = common.get_schema_codelist_paths(self, use_extensions=False)
        self.extended_codelist_schema_paths = common.get_schema_codelist_paths(self, use_extensions=True)
        self.core_codelists = {}
        for path in (SCHEMAS / "oc4ids/codelists").glob("*.csv"):
            with path.open(encoding="utf-8") as file:
                self.core_codelists[path.name] = {row["Code"]: row.get("Title") for row in csv.DictReader(file)}
        self.extended_codelists, self.extended_codelist_urls = dict(self.core_codelists), {}


def oc4ids(package: dict[str, Any]) -> list[str]:
    """Problems of a project package (libcoveoc4ids)."""
    schema = _Beside(LibCoveOC4IDSConfig({"schema_host": f"{SCHEMAS}/oc4ids/"}))
    return _problems(common_checks_oc4ids({"file_type": "json"}, "", package, schema, cache=False))


def data_package(path: Path) -> list[str]:
    """Problems of a data package and every cell of its tables (frictionless)."""
    with system.use_context(trusted=True):
        report = Package(str(path)).validate()
    return [f"{error.type}: {error.message}" for task in report.tasks for error in task.errors] + [
        f"{error.type}: {error.message}" for error in report.errors]


def _problems(report: dict[str, Any]) -> list[str]:
    found = [json.dumps(error, ensure_ascii=False, default=str)[:400] for error in report["validation_errors"]]
    return found + [f"{name}: {json.dumps(report[name], ensure_ascii=False, default=str)[:400]}"
                    for name in TOLD if report.get(name)]
