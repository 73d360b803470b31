"""docs/metadata.md names every field, every finding and every property."""

import re
from pathlib import Path

import pytest
import yaml

from ckanext.gkopen.metadata import proposal, rules
from ckanext.gkopen.schemas import ROOT

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "metadata.md").read_text("utf-8")
MODULES = [Path(str(module.__file__)) for module in (rules, proposal)]
PROFILE = PROJECT / "ckanext" / "gkopen" / "dcat" / "profile.py"


@pytest.mark.parametrize(("file", "key"), [
    ("dataset", "dataset_fields"), ("dataset", "resource_fields"), ("organization", "fields")])
def test_every_field_is_described(file: str, key: str) -> None:
    fields = yaml.safe_load((ROOT / f"{file}.yaml").read_text("utf-8"))[key]
    assert [field["field_name"] for field in fields if f"`{field['field_name']}`" not in PAGE] == []


def test_the_findings_are_those_of_the_code() -> None:
    used = {code for path in MODULES for code in re.findall(r'"(meta_[a-z_]+)", ', path.read_text("utf-8"))}
    lists = {path.stem for path in (ROOT / "codes").glob("meta_*.csv")}
    assert set(re.findall(r"`(meta_[a-z_]+)`", PAGE)) == used - lists


def test_every_own_property_of_the_graph_is_described() -> None:
    used = set(re.findall(r"GK\.(\w+)", PROFILE.read_text("utf-8"))) - {"harvestSource", "contentSha256"}
    assert {name for name in used if f"`gkopen:{name}`" not in PAGE} == set()
