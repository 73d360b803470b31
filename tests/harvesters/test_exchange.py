"""The transport against the simulated platform over HTTP."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from ckanext.gkopen.harvesters import (
    AnswerTooLarge,
    BadAnswer,
    ClockSkew,
    ForbiddenAddress,
    HarvestError,
    InconsistentListing,
    Limits,
    RateLimited,
    SourceRefused,
    SourceUnreachable,
    WebPage,
)
from ckanext.gkopen.simulator import generate

FAMILIES = ("national", "zhejiang", "header", "bearer")
DOMAINS = {"national": "procurement", "zhejiang": "budget", "header": "project", "bearer": "hotline"}
ROWS = 230


@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_of_each_family_arrives_as_printed(gateway, connect, family):
    pages = list(connect(gateway.source(family)).pages())
    assert [len(page.rows) for page in pages] == [100, 100, 30]
    assert [page.number for page in pages] == [1, 2, 3]
    assert {page.total for page in pages} == {ROWS}
    assert [row for page in pages for row in page.rows] == list(generate.records(DOMAINS[family], ROWS))
    assert all(page.fetched_at.tzinfo is not None and page.raw.startswith(b"{") for page in pages)


@pytest.mark.parametrize(
    "signer",
    [
        "{family: header, id: gkopen-demo, variant: hmac}",
        "{family: header, id: gkopen-demo, variant: sha256, case: upper}",
    ],
)
def test_variants_of_the_header_family(gateway, connect, signer):
    assert sum(len(page.rows) for page in connect(gateway.source("header", signer=signer)).pages()) == ROWS


def test_post_with_a_form_carries_the_signature_in_the_body(gateway, connect):
    source = gateway.source("zhejiang", request="{method: POST, body: form}")
    assert sum(len(page.rows) for page in connect(source).pages()) == ROWS


def test_a_refreshed_secret_signs_and_is_renewed_when_recalled(gateway, connect):
    signer = "{family: national, requester: gkopen-demo, refresh: /national/token}"
    pages = connect(gateway.source("national", signer=signer)).pages()
    next(pages)
    gateway.platform.checker.recall()
    assert sum(len(page.rows) for page in pages) == ROWS - 100


def test_the_catalogue_entry(gateway, connect):
    for family in FAMILIES:
        entry = connect(gateway.source(family)).catalogue()
        assert entry is not None
        assert entry.res_code.startswith("999999/")
        assert entry.title.startswith("生成数据")
        assert entry.open is True
        assert entry.share_type == "无条件共享"
        first = next(generate.records(DOMAINS[family], 1))
        assert [item.name for item in entry.items] == list(first)
    assert connect(gateway.source("bearer", catalogue="gen-hotline")) is not None


@pytest.mark.parametrize(("fault", "error"), [("html", BadAnswer), ("wrong_sign", SourceRefused)])
def test_what_is_wrong_with_the_catalogue_is_not_laid_to_the_address_of_the_rows(gateway, connect, fault, error):
    gateway.fault(fault)
    with pytest.raises(error) as caught:
        connect(gateway.source("bearer", catalogue="gen-hotline")).catalogue()
    assert all("catalogue" in said and "gen-hotline" in said for said in (caught.value.zh, caught.value.en))


def test_a_platform_that_caps_the_page_size_is_read_whole(gateway, connect):
    gateway.platform.folder.city()
    pages = list(connect(gateway.source("bearer", page_size="100000")).pages())
    assert sum(len(page.rows) for page in pages) == ROWS


def test_an_exact_last_page_is_followed_by_a_look_further(gateway, connect):
    pages = list(connect(gateway.source("header", page_size="115")).pages())
    assert [len(page.rows) for page in pages] == [115, 115]
    assert gateway.calls("header") == 3


FAULTS = [
    ("timeout", SourceUnreachable),
    ("slow", SourceUnreachable),
    ("reset", SourceUnreachable),
    ("half_body", SourceUnreachable),
    ("500_on_page_2", SourceUnreachable),
    ("truncated_json", BadAnswer),
    ("html", WebPage),
    ("maintenance", WebPage),
    ("maintenance:503", SourceUnreachable),
    ("duplicate_keys", BadAnswer),
    ("wrong_total", InconsistentListing),
    ("short_page", InconsistentListing),
    ("repeat_page", InconsistentListing),
    ("endless_pages", InconsistentListing),
    ("429:0", RateLimited),
    ("429:600", RateLimited),
    ("redirect_loopback", ForbiddenAddress),
    ("wrong_sign", SourceRefused),
    ("big_body:2", AnswerTooLarge),
    ("zip_bomb:3", AnswerTooLarge),
]


@pytest.mark.parametrize("family", ["national", "bearer"])
@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=[name for name, _ in FAULTS])
def test_each_fault_ends_in_its_own_error_in_time(gateway, connect, family, fault, error):
    gateway.fault(fault)
    limits = Limits(
        connect=1, silence=0.4, attempt=0.8, tries=2, pause=0.01, retry_after_most=2, answer_bytes=1_000_000
    )
    began = time.monotonic()
    with pytest.raises(HarvestError) as caught:
        list(connect(gateway.source(family), limits=limits).pages())
    assert type(caught.value) is error
    assert caught.value.zh in str(caught.value)
    assert caught.value.en in str(caught.value)
    # Two tries of 0.8 s at most, and what the machine takes besides.
    assert time.monotonic() - began < 4


def test_an_empty_listing_is_one_empty_page(gateway, connect):
    gateway.fault("empty")
    (page,) = connect(gateway.source("zhejiang")).pages()
    assert (page.rows, page.total) == ([], 0)
    assert b"totalDataCount" in page.raw


def test_a_clock_that_is_off_is_named_with_its_skew(gateway, connect):
    gateway.fault("clock_off:900")
    for family in ("national", "zhejiang", "header"):
        with pytest.raises(ClockSkew) as caught:
            list(connect(gateway.source(family)).pages())
        assert abs(caught.value.seconds - 900) <= 2


def test_our_own_late_clock_is_named_too(gateway, connect):
    late = connect(gateway.source("national"), clock=lambda: datetime.now(UTC) - timedelta(minutes=10))
    with pytest.raises(ClockSkew) as caught:
        list(late.pages())
    assert abs(caught.value.seconds - 600) <= 2


def test_a_wrong_secret_is_refused_after_one_call_and_told_nowhere(gateway, connect, caplog):
    caplog.set_level(logging.DEBUG)
    for family in FAMILIES:
        gateway.platform.calls.clear()
        with pytest.raises(SourceRefused) as caught:
            list(connect(gateway.source(family), secret="falsch-geheim").pages())
        assert gateway.calls(family) == 1
        assert "falsch-geheim" not in str(caught.value)
    assert "falsch-geheim" not in caplog.text


def test_a_secret_that_no_header_can_carry_is_named_without_showing_it(gateway, connect):
    for secret in ("密钥甲乙", "line\nbreak"):
        with pytest.raises(SourceRefused, match="secret_env") as caught:
            list(connect(gateway.source("bearer"), secret=secret).pages())
        assert secret not in str(caught.value)


def test_an_unknown_service_is_refused(gateway, connect):
    for family in FAMILIES:
        with pytest.raises(SourceRefused):
            list(connect(gateway.source(family, service="no-such-service")).pages())


def test_a_limited_platform_is_obeyed_and_every_try_is_signed_anew(gateway, connect):
    """The platform refuses a signature that it has seen, so two good tries prove two signatures."""
    waits: list[float] = []
    for family in FAMILIES:
        gateway.fault("429:1*1")
        pages = connect(gateway.source(family), sleep=waits.append, jitter=lambda: 0.0).pages()
        assert sum(len(page.rows) for page in pages) == ROWS
        assert gateway.calls(family) == 4
    assert len(waits) == 4
    assert all(1 <= wait <= 1.02 for wait in waits)


def test_pauses_grow_and_the_tries_are_counted(gateway, connect):
    waits: list[float] = []
    gateway.fault("500_on_page_1")
    limits = Limits(tries=4, pause=1, pause_most=3)
    with pytest.raises(SourceUnreachable):
        list(connect(gateway.source("bearer"), limits=limits, sleep=waits.append, jitter=lambda: 1.0).pages())
    assert waits == [1, 2, 3]
    assert gateway.calls("bearer") == 4


def test_a_failure_that_passes_leaves_no_trace_in_the_rows(gateway, connect):
    for fault in ("reset*1", "half_body*1", "timeout*1", "500_on_page_2*1"):
        gateway.fault(fault)
        assert sum(len(page.rows) for page in connect(gateway.source("header")).pages()) == ROWS


def test_a_listing_without_a_total_ends_with_an_empty_page_or_never(gateway, connect):
    envelope = "{paths: {rows: data, code: errcode, ok: 0}}"
    source = gateway.source("bearer", envelope=envelope)
    assert [len(page.rows) for page in connect(source).pages()] == [100, 100, 30]
    gateway.fault("endless_pages")
    with pytest.raises(InconsistentListing, match="7"):
        list(connect(source, limits=Limits(pages=7)).pages())


def test_a_listing_that_takes_too_long_is_ended_between_two_pages(gateway, connect):
    """A platform that is slow with each page, and in time with each call, would hold a worker for days."""
    pages = connect(gateway.source("header"), limits=Limits(listing=0.01)).pages()
    assert len(next(pages).rows) == 100
    threading.Event().wait(0.02)
    with pytest.raises(InconsistentListing, match="has not ended after 0 s") as caught:
        next(pages)
    assert "仍未取完" in caught.value.zh


def test_a_wrong_envelope_names_the_path(gateway, connect):
    source = gateway.source("bearer", envelope="{paths: {rows: data.list, total: totalrecords}}")
    with pytest.raises(BadAnswer, match=r"data\.list"):
        list(connect(source).pages())
    source = gateway.source("bearer", envelope="{paths: {rows: data, total: summe}}")
    with pytest.raises(BadAnswer, match="summe"):
        list(connect(source).pages())
    source = gateway.source("bearer", envelope="{paths: {rows: data, code: errcode, ok: 200}}")
    with pytest.raises(BadAnswer, match="errcode=0"):
        list(connect(source).pages())


def test_drift_and_foreign_rows_pass_the_transport_unchanged(gateway, connect):
    """Columns are the pipeline's business: the transport must not hide or repair them."""
    (whole,) = [list(generate.records("hotline", ROWS))]
    for fault, seen in (("drift_add", set(whole[0]) | {"备用字段"}), ("drift_remove", set(list(whole[0])[:-1]))):
        gateway.fault(fault)
        rows = [row for page in connect(gateway.source("bearer")).pages() for row in page.rows]
        assert set(rows[0]) == seen
        assert len(rows) == ROWS
