"""One row through time, by its key. For anyone to read."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.history import keys, rows
from ckanext.gkopen.logic.action.asked import domain_of, money_as_text
from ckanext.gkopen.logic.action.common import need


@toolkit.side_effect_free
def gkopen_row_history(context: Any, data_dict: Any) -> dict[str, Any]:
    """A row's current value and every published version of it, with times, revisions and public reasons.

    `results` has an entry for each dataset that has a row of this key (nearly always one): `state` published, removed
    or withdrawn, `current`, and `versions`, oldest first. Contents that were withdrawn are not shown, only why.
    One answer reads the newest publications; `cursor` goes on with older ones (`state` of a row that is not public is
    then null). Nothing found and a cursor: the row is in none of those that were read.

    :param domain: name of the domain
    :param key: an object column → text, a list in the order of the key, or, of a key of one column, its text
    :param dataset: name or id, where only the row of one dataset is wanted; needed where more than twenty have it
    :param cursor: of the last answer
    :param money: `text`: amounts as texts
    """
    toolkit.check_access("gkopen_public", context, {})
    domain, as_text = domain_of(data_dict), money_as_text(data_dict)
    need(data_dict, "key")
    try:
        key = keys.from_request(domain, data_dict["key"])
    except keys.NotAKey as error:
        raise toolkit.ValidationError({"key": [
            f"key 由这些列的文本组成：{'、'.join(domain.key)} / key is made of the texts of: {', '.join(domain.key)}"
        ]}) from error
    try:
        place = rows.Place.read(str(data_dict["cursor"])) if data_dict.get("cursor") else None
    except ValueError as error:
        raise toolkit.ValidationError({"cursor": [
            "无法识别的游标，请使用上一次回答中的 cursor / unknown cursor: take the one of the last answer"
        ]}) from error
    try:
        found, older = rows.histories(domain, key, str(data_dict["dataset"]) if data_dict.get("dataset") else None,
                                      place)
    except rows.TooMany as error:
        raise toolkit.ValidationError({"dataset": [
            f"超过 {rows.MOST_DATASETS} 个数据集有这一行：请用 dataset 指明一个 /"
            f" more than {rows.MOST_DATASETS} datasets have a row of this key: name one with dataset"]}) from error
    if not found and older is None and place is None:
        raise toolkit.ObjectNotFound(toolkit._("No row of this key was ever published."))
    titles = bodies.titles()
    return {"domain": domain.name, "key": dict(zip(domain.key, key, strict=True)),
            "url": f"/row/{domain.name}/{keys.to_path(key)}",
            "results": [_told(domain, row, titles, as_text) for row in found], "cursor": str(older) if older else None}


def _told(domain: Domain, row: rows.RowHistory, titles: dict[str, str], as_text: bool) -> dict[str, Any]:
    def shown(cells: rows.Cells | None) -> dict[str, Any] | None:
        return rows.typed(domain, cells, money_as_text=as_text) if cells else None

    versions = [{
        "op": version.op, "seq": version.seq, "at": clock.told(version.at),
        "kind": version.kind, "revision": version.revision, "part": version.part, "reason": version.reason,
        "fields": list(version.fields), "withdrawn": version.gone, "row": shown(version.row),
    } for version in row.versions]
    return {"dataset": row.name, "dataset_id": row.dataset_id, "publisher": titles.get(row.body_id, ""),
            "state": row.state, "reason": row.reason, "current": shown(row.current), "versions": versions}
