"""The Solr configuration is CKAN's own with our parts in it, and an upgrade that moves a part is noticed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ckanext.gkopen.search.document import index_document
from ckanext.gkopen.solr.schema import (
    REPLACED_FIELDS,
    REPLACED_TYPES,
    SchemaError,
    chinese_schema,
    ckan_schema,
    make_confdir,
)


def test_confdir_is_complete(tmp_path: Path) -> None:
    make_confdir(tmp_path / "conf")
    make_confdir(tmp_path / "conf")     # again over itself
    files = {path.name for path in (tmp_path / "conf").iterdir()}
    assert files == {"schema.xml", "solrconfig.xml", "protwords.txt", "synonyms.txt"}
    schema = ElementTree.parse(tmp_path / "conf" / "schema.xml").getroot()
    assert schema.get("name") == "ckan-2.12"
    named = {(element.tag, element.get("name")) for element in schema.iter()}
    assert len([e for e in schema.iter("fieldType") if e.get("name") == "text"]) == 1
    assert {("fieldType", "zh_sort"), ("fieldType", "gk_words"), ("field", "gk_words")} <= named
    theirs = ElementTree.fromstring(ckan_schema().encode())
    assert {(e.tag, e.get("name")) for e in theirs.iter() if e.get("name")} <= named


def test_every_field_that_is_written_is_declared() -> None:
    written = {name for name in index_document({"title": "停车场"}, []) if name.startswith("gk_")}
    schema = ElementTree.fromstring(chinese_schema(ckan_schema()).encode())
    declared = {field.get("name") for field in schema.iter("field")}
    assert written <= declared
    copied = {copy.get("source") for copy in schema.iter("copyField") if copy.get("dest") == "gk_words"}
    assert copied == {name for name in written if "char" not in name and "pinyin" not in name}


@pytest.mark.parametrize("lost", [
    'name="ckan-2.12"', "</types>", "</fields>", "</schema>",
    *(f'<fieldType name="{name}"' for name in REPLACED_TYPES), *(f'<field name="{name}"' for name in REPLACED_FIELDS),
])
def test_a_part_that_moved_is_told(lost: str) -> None:
    with pytest.raises(SchemaError, match=r"adapt .*schema\.py"):
        chinese_schema(ckan_schema().replace(lost, "<!-- moved -->"))
