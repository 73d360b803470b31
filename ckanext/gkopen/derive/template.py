"""A domain → the Excel workbook that a department fills in: drop-downs, notes, an example, the dictionary."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from ckanext.gkopen.derive.dictionary import dictionary_rows, need
from ckanext.gkopen.derive.sheets import SHEETS
from ckanext.gkopen.domains import NUMERIC, CodeList, Domain, Field, Text

ROWS = 10_000
"""Rows of the data sheet that have drop-downs."""
BOOLEANS = ("是", "否")
EXCEL_LIST = "='{sheet}'!${column}$2:${column}${last}"
# The same domain gives the same bytes: a file that changes at each download looks like a new form.
MADE = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def workbook(domain: Domain) -> bytes:
    """An .xlsx of four sheets: data (empty, one column a field a person fills in), example, dictionary, codes."""
    buffer = BytesIO()
    with xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        book.set_properties(
            {
                "title": f"{domain.title.zh} {domain.title.en}",
                "created": MADE,
                "comments": f"{domain.name} {domain.version}",
            }
        )
        look = _formats(book)
        sheets = {name: book.add_worksheet(title) for name, title in SHEETS.items()}
        lists = _codes(sheets["codes"], domain, look)
        for name in ("data", "example"):
            _header(sheets[name], domain, look)
        for column, field in enumerate(domain.input_fields):
            sheets["example"].write_string(1, column, _shown(field, domain.example.get(field.name, "")), look["text"])
            rule = _validation(field, lists)
            if rule:
                sheets["data"].data_validation(1, column, ROWS, column, rule)
        _dictionary(sheets["dictionary"], domain, look)
        sheets["data"].activate()
    return buffer.getvalue()


def heading(field: Field) -> str:
    """The column's title as the template prints it: `*预算金额（元）`; the star says that it is always required."""
    star = "*" if field.required and not field.required_if else ""
    unit = f"（{field.unit}）" if field.unit and field.unit not in field.title.zh else ""
    return f"{star}{field.title.zh}{unit}"


def _formats(book: xlsxwriter.Workbook) -> dict[str, Any]:
    base = {"font_name": "Microsoft YaHei", "font_size": 10, "valign": "vcenter"}
    head = base | {"bold": True, "text_wrap": True, "border": 1, "border_color": "#B8C4CE"}
    return {
        "required": book.add_format(head | {"bg_color": "#F6D5C8"}),
        "expected": book.add_format(head | {"bg_color": "#FBEFC9"}),
        "optional": book.add_format(head | {"bg_color": "#E4EBF0"}),
        "text": book.add_format(base | {"num_format": "@"}),
        "wrapped": book.add_format(base | {"text_wrap": True, "valign": "top"}),
        "date": book.add_format(base | {"num_format": "yyyy-mm-dd"}),
        "datetime": book.add_format(base | {"num_format": "yyyy-mm-dd hh:mm:ss"}),
        "number": book.add_format(base | {"num_format": "General"}),
    }


def _header(sheet: Worksheet, domain: Domain, look: dict[str, Any]) -> None:
    sheet.freeze_panes(1, 0)
    sheet.set_row(0, 32)
    for column, field in enumerate(domain.input_fields):
        kind = (
            "date"
            if field.type == "date"
            else "datetime"
            if field.type == "datetime"
            else "number"
            if field.type in NUMERIC
            else "text"
        )  # text keeps 00123 and long codes as they are typed
        sheet.set_column(column, column, min(40, max(12, 2 * len(field.title.zh) + 4)), look[kind])
        demand = "required" if field.required else "expected" if field.expected else "optional"
        sheet.write_string(0, column, heading(field), look[demand])
        sheet.write_comment(0, column, _comment(domain, field), {"x_scale": 2, "y_scale": 1.6, "author": "gkopen"})


def _comment(domain: Domain, field: Field) -> str:
    lines = [f"{field.title.zh} · {field.title.en}", *(need(domain, field, lang) for lang in ("zh", "en"))]
    if field.description:
        lines += [field.description.zh, field.description.en]
    if field.example:
        lines.append(f"例 e.g. {_shown(field, field.example)}")
    return "\n".join(filter(None, lines))


def _shown(field: Field, value: str) -> str:
    """A value as an officer writes it: titles of codes, 是 and 否."""
    if field.type == "boolean" and value:
        return BOOLEANS[0] if value == "true" else BOOLEANS[1]
    code = field.codes.get(value) if field.codes else None
    return code.title.zh if code else value


def _codes(sheet: Worksheet, domain: Domain, look: dict[str, Any]) -> dict[str, str]:
    """Three columns a code list (Chinese title, code, English title); gives the range of the titles of each list."""
    ranges = {}
    used: dict[str, CodeList] = {f.codes.name: f.codes for f in domain.input_fields if f.codes}
    for index, (name, codes) in enumerate(used.items()):
        first = 3 * index
        title = next(f.title for f in domain.fields if f.codes and f.codes.name == name)
        for offset, text in enumerate((title.zh, "代码 code", title.en)):
            sheet.write_string(0, first + offset, text, look["optional"])
        for row, code in enumerate(codes.codes, 1):
            for offset, text in enumerate((code.title.zh, code.code, code.title.en)):
                sheet.write_string(row, first + offset, text, look["text"])
        sheet.set_column(first, first + 2, 20)
        column = xl_col_to_name(first)
        ranges[name] = EXCEL_LIST.format(sheet=SHEETS["codes"], column=column, last=len(codes.codes) + 1)
    sheet.freeze_panes(1, 0)
    return ranges


def _validation(field: Field, lists: dict[str, str]) -> dict[str, Any] | None:
    """A drop-down for codes; a warning, which an officer may pass, where the source may print a text instead."""
    title = field.title.zh[:32]
    if field.codes:
        return {
            "validate": "list",
            "source": lists[field.codes.name],
            "error_type": "warning",
            "error_title": title,
            "error_message": "请从下拉列表中选择。 Choose from the list.",
        }
    if field.type == "boolean":
        return {
            "validate": "list",
            "source": list(BOOLEANS),
            "error_title": title,
            "error_message": "请选择是或否。 Choose 是 (yes) or 否 (no).",
        }
    if field.type in ("date", "datetime"):
        return {
            "validate": "date",
            "criteria": ">=",
            "value": datetime(1949, 10, 1),
            "error_type": "warning",
            "error_title": title,
            "error_message": "请填写日期，例如 2024-05-13。 Write a date.",
        }
    if field.type in NUMERIC:
        return {
            "validate": "decimal",
            "criteria": "between",
            "error_type": "warning",
            "error_title": title,
            "minimum": float(field.minimum) if field.minimum is not None else -1e15,
            "maximum": float(field.maximum) if field.maximum is not None else 1e15,
            "error_message": "请填写数字，不带单位。 Write a number without its unit.",
        }
    return None


def _dictionary(sheet: Worksheet, domain: Domain, look: dict[str, Any]) -> None:
    columns = [
        Text("字段", "Field"),
        Text("中文名", "Chinese"),
        Text("英文名", "English"),
        Text("类型", "Type"),
        Text("填写要求", "Need"),
        Text("单位", "Unit"),
        Text("说明", "Description"),
        Text("代码", "Codes"),
        Text("示例", "Example"),
    ]
    for column, (text, width) in enumerate(zip(columns, (22, 22, 26, 20, 36, 8, 44, 44, 26), strict=True)):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, f"{text.zh} {text.en}", look["optional"])
    both = zip(dictionary_rows(domain, "zh"), dictionary_rows(domain, "en"), strict=True)
    for row, (zh, en) in enumerate(both, 1):
        codes = "\n".join(f"{c['title']} ({c['code']})" for c in zh["codes"][:40])
        cells = [
            zh["name"],
            zh["title"],
            en["title"],
            f"{zh['type']} {en['type']}",
            f"{zh['need']}\n{en['need']}".strip(),
            zh["unit"],
            f"{zh['description']}\n{en['description']}".strip(),
            codes,
            zh["example"],
        ]
        for column, cell in enumerate(cells):
            sheet.write_string(row, column, cell, look["wrapped"])
    sheet.freeze_panes(1, 1)
