"""The canonical CSV of a table: UTF-8 without BOM, a header of field names, quotes only where RFC 4180 needs them."""

from __future__ import annotations

import pyarrow as pa

from ckanext.gkopen.publish.forms.content import Column, Content
from ckanext.gkopen.publish.forms.lines import csv_lines


def head(content: Content) -> bytes:
    return (",".join(column.name for column in content.columns) + "\n").encode()


def rows(columns: list[Column], batch: pa.RecordBatch) -> memoryview:
    return csv_lines(batch)
