"""合计, 总计 and 小计 lines: rows of their own where the domain has `is_total`, else checked and left out, as lines
are that only head others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.amounts import YUAN, amounts
from ckanext.gkopen.normalise.cells import as_mask, may_hold
from ckanext.gkopen.normalise.columns import Columns
from ckanext.gkopen.normalise.raw import Apart
from ckanext.gkopen.normalise.sections import compare, find_sections
from ckanext.gkopen.records import Finding

_COUNT = r"\s*(?:[(（]?\s*共?\s*[0-9０-９]+\s*(?:个|项|件|宗)\s*(?:项目)?\s*[)）]?)?"
TOTAL = (r"^\s*[(（]?(?:[一二三四五六七八九十]+、)?\s*(?:合\s*计|总\s*计|共\s*计|"
          r"全市合计|本页合计|本表合计|合计数|总合计)\s*[)）]?" + _COUNT + r"[:：]?\s*$")
_SUBTOTAL = r"^\s*[(（]?小\s*计\s*[)）]?" + _COUNT + r"[:：]?\s*$"
_LOOK_IN = 4
"""A total line names itself in one of the first columns of text."""


@dataclass(slots=True)
class Totals:
    """`drop`: rows that are no data; `marks`: text of `is_total` for all rows, or None: nothing to mark; `names`: field
    → cells, where 合计 stood in the place of a code (merged cells) and is the line's name.
    """

    drop: np.ndarray
    marks: pa.Array | None = None
    names: dict[str, pa.Array] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def take_totals(domain: Domain, columns: Columns, texts: list[pa.Array], lines: np.ndarray,
                notes: list[str], bounds: np.ndarray, codes: Mapping[str, pa.Array]) -> Totals:
    """`bounds`: first row of each file, and the number of all rows; `codes`: field → codes that no column holds whole.
    Raises Apart for those of several files that have such lines: what they add up is a matter of one. Those of two
    halves are looked for in each (`mark_halves`)."""
    none = Totals(np.empty(0, np.int64))
    if "is_total" in columns.field_at or not len(lines) or columns.halves:
        return none
    total, subtotal = _lines(domain, columns, texts, TOTAL), _lines(domain, columns, texts, _SUBTOTAL)
    sections = find_sections(domain, columns, texts, total | subtotal)
    heads = np.zeros(len(lines), bool) if sections is None else sections.rows()
    if not total.any() and not subtotal.any() and not heads.any():
        return none
    if len(bounds) > 2:
        found = np.flatnonzero(total | subtotal | heads)
        raise Apart(np.unique(np.searchsorted(bounds, found, side="right") - 1).tolist())
    if "is_total" in domain.field_names:
        alien = _lines(domain, columns, texts, f"(?:{TOTAL})|(?:{_SUBTOTAL})", names=False)
        if alien.any():  # 合计 under 月份: no period of its own, and so no row that could be told from others
            notes += [f"第{line}行是合计行，不计入数据 / line {line} is a total, not a row" for line in lines[alien]]
            left = Totals(np.flatnonzero(alien))
            if (total & ~alien).any() or (subtotal & ~alien).any():
                marks = np.where(total, "true", np.where(_parts(columns, texts, codes) & ~subtotal, "false", ""))
                left.marks = pa.array(marks[~alien].astype(object), pa.string())
                kept = pa.array(~alien)
                left.names = {name: cells.filter(kept) for name, cells in _names(domain, columns, texts).items()}
            return left
        marks = np.where(total, "true", np.where(_parts(columns, texts, codes) & ~subtotal, "false", ""))
        return Totals(none.drop, pa.array(marks.astype(object), pa.string()), _names(domain, columns, texts))
    result = Totals(np.flatnonzero(total | subtotal))
    data = ~(total | subtotal | heads)
    starts = np.concatenate([[0], result.drop + 1])[:len(result.drop)]
    for index, name in enumerate(columns.field_at):
        if name is None or domain.field(name).type not in ("money", "decimal", "integer"):
            continue
        figures = amounts(texts[index], YUAN).yuan
        everything = _sum(figures, data)
        for start, row in zip(starts, result.drop, strict=True):
            stated = figures[int(row)].as_py()
            if stated is None:
                continue
            summed = everything if total[row] else _sum(figures.slice(start, row - start), data[start:row])
            _say(columns.labels[index], name, int(lines[row]), stated, summed, result, notes)
    for row in result.drop:
        notes.append(f"第{lines[row]}行是合计行，不计入数据 / line {lines[row]} is a total, not a row")
    if sections is not None:
        result.findings += compare(domain, columns, texts, lines, sections, data)
        result.drop = np.union1d(result.drop, np.flatnonzero(heads))
        notes += [f"第{line}行是分类行，不计入数据 / line {line} heads others, not a row" for line in lines[heads]]
    return result


def _names(domain: Domain, columns: Columns, texts: list[pa.Array]) -> dict[str, pa.Array]:
    """A code that reads 合计 is none: the word goes where the line's name is, which is empty then or says the same."""
    found: dict[str, pa.Array] = {}
    fields = [(index, domain.field(name)) for index, name in enumerate(columns.field_at) if name is not None]
    for index, every in fields:
        if every.pattern is None or not may_hold(texts[index], "计"):
            continue
        word = pc.match_substring_regex(texts[index], f"(?:{TOTAL})|(?:{_SUBTOTAL})")
        if not pc.any(word).as_py():
            continue
        found[every.name] = pc.if_else(word, "", texts[index])
        for place, other in fields:
            if other.type == "string" and other.pattern is None and other.search and other.privacy == "none":
                blank = pc.and_(word, pc.equal(pc.utf8_trim_whitespace(texts[place]), ""))
                found[other.name] = pc.if_else(blank, texts[index], texts[place])
                break
    return found


def _sum(figures: pa.Array, which: np.ndarray) -> Decimal:
    return pc.sum(figures.filter(pa.array(which))).as_py() or Decimal(0)


def _say(label: str, name: str, line: int, stated: Decimal, summed: Decimal, result: Totals, notes: list[str]) -> None:
    printed, added = f"{stated.normalize():f}", f"{summed.normalize():f}"
    if stated == summed:
        notes.append(f"第{line}行合计“{label}” {printed}，与明细之和一致 / "
                     f"line {line}: the total of {label} equals the sum")
        return
    result.findings.append(Finding(
        "total-row-differs", severity_of("total-row-differs"), line=line, field=name, label=label, value=printed,
        params={"printed": printed, "sum": added, "difference": f"{(summed - stated).normalize():f}"}))


def _lines(domain: Domain, columns: Columns, texts: list[pa.Array], pattern: str,
           names: bool = True) -> np.ndarray:
    """Lines that name themselves so in a column of text; not `names`: in one of dates, periods, codes."""
    found = np.zeros(len(texts[0]) if texts else 0, bool)
    looked = 0
    for index, name in enumerate(columns.field_at):
        if name is not None and domain.field(name).type in ("money", "decimal", "integer", "percent", "uscc"):
            continue
        typed = name is not None and domain.field(name).type not in ("string", "text", "list")
        if (names or typed) and may_hold(texts[index], "计"):
            found |= as_mask(pc.match_substring_regex(texts[index], pattern))
        looked += 1
        if looked == _LOOK_IN:
            break
    return found


def _parts(columns: Columns, texts: list[pa.Array], codes: Mapping[str, pa.Array]) -> np.ndarray:
    """Rows that a total adds up: all, or where the table has levels those of the highest."""
    for name in ("line_level", "func_code", "econ_code"):
        if name in columns.field_at or name in codes:
            cells = codes[name] if name in codes else texts[columns.field_at.index(name)]
            if name == "line_level":
                figures = amounts(cells, YUAN).yuan
                known = pc.min(figures.filter(pc.greater(figures, 0))).as_py()
                return as_mask(pc.equal(figures, known)) if known is not None else np.ones(len(cells), bool)
            cells = pc.utf8_trim_whitespace(cells)
            length = pc.utf8_length(pc.if_else(pc.match_substring(cells, "计"), "", cells)).to_numpy(
                zero_copy_only=False)
            filled = length[length > 0]
            return length == filled.min() if len(filled) else np.ones(len(cells), bool)
    return np.ones(len(texts[0]), bool)
