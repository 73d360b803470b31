"""Makes the Solr configset: CKAN's own schema with Chinese field types and the word fields of the portal.

    python -m ckanext.gkopen.solr.schema OUT    writes schema.xml, solrconfig.xml, protwords.txt, synonyms.txt

CKAN's schema is read from the installed package and keeps its name (``ckan-2.12``), which CKAN checks at its
start. Whatever is replaced must be found, once: a new CKAN that moved it stops here with a sentence, not
later with a search that finds nothing.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import ckan

STATIC = Path(__file__).parent / "conf"
SCHEMA_NAME = "ckan-2.12"
REPLACED_TYPES = ("text", "text_general", "text_ngram")
#: CKAN's field line → ours. Titles sort by pinyin, not by code point.
REPLACED_FIELDS = {
    "title_string": '<field name="title_string" type="zh_sort" indexed="true" stored="false"/>',
}


class SchemaError(Exception):
    """CKAN's schema is not the one that this portal was made for."""


def make_confdir(out: Path) -> None:
    """Write a complete ``conf/`` of a Solr configset into ``out`` (made when missing, files overwritten).

    :raises SchemaError: when the installed CKAN's schema has another name or lost a part that is replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "schema.xml").write_text(chinese_schema(ckan_schema()), "utf-8")
    for name in ("solrconfig.xml", "protwords.txt", "synonyms.txt"):
        shutil.copyfile(STATIC / name, out / name)


def ckan_schema() -> str:
    """The text of the schema.xml that the installed CKAN brings."""
    return (Path(str(ckan.__file__)).parent / "config" / "solr" / "schema.xml").read_text("utf-8")


def chinese_schema(schema: str) -> str:
    """CKAN's schema.xml as text → ours. Comments and order of CKAN's part stay as they are."""
    if f'<schema name="{SCHEMA_NAME}"' not in schema:
        raise SchemaError(f"CKAN's schema is not named {SCHEMA_NAME}: read it and adapt {__file__}.")
    types = _fragments("types.xml")
    for name in REPLACED_TYPES:
        pattern = rf'<fieldType name="{name}" .*?</fieldType>'
        schema = _replace(pattern, types.pop(name), schema, f"field type {name}")
    for name, line in REPLACED_FIELDS.items():
        schema = _replace(rf'<field name="{name}" [^>]*/>', line, schema, f"field {name}")
    for tag, parts in (("types", types.values()), ("fields", _fragments("fields.xml").values())):
        schema = _append(tag, parts, schema)
    schema = _append("schema", _fragments("copies.xml").values(), schema)
    ElementTree.fromstring(schema.encode())     # a slip in conf/*.xml is told here, not in the server's log
    return schema


def _fragments(name: str) -> dict[str, str]:
    """The elements of one of our files by their name (of copyField: by source and target), as text."""
    root = ElementTree.parse(STATIC / name).getroot()
    return {
        element.get("name") or f"{element.get('source')}>{element.get('dest')}":
        ElementTree.tostring(element, encoding="unicode").strip()
        for element in root
    }


def _replace(pattern: str, new: str, schema: str, what: str) -> str:
    schema, count = re.subn(pattern, lambda _: new, schema, flags=re.DOTALL)
    if count != 1:
        raise SchemaError(f"CKAN's schema has the {what} {count} times, expected once: adapt {__file__}.")
    return schema


def _append(tag: str, parts: Iterable[str], schema: str) -> str:
    return _replace(f"</{tag}>", "\n".join([*parts, f"</{tag}>"]), schema, f"end of <{tag}>")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m ckanext.gkopen.solr.schema OUT_FOLDER")
    make_confdir(Path(sys.argv[1]))
