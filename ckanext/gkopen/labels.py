"""Labels and cells as people type them: folding for comparison, cleaning for keeping, units out of a heading.

Folding never changes what is published; it only decides whether two labels mean the same column.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

# Zero-width and directional marks, soft hyphen, BOM inside a text: nobody sees them, every comparison fails on them.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufeff"
_INVISIBLE_TABLE = dict.fromkeys(map(ord, INVISIBLE))
_SPACES = re.compile(r"[\s\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_PUNCTUATION = re.compile(r"[\s_\-—–·・:：,，、.。;；\"'“”‘’《》<>*#/\\]+")
# "一、", "（二）", "1.", "其中:" in front of a label say where it stands in the table, not what it is.
_ORDINAL = re.compile(r"^(?:其中[::]?)?(?:\(?[一二三四五六七八九十]+[、.)]|\(?\d{1,2}(?:[、)]|\.(?!\d)))\s*")
_BRACKET = re.compile(r"[(\[【〔]([^()\[\]【】〔〕]*)[)\]】〕]")
_ASIDE = re.compile(r"不?含税|小写|人民币(?=[ ,、;:])")
"""What stands beside a unit in the brackets of a label."""
_UNIT_WORD = re.compile(r"^(?:计量)?(?:单位|金额单位)\s*[::]?\s*")
_UNIT_LINE = re.compile(r"(?:计量|金额|货币|数量)?单位\s*[::]\s*(?:人民币)?\s*([^\s,;,;。)(\]]{1,8})")

MONEY_UNITS = {
    "元": 0, "圆": 0, "人民币元": 0, "元人民币": 0, "人民币": 0, "rmb": 0, "cny": 0, "yuan": 0, "元整": 0, "元/年": 0,
    "十元": 1, "百元": 2, "千元": 3, "万元": 4, "万": 4, "万元人民币": 4, "人民币万元": 4, "万圆": 4, "wan": 4,
    "十万元": 5, "百万元": 6, "百万": 6, "千万元": 7, "千万": 7, "亿元": 8, "亿": 8, "亿元人民币": 8, "人民币亿元": 8,
    "十亿元": 9, "百亿元": 10, "千亿元": 11, "万亿元": 12, "万亿": 12,
}
"""Unit of money (folded) → power of ten of a yuan."""

OTHER_UNITS = frozenset(
    ["%", "‰", "个", "件", "件次", "次", "人", "人次", "辆", "批", "批次", "宗", "封", "期", "项", "户", "家",
     "台", "套", "天", "日", "工作日", "小时", "分钟", "平方米", "m2", "万平方米", "平方公里",
     "米", "公里", "km", "亩", "公顷", "吨", "万件",
     "万人", "万人次",
     "万次", "万个", "百分点", "个/人/辆/批", "美元", "万美元", "欧元", "港元", "日元", "角", "分"]
)


def clean(text: str) -> str:
    """A cell or heading as it is kept: invisible marks gone, odd spaces as one space, trimmed."""
    return _SPACES.sub(" ", text.translate(_INVISIBLE_TABLE)).strip()


def narrow(text: str) -> str:
    """Full-width letters, digits and signs as ASCII (NFKC), cleaned; Chinese characters stay."""
    return clean(unicodedata.normalize("NFKC", text))


def fold(text: str) -> str:
    """The form in which labels are compared: `采购人  名称：` and `采购人名称` are the same."""
    text = _ORDINAL.sub("", narrow(text).replace("(人民币)", ""))
    return _PUNCTUATION.sub("", text).casefold().replace("(", "").replace(")", "").strip("[]【】〔〕")


def money_power(unit: str | None) -> int | None:
    """Power of ten of a yuan for a unit as printed (`万元`, `（万元）`, `亿`), or None where it is not money."""
    if not unit:
        return None
    return MONEY_UNITS.get(narrow(unit).strip("()[] ").replace(" ", "").casefold())


def tidy_unit(unit: str) -> str:
    """A unit in the spelling that is published: `万` → 万元, `亿` → 亿元, `人民币元` → 元; others as they are."""
    power = money_power(unit)
    if power is None:
        return narrow(unit).strip("()[] ")
    return {0: "元", 1: "十元", 2: "百元", 3: "千元", 4: "万元", 5: "十万元", 6: "百万元", 7: "千万元", 8: "亿元",
            9: "十亿元", 10: "百亿元", 11: "千亿元", 12: "万亿元"}[power]


def is_unit(text: str) -> bool:
    text = narrow(text).strip("()[] ")
    return money_power(text) is not None or text in OTHER_UNITS


@dataclass(frozen=True, slots=True)
class Label:
    """A heading of a source: as printed (cleaned), the name without its unit, and the unit if it states one."""

    text: str
    name: str
    unit: str | None

    @property
    def folded(self) -> str:
        return fold(self.text)

    @property
    def folded_name(self) -> str:
        return fold(self.name)


def split_label(text: str) -> Label:
    """`预算金额(万元)`, `预算金额（单位：万元）`, `占计划%` → name and unit. Another bracket stays."""
    kept = clean(text)
    flat = narrow(text)
    for match in _BRACKET.finditer(flat):
        inside = _UNIT_WORD.sub("", _ASIDE.sub("", match.group(1)).strip(" ,、;"))
        if is_unit(inside):
            return Label(kept, (flat[: match.start()] + flat[match.end():]).strip(), tidy_unit(inside))
    if len(flat) > 1 and flat.endswith("%"):
        return Label(kept, flat[:-1].strip(), "%")
    match = re.search(r"[,_/ -]+(?:单位[::]?)?([^\s,_/-]+)$", flat)
    if match and money_power(match.group(1)) is not None:
        return Label(kept, flat[: match.start()].strip(), tidy_unit(match.group(1)))
    return Label(kept, flat, None)


def unit_of_line(text: str) -> str | None:
    """The unit that a line above a table states: `单位：万元`, `金额单位: 人民币元`; of several (`单位：万元、%`) the
    one of money. None where it states none, or two of money."""
    for stated in _UNIT_LINE.findall(narrow(text)):  # 编制单位：江海市教育局 金额单位：万元
        units = [unit for unit in stated.split("、") if is_unit(unit)]
        money = {tidy_unit(unit) for unit in units if money_power(unit) is not None}
        if units:
            return tidy_unit(units[0]) if len(units) == 1 else money.pop() if len(money) == 1 else None
    return None


def bare_unit(text: str) -> str | None:
    """The unit of money that is all of a cell above a table: `（万元）`, `万元`."""
    return tidy_unit(text) if money_power(text) is not None else None


def nearest(wanted: str, labels: list[str]) -> list[str]:
    """The three labels most like `wanted`, best first; only those that share something worth proposing."""
    target = fold(wanted)
    scored = [(SequenceMatcher(None, target, fold(label)).ratio(), label) for label in labels if fold(label)]
    good = sorted((s for s in scored if s[0] >= 0.5), key=lambda pair: (-pair[0], pair[1]))
    return [label for _, label in good[:3]]
