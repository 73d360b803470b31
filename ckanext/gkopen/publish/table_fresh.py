"""Small datasets that have no rows in the table yet: their rows go straight into it, many datasets in one COPY.

A harvest of many small datasets is published this way. There is nothing to compare with, so no staging table is
needed; a statement for each of their parts would take most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from psycopg2.extras import execute_values

from ckanext.gkopen import ids
from ckanext.gkopen.publish.table_rows import Rows, records
from ckanext.gkopen.publish.table_sql import TableSQL

MOST_ROWS = 10_000
"""Of one dataset, and of all that wait for the COPY together."""


class Fresh:
    """Takes datasets inside the caller's transaction, under the lock of the table; `load` brings them all in."""

    def __init__(self, cursor: Any, table: TableSQL, read_blob: Callable[[str], bytes]) -> None:
        self.cursor, self.table, self.read_blob = cursor, table, read_blob
        self._header = (",".join(table.field_names) + "\n").encode()
        self._rows = Rows(cursor, table, table.name)
        self._datasets: list[tuple[str, str, int, int]] = []            # id, publisher, seq, rows
        self._parts: list[tuple[str, str, str, int, int]] = []          # id, part, sha256, seq, rows

    def take(self, dataset_id: str, publisher: str, seq: int, parts: Mapping[str, str]) -> int | None:
        """The number of its rows; None where it has to go the long way: not new, large, of an older version."""
        if not parts or not self._is_new(dataset_id):
            return None
        lines = {}
        for part, sha256 in parts.items():
            data = self.read_blob(sha256)
            if not data.startswith(self._header):
                return None
            lines[part] = records(data[len(self._header):])
        rows = sum(map(len, lines.values()))
        if not rows or self._rows.rows + rows > MOST_ROWS:
            return None
        for part in sorted(lines):
            self._rows.add(dataset_id, part, publisher, lines[part])
        self._datasets.append((dataset_id, publisher, seq, rows))
        self._parts += [(dataset_id, part, sha256, seq, len(lines[part])) for part, sha256 in parts.items()]
        return rows

    def _is_new(self, dataset_id: str) -> bool:
        self.cursor.execute(
            "select t.version from gkopen.applied_table t where t.table_id = %s and to_regclass(%s) is not null"
            " and not exists (select 1 from gkopen.applied_dataset d where d.dataset_id = %s)"
            " and exists (select 1 from public._table_stats s where s.resource_id = t.table_id)",
            (self.table.id, self.table.name, dataset_id))
        return self.cursor.fetchone() == (self.table.domain.version,)

    def load(self) -> None:
        """The rows, what is on record of them and the counts that CKAN shows."""
        if not self._datasets:
            return
        self.cursor.execute("set local gin_pending_list_limit = '256MB'; set local maintenance_work_mem = '256MB'")
        new = self._rows.rows
        self._rows.load()
        if self.table.domain.search_fields:
            self.cursor.execute(self.table.merge_search_index())
        self._insert("gkopen.applied_dataset (dataset_id, publisher, seq, rows, table_id)",
                     [(*one, self.table.id) for one in self._datasets])
        self._insert("gkopen.applied (dataset_id, part, sha256, seq, rows)", self._parts)
        self._insert("public._table_stats (resource_id, stats)",
                     [(ids.resource_id(one[0]), f'{{"rows": {one[-1]}}}') for one in self._datasets],
                     " on conflict (resource_id) do update set stats = excluded.stats")
        self.cursor.execute("update public._table_stats set stats = jsonb_build_object('rows',"
                            " (stats ->> 'rows')::bigint + %s) where resource_id = %s", (new, self.table.id))

    def _insert(self, into: str, rows: Sequence[tuple[Any, ...]], conflict: str = "") -> None:
        execute_values(self.cursor, f"insert into {into} values %s{conflict}", rows, page_size=1000)

