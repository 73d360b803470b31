"""Exits that have not yet followed a withdrawal: what they still hold is shown to nobody from its commit on.

An exit needs a second, or longer where it is down. Until its row of the outbox is done, whoever reads from it asks here
what he may not show. Nearly always nothing waits, and the answer costs one look into an empty index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ckanext.gkopen import model

STANDARDS = ("ocds", "oc4ids", "fiscal")
"""First part of the addresses of the standards' packages."""


def datasets(sink: str) -> list[str]:
    """Ids of the datasets of which this exit still holds what was withdrawn."""
    return [str(row["dataset_id"]) for row in model.every(
        "select distinct dataset_id from gkopen.outbox where urgent and done_at is null and sink = :sink", sink=sink)]


def rows_shown() -> tuple[str, dict[str, str]] | None:
    """A condition on the rows of a DataStore table, with its parameter; None where all of them may be shown.

    All rows of a dataset are left out for that moment: which of them stay, the table learns with the difference.
    """
    gone = datasets("datastore")
    # One text: a list would not survive the literal binds of records_format=csv.
    return ("dataset_id <> all(cast(:gk_gone as text[]))", {"gk_gone": f"{{{','.join(gone)}}}"}) if gone else None


def packages_shown(search_params: dict[str, Any]) -> dict[str, Any]:
    """A search of packages, without the documents that the index has to lose."""
    gone = datasets("solr")
    if gone:
        search_params["fq_list"] = [*(search_params.get("fq_list") or []), f"-id:({' OR '.join(gone)})"]
    return search_params


def file_is(row: Mapping[str, Any]) -> bool:
    """Whether a published file (address, dataset_id, domain of a row of gkopen.file) still holds what was withdrawn."""
    sink = "files" if row["dataset_id"] else "standards" if row["address"].startswith(
        tuple(f"{name}/" for name in STANDARDS)) else "bulk"
    # A package of a standard is made of several domains: it waits for all of them.
    return bool(model.value(
        "select 1 from gkopen.outbox o join gkopen.dataset d on d.id = o.dataset_id where o.urgent"
        " and o.done_at is null and o.sink = :sink and (:sink = 'standards' or d.domain = :domain)"
        " and (cast(:dataset as uuid) is null or d.id = cast(:dataset as uuid)) limit 1",
        sink=sink, domain=row["domain"], dataset=str(row["dataset_id"]) if row["dataset_id"] else None))


def files(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Addresses of those published files (rows of gkopen.file) that still hold what was withdrawn."""
    if not model.value("select 1 from gkopen.outbox where urgent and done_at is null limit 1"):
        return set()
    return {row["address"] for row in rows if file_is(row)}
