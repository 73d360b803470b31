"""Parquet: typed columns for pandas, R, DuckDB, Spark. Amounts are exact decimals, never binary floating point.

Chinese and English titles, unit and description of a column are its field's metadata (Arrow), and for tools that do not
read those stand as JSON under `columns` in the file's metadata. Times are instants, of Asia/Shanghai (+08:00).
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.publish.forms.content import Content, PartRows
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

GROUP = 1 << 17
"""Rows of a row group: what a reader has in memory at once."""
FEW_ROWS = 1_000
"""Of no more the columns are compressed with snappy and have no dictionary: zstd takes longer to make ready, column by
column, than all else in such a file, and saves hardly a byte; dictionaries of few rows make it larger."""
WRITTEN_AT_ONCE = 1 << 16
"""Bytes: Arrow writes a page or a header at a time."""
TIME = pa.timestamp("ms", tz="+08:00")


class Parquet:
    """The rows in groups of `GROUP`, whatever the parts are: the same rows give the same bytes."""

    def __init__(self, content: Content, rows: int, out: Spool) -> None:
        self.schema = schema(content)
        self.out = pa.BufferedOutputStream(pa.PythonFile(out, "w"), WRITTEN_AT_ONCE)
        self.writer = pq.ParquetWriter(self.out, self.schema, version="2.6",
                                       compression="snappy" if rows <= FEW_ROWS else "zstd",
                                       use_dictionary=rows > FEW_ROWS)
        self.waiting: list[pa.RecordBatch] = []

    def has(self, key: str) -> bool:
        """Nothing is kept: columns are compressed over the borders of the parts."""
        return False

    def copy(self, key: str) -> None:
        raise NotImplementedError(key)

    def begin(self, part: PartRows, data: bytes) -> None:
        pass

    def write(self, batch: pa.RecordBatch) -> None:
        self.put(self.draw(batch))

    def draw(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of text in the types of the file."""
        return pa.record_batch([_typed(batch.column(position), field.type)
                                for position, field in enumerate(self.schema)], schema=self.schema)

    def put(self, rows: pa.RecordBatch) -> None:
        """Rows as `draw` drew them."""
        self.waiting.append(rows)
        if sum(map(len, self.waiting)) >= GROUP:
            self._write_groups(GROUP)

    def end(self, key: str, rows: int) -> None:
        pass

    def _write_groups(self, least: int) -> None:
        # What was drawn for another table of the domain says that one's title.
        waiting = [batch.replace_schema_metadata(self.schema.metadata) for batch in self.waiting]
        table = pa.Table.from_batches(waiting, self.schema).combine_chunks()
        start = 0
        while table.num_rows - start >= least:
            self.writer.write_table(table.slice(start, GROUP), row_group_size=GROUP)
            start += GROUP
        self.waiting = table.slice(start).to_batches()

    def finish(self) -> None:
        if self.waiting:
            self._write_groups(1)
        self.close()

    def close(self) -> None:
        self.writer.close()
        self.out.close()


def schema(content: Content) -> pa.Schema:
    fields, described = _described(content.domain)[content.whole]
    return pa.schema(fields, metadata={
        "title": content.title.zh, "title_en": content.title.en, "publisher": content.publisher,
        "licence": content.licence, "licence_url": content.licence_url, "source": content.address,
        "updated": content.updated, "columns": described})


@once
def _described(domain: Domain) -> dict[bool, tuple[list[pa.Field], str]]:
    """Without and with the columns of the table over all bodies: the fields, and what is said about them as JSON."""
    own = [{"name": field.name, "title": field.title.zh, "title_en": field.title.en, "unit": field.unit or "",
            "description": field.description.zh if field.description else ""} for field in domain.fields]
    system = [{"name": name, "title": title.zh, "title_en": title.en, "unit": "", "description": ""}
              for name, title in SYSTEM_COLUMNS.items()]
    return {whole: ([pa.field(entry["name"], kind(domain, entry["name"]),
                              metadata={key: value for key, value in entry.items() if value and key != "name"})
                     for entry in listed], json.dumps(listed, ensure_ascii=False))
            for whole, listed in ((False, own), (True, system + own))}


def kind(domain: Domain, name: str) -> pa.DataType:
    if name in SYSTEM_COLUMNS:
        return pa.string()
    given = domain.field(name).arrow_type
    return TIME if pa.types.is_timestamp(given) else given


def _typed(cells: pa.Array, wanted: pa.DataType) -> pa.Array:
    if wanted != TIME:
        return cells.cast(wanted)
    seconds = pc.subtract(cells.cast(pa.timestamp("s")).cast(pa.int64()), 8 * 3600)
    return pc.multiply(seconds, 1000).cast(TIME)
