"""A zip with data, dictionary, licence and checksums, described by `datapackage.json` (Data Package, Frictionless)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from typing import IO, Any, NamedTuple, cast

from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.derive.tableschema import table_schema
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.publish.forms.content import Content
from ckanext.gkopen.publish.forms.packing import Deflated, add_stream, add_text
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import Stream
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS


def write(content: Content, csv_file: Stream, out: Spool) -> None:
    """`csv_file` is the table's finished CSV: it goes in as it was compressed there."""
    data_path = f"data/{content.name}.csv"
    of_domain = _of_domain(content.domain)[content.whole]
    texts = {"LICENSE.txt": _licence(content),
             "datapackage.json": _described(content, of_domain.schema, data_path, csv_file.size, csv_file.sha256)}
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in texts.items()} | {
        "dictionary.csv": of_domain.dictionary_sha256, data_path: csv_file.sha256}
    texts["SHA256SUMS"] = "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode()
    entries = {path: Deflated.of(data) for path, data in texts.items()} | {"dictionary.csv": of_domain.dictionary}
    with zipfile.ZipFile(cast(IO[bytes], out), "w") as archive:
        add_stream(archive, data_path, csv_file)
        for path, entry in sorted(entries.items()):
            add_text(archive, path, entry)


def _described(content: Content, schema: str, path: str, size: int, sha256: str) -> bytes:
    package: dict[str, Any] = {
        "profile": "tabular-data-package", "name": content.name, "title": content.title.zh,
        "title_en": content.title.en, "description": content.domain.description.zh,
        "homepage": content.address, "created": content.updated,
        "contributors": [{"title": content.publisher, "role": "publisher"}],
        "licenses": [_license(content)],
        "resources": [{
            "profile": "tabular-data-resource", "name": content.name, "path": path, "title": content.title.zh,
            "format": "csv", "mediatype": "text/csv", "encoding": "utf-8", "bytes": size,
            "hash": f"sha256:{sha256}", "dialect": {"delimiter": ",", "lineTerminator": "\n", "header": True},
        }],
    }
    text = json.dumps(package, ensure_ascii=False, indent=2)
    end = "\n    }\n  ]\n}"                               # of the resource, of the list, of the package
    return f'{text.removesuffix(end)},\n      "schema": {schema}{end}\n'.encode()


class _OfDomain(NamedTuple):
    """What the packages of all datasets of a domain share: it takes longer to spell than the rows of most of them."""

    schema: str
    dictionary: Deflated
    dictionary_sha256: str


@once
def _of_domain(domain: Domain) -> dict[bool, _OfDomain]:
    """Without and with the columns of the table over all bodies."""
    return {whole: _OfDomain(_schema(domain, whole), Deflated.of(text), hashlib.sha256(text).hexdigest())
            for whole in (False, True) for text in (_dictionary(domain, whole),)}


def _schema(domain: Domain, whole: bool) -> str:
    schema = table_schema(domain)
    if whole:
        system = [{"name": name, "type": "string", "title": title.zh, "title_en": title.en}
                  for name, title in SYSTEM_COLUMNS.items()]
        schema |= {"fields": system + schema["fields"], "primaryKey": ["dataset_id", *schema["primaryKey"]]}
    return json.dumps(schema, ensure_ascii=False, indent=2).replace("\n", "\n      ")


def _license(content: Content) -> dict[str, str]:
    known = {"title": content.licence, "path": content.licence_url}
    # The standard asks for a name or a path.
    return {key: value for key, value in known.items() if value} or {"name": "notspecified"}


def _licence(content: Content) -> bytes:
    return (
        f"{content.title.zh}\n{content.title.en}\n\n发布单位 / Publisher: {content.publisher}\n"
        f"许可 / Licence: {content.licence}\n{content.licence_url}\n{content.address}\n"
    ).encode()


def _dictionary(domain: Domain, whole: bool) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "title_zh", "title_en", "type", "unit", "need", "description_zh", "description_en",
                     "codes"])
    for name, title in SYSTEM_COLUMNS.items() if whole else ():
        writer.writerow([name, title.zh, title.en, "文本", "", "", "", "", ""])
    both = zip(dictionary_rows(domain, "zh"), dictionary_rows(domain, "en"), strict=True)
    for chinese, english in both:
        codes = "; ".join(f"{code['code']}={code['title']}" for code in chinese["codes"])
        writer.writerow([chinese["name"], chinese["title"], english["title"], chinese["type"], chinese["unit"],
                         chinese["need"], chinese["description"], english["description"], codes])
    return text.getvalue().encode()
