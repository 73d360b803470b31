"""A file as a whole: nothing is lost, nothing is counted twice, and the source's own contradictions are found."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen.checks import privacy
from ckanext.gkopen.checks.collect import LIMIT
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Examined, Options, Unreadable

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the real records lie beside the project where it is developed")
PENALTY = get_domain("penalty")
HEADER = "处罚决定书文号,案件名称,当事人名称,处罚类别,违法事实,处罚依据,处罚内容,罚款金额(元),处罚决定日期,处罚机关"


def line(number: int, fine: str = "1000.00", party: str = "南通某某有限公司") -> str:
    day = f"2024-05-{number % 28 + 1:02d}"
    return (f"通城管罚〔2024〕{number}号,擅自占道案,{party},罚款,占道经营,城市市容条例第十四条,罚款,{fine},{day},"
            "南通市城市管理局")


def look(tmp_path: Path, text: str | bytes, domain=PENALTY, filename: str = "表.csv", **options) -> Examined:
    path = tmp_path / "raw"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return examine(domain, path, filename=filename, options=Options(**options))


def codes(examined: Examined) -> Counter[str]:
    return Counter(f.code for f in examined.findings if f.severity != "info")


def counts(x: Examined) -> tuple[int, int, int, int]:
    assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return x.rows_in, x.rows_ok, x.rows_quarantined, x.rows_duplicate


def test_clean_file(tmp_path):
    x = look(tmp_path, "\n".join([HEADER, *map(line, range(5))]))
    assert counts(x) == (5, 5, 0, 0)
    assert x.table.schema == PENALTY.arrow_schema
    assert x.table["fine_amount"].to_pylist() == [Decimal(1000)] * 5
    assert x.encoding == "utf-8"
    assert not [f for f in x.findings if f.severity == "error"]
    assert x.header["罚款金额(元)"] == "fine_amount"


@pytest.mark.parametrize("party", ["王小明", "王 小 明", "欧阳修", "王某某", "张*", "佟*明"])
def test_a_penalty_on_a_person_is_not_published_and_its_finding_names_nobody(tmp_path, party):
    x = look(tmp_path, "\n".join([HEADER, line(1), line(2, party=party)]))
    assert counts(x) == (2, 1, 1, 0) and codes(x)["personal-name"] == 1
    assert not any(party in str(finding) for finding in x.findings)


@pytest.mark.parametrize(("kind", "party", "code"), [
    ("自然人", "覃小明", "personal-name"), ("自然人", "阿依古丽", "personal-party"),
    ("自然人", "王小明", "personal-name"), ("个人", "ABDUL", "personal-party"),
    ("个体工商户", "王小明", "personal-name"), ("个体工商户", "覃记面馆", None), ("法人及非法人组织", "王小明", None),
    ("法人及非法人组织", "石化", None), ("", "王小明", "personal-name"), ("外星人", "王小明", "code-unknown")])
def test_the_kind_of_party_decides_whether_a_name_is_a_persons(tmp_path, kind, party, code):
    text = "\n".join([HEADER + ",行政相对人类别", line(1) + ",法人及非法人组织", line(2, party=party) + f",{kind}"])
    x = look(tmp_path, text)
    assert counts(x) == ((2, 1, 1, 0) if code else (2, 2, 0, 0))
    assert not code or code in codes(x)
    assert not code or not any(party in str(finding) for finding in x.findings)
    assert privacy.scan_content(PENALTY, x.table) == {}
    kinds = PENALTY.field("party_kind").codes
    known = kinds and kinds.find(kind)
    stored = {**x.table.to_pylist()[0], "party_name": party, "party_kind": known.code if known else None}
    again = privacy.scan_content(PENALTY, pa.Table.from_pylist([stored], schema=PENALTY.arrow_schema))
    assert again == ({PENALTY.field("party_name").title.zh: 1} if code else {})


def test_a_name_of_a_person_that_is_said_to_be_a_body_is_told(tmp_path):
    """The form's default says 法人 of everybody."""
    parties = ("王小明", "欧阳修", "王某某", "石化", "覃记面馆", "湖北某建筑公司")
    lines = [line(number, party=party) + ",法人及非法人组织" for number, party in enumerate(parties)]
    x = look(tmp_path, "\n".join([HEADER + ",行政相对人类别", *lines]))
    assert counts(x) == (6, 6, 0, 0) and codes(x)["personal-named"] == 3
    assert not any(party in str(finding) for finding in x.findings for party in parties[:3])


@pytest.mark.parametrize("party", [
    "孙燕", "孙  燕", "覃小明", "严某", "李明（某加工点经营者）", "王某等3人", "张伟、李强",
    "买买提·吐尔逊", "司机：王强", "司徒雷", "老王烧烤店（经营者：王大锤）", "老王烧烤店(负责人 王大锤)",
    "湖北某建筑公司、王建军", "湖北某建筑公司 王建军", "湖北某建筑公司；王某某；湖北某监理公司",
    "神木某煤业有限公司法定代表人高某", "唐山某公司安全总监张志强", "JOHN SMITH"])
def test_a_party_of_two_characters_or_with_remarks_is_a_person(tmp_path, party):
    x = look(tmp_path, "\n".join([HEADER, line(1), line(2, party=party)]))
    assert counts(x) == (2, 1, 1, 0) and codes(x)["personal-name"] == 1
    assert not any(party in str(finding) for finding in x.findings)
    stored = pa.Table.from_pylist([{**x.table.to_pylist()[0], "party_name": party}], schema=PENALTY.arrow_schema)
    assert privacy.scan_content(PENALTY, stored)


@pytest.mark.parametrize("party", [
    "安达（北京）有限公司", "高新区某厂（普通合伙）", "和平饭店", "江南布衣", "老王烧烤店",
    "老王烧烤店（经营者：王某）", "美团", "金龙鱼粮油店等5家", "中铁四局、中铁五局", "文旅", "张裕公司",
    "湖北某建筑公司、中建三局", "湖北某建筑公司 黄石分公司",
    "某经理人协会", "某股东会", "XYZ Trading Co Ltd", "Acme Inc."])
def test_the_full_name_of_a_body_is_no_person(tmp_path, party):
    assert codes(look(tmp_path, "\n".join([HEADER, line(1, party=f'"{party}"')])))["personal-name"] == 0


def test_the_plate_of_a_vehicle_is_told_and_its_row_stays(tmp_path):
    x = look(tmp_path, "\n".join([HEADER, line(1).replace("占道经营", "苏DX1234货车占道"), line(2)]))
    assert counts(x) == (2, 2, 0, 0)
    assert [(f.line, f.severity, f.value) for f in x.findings if f.code == "personal-plate"] == [(2, "warning", None)]
    assert privacy.scan_content(PENALTY, x.table) == {}


def test_a_person_is_set_apart_whatever_else_is_said_of_the_name(tmp_path):
    text = "\n".join([HEADER + ",行政相对人类别", line(1) + ",法人", line(2, party="覃\ufffd小明") + ",自然人"])
    x = look(tmp_path, text)
    assert counts(x) == (2, 1, 1, 0) and codes(x)["personal-party"] == 1


@pytest.mark.parametrize("party", ["江海市水利局", "水利局", "县医院", "文旅", "江南厂", "王小明餐饮店", "城投集团"])
def test_the_short_name_of_a_body_is_no_person(tmp_path, party):
    assert codes(look(tmp_path, "\n".join([HEADER, line(1, party=party)])))["personal-name"] == 0


def test_each_bad_row_says_where_and_is_kept_whole(tmp_path):
    rows = [line(1), line(2) + ",多出的", line(3, fine="约五百"), line(4).replace("2024-05-05", "2024-05-35"), line(5)]
    x = look(tmp_path, "\n".join([HEADER, *rows]))
    assert counts(x) == (5, 3 if codes(x)["amount-kept-as-text"] else 2, x.rows_quarantined, 0)
    found = {(f.code, f.line) for f in x.findings}
    assert ("row-ragged", 3) in found
    assert ("date-wrong", 5) in found
    assert x.quarantine["line"].to_pylist() == sorted(x.quarantine["line"].to_pylist())
    ragged = json.loads(x.quarantine["row"][0].as_py())
    assert ragged["+1"] == "多出的"
    assert ragged["罚款金额(元)"] == "1000.00"


@pytest.mark.parametrize("cell", ["NaN", "nan", "ＮａＮ", "-inf"])
def test_a_figure_that_is_none_is_a_finding_and_not_an_empty_cell(tmp_path, cell):
    x = look(tmp_path, "\n".join([HEADER, line(1), line(2, fine=cell)]))
    assert counts(x) == (2, 1, 1, 0) and codes(x)["number-format"] == 1
    path = tmp_path / "parking.csv"
    header, row = ("停车场名称,停车场类型,区,地址,泊位总数,充电泊位数,收费标准,开放时间",
                   "{},公共停车场,北湖区,某路1号,40,{},免费,00:00-24:00")
    path.write_text("\n".join([header, row.format("一", 4), row.format("二", cell)]), "utf-8")
    x = examine(get_domain("parking"), path, filename=path.name, options=Options())
    assert counts(x)[1:] == (1, 1, 0) and codes(x)["type-wrong"] == 1, codes(x)


def test_a_figure_as_a_database_pads_it_is_one_and_one_of_too_many_digits_is_told_as_that(tmp_path):
    """numeric(20, 12) prints twelve places of everything; a float has some fourteen, more than can be kept."""
    cells = ["120.501230000000", "121.000000000000", "12345678901234567890.000000000000", "120.12345678901235",
             "12345678901234567890.123456789", "99999999999999999999.999999999", "东经120度"]
    header = "停车场名称,停车场类型,区,地址,泊位总数,收费标准,开放时间,经度"
    rows = [f"{number},公共停车场,北湖区,某路1号,40,免费,全天,{cell}" for number, cell in enumerate(cells)]
    x = look(tmp_path, "\n".join([header, *rows]), get_domain("parking"))
    told = [(f.code, f.line) for f in x.findings if f.field == "longitude" and f.line]
    assert told == [("out-of-range", 4), ("amount-too-precise", 5), ("amount-too-precise", 6),
                    ("amount-too-precise", 7), ("type-wrong", 8)]
    assert x.table["longitude"].to_pylist() == [Decimal("120.50123"), Decimal(121)]


def test_duplicates_are_kept_once_and_contradictions_not_at_all(tmp_path):
    x = look(tmp_path, "\n".join([HEADER, line(1), line(2), line(1), line(2, fine="2000.00"), line(3), line(1)]))
    assert counts(x) == (6, 2, 2, 2)
    assert x.duplicates["line"].to_pylist() == [4, 7]
    assert x.quarantine["line"].to_pylist() == [3, 5]
    assert codes(x)["key-conflict"] == 2


def test_more_findings_than_are_listed_are_counted(tmp_path):
    size = LIMIT + 500
    rows = [line(n, fine="5,00") if n % 2 else line(n, fine="1.2.3") for n in range(size)]
    rows = [f'{row.replace("5,00", chr(34) + "5,00" + chr(34))}' for row in rows]
    x = look(tmp_path, "\n".join([HEADER, *rows]))
    assert counts(x) == (size, 0, size, 0)
    more = next(f for f in x.findings if f.code == "findings-more" and f.params["code"] == "number-format")
    assert more.params["count"] == size
    assert codes(x)["number-format"] == LIMIT


def test_title_unit_footnote_and_total_lines(tmp_path):
    header = HEADER.replace("(元)", "")
    width = header.count(",")
    text = "\n".join([f"2024年行政处罚公示表{',' * width}", f"单位：万元{',' * width}", header, line(1, fine="1.5"),
                      line(2, fine="2"), f"合计{',' * 7}3.6,,", f"注：不含已撤销的决定{',' * width}"])
    x = look(tmp_path, text)
    assert counts(x) == (2, 2, 0, 0)
    assert x.table["fine_amount"].to_pylist() == [Decimal(15000), Decimal(20000)]
    differs = next(f for f in x.findings if f.code == "total-row-differs")
    assert (differs.line, differs.params["difference"]) == (6, "-0.1")
    assert any("注：不含已撤销的决定" in note for note in x.notes)


def test_unit_is_needed_and_may_be_stated_by_the_source(tmp_path):
    text = "\n".join([HEADER.replace("(元)", ""), line(1)])
    assert codes(look(tmp_path, text))["unit-missing"] == 1
    x = look(tmp_path, text, units={"罚款金额": "元"})
    assert counts(x) == (1, 1, 0, 0)


def test_missing_columns_are_named_at_once_with_what_is_near(tmp_path):
    text = "\n".join([HEADER.replace("处罚决定书文号", "决定书文号码").replace("当事人名称", "被罚的人"), line(1)])
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, text)
    found = {f.field: f.params["nearest"] for f in refused.value.findings}
    assert set(found) == {"decision_no", "party_name"}
    assert found["decision_no"] == ["决定书文号码"]
    x = look(tmp_path, text, mapping={"决定书文号码": "decision_no", "被罚的人": "party_name"})
    assert counts(x) == (1, 1, 0, 0)


def test_contract_with_the_last_accepted_file(tmp_path):
    labels = tuple(HEADER.split(","))
    text = "\n".join([HEADER.replace("案件名称", "案由").replace("处罚机关", "处罚机关,科室"), line(1) + ",一科"])
    found = {(f.code, f.label): f for f in look(tmp_path, text, expected_header=labels).findings}
    assert found["column-removed", "案件名称"].severity == "warning"  # 案由 is the same field
    assert {label for code, label in found if code == "column-added"} == {"科室"}
    assert ("column-unknown", "科室") in found
    clean = look(tmp_path, "\n".join([HEADER, line(1)]), expected_header=labels)
    assert not {f.code for f in clean.findings} & {"column-added", "column-removed", "column-swapped", "column-retyped"}
    retyped = "\n".join([HEADER, *(line(n).replace(f"2024-05-{n % 28 + 1:02d}", "甲") for n in range(1, 6))])
    assert codes(look(tmp_path, retyped, expected_header=labels))["column-retyped"] == 1
    [of_column] = [f for f in look(tmp_path, retyped).findings if f.code == "column-retyped"]
    assert of_column.severity == "error", "of a first file, too: nobody says that the column changed"
    order = labels[1::-1] + labels[2:]
    swapped = "\n".join([",".join(order), "甲案,1号," + line(1).split(",", 2)[2]])
    assert codes(look(tmp_path, swapped, expected_header=labels))["column-swapped"] == 2


def test_a_column_that_is_kept_as_printed_is_no_error(tmp_path):
    text = "\n".join([HEADER + ",没收金额(元)", *(line(n) + ",若干财物" for n in range(1, 6))])
    x = look(tmp_path, text)
    assert counts(x) == (5, 5, 0, 0)
    assert [f.severity for f in x.findings if f.code == "column-retyped"] == ["warning"]


def test_a_failed_privacy_scan_refuses_the_file(tmp_path, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("scanner")

    monkeypatch.setattr(privacy, "scan", crash)
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "\n".join([HEADER, line(1)]))
    assert [f.code for f in refused.value.findings] == ["privacy-scan-failed"]


def test_personal_data_is_quarantined_and_never_repeated(tmp_path):
    number = "11010519491231002X"
    secret = line(2).replace("占道经营", f"身份证{number}").replace("2024-05-03", number)
    x = look(tmp_path, "\n".join([HEADER, line(1), secret]))
    assert counts(x) == (2, 1, 1, 0)
    found = next(f for f in x.findings if f.code == "personal-id_number")
    assert (found.line, found.value) == (3, None)
    assert number not in json.dumps([f.as_dict() for f in x.findings], ensure_ascii=False, default=str)


DAMAGE = ["cut", "add", "quote", "blank", "twice", "amount", "date", "spaces", "wide", "note", "total", "empty",
          "marks"]


def damaged(row: str, kind: str, at: int) -> list[str]:
    cells = row.split(",")
    place = at % len(cells)
    match kind:
        case "cut":
            return [",".join(cells[:-1])]
        case "add":
            return [row + ",x"]
        case "quote":
            cells[place] = '"' + cells[place]
        case "blank":
            return [row, "", ","]
        case "twice":
            return [row, row]
        case "amount":
            cells[7] = ["****", "下浮率3%", "1e9", "", "5万美元", "3,00"][at % 6].replace(",", "，")
        case "date":
            cells[8] = ["2024-02-30", "去年", "", "20240513"][at % 4]
        case "spaces":
            cells[place] = f" \u3000{cells[place]}\u200b"
        case "wide":
            cells[7] = "１０００．００"
        case "note":
            return [row, "注：见附件" + "," * 9]
        case "total":
            return [row, "合计" + "," * 7 + "5,,"]
        case "empty":
            cells[place] = ""
        case "marks":
            cells[place] += "\ufffd"
    return [",".join(cells)]


@given(st.lists(st.tuples(st.integers(1, 6), st.none() | st.sampled_from(DAMAGE), st.integers(0, 30)), min_size=1,
                max_size=12), st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
       st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=250)
def test_in_equals_ok_plus_quarantined_plus_duplicate(tmp_path_factory, rows, encoding, end):
    lines = [HEADER]
    for number, kind, at in rows:
        lines += damaged(line(number), kind, at) if kind else [line(number)]
    text = end.join(lines) + end
    if encoding == "gb18030":
        text = text.replace("\ufffd", "")
    try:
        x = look(tmp_path_factory.mktemp("d"), text.encode(encoding))
    except Unreadable as refused:
        assert {f.code for f in refused.findings} <= {"no-rows"}
        return
    counts(x)
    apart = x.quarantine["line"].to_pylist() + x.duplicates["line"].to_pylist()
    assert len(apart) == len(set(apart))
    for number, text in zip(x.quarantine["line"].to_pylist(), x.quarantine["row"].to_pylist(), strict=True):
        assert 1 < number <= len(lines)
        assert json.loads(text)
    assert "\ufffd" not in json.dumps(x.table.to_pylist(), ensure_ascii=False, default=str)
    while not lines[-1].strip(","):
        lines.pop()
    if lines[-1].startswith("注"):  # a footnote stands at the end; a line like it among the rows is a bad row
        lines.pop()
    data = sum(1 for text in lines[1:] if text.strip(",") and not text.startswith("合计"))
    if not any(kind == "quote" for _, kind, _ in rows):
        assert x.rows_in == data


def group_of(examined: Examined, code: str) -> set[str]:
    return {str(f.params["group"]["zh"]) for f in examined.findings if f.code == code}


@real
@pytest.mark.parametrize(("domain", "name", "differ"), [
    ("budget", "budget.csv", {"B09b"}), ("budget", "budget_gb18030.csv", {"B09b", "B15", "B15a"}),
    ("hotline", "hotline.csv", {"H01", "H05b"}), ("hotline", "hotline_utf8bom.csv", {"H01", "H05b", "H08a"}),
])
def test_sums_of_the_real_records(domain, name, differ):
    """totals.md §2 and §3: every sum that differs is found, none that is equal is reported."""
    x = examine(get_domain(domain), REAL / name, filename=name, options=Options())
    counts(x)
    assert group_of(x, "sum-differs") == differ
    assert x.encoding == {"budget_gb18030.csv": "gb18030", "hotline_utf8bom.csv": "utf-8-sig"}.get(name, "utf-8")


@real
def test_contradictions_of_the_real_records():
    budget = examine(get_domain("budget"), REAL / "budget_gb18030.csv", filename="b.csv", options=Options())
    child = [f for f in budget.findings if f.code == "parts-sum-differs"]
    assert [(f.params["printed"], f.params["sum"]) for f in child] == [("0", "326500")]  # B02: parent 0, child 32.65
    assert {(f.params["printed"], f.params["computed"]) for f in budget.findings if f.code == "share-differs"} == {
        ("4.04", "4.05"), ("6.9", "6.89")}  # B25
    hotline = examine(get_domain("hotline"), REAL / "hotline_utf8bom.csv", filename="h.csv", options=Options())
    assert [f.params["sum"] for f in hotline.findings if f.code == "share-of-sum"] == ["195532"]  # H01
    assert ("1.23", "1.24") in {(f.params["printed"], f.params["computed"])
                                for f in hotline.findings if f.code == "share-differs"}  # H11b


@real
def test_a_whole_city_of_procurement():
    """totals.md §5."""
    x = examine(get_domain("procurement"), REAL / "procurement_yichang.csv", filename="y.csv", options=Options())
    assert counts(x) == (3214, 3214, 0, 0)
    basis = Counter(x.table["pricing_basis"].to_pylist())
    assert basis["amount"] == 2613
    assert basis["rate"] + basis["discount"] >= 134
    assert basis["not_stated"] == 83
    assert x.table["award_amount"].null_count == 3214 - 2613
    rates = [r for r in x.table.select(["award_amount_text", "award_rate", "pricing_basis"]).to_pylist()
             if r["award_amount_text"] == "下浮率20.50%"]
    assert rates == [{"award_amount_text": "下浮率20.50%", "award_rate": Decimal("20.5"), "pricing_basis": "discount"}]
    assert "0.01" in {f.params["difference"].lstrip("-") for f in x.findings if f.code == "parts-differ"}


@real
def test_slipped_columns_are_noticed():
    name = "procurement_misaligned.csv"
    x = examine(get_domain("procurement"), REAL / name, filename=name,
                options=Options(constants={"published_at": "2026-01-30"}))
    assert x.rows_ok == 0
    assert codes(x)["label-in-cell"] > 0
