"""The thin thread through everything: submit → check → hold → review → publish → read, correct, withdraw."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import ids, model
from ckanext.gkopen import verify as checks
from ckanext.gkopen.publish import outbox
from tests.people import Cast, call, make_cast

HEADER = ("公告编号,公告类型,发布时间,项目编号,项目名称,采购单位,采购方式,采购类别,预算金额(万元),"
          "中标供应商,中标金额(元),计价方式,标段")
FIRST = (
    "NT-2024-001,中标（成交）结果公告,2024-05-06 09:00,NTCG-2024-001,停车场收费系统采购,南通市城市管理局,"
    "公开招标,货物,84.6,南通某某科技有限公司,\"838,000.00\",金额,1",
    "NT-2024-002,中标（成交）结果公告,2024-05-07 09:00,NTCG-2024-002,空气质量监测设备,南通市生态环境局,"
    "公开招标,货物,120,江苏某某仪器有限公司,1190000.5,金额,1",
    "NT-2024-003,招标公告,2024-06-01 10:00,NTCG-2024-003,学校食堂食材配送,南通市教育局,公开招标,货物,300,,,,",
)


def upload(*rows: str, header: str = HEADER) -> FileStorage:
    return FileStorage(io.BytesIO(("\r\n".join((header, *rows)) + "\r\n").encode("gb18030")), filename="采购公告.csv")


def submit(cast: Cast, *rows: str, user: str | None = None) -> dict[str, Any]:
    return call("gkopen_submission_create", user or cast.officer, domain="procurement", organization=cast.body,
                upload=upload(*rows))


def approve(cast: Cast, revision: str, user: str | None = None) -> dict[str, Any]:
    who = user or cast.reviewer
    shown = call("gkopen_revision_show", who, id=revision)
    return call("gkopen_revision_approve", who, id=revision, digest=shown["digest"])


def drain() -> None:
    for done in outbox.drain():
        assert done
    waiting = model.every("select sink, error from gkopen.outbox where done_at is null and error is not null")
    assert not waiting


def rows_of(resource: str, **more: Any) -> dict[str, Any]:
    return call("datastore_search", "", resource_id=resource, **more)


def dataset_id(cast: Cast) -> str:
    organization = ckan_model.Group.get(cast.body)
    assert organization is not None
    return ids.dataset_id("procurement", organization.id)


def test_from_a_file_to_a_reader(site: Any) -> None:
    cast = make_cast()
    outcome = submit(cast, *FIRST)
    shown = call("gkopen_revision_show", cast.officer, id=outcome["revision_id"])
    assert outcome["state"] == "held", shown["finding_list"]
    counts = [outcome[name] for name in ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate")]
    assert counts == [3, 3, 0, 0]
    assert call("package_search", "", q="*:*")["count"] == 0
    assert ckan_model.Package.get(dataset_id(cast)) is None

    published = approve(cast, outcome["revision_id"])
    assert published["seq"] == 1
    drain()

    found = call("package_search", "", q="政府采购")["results"]
    assert f"{cast.body}-procurement" in {package["name"] for package in found}
    answer = rows_of("procurement", sort="project_no asc")
    assert [row["project_no"] for row in answer["records"]] == ["NTCG-2024-001", "NTCG-2024-002", "NTCG-2024-003"]
    assert answer["total"] == 3
    own = rows_of(ids.resource_id(dataset_id(cast)), q="停车")
    assert [row["project_name"] for row in own["records"]] == ["停车场收费系统采购"]
    assert str(own["records"][0]["budget_amount"]) in ("846000.00", "846000", "846000.0")
    assert list(checks.problems()) == []


def test_nobody_approves_an_own_submission_and_a_changed_digest_is_refused(site: Any) -> None:
    cast = make_cast()
    own = submit(cast, *FIRST, user=cast.reviewer)
    with pytest.raises(toolkit.ValidationError, match="own submission"):
        approve(cast, own["revision_id"])
    with pytest.raises(toolkit.ValidationError, match="digest"):
        call("gkopen_revision_approve", cast.office, id=own["revision_id"], digest="0" * 64)
    assert approve(cast, own["revision_id"], cast.office)["seq"] == 1
    with pytest.raises(toolkit.ValidationError, match="not waiting"):
        approve(cast, own["revision_id"], cast.office)


def test_nobody_approves_own_rows_that_another_persons_edit_took_along(site: Any) -> None:
    cast = make_cast()
    submit(cast, *FIRST, user=cast.reviewer)
    taken = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                 metadata={"contact_name": "采购处"})["revision_id"]
    for user, may in ((cast.reviewer, False), (cast.office, True)):
        assert call("gkopen_revision_show", user, id=taken)["may"]["approve"] is may
    with pytest.raises(toolkit.ValidationError, match="own submission"):
        approve(cast, taken)
    assert approve(cast, taken, cast.office)["seq"] == 1


def test_what_is_held_is_seen_by_its_own_people_only(site: Any) -> None:
    cast = make_cast()
    revision = submit(cast, *FIRST)["revision_id"]
    for user in (cast.stranger, ""):
        with pytest.raises((toolkit.ObjectNotFound, toolkit.NotAuthorized)):
            call("gkopen_revision_show", user, id=revision)
    assert call("gkopen_revision_list", cast.stranger)["results"] == []
    with pytest.raises(toolkit.NotAuthorized):
        submit(cast, *FIRST, user=cast.stranger)
    assert call("gkopen_revision_show", cast.office, id=revision)["may"]["approve"] is True


def test_a_correction_shows_exactly_what_changes(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    corrected = FIRST[1].replace("1190000.5", "1189000.50")
    new = FIRST[2].replace("003", "004")
    second = submit(cast, FIRST[0], corrected, FIRST[2], new)
    assert (second["added"], second["changed"], second["removed"]) == (1, 1, 0)
    assert rows_of("procurement")["total"] == 3, "v1 stays public until the second is approved"
    shown = call("gkopen_revision_show", cast.reviewer, id=second["revision_id"])
    totals = shown["summary"]["totals"]["award_amount"]
    assert (totals["before"], totals["after"]) != (None, None)
    may = next(part["part"] for part in shown["parts"] if part["changed"])
    difference = call("gkopen_revision_diff", cast.reviewer, id=second["revision_id"], part=may)
    assert "award_amount" in difference["changed"][0]["fields"]
    approve(cast, second["revision_id"])
    drain()
    assert rows_of("procurement")["total"] == 4
    again = submit(cast, FIRST[0], corrected, FIRST[2], new)
    assert again["state"] == "unchanged"
    assert list(checks.problems()) == []


def test_bad_rows_wait_and_the_good_ones_go_on(site: Any) -> None:
    cast = make_cast()
    bad = FIRST[0].replace("NT-2024-001", "NT-2024-009").replace("2024-05-06 09:00", "2024-13-46")
    outcome = submit(cast, *FIRST, bad)
    assert (outcome["rows_in"], outcome["rows_ok"], outcome["rows_quarantined"]) == (4, 3, 1)
    waiting = call("gkopen_revision_quarantine", cast.officer, id=outcome["revision_id"])["results"]
    assert waiting[0]["line"] == 5
    assert waiting[0]["findings"][0]["fix"]


def test_a_file_without_a_single_good_row_goes_back(site: Any) -> None:
    cast = make_cast()
    outcome = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                   upload=FileStorage(io.BytesIO(b"\xff\xfe\x00\x00nothing"), filename="x.csv"))
    assert outcome["state"] == "returned"
    assert call("gkopen_revision_show", cast.officer, id=outcome["revision_id"])["finding_list"][0]["fix"]


def test_two_pending_revisions_of_one_part(site: Any) -> None:
    """The second approval finds another base: it is compared again and waits again, and nothing is lost."""
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    first = submit(cast, FIRST[0].replace("838,000.00", "830,000.00"), *FIRST[1:])["revision_id"]
    second = submit(cast, FIRST[0].replace("838,000.00", "820,000.00"), *FIRST[1:], user=cast.reviewer)["revision_id"]
    approve(cast, first)
    with pytest.raises(toolkit.ValidationError) as refused:
        approve(cast, second, cast.office)
    stale: Any = refused.value.error_dict["stale"]
    again = stale[0]
    assert call("gkopen_revision_show", cast.office, id=second)["state"] == "stale"
    assert approve(cast, again, cast.office)["seq"] == 3
    drain()
    amounts = {str(row["award_amount"]) for row in rows_of("procurement")["records"]}
    assert any(amount.startswith("820000") for amount in amounts)


def test_withdrawn_is_gone_from_every_exit(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="含有不应公开的内容")
    drain()
    with pytest.raises(toolkit.ObjectNotFound):             # it was the last dataset of the domain
        rows_of("procurement")
    assert f"{cast.body}-procurement" not in {p["name"] for p in call("package_search", "", q="*:*")["results"]}
    with pytest.raises(toolkit.ObjectNotFound):
        call("package_show", "", id=f"{cast.body}-procurement")
    assert list(checks.problems()) == []


def test_withdrawn_content_cannot_be_rolled_back_to(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    toolkit.get_action("gkopen_dataset_withdraw")(
        {"user": toolkit.config["ckan.site_id"], "ignore_auth": True},
        {"id": f"{cast.body}-procurement", "reason": "含有不应公开的内容"})
    with pytest.raises(toolkit.ValidationError, match="sealed"):
        call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=1, reason="恢复")


def test_the_operator_may_submit_a_broken_file(site: Any) -> None:
    """The machine's own account submits, the program returns it: two different names in the record."""
    cast = make_cast()
    outcome = toolkit.get_action("gkopen_submission_create")(
        {"user": toolkit.config["ckan.site_id"], "ignore_auth": True},
        {"domain": "procurement", "organization": cast.body,
         "upload": FileStorage(io.BytesIO(b"\xff\xfe\x00\x00nothing"), filename="x.csv")})
    assert outcome["state"] == "returned"


def test_rollback_is_reviewed_like_any_other(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    approve(cast, submit(cast, FIRST[0].replace("838,000.00", "1.00"), *FIRST[1:])["revision_id"])
    revision = call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=1, reason="录入错误")
    assert approve(cast, revision["revision"])["seq"] == 3
    drain()
    assert any(str(row["award_amount"]).startswith("838000") for row in rows_of("procurement")["records"])


def test_the_same_key_answers_with_the_first_outcome(site: Any) -> None:
    cast = make_cast()
    data = {"domain": "procurement", "organization": cast.body, "idempotency_key": "k1"}
    first = call("gkopen_submission_create", cast.officer, upload=upload(*FIRST), **data)
    second = call("gkopen_submission_create", cast.officer, upload=upload(*FIRST), **data)
    assert (second["state"], second["revision_id"]) == ("repeated", first["revision_id"])
    with pytest.raises(toolkit.ValidationError, match="used before"):
        call("gkopen_submission_create", cast.officer, upload=upload(FIRST[0]), **data)
    with pytest.raises(toolkit.ValidationError, match="used before"):
        call("gkopen_submission_create", cast.officer, upload=upload(*FIRST), units={"预算金额(万元)": "元"}, **data)
    call("organization_member_create", cast.admin, id=cast.other, username=cast.officer, role="editor")
    with pytest.raises(toolkit.ValidationError, match="used before"):
        call("gkopen_submission_create", cast.officer, upload=upload(*FIRST), **data | {"organization": cast.other})


def test_metadata_is_reviewed_like_rows(site: Any) -> None:
    cast = make_cast()
    first = submit(cast, *FIRST)["revision_id"]
    edited = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                  metadata={"title": "南通市财政局采购公告", "contact_name": "采购处"})["revision_id"]
    assert call("gkopen_revision_show", cast.reviewer, id=first)["state"] == "superseded"
    shown = call("gkopen_revision_show", cast.reviewer, id=edited)
    assert (shown["rows_ok"], shown["metadata_change"]["after"]["contact_name"]) == (3, "采购处")
    approve(cast, edited)
    drain()
    name = f"{cast.body}-procurement"
    assert call("package_show", "", id=name)["title"] == "南通市财政局采购公告"
    exempt = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                  metadata={"disclosure_attribute": "exempt"})["revision_id"]
    assert call("package_show", "", id=name)["disclosure_attribute"] == "proactive"
    with pytest.raises(toolkit.ValidationError):
        approve(cast, exempt)
    ckan_model.Session.rollback()
    assert call("package_show", "", id=name)["disclosure_attribute"] == "proactive"
    with pytest.raises(toolkit.ValidationError, match="Unknown metadata"):
        call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
             metadata={"private": "false"})
