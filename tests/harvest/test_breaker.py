"""A platform that fails is left alone by all workers, and tried again by one of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.harvest import breaker
from ckanext.gkopen.harvesters.errors import (
    BadAnswer,
    HarvestError,
    HostResting,
    RateLimited,
    SourceRefused,
    SourceUnreachable,
)
from tests.harvest.city import SOURCE, City, harvest
from tests.people import call

HOST = "exchange.example:443"
DOWN = SourceUnreachable("平台无应答", "no answer")


def rests(*sources: str) -> list[str]:
    """Those whose call would be refused."""
    found = []
    for source in sources:
        try:
            breaker.Breaker(source).before(HOST)
        except HostResting:
            found.append(source)
    return found


def pass_time(seconds: float) -> None:
    model.execute("update gkopen.breaker set open_until = open_until - make_interval(secs => :s),"
                  " probe_until = probe_until - make_interval(secs => :s)", s=seconds)
    ckan_model.Session.commit()


def open_seconds() -> float:
    seconds = model.value("select extract(epoch from open_until - now()) from gkopen.breaker where open_until > now()")
    ckan_model.Session.commit()
    return float(seconds or 0)


def test_five_failures_open_it_for_everybody_and_one_probe_closes_it(site: Any) -> None:
    for _ in range(4):
        breaker.Breaker("a").failed(HOST, DOWN)
    assert rests("a", "b") == []
    breaker.Breaker("b").failed(HOST, DOWN)
    assert rests("a", "b") == ["a", "b"]
    pass_time(31)
    assert rests("a", "b", "a") == ["b", "a"], "one call is let through, the others wait for its answer"
    breaker.Breaker("a").failed(HOST, DOWN)
    assert 55 < open_seconds() <= 60, "twice as long"
    pass_time(61)
    assert rests("b") == []
    breaker.Breaker("b").succeeded(HOST)
    assert rests("a", "b", "a") == []
    assert breaker.health({"a": HOST})["a"] == []


def test_a_probe_that_died_is_made_by_another_one(site: Any) -> None:
    for _ in range(5):
        breaker.Breaker("a").failed(HOST, DOWN)
    pass_time(31)
    assert rests("a", "b") == ["b"]
    pass_time(91)
    assert rests("b") == []


def test_the_rest_has_an_end(site: Any) -> None:
    for _ in range(40):
        breaker.Breaker("a").failed(HOST, DOWN)
    assert 890 < open_seconds() <= 900


def test_retry_after_holds_for_all_workers_at_once(site: Any) -> None:
    breaker.Breaker("a").failed(HOST, RateLimited(40.0))
    assert rests("a", "b") == ["a", "b"]
    assert 35 < open_seconds() <= 40


def test_who_is_refused_rests_alone(site: Any) -> None:
    for _ in range(5):
        breaker.Breaker("a").failed(HOST, SourceRefused("签名错误", "wrong signature"))
    assert rests("a", "b") == ["a"]
    [health] = breaker.health({"a": HOST, "b": HOST})["a"]
    assert health["error"]["zh"] == "签名错误" and health["failures"] == 5
    breaker.forget("a")
    ckan_model.Session.commit()
    assert rests("a") == [], "its secret was mended"


def test_who_rests_alone_does_not_keep_the_others_from_trying_the_host(site: Any) -> None:
    for _ in range(6):
        breaker.Breaker("a").failed(HOST, SourceRefused("签名错误", "wrong signature"))
    for _ in range(5):
        breaker.Breaker("b").failed(HOST, DOWN)
    pass_time(31)
    assert rests("a", "b") == ["a"], "the host's rest is over, its own lasts a minute"


def test_a_wrong_answer_is_no_failure_of_the_host(site: Any) -> None:
    for _ in range(10):
        breaker.Breaker("a").failed(HOST, BadAnswer("不是 JSON", "no JSON"))
    assert rests("a") == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a run pass at once."""
    from ckanext.gkopen.harvest import run

    never: Callable[..., None] = lambda *_: None  # noqa: E731
    monkeypatch.setattr(run, "_rest", never)


@pytest.mark.parametrize("made", [RateLimited, lambda seconds: HostResting(HOST, seconds)])
def test_a_report_says_until_when_a_platform_is_left_alone(made: Callable[[float], HarvestError]) -> None:
    """It is read hours later: 86400 seconds from an unsaid moment tell nobody anything."""
    ends = {f"{datetime.now(SHANGHAI) + timedelta(days=1, minutes=1):%Y-%m-%d %H:%M}"}
    error = made(86_400)
    ends.add(f"{datetime.now(SHANGHAI) + timedelta(days=1, minutes=1):%Y-%m-%d %H:%M}")
    assert any(end in error.zh and end in error.en for end in ends)
    assert "86400" not in error.zh + error.en


def test_runs_do_not_hammer_a_platform_that_is_down(town: City, quick: None) -> None:
    town.fault("500_on_page_1")
    states = [harvest()["state"] for _ in range(6)]
    assert states == ["failed"] * 6
    assert town.platform.calls["cgj-parking"] == 5, "24 without a breaker"
    last = harvest()
    assert last["error"]["kind"] == "HostResting" and "自动再试" in last["error"]["zh"]
    shown = call("gkopen_source_show", "officer", id=SOURCE)
    assert shown["breakers"][0]["failures"] == 5 and shown["breakers"][0]["open_until"]
    assert shown["failures"] == 7
    print(f"6 runs of a platform that answers 500: {town.platform.calls['cgj-parking']} calls")
    town.fault()
    pass_time(31)
    assert harvest()["state"] in ("done", "partly")
    assert call("gkopen_source_show", "officer", id=SOURCE)["breakers"] == []


@pytest.mark.parametrize("fault", ["wrong_sign", "clock_off:600"])
def test_a_refused_signature_is_not_repeated(town: City, fault: str) -> None:
    town.fault(fault)
    runs = [harvest() for _ in range(7)]
    assert {run["state"] for run in runs} == {"failed"}
    kind = "ClockSkew" if fault.startswith("clock") else "SourceRefused"
    assert {run["error"]["kind"] for run in runs} == {kind, "HostResting"}
    if kind == "ClockSkew":
        assert "600" in runs[0]["error"]["zh"] or "599" in runs[0]["error"]["zh"] or "601" in runs[0]["error"]["zh"]
