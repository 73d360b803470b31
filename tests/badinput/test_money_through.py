"""Money from a file to the published bytes and back: equal digit by digit, whatever the unit and the spelling."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from pathlib import Path

import pyarrow.compute as pc
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.parts import read_part, write_part
from ckanext.gkopen.records import Options

UNITS = {"元": 0, "万元": 4, "亿元": 8, "千元": 3, "": 0}


def printed(draw: random.Random, unit: str) -> tuple[str, Decimal]:
    """A figure as somebody writes it, and the yuan that it is."""
    digits, places = draw.randint(1, 12), draw.randint(0, 8)
    number = str(draw.randrange(10 ** digits))
    fraction = f"{draw.randrange(10 ** places):0{places}d}" if places else ""
    whole = f"{int(number):,}" if draw.random() < 0.3 else number
    sign = "-" if draw.random() < 0.1 else ""
    text = f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
    exact = Decimal(f"{sign}{number}.{fraction or 0}").scaleb(UNITS[unit])
    form = draw.random()
    if not unit:
        return text, exact
    if form < 0.2:
        return f"{text} {unit}", exact
    if form < 0.3:
        return text.translate(str.maketrans("0123456789.,", "０１２３４５６７８９．，")) + unit, exact
    if form < 0.4 and not sign:
        return f"￥{text}{unit}", exact
    return text + unit, exact


def money_survives(folder: Path, count: int, seed: int) -> None:
    draw = random.Random(seed)
    domain = get_domain("budget")
    expected: dict[str, Decimal] = {}
    lines = ["年度,阶段,期间,单位,科目名称,指标,金额,原始单位"]
    for number in range(count):
        unit = draw.choice(list(UNITS))
        text, yuan = printed(draw, unit)
        name = f"科目{number:07d}"
        expected[name] = yuan
        lines.append(f'2024,预算,全年,某局,{name},预算数,"{text}",{unit or "元"}')
    path = folder / "raw.csv"
    path.write_text("\n".join(lines))
    x = examine(domain, path, filename="金额.csv", options=Options())
    assert (x.rows_in, x.rows_ok) == (count, count), x.counts()
    back = read_part(domain, write_part(domain, x.table))
    assert back.equals(x.table)
    found = dict(zip(back["line_name"].to_pylist(), back["amount"].to_pylist(), strict=True))
    wrong = [(name, found[name], yuan) for name, yuan in expected.items() if found[name] != yuan]
    assert not wrong, wrong[:5]
    with localcontext() as context:
        context.prec = 60
        assert pc.sum(back["amount"]).as_py() == sum(expected.values())


def test_hundred_thousand_amounts(tmp_path):
    money_survives(tmp_path, 100_000, 20240513)


@pytest.mark.torture
def test_a_million_amounts(tmp_path):
    money_survives(tmp_path, 1_000_000, 7)
