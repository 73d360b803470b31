"""The privacy gate: every cell of a file as raw text is looked through for personal data. It fails closed.

Looked for: resident ID numbers (date and check digit; the region is not checked, genuine numbers fail that), mobile
numbers, bank cards (issuer prefix, length, Luhn), e-mail addresses, passports and other permits, and names in columns
that are known to hold persons. A finding says where, never what. Organisations' own data, order, project and credit
codes are no personal data: a digit run counts only where it stands alone, and column context decides for weak signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import INVISIBLE, fold, narrow
from ckanext.gkopen.normalise.cells import as_mask, has_text
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.normalise.raw import refuse
from ckanext.gkopen.normalise.rows import Rows

# Vectorised first look (RE2): whatever could be an ID, card or phone number, an @, or digits in disguise.
_GAP = r"[ \-·.]?"
_START, _END = r"(?:^|[^0-9A-Za-z.])", r"(?:$|[^0-9A-Za-z])"
_CANDIDATE = "|".join((
    rf"{_START}[1-8](?:{_GAP}[0-9]){{5}}{_GAP}(?:1{_GAP}[89]|20?{_GAP}0){_GAP}[0-9](?:{_GAP}[0-9]){{7,9}}{_GAP}[0-9Xx]{_END}",
    rf"{_START}[1-8][0-9]{{14}}{_END}",
    rf"{_START}(?:62[0-9]{{2}}|4[0-9]{{3}}|5[1-5][0-9]{{2}}|35[0-9]{{2}}|60[0-9]{{2}}|9[0-9]55){_GAP}(?:[0-9]{_GAP}){{11,14}}[0-9]{_END}",
    r"(?:^|[^0-9A-Za-z.\-])(?:\(?(?:\+|00)?86\)?[ \-]?)?1[3-9][0-9][ \-.]?[0-9]{4}[ \-.]?[0-9]{4}(?:$|[^0-9A-Za-z\-])",
    r"[@＠]", r"[0-9０-９][０-９]", rf"[0-9][{INVISIBLE}]+[0-9]", r"[零〇一二三四五六七八九]{11}",
))
_PERMIT_CANDIDATE = r"[EeGgPpSsDdHhMm][A-Za-z]?[0-9]{7}"
_READ_TYPES = frozenset(["money", "decimal", "integer", "percent", "date", "datetime", "year", "month", "period",
                         "boolean", "code"])
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z.])(?:\d[ \-·.]?){10,22}[\dXx](?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z.\-])(?:\(?(?:\+|00)?86\)?[ \-]?)?"
                     r"(1[3-9]\d[ \-.]?\d{4}[ \-.]?\d{4})(?![0-9A-Za-z\-])")
_EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}")
_PASSPORT = re.compile(r"(?<![0-9A-Za-z])(?:[EeGgPpSsDd][A-HJ-NP-Za-hj-np-z]?\d{7,8}|[HhMm]\d{8,10})(?![0-9A-Za-z])")
_PASSPORT_CONTEXT = re.compile(r"护照|通行证|港澳|证件|passport", re.I)
_PERSON_LABEL = re.compile(r"姓名|联系人|经办人|法定代表人|负责人|身份证|证件号|手机|电话|"
                           r"电子邮箱|邮箱|住址|家庭|银行卡|账号|开户|"
                           r"出生|民族|性别|户籍|contact|phone|mobile|e-?mail|name_of_person")
_NUMBER_LABEL = re.compile(r"编号|编码|代码|标识|文号|单号|流水|批次|序列|条码|信用|url|网址|"
                           r"链接|地址栏|_id$|_no$|code|金额|价|"
                           r"预算|数量|面积|日期|时间")
_MOBILE_LABEL = re.compile(r"手机|电话|联系|phone|mobile|tel", re.I)
_CHINESE_DIGITS = str.maketrans("零〇一二三四五六七八九", "00123456789")
_MARKS = dict.fromkeys(map(ord, INVISIBLE))
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def gate(domain: Domain, rows: Rows, made: Made, findings: Findings) -> None:
    """Scans every column of the source; a row with a hit is quarantined. A crash of the scan refuses the whole file.

    A cell that was read as a date, a figure or a code of a list is no text: it is left out.
    """
    try:
        for index, label in enumerate(rows.columns.labels):
            name = rows.columns.field_at[index]
            field = domain.field(name) if name else None
            column = rows.texts[index]
            if field is not None and field.type in _READ_TYPES and rows.long is None:
                unread = as_mask(pc.is_null(made.values[field.name]))
                if not unread.any():
                    continue
                column = pc.if_else(pa.array(unread), column, "")
            for kind, mask in scan(column, label, field.privacy if field else "none").items():
                findings.rows(f"personal-{kind}", mask[rows.take], field=name, label=label)
                findings.secret |= mask[rows.take]
            if (field and field.privacy in ("person_name", "contact")) or (
                    field is None and _PERSON_LABEL.search(fold(label))):
                findings.add("personal-column", field=name, label=label, severity="warning" if field else "info")
    except MemoryError:
        raise
    except Exception as error:
        raise refuse("privacy-scan-failed", reason=type(error).__name__) from error


def scan(column: pa.Array, label: str = "", privacy: str = "none") -> dict[str, np.ndarray]:
    """Kind → mask of the rows whose text holds such a thing. `label`, `privacy`: of the column, to tell codes apart."""
    found: dict[str, np.ndarray] = {}
    context = _context(label, privacy)
    encoded = column.dictionary_encode() if _repeats(column) else None
    words = encoded.dictionary if encoded is not None else column
    suspicious = as_mask(pc.match_substring_regex(words, _CANDIDATE))
    if context.person or has_text(words, "护照") or has_text(words, "通行证"):
        suspicious |= as_mask(pc.match_substring_regex(words, _PERMIT_CANDIDATE))
    places = np.flatnonzero(suspicious)
    texts = words.take(pa.array(places)).to_pylist()
    known = {text: judge(text, context) for text in set(texts)}
    kinds = [known[text] for text in texts]
    for kind in sorted(set().union(*kinds)):
        hit = np.zeros(len(words), bool)
        hit[places] = [kind in each for each in kinds]
        found[kind] = hit if encoded is None else hit[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def _repeats(column: pa.Array) -> bool:
    """Few distinct texts? Judged by the first rows."""
    head = column.slice(0, 50_000)
    return len(column) > len(head) and len(head.unique()) * 2 < len(head)


@dataclass(frozen=True, slots=True)
class Context:
    """`person`: the column is about persons; `number`: it holds numbers of things; `phone`: it holds phones."""

    person: bool = False
    number: bool = False
    phone: bool = False


def _context(label: str, privacy: str) -> Context:
    flat = fold(label)
    person = privacy in ("person_name", "contact") or bool(_PERSON_LABEL.search(flat))
    return Context(person, not person and bool(_NUMBER_LABEL.search(flat)), bool(_MOBILE_LABEL.search(flat)))


def judge(text: str, context: Context = Context()) -> set[str]:
    """Kinds of personal data in one text, disguises undone (width, invisible marks, spaces, Chinese digits)."""
    flat = narrow(text.translate(_MARKS))
    if re.search(r"[零〇一二三四五六七八九]{11}", flat):
        flat = re.sub(r"[零〇一二三四五六七八九]{11,}", lambda m: m.group().translate(_CHINESE_DIGITS), flat)
    kinds: set[str] = set()
    if _EMAIL.search(flat):
        kinds.add("email")
    rest = flat
    for match in _LONG_NUMBER.finditer(flat):
        digits = re.sub(r"[^0-9Xx]", "", match.group())
        kind = _long_number(digits, match.group(), context)
        if kind:
            kinds.add(kind)
            rest = rest.replace(match.group(), " ")
    whole = flat.strip()
    for match in _MOBILE.finditer(rest):
        alone = match.group().strip() == whole
        if not context.number or (not alone and not re.search(r"[-_/]", rest[max(0, match.start() - 1)])):
            kinds.add("mobile")
    if (context.person or _PASSPORT_CONTEXT.search(flat)) and _PASSPORT.search(flat):
        kinds.add("passport")
    return kinds


def _long_number(digits: str, printed: str, context: Context) -> str | None:
    if len(digits) == 18 and is_resident_id(digits):
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
