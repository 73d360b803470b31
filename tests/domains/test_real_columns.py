"""Every column of the real records is a field of ours or known and ignored, and the keys tell real rows apart."""

from __future__ import annotations

import csv

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.labels import fold
from ckanext.gkopen.schemas import ROOT

REAL = ROOT.parent.parent / "shared" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real records are not part of the distribution")
FILES = [
    ("procurement", "procurement.csv", "utf-8"),
    ("procurement", "procurement_yichang.csv", "utf-8"),
    ("project", "projects.csv", "utf-8"),
    ("budget", "budget.csv", "utf-8"),
    ("budget", "budget_gb18030.csv", "gb18030"),
    ("hotline", "hotline.csv", "utf-8"),
    ("hotline", "hotline_utf8bom.csv", "utf-8-sig"),
]


def rows(file: str, encoding: str) -> list[dict[str, str]]:
    with (REAL / file).open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("name", "file", "encoding"), FILES)
def test_columns_are_known(name: str, file: str, encoding: str) -> None:
    domain = get_domain(name)
    fields: dict[str, str] = {}
    for column in rows(file, encoding)[0]:
        found = [field.name for field in domain.fields if fold(column) in map(fold, field.labels)]
        if column in domain.ignored_columns:
            assert not found
            continue
        assert len(found) == 1, f"{column}: {found}"
        assert found[0] not in fields, f"{column} and {fields[found[0]]} are both {found[0]}"
        fields[found[0]] = column


@pytest.mark.parametrize(("name", "file", "encoding"), FILES)
def test_keys_tell_rows_apart(name: str, file: str, encoding: str) -> None:
    domain = get_domain(name)
    made = domain.field(domain.key[0]).derived or ""
    table = rows(file, encoding)
    column = {
        field.name: label for field in domain.fields for label in table[0] if fold(label) in map(fold, field.labels)
    }
    operands = made.partition(":")[2].split(",")
    if "release_id" in operands and "release_id" not in column:
        operands += ["source_url", "source_title", "notice_type"]
    keys = [tuple(row[column[operand]] for operand in operands if operand in column) for row in table]
    assert len(set(keys)) == len(keys)
