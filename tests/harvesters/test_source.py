"""Source files: what is read, and the line, key and hint of every mistake."""

from __future__ import annotations

import json

import pytest

from ckanext.gkopen.harvesters import Source, SourceError, load_source
from ckanext.gkopen.harvesters.source import OPTIONAL, REQUIRED, TRANSPORTS

# The example of the README, as a city would write it.
EXAMPLE = """\
name: nantong-procurement
title: {zh: 南通市政府采购公告, en: Nantong procurement notices}
domain: procurement
organization: nantong-czj
transport: exchange
url: https://gateway.example.gov.cn/gateway
signer: {family: national, prefix: gjgxjhpt, requester: "nt-open"}
secret_env: GKOPEN_SECRET_NANTONG
service: "006012"
request: {method: POST, page: pageNum, size: pageSize, since: updateTime}
envelope: national
page_size: 500
update_cycle: daily
mapping: {采购人名称: buyer_name}
units: {预算金额: 万元}
complete: true
"""


def changed(line: int, text: str) -> str:
    """The example with line `line` (from 1) replaced."""
    lines: list[str] = [*EXAMPLE.splitlines()]
    lines[line - 1] = text
    return "\n".join(lines)


def test_the_example_is_read():
    source = load_source(EXAMPLE, "nantong.yaml")
    assert source.title == {"zh": "南通市政府采购公告", "en": "Nantong procurement notices"}
    assert source.signer == {"family": "national", "prefix": "gjgxjhpt", "requester": "nt-open"}
    assert source.service == "006012"
    assert source.mapping == {"采购人名称": "buyer_name"}
    assert source.units == {"预算金额": "万元"}
    assert source.complete is True
    assert source.page_size == 500


def test_optional_keys_and_custom_paths():
    source = load_source(
        changed(11, "envelope: {paths: {rows: data.list, total: data.total, code: code, ok: 0, refused: [401, 403]}}")
        + "\nconstants: {阶段: 预算}\ncatalogue: /catalogue/006012\norganization_column: 承办单位\n"
        + "organizations: [市财政局, 南通市交通运输局]\n"
    )
    assert source.envelope == {
        "paths": {"rows": "data.list", "total": "data.total", "code": "code", "ok": ("0",), "refused": ("401", "403")}
    }
    assert source.constants == {"阶段": "预算"}
    assert source.catalogue == "/catalogue/006012"
    assert source.organization_column == "承办单位"
    assert source.organizations == ["市财政局", "南通市交通运输局"]


@pytest.mark.parametrize("family", ["zhejiang", "header", "bearer"])
def test_the_envelope_follows_the_family(family):
    signer = {"zhejiang": "{family: zhejiang, app_key: a}", "header": "{family: header, id: a}"}.get(
        family, "{family: bearer}"
    )
    text = "\n".join(line for line in EXAMPLE.splitlines() if not line.startswith("envelope"))
    text = text.replace('signer: {family: national, prefix: gjgxjhpt, requester: "nt-open"}', f"signer: {signer}")
    assert load_source(text).envelope == family


@pytest.mark.parametrize("code", ["00123", "1.10", "0x1F", "1_000", "yes", "2024-01-01"])
def test_codes_without_quotes_stay_as_written(code):
    assert load_source(changed(9, f"service: {code}")).service == code


MISTAKES = [
    (2, "titel: 南通", "titel", "did you mean title"),
    (2, "title: {en: Nantong}", "title.zh", "中文标题"),
    (1, "name: Nantong Procurement", "name", "a-z 0-9 -"),
    (5, "transport: databse", "transport", "did you mean database"),
    (5, "transport: database", "signer", "does not use signer"),
    (6, "url: ftp://host/x", "url", "https://"),
    (6, "url: https://user:pass@host/x", "url", "secret_env"),
    (6, 'url: "{platform}/x"', "url", "{platform}"),
    (6, "url:", "url", "empty"),
    (7, "signer: {family: natoinal, requester: a}", "signer.family", "did you mean national"),
    (7, "signer: {family: national}", "signer.requester", "needs requester"),
    (7, "signer: {family: national, requestor: a}", "signer.requestor", "did you mean requester"),
    (7, "signer: {family: bearer, requester: a}", "signer.requester", "not known here"),
    (7, "signer: {family: header, id: a, variant: sm3}", "signer.variant", "sha256, hmac"),
    (7, "signer: national", "signer", "keys with values"),
    (8, "secret_env: geheim", "secret_env", "A-Z 0-9 _"),
    (8, "secret_env: CKAN_SQLALCHEMY_URL", "secret_env", "GKOPEN_SECRET_"),
    (10, "request: {methode: POST}", "request.methode", "did you mean method"),
    (10, "request: {method: GET, body: json}", "request.body", "use query"),
    (10, "request: {first_page: 7}", "request.first_page", "0 to 1"),
    (11, "envelope: nationl", "envelope", "did you mean national"),
    (11, "envelope: {paths: {total: a}}", "envelope.paths", "rows is needed"),
    (11, "envelope: {paths: {rows: a, code: b}}", "envelope.paths", "only together"),
    (12, "page_size: 0", "page_size", "1 to 100000"),
    (12, "page_size: 1e3", "page_size", "whole number"),
    (12, "overlap_hours: -1", "overlap_hours", "0 to 8784"),
    (13, "update_cycle: dayly", "update_cycle", "did you mean daily"),
    (14, "mapping: {采购人: [a]}", "mapping.采购人", "text"),
    (15, "name: twice", "name", "given twice"),
    (16, "complete: maybe", "complete", "known: true, false, periods"),
    (16, "complete: [", "", "not valid YAML"),
]


@pytest.mark.parametrize(("line", "text", "key", "hint"), MISTAKES, ids=[text for _, text, _, _ in MISTAKES])
def test_a_mistake_names_file_line_key_and_fix(line, text, key, hint):
    with pytest.raises(SourceError) as caught:
        load_source(changed(line, text), "nantong.yaml")
    error = caught.value
    # A broken flow sequence is noticed where the text ends.
    expected = {"": (line, line + 1), "signer": (7,)}.get(key, (line,))
    assert error.line in expected
    assert error.key == key
    assert hint in error.message
    assert str(error).startswith(f"nantong.yaml:{error.line}:")


@pytest.mark.parametrize("key", (*REQUIRED, *TRANSPORTS["exchange"][0]))
def test_a_missing_key_is_named(key):
    text = "\n".join(line for line in EXAMPLE.splitlines() if not line.startswith(f"{key}:"))
    with pytest.raises(SourceError) as caught:
        load_source(text)
    assert caught.value.key == key


def test_changes_only_needs_a_parameter_for_since():
    text = changed(16, "complete: false").replace(", since: updateTime", "")
    with pytest.raises(SourceError, match=r"request\.since"):
        load_source(text)


@pytest.mark.parametrize("text", ["", "# only a comment", "- a list", "a: &a [*a]"])
def test_what_is_no_source_file_is_refused(text):
    with pytest.raises(SourceError):
        load_source(text)


def test_a_missing_secret_names_variable_file_and_line():
    source = load_source(EXAMPLE, "nantong.yaml")
    for environ in ({}, {"GKOPEN_SECRET_NANTONG": " \n"}):
        with pytest.raises(SourceError, match="GKOPEN_SECRET_NANTONG") as caught:
            source.secret(environ)
        assert (caught.value.line, caught.value.key) == (8, "secret_env")
        assert "nantong.yaml:8" in str(caught.value)
    assert source.secret({"GKOPEN_SECRET_NANTONG": "s3\n"}) == "s3"


def test_as_dict_is_json_and_holds_no_secret():
    source = load_source(EXAMPLE)
    held = json.loads(json.dumps(source.as_dict(), ensure_ascii=False))
    needed, known = TRANSPORTS["exchange"]
    assert set(held) == {*REQUIRED, *OPTIONAL, *needed, *known}
    assert Source(**held) == source
    assert held["secret_env"] == "GKOPEN_SECRET_NANTONG"
    assert "secret" not in held


def test_the_platform_address_is_put_in():
    text = changed(6, 'url: "{platform}/national/gateway"')
    assert load_source(text, platform="http://127.0.0.1:8210/").url == "http://127.0.0.1:8210/national/gateway"


DATABASE = """\
name: front
title: 前置库
domain: penalty
organization: nantong-scj
transport: database
url: postgresql://reader@10.1.2.3:5432/exchange?sslmode=require
secret_env: GKOPEN_SECRET_FRONT
table: share.xzcf
key: [年度, id]
watermark: gxsj
columns: [年度, id, gxsj]
complete: false
update_cycle: daily
"""
DROP = """\
name: drop
title: 文件
domain: budget
organization: nantong-czj
transport: filedrop
folder: nantong-czj/部门预算
manifest: optional
update_cycle: monthly
"""
OTHER_MISTAKES = [
    (DATABASE, 6, "url: postgresql://reader:geheim@10.1.2.3/exchange", "url", "secret_env"),
    (DATABASE, 6, "url: https://reader@10.1.2.3/exchange", "url", "mysql://"),
    (DATABASE, 6, "url: postgresql://10.1.2.3/exchange", "url", "user@host"),
    (DATABASE, 6, "url: mysql://reader@10.1.2.3", "url", "user@host"),
    (DATABASE, 6, "url: postgresql://reader@10.1.2.3/e?sslmode=maybe", "url", "only sslmode"),
    (DATABASE, 6, "url: postgresql://reader@10.1.2.3/e?options=-csearch_path=x", "url", "only sslmode"),
    (DATABASE, 6, "url: postgresql://reader@10.1.2.3/e?host=/tmp", "url", "only sslmode"),
    (DATABASE, 8, "table: a.b.c", "table", "schema.table"),
    (DATABASE, 8, "table: a; drop table b", "table", "schema.table"),
    (DATABASE, 9, "key: []", "key", "at least one"),
    (DATABASE, 9, "key: [id, id]", "key", "none twice"),
    (DATABASE, 9, "key: [id, 编号]", "columns", "lacks the key column 编号"),
    (DATABASE, 10, "folder: x", "folder", "does not use folder"),
    (DATABASE, 11, "organization_column: 单位", "organization_column", "go together"),
    (DATABASE, 11, "organizations: all", "organizations", "go together"),
    (DATABASE, 10, "page_size: 2000", "complete", "needs watermark"),
    (DROP, 6, "folder: /etc", "folder", "below the drop root"),
    (DROP, 6, "folder: a/../../b", "folder", "below the drop root"),
    (DROP, 6, "folder: ..", "folder", "below the drop root"),
    (DROP, 6, "folder: a//b", "folder", "below the drop root"),
    (DROP, 6, "folder: a\\\\b", "folder", "below the drop root"),
    (DROP, 6, "folder: .ssh", "folder", "below the drop root"),
    (DROP, 7, "manifest: maybe", "manifest", "required, optional"),
    (DROP, 7, "complete: periods", "complete", "speaks for its periods"),
    (DROP, 7, "secret_env: GKOPEN_X", "secret_env", "does not use secret_env"),
]


@pytest.mark.parametrize(("whole", "line", "text", "key", "hint"), OTHER_MISTAKES, ids=[m[2] for m in OTHER_MISTAKES])
def test_a_mistake_in_the_other_transports_is_named_too(whole, line, text, key, hint):
    lines = whole.splitlines()
    lines[line - 1] = text
    with pytest.raises(SourceError) as caught:
        load_source("\n".join(lines), "city.yaml")
    assert caught.value.key == key
    assert hint in caught.value.message
    assert "geheim" not in str(caught.value)
    assert lines[caught.value.line - 1].startswith(key)


@pytest.mark.parametrize("whole", [DATABASE, DROP])
def test_the_other_transports_are_read_and_kept_whole(whole):
    source = load_source(whole)
    assert Source(**json.loads(json.dumps(source.as_dict()))) == source
    for key in TRANSPORTS[source.transport][0]:
        with pytest.raises(SourceError, match=key):
            load_source("\n".join(line for line in whole.splitlines() if not line.startswith(f"{key}:")))


def test_dropped_files_need_no_secret():
    assert load_source(DROP).secret({}) == ""
    with pytest.raises(SourceError, match="GKOPEN_SECRET_FRONT"):
        load_source(DATABASE).secret({})
