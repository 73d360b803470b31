"""The fixed pieces of a workbook (ECMA-376, SpreadsheetML): styles, relations, headings, small sheets."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
TEXT, HEADING, NUMBER, WHOLE, DATE, TIME, WRAPPED = range(1, 8)
"""Indexes into `_FORMATS`."""


def _format(number: int, font: int = 0, fill: int = 0, inside: str = "") -> str:
    """A cell format; `number` is a built-in one (4: #,##0.00, 1: 0, 49: text) or one of `STYLES`."""
    return (
        f'<xf numFmtId="{number}" fontId="{font}" fillId="{fill}" borderId="0" xfId="0" applyNumberFormat="1"'
        f' applyFont="{font}" applyFill="{int(fill > 0)}" applyAlignment="{int(bool(inside))}">{inside}</xf>'
    )


_FORMATS = [
    _format(0), _format(49), _format(49, 1, 2), _format(4), _format(1), _format(164), _format(165),
    _format(49, inside='<alignment wrapText="1" vertical="top"/>'),
]
STYLES = (
    f'{XML}<styleSheet xmlns="{MAIN}">'
    '<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="等线"/></font>'
    '<font><b/><sz val="11"/><name val="等线"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/>'
    '</fill><fill><patternFill patternType="solid"><fgColor rgb="FFE8EEF5"/></patternFill></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    f'<cellXfs count="{len(_FORMATS)}">{"".join(_FORMATS)}</cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


def fixed(titles: Sequence[str]) -> dict[str, str]:
    """Path → text of everything but the sheets."""
    numbers = range(1, len(titles) + 1)
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{TYPES}.worksheet+xml"/>' for n in numbers)
    sheets = "".join(
        f'<sheet name={quoteattr(title)} sheetId="{n}" r:id="rId{n}"/>' for n, title in enumerate(titles, 1))
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers)
    return {
        "[Content_Types].xml":
            f'{XML}<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{TYPES}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{TYPES}.styles+xml"/>{overrides}</Types>',
        "_rels/.rels":
            f'{XML}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1"'
            f' Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml":
            f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels":
            f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{links}<Relationship Id="rId{len(titles) + 1}"'
            f' Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": STYLES,
    }


def headings(texts: list[str]) -> str:
    """The first row of a sheet."""
    return _row(texts, HEADING)


def sheet_start(widths: list[int], first_row: str) -> bytes:
    """Up to and with the row of headings, which stays in sight."""
    sizes = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>' for n, width in enumerate(widths, 1))
    return (
        f'{XML}<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f"<cols>{sizes}</cols><sheetData>{first_row}"
    ).encode()


def sheet_end(rows: int, columns: int) -> bytes:
    return f'</sheetData><autoFilter ref="A1:{column_letters(columns)}{rows}"/></worksheet>'.encode()


def small_sheet(rows: list[list[str]]) -> bytes:
    """A sheet of texts that wrap, with a heading."""
    widths = [min(max(max(2 * len(row[i]) for row in rows) + 2, 8), 60) for i in range(len(rows[0]))]
    body = "".join(_row(row, WRAPPED) for row in rows[1:])
    return sheet_start(widths, headings(rows[0])) + body.encode() + b"</sheetData></worksheet>"


def column_letters(number: int) -> str:
    """1 → A, 27 → AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _row(texts: list[str], style: int) -> str:
    cells = "".join(
        f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>' for text in texts)
    return f"<row>{cells}</row>"
