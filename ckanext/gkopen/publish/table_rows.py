"""Rows of many small parts on their way into a table over all bodies, in one COPY.

A part's own COPY, with its dataset, name and publisher as defaults of the columns, takes longer than its rows do, and
PostgreSQL keeps a lock of each default until the commit: some thousand parts in one transaction, and there is no room
for more.
"""

from __future__ import annotations

import io
from typing import Any

from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS, TableSQL


class Rows:
    """Takes parts, and brings their rows into the table `name` when it is told to `load`."""

    def __init__(self, cursor: Any, table: TableSQL, name: str, *, freeze: bool = False) -> None:
        self.cursor, self.table, self.name, self.freeze = cursor, table, name, freeze
        self._copy = io.BytesIO()
        self.rows = 0
        """That wait."""

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._copy.tell()

    def add(self, dataset_id: str, part: str, publisher: str, lines: list[bytes]) -> int:
        """The records of a part in the columns of the table; how many they are."""
        begin = prefix(dataset_id, part, publisher)
        self._copy.writelines(begin + line + b"\n" for line in lines)
        self.rows += len(lines)
        return len(lines)

    def load(self) -> None:
        if not self.rows:
            return
        header = [*SYSTEM_COLUMNS, *self.table.field_names]
        data = io.BytesIO((",".join(header) + "\n").encode() + self._copy.getvalue())
        self.cursor.copy_expert(self.table.copy_in(self.name, header, freeze=self.freeze), data, size=1 << 20)
        if self.cursor.rowcount != self.rows:
            raise ValueError(f"{self.table.domain.name}: {self.rows} rows were sent, {self.cursor.rowcount} came in")
        self._copy, self.rows = io.BytesIO(), 0


def prefix(dataset_id: str, part: str, publisher: str) -> bytes:
    """What stands before a record in a table over all bodies. Quoted: an empty name is a text, not an unknown one."""
    return "".join('"' + text.replace('"', '""') + '",' for text in (dataset_id, part, publisher)).encode()


def records(data: bytes) -> list[bytes]:
    """The records of canonical CSV without its header, each without its line end; a quoted cell may hold some."""
    lines = data.split(b"\n")[:-1]
    if b'"' not in data:
        return lines
    found: list[bytes] = []
    begun: list[bytes] = []
    for line in lines:
        begun.append(line)
        if sum(piece.count(b'"') for piece in begun) % 2 == 0:
            found.append(b"\n".join(begun))
            begun = []
    return found
