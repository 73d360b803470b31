"""Who owes what and what is shown of it: missing, nil, published, late, extended; nothing that was not reviewed."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.plugins import toolkit
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import caching, clock, model
from ckanext.gkopen.demo import act
from ckanext.gkopen.oversight import duties
from ckanext.gkopen.oversight import ledger as book
from ckanext.gkopen.oversight.ledger import facts
from ckanext.gkopen.review import nil
from ckanext.gkopen.views import oversight as view
from tests.oversight.world import approve, on_day, publish, row, states, submit
from tests.people import Cast, call, make_cast


@pytest.fixture
def cast(site: Any) -> Cast:
    return make_cast()


def owe(cast: Cast, since: str = "2026-04-01", **more: Any) -> str:
    wanted = {"domain": "procurement", "organization": cast.body, "cycle": "monthly", "since": since, **more}
    return call("gkopen_duty_set", cast.office, **wanted)["id"]


def ledger(**filters: Any) -> dict[str, Any]:
    return call("gkopen_oversight_list", "", **filters)


def test_missing_nil_published_and_not_yet_due(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast)
    on_day(monkeypatch, "2026-07-10")
    publish(cast, row(1, month=4))
    call("gkopen_nil_report", cast.officer, domain="procurement", organization=cast.body, part="2026-05")
    answer = ledger()
    assert states(answer["results"]) == {"2026-06": "due", "2026-05": "nil", "2026-04": "published"}
    assert answer["counts"] == {"overdue": 0, "unknown": 0, "due": 1, "withdrawn": 0, "published": 1, "nil": 1}
    on_day(monkeypatch, "2026-07-29")
    [june] = ledger(state="overdue")["results"]
    assert (june["due_on"], june["overdue_since"], june["days_late"]) == ("2026-07-28", "2026-07-29", 1)
    assert june["organization"]["name"] == cast.body


def test_a_nil_report_that_was_wrong_is_taken_back(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2026-05-01", until="2026-05-31")
    on_day(monkeypatch, "2026-07-10")
    of = {"domain": "procurement", "organization": cast.body, "part": "2026-05"}
    made = call("gkopen_nil_report", cast.officer, **of)["submission_id"]
    assert states(ledger()["results"]) == {"2026-05": "nil"}
    with pytest.raises(toolkit.NotAuthorized):
        call("gkopen_nil_recall", cast.stranger, **of, reason="误报")
    with pytest.raises(toolkit.ValidationError, match="eason"):
        call("gkopen_nil_recall", cast.officer, **of)
    assert call("gkopen_nil_recall", cast.officer, **of, reason="误报")["submission_id"] == made
    assert states(ledger()["results"]) == {"2026-05": "overdue"}
    with pytest.raises(toolkit.ValidationError, match="2026-05"):
        call("gkopen_nil_recall", cast.officer, **of, reason="误报")
    again = call("gkopen_nil_report", cast.officer, **of)["submission_id"]
    assert again != made and states(ledger()["results"]) == {"2026-05": "nil"}
    call("gkopen_nil_recall", cast.officer, **of, reason="又误报")
    assert states(ledger()["results"]) == {"2026-05": "overdue"}
    told = model.every("select detail ->> 'reason' as reason from gkopen.audit where action = 'nil.recalled'"
                       " order by id")
    assert [row["reason"] for row in told] == ["误报", "又误报"]


def test_a_nil_report_says_nothing_more_once_rows_of_its_part_were_published(cast: Cast,
                                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are withdrawn later, that is told, until the body says again that there is nothing."""
    owe(cast, "2026-05-01", until="2026-05-31")
    on_day(monkeypatch, "2026-07-10")
    of = {"domain": "procurement", "organization": cast.body, "part": "2026-05"}
    first = call("gkopen_nil_report", cast.officer, **of)["submission_id"]
    publish(cast, row(1), row(2, month=6))
    assert states(ledger()["results"]) == {"2026-05": "published"}
    body = ckan_model.Group.get(cast.body)
    assert body is not None and nil.standing([body.id], 10) == [], "the desk offers none to take back"
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-procurement", part="2026-05", reason="经复核不宜公开")
    assert states(ledger()["results"]) == {"2026-05": "withdrawn"}
    with pytest.raises(toolkit.ValidationError, match="2026-05"):
        call("gkopen_nil_recall", cast.officer, **of, reason="误报")
    assert call("gkopen_nil_report", cast.officer, **of)["submission_id"] != first
    assert [each["part"] for each in nil.standing([body.id], 10)] == ["2026-05"]
    assert states(ledger()["results"]) == {"2026-05": "nil"}


def test_nobody_says_that_there_will_be_nothing(cast: Cast) -> None:
    """A body that said so of all months to come would never be late."""
    of = {"domain": "procurement", "organization": cast.body}
    year = clock.today().year
    for part in (f"{year + 1}-01", f"{year + 1}-02"):
        with pytest.raises(toolkit.ValidationError, match="has not begun"):
            call("gkopen_nil_report", cast.officer, **of, part=part)
    with pytest.raises(toolkit.ValidationError, match="has not begun"):
        call("gkopen_nil_report", cast.officer, domain="budget", organization=cast.body, part=f"{year + 1}-budget")
    call("gkopen_nil_report", cast.officer, **of, part=clock.today().isoformat()[:7])
    call("gkopen_nil_report", cast.officer, domain="budget", organization=cast.body, part=f"{year}-budget")


def test_a_duty_without_a_rule_is_counted_by_the_domains_own(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Penalties have seven working days by a rule of their own, not the twenty of proactive disclosure."""
    owe(cast, "2026-04-01", domain="penalty", until="2026-04-30")
    on_day(monkeypatch, "2026-05-14")
    [april] = ledger()["results"]
    assert (april["due_on"], april["state"]) == ("2026-05-13", "overdue")
    assert april["rule"]["zh"].startswith("行政处罚决定自作出之日起7个工作日内公开")
    owe(cast, "2026-04-01", until="2026-04-30")          # procurement: its own limits hold for some notices only
    assert "主动公开" in ledger(domain="procurement")["results"][0]["rule"]["zh"]


def test_what_waits_for_review_is_not_shown(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2026-05-01")
    on_day(monkeypatch, "2026-07-29")
    before = ledger(period="2026-05")
    revision = submit(cast, row(1))["revision_id"]
    assert ledger(period="2026-05") == before
    assert states(before["results"]) == {"2026-05": "overdue"}
    approve(cast, revision)
    [may] = ledger(period="2026-05")["results"]
    assert may["state"] == "published" and may["days_late"] > 0


def test_what_was_withdrawn_is_not_there(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2026-05-01", until="2026-05-31")
    on_day(monkeypatch, "2026-07-29")
    publish(cast, row(1))
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-procurement", reason="经复核不宜公开")
    assert states(ledger()["results"]) == {"2026-05": "withdrawn"}


def test_a_whole_table_that_was_withdrawn_is_not_there(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    year = clock.today().year
    owe(cast, f"{year}-01-01", domain="parking", cycle="yearly", until=f"{year}-12-31")
    approve(cast, park(cast)["revision_id"])
    on_day(monkeypatch, f"{year}-12-31")
    assert states(ledger()["results"]) == {str(year): "published"}
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-parking", reason="经复核不宜公开")
    assert states(ledger()["results"]) == {str(year): "withdrawn"}


def test_extension_and_pause_are_shown_with_their_reason(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    duty = owe(cast, "2026-05-01", until="2026-05-31")
    on_day(monkeypatch, "2026-06-30")
    assert states(ledger()["results"]) == {"2026-05": "overdue"}
    asked = {"id": duty, "period": "2026-05", "to": "2026-07-31", "reason": "系统迁移"}
    for who in (cast.officer, cast.reviewer, ""):
        with pytest.raises(toolkit.NotAuthorized):
            call("gkopen_respite_grant", who, **asked)
    assert call("gkopen_respite_grant", cast.office, **asked)["due_on"] == "2026-07-31"
    [may] = ledger()["results"]
    assert (may["state"], may["due_on"], may["respites"][0]["reason"]) == ("due", "2026-07-31", "系统迁移")
    paused = {**asked, "from": "2026-06-01", "to": "2026-12-31"}
    assert call("gkopen_respite_grant", cast.office, **paused)["unknown_year"] is None, "the extension names its day"
    assert [row["action"] for row in model.every("select action from gkopen.audit order by id")][-2:] == [
        "duty.extension", "duty.pause"]


def test_a_year_without_calendar_is_said_and_publication_goes_on(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2098-12-01")
    on_day(monkeypatch, "2099-03-01")
    answer = ledger(period="2098-12")
    assert (answer["unknown_years"], answer["results"][0]["due_on"]) == ([2099], None)
    assert states(answer["results"]) == {"2098-12": "unknown"}
    publish(cast, row(1))
    assert call("package_show", "", id=f"{cast.body}-procurement")["name"]


def test_a_yearly_part_that_is_counted_from_a_day(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2026-01-01", domain="budget", cycle="yearly", part="{period}-budget", rule="budget-published",
        starts="02-10")
    on_day(monkeypatch, "2026-02-09")
    assert ledger()["results"] == []
    on_day(monkeypatch, "2026-02-10")
    [entry] = ledger()["results"]
    assert (entry["part"], entry["due_on"], entry["state"]) == ("2026-budget", "2026-03-02", "due")


def test_final_accounts_are_owed_in_the_year_after(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2025-01-01", domain="budget", cycle="yearly", part="{period}-final", rule="budget-published",
        starts="+09-10")
    on_day(monkeypatch, "2026-09-09")
    assert ledger()["results"] == [], "those of 2025 are not approved yet, let alone those of 2026"
    on_day(monkeypatch, "2026-12-31")
    [entry] = ledger()["results"]
    assert (entry["period"], entry["part"], entry["due_on"], entry["state"]) == (
        "2025", "2025-final", "2026-09-30", "overdue")
    [listed] = call("gkopen_duty_list", "")["results"]
    assert listed["starts"] == "+09-10"


def park(cast: Cast) -> dict[str, Any]:
    data = ("停车场名称,区,地址,类型,泊位总数,收费标准,开放时间\n"
            "中央公园停车场,崇川区,紫琅路88号,公共停车场,620,首小时5元,全天\n").encode()
    return call("gkopen_submission_create", cast.officer, domain="parking", organization=cast.body,
                upload=FileStorage(io.BytesIO(data), filename="停车场.csv"))


@pytest.mark.parametrize("again", ["read", "known"])
def test_a_table_that_is_whole_is_there_again_when_it_was_found_unchanged(cast: Cast, monkeypatch: pytest.MonkeyPatch,
                                                                          again: str) -> None:
    """From midnight on at the latest, although nothing is published. `known`: by its rows as they came, without being
    read (harvest/again.py)."""
    year = clock.today().year
    owe(cast, f"{year}-01-01", domain="parking", cycle="yearly", until=f"{year}-12-31")
    first = park(cast)
    approve(cast, first["revision_id"])
    for changed in ("update gkopen.publication set at = at - interval '2 years'",
                    "update gkopen.submission set received_at = received_at - interval '2 years'"):
        model.execute(changed)
    ckan_model.Session.commit()
    on_day(monkeypatch, f"{year + 1}-06-01")
    late = ledger()["results"][0]["state"]
    assert late in ("overdue", "unknown")
    if again == "read":
        assert park(cast)["state"] == "unchanged"
    else:
        model.execute("update gkopen.submission set options = options || jsonb_build_object('seen_in',"
                      " jsonb_build_object(cast(:month as text), cast(:day as text)))", month=f"{year}-02",
                      day=f"{year}-02-03")
        ckan_model.Session.commit()
    on_day(monkeypatch, f"{year + 1}-06-02")
    [entry] = ledger()["results"]
    assert entry["state"] == "published"


@pytest.mark.parametrize(("state", "told"), [("unchanged", 1), ("frozen", 0), ("held", 0)])
def test_a_listing_that_was_frozen_says_nothing_of_a_table(cast: Cast, state: str, told: int) -> None:
    publish(cast, row(1))
    model.execute("insert into gkopen.submission (id, dataset_id, kind, source, idempotency_key, submitted_by, options)"
                  " select cast(:id as uuid), id, 'data', 'source:x', 'k', 'source:x', cast(:options as jsonb)"
                  " from gkopen.dataset", id=str(uuid4()), options=model.dump({"outcome": {"state": state}}))
    datasets = [str(row["id"]) for row in model.every("select id from gkopen.dataset")]
    assert sum(len(days) for days in facts(datasets).told.values()) == told
    assert facts([]).told == {}


@pytest.mark.parametrize(("change", "said"), [
    ({"cycle": "daily"}, "monthly, quarterly, yearly"), ({"rule": "none"}, "Rules:"), ({"starts": "02-10"}, "yearly"),
    ({"starts": "2027-02-10"}, "year after"),
    ({"part": "budget"}, "period"), ({"until": "2020-01-01"}, "ends before"), ({"since": "soon"}, "2026-01-31"),
    ({"domain": "project_event"}, "yearly"), ({"organization": "nobody"}, "Unknown body")])
def test_a_duty_that_cannot_be_is_refused_in_words(cast: Cast, change: dict[str, str], said: str) -> None:
    with pytest.raises(toolkit.ValidationError, match=said):
        owe(cast, **change)


def test_only_the_disclosure_office_keeps_duties(cast: Cast) -> None:
    for who in (cast.officer, cast.reviewer, cast.stranger, ""):
        with pytest.raises(toolkit.NotAuthorized):
            call("gkopen_duty_set", who, domain="procurement", organization=cast.body, cycle="monthly",
                 since="2026-01-01")
    duty = owe(cast)
    assert owe(cast, "2026-06-01") == duty, "the same duty is changed, not doubled"
    with pytest.raises(toolkit.NotAuthorized):
        call("gkopen_duty_remove", cast.officer, id=duty)
    call("gkopen_duty_remove", cast.office, id=duty)
    assert call("gkopen_duty_list", "")["results"] == []


def test_the_list_is_paged_without_gap(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2024-01-01")
    owe(cast, "2024-01-01", organization=cast.other)
    on_day(monkeypatch, "2026-07-10")
    whole = [(entry["period"], entry["organization"]["name"]) for entry in ledger(limit=1000)["results"]]
    assert len(whole) == 60 and len(set(whole)) == 60
    paged: list[Any] = []
    cursor = None
    while True:
        page = ledger(limit=7, cursor=cursor)
        paged += [(entry["period"], entry["organization"]["name"]) for entry in page["results"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert paged == whole


def test_page_and_files(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = make_cast()
    empty = app.get("/oversight")
    assert "政务公开办尚未录入" in empty.body
    owe(cast, "2026-05-01")
    on_day(monkeypatch, "2026-07-29")
    page = app.get(f"/oversight?organization={cast.body}&state=overdue")
    assert "南通市财政局" in page.body and "Set-Cookie" not in page.headers
    rows = list(csv.DictReader(io.StringIO(app.get("/oversight.csv").body.lstrip("\ufeff"))))
    assert [(r["period"], r["state"], r["due_on"]) for r in rows] == [
        ("2026-06", "overdue", "2026-07-28"), ("2026-05", "overdue", "2026-06-29")]
    told = app.get("/oversight.json?domain=procurement&period=2026-05").json
    assert told["results"][0]["overdue_since"] == "2026-06-30" and "set_by" not in str(told)
    assert app.get("/oversight?state=nonsense", expect_errors=True).status_code == 404


def test_the_ledger_is_counted_once_for_a_day_and_a_public_state(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast)
    owe(cast, organization=cast.other)
    on_day(monkeypatch, "2026-07-10")
    counted: list[int] = []

    def count(datasets: Any) -> Any:
        counted.append(len(datasets))
        return facts(datasets)

    monkeypatch.setattr(book, "facts", count)
    missed = duties._usual.cache_info().misses
    assert len(ledger()["results"]) == 6
    assert duties._usual.cache_info().misses <= missed + 3, "three periods are counted, not those of every body"
    assert {entry["organization"]["name"] for entry in ledger(organization=cast.other, state="overdue")["results"]} <= {
        cast.other}
    assert counted == [2]
    publish(cast, row(1, month=4))
    assert states(ledger(organization=cast.body)["results"])["2026-04"] == "published"
    on_day(monkeypatch, "2026-07-11")
    ledger()
    assert counted == [2, 2, 2], "a publication and a new day are counted again"


def test_a_duty_is_late_from_midnight_on(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Shanghai; nothing else changes, and what was kept of the evening before is void."""
    def at(day: str, time: str) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.fromisoformat(f"{day}T{time}+08:00").astimezone(tz)

        on_day(monkeypatch, day)
        monkeypatch.setattr(caching, "datetime", Clock)

    owe(make_cast(), "2026-05-01", until="2026-05-31")
    at("2026-06-29", "23:59")
    evening = app.get("/oversight.json")
    assert [entry["state"] for entry in evening.json["results"]] == ["due"]
    tag = {"If-None-Match": evening.headers["ETag"]}
    assert app.get("/oversight.json", headers=tag).status_code == 304
    at("2026-06-30", "00:01")
    night = app.get("/oversight.json", headers=tag)
    assert [entry["state"] for entry in night.json["results"]] == ["overdue"]


def test_duties_come_in_pages_and_all_of_them_by_command(cast: Cast, app: Any, cli: Any,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [("budget", cast.body, "{period}-a"), ("budget", cast.body, "{period}-b"), ("parking", cast.body, None),
              ("procurement", cast.body, None), ("procurement", cast.other, None)]
    for domain, body, part in wanted:
        owe(cast, domain=domain, organization=body, part=part, cycle="yearly")
    paged: list[Any] = []
    cursor = None
    while cursor or not paged:
        page = call("gkopen_duty_list", "", limit=2, cursor=cursor)
        paged += [(duty["domain"], duty["organization"]["name"], duty["part"]) for duty in page["results"]]
        cursor = page["cursor"]
    assert sorted(paged, key=str) == sorted(wanted, key=str)
    monkeypatch.setattr(view, "PER_PAGE", 2)
    html = app.get("/oversight").body
    assert html.count("{period}") == 0 and "duties=" in html and "#duties" in html
    assert app.get("/oversight?duties=nonsense").status_code == 404
    listed = cli.invoke(ckan, ["gkopen", "duty", "list"]).output
    assert sum(listed.count(f"\t{domain}\t") for domain in {domain for domain, *_ in wanted}) == 5


def test_what_a_closed_body_owed_is_still_read_and_its_duty_can_be_ended(cast: Cast, app: Any,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    owe(cast, "2026-05-01")
    on_day(monkeypatch, "2026-08-15")
    act("organization_delete", id=cast.body)
    assert f'value="{cast.body}"' in app.get("/oversight").body, "the page offers it as a filter"
    for form in ("", ".json", ".csv"):
        assert "2026-06" in app.get(f"/oversight{form}?organization={cast.body}", status=200).body
    owe(cast, "2026-05-01", until="2026-06-30")
    on_day(monkeypatch, "2026-12-15")
    assert states(ledger(organization=cast.body)["results"]) == {"2026-06": "overdue", "2026-05": "overdue"}
    with pytest.raises(toolkit.ValidationError):
        owe(cast, organization="no-such-body")
    act("organization_delete", id=cast.other)
    with pytest.raises(toolkit.ValidationError):
        owe(cast, organization=cast.other)
