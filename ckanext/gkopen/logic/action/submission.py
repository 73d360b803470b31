"""Doors in: a file or rows from an officer or a business system, a check that writes nothing, a nil report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, changesets, pipeline, scratch
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.logic import language
from ckanext.gkopen.logic.action.common import domain_of, need, speaking, user_of
from ckanext.gkopen.metadata.package import APPROVED
from ckanext.gkopen.metadata.values import validated
from ckanext.gkopen.records import Finding, Options, Unreadable
from ckanext.gkopen.review import nil


def gkopen_submission_create(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take a table in and hold it for review.

    :param domain: name of the domain
    :param organization: name, id, title or credit code of the responsible body
    :param upload: the file (CSV, XLSX, XLS, JSON), or
    :param rows: a list of objects label → text; amounts as text, since JSON numbers lose digits
    :param filename: shown to the reviewer
    :param mapping: label → field name; :param units: label → unit; :param constants: field name → value
    :param metadata: an object of the dataset's disclosure metadata, instead of rows: reviewed in the same way; the
        error names each field that is unknown or has a wrong value
    :param idempotency_key: the same key with the same content answers with the first outcome
    :returns: the outcome with `state` held, returned, unchanged or repeated, the counts and the revision's id
    """
    with speaking():
        domain = domain_of(data_dict)
        need(data_dict, "organization")
        body = bodies.find(str(data_dict["organization"]))
        toolkit.check_access("gkopen_submit", context, {"body_id": body["id"]})
        if data_dict.get("metadata") is not None:
            return _metadata(domain, body, data_dict["metadata"], user_of(context))
        with _file(data_dict) as (path, filename):
            outcome = pipeline.submit(pipeline.Submission(
                domain=domain.name, body=body, path=path, filename=filename,
                source=f"{context.get('gkopen_door', 'api')}:{user_of(context)}", submitted_by=user_of(context),
                idempotency_key=data_dict.get("idempotency_key"), options=_options(data_dict)))
        ckan_model.Session.commit()
    return outcome.as_dict()


def _metadata(domain: Domain, body: dict[str, Any], fields: Any, user: str) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise toolkit.ValidationError({"metadata": [toolkit._("metadata is an object of field names and values.")]})
    known = {name: value for name, value in fields.items() if name in APPROVED}
    values, errors = validated(known, user)
    errors |= {str(name): [toolkit._("Unknown metadata field: schemas/dataset.yaml names those that there are.")]
               for name in fields if name not in APPROVED}
    if fields.get("domain", domain.name) != domain.name:
        errors["domain"] = [toolkit._("The domain of a dataset does not change: submit the rows in the other domain.")]
    if errors:
        raise toolkit.ValidationError(dict(errors))
    try:
        revision_id = pipeline.submit_metadata(domain, body, values, user)
    except LookupError as error:
        raise toolkit.ValidationError({"metadata": [toolkit._(
            "Nothing of this dataset was submitted yet: submit its rows first.")]}) from error
    ckan_model.Session.commit()
    return {"state": "held" if revision_id else "unchanged", "revision_id": revision_id}


def gkopen_check(context: Any, data_dict: Any) -> dict[str, Any]:
    """All findings of one file; writes nothing.

    Parameters of `gkopen_submission_create`, the body (`organization`) is optional: with it the columns are held
    against those of the last accepted file, and the answer says under `change` what a submission would do to the rows
    that are public now: added, changed, removed, and the same a part.
    """
    toolkit.check_access("gkopen_desk", context, {})
    with speaking():
        domain = domain_of(data_dict)
        body = bodies.find(str(data_dict["organization"])) if data_dict.get("organization") else None
        options = _options(data_dict)
        if body is not None:
            toolkit.check_access("gkopen_submit", context, {"body_id": body["id"]})
            options = replace(options, expected_header=pipeline.accepted_header(domain, body))
        with _file(data_dict) as (path, filename):
            try:
                examined = examine(domain, path, filename=filename, options=options)
            except Unreadable as error:
                return {"readable": False, "rows_in": 0, "rows_ok": 0, "rows_quarantined": 0, "rows_duplicate": 0,
                        "findings": [described(finding) for finding in error.findings]}
        change = _change(pipeline.preview(domain, body, examined)) if body is not None else None
    return {"readable": True, "rows_in": examined.rows_in, "rows_ok": examined.rows_ok,
            "rows_quarantined": examined.rows_quarantined, "rows_duplicate": examined.rows_duplicate,
            "header": examined.header, "findings": [described(finding) for finding in examined.findings],
            "change": change}


def _change(changes: list[changesets.Change]) -> dict[str, Any]:
    each = [{"part": change.part, "rows": change.rows, "added": change.added, "changed": change.changed,
             "removed": change.removed} for change in changes]
    return {name: sum(part[name] for part in each) for name in ("added", "changed", "removed")} | {"parts": each}


def gkopen_nil_report(context: Any, data_dict: Any) -> dict[str, Any]:
    """零报告: say that a body has nothing to disclose for a part. :param domain: :param organization: :param part:"""
    with speaking():
        domain = domain_of(data_dict)
        need(data_dict, "organization", "part")
        body = bodies.find(str(data_dict["organization"]))
        toolkit.check_access("gkopen_submit", context, {"body_id": body["id"]})
        submission_id = nil.nil_report(domain.name, body, str(data_dict["part"]), user_of(context))
        ckan_model.Session.commit()
    return {"submission_id": submission_id}


def gkopen_nil_recall(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take a nil report back; what it answered is owed again.

    :param domain: :param organization: :param part: :param reason: kept for the audit
    """
    with speaking():
        domain = domain_of(data_dict)
        need(data_dict, "organization", "part", "reason")
        body = bodies.find(str(data_dict["organization"]))
        toolkit.check_access("gkopen_submit", context, {"body_id": body["id"]})
        part, reason = str(data_dict["part"]), str(data_dict["reason"])
        submission_id = nil.recall(domain.name, body, part, reason, user_of(context))
        ckan_model.Session.commit()
    return {"submission_id": submission_id, "state": "recalled"}


def described(finding: Finding) -> dict[str, Any]:
    """A finding with its words in the request's language."""
    return finding.as_dict() | render(finding, language.reader())


def _options(data_dict: Any) -> Options:
    def texts(name: str) -> dict[str, str]:
        value = data_dict.get(name) or {}
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise toolkit.ValidationError({name: [toolkit._("Give an object of texts, such as {example}.").format(
                example='{"采购人名称": "buyer_name"}')]})
        return value

    return Options(mapping=texts("mapping"), units=texts("units"), constants=texts("constants"))


@contextmanager
def _file(data_dict: Any) -> Iterator[tuple[Path, str]]:
    """The submitted bytes as a file, with the name that they came with."""
    upload, rows = data_dict.get("upload"), data_dict.get("rows")
    if upload is None and rows is None:
        raise toolkit.ValidationError({"upload": [toolkit._("Give a file (upload) or rows.")]})
    with scratch.folder() as folder:
        path = folder / "file"
        if upload is not None:
            filename = str(data_dict.get("filename") or getattr(upload, "filename", None) or "upload")
            if isinstance(upload, Path):
                path = upload
            else:
                _save(upload, path)
        else:
            filename = str(data_dict.get("filename") or "rows.jsonl")
            path.write_text("".join(_line(number, row) for number, row in enumerate(_listed(rows), 1)), "utf-8")
        yield path, filename


def _save(upload: Any, path: Path) -> None:
    most = toolkit.config["ckanext.gkopen.submission_max_size"] * 1024 * 1024
    stream = getattr(upload, "stream", upload)
    if not hasattr(stream, "read"):
        raise toolkit.ValidationError({"upload": [toolkit._("Send the file as multipart/form-data.")]})
    with path.open("wb") as target:
        while block := stream.read(1 << 20):
            if target.tell() + len(block) > most:
                raise toolkit.ValidationError({"upload": [toolkit._(
                    "The file is larger than {size} MB: split it by period and submit the pieces.").format(
                        size=toolkit.config["ckanext.gkopen.submission_max_size"])]})
            target.write(block)


def _listed(rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        raise toolkit.ValidationError({"rows": [toolkit._("rows is a list of objects.")]})
    return rows


def _line(number: int, row: Any) -> str:
    if not isinstance(row, dict) or any(isinstance(value, (float, list, dict)) for value in row.values()):
        raise toolkit.ValidationError({"rows": [toolkit._(
            "Row {number}: each row is an object of texts; send amounts as text, JSON numbers lose digits.").format(
                number=number)]})
    texts = {key: value if value is None or isinstance(value, str) else str(value).lower()
             if isinstance(value, bool) else str(value) for key, value in row.items()}
    return json.dumps(texts, ensure_ascii=False) + "\n"
