"""Signatures against values that `openssl dgst -hmac` and `md5sum` give for the platforms' formulas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ckanext.gkopen.harvesters import BadAnswer
from ckanext.gkopen.harvesters.signers import Call, make_signer

NOW = datetime(2026, 5, 13, 1, 30, 0, 250_000, tzinfo=UTC)
STAMP = "1778635800250"


@pytest.fixture(autouse=True)
def _nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ckanext.gkopen.harvesters.signers.secrets.token_hex", lambda size: "n0nce")


def signed(options: dict, secret: str = "s3cret") -> Call:
    call = Call("GET", "https://gateway.example.gov.cn/x")
    make_signer(options, secret, "svc", call.url).sign(call, NOW)
    return call


def test_national():
    headers = signed({"family": "national", "requester": "rid", "prefix": "nt"}).headers
    assert headers == {
        "nt_rid": "rid",
        "nt_sid": "svc",
        "nt_rtime": STAMP,
        "nt_sign": "0UWXTBUsZryVi3N8LltvDnt+6znG5RU54ktWgjOtWnw=",
    }


def test_national_never_gives_one_signature_twice():
    signer = make_signer({"family": "national", "requester": "rid"}, "s", "svc", "https://x/")
    seen = set()
    for _ in range(3):
        call = Call("GET", "https://x/")
        signer.sign(call, NOW)
        seen.add(call.headers["gjgxjhpt_sign"])
    assert len(seen) == 3


def test_zhejiang():
    fields = signed({"family": "zhejiang", "app_key": "app"}).fields
    assert fields == {
        "appKey": "app",
        "requestTime": STAMP,
        "sign": "1c254ace2806d21ae995055c3aa4b586",
    }


def test_header_sha256_and_other_names():
    names = {"id": "x-rio-paasid", "signature": "x-rio-signature"}
    headers = signed({"family": "header", "id": "me", "headers": names, "case": "upper"}).headers
    assert headers["x-tif-timestamp"] == STAMP[:10]
    assert headers["x-tif-nonce"] == "n0nce"
    assert headers["x-rio-paasid"] == "me"
    assert headers["x-rio-signature"] == "70470279804B976295AE7C07215CAC5BA53E454565B4FA9000A91B33D2817302"


def test_header_hmac():
    headers = signed({"family": "header", "id": "me", "variant": "hmac"}).headers
    assert headers["x-tif-signature"] == "VIf24pzVmL151XCnaMEEwk7NTsxhRLET+zgLmxAyXa0="


def test_bearer():
    assert signed({"family": "bearer"}).headers == {"Authorization": "Bearer s3cret"}


def test_a_refreshed_secret_is_asked_for_used_and_renewed_in_time():
    options = {"family": "national", "requester": "rid", "refresh": "/token"}
    signer = make_signer(options, "standing", "svc", "https://gateway.example.gov.cn/a/b")
    due = signer.before(NOW)
    assert due is not None
    assert due.url == "https://gateway.example.gov.cn/token"
    assert due.headers["gjgxjhpt_sign"] == "e3f1YCB1G6DD8ma4DEItck4hOJe9DWRqw0RqjfIZ4Xc="
    end = NOW + timedelta(minutes=10)
    signer.learn({"data": {"secret": "working", "secretEndTime": str(int(end.timestamp() * 1000))}})
    assert signer.before(NOW) is None
    call = Call("GET", "https://x/")
    signer.sign(call, NOW)
    assert call.headers["gjgxjhpt_sign"] == "OXKHmLgFvv42WgF8q9qZyo9GoLTyVioc/rdUTa/P3cg="
    assert signer.before(end - timedelta(seconds=30)) is not None
    assert signer.forget() is True
    assert signer.before(NOW) is not None


@pytest.mark.parametrize("answer", [
    {"secret": "working", "secretEndTime": "1780000000"},
    {"secret": "working", "secretEndTime": "2026-05-29 04:26:40"},
    {"requestSecret": "working", "requestSecretEndTime": "1780000000000", "refreshSecret": "other"},
])
def test_the_end_of_a_working_secret_is_told_in_several_ways(answer):
    signer = make_signer({"family": "national", "requester": "rid", "refresh": "/t"}, "s", "svc", "https://x/")
    end = datetime.fromtimestamp(1780000000, UTC)
    signer.learn({"data": answer})
    assert signer.before(end - timedelta(minutes=2)) is None
    assert signer.before(end - timedelta(seconds=30)) is not None


@pytest.mark.parametrize(
    "answer", [{}, {"data": None}, {"data": {"secret": "a"}}, {"data": {"secret": "a", "secretEndTime": "soon"}}]
)
def test_a_refresh_without_secret_or_end_is_refused(answer):
    signer = make_signer({"family": "national", "requester": "r", "refresh": "/t"}, "s", "svc", "https://x/")
    with pytest.raises(BadAnswer, match="secretEndTime"):
        signer.learn(answer)
