"""The canonical CSV of a table: UTF-8 without BOM, a header of field names, quotes only where RFC 4180 needs them."""

from __future__ import annotations

import pyarrow as pa

from ckanext.gkopen.publish.forms.content import Column
from ckanext.gkopen.publish.forms.lines import csv_lines


def head(columns: list[Column]) -> bytes:
    return (",".join(column.name for column in columns) + "\n").encode()


def rows(columns: list[Column], batch: pa.RecordBatch) -> pa.Array:
    return csv_lines(batch)
