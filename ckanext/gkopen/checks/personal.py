"""Is there personal data in this one text? Genuine forms and their disguises, and what only looks like them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from ckanext.gkopen.labels import INVISIBLE, fold, narrow

_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z.])(?:\d[ \-·.]?){10,22}[\dXx](?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z.\-])(?:\(?(?:\+|00)?86\)?[ \-]?)?"
                     r"(1[3-9]\d[ \-.]?\d{4}[ \-.]?\d{4})(?![0-9A-Za-z\-])")
_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}")
_PASSPORT = re.compile(r"(?<![0-9A-Za-z])(?:[EeGgPpSsDd][A-HJ-NP-Za-hj-np-z]?\d{7,8}|[HhMm]\d{8,10})(?![0-9A-Za-z])")
PASSPORT_SAID = ("护照", "通行证", "港澳", "证件", "passport", "Passport", "PASSPORT")
"""One of these words stands beside the number of a passport or permit."""
_ID_SAID = re.compile(r"身份证|证件号|户主|公民身份")
_PASSPORT_CONTEXT = re.compile("|".join(PASSPORT_SAID))
PERSON_LABEL = re.compile(r"姓名|联系人|经办人|法定代表人|负责人|身份证|证件号|手机|电话|"
                           r"电子邮箱|邮箱|住址|家庭|银行卡|账号|开户|"
                           r"出生|民族|性别|户籍|contact|phone|mobile|e-?mail|name_of_person")
_SURNAMES = ("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘"
             "杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文佟")
_BODIES = "局院校会厅委办部处所站心司厂店社队馆中行场园村镇乡区县市省库团组室台网府党矿铺楼坊吧城校"
"""What the name of a body ends with."""
PERSON_NAME = (rf"^\s*(?:[{_SURNAMES}]\s*[\x{{4e00}}-\x{{9fff}}]\s*[^\x00-\x{{4dff}}\x{{a000}}-\x{{10ffff}}{_BODIES}]"
               r"|(?:欧阳|上官|司马|诸葛|皇甫|尉迟|慕容|令狐)[\x{4e00}-\x{9fff}]{1,2}"
               r"|[\x{4e00}-\x{9fff}](?:某{1,2}|[*＊×]{1,2}|[*＊×某][\x{4e00}-\x{9fff}]))\s*$")
"""A text that is the name of a person and of no body, masked or not (RE2): for columns that hold bodies only.
Two characters alone say nothing: departments are called 文旅 and 石化."""
_MORE_SURNAMES = (
    "严温颜牛柳洪倪霍安耿鲁葛申毕聂关焦岳齐梅庄辛管祝左涂谷祁时舒牟卜路詹苗凌费纪靳盛童欧甄项曲成游阳"
    "裴席卫查屈鲍位商滕甘景党宫向解冉蒲房兰符单包柏宁柯阮桂闵强丛岑米巫边卓占楚苟翟尤俞于施华覃莫骆褚"
    "佘池晏隋练肖闫付仇代冷苑喻郁尚鞠麦阎银车樊明季井初母乐仲全邢祖敖保应花邰阚瞿窦邬娄湛揭古鄢邝麻")
_ANY_SURNAME = f"[{_SURNAMES}{_MORE_SURNAMES}]"
_COMPOUND = "(?:欧阳|上官|司马|诸葛|皇甫|尉迟|慕容|令狐|司徒|夏侯|公孙|端木|南宫)"
_HAN = r"[\x{4e00}-\x{9fff}]"
_NO_END = rf"[^\x00-\x{{4dff}}\x{{a000}}-\x{{10ffff}}{_BODIES}旅]"
_OPERATOR = "经营者|业主|负责人|法定代表人|法人代表|投资人|户主"
PARTY_NAME = (rf"{PERSON_NAME}|(?:^|[、，,;；/\s])\s*(?:(?:当事人|{_OPERATOR}|驾驶员|司机|车主)\s*[:：]?\s*)?"
              rf"(?:{_ANY_SURNAME}\s*{_HAN}?\s*{_NO_END}|{_COMPOUND}{_HAN}{{1,2}}"
              rf"|{_HAN}{{2,8}}[·•・]{_HAN}{{1,8}}{_NO_END}"
              rf"|{_HAN}(?:某{{1,2}}|[*＊×]{{1,2}}|[*＊×某]{_HAN}))"
              r"\s*(?:[（(].*[)）]|等\s*[0-9０-９一二三四五六七八九十两]*\s*人?|[、，,;；/].*)?\s*$"
              rf"|[（(，,、\s](?:{_OPERATOR})\s*[:：]?\s*{_ANY_SURNAME}"
              r"[^\x00-\x{4dff}\x{a000}-\x{10ffff}某]{1,2}\s*[)）]?\s*$"
              rf"|(?:{_OPERATOR}|经理|董事长|总监|股东|驾驶员)\s*{_ANY_SURNAME}(?:某{{1,2}}|{_HAN}?{_NO_END})\s*$")
"""A party that is a person, or names one (RE2): as PERSON_NAME, with names of two characters, more surnames, what
stands behind or before a name (李明（某店经营者）, 王某等3人, 某公司、王小明), and who runs a shop.
For columns of parties, in which bodies stand under their full names."""
LATIN_NAME = r"^\s*[A-Za-z]+(?:[ ·.'\-]+[A-Za-z]+){1,3}\s*$"
LATIN_BODY = r"(?i)\b(?:co|ltd|inc|llc|corp|corporation|company|limited|gmbh|group|bank)\b"
"""A party in Latin letters: a person, unless it says that it is a company (RE2)."""
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE_SIGN = rf"[{_PROVINCES}][A-HJ-NP-Z][ \-·•.]?[A-HJ-NP-Z0-9]{{5}}"
_PLATE = re.compile(rf"{PLATE_SIGN}[A-HJ-NP-Z0-9]?(?![0-9A-Za-z\-])")
HOME_SIGN = r"[0-9一二三四五六七八九十甲乙丙丁]\s*单元\s*[0-9]{3,4}"
_HOME = re.compile(rf"{HOME_SIGN}(?![\d户套个平㎡])")
PERSON_SAID = (r"(?:联系人|经办人|户主|被征收人|投诉人|举报人|当事人|驾驶员|司机|车主|评委|专家|姓名)\s*[:：]?\s*"
               + _ANY_SURNAME)
_PERSON_SAID = re.compile(rf"(?:(?:联系人|经办人|投诉人|举报人|司机|车主|评委|专家|姓名)\s*:|"
                          rf"(?:户主|被征收人|当事人|驾驶员)\s*:?)\s*{_ANY_SURNAME}(?![某])[\u4e00-\u9fff]{{1,2}}"
                          r"(?<![某局院校会厅委办部处所站司厂店社队馆村镇乡县市])(?=[\s,、;。(\d]|$)")
TOLD = frozenset({"plate", "home", "said", "named"})
"""Kinds that may be a body's as well as a person's: the reviewer is told, and the row stays."""
_NUMBER_LABEL = re.compile(r"编号|编码|代码|标识|文号|单号|流水|批次|序列|条码|信用|url|网址|"
                           r"链接|地址栏|_id$|_no$|code|金额|价|"
                           r"预算|数量|面积|日期|时间")
_MOBILE_LABEL = re.compile(r"手机|电话|联系|phone|mobile|tel", re.I)
_CHINESE_DIGITS = str.maketrans("零〇一二三四五六七八九", "00123456789")
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_MARKS = dict.fromkeys(map(ord, INVISIBLE)) | dict.fromkeys(map(ord, DASHES), "-")
_PERMITS = "2012"
"""Permits are numbered region, day, number: 18 digits of which every eleventh passes for an ID number. In a column of
numbers those of this year and later are permits, whose day would be the birthday of a child."""
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Context:
    """`person`: the column is about persons; `number`: it holds numbers of things; `phone`: it holds phones."""

    person: bool = False
    number: bool = False
    phone: bool = False


def context_of(label: str, privacy: str) -> Context:
    flat = fold(label)
    person = privacy in ("person_name", "contact") or bool(PERSON_LABEL.search(flat))
    return Context(person, not person and bool(_NUMBER_LABEL.search(flat)), bool(_MOBILE_LABEL.search(flat)))


def judge(text: str, context: Context = Context()) -> set[str]:
    """Kinds of personal data in one text, disguises undone (width, invisible marks, spaces, Chinese digits).

    Its time grows with the length of the text and no faster, whatever stands in it.
    """
    flat = narrow(text.translate(_MARKS))
    if re.search(r"[零〇一二三四五六七八九]{11}", flat):
        flat = re.sub(r"[零〇一二三四五六七八九]{11,}", lambda m: m.group().translate(_CHINESE_DIGITS), flat)
    kinds: set[str] = set()
    said = context.person or bool(_ID_SAID.search(flat))
    if _EMAIL.search(flat):
        kinds.add("email")

    def blank(match: re.Match[str]) -> str:
        kind = _long_number(re.sub(r"[^0-9Xx]", "", match.group()), match.group(), context, said)
        if kind is None:
            return match.group()
        kinds.add(kind)
        return " "

    rest = _LONG_NUMBER.sub(blank, flat)
    whole = flat.strip()
    for match in _MOBILE.finditer(rest):
        alone = match.group().strip() == whole
        if not context.number or (not alone and not re.search(r"[-_/]", rest[max(0, match.start() - 1)])):
            kinds.add("mobile")
    if not context.number and any(re.search("[0-9]", found) for found in _PLATE.findall(rest)):
        kinds.add("plate")
    if _HOME.search(flat):
        kinds.add("home")
    if _PERSON_SAID.search(flat):
        kinds.add("said")
    if (context.person or _PASSPORT_CONTEXT.search(flat)) and _PASSPORT.search(flat):
        kinds.add("passport")
    return kinds


def _long_number(digits: str, printed: str, context: Context, said: bool) -> str | None:
    if said and re.fullmatch(r"[1-8]\d{16}[\dXx]", digits) and _is_day(digits[6:14]):
        return "id_number"  # one digit wrong, or made up: it says itself what it is
    if len(digits) == 18 and is_resident_id(digits) and not (context.number and digits[6:10] >= _PERMITS):
        return "id_number"
    if len(digits) == 15 and digits.isdigit() and context.person and _is_day("19" + digits[6:12]):
        return "id_number"
    grouped = bool(re.fullmatch(r"(?:\d{4}[ \-]){3,4}\d{1,4}", printed))
    if digits.isdigit() and 16 <= len(digits) <= 19 and (grouped or not context.number) and is_bank_card(digits):
        return "bank_card"
    return None


def is_resident_id(digits: str) -> bool:
    """18 signs, a day of birth that exists and is not in the future of the format, and the check digit of GB 11643."""
    if not re.fullmatch(r"\d{17}[\dXx]", digits) or not "11" <= digits[:2] <= "83" or not _is_day(digits[6:14]):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits, _ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == digits[17].upper()


def _is_day(text: str) -> bool:
    try:
        return 1890 <= date(int(text[:4]), int(text[4:6]), int(text[6:8])).year <= 2099
    except ValueError:
        return False


def is_bank_card(digits: str) -> bool:
    """UnionPay (62…), Visa, Mastercard, JCB prefixes with their lengths, and Luhn's check digit."""
    if not re.fullmatch(r"62\d{14,17}|4\d{15}|5[1-5]\d{14}|35\d{14}|60\d{14,17}|9[0-9]55\d{12,15}", digits):
        return False
    doubled: Callable[[int], int] = lambda digit: digit * 2 - 9 if digit > 4 else digit * 2  # noqa: E731
    total = sum(doubled(int(digit)) if index % 2 else int(digit) for index, digit in enumerate(reversed(digits)))
    return total % 10 == 0


_NAMES = {
    "id_number": {"zh": "居民身份证号码", "en": "a resident ID number"},
    "mobile": {"zh": "手机号码", "en": "a mobile number"},
    "bank_card": {"zh": "银行卡号", "en": "a bank card number"},
    "email": {"zh": "电子邮箱", "en": "an e-mail address"},
    "passport": {"zh": "护照或通行证号码", "en": "a passport or permit number"},
    "plate": {"zh": "车牌号", "en": "the plate of a vehicle"},
    "home": {"zh": "住宅门牌", "en": "the address of a home"},
    "said": {"zh": "个人姓名", "en": "the name of a person"},
    "contact": {"zh": "联系人等个人信息", "en": "the name of a person"},
}


def named(kinds: Iterable[str]) -> dict[str, str]:
    """Kinds as a finding tells them, in Chinese and English."""
    found = [_NAMES[kind] for kind in kinds]
    return {"zh": "、".join(name["zh"] for name in found), "en": ", ".join(name["en"] for name in found)}
