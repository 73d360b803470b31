"""A change of state is told once: in the feed, and by mail to the people of the body; nothing in it is secret."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import clock, model
from ckanext.gkopen.demo import act
from ckanext.gkopen.harvest import ledger, report
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.oversight import mail, rounds, standing, watch
from ckanext.gkopen.oversight.words import said
from tests.fresh import FreshSite
from tests.oversight.smtp import Postbox, postbox
from tests.oversight.world import drain, on_day, publish, row, submit
from tests.people import Cast, call, make_cast

SECRET = "zqx-secret-cause-320102199003071234"
NAME = "czj-notices"
NAMED = "南通市财政局政府采购"
NAMED_EN = "Finance Bureau: Public procurement"
SOURCE = f"""\
name: {NAME}
title: {{zh: 采购公告 {SECRET}, en: notices}}
domain: procurement
organization: nantong-czj
transport: exchange
url: https://{SECRET}.example.gov.cn/gateway
signer: {{family: national, requester: "{SECRET}"}}
secret_env: GKOPEN_SECRET_DEMO
service: "{SECRET}"
request: {{method: POST}}
page_size: 10
update_cycle: daily
complete: true
"""


@pytest.fixture
def cast(site: Any, monkeypatch: pytest.MonkeyPatch) -> Cast:
    cast = make_cast()
    ledger.save_source(load_source(SOURCE, "source.yaml"), cast.admin)
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.notify.mail", True)
    ckan_model.Session.commit()
    return cast


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postbox]:
    with postbox() as server:
        monkeypatch.setitem(toolkit.config, "smtp.server", server.address)
        yield server


def ended(state: str, name: str = NAME, **counts: Any) -> str:
    """A run of the source that ended so; its id."""
    source = ledger.find_source(name)
    run_id = ledger.enqueue(source, "schedule", "worker")
    ckan_model.Session.commit()
    claim = ledger.claim(run_id)
    assert claim is not None
    try:
        own = {"nantong-czj": {**dict.fromkeys(report.NUMBERS, 0), **counts, "findings": {}}}
        ledger.finish(claim.run, state, {"of_bodies": own, **counts}, {"fetch": 0.1},
                      {"kind": "X", "zh": SECRET, "en": SECRET})
    finally:
        claim.release()
    return run_id


def due() -> None:
    """What was gathered is due."""
    model.execute("update gkopen.mail set not_before = now() where attempts = 0")
    ckan_model.Session.commit()


def deliver() -> None:
    due()
    while mail.send_one():
        pass


def told() -> list[str]:
    """Looks once, and says what was told by it."""
    known = model.value("select coalesce(max(id), 0) from gkopen.message")
    watch.look()
    return [each["kind"] for each in model.every("select kind from gkopen.message where id > :known order by id",
                                                 known=known)]


def test_a_source_is_told_of_once_when_it_changes(cast: Cast) -> None:
    assert told() == []
    ended("done", rows_in=5, rows_quarantined=0)
    assert told() == []
    ended("failed")
    assert told() == ["source_failing"]
    ended("failed")
    ended("failed")
    assert told() == []
    ended("done", rows_in=5, rows_quarantined=0)
    assert told() == ["source_good"]
    ended("partly", rows_in=5, rows_quarantined=2)
    assert told() == ["source_quarantine"]
    ended("partly", rows_in=5, rows_quarantined=3)
    assert told() == []
    ended("failed")
    assert told() == ["source_failing"], "and nothing of the rows: a run that failed says nothing of them"
    ended("held", rows_in=1, rows_quarantined=3)
    assert told() == ["source_waiting"]
    call("gkopen_source_pause", cast.officer, id=NAME)
    assert told() == []
    model.execute("update gkopen.source set state = 'active', last_good_at = now() - interval '3 days'")
    ended("done", rows_in=5, rows_quarantined=0)
    assert told() == ["source_good"]
    model.execute("update gkopen.source set last_good_at = now() - interval '3 days'")
    assert told() == ["source_late"]


def test_a_source_that_nobody_decides_on_is_told_to_those_who_review(cast: Cast, post: Postbox) -> None:
    """What is public grows old meanwhile, and the first mail was read by an officer who is away."""
    act("organization_member_delete", id=cast.body, username=cast.reviewer)
    ended("held", rows_in=1, rows_quarantined=0)
    assert (told(), told()) == (["source_waiting"], [])
    deliver()
    post.mails.clear()
    model.execute("update gkopen.watched set since = now() - interval '4 days'")
    run = ended("held", rows_in=1, rows_quarantined=0)
    assert (told(), told()) == (["source_undecided"], [])
    deliver()
    [message] = post.mails
    assert message["To"] == "zwgk-office@example.com" and f"超过 3 天，无人决定：{NAMED}" in message["Subject"]
    assert f"/office/runs/{run}" in message.get_content()
    ended("done", rows_in=5, rows_quarantined=0)
    assert told() == ["source_good"]


def test_a_decision_does_not_make_a_source_good(cast: Cast) -> None:
    """Who dropped a listing of half of the rows would read that nothing has to be done."""
    for decision in ("discarded", "released"):
        ended("held", rows_in=1, rows_quarantined=0)
        assert told() == ["source_waiting"], "each time that a person has to decide"
        model.execute("update gkopen.run set decision = :said where decision is null", said=decision)
        assert told() == []
    ended("done", rows_in=5, rows_quarantined=0)
    assert told() == ["source_good"]


def test_a_table_that_was_not_taken_over_is_told_though_no_row_was_set_aside(cast: Cast) -> None:
    """What is public grows old in silence otherwise: such a run has not failed."""
    returned = [{"body": cast.body, "state": "returned", "revision": None}, {"body": cast.other, "state": "unchanged"}]
    ended("partly", rows_in=0, rows_quarantined=0, outcomes=returned)
    assert told() == ["source_returned"]
    ended("partly", rows_in=0, rows_quarantined=0, outcomes=returned)
    assert told() == []
    [message] = call("gkopen_message_list", cast.officer)["results"]
    assert NAME in message["subject"]["zh"] and "请来源改正" in message["advice"]["zh"]
    ended("done", rows_in=5, rows_quarantined=0, outcomes=returned[1:])
    assert told() == ["source_good"]


def test_each_body_is_told_the_number_of_its_own_rows(cast: Cast) -> None:
    numbers = dict.fromkeys(report.NUMBERS, 0) | {"findings": {}}
    of_bodies = {cast.body: {**numbers, "rows_quarantined": 2}, cast.other: {**numbers, "rows_quarantined": 5}}
    ended("partly", rows_in=50, rows_quarantined=7, of_bodies=of_bodies)
    assert sorted(told()) == ["body_quarantine", "source_quarantine"]
    for user, mine, theirs in ((cast.officer, "2 行", "5 行"), (cast.stranger, "5 行", "2 行")):
        [message] = call("gkopen_message_list", user)["results"]
        assert mine in message["subject"]["zh"] and theirs not in message["subject"]["zh"]
    assert model.value("select count(*) from gkopen.mail m join gkopen.message g on g.id = m.message_id"
                       " where m.user_id in (select id from public.\"user\" where name = :name)"
                       " and g.params->>'rows' = '2'", name=cast.stranger) == 0
    ended("failed")
    assert told() == ["source_failing"]
    ended("partly", rows_in=50, rows_quarantined=7, of_bodies=of_bodies)
    assert told() == ["source_good"]


def test_a_breaker_that_opens_and_closes(cast: Cast) -> None:
    model.execute("insert into gkopen.breaker (host, failures, open_until) values ('p.example', 5,"
                  " now() + interval '1 hour')")
    assert (told(), told()) == (["breaker_open"], [])
    model.execute("update gkopen.breaker set open_until = now() - interval '1 second'")
    assert told() == [], "its rest is over, but it was not seen to answer"
    model.execute("update gkopen.breaker set failures = 0, open_until = null")
    assert (told(), told()) == (["breaker_closed"], [])


def test_what_waits_too_long_and_what_is_overdue(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = submit(cast, row(1))["revision_id"]
    assert told() == []
    model.execute("update gkopen.revision set created_at = now() - interval '4 days' where id = :id", id=revision)
    assert (told(), told()) == (["revision_waiting"], [])
    call("gkopen_revision_recall", cast.officer, id=revision)
    assert told() == []
    call("gkopen_duty_set", cast.office, domain="procurement", organization=cast.body, cycle="monthly",
         since="2026-05-01", until="2026-05-31")
    on_day(monkeypatch, "2026-06-30")
    assert (told(), told()) == (["duty_overdue"], [])
    call("gkopen_duty_set", cast.office, domain="procurement", organization=cast.body, cycle="monthly",
         since="2026-05-01", until="2026-08-31")
    on_day(monkeypatch, "2026-10-15")
    assert (told(), told()) == (["duty_overdue"], []), "a backlog is one message"
    call("gkopen_nil_report", cast.officer, domain="procurement", organization=cast.body, part="2026-08")
    assert told() == [], "what is still missing was told before"
    call("gkopen_duty_set", cast.office, domain="procurement", organization=cast.body, cycle="monthly",
         since="2098-12-01", until="2098-12-31")
    on_day(monkeypatch, "2099-02-01")
    assert (told(), told()) == (["calendar_unknown"], [])


def test_mails_go_to_the_people_of_the_body_once(cast: Cast, post: Postbox) -> None:
    run = ended("failed")
    for _ in range(5):
        rounds.work()
    watch.look()
    assert not mail.send_one(), "it waits a little for those of other sources"
    deliver()
    assert sorted(message["To"] for message in post.mails) == ["li-officer@example.com", "wang-reviewer@example.com"]
    message = post.mails[0]
    assert f"采集失败：{NAMED}（{NAME}）" in message["Subject"], "an officer knows body and table, not the source's id"
    assert message["Auto-Submitted"] == "auto-generated" and len({m["Message-ID"] for m in post.mails}) == 2
    text = message.get_content()
    assert f"/office/runs/{run}\n" in text and "What is public stays" in text
    assert not [raw for raw, each in zip(post.raw, post.mails, strict=True)
                if SECRET in raw + each.get_content() + str(each["Subject"])]


def test_an_outage_of_a_platform_is_one_mail_and_its_end_another(cast: Cast, post: Postbox) -> None:
    """The runs of its sources come one after the other, and so do the looks."""
    others = [NAME, *(f"czj-notices-{number}" for number in range(2, 5))]
    for name in others[1:]:
        ledger.save_source(load_source(SOURCE.replace(f"name: {NAME}", f"name: {name}"), "source.yaml"), cast.admin)
    strange = SOURCE.replace(f"name: {NAME}", "name: jtj-notices").replace("nantong-czj", cast.other)
    ledger.save_source(load_source(strange, "source.yaml"), cast.admin)

    def mails(state: str) -> list[Any]:
        post.mails.clear()
        runs = []
        for name in (*others, "jtj-notices"):
            runs.append(ended(state, name, rows_in=5, rows_quarantined=0))
            watch.look()
        deliver()
        mine = [message for message in post.mails if message["To"] == "li-officer@example.com"]
        assert all("jtj-notices" not in message.get_content() for message in mine)
        if mine and state == "failed":
            assert [f"/office/runs/{run}\n" in mine[0].get_content() for run in runs] == [True] * 4 + [False]
        return mine

    [failing] = mails("failed")
    assert str(failing["Subject"]).endswith(f"采集失败：{NAMED}（{NAME}） 等 4 项")
    assert [f"采集失败：{NAMED}（{name}）\n" in failing.get_content() for name in others] == [True] * 4
    assert f"Harvest failing: {NAMED_EN} ({NAME}) and 3 more\n" in failing.get_content()
    assert failing.get_content().count("请打开运行报告查看原因") == 1 and not mails("failed")
    [good] = mails("done")
    assert str(good["Subject"]).endswith(f"采集恢复正常：{NAMED}（{NAME}） 等 4 项")
    assert model.value("select count(*) from gkopen.mail where sent_at is null") == 0
    listed = call("gkopen_message_list", cast.officer)["results"]
    assert len(listed) == 8, "the page and the feed tell each"


def test_several_that_could_not_be_sent_come_together_later(cast: Cast, post: Postbox,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.save_source(load_source(SOURCE.replace(f"name: {NAME}", "name: czj-others"), "source.yaml"), cast.admin)
    for name in (NAME, "czj-others"):
        ended("failed", name)
    watch.look()
    post.refuse = "451 later"
    deliver()
    assert model.every("select attempts, count(*) as n from gkopen.mail where sent_at is null and given_up_at is null"
                       " group by attempts") == [{"attempts": 1, "n": 4}]
    post.refuse = None
    model.execute("update gkopen.mail set not_before = now()")
    while mail.send_one():
        pass
    assert [(NAME in each.get_content(), "czj-others" in each.get_content()) for each in post.mails] == [
        (True, True)] * 2
    model.execute("update gkopen.mail set sent_at = null, attempts = case message_id when (select min(message_id) from"
                  " gkopen.mail) then :last else 0 end, not_before = now()", last=mail.ATTEMPTS - 1)
    monkeypatch.setitem(toolkit.config, "smtp.server", "127.0.0.1:9")
    deliver()
    assert model.value("select count(*) from gkopen.mail where given_up_at is not null") == 1, "each for itself"


def test_what_was_returned_is_told_to_the_officers_once(cast: Cast, post: Postbox) -> None:
    """Nobody looks at the desk every hour: whoever sent it learns that it came back."""
    planted = "鸑鷟qzxv"
    revision = submit(cast, row(1))["revision_id"]
    call("gkopen_revision_return", cast.reviewer, id=revision, reason=planted)
    assert (told(), told()) == (["revision_returned"], [])
    submit(cast, row(2).replace("2026-05-06", "没有日期"))
    assert told() == [], "who uploads a file without a good row sees it at once"
    deliver()
    assert [message["To"] for message in post.mails] == ["li-officer@example.com"]
    assert "提交被退回：南通市财政局政府采购" in post.mails[0]["Subject"]
    assert f"/review/{revision}" in post.mails[0].get_content()
    assert planted not in post.mails[0].get_content() + str(post.mails[0]["Subject"])
    model.execute("update gkopen.revision set decided_at = now() - interval '8 days' where id = :id", id=revision)
    assert told() == []
    assert model.value("select count(*) from gkopen.watched where starts_with(subject, 'returned/')") == 0
    model.execute("update gkopen.revision set decided_at = now(), submitted_by = 'push:czj-finance' where id = :id",
                  id=submit(cast, row(3).replace("2026-05-06", "没有日期"))["revision_id"])
    assert told() == ["revision_returned"], "a business system has no eyes"


def test_what_waits_is_told_to_those_who_may_decide_on_it(cast: Cast, post: Postbox) -> None:
    """The body's own reviewers; the disclosure office where none of them may."""

    def asked(user: str) -> list[str]:
        revision = submit(cast, row(1), user=user)["revision_id"]
        model.execute("update gkopen.revision set created_at = now() - interval '4 days' where id = :id", id=revision)
        assert told() == ["revision_waiting"]
        post.mails.clear()
        deliver()
        assert all(f"/review/{revision}" in message.get_content() for message in post.mails)
        call("gkopen_revision_recall", user, id=revision)
        told()
        return [message["To"] for message in post.mails]

    assert asked(cast.officer) == ["wang-reviewer@example.com"]
    assert asked(cast.reviewer) == ["zwgk-office@example.com"], "it is an own submission of the body's only reviewer"
    act("organization_member_delete", id=cast.body, username=cast.reviewer)
    assert asked(cast.officer) == ["zwgk-office@example.com"], "which reviews all bodies"
    act("user_delete", id=cast.office)
    assert asked(cast.officer) == ["portal-admin@example.com"]


def test_what_waits_is_told_though_its_source_sends_it_again_each_day(cast: Cast, post: Postbox, app: Any) -> None:
    """Each time a new revision takes the place of the one that waits."""

    def a_day_later(*rows: str) -> str:
        model.execute("update gkopen.revision set created_at = created_at - interval '1 day', summary = case when"
                      " summary ? 'waiting' then jsonb_set(summary, '{waiting,since}', to_jsonb(cast(summary #>>"
                      " '{waiting,since}' as timestamptz) - interval '1 day')) else summary end")
        return submit(cast, *rows)["revision_id"]

    first = submit(cast, row(1))["revision_id"]
    for _ in range(2):
        a_day_later(row(1))
    assert told() == []
    fourth = a_day_later(row(1), row(2))
    assert (told(), told()) == (["revision_waiting"], [])
    deliver()
    assert f"/review/{fourth}" in post.mails[0].get_content()
    newest = a_day_later(row(1), row(2))
    assert told() == [], "it was told"
    assert call("gkopen_revision_show", cast.reviewer, id=newest)["replaced_by"] is None
    assert {call("gkopen_revision_show", cast.reviewer, id=each)["replaced_by"]["id"] for each in (first, fourth)} == {
        newest}, "who follows the link of the mail gets to what there is to decide on"
    metrics = app.get("/metrics").body
    [age] = re.findall(r"^gkopen_review_oldest_seconds (\S+)$", metrics, re.M)
    assert 4 * 86400 <= float(age) < 4 * 86400 + 3600
    call("gkopen_revision_return", cast.reviewer, id=newest, reason="请改正")
    assert told() == ["revision_returned"]
    assert submit(cast, row(1))["revision_id"] and told() == [], "what comes after a decision waits anew"


def test_what_a_standing_approval_does_not_cover_is_told_once_though_it_is_sent_again(cast: Cast) -> None:
    publish(cast, row(1))
    until = (clock.today() + timedelta(days=90)).isoformat()
    call("gkopen_standing_grant", cast.reviewer, dataset="nantong-czj-procurement", until=until, reason="例行")
    found = []
    for _ in range(3):
        revision = submit(cast, row(1).replace("838000.00", "938000000.00"))["revision_id"]
        while standing.work_one():
            pass
        found += told()
    assert found == ["standing_declined"]
    call("gkopen_revision_return", cast.reviewer, id=revision, reason="金额有误")
    assert told() == ["revision_returned"]


def test_a_standing_approval_that_ends_is_told_a_week_before(cast: Cast, post: Postbox,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    publish(cast, row(1))
    on_day(monkeypatch, "2026-05-01")
    monkeypatch.setattr(clock, "today", clock.today)
    approval = call("gkopen_standing_grant", cast.reviewer, dataset="nantong-czj-procurement", until="2026-06-30",
                    reason="每日例行推送")["id"]
    assert told() == []
    on_day(monkeypatch, "2026-06-23")
    assert (told(), told()) == (["standing_ending"], [])
    deliver()
    [message] = post.mails
    assert message["To"] == "wang-reviewer@example.com"
    assert f"常设批准即将到期：{NAMED}（2026-06-30）" in message["Subject"]
    assert "/review/standing/nantong-czj-procurement" in message.get_content()
    call("gkopen_standing_revoke", cast.reviewer, id=approval)
    assert told() == []


def test_no_unreviewed_value_is_in_a_mail(cast: Cast, post: Postbox) -> None:
    planted = "鸑鷟qzxv"
    revision = submit(cast, row(1, name=planted), row(2).replace("838000.00", planted), filename=f"{planted}.csv")
    model.execute("update gkopen.revision set created_at = now() - interval '4 days' where id = :id",
                  id=revision["revision_id"])
    watch.look()
    deliver()
    assert [message["To"] for message in post.mails] == ["wang-reviewer@example.com"], "who waits is the reviewer"
    assert revision["revision_id"] in post.mails[0].get_content()
    assert planted not in post.mails[0].get_content() + str(post.mails[0]["Subject"]) + post.raw[0]


def test_a_mail_server_that_is_down_or_refuses(cast: Cast, post: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(toolkit.config, "smtp.server", "127.0.0.1:9")
    ended("failed")
    watch.look()
    due()
    assert mail.send_one() and not mail.send_one(), "tried later, not at once, and the other one neither"
    waiting = model.every("select attempts, error, not_before > now() as later from gkopen.mail order by attempts")
    assert [(each["attempts"], each["error"], each["later"]) for each in waiting] == [
        (0, None, True), (1, "ConnectionRefusedError", True)]
    monkeypatch.setitem(toolkit.config, "smtp.server", post.address)
    post.refuse = "451 later"
    model.execute("update gkopen.mail set not_before = now()")
    assert mail.send_one()
    post.refuse = "550 no such user"
    assert mail.send_one()
    assert model.value("select count(*) from gkopen.mail where given_up_at is not null") == 1
    post.refuse = None
    model.execute("update gkopen.mail set not_before = now()")
    deliver()
    assert len(post.mails) == 1


def test_a_mail_that_was_taken_is_not_sent_again_whatever_the_server_says_at_the_end(cast: Cast, post: Postbox) -> None:
    post.bye = "421 shutting down"
    ended("failed")
    watch.look()
    deliver()
    assert model.value("select count(*) from gkopen.mail where sent_at is null") == 0
    model.execute("update gkopen.mail set not_before = now()")
    assert not mail.send_one() and len(post.mails) == 2


def test_a_mail_server_that_never_ends_its_answer_holds_the_worker_for_a_bounded_time(
        cast: Cast, post: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "LONGEST", 0.3)
    post.endless = True
    ended("failed")
    watch.look()
    due()
    assert mail.send_one()
    assert model.value("select error from gkopen.mail where attempts = 1").startswith("SMTP")
    assert not mail.send_one(), "the others wait too"


def test_who_left_gets_no_mail_and_where_nobody_is_the_administrator_does(cast: Cast, post: Postbox) -> None:
    for who in (cast.officer, cast.reviewer):
        act("user_delete", id=who)
    ended("failed")
    watch.look()
    deliver()
    assert [message["To"] for message in post.mails] == ["portal-admin@example.com"]


def test_without_the_setting_nothing_is_sent_and_the_list_has_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.notify.mail", False)
    ended("failed")
    watch.look()
    assert not mail.send_one()
    [message] = call("gkopen_message_list", cast.officer)["results"]
    assert message["subject"]["zh"] == f"采集失败：{NAMED}（{NAME}）" and SECRET not in str(message)
    assert call("gkopen_message_list", cast.stranger)["results"] == []
    with pytest.raises(toolkit.NotAuthorized):
        call("gkopen_message_list", "")


def test_the_feed_opens_with_its_own_token_only(app: Any) -> None:
    cast = make_cast()
    ledger.save_source(load_source(SOURCE, "source.yaml"), cast.admin)
    ended("failed")
    watch.look()
    assert app.get("/office/feed.atom", expect_errors=True).status_code == 404
    assert app.get("/office/feed.atom?token=guess", expect_errors=True).status_code == 404
    first = call("gkopen_feed_create", cast.officer)["path"]
    feed = ElementTree.fromstring(app.get(first).body)
    titles = feed.findall("{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}title")
    assert [title.text for title in titles] in (
        [f"采集失败：{NAMED}（{NAME}）"], [f"Harvest failing: {NAMED_EN} ({NAME})"])
    other = app.get(call("gkopen_feed_create", cast.stranger)["path"])
    assert NAME not in other.body and "no-store" in other.headers["Cache-Control"]
    second = call("gkopen_feed_create", cast.officer)["path"]
    assert app.get(first, expect_errors=True).status_code == 404, "a new address replaces the old one"
    assert not model.every("select 1 from gkopen.feed_token where sha256 = :token", token=second.partition("=")[2])
    token = act("api_token_create", user=cast.officer, name="feed")["token"]
    assert NAME in app.get("/office/feed.atom", headers={"Authorization": token}).body
    act("user_delete", id=cast.officer)
    assert app.get(second, expect_errors=True).status_code == 404


def test_metrics_tell_of_sources_and_queues(app: Any) -> None:
    cast = make_cast()
    ledger.save_source(load_source(SOURCE, "source.yaml"), cast.admin)
    ended("partly", rows_in=5, rows_quarantined=2)
    for address in ("/metrics", "/en/metrics"):           # passed on by a proxy on the same machine
        app.get(address, environ_overrides={"REMOTE_ADDR": "127.0.0.1"}, headers={"X-Forwarded-For": "203.0.113.7"},
                status=404)
    text = app.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).body
    assert f'gkopen_source_good{{source="{NAME}"}} 1\n' in text
    assert f'gkopen_source_rows_quarantined{{source="{NAME}"}} 2\n' in text
    for name in ("source_lag_seconds", "source_failures", "queue_runs", "mails_waiting", "review_oldest_seconds"):
        assert f"# TYPE gkopen_{name} gauge\n" in text
    assert SECRET not in text
    assert "gkopen_worker_seen_seconds inf\n" in text, "no worker, no runs, nothing late: all else looks well"
    told()
    text = app.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).body
    [seen] = re.findall(r"^gkopen_worker_seen_seconds ([0-9.]+)$", text, re.MULTILINE)
    assert float(seen) < 60


def test_metrics_raise_no_false_alarm(app: Any) -> None:
    cast = make_cast()
    ledger.save_source(load_source(SOURCE, "source.yaml"), cast.admin)
    ended("held", rows_in=5, rows_quarantined=0)

    def told_of(*names: str) -> list[str]:
        text = app.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).body
        return [line for line in text.splitlines() if line.startswith(tuple(f"gkopen_{name}" for name in names))]

    assert told_of("source_good{") == [f'gkopen_source_good{{source="{NAME}"}} 0']
    assert told_of("runs") == ['gkopen_runs{state="held"} 1']
    model.execute("update gkopen.run set decision = 'discarded', decided_by = 'x'")
    assert told_of("runs") == ['gkopen_runs{state="discarded"} 1'], "nobody has to decide on it any more"
    ledger.enqueue(ledger.find_source(NAME), "schedule", "worker")
    assert told_of("queue_runs") == ["gkopen_queue_runs 1"]
    model.execute("update gkopen.source set failures = 3, last_good_at = now() - interval '90 days'")
    ledger.set_state(NAME, "paused")
    assert told_of("source_good{", "source_lag", "source_failures") == [], "it is neither good nor bad"
    [age] = told_of("source_good_age")
    assert float(age.split()[-1]) > 89 * 86_400, "that it is forgotten can still be told"
    assert told_of("queue_runs") == ["gkopen_queue_runs 0"]
    ckan_model.Session.commit()


def test_metrics_tell_of_an_index_that_was_lost(app: Any, fresh_site: FreshSite,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks() -> list[str]:
        text = app.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).body
        return re.findall(r"^gkopen_search_lacks (.+)$", text, re.MULTILINE)

    publish(make_cast(), row(1))
    drain()
    assert lacks() == ["0"]
    fresh_site.solr.delete(q="*:*", commit=True)
    assert lacks() == ["2"], "the dataset and the one of all bodies"
    with socket.socket() as taken:                        # nobody listens at its port
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setitem(toolkit.config, "solr_url", f"http://127.0.0.1:{taken.getsockname()[1]}/solr/ckan")
        assert lacks() == []


def test_metrics_tell_who_waits_for_a_lock(app: Any, site: Any) -> None:
    key = 0x6C6F636B

    def wait() -> float:
        [line] = [line for line in app.get("/metrics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).body.splitlines()
                  if line.startswith("gkopen_lock_wait_seconds ")]
        return float(line.split()[1])

    assert wait() == 0
    with ckan_model.ensure_engine().connect() as holder, ckan_model.ensure_engine().connect() as waiter:
        holder.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": key})
        thread = threading.Thread(target=lambda: waiter.execute(sa.text("select pg_advisory_xact_lock(:key)"),
                                                                {"key": key}))
        thread.start()
        until = time.monotonic() + 30
        while not (waited := wait()) and time.monotonic() < until:
            pass
        holder.rollback()
        thread.join()
        waiter.rollback()
    assert 0 < waited < 30 and wait() == 0


def test_an_overdue_part_is_named_in_words(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    call("gkopen_duty_set", cast.office, domain="budget", organization=cast.body, cycle="yearly",
         part="{period}-budget", since="2025-01-01", until="2025-12-31")
    on_day(monkeypatch, "2026-06-30")
    assert told() == ["duty_overdue"]
    subject, _, _ = said("duty_overdue", model.value("select params from gkopen.message order by id desc limit 1"))
    assert "2025 预算（" in subject.zh and ", 2025 Approved budget (" in subject.en
    kept = {"dataset": "预决算", "dataset_en": "Budgets", "period": "2025-budget", "due_on": "2026-01-29"}
    assert "2025-budget" in said("duty_overdue", kept)[0].en, "as an earlier version kept it"


def test_a_message_of_before_that_knows_no_more_than_the_source_is_still_told() -> None:
    subject, _, path = said("source_failing", {"source": NAME})
    assert (subject.zh, subject.en) == (f"采集失败：来源（{NAME}）", f"Harvest failing: source ({NAME})")
    assert path.endswith(NAME)
