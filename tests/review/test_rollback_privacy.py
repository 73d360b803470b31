"""What was published under the rules of its time is looked through by today's before it is published again."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.checks import privacy
from tests.people import Cast, call, make_cast
from tests.thread.test_thread import FIRST, approve, submit

PHONE = "13912345678"


@pytest.fixture
def past(site: Any, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """The first publication holds a phone number that its rules did not know; the second one does not."""
    cast = make_cast()
    with monkeypatch.context() as then:
        then.setattr(privacy, "scan", lambda *_: {})
        approve(cast, submit(cast, FIRST[0].replace("停车场收费系统", f"停车场收费系统 {PHONE}"),
                             *FIRST[1:])["revision_id"])
        approve(cast, submit(cast, *FIRST)["revision_id"])
    return cast


def back(cast: Cast) -> dict[str, Any]:
    return call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=1, reason="恢复")


def held() -> int:
    return model.value("select count(*) from gkopen.revision where state = 'held'")


def test_personal_data_does_not_come_back(past: Cast) -> None:
    with pytest.raises(toolkit.ValidationError, match=r"personal data.*\(1\)") as refused:
        back(past)
    assert PHONE not in str(refused.value) and held() == 0


@pytest.mark.parametrize(("patience", "error"), [(-1.0, None), (600.0, RuntimeError)])
def test_without_a_scan_nothing_comes_back(past: Cast, monkeypatch: pytest.MonkeyPatch, patience: float,
                                           error: type[Exception] | None) -> None:
    monkeypatch.setattr(privacy, "PATIENCE", patience)
    if error is not None:
        monkeypatch.setattr(privacy, "judge", lambda *_: (_ for _ in ()).throw(error(PHONE)))
    with pytest.raises(toolkit.ValidationError, match="did not come to its end"):
        back(past)
    assert held() == 0


def test_one_that_waits_is_looked_through_again_when_it_is_compared_again(past: Cast,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        then.setattr(privacy, "scan", lambda *_: {})
        revision = back(past)["revision"]
    approve(past, submit(past, FIRST[0].replace("838,000.00", "1.00"), *FIRST[1:])["revision_id"])
    with pytest.raises(toolkit.ValidationError, match="personal data"):
        approve(past, revision)
