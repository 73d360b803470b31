"""What a decision leaves behind: its reason in public, nothing half done, and the words of the officer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckanext.datastore.backend.postgres import get_write_engine

from ckanext.gkopen import changesets, helpers, ids, model
from ckanext.gkopen import verify as checks
from ckanext.gkopen.demo import act
from ckanext.gkopen.logic.action.common import speaking
from ckanext.gkopen.publish import outbox, store
from ckanext.gkopen.publish.forms.streams import GZIP, SUFFIX, ZSTD
from ckanext.gkopen.review import audit
from tests.people import call, make_cast
from tests.races import crew
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit


class Unforeseen(Exception):
    """An error that no part of the program names."""


@pytest.mark.parametrize("error", [Unforeseen, KeyboardInterrupt, toolkit.NotAuthorized])
def test_whatever_ends_an_action_leaves_nothing_for_a_later_commit(site: Any, error: type[BaseException]) -> None:
    with pytest.raises(error), speaking():
        model.execute("insert into gkopen.blob (sha256, size, media_type) values (repeat('a', 64), 1, 'x')")
        raise error
    ckan_model.Session.commit()
    assert model.value("select count(*) from gkopen.blob") == 0


def test_the_reason_of_an_approval_is_public(site: Any) -> None:
    cast = make_cast()
    first = submit(cast, *FIRST)["revision_id"]
    digest = call("gkopen_revision_show", cast.reviewer, id=first)["digest"]
    call("gkopen_revision_approve", cast.reviewer, id=first, digest=digest, reason="年度更新")
    assert model.value("select reason from gkopen.publication") == "年度更新"
    assert call("gkopen_revision_show", cast.officer, id=first)["reason"] == "年度更新"


def test_a_dataset_without_its_last_rows_is_gone_as_a_whole(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    name = f"{cast.body}-procurement"
    with pytest.raises(toolkit.ValidationError, match="not public"):
        call("gkopen_dataset_withdraw", cast.reviewer, id=name, part=changesets.METADATA, reason="不应公开")
    call("gkopen_dataset_withdraw", cast.reviewer, id=name, part="2024-05", reason="不应公开")
    assert set(changesets.public_parts(dataset_id(cast))) == {"2024-06", changesets.METADATA}
    call("gkopen_dataset_withdraw", cast.reviewer, id=name, part="2024-06", reason="不应公开")
    assert changesets.public_parts(dataset_id(cast)) == {}
    drain()
    assert list(checks.problems()) == []
    again = call("gkopen_revision_show", cast.officer, id=submit(cast, *FIRST)["revision_id"])
    assert again["metadata_change"]["after"]["title"], "its metadata is proposed, and reviewed, anew"


def test_verify_names_a_lost_content_and_goes_on(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    sha256 = changesets.public_parts(dataset_id(cast))["2024-06"]
    crew.take_away(sha256)
    said = list(checks.problems())
    assert any(sha256 in problem and "missing" in problem for problem in said)
    assert any(problem.startswith(f"{cast.body}-procurement") and sha256 in problem for problem in said)


@pytest.mark.parametrize(("done", "said"), [
    ("update public.{table} set budget_amount = budget_amount + 0.01 where part = '2024-06'", "1 rows are not"),
    ("update public.{table} set project_name = 'x' where part = '2024-05'", "2024-05: 2 rows are not in the DataStore"),
    ("delete from public.{table} where part = '2024-06'", "2024-06: 1 rows were approved, the DataStore shows 0"),
    ("update public.{table} set part = '2024-07' where part = '2024-06'", "shows part 2024-07, which was not approved"),
])
def test_verify_sees_a_cell_that_was_changed_in_the_table(site: Any, done: str, said: str) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    assert list(checks.problems()) == []
    with get_write_engine().begin() as connection:
        connection.execute(sa.text(done.format(table=f'"{ids.table_id("procurement")}"')))
    problems = list(checks.problems())
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize("coding", [GZIP, ZSTD])
def test_verify_sees_the_variants_that_most_readers_are_sent(site: Any, coding: str) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    address = f"procurement/{cast.body}-procurement.csv"
    sha256 = str(model.value("select sha256 from gkopen.file where address = :it", it=address))
    folder = store.local_folder()
    assert folder is not None
    file, name = folder / store.location(sha256, coding), f"/open/{address}{SUFFIX[coding]}"
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    assert list(checks.problems()) == [f"{name} was changed: it no longer has its sha256"]
    file.unlink()
    assert list(checks.problems()) == [f"{name} is missing from the public storage"]
    file.write_bytes(whole)
    assert list(checks.problems()) == []


def test_a_bulk_exit_that_fails_is_told(site: Any) -> None:
    """It waits for its interval, which is no delay; failing is."""
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    list(outbox.drain())
    model.execute("update gkopen.outbox set done_at = null, attempts = 3 where sink = 'bulk'")
    assert outbox.waiting() == {"rows": 0, "oldest": 0.0, "failing": 1}


def test_verify_goes_on_where_the_index_does_not_answer(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(make_cast(), *FIRST)
    monkeypatch.setitem(toolkit.config, "solr_url", "http://127.0.0.1:9/solr/ckan")
    monkeypatch.setattr(audit, "FIRST", "f" * 64)         # a chain that is broken, which is looked at after the index
    index, chain = checks.problems()
    assert "the search index does not answer" in index and "does not follow" in chain


def test_verify_names_a_raw_file_of_which_one_byte_was_changed(site: Any) -> None:
    cast = make_cast()
    submit(cast, *FIRST)
    raw = str(model.value("select raw_sha256 from gkopen.submission"))
    model.execute("update gkopen.blob set content = set_byte(content, 100, get_byte(content, 100) # 1)"
                  " where sha256 = :raw", raw=raw)
    ckan_model.Session.commit()
    assert [problem for problem in checks.problems() if raw in problem and "was changed" in problem]


def test_what_the_officer_wrote_outlives_the_next_file(site: Any) -> None:
    cast = make_cast()
    data = {"domain": "procurement", "organization": cast.body}
    submit(cast, *FIRST[:2])
    edited = call("gkopen_submission_create", cast.officer, **data, metadata={"contact_name": "采购处"})["revision_id"]
    shown = call("gkopen_revision_show", cast.reviewer, id=edited)
    assert helpers.gkopen_door(shown["submission"]["source"]) == helpers.gkopen_door("api:x")
    last = submit(cast, *FIRST)["revision_id"]
    assert call("gkopen_revision_show", cast.reviewer, id=edited)["state"] == "superseded"
    after = call("gkopen_revision_show", cast.reviewer, id=last)
    assert after["metadata_change"]["after"]["contact_name"] == "采购处"
    assert after["rows_ok"] == 3
    next_one = call("gkopen_revision_show", cast.reviewer, id=submit(cast, *FIRST[1:])["revision_id"])
    assert next_one["metadata_change"]["after"]["contact_name"] == "采购处"
    call("gkopen_revision_return", cast.reviewer, id=next_one["id"], reason="联系人不对")
    anew = call("gkopen_revision_show", cast.reviewer, id=submit(cast, *FIRST)["revision_id"])
    assert "contact_name" not in anew["metadata_change"]["after"]


def test_metadata_alone_says_nothing_of_where_the_rows_came_from(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    data = {"domain": "procurement", "organization": cast.body}
    edited = call("gkopen_submission_create", cast.officer, **data, metadata={"contact_name": "采购处"})["revision_id"]
    source = call("gkopen_revision_show", cast.reviewer, id=edited)["submission"]["source"]
    assert helpers.gkopen_door(source) != source, "a door has a name, not only a code"
    approve(cast, edited)
    package = call("package_show", "", id=f"{cast.body}-procurement")
    assert helpers.gkopen_source(package) == helpers.gkopen_door("api:x")


def test_wrong_metadata_is_told_field_by_field(site: Any) -> None:
    cast = make_cast()
    data = {"domain": "procurement", "organization": cast.body}
    submit(cast, *FIRST)
    with pytest.raises(toolkit.ValidationError) as refused:
        call("gkopen_submission_create", cast.officer, **data, metadata={
            "disclosure_attribute": "often", "responsible_uscc": "123", "formed_on": "yesterday", "stage": ["soon"],
            "audience": "everyone", "colour": "red", "domain": "budget", "title": ["a"], "contact_name": "采购处"})
    assert set(refused.value.error_dict) == {"disclosure_attribute", "responsible_uscc", "formed_on", "stage",
                                             "audience", "colour", "domain", "title"}
    same = call("gkopen_submission_create", cast.officer, **data, metadata={"title": "南通市财政局政府采购"})
    assert same["state"] == "unchanged"
    assert len(call("gkopen_revision_list", cast.officer)["results"]) == 1


def test_metadata_that_were_withdrawn_are_written_anew(site: Any) -> None:
    """A withdrawal seals them; what says the same is reviewed anew (docs/decisions/metadata-is-a-part.md)."""
    cast = make_cast()
    data = {"domain": "procurement", "organization": cast.body}
    submit(cast, *FIRST)
    edited = call("gkopen_submission_create", cast.officer, **data, metadata={"contact_name": "采购处"})["revision_id"]
    approve(cast, edited)
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="不应公开")
    submit(cast, *FIRST[:2])
    again = call("gkopen_submission_create", cast.officer, **data, metadata={"contact_name": "采购处"})["revision_id"]
    shown = call("gkopen_revision_show", cast.reviewer, id=again)
    assert shown["metadata_change"]["after"]["contact_name"] == "采购处" and shown["rows_ok"] == 2
    last = submit(cast, *FIRST)["revision_id"]
    approve(cast, last)
    assert call("package_show", "", id=f"{cast.body}-procurement")["contact_name"] == "采购处"


def test_an_edit_of_the_metadata_leaves_a_roll_back_as_it_is(site: Any) -> None:
    cast = make_cast()
    name, data = f"{cast.body}-procurement", {"domain": "procurement", "organization": cast.body}
    approve(cast, submit(cast, *FIRST)["revision_id"])
    first = call("gkopen_submission_create", cast.officer, **data, metadata={"contact_name": "甲"})["revision_id"]
    approve(cast, first)
    back = call("gkopen_dataset_rollback", cast.officer, id=name, seq=1, reason="恢复原状")["revision"]
    edit = call("gkopen_submission_create", cast.officer, **data, metadata={"contact_name": "乙"})["revision_id"]
    assert call("gkopen_revision_show", cast.reviewer, id=back)["state"] == "held"
    approve(cast, edit)
    assert call("package_show", "", id=name)["contact_name"] == "乙"


def test_a_dataset_keeps_its_addresses_when_its_body_gets_another_name(site: Any, app: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    call("gkopen_duty_set", cast.office, domain="procurement", organization=cast.body, cycle="monthly",
         since="2024-05-01")
    act("organization_patch", id=cast.body, name="nantong-czgzj")
    renamed = replace(cast, body="nantong-czgzj")
    approve(renamed, submit(renamed, FIRST[0].replace("84.6", "85.6"))["revision_id"])
    drain()
    name = f"{cast.body}-procurement"
    app.get(f"/dataset/{name}", status=200)
    files = [path for resource in call("package_show", "", id=name)["resources"]
             if (path := urlsplit(resource["url"]).path).startswith("/open/")]
    assert len(files) > 3
    for path in files:
        app.get(path, status=200)
    told = call("gkopen_oversight_list", "", organization=renamed.body)["results"]
    assert {entry["dataset"] for entry in told if entry["state"] == "published"} == {name}
    assert list(checks.problems()) == []


def test_of_a_closed_body_nothing_is_approved_and_the_reviewer_is_told_what_to_do(site: Any) -> None:
    cast = make_cast()
    waiting = submit(cast, *FIRST)["revision_id"]
    act("organization_delete", id=cast.body)
    with pytest.raises(toolkit.ValidationError, match="was closed"):
        approve(cast, waiting, cast.office)
    call("gkopen_revision_return", cast.office, id=waiting, reason="机构已撤并")
    assert changesets.public_parts(dataset_id(cast)) == {}
