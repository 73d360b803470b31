"""The form between a file and its columns: text, with the line that each row has in the file as an officer sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ckanext.gkopen.records import Finding, Unreadable

MAX_COLUMNS = 1_000
MAX_TEXT_BYTES = 1 << 30
MAX_JSON_BYTES = 256 << 20
MAX_WORKBOOK_BYTES = 128 << 20
PREVIEW_ROWS = 40


def refuse(code: str, **details: object) -> Unreadable:
    """The exception for a file that cannot be taken in as a whole."""
    line = details.pop("line", None)
    sheet = details.pop("sheet", None)
    label = details.pop("label", None)
    return Unreadable(Finding(code, "error", line=line if isinstance(line, int) else None, params=details,
                              sheet=str(sheet) if sheet else None, label=str(label) if label else None))


class Apart(Exception):
    """Some of several files cannot be read together with the others: `files` are their numbers."""

    def __init__(self, files: Iterable[int]):
        super().__init__()
        self.files = frozenset(files)


@dataclass(slots=True)
class Body:
    """Rows below the header. `columns`: string arrays of one length, or where the rows are few `cells`, a list each:
    such bodies are put into columns together (`in_columns`). `lines`: int32, 1-based in the file.

    `surplus`: row → cells beyond the header's width; `short`: row → cells that were there; `broken`: rows whose
    quoting is damaged; `nested`: row → label of a cell that holds an object; `characters`: rows with a cell that holds
    half of a character or NUL; `twice`: rows that name a column twice. All of them are kept whole, none is read.
    `findings`: what loading them told; whoever opens the file takes them over (`open_rows`), and bodies that are joined
    have none.
    """

    columns: list[pa.ChunkedArray]
    lines: np.ndarray
    surplus: dict[int, list[str]] = field(default_factory=dict)
    short: dict[int, int] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    nested: dict[int, str] = field(default_factory=dict)
    characters: set[int] = field(default_factory=set)
    twice: set[int] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)


def in_columns(bodies: Iterable[Body], width: int) -> list[pa.ChunkedArray]:
    """The columns of bodies of one width, one below the other. The bodies are emptied."""
    chunks: list[list[pa.Array]] = [[] for _ in range(width)]
    waiting: list[list[str]] = []
    for body in bodies:
        if body.columns and waiting:
            _put(chunks, waiting)
            waiting = []
        for own, column in zip(chunks, body.columns, strict=False):
            own.extend(column.chunks)
        waiting += body.cells
        body.columns, body.cells = [], []
    _put(chunks, waiting)
    return [pa.chunked_array(own, pa.string()) for own in chunks]


def _put(chunks: list[list[pa.Array]], rows: list[list[str]]) -> None:
    for own, cells in zip(chunks, zip(*rows, strict=True), strict=False):
        own.append(pa.array(cells, pa.string()))


@dataclass(slots=True)
class Sheet:
    """One table-like thing in a file: its first rows, and a way to load what follows them.

    `load(skip, width)`: the body below the first `skip` rows of the preview's numbering, as `width` columns.
    `labelled`: the first preview row is the header by construction (JSON), nothing is to be guessed.
    """

    preview: list[tuple[int, list[str]]]
    load: Callable[[int, int], Body]
    name: str | None = None
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """Text of a file outside its table. `place`: title, footnote or hidden-sheet; `note`: how `Examined.notes` tells
    it, once the privacy gate has found nothing in it."""

    place: str
    text: str
    line: int
    note: str | None = None
    sheet: str | None = None


@dataclass(slots=True)
class Source:
    """A file that could be opened: sheets, encoding, what is to be said about the file as a whole."""

    sheets: list[Sheet]
    encoding: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)


class Collector:
    """Rows one by one → string arrays, in batches, so that memory holds Arrow and not a million Python lists."""

    BATCH = 16_384

    def __init__(self, width: int):
        self.width = width
        self._chunks: list[list[pa.Array]] = [[] for _ in range(width)]
        self._rows: list[list[str]] = []
        self._lines: list[int] = []
        self.body = Body([], np.empty(0, np.int32))

    @property
    def count(self) -> int:
        return len(self._lines)

    def add(self, line: int, cells: list[str]) -> None:
        width = self.width
        if len(cells) != width:
            if len(cells) > width:
                extra = cells[width:]
                if any(cell.strip() for cell in extra):
                    self.body.surplus[self.count] = extra
                cells = cells[:width]
            else:
                self.body.short[self.count] = len(cells)
                cells = cells + [""] * (width - len(cells))
        self._rows.append(cells)
        self._lines.append(line)
        if len(self._rows) == self.BATCH:
            _put(self._chunks, self._rows)
            self._rows = []

    def finish(self) -> Body:
        if self.count < self.BATCH:
            self.body.cells = self._rows
        else:
            _put(self._chunks, self._rows)
            self.body.columns = [pa.chunked_array(chunks, pa.string()) for chunks in self._chunks]
        self.body.lines = np.asarray(self._lines, np.int32)
        return self.body
