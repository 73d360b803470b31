"""What was withdrawn is sealed: no old revision, roll-back or comparison brings it back; a new decision does."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.plugins import toolkit

from tests.leaks.world import approve, drain, row, submit
from tests.people import Cast, call, make_cast

ROW = row(1, "停车场收费系统采购")


def published(cast: Cast) -> str:
    revision = submit(cast.officer, cast.body, ROW)["revision_id"]
    approve(cast.reviewer, revision)
    drain()
    return revision


def withdraw(cast: Cast) -> None:
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="含有不应公开的内容")
    drain()


def test_an_old_revision_shows_neither_rows_nor_metadata(site: Any) -> None:
    cast = make_cast()
    revision = published(cast)
    assert call("gkopen_revision_diff", cast.officer, id=revision, part="2024-05")["added"]
    withdraw(cast)
    for user in (cast.officer, cast.reviewer, cast.office, cast.admin):
        for shown in call("gkopen_revision_list", user)["results"]:
            with pytest.raises(toolkit.ObjectNotFound):
                call("gkopen_revision_diff", user, id=shown["id"], part="2024-05")
            assert call("gkopen_revision_show", user, id=shown["id"])["metadata_change"] is None


def test_a_roll_back_does_not_bring_it_back(site: Any) -> None:
    cast = make_cast()
    published(cast)
    withdraw(cast)
    with pytest.raises(toolkit.ValidationError, match="sealed"):
        call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=1, reason="恢复")
    with pytest.raises(toolkit.ObjectNotFound):
        call("datastore_search", "", resource_id="procurement")


def test_a_waiting_roll_back_cannot_be_approved_after_the_withdrawal(site: Any) -> None:
    cast = make_cast()
    published(cast)
    approve(cast.reviewer, submit(cast.officer, cast.body, ROW.replace("838000.00", "1.00"))["revision_id"])
    back = call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=1,
                reason="录入错误")["revision"]
    withdraw(cast)
    with pytest.raises(toolkit.ValidationError, match="sealed"):
        approve(cast.reviewer, back)
    drain()
    with pytest.raises(toolkit.ObjectNotFound):
        call("datastore_search", "", resource_id="procurement")


def test_what_is_approved_anew_is_public_again_with_its_metadata(site: Any, app: Any) -> None:
    cast = make_cast()
    published(cast)
    withdraw(cast)
    again = submit(cast.officer, cast.body, ROW)["revision_id"]
    shown = call("gkopen_revision_show", cast.reviewer, id=again)
    assert shown["metadata_change"]["after"]["title"] == "南通市财政局政府采购"
    assert call("gkopen_revision_diff", cast.reviewer, id=again, part="2024-05")["added"]
    approve(cast.reviewer, again)
    drain()
    assert call("datastore_search", "", resource_id="procurement")["total"] == 1
    assert call("package_show", "", id=f"{cast.body}-procurement")["title"] == "南通市财政局政府采购"
    assert "停车场收费系统采购" in app.get(f"/open/procurement/{cast.body}-procurement.csv", status=200).body
    app.get(f"/dataset/{cast.body}-procurement", status=200)


def test_what_waited_is_compared_again_with_metadata_to_review(site: Any) -> None:
    cast = make_cast()
    published(cast)
    waiting = submit(cast.officer, cast.body, row(2, "空气质量监测设备"))["revision_id"]
    withdraw(cast)
    with pytest.raises(toolkit.ValidationError) as refused:
        approve(cast.reviewer, waiting)
    again: Any = refused.value.error_dict["stale"]
    shown = call("gkopen_revision_show", cast.reviewer, id=again[0])
    assert shown["metadata_change"]["after"]["domain"] == "procurement"
    approve(cast.reviewer, again[0])
    drain()
    names = [shown["project_name"] for shown in call("datastore_search", "", resource_id="procurement")["records"]]
    assert names == ["空气质量监测设备"]
