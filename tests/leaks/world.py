"""A site in which every place that is not public holds a text of its own, so that a leak names where it came from.

A canary is written in two forms, rare characters and Latin letters, because exits treat them differently (pinyin,
transliterated names, escapes).
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ckan import model as ckan_model
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import blobs, ids, model
from ckanext.gkopen.demo import act, make_body
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.push import queue, tokens
from ckanext.gkopen.push.contents import Said
from tests.people import Cast, call, make_cast

HEADER = ("公告编号,公告类型,发布时间,项目编号,项目名称,采购单位,采购方式,采购类别,预算金额(万元),"
          "中标供应商,中标金额(元),计价方式,标段")
CHINESE, LATIN = "鸑鷟", "qzxv"
KINDS = ("held", "heldmeta", "quarantine", "finding", "returned", "returnedwhy", "recalled", "page", "source",
         "goneold", "gone", "gonetitle", "second", "otherheld", "filename", "pushed", "pushqueued", "pushfailed",
         "frozen", "runrow", "runfinding", "runother", "message", "messageother", "mail", "standing", "dropped",
         "profile", "tomb")
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
class Doors:
    """What came in by the doors of systems, and what oversight keeps. `keys`: of rows that wait or were withdrawn."""

    pushes: list[str]
    push_token: str
    standing: str
    keys: list[str]


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
    doors: Doors

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
                **{self.revisions[name]: f"revision {name}" for name in ("held", "returned", "recalled", "other",
                                                                         "frozen", "pushed")},
                **dict.fromkeys(self.doors.pushes, "a push"), self.doors.standing: "the standing approval"}


def build() -> World:
    cast = make_cast()
    for name in ("plain-member", "no-role"):
        act("user_create", name=name, email=f"{MAIL}-{name}@example.com", password="correct-horse-9")
    act("organization_member_create", id=cast.body, username="plain-member", role="member")
    revisions = _published_and_waiting(cast)
    revisions["other"] = submit(cast.stranger, cast.other, row(300, canary("otherheld")))["revision_id"]
    revisions["gone"] = _withdrawn(cast)
    run = _harvested(cast)
    doors = _doors(cast, revisions, run)
    accounts = {name: act("api_token_create", user=name, name="test")["token"]
              for name in (cast.officer, cast.stranger, cast.admin, "plain-member", "no-role")}
    ckan_model.Session.commit()

    def dataset(body: str) -> str:
        group = ckan_model.Group.get(body)
        assert group is not None
        return ids.dataset_id("procurement", group.id)

    return World(cast, "plain-member", "no-role", revisions, run, f"src-{LATIN}", accounts, dataset(WITHDRAWN_BODY),
                 dataset(cast.body), doors)


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


def _doors(cast: Cast, revisions: dict[str, str], run: str) -> Doors:
    """Pushes in every state, a frozen revision, what a run set aside, messages, mails, a standing approval, and what
    the tables behind harvests remember."""
    made = call("gkopen_push_token_create", cast.officer, name=f"{LATIN}-token", domain="procurement",
                organization=cast.body)
    pushes = [_pushed(made["token"], name) for name in ("pushed", "pushqueued", "pushfailed")]
    model.execute("update gkopen.push set not_before = 'infinity' where id = :id", id=pushes[1])
    model.execute("update gkopen.push set state = 'failed', outcome = cast(:outcome as jsonb) where id = :id",
                  id=pushes[2], outcome=model.dump({"zh": canary("pushfailed"), "en": canary("pushfailed")}))
    ckan_model.Session.commit()
    assert queue.work_one()
    revisions["pushed"] = model.value("select r.id::text from gkopen.revision r join gkopen.push p using"
                                      " (submission_id) where p.id = :id", id=pushes[0])
    revisions["frozen"] = submit(cast.officer, cast.body, row(6, canary("frozen"), month=7))["revision_id"]
    model.execute("update gkopen.revision set state = 'frozen' where id = :id", id=revisions["frozen"])
    _remembered(cast, run)
    standing = str(uuid4())
    model.execute("insert into gkopen.standing (id, dataset_id, reason, granted_by, ends_on) select :id, d.id, :reason,"
                  " :by, current_date + 30 from gkopen.dataset d where d.name = :name", id=standing, by=cast.reviewer,
                  reason=canary("standing"), name=f"{cast.body}-procurement")
    ckan_model.Session.commit()
    return Doors(pushes, made["token"], standing, [*_keys(revisions["held"]), *_keys(revisions["gone"])])


def _keys(revision: str) -> list[str]:
    rows = model.every("select new_sha256 from gkopen.revision_part where revision_id = :id and part <> '~metadata'",
                       id=revision)
    return [cells["record_id"] for row in rows
            for cells in csv.DictReader(io.StringIO(blobs.read(row["new_sha256"], sealed=True).decode()))]


def _pushed(token: str, name: str) -> str:
    data = "\r\n".join((HEADER, row(7, canary(name), month=7), "")).encode()
    found = queue.accept(tokens.find(token), name, name, data, "text/csv", f"{name}.csv", Said())
    ckan_model.Session.commit()
    return str(found["id"])


def _remembered(cast: Cast, run: str) -> None:
    bodies = {name: ckan_model.Group.get(name) for name in (cast.body, cast.other)}
    own, other = (group.id for group in bodies.values() if group is not None)
    for dataset, name in ((None, "runrow"), (ids.dataset_id("procurement", other), "runother")):
        model.execute("insert into gkopen.quarantine (run_id, dataset_id, kind, line, row) values (:run, :d, 'bad', 1,"
                      " cast(:row as jsonb))", run=run, d=dataset, row=model.dump({"项目名称": canary(name)}))
        model.execute("insert into gkopen.finding (run_id, dataset_id, code, severity, line, value) values (:run, :d,"
                      " 'body-unknown', 'error', 1, :value)", run=run, d=dataset,
                      value=canary("runother" if dataset else "runfinding"))
    for body, name in ((own, "message"), (other, "messageother")):
        message = model.value("insert into gkopen.message (kind, body_id, subject, params) values ('source_failing',"
                              " :body, 'x', cast(:params as jsonb)) returning id", body=body,
                              params=model.dump({"source": canary(name)}))
        model.execute("insert into gkopen.mail (message_id, user_id, error) values (:id, :user, :error)", id=message,
                      user=cast.officer, error=canary("mail"))
    model.execute("insert into gkopen.dropped (source_id, sha256, name, size, modified_ns, submission_id)"
                  " select r.source_id, repeat('0', 64), :name, 1, 1, s.id from gkopen.run r, gkopen.submission s"
                  " where r.id = :run limit 1", name=canary("dropped"), run=run)
    model.execute("insert into gkopen.profile (dataset_id, source_id, run_id, columns) select :d, r.source_id, r.id,"
                  " cast(:columns as jsonb) from gkopen.run r where r.id = :run", run=run,
                  d=ids.dataset_id("procurement", own), columns=model.dump({"labels": [canary("profile")]}))
    model.execute("insert into gkopen.tombstone (dataset_id, source, key, part) values (:d, 'source:x', :key,"
                  " '2024-05')", d=ids.dataset_id("procurement", own), key=canary("tomb"))
