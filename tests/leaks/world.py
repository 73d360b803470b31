"""A site in which every place that is not public holds a text of its own, so that a leak names where it came from.

A canary is written in two forms, rare characters and Latin letters, because exits treat them differently (pinyin,
transliterated names, escapes).
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ckan import model as ckan_model
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import blobs, ids, model
from ckanext.gkopen.demo import act, make_body
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.publish import outbox
from tests.people import Cast, call, make_cast

HEADER = ("公告编号,公告类型,发布时间,项目编号,项目名称,采购单位,采购方式,采购类别,预算金额(万元),"
          "中标供应商,中标金额(元),计价方式,标段")
CHINESE, LATIN = "鸑鷟", "qzxv"
KINDS = ("held", "heldmeta", "quarantine", "finding", "returned", "returnedwhy", "recalled", "page", "source",
         "goneold", "gone", "gonetitle", "second", "otherheld", "filename")
WITHDRAWN_BODY = "nantong-slj"
PUBLIC_REASON = "经复核不宜公开"
PUBLIC_ROW = "公开样本停车场"
MAIL = "secret-box"


def canary(kind: str) -> str:
    assert kind in KINDS
    return f"{CHINESE}{KINDS.index(kind):02d}{LATIN}{kind}"


def row(number: int, name: str, *, code: str = "", date: str = "2024-05-06 09:00", month: int = 5) -> str:
    date = date.replace("-05-", f"-{month:02d}-")
    return (f"NT-2024-{number:03d},中标（成交）结果公告,{date},{code or f'NTCG-2024-{number:03d}'},{name},"
            f"南通市城市管理局,公开招标,货物,84.6,南通某某科技有限公司,838000.00,金额,1")


def submit(who: str, body: str, *rows: str, filename: str = "采购公告.csv", domain: str = "procurement",
           header: str = HEADER) -> dict[str, Any]:
    data = "\r\n".join((header, *rows, "")).encode()
    return call("gkopen_submission_create", who, domain=domain, organization=body,
                upload=FileStorage(io.BytesIO(data), filename=filename))


def approve(who: str, revision: str) -> None:
    shown = call("gkopen_revision_show", who, id=revision)
    call("gkopen_revision_approve", who, id=revision, digest=shown["digest"])


def drain() -> None:
    for done in outbox.drain():
        assert done.seconds >= 0
    assert not model.every("select sink, error from gkopen.outbox where done_at is null and error is not null")


@dataclass(frozen=True)
class World:
    """Names and ids of what was planted. `secret_ids` are themselves not public."""

    cast: Cast
    member: str
    nobody: str
    revisions: dict[str, str]
    run: str
    source: str
    tokens: dict[str, str]
    withdrawn: str
    public: str

    @property
    def public_name(self) -> str:
        return f"{self.cast.body}-procurement"

    @property
    def withdrawn_name(self) -> str:
        return f"{WITHDRAWN_BODY}-procurement"

    @property
    def unpublished_name(self) -> str:
        return f"{self.cast.other}-procurement"

    @property
    def secrets(self) -> dict[str, str]:
        """What a stranger must not even learn to exist, by what it is."""
        return {CHINESE: "a canary", LATIN: "a canary", self.run: "the run", self.source: "the source",
                self.unpublished_name: "the dataset that was never published",
                **{self.revisions[name]: f"revision {name}" for name in ("held", "returned", "recalled", "other")}}


def build() -> World:
    cast = make_cast()
    for name in ("plain-member", "no-role"):
        act("user_create", name=name, email=f"{MAIL}-{name}@example.com", password="correct-horse-9")
    act("organization_member_create", id=cast.body, username="plain-member", role="member")
    revisions = _published_and_waiting(cast)
    revisions["other"] = submit(cast.stranger, cast.other, row(300, canary("otherheld")))["revision_id"]
    revisions["gone"] = _withdrawn(cast)
    run = _harvested(cast)
    tokens = {name: act("api_token_create", user=name, name="test")["token"]
              for name in (cast.officer, cast.stranger, "plain-member", "no-role")}
    ckan_model.Session.commit()

    def dataset(body: str) -> str:
        group = ckan_model.Group.get(body)
        assert group is not None
        return ids.dataset_id("procurement", group.id)

    return World(cast, "plain-member", "no-role", revisions, run, f"src-{LATIN}", tokens, dataset(WITHDRAWN_BODY),
                 dataset(cast.body))


def _published_and_waiting(cast: Cast) -> dict[str, str]:
    """v1 is public; one revision was returned, one recalled; v2 of rows and of metadata wait."""
    first = row(1, PUBLIC_ROW)
    made = {"public": submit(cast.officer, cast.body, first)["revision_id"]}
    approve(cast.reviewer, made["public"])
    drain()
    made["returned"] = submit(cast.officer, cast.body, first, row(2, canary("returned")))["revision_id"]
    call("gkopen_revision_return", cast.reviewer, id=made["returned"], reason=canary("returnedwhy"))
    made["recalled"] = submit(cast.officer, cast.body, first, row(3, canary("recalled")))["revision_id"]
    call("gkopen_revision_recall", cast.officer, id=made["recalled"])
    made["meta"] = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                        metadata={"title": canary("heldmeta"), "notes": canary("heldmeta")})["revision_id"]
    made["held"] = submit(
        cast.officer, cast.body, first.replace(PUBLIC_ROW, canary("second")), row(4, canary("held")),
        row(5, canary("quarantine"), date=f"2024-13-46 {canary('finding')}"),
        filename=f"{canary('filename')}.csv")["revision_id"]
    counts = call("gkopen_revision_show", cast.officer, id=made["held"])
    assert (counts["state"], counts["rows_quarantined"], counts["rows_ok"]) == ("held", 1, 2)
    return made


def _withdrawn(cast: Cast) -> str:
    """Published twice with canaries in rows, title and notes, then taken back."""
    make_body(WITHDRAWN_BODY, {"zh": "南通市水利局", "en": "Water Bureau"})
    for name in ("goneold", "gone"):
        revision = submit(cast.admin, WITHDRAWN_BODY, row(400, canary(name), code=f"{LATIN}-400"))["revision_id"]
        if name == "goneold":
            revision = call("gkopen_submission_create", cast.admin, domain="procurement",
                            organization=WITHDRAWN_BODY, metadata={
                                "title": canary("gonetitle"), "notes": canary("gonetitle")})["revision_id"]
        approve(cast.office, revision)
        drain()
    assert canary("gonetitle") in json.dumps(call("package_search", "", q="*:*"), ensure_ascii=False)
    assert canary("gone") in json.dumps(call("datastore_search", "", resource_id="procurement"), ensure_ascii=False)
    call("gkopen_dataset_withdraw", cast.office, id=f"{WITHDRAWN_BODY}-procurement", reason=PUBLIC_REASON)
    drain()
    return revision


def _harvested(cast: Cast) -> str:
    """A source whose settings are secret, and a run with a raw page."""
    text = f"""\
name: src-{LATIN}
title: {{zh: {canary('source')}, en: {canary('source')}}}
domain: procurement
organization: {cast.body}
transport: exchange
url: https://{LATIN}.example.gov.cn/gateway
signer: {{family: national, requester: "{canary('source')}"}}
secret_env: GKOPEN_SECRET_DEMO
service: "{canary('source')}"
request: {{method: POST}}
page_size: 10
update_cycle: daily
complete: true
"""
    source_id = ledger.save_source(load_source(text, "secret.yaml"), cast.admin)
    run = ledger.enqueue(ledger.find_source(f"src-{LATIN}"), "manual", cast.officer)
    sha256 = blobs.put(json.dumps([{"项目名称": canary("page")}], ensure_ascii=False).encode(), "application/json")
    model.execute("insert into gkopen.item (run_id, number, raw_sha256, rows, fetched_at)"
                  " values (:run, 1, :sha, 1, :at)", run=run, sha=sha256, at=datetime.now(UTC))
    model.execute("update gkopen.run set state = 'failed', finished_at = now(), counts = cast(:counts as jsonb),"
                  " error = cast(:error as jsonb) where id = :id", id=run,
                  counts=model.dump({"rows_in": 1, "note": canary("source")}),
                  error=model.dump({"zh": canary("source"), "en": canary("source")}))
    model.execute("update gkopen.source set state = 'paused' where id = :id", id=source_id)
    return run
