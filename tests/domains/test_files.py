"""Mistakes in a domain file are refused with file, line, rule and fix; a city's own domain needs no Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from ckanext.gkopen import domains as domains_module
from ckanext.gkopen.derive.template import workbook
from ckanext.gkopen.domains import Domain, UnknownDomain, configure, domains, get_domain, lint
from ckanext.gkopen.schemas import SchemaError

GOOD = """\
name: toilet
title: {zh: 公共厕所, en: Public toilets}
description: {zh: 公共厕所。, en: Public toilets.}
matter: {zh: 市政服务, en: Municipal services}
legal_basis: {zh: 政府信息公开条例 第二十条, en: Disclosure Regulations art. 20}
key: [name]
part: {kind: month, fields: [checked_on]}
fields:
  name:
    title: {zh: 名称, en: Name}
    type: string
    required: true
    example: 人民公园公共厕所
  checked_on:
    title: {zh: 巡查日期, en: Checked on}
    type: date
    required: true
    example: "2024-05-13"
  kind:
    title: {zh: 类别, en: Kind}
    type: code
    codes: toilet_kind
    expected: {unless: {name: [""]}}
    example: fixed
  cost:
    title: {zh: 费用, en: Cost}
    type: money
    minimum: "0"
rules:
  cheap:
    kind: range
    title: {zh: 费用偏高, en: Dear}
    params: {field: cost, maximum: "1000"}
"""
CODES = "code,zh,en,aliases\nfixed,固定,Fixed,固定式|固定厕所\nmobile,移动,Mobile,\n"


def folder(path: Path, text: str = GOOD, codes: str = CODES) -> Path:
    (path / "codes").mkdir()
    (path / "toilet.yaml").write_text(text, encoding="utf-8")
    (path / "codes" / "toilet_kind.csv").write_text(codes, encoding="utf-8")
    return path


def test_a_city_adds_a_domain_as_a_file_without_any_python(tmp_path: Path) -> None:
    toilet = domains(folder(tmp_path))["toilet"]
    assert toilet.field("cost").arrow_type == pa.decimal128(28, 8)
    found = toilet.code_lists["toilet_kind"].find("固定 厕所")
    assert found is not None and found.code == "fixed"
    assert toilet.rules[0].params["maximum"] == "1000"
    table = pa.table({"name": ["a", "b"], "checked_on": pa.array([19856, 19888], pa.int32()).cast(pa.date32())})
    assert toilet.part_of(table).to_pylist() == ["2024-05", "2024-06"]
    assert workbook(toilet)[:2] == b"PK"
    assert "budget" in domains(tmp_path)
    assert lint(tmp_path) == []


def test_a_city_adds_codes_and_aliases_to_the_lists_of_gkopen(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (place / "codes" / "region.csv").write_text(
        "code,zh,en,aliases\n330100,杭州市,Hangzhou,杭州\n350102,鼓楼区,Gulou,福州市鼓楼区\n"
        "320102,玄武区,Xuanwu District,玄武\n", "utf-8")
    assert lint(place) == []
    before, regions = get_domain("budget"), domains(place)["budget"].code_lists["region"]
    for label, code in (("杭州", "330100"), ("鼓楼区", "350102"), ("玄武", "320102"), ("南京市玄武区", "320102"),
                        ("江苏", "320000")):
        assert (found := regions.find(label)) is not None and found.code == code
    xuanwu = regions.get("320102")
    assert xuanwu is not None and (xuanwu.title.en, xuanwu.extra["parent"]) == ("Xuanwu District", "320100")
    assert domains(place)["budget"].version != before.version == get_domain("budget").version
    assert domains(place)["parking"].version == get_domain("parking").version


@pytest.mark.parametrize(("name", "row", "said"), [
    ("region", "330100,南京市,Hangzhou,", "region.csv:2: unique: 南京市 already means 320100 南京市"),
    ("notice_type", "other,其他公告,Other notice,", "notice_type.csv:2: columns: gkopen's list says more of a code"),
    ("region", "330100,杭州市,Hangzhou", "region.csv:2: columns"),
])
def test_what_a_city_may_not_add_is_refused_once(tmp_path: Path, name: str, row: str, said: str) -> None:
    place = folder(tmp_path)
    (place / "codes" / f"{name}.csv").write_text(f"code,zh,en,aliases\n{row}\n", "utf-8")
    with pytest.raises(SchemaError) as caught:
        domains(place)
    assert str(caught.value).count(said) == 1
    assert [said in str(problem) for problem in lint(place)].count(True) == 1


@pytest.fixture
def own_folder():
    yield
    configure(None)


def test_the_setting_and_the_environment_name_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_folder: None
) -> None:
    assert "toilet" not in domains()
    configure(folder(tmp_path))
    assert get_domain("toilet").title.en == "Public toilets"
    configure(None)
    monkeypatch.setenv("GKOPEN_DOMAINS_DIR", str(tmp_path))
    assert "toilet" in domains()


def test_penalty_and_parking_are_files_alone() -> None:
    """No module knows their names: what holds for them holds for any file."""
    root = Path(domains_module.__file__).parent
    for name in ("parking", "decision_no", "penalty_kind", "public_until"):
        assert not [
            path
            for path in root.rglob("*.py")
            if f'"{name}"' in path.read_text("utf-8") and "simulator" not in path.parts
        ]
    assert {"penalty", "parking"} <= set(domains())


WRONG = [
    ("title: {zh: 公共厕所, en: Public toilets}\ndesc", "title: {zh: 公共厕所}\ndesc", 2, "required", "zh: 中文"),
    ("key: [name]", "key: [nam]", 6, "field", "described under fields"),
    ("key: [name]", "key: [kind]", 19, "key", "required: true"),
    ("part: {kind: month, fields: [checked_on]}", "part: {kind: weekly}", 7, "enum", "whole, fields, month, year"),
    ("part: {kind: month, fields: [checked_on]}", "part: {kind: month}", 7, "required", "kind: whole"),
    ("part: {kind: month, fields: [checked_on]}", "part: {kind: whole, fields: [name]}", 7, "not", "leave fields out"),
    ("part: {kind: month, fields: [checked_on]}", "part: {kind: month, fields: [name]}", 7, "part", "date"),
    ("    type: string\n", "    type: strin\n", 11, "enum", "string, text, integer"),
    ("    type: string\n", "    typ: string\n    type: string\n", 11, "additionalProperties", "did you mean 'type'"),
    ("    type: string\n", "", 9, "required", "title and type"),
    ("    codes: toilet_kind\n", "", 19, "required", "name the code list"),
    ("    type: money\n", "    type: money\n    codes: toilet_kind\n", 28, "not", "leave codes out"),
    ("    codes: toilet_kind\n", "    codes: toilet_kinds\n", 22, "codes", "write it into"),
    ("  kind:\n", "  Kind:\n", 19, "pattern", "lower-case ASCII"),
    ('{name: [""]}', '{nome: [""]}', 23, "field", "described under fields"),
    ('{name: [""]}', "{kind: [flying]}", 23, "code", "toilet_kind.csv"),
    ("kind: range", "kind: rang", 31, "enum", "sum, parts_sum"),
    ("params: {field: cost, ", "params: {field: costs, ", 33, "field", "described under fields"),
    ('params: {field: cost, maximum: "1000"}', "params: {field: cost}", 33, "anyOf", "minimum or maximum"),
    ('    minimum: "0"', "    minimum: 0.5", 28, "type", "in quotes"),
    ("  cost:\n", "  name:\n", 25, "unique", "remove one"),
    ("  checked_on:\n", "\tchecked_on:\n", 14, "yaml", "correct the YAML syntax"),
    ("    type: money\n", "    type: money\n    aliases: [名称]\n", 25, "label", "leave it to one"),
    ("    type: money\n", "    type: money\n    pattern: '['\n", 28, "pattern", "correct the pattern"),
    ("    type: money\n", "    type: money\n    derived: magic:name\n", 28, "pattern", "ways of derivation"),
    ("    type: money\n", "    type: money\n    unit_from: unit\n", 28, "field", "described under fields"),
]


@pytest.mark.parametrize(("old", "new", "line", "rule", "fix"), WRONG)
def test_a_mistake_is_refused_with_line_rule_and_fix(
    tmp_path: Path, old: str, new: str, line: int, rule: str, fix: str
) -> None:
    assert old in GOOD
    with pytest.raises(SchemaError) as caught:
        domains(folder(tmp_path, GOOD.replace(old, new, 1)))
    found = [p for p in caught.value.problems if (p.line, p.rule) == (line, rule)]
    assert found, caught.value
    assert found[0].file == tmp_path / "toilet.yaml"
    assert fix in found[0].fix
    assert f"toilet.yaml:{line}: {rule}: " in str(caught.value)


@pytest.mark.parametrize(
    ("codes", "line", "message"),
    [
        ("code,zh,en\nfixed,固定,Fixed\n", 1, "begin it with code,zh,en,aliases"),
        ("code,zh,en,aliases\nfixed,固定,Fixed\n", 2, "too many or too few"),
        ("code,zh,en,aliases\nfixed,固定,Fixed,x,y\n", 2, "too many or too few"),
        ("code,zh,en,aliases\nfixed,,Fixed,\n", 2, "no code or title"),
    ],
)
def test_a_mistake_in_a_code_list_is_refused(tmp_path: Path, codes: str, line: int, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        domains(folder(tmp_path, codes=codes))
    problem = caught.value.problems[0]
    assert (problem.file.name, problem.line) == ("toilet_kind.csv", line)
    assert message in str(problem)


@pytest.mark.parametrize(
    "codes",
    [
        "code,zh,en,aliases\nfixed,固定,Fixed,移动\nmobile,移动,Mobile,\n",
        "code,zh,en,aliases\nfixed,固定,A,\nfixed,流动,B,\n",
    ],
)
def test_a_label_that_means_two_codes_is_refused(tmp_path: Path, codes: str) -> None:
    with pytest.raises(SchemaError, match=r"toilet_kind\.csv"):
        domains(folder(tmp_path, codes=codes))


def test_lint_judges_the_example_record(tmp_path: Path) -> None:
    (problem,) = lint(folder(tmp_path, GOOD.replace('example: "2024-05-13"', "example: 2024年5月")))
    assert (problem.line, problem.rule) == (18, "example")


def test_lint_is_a_command_that_exits_1(tmp_path: Path) -> None:
    folder(tmp_path, GOOD.replace("type: date", "type: day"))
    done = subprocess.run(
        [sys.executable, "-m", "ckanext.gkopen.domains", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "toilet.yaml:16: enum: 'day'" in done.stdout


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="domains_dir"):
        domains(tmp_path / "nowhere")


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="a domain budget already"):
        domains(folder(tmp_path, GOOD.replace("name: toilet", "name: budget", 1)))


def test_an_unknown_domain_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownDomain, match="budget, hotline"):
        get_domain("budgets")


def test_a_domain_cannot_be_changed_and_is_read_once() -> None:
    budget = get_domain("budget")
    assert get_domain("budget") is budget
    with pytest.raises(AttributeError):
        budget.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        domains()["x"] = budget  # type: ignore[index]
    with pytest.raises(TypeError):
        budget.rules[0].params["x"] = 1  # type: ignore[index]


def test_the_version_follows_the_file_and_its_code_lists(tmp_path: Path) -> None:
    versions = set()
    for number, (text, codes) in enumerate([(GOOD, CODES), (GOOD + "\n", CODES), (GOOD, CODES + "tent,帐篷,Tent,\n")]):
        place = tmp_path / str(number)
        place.mkdir()
        toilet: Domain = domains(folder(place, text, codes))["toilet"]
        versions.add(toilet.version)
    assert len(versions) == 3


def test_a_row_without_the_field_of_its_part_is_refused() -> None:
    budget = get_domain("budget")
    table = pa.table({"fiscal_year": pa.array([2024, None], pa.int64()), "phase": ["budget", "final"]})
    with pytest.raises(ValueError, match="1 rows have no fiscal_year"):
        budget.part_of(table)
    assert budget.part_of(table.slice(0, 1)).to_pylist() == ["2024-budget"]
