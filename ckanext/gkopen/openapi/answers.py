"""What each public address answers: JSON Schema and an example, for every domain where it concerns rows.

`tests/openapi` publishes the domains' example records, asks for every example and holds the answers against this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.history import keys
from ckanext.gkopen.openapi.rows import DATASET_ID, PUBLISHER, dataset_name, example_part, example_row, with_system
from ckanext.gkopen.publish.forms.make import FORMS

TEXT, TIME, COUNT = {"type": "string"}, {"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}
NULLABLE_TEXT, NULLABLE_COUNT = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
AT, REVISION = "2026-01-31T09:00:00+08:00", "0c0f8a0e-7d5d-4a57-9d55-1d7f4a8f4a11"


@dataclass(frozen=True)
class Answer:
    """`asked`: parameter → value of the example request; `query`: parameter → its description; `needed`: required;
    `others`: media types of the other forms that the address gives."""

    words: str
    schema: dict[str, Any]
    example: Any = None
    asked: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    media_type: str = "application/json"
    others: tuple[str, ...] = ()
    path: str = ""
    title: str = ""


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _enveloped(schema: dict[str, Any]) -> dict[str, Any]:
    return _object(help=TEXT, success={"const": True}, result=schema)


def _in_envelope(name: str, result: Any) -> dict[str, Any]:
    return {"help": f"/api/3/action/help_show?name={name}", "success": True, "result": result}


def _any_row() -> dict[str, Any]:
    return {"anyOf": [{"$ref": f"#/components/schemas/row_{name}"} for name in domains()]}


def example_domain() -> Domain:
    return domains().get("procurement") or next(iter(domains().values()))


def example_filter(domain: Domain) -> str:
    """A column to filter by that the example has: one with codes, if there is one."""
    row = example_row(domain)
    usable = [field for field in domain.filter_fields if field.pg_type == "text" and row[field.name] is not None]
    return next((field for field in usable if field.codes), usable[0]).name if usable else domain.key[0]


def actions() -> dict[str, Answer]:
    """Name of a public action that reads → its answer."""
    d = example_domain()
    row, name = example_row(d), dataset_name(d)
    whole = with_system(d, row)
    filtered = example_filter(d)
    money = next((f.name for f in d.fields if f.type == "money" and row[f.name] is not None), None)
    key = {column: row[column] for column in d.key}
    change = {"cursor": "WzEsIDIsICIyMDI0LTA1IiwgMSwgImFiY2QxMjM0Il0=", "op": "added", "domain": d.name,
              "dataset": name, "dataset_id": DATASET_ID, "part": example_part(d), "seq": 1, "revision": REVISION,
              "at": "2026-01-31T09:00:00.123456+08:00", "kind": "first", "reason": None, "key": key, "after": row}
    listed = {"name": d.name, "title": {"zh": d.title.zh, "en": d.title.en},
              "description": {"zh": d.description.zh, "en": d.description.en}, "datasets": 1, "bodies": 1, "rows": 1,
              "updated": AT}
    domain_schema = _object(name=TEXT, title=_object(zh=TEXT, en=TEXT), description=_object(zh=TEXT, en=TEXT),
                            datasets=COUNT, bodies=COUNT, rows=COUNT, updated={"type": ["string", "null"]})
    version = {"op": "added", "seq": 1, "at": AT, "kind": "first", "revision": REVISION, "part": example_part(d),
               "reason": None, "fields": [], "withdrawn": None, "row": row}
    publication = {"seq": 1, "kind": "first", "revision": REVISION, "rows": 1, "added": 1, "changed": 0, "removed": 0,
                   "metadata": True, "reason": None, "at": AT, "current": True, "withdrawn": None,
                   "url": f"/open/{d.name}/{name}@1.csv"}
    group = {filtered: row[filtered], "count": 1, **({f"sum_{money}": row[money], f"values_{money}": 1}
                                                     if money else {})}
    results = {
        "gkopen_domain_list": Answer("", _list(domain_schema), [listed]),
        "gkopen_domain_show": Answer(
            "", _object(**domain_schema["properties"], key=_list(TEXT), fields=_list({"type": "object"})),
            listed | {"key": list(d.key), "fields": [{"name": d.fields[0].name, "title": d.fields[0].title.zh}]},
            {"id": d.name}, needed=("id",)),
        "gkopen_rows": Answer(
            "", _object(domain=TEXT, results=_list({"type": "object"}), cursor=NULLABLE_TEXT, limit=COUNT,
                        state=NULLABLE_TEXT, revisions={"type": "object", "additionalProperties": COUNT}),
            {"domain": d.name, "results": [whole], "cursor": None, "limit": 10, "state": "0f3a5c7e9b1d2f40",
             "revisions": {DATASET_ID: 1}},
            {"domain": d.name, "filters": f'{{"{filtered}": "{row[filtered]}"}}', "limit": "10"}, needed=("domain",)),
        "gkopen_aggregate": Answer(
            "", _object(domain=TEXT, group_by=_list(TEXT), results=_list({"type": "object", "required": ["count"]}),
                        more={"type": "boolean"}, state=NULLABLE_TEXT),
            {"domain": d.name, "group_by": [filtered], "results": [group], "more": False, "state": "0f3a5c7e9b1d2f40"},
            {"domain": d.name, "group_by": filtered, **({"sum": money} if money else {})}, needed=("domain",)),
        "gkopen_row_history": Answer("", _history(), {
            "domain": d.name, "key": key, "url": f"/row/{d.name}/{keys.to_path(list(key.values()))}", "results": [{
                "dataset": name, "dataset_id": DATASET_ID, "publisher": PUBLISHER, "state": "published",
                "reason": None, "current": row, "versions": [version]}], "cursor": None},
            {"domain": d.name, "key": _listed(key)}, needed=("domain", "key")),
        "gkopen_change_list": Answer(
            "", _object(results=_list(_change()), cursor=TEXT, more={"type": "boolean"}),
            {"results": [change], "cursor": change["cursor"], "more": False}, {"domain": d.name, "limit": "10"}),
        "gkopen_publication_list": Answer(
            "", _object(dataset=TEXT, domain=TEXT, organization=TEXT, state=TEXT, cursor=NULLABLE_TEXT,
                        results=_list(_object(seq=COUNT, at=TIME, kind=TEXT, revision=TEXT, rows=NULLABLE_COUNT,
                                              added=NULLABLE_COUNT, changed=NULLABLE_COUNT, removed=NULLABLE_COUNT,
                                              reason=NULLABLE_TEXT, withdrawn=NULLABLE_TEXT, url=NULLABLE_TEXT,
                                              current={"type": "boolean"}))),
            {"dataset": name, "domain": d.name, "organization": PUBLISHER, "state": "published", "cursor": None,
             "results": [publication]}, {"id": name}, needed=("id",)),
        "datastore_search": Answer(
            "Rows of a domain or of one dataset, as CKAN's DataStore answers.\n\n`q` finds Chinese substrings;"
            " `filters` takes eq, in, gt, gte, lt, lte, $or, $and. A limit above 32000 is told as `limit_was`.",
            {"type": "object", "required": ["records", "fields", "total"], "properties": {
                "records": _list({"type": "object"}), "fields": _list(_object(id=TEXT, type=TEXT)), "total": COUNT}},
            {"resource_id": "…", "fields": [{"id": "_id", "type": "int"}], "records": [{"_id": 1, **whole}],
             "total": 1}, {"resource_id": d.name, "limit": "5"},
            {"resource_id": "name of a domain, or the table resource of a dataset", "filters": "JSON", "q": "words",
             "limit": "1 to 32000, default 100", "offset": "", "sort": "", "fields": ""}, needed=("resource_id",)),
    }
    return {action: Answer(answer.words, _enveloped(answer.schema), _in_envelope(action, answer.example), answer.asked,
                           answer.query, answer.needed) for action, answer in results.items()}


def _listed(key: dict[str, Any]) -> str:
    return "[" + ", ".join(f'"{cell}"' for cell in key.values()) + "]"


def _change() -> dict[str, Any]:
    return _object(cursor=TEXT, op={"enum": ["added", "changed", "removed", "withdrawn"]}, domain=TEXT, dataset=TEXT,
                   dataset_id=TEXT, part=TEXT, seq=COUNT, revision=TEXT, at=TIME, kind=TEXT, reason=NULLABLE_TEXT
                   ) | {"allOf": [
        {"if": {"properties": {"op": {"enum": ["added", "changed"]}}},
         "then": {"required": ["key", "after"], "properties": {"after": _any_row()}}},
        {"if": {"properties": {"op": {"enum": ["removed", "changed"]}}},
         "then": {"required": ["key", "before"], "properties": {"before": _any_row()}}}]}


def _history() -> dict[str, Any]:
    row = {"anyOf": [{"type": "null"}, *_any_row()["anyOf"]]}
    version = _object(op=TEXT, seq=COUNT, at=TIME, kind=TEXT, revision=TEXT, part=TEXT, reason=NULLABLE_TEXT,
                      fields=_list(TEXT), withdrawn=NULLABLE_TEXT, row=row)
    return _object(domain=TEXT, key={"type": "object"}, url=TEXT, results=_list(_object(
        dataset=TEXT, dataset_id=TEXT, publisher=TEXT, state={"enum": ["published", "removed", "withdrawn", None]},
        reason=NULLABLE_TEXT, current=row, versions=_list(version))), cursor=NULLABLE_TEXT)


def files() -> dict[str, Answer]:
    """Address → its answer."""
    d = example_domain()
    row, name = example_row(d), dataset_name(d)
    key = keys.to_path([row[column] for column in d.key])
    history = actions()["gkopen_row_history"]
    csv, lines = "text/csv", "application/x-ndjson"
    others = tuple(sorted({media.partition(";")[0] for media in FORMS.values()} - {csv}))
    return {
        "/open/index.json": Answer("所有已发布的表及其文件 / every published table with its files",
                                   _object(site=TEXT, tables=_list({"type": "object"})),
                                   {"site": "https://data.example.gov.cn", "tables": []}),
        "/open/{domain}.{form}": Answer("一个领域全部机构的表 / the table over all bodies", TEXT, None,
                                        {"domain": d.name, "form": "csv"}, media_type=csv, others=others,
                                        path="/open/{domain}.{form}"),
        "/open/{domain}/{dataset}.{form}": Answer("一个数据集的表 / one dataset's table", TEXT, None, {
            "domain": d.name, "dataset": name, "form": "csv"}, media_type=csv, others=others,
            path="/open/{domain}/{dataset}.{form}"),
        "/open/{domain}/{dataset}@{seq}.{form}": Answer(
            "数据集的历史版本 / a dataset as one publication made it", TEXT, None,
            {"domain": d.name, "dataset": name, "seq": "1", "form": "csv"}, media_type=csv, others=(lines,),
            path="/open/{domain}/{dataset}@{seq}.{form}"),
        "/open/changes.jsonl": Answer(
            "数据变更，每行一个 JSON 对象 / changes, a JSON object a line", _change(), None, {"domain": d.name},
            {"since": "ISO time", "domain": "", "cursor": "of the last line that was read",
             "limit": "lines, 1 to 1000000; all by default", "money": "text: amounts as texts"}, media_type=lines),
        "/open/changes.atom": Answer("发布动态（Atom）/ publications as an Atom feed", TEXT, None, {"limit": "5"},
                                     {"since": "ISO time", "domain": "", "limit": "1 to 200, default 50"},
                                     media_type="application/atom+xml"),
        "/open/openapi.json": Answer("本接口的描述 / this description", {"type": "object"}),
        "/row/{domain}/{key}.json": Answer(
            "一行数据的当前值和全部已发布的版本 / a row and its published versions", _history(),
            history.example["result"], {"domain": d.name, "key": key},
            {"dataset": "", "cursor": "of the last answer", "money": "text: amounts as texts"},
            path="/row/{domain}/{key}.json"),
        "/datastore/dump/{resource_id}": Answer(
            "同一时刻的整张表，可筛选 / the whole table, or what filters leave of it, of one moment", TEXT, None,
            {"resource_id": d.name}, {"filters": "JSON, as in gkopen_rows", "q": "words", "fields": "", "sort": "",
                                      "format": "csv or tsv"},
            media_type=csv, others=("text/tab-separated-values",), path="/datastore/dump/{resource_id}"),
    }
