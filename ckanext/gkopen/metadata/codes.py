"""The code lists of the disclosure metadata: schemas/codes/meta_*.csv, in the form of the domains' lists."""

from __future__ import annotations

from functools import cache

from ckanext.gkopen.codes import Code
from ckanext.gkopen.domains import CodeList, Text
from ckanext.gkopen.schemas import ROOT, read_codes


@cache
def meta_codes(name: str) -> CodeList:
    """The list of schemas/codes/<name>.csv, in the order of the file, read once a process."""
    columns, rows = read_codes(ROOT / "codes" / f"{name}.csv")
    return CodeList(name, tuple(
        Code(row["code"], Text(row["zh"], row["en"]), tuple(filter(None, row["aliases"].split("|"))),
             {column: row[column] for column in columns[4:]})
        for row in rows
    ))


def label(text: Text) -> dict[str, str]:
    """A text as ckanext-scheming reads a label: CKAN's locale → text."""
    return {"en": text.en, "zh_Hans_CN": text.zh}
