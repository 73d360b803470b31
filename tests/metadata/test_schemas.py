"""The scheming files, the code lists and the texts that stand in them."""

import re
from pathlib import Path

import pytest
import yaml

from ckanext.gkopen.codes import fold
from ckanext.gkopen.deadlines import limits
from ckanext.gkopen.metadata import choices, validators
from ckanext.gkopen.metadata.codes import meta_codes
from ckanext.gkopen.metadata.licences import CITY, licences, write_group
from ckanext.gkopen.metadata.package import APPROVED
from ckanext.gkopen.metadata.rules import REQUIRED
from ckanext.gkopen.schemas import ROOT

LISTS = sorted(path.stem for path in (ROOT / "codes").glob("meta_*.csv"))


def load(name: str) -> dict:
    return yaml.safe_load((ROOT / f"{name}.yaml").read_text("utf-8"))


PRESETS = {preset["preset_name"]: preset["values"] for preset in load("presets")["presets"]}
FIELDS = [field for name, key in (("dataset", "dataset_fields"), ("dataset", "resource_fields"),
                                  ("organization", "fields")) for field in load(name)[key]]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field["field_name"])
def test_a_field_has_an_ascii_name_and_texts_in_both_languages(field: dict) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", field["field_name"])
    for key in ("label", "help_text"):
        if key in field:
            assert set(field[key]) == {"en", "zh_Hans_CN"}
            assert not re.search(r"[a-z]{4}", field[key]["zh_Hans_CN"])
    for choice in field.get("choices", ()):
        assert set(choice["label"]) == {"en", "zh_Hans_CN"}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field["field_name"])
def test_what_a_field_names_exists(field: dict) -> None:
    expanded = PRESETS.get(field.get("preset", ""), {}) | field
    if "code_list" in expanded:
        assert expanded["code_list"] in LISTS
    if "choices_helper" in expanded:
        assert expanded["choices_helper"] in choices.__all__
        assert len(getattr(choices, expanded["choices_helper"])(expanded)) > 1
    own = re.findall(r"gkopen_\w+", expanded.get("validators", ""))
    assert set(own) <= set(validators.__all__)


def test_what_the_rules_require_the_schema_requires() -> None:
    required = {field["field_name"] for field in load("dataset")["dataset_fields"]
                if field.get("required") or "not_empty" in field.get("validators", "")}
    assert required == set(REQUIRED)


def test_what_is_approved_is_in_the_schema() -> None:
    names = {field["field_name"] for field in load("dataset")["dataset_fields"]}
    assert set(APPROVED) <= names


@pytest.mark.parametrize("name", LISTS)
def test_a_label_means_one_code(name: str) -> None:
    labels = [label for code in meta_codes(name).codes for label in {fold(text) for text in code.labels}]
    assert len(labels) == len(set(labels))


def test_the_26_fields_of_the_disclosure_catalogues() -> None:
    fields = meta_codes("meta_field")
    assert len([code for code in fields.codes if code.code != "other"]) == 26
    named = ("重大建设项目 公共资源交易 财政预决算 安全生产 税收管理 房屋征收 保障性住房 农村危房改造 生态环境 "
             "公共文化服务 公共法律服务 扶贫 救灾 食品药品监管 城市综合执法 就业创业 社会保险 社会救助 养老服务 "
             "户籍管理 涉农补贴 义务教育 医疗卫生 市政服务")
    assert [label for label in named.split() if fields.find(label) is None] == []


def test_grounds_name_their_article_and_say_whether_they_bind() -> None:
    articles = [code.extra["article"] for code in meta_codes("meta_exemption_ground").codes]
    assert {article.rsplit(" ", 1)[1] for article in articles} == {"14", "15", "16"}
    assert {code.extra["discretion"] for code in meta_codes("meta_exemption_ground").codes} == {"must", "may"}


def test_limits_are_in_known_units_and_have_a_source() -> None:
    for limit in limits().values():
        assert limit.unit in {"working_days", "days", "month_day"}
        assert limit.title.zh
        assert limit.title.en
        assert limit.source


def test_the_citys_licence_is_offered_when_its_text_has_an_address(tmp_path: Path) -> None:
    assert [licence["id"] for licence in licences()] == ["cc-by-4.0", "cc0-1.0"]
    offered = licences("南通市公共数据开放许可", "", "https://data.example.gov.cn/licence")
    city = next(licence for licence in offered if licence["id"] == CITY)
    assert city["title"] == "南通市公共数据开放许可"
    assert city["title_en"] == "Open-data licence of the city"
    address = write_group(tmp_path, offered)
    written = Path(address.removeprefix("file://")).read_bytes()
    assert written.isascii()
    assert yaml.safe_load(written) == offered
