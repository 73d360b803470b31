"""The description of the interface is whole, is well formed, and says what the site answers."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from ckan.tests.helpers import CKANTestApp
from jsonschema import Draft202012Validator

from ckanext.gkopen.domains import domains
from ckanext.gkopen.logic import action
from ckanext.gkopen.openapi.rows import example_row
from tests.people import Cast

OPENAPI = {
    "type": "object", "required": ["openapi", "info", "paths", "components", "servers"],
    "properties": {
        "openapi": {"pattern": r"^3\.1\.\d+$"}, "info": {"required": ["title", "version"]},
        "servers": {"items": {"required": ["url"]}},
        "paths": {"propertyNames": {"pattern": "^/"}, "additionalProperties": {
            "type": "object", "additionalProperties": False, "properties": {"get": {
                "type": "object", "required": ["operationId", "summary", "responses", "parameters"],
                "properties": {
                    "operationId": {"pattern": r"^\w+$"}, "summary": {"minLength": 3},
                    "parameters": {"items": {
                        "required": ["name", "in", "schema", "required"],
                        "properties": {"in": {"enum": ["query", "path"]}},
                        "if": {"properties": {"in": {"const": "path"}}},
                        "then": {"properties": {"required": {"const": True}}}}},
                    "responses": {"required": ["200"], "additionalProperties": {"anyOf": [
                        {"required": ["description"]}, {"required": ["$ref"]}]}}}}}}}}}
"""What OpenAPI 3.1 asks of the parts that are used here."""


@pytest.fixture
def described(cast: Cast, browser: CKANTestApp) -> dict[str, Any]:
    return json.loads(browser.get("/open/openapi.json").data)


def check(described: dict[str, Any], schema: dict[str, Any], answer: Any) -> list[str]:
    validator = Draft202012Validator({"components": described["components"], **schema})
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in
            validator.iter_errors(answer)]


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, entry["get"]) for path, entry in described["paths"].items()]


def test_it_is_well_formed(described: dict[str, Any]) -> None:
    assert [error.message for error in Draft202012Validator(OPENAPI).iter_errors(described)] == []
    names = [operation["operationId"] for _, operation in operations(described)]
    assert len(set(names)) == len(names)
    for path, operation in operations(described):
        places = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert places == set(re.findall(r"{(\w+)}", path)), path
        assert len({(p["name"], p["in"]) for p in operation["parameters"]}) == len(operation["parameters"]), path
        for media in operation["responses"]["200"]["content"].values():
            Draft202012Validator.check_schema(media["schema"])
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = set(re.findall(r'"\$ref": ?"#/components/(\w+)/(\w+)"', json.dumps(described)))
    assert all(name in described["components"][kind] for kind, name in references)


def test_every_domain_and_every_public_address_is_in_it(described: dict[str, Any], browser: CKANTestApp) -> None:
    assert set(described["components"]["schemas"]) == {f"row_{name}" for name in domains()}
    for domain in domains().values():
        schema = described["components"]["schemas"][f"row_{domain.name}"]
        assert list(schema["properties"]) == list(domain.field_names)
        assert check(described, schema, json.loads(json.dumps(example_row(domain), default=float))) == []
    shapes = {re.sub(r"{\w+}", "{}", path) for path in described["paths"]}
    for rule in browser.flask_app.url_map.iter_rules():
        if rule.rule.startswith(("/open/", "/row/")) and "GET" in (rule.methods or ()):
            assert re.sub(r"<[^<>]+>", "{}", rule.rule) in shapes or rule.rule == "/open/<file>" or rule.rule == (
                "/open/<domain>/<file>"), rule.rule
    public = {name for name in action.functions() if f"/api/3/action/{name}" in described["paths"]}
    assert {"gkopen_rows", "gkopen_aggregate", "gkopen_row_history", "gkopen_change_list", "gkopen_publication_list",
            "gkopen_domain_list", "gkopen_domain_show"} <= public


def test_the_examples_are_what_is_answered(described: dict[str, Any], browser: CKANTestApp) -> None:
    """Each example request is made: the answer fits the schema, as the example does, and has the same members."""
    asked = 0
    for path, operation in operations(described):
        media, content = next(iter(operation["responses"]["200"]["content"].items()))
        parameters = {p["name"]: p.get("example") for p in operation["parameters"]}
        needed = [p["name"] for p in operation["parameters"] if p["required"]]
        if any(parameters[name] is None for name in needed):
            assert media == "*/*", f"{path} has no example"
            continue
        address = re.sub(r"{(\w+)}", lambda match: str(parameters.pop(match[1])), path)  # noqa: B023
        answer = browser.get(address, query_string={k: v for k, v in parameters.items() if v is not None})
        assert answer.status_code == 200, (path, answer.text[:500])
        if media == "*/*":
            continue
        assert answer.headers["Content-Type"].split(";")[0] == media, path
        assert answer.headers["Access-Control-Allow-Origin"] == "*" or "Origin" not in answer.request.headers
        asked += 1
        if media == "application/x-ndjson":
            told = [json.loads(line) for line in answer.text.splitlines()]
            assert told and all(check(described, content["schema"], line) == [] for line in told), path
        elif media == "application/json":
            assert check(described, content["schema"], answer.json) == [], path
            if "example" in content:
                assert check(described, content["schema"], content["example"]) == [], path
                assert members(content["example"]) <= members(answer.json), path
        else:
            assert answer.text
    assert asked >= 15


def test_what_an_answer_is_made_of_is_in_it(described: dict[str, Any], browser: CKANTestApp) -> None:
    """Every form that an address gives, and what is said instead of an answer: status and media type."""
    tried = []
    for path, operation in operations(described):
        given = {p["name"]: p["example"] for p in operation["parameters"] if "example" in p}
        for wanted in operation["parameters"]:
            for form in wanted["schema"].get("enum", []) if wanted["name"] in ("form", "format") else []:
                tried.append((path, given | {wanted["name"]: form}, 200))
    tried += [("/api/3/action/gkopen_row_history", {"domain": "procurement", "key": "nothing"}, 404),
              ("/api/3/action/gkopen_rows", {"domain": "procurement", "limit": "-1"}, 409),
              ("/api/3/action/gkopen_rows", {"domain": "procurement", "q": "\0"}, 400),
              ("/open/{domain}.{form}", {"domain": "nothing", "form": "csv"}, 404),
              ("/row/{domain}/{key}", {"domain": "procurement", "key": "nothing"}, 404),
              ("/row/{domain}/{key}.json", {"domain": "procurement", "key": "nothing"}, 404),
              ("/datastore/dump/{resource_id}", {"resource_id": "procurement", "limit": "-1"}, 400),
              ("/open/changes.jsonl", {"since": "yesterday"}, 400)]
    assert len(tried) > 15
    for path, asked, status in tried:
        rest = dict(asked)
        address = re.sub(r"{(\w+)}", lambda match: str(rest.pop(match[1])), path)  # noqa: B023
        answer = browser.get(address, query_string=rest)
        said = described["paths"][path]["get"]["responses"][str(status)]
        said = described["components"]["responses"][said["$ref"].rsplit("/", 1)[1]] if "$ref" in said else said
        assert answer.status_code == status, (path, asked, answer.text[:300])
        assert answer.mimetype in said["content"] or "*/*" in said["content"], (path, asked, answer.mimetype)


def members(value: Any, place: str = "", depth: int = 4) -> set[str]:
    """The names in an answer, as far down as they do not depend on the data."""
    if isinstance(value, list):
        return members(value[0], place + "[]", depth) if value else set()
    if not isinstance(value, dict) or not depth or place.endswith(("/revisions", "/fields[]", "/records[]")):
        return set()
    found = {f"{place}/{name}" for name in value if not place.endswith("/revisions")}
    return found.union(*(members(inner, f"{place}/{name}", depth - 1) for name, inner in value.items()))


def test_the_documented_row_is_the_published_row(described: dict[str, Any], browser: CKANTestApp) -> None:
    shown = described["paths"]["/api/3/action/gkopen_rows"]["get"]["responses"]["200"]["content"]
    documented = shown["application/json"]["example"]["result"]["results"][0]
    live = json.loads(browser.get("/api/3/action/gkopen_rows?domain=procurement").text)["result"]["results"][0]
    assert documented | {"dataset_id": live["dataset_id"]} == live
    lines = list(csv.DictReader(io.StringIO(browser.get("/open/procurement.csv").text)))
    assert Decimal(lines[0]["award_amount"]) == Decimal(str(documented["award_amount"]))


def test_scripts_of_other_sites_may_read_and_nothing_else(cast: Cast, browser: CKANTestApp) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    client = browser.test_client(use_cookies=False)
    for path in ("/api/3/action/gkopen_domain_list", "/open/procurement.csv", "/open/index.json", "/row/x/y.json",
                 "/open/changes.jsonl", "/datastore/dump/procurement", "/api/3/action/gkopen_rows?domain=nothing"):
        assert client.get(path, headers=origin).headers["Access-Control-Allow-Origin"] == "*", path
    asked = client.options("/open/procurement.csv", headers={**origin, "Access-Control-Request-Method": "GET",
                                                             "Access-Control-Request-Headers": "range"})
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert "Range" in asked.headers["Access-Control-Allow-Headers"]
    for answer in (
            client.options("/api/3/action/package_create", headers={**origin, "Access-Control-Request-Method": "POST"}),
            client.post("/api/3/action/gkopen_domain_list", headers=origin, json={}),
            client.get("/api/3/action/gkopen_domain_list", headers={**origin, "Authorization": "token"}),
            client.get("/office/", headers=origin), client.get("/user/login", headers=origin)):
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in asked.headers


def test_a_limit_that_is_cut_is_told(cast: Cast, browser: CKANTestApp) -> None:
    told = json.loads(browser.get("/api/3/action/datastore_search?resource_id=procurement&limit=99999").text)["result"]
    assert (told["limit"], told["limit_was"]) == (32000, 99999)
    told = json.loads(browser.get("/api/3/action/datastore_search?resource_id=procurement&limit=5").text)["result"]
    assert "limit_was" not in told
