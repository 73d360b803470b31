"""The queue of pushes is a table: taken in at once, checked by a worker, asked about at its address.

A claim is the lock of the row in the transaction that writes the result: a worker that dies leaves nothing to repair.
Pushes of one dataset are checked in the order in which they came.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ckan import model as ckan_model

from ckanext.gkopen import blobs, bodies, clock, ids, model, pipeline, reports, scratch
from ckanext.gkopen.changesets import COUNTS
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import contract, drifting, ledger
from ckanext.gkopen.push import contents, tokens
from ckanext.gkopen.push.contents import Said
from ckanext.gkopen.records import Finding, Options

log = logging.getLogger(__name__)

TRIES = 5
CLAIM_SECONDS = 2
"""Between counting a try and locking the push no other worker counts one too: several that knock at once would else
use up the tries of a push that nobody has checked."""
FINDINGS_TOLD = 500
SUMS = ("added", "changed", "removed")
BLOB_LOCK = 0x676B6F70       # "gkop": with the content's hash, one writer of equal bytes at a time


class OtherContent(Exception):
    """The key came before with other content."""


def fingerprint(raw_sha256: str, kind: str, said: Said) -> str:
    """Of everything that a push says: what has the same one is the same push."""
    text = json.dumps([raw_sha256, kind, said.scope, said.columns, said.options], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def earlier(token: Mapping[str, Any], key: str, mark: str) -> dict[str, Any] | None:
    """The push that came with this key before. Raises OtherContent."""
    row = model.one("select * from gkopen.push where domain = :domain and body_id = :body and idempotency_key = :key",
                    domain=token["domain"], body=token["body_id"], key=key)
    if row is not None and row["fingerprint"] != mark:
        raise OtherContent(key)
    return row


def accept(token: Mapping[str, Any], key: str, mark: str, data: bytes, media_type: str, filename: str,
           said: Said) -> dict[str, Any]:
    """Keep a push and queue it, in the caller's transaction. The same key again answers with the first one.

    Of many equal keys at once one is inserted; the others wait for its commit and find it. Raises OtherContent.
    """
    raw_sha256 = hashlib.sha256(data).hexdigest()
    row = model.one(
        "insert into gkopen.push (id, token_id, domain, body_id, idempotency_key, fingerprint, raw_sha256, filename,"
        " scope, columns, options) values (:id, :token, :domain, :body, :key, :mark, :raw, :filename, :scope, :columns,"
        " cast(:options as jsonb)) on conflict (domain, body_id, idempotency_key) do nothing returning *",
        id=str(uuid4()), token=token["id"], domain=token["domain"], body=token["body_id"], key=key, mark=mark,
        raw=raw_sha256, filename=filename, scope=said.scope, columns=said.columns,
        options=model.dump(said.options))
    if row is None:
        found = earlier(token, key, mark)
        assert found is not None
        return found
    model.execute("select pg_advisory_xact_lock(:space, :lock)", space=BLOB_LOCK, lock=int(raw_sha256[:7], 16))
    blobs.put(data, media_type)
    model.execute("select pg_notify('gkopen', 'push')")
    return row


def work_one() -> bool:
    """Check the push that has waited longest. False when there is none. Commits."""
    found = model.value(
        "update gkopen.push set attempts = attempts + 1, not_before = clock_timestamp() + make_interval(secs => :claim)"
        " where id = (select p.id from gkopen.push p where state = 'queued' and not_before <= clock_timestamp()"
        "  and not exists (select 1 from gkopen.push e where e.state = 'queued' and e.domain = p.domain"
        "  and e.body_id = p.body_id and (e.received_at, e.id) < (p.received_at, p.id))"
        " order by received_at, id limit 1 for update skip locked) returning id", claim=CLAIM_SECONDS)
    ckan_model.Session.commit()                           # counted even if the checking kills this process
    if found is None:
        return False
    push = model.one("select p.*, t.name as token from gkopen.push p join gkopen.push_token t on t.id = p.token_id"
                     " where p.id = :id and p.state = 'queued' for update of p skip locked", id=found)
    if push is None:                                      # another worker was quicker
        ckan_model.Session.rollback()
        return True
    try:
        if push["attempts"] > TRIES:
            _finish(push, "failed", {"zh": "程序多次未能检查完这次推送，请联系管理员",
                                     "en": "the program could not finish checking this push; ask the administrator"})
        else:
            _check(push)
        ckan_model.Session.commit()
    except Exception as error:
        if ledger.lost(error):
            raise                                         # the database is away: the worker waits for it
        ckan_model.Session.rollback()
        log.exception("push %s could not be checked (try %d)", push["id"], push["attempts"])
        model.execute("update gkopen.push set not_before = now() + make_interval(secs => :wait) where id = :id",
                      id=push["id"], wait=2 ** push["attempts"])
        ckan_model.Session.commit()
    return True


def _check(push: Mapping[str, Any]) -> None:
    try:
        body, raw = bodies.find(push["body_id"]), blobs.read(push["raw_sha256"])
    except bodies.UnknownBody:
        _finish(push, "failed", {"zh": "责任主体已停用", "en": "the body is no longer active"})
        return
    except blobs.Sealed:
        _finish(push, "failed", {"zh": "该内容已撤回并封存", "en": "this content was withdrawn and is sealed"})
        return
    who = f"{tokens.SUBMITTER}{push['token']}"
    with scratch.folder() as folder:
        path = folder / "body"
        path.write_bytes(raw)
        domain, options = get_domain(push["domain"]), Options(**push["options"])
        dataset_id = ids.dataset_id(domain.name, body["id"])
        now, drifts = contents.drift(domain, dataset_id, path, push["filename"], options)
        outcome = pipeline.submit(pipeline.Submission(
            domain=push["domain"], body=body, path=path, filename=push["filename"], source=who, submitted_by=who,
            idempotency_key=str(push["id"]), options=options, scope=push["scope"]))
    if outcome.state == "held":
        contract.keep({"source_id": None, "id": None}, [contract.Seen(dataset_id, now, outcome.submission_id, drifts)])
        reports.store_findings(drifting.findings(drifts), dataset_id, outcome.revision_id, None)
    _finish(push, "checked", outcome.as_dict(), outcome.submission_id)


def _finish(push: Mapping[str, Any], state: str, outcome: Mapping[str, Any], submission_id: str | None = None) -> None:
    model.execute("update gkopen.push set state = :state, outcome = cast(:outcome as jsonb), finished_at = now(),"
                  " submission_id = :submission where id = :id", id=push["id"], state=state,
                  outcome=model.dump(outcome), submission=submission_id)


def find(token: Mapping[str, Any], push_id: str) -> dict[str, Any] | None:
    """A push of the token's own body and domain, whichever of their tokens it came by."""
    return model.one("select * from gkopen.push where id = :id and domain = :domain and body_id = :body", id=push_id,
                     domain=token["domain"], body=token["body_id"])


def status(push: Mapping[str, Any]) -> dict[str, Any]:
    """What became of a push: state, counts, and the findings in both languages."""
    told: dict[str, Any] = {name: push[name] for name in ("id", "state", "received_at")}
    told |= {"id": str(push["id"]), "received_at": clock.told(push["received_at"])}
    if push["state"] == "queued":
        free = model.value("select 1 from gkopen.push where id = :id and state = 'queued' for update skip locked",
                           id=push["id"])
        ckan_model.Session.rollback()
        return told | {"state": "queued" if free else "checking"}
    outcome = push["outcome"]
    if push["state"] == "failed":
        return told | {"error": outcome}
    told |= {name: outcome[name] for name in ("state", *COUNTS, *SUMS)}
    standing = _standing(push["submission_id"])
    if standing:
        own, last = next(row for row in standing if row["own"]), standing[0]
        told |= {name: own[name] for name in COUNTS} | {name: last["summary"][name] for name in SUMS}
        told |= {"state": last["compared"] or last["state"], "revision": str(last["id"]), "reason": last["reason"]}
        # What was withdrawn is told to nobody, and a finding may repeat a cell of it.
        gone = last["state"] == "published" and _withdrawn(last["id"])
        told |= {"state": "withdrawn"} if gone else _findings(own["id"])
    else:
        told |= {"findings": [], "findings_total": sum(outcome["findings"].values())}
    return told


def _standing(submission_id: Any) -> list[dict[str, Any]]:
    """The revisions that had the rows of a push one after the other, the one that has them now first; none where it has
    none. `own`: the push's own revision, as it is or with other metadata; `compared`: what came of a stale one of which
    nothing was left.

    A list of changes takes along what waits, and what waits twice waits once: what is decided there is decided about
    this push. A file that speaks for the same parts has other rows: then this one was superseded.
    """
    return model.every(
        "with recursive chain as ("
        " select r.*, 1 as depth, true as own from (select * from gkopen.revision where submission_id = :id"
        "  order by created_at desc limit 1) r"
        " union all select n.*, c.depth + 1, c.own and s.kind = 'metadata' from chain c"
        "  join gkopen.revision b on c.state = 'superseded' and b.id = c.superseded_by and c.depth < 10000"
        "  join gkopen.submission s on s.id = b.submission_id"
        "   and (s.kind = 'metadata' or s.options ->> 'scope' = 'changes' or b.digest = c.digest)"
        "  cross join lateral (select * from gkopen.revision where submission_id = s.id"
        "   order by created_at desc limit 1) n)"
        " select c.*, case when c.state = 'stale' then s.options -> 'outcome' ->> 'state' end as compared from chain c"
        " left join gkopen.submission s on s.id = c.submission_id order by c.depth desc", id=submission_id)


def _withdrawn(revision_id: Any) -> bool:
    """Whether a content that the revision brought was withdrawn from its dataset."""
    return bool(model.value(
        "select 1 from gkopen.revision r join gkopen.revision_part p on p.revision_id = r.id where r.id = :id"
        " and p.part <> '~metadata' and gkopen.is_sealed(r.dataset_id, p.new_sha256) limit 1", id=revision_id))


def _findings(revision_id: Any) -> dict[str, Any]:
    rows = model.every("select *, count(*) over () as total from gkopen.finding where revision_id = :id order by id"
                       " limit :most", id=revision_id, most=FINDINGS_TOLD)
    return {"findings": [described(Finding(row["code"], row["severity"], row["line"], row["field"], row["label"],
                                           row["value"], row["params"], row["sheet"])) for row in rows],
            "findings_total": rows[0]["total"] if rows else 0}


def described(finding: Finding) -> dict[str, Any]:
    """A finding for a program: where, which, and its words in both languages."""
    zh, en = render(finding, "zh"), render(finding, "en")
    return {"code": finding.code, "severity": finding.severity, "line": finding.line, "field": finding.field,
            "label": finding.label, "sheet": finding.sheet,
            **{part: {"zh": zh[part], "en": en[part]} for part in ("title", "message", "fix")}}
