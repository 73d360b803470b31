"""The sheets of the Excel template, by which the pipeline knows again what it wrote itself."""

SHEETS = {
    "data": "填报 Data",
    "example": "示例 Example",
    "dictionary": "字典 Dictionary",
    "codes": "代码 Codes",
}
ASIDE = frozenset(title for name, title in SHEETS.items() if name != "data")
"""Sheets that help the person who fills in the template and hold no data."""
