"""Money as printed: exact by digits, and what is not one amount never becomes one."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen.money import Amount, Other, amount_with_parts, capital_amount, parse
from ckanext.gkopen.normalise.amounts import Units, amounts

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"

AMOUNTS = [
    ("258000元", "258000", "258000", "元"),
    ("84.6000000（万元）", "846000", "84.6000000", "万元"),
    ("1.23亿", "123000000", "1.23", "亿元"),
    ("￥1,234.50", "1234.50", "1,234.50", "元"),
    ("人民币壹佰万元整", "1000000", "人民币壹佰万元整", "元"),
    ("73.080000万元", "730800", "73.080000", "万元"),
    ("￥73.080000万元（人民币）", "730800", "73.080000", "万元"),
    ("RMB2,288,231.72", "2288231.72", "2,288,231.72", "元"),
    ("28.38万元 人民币", "283800", "28.38", "万元"),
    ("0元 人民币", "0", "0", "元"),
    ("１，２３４．５元", "1234.5", "1,234.5", "元"),
    ("60\n万元", "600000", "60", "万元"),
    ("-5元", "-5", "-5", "元"),
    ("(1,234.50)元", "-1234.50", "-1,234.50", "元"),
    ("投资额（¥4,000,000.00元）", "4000000.00", "4,000,000.00", "元"),
    ("人民币135416元", "135416", "135416", "元"),
    ("陆万伍仟伍佰贰拾 元", "65520", "陆万伍仟伍佰贰拾 元", "元"),
    ("12.3万元（含税）", "123000", "12.3", "万元"),
    ("壹拾贰万叁仟元整（¥123000.00）", "123000", "123000.00", "元"),
    ("人民币（大写）：壹佰贰拾叁万元整（小写）：1230000.00元", "1230000", "1230000.00", "元"),
    ("大写：伍拾万元整 小写：￥500000.00", "500000", "500000.00", "元"),
    ("小写：500,000.00元，大写：人民币伍拾万元整", "500000", "500,000.00", "元"),
    ("人民币大写伍拾万元整（小写：￥500000.00元）", "500000", "500000.00", "元"),
    ("最终报价:345678元", "345678", "345678", "元"), ("总投资12.5亿元", "1250000000", "12.5", "亿元"),
]


@pytest.mark.parametrize(("text", "yuan", "value", "unit"), AMOUNTS)
def test_printed_forms(text, yuan, value, unit):
    found = parse(text)
    assert isinstance(found, Amount)
    assert (found.yuan, found.value, found.unit) == (Decimal(yuan), value, unit)


@pytest.mark.parametrize(("text", "form"), [
    ("98.5%", "rate"), ("下浮率20.50%", "discount"), ("下浮12%", "discount"), ("折扣率98.56%", "rate"),
    ("****", "masked"), ("20xx", "masked"), ("80%以上", "bound"), ("不超过100万元", "bound"),
    ("约2444.37万元", "approximate"),
    ("概算180亿元", "approximate"), ("100-200万元", "range"), ("未提供", "missing"), ("单位不需填列", "missing"),
    ("", "missing"),
    ("85.00%（费率）", "rate"), ("85%(折扣率)", "rate"), ("折扣 8.5折", "rate"), ("九折", "rate"),
    ("折扣系数：0.85", "rate"), ("0.85（折扣系数）", "rate"), ("下浮率：12%", "discount"),
    ("下浮12个百分点", "discount"),
    ("单价12000元/人·月", "unit_price"), ("12.5元/平方米·月", "unit_price"), ("包1:12.3万元;包2:3.4万元", "formula"),
    ("第一包：100元，第二包：200元", "formula"), ("中标下浮率：5.2%（即94.8%）", "formula"),
    ("壹拾贰万元整（¥123000.00）", "words_differ"), ("大写：伍拾万元整 小写：￥5000.00", "words_differ"),
    ("96元/延米", "unit_price"), ("设计费下浮率20%，建安工程费下浮率7%", "formula"), ("12", "unit_missing"),
    ("1,23.4元", "number_format"), ("1.5E+08", "number_format"), ("5万美元", "foreign"),
    ("NaN", "number_format"), ("-Infinity", "number_format"),
    ("0.000000001元", "too_precise"), ("99999999999999999999.123456789元", "too_precise"),
    ("84.6000000000000000000000000000001万元", "too_precise"),
    ("90031980.52元(其中建安费89443980.52元，设计费588000.00元）", "parts"),
    ("107958291.72元 = 壹亿零柒佰玖拾伍万捌仟贰佰玖拾壹元柒角叁分", "words_differ"),
])
def test_what_is_no_amount(text, form):
    found = parse(text)
    assert isinstance(found, Other)
    assert found.form == form


@pytest.mark.parametrize("text", ["¥ " * 60 + "x", "约1" + "一 " * 400 + "x", "约1" + "一 " * 200_000 + "x"])
def test_a_cell_that_is_made_to_hang_is_a_text_like_others(text):
    """Patterns that try every way to cut such a cell would not come back for hours."""
    assert isinstance(parse(text, "元"), Other)


def test_the_unit_is_never_assumed():
    assert parse("12").form == "unit_missing"  # type: ignore[union-attr]
    assert parse("12", "万元").yuan == 120000  # type: ignore[union-attr]
    assert parse("12万元", "元").form == "unit_conflict"  # type: ignore[union-attr]


@pytest.mark.parametrize(("words", "yuan"), [
    ("壹亿零柒佰玖拾伍万捌仟贰佰玖拾壹元柒角贰分", "107958291.72"),
    ("壹亿零伍佰玖拾万零肆仟陆佰肆拾元伍角陆分", "105904640.56"),
    ("壹亿零壹佰捌拾玖万捌仟捌佰玖拾元陆角贰分", "101898890.62"),
    ("叁拾捌万玖仟陆佰元整", "389600"), ("壹拾柒万肆仟壹佰柒拾捌元整", "174178"), ("伍拾玖万伍仟元整", "595000"),
    ("贰佰贰拾捌万捌仟贰佰叁拾壹元柒角贰分", "2288231.72"), ("贰佰贰拾玖万陆仟肆佰柒拾贰元整", "2296472"),
])
def test_capital_numerals(words, yuan):
    assert capital_amount(words) == Decimal(yuan)


@pytest.mark.parametrize("words", ["壹贰叁", "合计", "元整", "壹佰美元", ""])
def test_capital_numerals_are_not_guessed(words):
    assert capital_amount(words) is None


@pytest.mark.parametrize(("text", "difference"), [
    ("90031980.52元(其中建安费89443980.52元，设计费588000.00元）", "0"),
    ("514223306.80（其中建安费509473306.81元，设计费4750000.00元）", "-0.01"),
    ("投标报价29482513.99元=建安费报价29335093.99元+设计费报价147420元", "0"),
])
def test_an_amount_and_its_parts(text, difference):
    found = amount_with_parts(text)
    assert found is not None
    assert found.difference == Decimal(difference)


figures = st.decimals(-(10**11), 10**11, places=4).map(lambda d: format(d, "f"))


@given(figures, st.sampled_from([("元", 0), ("万元", 4), ("亿元", 8), ("百万元", 6)]), st.booleans())
@settings(max_examples=400)
def test_columns_equal_digits(figure, unit, commas):
    """Arrow's path, Python's path and arithmetic by Decimal agree in every digit, in all orders of mixture."""
    name, power = unit
    shown = format(Decimal(figure), ",f") if commas else figure
    exact = Decimal(figure).scaleb(power)
    column = pa.array([shown, f"{shown}{name}", shown])
    found = amounts(column, Units(name))
    assert found.yuan.to_pylist() == [exact] * 3
    assert found.value.to_pylist() == [shown] * 3
    assert found.unit.to_pylist() == [name] * 3
    assert amounts(pa.array([f"{shown}{name}"]), Units()).yuan.to_pylist() == [exact]


def test_many_distinct_odd_forms_take_the_quick_path_with_the_same_result():
    numbers = [f"{i:,}.{i % 100:02d}" for i in range(1000, 32000)]
    texts = [f"￥{n}" if i % 3 == 0 else f"{n}万元" if i % 3 == 1 else f"{n}元" for i, n in enumerate(numbers)]
    texts += ["约5万元", "12", ""]
    found = amounts(pa.array(texts), Units())
    one_by_one = [parse(text) for text in texts]
    assert found.yuan.to_pylist() == [p.yuan if isinstance(p, Amount) else None for p in one_by_one]
    assert found.unit.to_pylist() == [p.unit if isinstance(p, Amount) else None for p in one_by_one]
    assert np.flatnonzero(found.forms["approximate"]).tolist() == [31000]


def test_unit_columns_and_labels():
    text, units = pa.array(["1", "1", "1", "1"]), pa.array(["元", "万元", "件", ""])
    assert amounts(text, Units(None, "亿元"), units).yuan.to_pylist() == [1, 10_000, None, 100_000_000]
    against = amounts(text, Units("元"), units)
    assert against.yuan.to_pylist() == [1, None, 1, 1]
    assert against.forms["unit_conflict"].tolist() == [False, True, False, False]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real records lie beside the project only where it is developed")
def test_prices_of_a_whole_city():
    """totals.md §5: only plain numbers and 万元 become amounts, and their sums are equal to the cent."""
    with (REAL / "procurement_yichang.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    total = Decimal(0)
    for row in rows:
        found = parse(row["price_printed"], "元" if row["quoted_unit"] == "元" else None)
        assert isinstance(found, Amount) == (row["price_form"] in ("number", "number_wan")), row["price_printed"]
        if row["price_form"] == "number":
            assert isinstance(found, Amount)
            total += found.yuan
    assert total == sum(Decimal(row["price_printed"].rstrip("元 ")) for row in rows if row["price_form"] == "number")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real records lie beside the project only where it is developed")
def test_words_of_the_real_notices_equal_their_figures():
    with (REAL / "procurement.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["amount_in_words"]]
    assert rows
    for row in rows:
        figure = parse(row["amount_printed"])
        assert isinstance(figure, Amount)
        assert capital_amount(row["amount_in_words"]) == figure.yuan
