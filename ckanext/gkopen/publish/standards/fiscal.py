"""Budgets and final accounts → a fiscal data package: one CSV, described column by column with fiscal types.

`columnType` of a field is the path `fiscal` of its YAML. Every figure stands as it was approved, in yuan.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ckanext.gkopen.derive.tableschema import table_schema
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.forms.make import Made
from ckanext.gkopen.publish.forms.streams import Stream
from ckanext.gkopen.publish.standards.exact import Row
from ckanext.gkopen.publish.standards.packages import CODINGS, closed

_TOGETHER = 5_000
OWNER = {"name": "dataset_id", "type": "string", "title": "数据集标识", "title_en": "Dataset id",
         "constraints": {"required": True}}


class Table:
    """The CSV of one package in the making: a header, then rows as canonical text."""

    def __init__(self, domain: Domain, path: Path) -> None:
        self.names = ("dataset_id", *domain.field_names)
        self.count, self.newest = 0, ""
        self._stream = Stream(path, CODINGS)
        self._stream.begin()
        self._write([dict(zip(self.names, self.names, strict=True))])

    def add(self, rows: Iterable[Row]) -> None:
        listed = list(rows)
        for start in range(0, len(listed), _TOGETHER):
            self._write(listed[start:start + _TOGETHER])
        self.count += len(listed)
        self.newest = max([self.newest, *(row["public_at"] or "" for row in listed)])

    def close(self) -> Made:
        return closed(self._stream, self.count)

    def _write(self, rows: Iterable[Row]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([row[name] or "" for name in self.names] for row in rows)
        self._stream.write(text.getvalue().encode())


def descriptor(domain: Domain, name: str, table: Made, about: Mapping[str, Any]) -> dict[str, Any]:
    """`datapackage.json` of the file `name` that lies beside it. `about`: title, created, publisher, licence …"""
    schema = table_schema(domain)
    fields = [OWNER, *({**described, "columnType": field.path["fiscal"]} if "fiscal" in field.path else described
                       for described, field in zip(schema["fields"], domain.fields, strict=True))]
    return {
        "profile": "tabular-data-package", "name": name.removesuffix(".csv").lower(), **about, "countryCode": "CN",
        "resources": [{
            "profile": "tabular-data-resource", "name": name.removesuffix(".csv").lower(), "path": name,
            "title": about["title"], "format": "csv", "mediatype": "text/csv", "encoding": "utf-8",
            "bytes": table.file.size, "hash": f"sha256:{table.sha256}",
            "dialect": {"delimiter": ",", "lineTerminator": "\n", "header": True},
            "schema": schema | {"fields": fields, "primaryKey": ["dataset_id", *domain.key]},
        }],
    }
