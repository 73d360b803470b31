"""Money as it is printed, read exactly: yuan as Decimal by digits, with the source's own value and unit kept.

What is not one amount of money (a rate, a range, a formula, masked digits, `80%以上`) is never turned into one: it is
named by its form, so that a domain can give it a column of its own or report it. No float is ever involved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext

from .labels import money_power, narrow, tidy_unit

LONGEST = 1_000
"""Characters of a cell that is looked at: a longer one is a text, and no pattern is tried on it."""
SCALE = 8
"""Digits after the point of a published amount in yuan (万元 with seven decimals is printed by real sources)."""
INTEGER_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Amount:
    """`yuan` exact; `value` the figure as printed; `unit` as printed, or None where the text states none."""

    yuan: Decimal
    value: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class Other:
    """A text that is not one amount. `form`: one of FORMS."""

    form: str
    text: str


FORMS: dict[str, dict[str, str]] = {
    "missing": {"zh": "没有写明", "en": "not stated"},  # 未提供, 单位不需填列, /, -
    "masked": {"zh": "数字被隐去", "en": "digits hidden"},  # digits hidden by the source: ****, 20xx
    "rate": {"zh": "费率", "en": "a rate"},  # bare or as 折扣率, 费率
    "discount": {"zh": "下浮率", "en": "a discount"},  # 下浮率: so much below a reference price
    "bound": {"zh": "上限或下限", "en": "a bound"},  # 80%以上, 不超过100万元
    "approximate": {"zh": "约数", "en": "an approximate figure"},  # 约2444.37万元
    "range": {"zh": "区间", "en": "a range"},  # 100-200万元
    "unit_price": {"zh": "单价", "en": "a unit price"},  # 7元/吨
    "formula": {"zh": "计算公式或多个报价", "en": "a formula or several prices"},
    "parts": {"zh": "总额连同分项", "en": "an amount with its parts"},
    "unit_missing": {"zh": "没有写明单位", "en": "no unit"},  # a figure whose unit is stated nowhere
    "unit_conflict": {"zh": "单位矛盾", "en": "units contradict"},  # the cell states one unit, the column another
    "words_differ": {"zh": "大小写不一致", "en": "figures and words differ"},
    "foreign": {"zh": "外币", "en": "another currency"},
    "too_precise": {"zh": "位数过多", "en": "too many digits"},  # more digits than a published amount holds
    "number_format": {"zh": "数字写法有误", "en": "malformed figures"},  # figures with misplaced commas or points
    "text": {"zh": "其他文字", "en": "other text"},  # something else
}
"""Form of a text that is no amount → how a finding names it."""

_MISSING = re.compile(r"^(?:[-—–/\\*]|--+|——+|无|暂无|空|未提供|未公布|未填报|未载明|不详|"
                      r"详见.{0,12}|单位?不?需填列|单位不需填列|无金额|\(无金额\)|"
                      r"n/?a|null|none|不适用|待定|以合同为准)$", re.I)
NOT_A_NUMBER = re.compile(r"^[-+]?(?:nan|inf(?:inity)?)$", re.I)
"""What a program prints where a calculation failed: a figure was meant, so that it is not the same as an empty cell."""
_MASKED = re.compile(r"[*＊]{2,}|\d[xX×○]{1,}|[xX]{2,}|[□■]{2,}")
_NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_SIGN = r"(?:[¥￥]|rmb|cny|人民币)"
_UNIT = r"(?:万亿|千亿|百亿|十亿|千万|百万|十万|亿|万|千|百|十)?元|圆|万亿|亿|万|千万|百万"
_PLAIN = re.compile(
    rf"^(?P<sign>(?:{_SIGN}\s*(?::\s*)?)*+)(?P<open>\()?(?P<number>{_NUMBER})(?P<close>\))?\s*"
    rf"\(?\s*(?P<unit>{_UNIT})?\s*\)?\s*整?\s*(?P<cny>\(?\s*(?:人民币|rmb|cny)\s*\)?)?(?:\(含税\))?$",
    re.I,
)
_WRAPPED = re.compile(r"^(?:投资额|(?:项目|概算|估算|计划)?总投资额?|概算投资|估算投资|预算金额|预算|金额|"
                      r"最终报价|最后报价|(?:中标|成交|合同)总?(?:价|金额)|总价|总金额|合计|报价|总报价|投标总报价|投标报价|投标总价为?|"
                      r"中标价|成交价|中标金额|成交金额|小写|含税|合同金额)\s*[::]?\s*\(?(?P<inner>.*?)\)?$")
_RATE = re.compile(r"^[^\d]{0,12}?[-+]?\d+(?:\.\d+)?\s*[%‰]\s*(?:\([^\d()]{1,10}\))?$")
_FACTOR = re.compile(  # 8.5折, 九折, 折扣系数：0.85, 0.85（折扣系数）
    r"^[^\d]{0,8}(?:\d{1,2}(?:\.\d+)?|[一二三四五六七八九]{1,2})\s*折$|"
    r"^[^\d]{0,4}(?:折扣率|费率|系数)\s*:?\s*[01]\.\d+$|^[01]\.\d+\s*\([^\d()]{0,4}(?:折扣率|费率|系数)\)$")
_POINTS = re.compile(r"^[^\d]{0,10}\d+(?:\.\d+)?个?百分点$")
_DISCOUNT = re.compile(r"下浮|优惠率|让利")
_BOUND = re.compile(r"以上|以下|以内|不超过|不低于|不高于|不少于|超过|至少|最高|最低|大于|小于|[<>≥≤]")
_APPROX = re.compile(r"^(?:约|大约|近|概算|估算|预计|暂估|暂定)|左右|余万|多万|余元|(?:工程造价|匡算|暂估)")
_RANGE = re.compile(rf"^{_NUMBER}\s*(?:{_UNIT})?\s*(?:-|~|—|–|至|到)\s*{_NUMBER}")
_UNIT_PRICE = re.compile(r"元\s*/\s*\S|每(?:平方米|延米|吨|人|年|月|公里)")
_FOREIGN = re.compile(r"美元|欧元|港元|港币|日元|英镑|usd|eur|hkd|[$€£]", re.I)
_WORD_CHARACTERS = "零〇一二三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟萬億两貳參陸圆元角分整正 "
_BEFORE_WORDS = re.compile(r" ?[(=,;]? ?(?:大写)?:? ?(?:人民币)?$")
_BOTH = re.compile(r"[(]?\s*(?:人民币)?\s*(?:大写|小写)\s*(?:金额)?\s*[)]?\s*[::]?")
_BOTH_TRIM = re.compile(r"^[\s,;。(:]*(?:人民币|金额)?[\s:]*|[\s,;。(]*$")
_PART_SPLIT = re.compile(rf"({_NUMBER})\s*({_UNIT})?")
_DIGIT = re.compile(r"\d")

_CAPITAL_DIGITS = {c: i for i, group in enumerate(
    ("零〇○", "壹一", "贰二貳两弍", "叁三參叄", "肆四", "伍五", "陆六陸", "柒七", "捌八", "玖九")) for c in group}
_CAPITAL_TENS = {"拾": 10, "十": 10, "佰": 100, "百": 100, "仟": 1000, "千": 1000}


def capital_amount(text: str) -> Decimal | None:
    """Yuan of an amount in capital numerals (壹佰贰拾元叁角整), or None where the text is not wholly one.

    Spaces inside are what real notices print (`陆万伍仟伍佰贰拾 元`). Own parser: exact for 角 and 分, and it refuses
    what it does not know instead of skipping it.
    """
    words = re.sub(r"\s|人民币|大写|[::()]", "", narrow(text)).rstrip("整正")
    if not words or not any(c in _CAPITAL_DIGITS or c in _CAPITAL_TENS for c in words):
        return None
    match = re.fullmatch(r"(?:(?P<yuan>[^元圆角分]+)[元圆]?)?(?:(?P<jiao>[^元圆角分]*)角)?"
                         r"零?(?:(?P<fen>[^元圆角分]+)分)?", words)
    if match is None:
        return None
    total = Decimal(0)
    for name, weight in (("yuan", Decimal(1)), ("jiao", Decimal("0.1")), ("fen", Decimal("0.01"))):
        part = match.group(name)
        if part:
            number = _capital_integer(part)
            if number is None:
                return None
            total += number * weight
    return total


def _capital_integer(words: str) -> int | None:
    total = section = digit = 0
    for char in words.replace("萬", "万").replace("億", "亿"):
        if char in _CAPITAL_DIGITS:
            if digit and _CAPITAL_DIGITS[char]:
                return None  # two figures side by side (一二三) are digits read out, not an amount
            digit = _CAPITAL_DIGITS[char]
        elif char in _CAPITAL_TENS:
            section += (digit or 1) * _CAPITAL_TENS[char]
            digit = 0
        elif char == "万":
            total += (section + digit) * 10_000
            section = digit = 0
        elif char == "亿":
            total = (total + section + digit) * 100_000_000
            section = digit = 0
        else:
            return None
    return total + section + digit


def parse(text: str, unit: str | None = None) -> Amount | Other:
    """One printed amount. `unit`: what label, unit column or table states; the cell's own unit must agree with it.

    `258000元`, `84.6000000（万元）`, `1.23亿`, `￥1,234.50`, `人民币壹佰万元整`, full-width digits.
    A figure without any stated unit is Other("unit_missing"): 元 is never assumed.
    """
    flat = narrow(text).replace("−", "-").replace("﹣", "-")
    if len(flat) > LONGEST:
        return Other("text", text)
    if not flat or _MISSING.match(flat):
        return Other("missing", text)
    match = _PLAIN.match(flat)
    if match is not None and bool(match.group("open")) == bool(match.group("close")):
        return _plain(match, text, unit)
    return _odd(flat, text, unit)


def _plain(match: re.Match[str], text: str, unit: str | None) -> Amount | Other:
    own = match.group("unit")
    if own is None and (match.group("sign") or match.group("cny")) and money_power(unit) is None:
        own = "元"  # ￥, RMB or 人民币 before a figure is a statement of yuan
    number = match.group("number")
    if match.group("open"):
        number = "-" + number.lstrip("-")  # accountants' brackets: (1,234.50) is negative
    return scaled(number, own, unit, text)


def scaled(number: str, own: str | None, unit: str | None, text: str) -> Amount | Other:
    """The amount of a printed figure with the cell's own unit and the unit stated elsewhere."""
    power, stated = money_power(own), money_power(unit)
    if own and power is None:
        return Other("text", text)
    if power is not None and stated is not None and power != stated:
        return Other("unit_conflict", text)
    if power is None:
        power = stated
    if power is None:
        return Other("unit_missing", text)
    yuan = shift(number.replace(",", "").lstrip("+"), power)
    if yuan is None:
        return Other("too_precise", text)
    shown = own if own is not None else unit
    return Amount(yuan, number.lstrip("+"), tidy_unit(shown) if shown else None)


def shift(number: str, power: int) -> Decimal | None:
    """`number` × 10^power exactly, or None beyond what an amount holds (20 digits before, 8 after the point)."""
    value = Decimal(number)
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return None
    exponent += power
    value = Decimal((sign, digits, exponent))
    with localcontext(prec=max(len(digits), 1)):          # the usual one rounds to 28 digits
        stripped = format(value.normalize(), "f") if value else "0"
    whole, _, fraction = stripped.lstrip("-").partition(".")
    if len(fraction) > SCALE or len(whole) > INTEGER_DIGITS:
        return None
    if exponent > 0:
        return Decimal(format(value, "f"))
    return Decimal(stripped) if exponent < -SCALE else value


def _odd(flat: str, text: str, unit: str | None) -> Amount | Other:
    words = _words_amount(flat)
    if words is not None:
        return words
    wrapped = _WRAPPED.match(flat)
    if wrapped is not None and _PLAIN.match(wrapped.group("inner")):
        return parse(wrapped.group("inner"), unit)
    if _MASKED.search(flat):
        return Other("masked", text)
    if _FOREIGN.search(flat):
        return Other("foreign", text)
    if "%" in flat or "‰" in flat:
        if _BOUND.search(flat):
            return Other("bound", text)
        if _DISCOUNT.search(flat) and flat.count("%") == 1 and len(flat) <= 20:
            return Other("discount", text)
        if _RATE.match(flat):
            return Other("rate", text)
        return Other("formula", text)
    if _FACTOR.match(flat):
        return Other("rate", text)
    if not _DIGIT.search(flat):
        return Other("number_format" if NOT_A_NUMBER.match(flat) else "text", text)
    if _POINTS.match(flat) and _DISCOUNT.search(flat):
        return Other("discount", text)
    parts = amount_with_parts(flat, unit)
    if parts is not None:
        return Other("parts", text)
    if _UNIT_PRICE.search(flat):
        return Other("unit_price", text)
    if _BOUND.search(flat):
        return Other("bound", text)
    if _RANGE.match(flat):
        return Other("range", text)
    if _APPROX.search(flat):
        return Other("approximate", text)
    if re.fullmatch(r"[-+\d,.\s]+(?:e[-+]?\d+)?(?:元|万元|亿元)?", flat, re.I):
        return Other("number_format", text)
    if len(_PART_SPLIT.findall(flat)) > 1:
        return Other("formula", text)
    return Other("text", text)


def _words_amount(flat: str) -> Amount | Other | None:
    """Capital numerals alone, or beside figures that must say the same amount."""
    if not re.search(r"[壹贰叁肆伍陆柒捌玖拾佰仟一二三四五六七八九十]", flat):
        return None
    alone = capital_amount(flat)
    if alone is not None and re.search(r"[元圆万亿整]", flat):
        return Amount(alone, flat, "元")
    twice = [part for each in _BOTH.split(flat) for part in [_BOTH_TRIM.sub("", each)] if part] if (
        "大写" in flat and "小写" in flat) else []
    if len(twice) == 2:  # 大写：伍拾万元整 小写：￥500000.00
        words, figures = sorted(twice, key=lambda part: bool(_DIGIT.search(part)))
        return _spoken_and_written(words, figures, flat)
    closed = flat.removesuffix(")")
    before = closed.rstrip(_WORD_CHARACTERS)
    words, figures = closed[len(before):], _BEFORE_WORDS.sub("", before)
    if not words and closed != flat:  # 壹拾贰万元整(¥120000.00)
        words, _, figures = closed.partition("(")
    if len(words) < 3 or not _DIGIT.search(figures):
        return None
    return _spoken_and_written(words, figures, flat)


def _spoken_and_written(words: str, figures: str, flat: str) -> Amount | Other | None:
    spoken, written = capital_amount(words), _PLAIN.match(figures.strip("(=,;: "))
    if spoken is None or written is None:
        return None
    figure = _plain(written, flat, "元" if written.group("unit") is None else None)
    if isinstance(figure, Amount) and figure.yuan != spoken:
        return Other("words_differ", flat)
    return figure


@dataclass(frozen=True, slots=True)
class WithParts:
    """`90031980.52元(其中建安费89443980.52元，设计费588000.00元)`: the whole, its parts, whether they add up."""

    whole: Decimal
    parts: tuple[Decimal, ...]

    @property
    def difference(self) -> Decimal:
        return self.whole - sum(self.parts, Decimal(0))


def amount_with_parts(text: str, unit: str | None = None) -> WithParts | None:
    """The whole and its parts where a text prints one amount and then what it is made of; None otherwise.

    A figure without a unit takes the unit of the text's first figure (real notices leave it out once).
    """
    flat = narrow(text)
    match = re.match(rf"^(?:投标总?报?价为?|总报价|报价)?\s*[::]?\s*(?:人民币)?\s*({_NUMBER})\s*({_UNIT})?\s*"
                     r"(?:\((.+)\)|=(.+)|[,,](.+))$", flat)
    if match is None or (match.group(5) and not match.group(2)):
        return None
    inside = next(group for group in match.groups()[2:] if group)
    if "%" in inside:
        return None
    found = [(n, u) for n, u in _PART_SPLIT.findall(inside) if n]
    if not found:
        return None
    own = match.group(2) or unit or next((u for _, u in found if u), "")
    figures = [scaled(n, u or own or None, None, text) for n, u in [(match.group(1), match.group(2) or own), *found]]
    if not all(isinstance(figure, Amount) for figure in figures):
        return None
    whole, *parts = [figure.yuan for figure in figures if isinstance(figure, Amount)]
    return WithParts(whole, tuple(parts))
