"""Notices → releases: each kind's tag and document, and what the mapping decides where the standard leaves a choice."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish.standards import links, ocds, ocds_records
from ckanext.gkopen.publish.standards.exact import Object, dumps
from ckanext.gkopen.publish.standards.notices import Kinds
from ckanext.gkopen.publish.standards.parties import Parties

DOMAIN = get_domain("procurement")
KINDS = Kinds(DOMAIN)
OCID = "ocds-jhdemo-NT-1"
TABLE = """
intention planning plannedProcurementNotice planning
prequalification tender tenderNotice tender
tender tender tenderNotice tender
negotiation tender tenderNotice tender
single_source tender x_singleSourceNotice tender
correction tenderAmendment tenderNotice tender
termination tenderCancellation tenderNotice tender
award award awardNotice awards
contract contract contractNotice contracts
acceptance implementation completionCertificate contracts
complaint awardUpdate x_complaintDecision tender
inspection tenderUpdate x_supervisionDecision tender
assessment tenderUpdate x_assessmentResult tender
"""
"""The 13 kinds of 财办库〔2020〕50号: tag, type of the document, where it stands."""


def row(kind: str, at: str = "2024-05-13", number: str = "", **cells: str | None) -> dict[str, Any]:
    status = {"award": "awarded", "contract": "contracted", "acceptance": "contracted", "candidates": "candidate"}
    said = {"release_id": number or f"N-{at}", "notice_type": kind, "published_at": f"{at} 09:30:00",
            "project_no": "NT-1", "project_name": "停车场道闸采购", "buyer_name": "南通市城市管理局",
            "supplier_status": status.get(kind), **cells}
    key = "|".join(str(said.get(name) or "") for name in ("release_id", "lot_no", "lot_name", "supplier_name"))
    return {**dict.fromkeys(DOMAIN.field_names), "record_id": key, **said}


def made(*rows: dict[str, Any]) -> list[Object]:
    return ocds.releases(KINDS, OCID, rows)


@pytest.mark.parametrize("line", TABLE.strip().splitlines(), ids=lambda line: line.split()[0])
def test_tag_and_document_of_each_kind(line: str) -> None:
    kind, tag, document, place = line.split()
    [release] = made(row(kind, supplier_name="甲公司" if place in ("awards", "contracts") else None))
    assert release["tag"] == [tag]
    found = release[place][0] if place in ("awards", "contracts") else release[place]
    found = found["implementation"] if kind == "acceptance" else found
    assert [(one["documentType"], one["id"]) for one in found["documents"]] == [(document, release["id"])]
    assert (release["id"], release["date"]) == (f"N-2024-05-13-{kind}", "2024-05-13T09:30:00+08:00")


def test_a_price_that_is_no_amount_has_no_value() -> None:
    prices = (("rate", "98.5%"), ("discount", "下浮12%"), ("unit_price", "12元/吨"), ("not_stated", "详见附件"))
    for basis, text in prices:
        [award] = made(row("award", supplier_name="甲公司", pricing_basis=basis, award_amount_text=text,
                           award_amount="98.5"))[0]["awards"]
        assert "value" not in award
        assert text in award["description"]
    [award] = made(row("award", supplier_name="甲公司", pricing_basis="amount", award_amount="838000.00"))[0]["awards"]
    assert dumps(award["value"]) == '{"amount":838000.00,"currency":"CNY"}'


def test_lots_are_awards_and_their_contracts_find_them() -> None:
    releases = made(
        row("award", "2024-05-13", lot_no="1", supplier_name="甲公司", award_amount="10.00"),
        row("award", "2024-05-13", lot_no="2", supplier_name="乙公司", award_amount="20.00"),
        row("contract", "2024-06-01", number="C1", lot_no="2", supplier_name="乙公司", contract_no="HT-2"),
        row("contract", "2024-06-02", number="C2", supplier_name="甲公司", contract_no="HT-1"),
        row("contract", "2024-06-03", number="C3", lot_no="3", supplier_name="丙公司", contract_no="HT-3"),
        row("acceptance", "2024-09-01", contract_no="HT-2", acceptance="合格", accepted_on="2024-08-30"),
        row("acceptance", "2024-09-02", supplier_name="甲公司", acceptance="不合格"))
    compiled = ocds_records.compiled(releases)
    ids = [award["id"] for award in releases[0]["awards"]]
    assert len(set(ids)) == 2 and ids[0].startswith("1-") and ids[1].startswith("2-")
    awarded = {contract["id"]: contract["awardID"] for contract in compiled["contracts"]}
    assert (awarded["HT-2"], awarded["HT-1"]) == (ids[1], ids[0])
    assert awarded["HT-3"] == compiled["awards"][2]["id"], "a contract that no award announced brings its own"
    met = {contract["id"]: [one["status"] for one in contract["implementation"]["milestones"]]
           for contract in compiled["contracts"] if "implementation" in contract}
    assert met == {"HT-2": ["met"], "HT-1": ["notMet"]}


def test_a_termination_is_unsuccessful_where_it_failed_and_cancelled_otherwise() -> None:
    tender = row("tender", "2024-05-01", lot_no="1")
    other = row("tender", "2024-05-01", lot_no="2")
    for said, status in (({"reason": "有效供应商不足三家"}, "unsuccessful"),
                         ({"source_title": "废标公告"}, "unsuccessful"),
                         ({"reason": "采购任务取消"}, "cancelled")):
        assert made(tender, row("termination", "2024-05-20", **said))[1]["tender"]["status"] == status
    of_a_lot = made(tender, other, row("termination", "2024-05-20", lot_no="2", reason="流标"))[1]
    assert "status" not in of_a_lot["tender"]
    assert [(award["id"], award["status"]) for award in of_a_lot["awards"]] == [("2", "unsuccessful")]


def test_corrections_amend_what_they_correct() -> None:
    releases = made(row("tender", "2024-05-01"), row("correction", "2024-05-05", reason="延期"),
                    row("award", "2024-06-01", supplier_name="甲公司", award_amount="10.00"),
                    row("correction", "2024-06-05", number="R", supplier_name="甲公司", supplier_status="awarded",
                        award_amount="11.00", source_title="中标结果更正公告"))
    assert [release["tag"][0] for release in releases] == ["tender", "tenderAmendment", "award", "awardUpdate"]
    [amendment] = releases[1]["tender"]["amendments"]
    assert (amendment["rationale"], amendment["amendsReleaseID"]) == ("延期", releases[0]["id"])
    compiled = ocds_records.compiled(releases)
    assert compiled["awards"][0]["value"]["amount"] == Decimal("11.00")
    assert compiled["tender"]["status"] == "complete", "a correction of the result does not reopen the tender"


def winners(*rows: dict[str, Any]) -> dict[str, str]:
    """Supplier → status of its award, in the compiled release."""
    return {award["suppliers"][0]["name"]: award["status"] for award in ocds_records.compiled(made(*rows))["awards"]
            if "suppliers" in award}


def test_another_winner_after_an_objection_takes_the_place_of_the_first() -> None:
    first = row("award", "2024-06-01", supplier_name="甲公司", award_amount="10.00")
    other = row("correction", "2024-06-20", number="R", supplier_name="乙公司", supplier_status="awarded",
                award_amount="12.00", source_title="中标结果更正公告")
    assert winners(first, other) == {"甲公司": "cancelled", "乙公司": "active"}
    lots = [row("award", "2024-06-01", lot_no=lot, supplier_name=name)
            for lot, name in (("1", "甲公司"), ("2", "丙公司"))]
    again = row("award", "2024-06-20", number="R", lot_no="1", supplier_name="乙公司")
    assert winners(*lots, again) == {"甲公司": "cancelled", "丙公司": "active", "乙公司": "active"}
    back = row("award", "2024-07-01", number="S", lot_no="1", supplier_name="甲公司")
    assert winners(*lots, again, back) == {"甲公司": "active", "丙公司": "active", "乙公司": "cancelled"}


def test_who_wins_beside_others_takes_nobodys_place() -> None:
    first = row("award", "2024-06-01", supplier_name="甲公司")
    assert winners(first, row("award", "2024-06-20", number="R", supplier_name="乙公司")) == {
        "甲公司": "active", "乙公司": "active"}, "a package each, whose number no row states"
    several = [row("award", "2024-06-01", lot_no="1", supplier_name=name) for name in ("甲公司", "丙公司")]
    corrected = row("correction", "2024-06-20", number="R", lot_no="1", supplier_name="乙公司",
                    supplier_status="awarded")
    assert winners(*several, corrected) == dict.fromkeys(("甲公司", "丙公司", "乙公司"), "active")
    framework = [row("award", f"2024-06-{day}", lot_no="1", supplier_name=name, method="framework")
                 for day, name in (("01", "甲公司"), ("20", "乙公司"))]
    assert winners(*framework) == {"甲公司": "active", "乙公司": "active"}


def test_a_termination_after_the_award_cancels_it_and_who_wins_then_has_an_award() -> None:
    award = row("award", "2024-06-01", supplier_name="甲公司", award_amount="10.00")
    ended = row("termination", "2024-06-10", reason="质疑成立，中标无效，重新招标")
    assert winners(award, ended) == {"甲公司": "cancelled"}
    anew = row("award", "2024-08-01", number="B", supplier_name="乙公司", award_amount="9.00")
    assert winners(award, ended, row("tender", "2024-07-01"), anew) == {"甲公司": "cancelled", "乙公司": "active"}
    lots = [row("award", "2024-06-01", lot_no=lot, supplier_name=name)
            for lot, name in (("1", "甲公司"), ("2", "丙公司"))]
    assert winners(*lots, ended) == {"甲公司": "active", "丙公司": "active"}, "nobody can tell of which lot"
    of_one = row("termination", "2024-06-10", lot_no="2", reason="废标")
    assert winners(*lots, of_one) == {"甲公司": "active", "丙公司": "cancelled"}
    signed = row("contract", "2024-06-05", supplier_name="甲公司", contract_no="HT-1")
    assert winners(award, signed, ended) == {"甲公司": "active"}


def test_a_process_that_is_paused_is_not_cancelled() -> None:
    award = row("award", "2024-06-01", supplier_name="甲公司")
    paused = row("termination", "2024-06-10", source_title="停车场道闸采购暂停公告", reason="收到投诉")
    released = made(award, paused)
    assert released[1]["tag"] == ["tenderUpdate"]
    compiled = ocds_records.compiled(released)
    assert (compiled["tender"]["status"], compiled["awards"][0]["status"]) == ("complete", "active")
    for title in ("停车场道闸采购终止（暂停）公告", "停车场道闸采购暂停后废标公告"):
        assert made(row("termination", source_title=title))[0]["tag"] == ["tenderCancellation"]


def test_candidates_are_tenderers_and_the_first_one_a_pending_award() -> None:
    releases = made(
        row("candidates", "2024-05-01", supplier_name="甲公司", candidate_order="第一名", award_amount="10.00"),
        row("candidates", "2024-05-01", supplier_name="乙公司", candidate_order="2", award_amount="9.00"),
        row("award", "2024-05-10", supplier_name="乙公司", award_amount="9.00"))
    assert [(award["status"], award["suppliers"][0]["name"]) for award in releases[0]["awards"]] == [
        ("pending", "甲公司")]
    assert {bidder["name"] for bidder in releases[0]["tender"]["tenderers"]} == {"甲公司", "乙公司"}
    compiled = ocds_records.compiled(releases)
    assert [(award["status"], award["suppliers"][0]["name"]) for award in compiled["awards"]] == [
        ("cancelled", "甲公司"), ("active", "乙公司")]


def test_parties_keep_their_id() -> None:
    parties = Parties()
    first = parties.refer("南通 某某（集团）有限公司", "tenderer")
    again = parties.refer("南通某某(集团)有限公司", "supplier", "91320600MA1234567X")
    other = parties.refer("南通某某(集团)有限公司", "supplier", "91320600MA7654321Y")
    assert first and again and other
    assert first["id"] == again["id"] != other["id"] == "CN-USCC-91320600MA7654321Y"
    assert Parties().refer("南通某某(集团)有限公司", "buyer") == first | {"name": "南通某某(集团)有限公司"}
    known = {party["id"]: party for party in parties.mentioned()}
    assert known[first["id"]]["identifier"]["id"] == "91320600MA1234567X"
    assert known[first["id"]]["roles"] == ["supplier", "tenderer"]


def test_methods_where_the_code_list_leaves_a_choice() -> None:
    for method, rows, wanted in (
            ("open", [], "open"), ("selective", [], "selective"), ("single_source", [], "direct"),
            ("negotiation", [], "limited"), ("negotiation", [row("negotiation", "2024-05-01")], "open"),
            ("framework", [], "limited")):
        release = made(*rows, row("award", "2024-06-01", method=method, supplier_name="甲"))[-1]
        assert release["tender"]["procurementMethod"] == wanted


def test_numbers_that_follow_another_process() -> None:
    known = {"NT-1", "NT-1（重）", "KJ-2024-1", "KJ-2024-1-003", "NT-9二次"}
    assert links.related("ocds-x", "NT-1（重）", known, set())[0]["identifier"] == "ocds-x-NT-1"
    assert links.related("ocds-x", "NT-9二次", known, set()) == []
    [entry] = links.related("ocds-x", "KJ-2024-1-003", known, {"KJ-2024-1"})
    assert (entry["relationship"], entry["identifier"]) == (["framework"], "ocds-x-KJ-2024-1")


notice = st.builds(
    lambda kind, day, supplier, lot, amount: row(
        kind, f"2024-05-{day:02d}", number=f"{kind}-{day}", lot_no=lot, award_amount=str(amount),
        supplier_name=supplier if kind in ("award", "candidates", "contract", "acceptance") else None),
    st.sampled_from([line.split()[0] for line in TABLE.strip().splitlines()] + ["candidates", "bid_opening"]),
    st.integers(1, 28), st.sampled_from(["甲公司", "乙公司"]), st.sampled_from([None, "1", "2"]),
    st.decimals(1, 10**12, places=2))


@settings(max_examples=60)
@given(st.lists(notice, min_size=1, max_size=10))
def test_a_release_stays_as_it_is_when_others_follow(rows: list[dict[str, Any]]) -> None:
    """And its place among them; ids are unique; merging never fails."""
    releases = made(*rows)
    assert len({release["id"] for release in releases}) == len(releases)
    days = sorted({one["published_at"] for one in rows})
    for day in days:
        earlier = made(*(one for one in rows if one["published_at"] <= day))
        assert earlier == releases[:len(earlier)]
    assert ocds_records.compiled(releases)["id"] == f"{OCID}-{releases[-1]['date']}"


@pytest.mark.parametrize("count", [5_000, pytest.param(1_000_000, marks=pytest.mark.torture)])
def test_money_is_digit_equal(count: int) -> None:
    """Values of any size up to 10^20 yuan, two to eight decimals, as a reader of the JSON gets them; sums too."""
    random = Random(19)
    amounts = [f"{random.randrange(10 ** random.randrange(1, 19))}.{random.randrange(10 ** 8):08d}"[
        :None if at % 3 else -6] for at in range(count)]
    found: list[str] = []
    for start in range(0, count, 5_000):
        rows = [row("award", number=str(at), supplier_name="甲公司", award_amount=amounts[at])
                for at in range(start, min(start + 5_000, count))]
        text = "[" + ",".join(dumps(release) for release in made(*rows)) + "]"
        read = {release["id"]: release["awards"][0]["value"]["amount"] for release in json.loads(text, parse_float=str)}
        found += [str(read[f"{one['release_id']}-award"]) for one in rows]
    assert found == amounts
    assert sum(map(Decimal, found)) == sum(map(Decimal, amounts))
