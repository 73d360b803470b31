"""Planted personal data in thirteen disguises, and clean codes of things (acceptance rows 33 to 35).

The seed and the raw counts are printed (`pytest -s`). The long form has ten times as many.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ckan.plugins import toolkit

from ckanext.gkopen.checks import privacy
from ckanext.gkopen.checks.privacy import scan
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Options
from tests.people import call, make_cast
from tests.thread.test_thread import FIRST, submit

SEED = 20261122
MANY = pytest.param(100_000, marks=pytest.mark.torture)
WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
CHINESE = str.maketrans("0123456789", "零一二三四五六七八九")
GROUPS = {"id": (6, 8, 4), "mobile": (3, 4, 4), "card": (4, 4, 4, 4, 3)}
KINDS = {"id": "id_number", "mobile": "mobile", "card": "bank_card"}


def resident_id(draw: random.Random) -> str:
    region = draw.choice(("320602", "110105", "440103", "650102", "510104"))
    body = f"{region}{draw.randrange(1940, 2015)}{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}"
    body += f"{draw.randrange(1000):03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def mobile(draw: random.Random) -> str:
    return f"1{draw.randrange(3, 10)}{draw.randrange(10**9):09d}"


def card(draw: random.Random) -> str:
    body = f"6222{draw.randrange(10**14):014d}"
    doubled = [int(d) * 2 if place % 2 == 0 else int(d) for place, d in enumerate(reversed(body))]
    return body + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


MAKERS = {"id": resident_id, "mobile": mobile, "card": card}


def grouped(kind: str, text: str, mark: str) -> str:
    pieces, start = [], 0
    for length in GROUPS[kind]:
        pieces.append(text[start:start + length])
        start += length
    return mark.join(pieces)


DISGUISES: dict[str, Callable[[str, str], str]] = {
    "plain": lambda kind, text: text,
    "full width": lambda kind, text: text.translate(WIDE),
    "some full width": lambda kind, text: text[:5] + text[5:].translate(WIDE),
    "blanks": lambda kind, text: grouped(kind, text, " "),
    "wide blanks": lambda kind, text: grouped(kind, text, "\u3000"),
    "dashes": lambda kind, text: grouped(kind, text, "–"),
    "hyphens": lambda kind, text: grouped(kind, text, "-"),
    "invisible marks": lambda kind, text: grouped(kind, text, "\u200b"),
    "soft hyphens": lambda kind, text: grouped(kind, text, "\u00ad"),
    "brackets": lambda kind, text: f"（{text}）",
    "label in front": lambda kind, text: f"号码：{text}",
    "blanks around": lambda kind, text: f" \u3000{text}\t",
    "small x, country, Chinese digits": lambda kind, text: {
        "id": text.lower(), "mobile": text.translate(CHINESE), "card": f"卡号{text}"}[kind],
}
SENTENCES = ("请联系经办人{}，工作日均可", "退款打到{}即可", "本人{}，家住崇川区。", "{}是他留下的",
             "资料(含{})已归档；请查收")
HEADER = "停车场名称,停车场类型,区,地址,泊位总数,充电泊位数,收费标准,开放时间,管理单位"


def planted(number: int) -> Iterator[tuple[str, str, str]]:
    """Kind, disguise and the disguised number: each kind in each disguise equally often."""
    draw = random.Random(SEED)
    pairs = [(kind, name) for kind in MAKERS for name in DISGUISES]
    for place in range(number):
        kind, name = pairs[place % len(pairs)]
        yield kind, name, DISGUISES[name](kind, MAKERS[kind](draw))


def missed(cells: list[str], planted_: list[tuple[str, str, str]]) -> Counter[tuple[str, str]]:
    found = scan(pa.array(cells), "备注", "free_text")
    return Counter((kind, name) for place, (kind, name, _) in enumerate(planted_)
                   if KINDS[kind] not in found or not found[KINDS[kind]][place])


@pytest.mark.parametrize("number", [10_000, MANY])
def test_what_was_planted_is_found(number: int) -> None:
    what = list(planted(number))
    alone = missed([text for _, _, text in what], what)
    draw = random.Random(SEED + 1)
    told = missed([draw.choice(SENTENCES).format(text) for _, _, text in what], what)
    print(f"seed {SEED}: planted {number}, missed alone {alone.total()}, missed in sentences {told.total()}")
    assert alone == Counter()
    assert told.total() <= number // 100, told


@pytest.mark.parametrize("number", [10_000, MANY])
def test_no_row_with_what_was_planted_goes_on(number: int, tmp_path: Path) -> None:
    """Through the whole examination of a file, as it would come in: the rows are quarantined, their values not kept."""
    rows = [f"停车场{place},配建停车场,崇川区,\"工农路{place}号 {text}\",100,10,每次10元,00:00-24:00,城市停车管理中心"
            for place, (_, _, text) in enumerate(planted(number))]
    path = tmp_path / "parking.csv"
    path.write_text("\n".join((HEADER, *rows, "")), "utf-8")
    examined = examine(get_domain("parking"), path, filename=path.name, options=Options())
    print(f"seed {SEED}: planted {number}, quarantined {examined.rows_quarantined}, good {examined.rows_ok}")
    assert (examined.rows_ok, examined.rows_quarantined) == (0, number)
    assert not any(finding.value for finding in examined.findings if finding.code.startswith("personal-"))


@pytest.mark.parametrize("number", [100_000, pytest.param(1_000_000, marks=pytest.mark.torture)])
def test_codes_of_things_raise_few_alarms(number: int) -> None:
    draw = random.Random(SEED)
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    columns: dict[str, Callable[[], str]] = {
        "订单编号": lambda: f"{draw.randrange(10**17, 10**18)}",
        "流水号": lambda: f"2024{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}{draw.randrange(10**8):08d}",
        "项目代码": lambda: (f"{draw.randrange(1501, 2700)}-{draw.randrange(320000, 330000)}-04-01-"
                             f"{draw.randrange(10**6):06d}"),
        "统一社会信用代码": lambda: "91" + "".join(draw.choice(signs) for _ in range(16)),
        "合同编号": lambda: f"NT{draw.randrange(2015, 2026)}-1{draw.randrange(3, 10)}{draw.randrange(10**9):09d}",
    }
    alarms = {label: sum(int(mask.sum()) for mask in scan(
        pa.array([make() for _ in range(number // len(columns))]), label).values()) for label, make in columns.items()}
    print(f"seed {SEED}: clean codes {number}, alarms {alarms}")
    for label, hits in alarms.items():
        assert hits <= number // len(columns) // 100, label


@pytest.mark.parametrize("error", [RuntimeError, TimeoutError, ValueError])
def test_without_a_scan_nothing_goes_on(site: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def broken(*_: Any) -> Any:
        raise error("no scan")

    monkeypatch.setattr(privacy, "_scanned", broken)
    cast = make_cast()
    outcome = submit(cast, *FIRST)
    assert (outcome["state"], outcome["findings"]) == ("returned", {"privacy-scan-failed": 1})
    assert call("gkopen_revision_list", cast.office, state="held")["results"] == []


def test_a_scan_that_takes_too_long_is_given_up_and_nothing_goes_on(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "PATIENCE", -1.0)
    cast = make_cast()
    outcome = submit(cast, *FIRST, FIRST[0].replace("NT-2024-001", "NT-2024-977 13912345678"))
    assert (outcome["state"], outcome["findings"]) == ("returned", {"privacy-scan-too-long": 1})
    assert call("gkopen_revision_list", cast.office, state="held")["results"] == []


def test_no_setting_switches_the_scan_off(site: Any) -> None:
    ours = [str(key) for key in toolkit.config if str(key).startswith("ckanext.gkopen.")]
    assert ours and not [key for key in ours if "privacy" in key or "scan" in key]
