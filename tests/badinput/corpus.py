"""Bad files of every kind that arrive, for every domain: made from a domain's own example, so a new domain joins in.

A case says what must be found, in which line, and how many rows go in. Lines are those of the file, the header is 1.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msoffcrypto
import openpyxl
from msoffcrypto.format.ooxml import OOXMLFile

from ckanext.gkopen.domains import Domain, Field, get_domain

# What tells the rows of a domain apart, and what contradicts when the rest is the same.
DOMAINS = {
    "budget": ("line_name", "amount"), "procurement": ("project_name", "award_amount"),
    "project": ("project_code", "scope"), "project_event": ("event", "result"), "hotline": ("category", "value"),
    "parking": ("name", "address"), "penalty": ("decision_no", "facts"),
}
ROWS = 4


@dataclass(frozen=True)
class Case:
    """`codes`: any of them must be found; empty: a good file. `rows`: None where the file is refused as a whole."""

    kind: str
    domain: str
    data: bytes
    codes: tuple[str, ...] = ()
    line: int | None = None
    rows: int | None = None
    bad: int = 0
    duplicate: int = 0
    filename: str = "表.csv"

    @property
    def id(self) -> str:
        return f"{self.domain}-{self.kind}"


class Base:
    """The example of a domain as a table: labels, and rows that differ in one field."""

    def __init__(self, name: str):
        self.domain: Domain = get_domain(name)
        self.vary, self.other = DOMAINS[name]
        derived = {f.name for f in self.domain.fields if f.derived and f.name not in ("phase", "period")
                   and not f.derived.startswith(("column_of:", "label_of:"))}
        self.fields = [self.domain.field(f) for f in self.domain.example if f not in derived and f != "source_unit"]
        self.labels = [self.label(field) for field in self.fields]
        self.rows = [[self.cell(field, number) for field in self.fields] for number in range(ROWS)]

    @staticmethod
    def label(field: Field) -> str:
        return f"{field.title.zh}(元)" if field.type == "money" else field.title.zh

    def cell(self, field: Field, number: int) -> str:
        text = self.domain.example[field.name]
        if field.name == "project_code" and self.vary == "project_code":
            return f"{text[:-6]}{123456 + number}"
        return f"{text}之{number}" if field.name == self.vary else text

    def at(self, name: str) -> int:
        return [field.name for field in self.fields].index(name)

    def with_cell(self, name: str, text: str, row: int = 1) -> list[list[str]]:
        rows = [list(cells) for cells in self.rows]
        rows[row][self.at(name)] = text
        return rows

    def csv(self, rows: list[list[str]] | None = None, labels: list[str] | None = None) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([labels or self.labels, *(rows or self.rows)])
        return out.getvalue()

    def xlsx(self, change: Callable[[openpyxl.Workbook], None] = lambda book: None) -> bytes:
        book = openpyxl.Workbook()
        for cells in [self.labels, *self.rows]:
            book.worksheets[0].append(cells)
        change(book)
        return saved(book)


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def rezipped(data: bytes, replace: Callable[[str, bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, replace(name, old.read(name)))
    return out.getvalue()


def encrypted(data: bytes) -> bytes:
    out = io.BytesIO()
    OOXMLFile(io.BytesIO(data)).encrypt("secret", out)
    assert msoffcrypto.OfficeFile(out).is_encrypted()
    return out.getvalue()


def cases() -> Iterator[Case]:
    for name in DOMAINS:
        base = Base(name)
        yield from _bytes(name, base)
        yield from _lines(name, base)
        yield from _columns(name, base)
        yield from _values(name, base)
        yield from _workbooks(name, base)


def _bytes(name: str, base: Base) -> Iterator[Case]:
    text = base.csv()
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    gb = [line.encode("gb18030") for line in text.splitlines(keepends=True)]
    rare = base.csv(base.with_cell(base.vary, base.rows[1][base.at(base.vary)][:-2] + "𠮷㐂䶮")
                    if base.vary != "project_code" else base.with_cell("title", "𠮷㐂䶮工程"))
    yield Case("good", name, text.encode(), rows=ROWS)
    yield Case("empty", name, b"", ("file-empty",))
    yield Case("blank", name, b"\n\n \n", ("file-empty", "no-header", "no-rows"))
    yield Case("header-only", name, lines[0], ("no-rows",))
    unknown = b"".join([*gb[:2], b"\xff\xff\xfe" + gb[2], *gb[3:]])
    yield Case("encoding-unknown", name, unknown, ("encoding-unknown",), 3)
    big5 = "標題,單位,數量\n預算,財政廳,壹\n".encode("big5") * 5
    yield Case("encoding-big5", name, big5, ("encoding-unknown", "no-header"))
    yield Case("encoding-mixed", name, b"".join([*lines[:3], gb[3], *lines[4:]]), ("encoding-mixed",), 4)
    yield Case("nul", name, b"".join([*lines[:2], b"\0" + lines[2], *lines[3:]]), ("nul-bytes",), 3)
    yield Case("utf16-bom", name, text.encode("utf-16"), rows=ROWS)
    yield Case("utf16-bare", name, text.encode("utf-16-le"), ("nul-bytes", "encoding-unknown"))
    yield Case("gb18030-rare", name, rare.encode("gb18030"), rows=ROWS)
    yield Case("html", name, f"<html><table><tr><td>{base.labels[0]}</td></tr></table></html>".encode(),
               ("markup-as-table",), filename="表.xls")


def _lines(name: str, base: Base) -> Iterator[Case]:
    lines = base.csv().splitlines()
    more = [*lines[:2], lines[2] + ",多", *lines[3:]]
    less = [*lines[:2], lines[2].rsplit(",", 2)[0], *lines[3:]]
    broken = [*lines[:2], '"没有收尾,' + lines[2], *lines[3:]]
    yield Case("ragged-long", name, "\n".join(more).encode(), ("row-ragged",), 3, ROWS, bad=1)
    yield Case("ragged-short", name, "\n".join(less).encode(), ("row-ragged",), 3, ROWS, bad=1)
    yield Case("quote-broken", name, "\n".join(broken).encode(), ("quote-broken",), 3, ROWS, bad=1)
    spoken = base.with_cell(base.other, '他说"好",\n第二行') if base.other in ("facts", "scope") else None
    quoted = base.csv(spoken)
    yield Case("quotes", name, quoted.encode(), rows=ROWS)
    yield Case("duplicate-row", name, "\n".join([*lines, lines[2]]).encode(), ("row-duplicate",), ROWS + 2, ROWS + 1,
               duplicate=1)
    records = [dict(zip(base.labels, cells, strict=True)) for cells in base.rows]
    nested = json.dumps([*records[:1], records[1] | {base.labels[0]: {"甲": ["乙"]}}, *records[2:]], ensure_ascii=False)
    yield Case("json", name, json.dumps(records).encode(), rows=ROWS, filename="表.json")
    yield Case("json-cut", name, json.dumps(records)[:-20].encode(), ("json-broken",), filename="表.json")
    yield Case("json-nested", name, nested.encode(), ("cell-nested",), 2, ROWS, bad=1, filename="表.json")


def _columns(name: str, base: Base) -> Iterator[Case]:
    def beside(label: str, text: str = "甲") -> str:
        return base.csv([[*cells, text] for cells in base.rows], [*base.labels, label])

    place = base.at(base.vary)
    yield Case("header-duplicate", name, beside(base.labels[place]).encode(), ("header-duplicate",))
    needed = next(i for i, field in enumerate(base.fields)
                  if field.required and not field.required_if and not field.derived and field.default is None)
    rows = [[cell for i, cell in enumerate(cells) if i != needed] for cells in base.rows]
    labels = [label for i, label in enumerate(base.labels) if i != needed]
    yield Case("column-missing", name, base.csv(rows, labels).encode(), ("column-missing",))
    yield Case("column-unknown", name, beside("领导批示").encode(), ("column-unknown",), rows=ROWS)
    long = "很长的列名" * 30
    two = base.csv([[*cells, "1", "2"] for cells in base.rows], [*base.labels, long, long])
    yield Case("header-long-twice", name, two.encode(), ("header-duplicate",), rows=ROWS)
    wide = [f"　{label.replace('(', '（').replace(')', '）')}：" for label in base.labels]
    yield Case("header-wide", name, base.csv(labels=wide).encode(), rows=ROWS)
    yield Case("columns-100000", name, (",".join(f"列{i}" for i in range(100_000)) + "\n1\n").encode(),
               ("too-many-columns",))
    person = base.csv(labels=["13912345678", *base.labels[1:]])
    yield Case("header-person", name, person.encode(), ("personal-in-header",), 1)


def _values(name: str, base: Base) -> Iterator[Case]:
    def case(kind: str, field: str, text: str, *codes: str, bad: int = 1) -> Case:
        return Case(kind, name, base.csv(base.with_cell(field, text)).encode(), codes, 3, ROWS, bad=bad)

    key = next(f.name for f in base.fields if f.required and not f.required_if and f.default is None)
    yield case("key-missing", key, "", "key-missing", "value-missing")
    yield case("replacement-character", base.vary, "城\ufffd管", "replacement-character")
    yield case("personal", base.other if base.other in ("facts", "scope", "result", "address") else base.vary,
               "联系13912345678", "personal-mobile")
    dated = next((f.name for f in base.fields if f.type in ("date", "datetime", "year", "period") and f.required), None)
    if dated:
        yield case("date-wrong", dated, "去年三十二日", "date-wrong")
    money = next((f for f in base.fields if f.type == "money"), None)
    number = next((f for f in base.fields if f.type in ("integer", "decimal", "money")), None)
    if number:
        printed = any(f.derived == f"printed:{number.name}" for f in base.domain.fields)  # then the text itself is kept
        yield case("type-wrong", number.name, "很多", "type-wrong", "not-an-amount", "amount-kept-as-text",
                   "value-missing", bad=0 if printed else 1)
    if money:
        labels = [label.removesuffix("(元)") if label == base.label(money) else label for label in base.labels]
        yield Case("unit-missing", name, base.csv(labels=labels).encode(), ("unit-missing",), 2, ROWS, bad=ROWS)
        yield case("unit-conflict", money.name, "5万元", "unit-conflict")
    limited = next((f for f in base.fields if f.type in ("integer", "decimal", "money", "year") and
                    (f.maximum if f.type == "year" else f.minimum) is not None), None)
    if limited:
        beyond = "2150" if limited.type == "year" else str((limited.minimum or 0) - 1)
        yield case("out-of-range", limited.name, beyond, "out-of-range")
    conflict = [list(cells) for cells in base.rows] + [list(base.rows[1])]
    figure = base.domain.field(base.other).type in ("money", "decimal")
    conflict[-1][base.at(base.other)] = "777" if figure else "另一种说法"
    yield Case("key-conflict", name, base.csv(conflict).encode(), ("key-conflict",), 3, ROWS + 1, bad=2)
    if "is_total" in base.domain.field_names:
        yield _sums(name, base)


def _sums(name: str, base: Base) -> Case:
    """Four parts, and a total that is not their sum."""
    labels = [label for label in base.labels if label != "是否合计行"]
    keep = [base.labels.index(label) for label in labels]
    rows = [[cells[i] for i in keep] for cells in base.rows]
    total = list(rows[0])
    total[labels.index(base.label(base.domain.field(base.vary)))] = "合计"
    total[labels.index(base.label(base.domain.field(base.other)))] = "1"
    marks = [[*cells, "否", "G1"] for cells in rows] + [[*total, "是", "G1"]]
    data = base.csv(marks, [*labels, "是否合计行", "勾稽组"]).encode()
    return Case("sum-differs", name, data, ("sum-differs",), ROWS + 2, ROWS + 1)


def _workbooks(name: str, base: Base) -> Iterator[Case]:
    def titled(book: openpyxl.Workbook) -> None:
        book.worksheets[0].insert_rows(1, 2)
        book.worksheets[0]["A1"] = "一览表"
        book.worksheets[0].merge_cells("A1:D1")
        book.worksheets[0]["A2"] = "单位：元"

    def merged(book: openpyxl.Workbook) -> None:
        column = base.at(next(f.name for f in base.fields if f.name != base.vary and f.type == "string")) + 1
        book.worksheets[0].merge_cells(start_row=2, end_row=ROWS + 1, start_column=column, end_column=column)

    def hidden(book: openpyxl.Workbook) -> None:
        sheet = book.create_sheet("底稿")
        sheet.append(["电话", "13912345678"])
        sheet.sheet_state = "hidden"

    def errors(book: openpyxl.Workbook) -> None:
        number = next(f.name for f in base.fields if f.type in ("integer", "decimal", "money", "date", "year"))
        book.worksheets[0].cell(3, base.at(number) + 1, "#REF!")

    good = base.xlsx()
    file = "表.xlsx"
    yield Case("workbook", name, good, rows=ROWS, filename=file)
    yield Case("workbook-title", name, base.xlsx(titled), rows=ROWS, filename=file)
    yield Case("workbook-merged", name, base.xlsx(merged), rows=ROWS, filename=file)
    yield Case("workbook-hidden", name, base.xlsx(hidden), ("sheet-hidden", "personal-outside"), rows=ROWS,
               filename=file)
    yield Case("workbook-error", name, base.xlsx(errors), ("formula-error",), 3, ROWS, bad=1, filename=file)
    yield Case("workbook-password", name, encrypted(good), ("workbook-password",), filename=file)
    yield Case("workbook-cut", name, good[: len(good) // 2], ("workbook-broken",), filename=file)
    yield Case("workbook-ole", name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4000, ("workbook-broken",),
               filename="表.xls")
    doctype = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    xxe = rezipped(good, lambda part, data: data.replace(b"<worksheet", doctype + b"<worksheet", 1)
                   if "sheet1" in part else data)
    yield Case("workbook-xxe", name, xxe, ("xml-entities",), filename=file)
    bomb = rezipped(good, lambda part, data: data + b" " * (32 << 20) if "sheet1" in part else data)
    yield Case("workbook-bomb", name, bomb, ("zip-bomb",), filename=file)
