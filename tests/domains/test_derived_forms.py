"""What is made from a domain: template, table schema, dictionary, documentation page."""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path
from typing import Any

import frictionless
import openpyxl
import pytest

from ckanext.gkopen.derive import docs
from ckanext.gkopen.derive.dictionary import datastore_fields, dictionary_rows
from ckanext.gkopen.derive.tableschema import table_schema
from ckanext.gkopen.derive.template import heading, workbook
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.labels import fold

NAMES = list(domains())


@pytest.mark.parametrize("name", NAMES)
def test_the_template_opens_with_drop_downs_notes_example_and_dictionary(name: str) -> None:
    domain = get_domain(name)
    book = openpyxl.load_workbook(BytesIO(workbook(domain)))
    data, example, dictionary, codes = book.worksheets
    head = [cell.value for cell in data[1]]
    assert head == [heading(field) for field in domain.input_fields]
    assert data.freeze_panes == "A2"
    assert data.max_row == 1, "the sheet that is filled in is empty"
    assert all(cell.comment is not None and "·" in cell.comment.text for cell in data[1])
    lists = {
        min(cells.min_col for cells in rule.sqref.ranges): rule
        for rule in data.data_validations.dataValidation
        if rule.type == "list"
    }
    for column, field in enumerate(domain.input_fields, 1):
        if field.codes:
            sheet, cells = lists[column].formula1.split("!")
            column_of_titles: Any = book[sheet.strip("'")][cells.replace("$", "")]
            titles = [row[0].value for row in column_of_titles]
            assert titles == [code.title.zh for code in field.codes.codes]
    shown = dict(zip((cell.value for cell in example[1]), (cell.value for cell in example[2]), strict=True))
    for field in domain.input_fields:
        value = domain.example.get(field.name)
        if value is not None and not field.codes and field.type != "boolean":
            assert shown[heading(field)] == value
    assert [row[0].value for row in dictionary.iter_rows(min_row=2)] == list(domain.field_names)
    assert codes.title == "代码 Codes"


@pytest.mark.parametrize("name", NAMES)
def test_headings_of_the_template_are_understood_when_it_comes_back(name: str) -> None:
    """A star and a unit in brackets do not hide which field a column is."""
    for field in get_domain(name).input_fields:
        unit = f"（{field.unit}）" if field.unit else ""
        assert fold(heading(field).removesuffix(unit)) == fold(field.title.zh)


def test_the_template_is_the_same_bytes_each_time() -> None:
    assert workbook(get_domain("budget")) == workbook(get_domain("budget"))


@pytest.mark.parametrize("name", NAMES)
def test_the_example_record_is_valid_under_the_table_schema(name: str, tmp_path: Path) -> None:
    domain = get_domain(name)
    schema = frictionless.Schema.from_descriptor(table_schema(domain))
    row = {"record_id": "x", "event_id": "x", "project_id": "x", "source_value": "1530800.00"}
    with (tmp_path / "example.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, domain.field_names, lineterminator="\n")
        writer.writeheader()
        writer.writerow({field: domain.example.get(field) or row.get(field, "") for field in domain.field_names})
    with frictionless.system.use_context(trusted=True):
        report = frictionless.validate(str(tmp_path / "example.csv"), schema=schema)
    assert report.valid, report.flatten(["fieldName", "message"])
    assert [field.name for field in schema.fields] == list(domain.field_names)
    assert schema.primary_key == list(domain.key)


def test_the_table_schema_refuses_a_code_a_form_and_a_missing_value(tmp_path: Path) -> None:
    domain = get_domain("budget")
    good = {name: domain.example.get(name, "") for name in domain.field_names} | {"record_id": "1", "source_value": "1"}
    rows = [
        good,
        good | {"record_id": "2", "phase": "预算"},
        good | {"record_id": "3", "func_code": "20"},
        good | {"record_id": "4", "org_name": ""},
        good | {"record_id": "5", "amount": "1万元"},
    ]
    with (tmp_path / "bad.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, domain.field_names)
        writer.writeheader()
        writer.writerows(rows)
    with frictionless.system.use_context(trusted=True):
        report = frictionless.validate(
            str(tmp_path / "bad.csv"), schema=frictionless.Schema.from_descriptor(table_schema(domain))
        )
    assert {(row, field) for row, field in report.flatten(["rowNumber", "fieldName"])} == {
        (3, "phase"),
        (4, "func_code"),
        (5, "org_name"),
        (6, "amount"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_dictionary_names_every_column_in_both_languages(name: str) -> None:
    domain = get_domain(name)
    columns = datastore_fields(domain)
    assert [column["id"] for column in columns] == list(domain.field_names)
    assert all(column["info"]["label"] and column["info"]["label_en"] for column in columns)
    assert all(len(column["id"].encode()) <= 63 and not column["id"].startswith("_") for column in columns)
    for lang, title in (("zh_Hans_CN", "zh"), ("en", "en")):
        rows = dictionary_rows(domain, lang)
        assert [row["title"] for row in rows] == [getattr(field.title, title) for field in domain.fields]
        assert all(row["type"] for row in rows)


def test_the_need_of_a_field_is_told_in_words() -> None:
    rows = {row["name"]: row for row in dictionary_rows(get_domain("procurement"), "zh")}
    assert rows["record_id"]["need"] == "自动生成"
    assert rows["project_name"]["need"] == "必填"
    assert rows["signed_on"]["need"] == "在下列情形应填：公告类型为合同公告"
    english = {row["name"]: row for row in dictionary_rows(get_domain("procurement"), "en")}
    assert english["signed_on"]["need"] == "expected if Notice kind is Contract notice"


def test_the_pages_in_docs_are_those_of_the_domain_files() -> None:
    """Stale? Run `python -m ckanext.gkopen.derive.docs`."""
    wanted = docs.pages()
    assert set(docs.FOLDER.glob("*.md")) == set(wanted)
    for path, text in wanted.items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale: run python -m ckanext.gkopen.derive.docs"


def test_the_handbook_names_every_key_kind_and_way() -> None:
    import json
    import re

    from ckanext.gkopen.schemas import ROOT

    text = (docs.FOLDER.parent / "domains.md").read_text("utf-8")
    schema = json.loads((ROOT / "domain.schema.json").read_text("utf-8"))
    keys = {*schema["properties"], *schema["$defs"]["field"]["properties"]} - {"title", "description", "name"}
    ways = re.findall(
        r"[a-z]+_of|join|else_join|ocid|printed", schema["$defs"]["field"]["properties"]["derived"]["pattern"]
    )
    kinds = schema["$defs"]["rule"]["properties"]["kind"]["enum"]
    for word in (*keys, *ways, *kinds):
        assert re.search(rf"`[^`]*\b{word}\b[^`]*`", text), f"docs/domains.md does not explain {word}"
    assert all(f"domains/{name}.md" in text for name in NAMES)
