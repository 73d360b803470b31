"""A domain → its page in `docs/domains/`. `python -m ckanext.gkopen.derive.docs` writes the pages again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ckanext.gkopen.codes import Code
from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.domains import CodeList, Domain, domains
from ckanext.gkopen.schemas import ROOT

FOLDER = ROOT.parent / "docs" / "domains"
PARTS = {
    "whole": "整表为一个分段 / the whole table is one part",
    "month": "按月 / by month of `{fields}`",
    "year": "按年 / by year of `{fields}`",
    "fields": "按 `{fields}` / by `{fields}`",
}
UNITS = {"working_days": "工作日 / working days", "days": "日 / days"}


def page(domain: Domain) -> str:
    """The Markdown page of a domain, Chinese and English side by side."""
    return "\n".join(_lines(domain)) + "\n"


def pages() -> dict[Path, str]:
    """File → content for every domain of gkopen."""
    return {FOLDER / f"{name}.md": page(domain) for name, domain in domains().items()}


def _lines(domain: Domain) -> Iterator[str]:
    yield f"# {domain.title.zh} · {domain.title.en} (`{domain.name}`)"
    yield ""
    yield f"<!-- made from schemas/domains/{domain.name}.yaml by python -m ckanext.gkopen.derive.docs -->"
    yield f"{domain.description.zh}\n\n{domain.description.en}\n"
    yield f"- 公开依据 / legal basis: {domain.legal_basis.zh} / {domain.legal_basis.en}"
    yield f"- 主键 / key: {', '.join(f'`{name}`' for name in domain.key)}"
    yield "- 分段 / parts: " + PARTS[domain.part.kind].format(fields="-".join(domain.part.fields))
    if domain.standard:
        yield f"- 国际标准 / standard: {domain.standard}"
    yield "\n## 字段 · Fields\n"
    yield from _table(
        ("字段 name", "名称 title", "类型 type", "要求 need", "说明 description", "标准 path"),
        (
            _field_row(zh, en)
            for zh, en in zip(dictionary_rows(domain, "zh"), dictionary_rows(domain, "en"), strict=True)
        ),
    )
    yield "\n来源中能识别的列名 / labels of sources that are understood:\n"
    for field in domain.input_fields:
        if field.aliases or field.instead:
            second = f"（没有更合适的列时：{'、'.join(field.instead)}）" if field.instead else ""
            yield f"- `{field.name}`: {'、'.join(field.aliases)}{second}"
    if domain.ignored_columns:
        yield f"\n识别但不发布的列 / known and not published: {'、'.join(domain.ignored_columns)}"
    yield from _rules(domain)
    for codes in domain.code_lists.values():
        yield f"\n## 代码表 · Code list `{codes.name}`\n"
        yield from _code_table(codes)
    yield "\n## 示例 · Example\n"
    yield from _table(("字段 name", "值 value"), ((f"`{k}`", v) for k, v in domain.example.items()))


def _field_row(zh: dict, en: dict) -> tuple[str, ...]:
    unit = f" ({zh['unit']})" if zh["unit"] else ""
    path = "<br>".join(f"{standard}: {where}" for standard, where in zh["path"].items())
    return (
        f"`{zh['name']}`",
        f"{zh['title']}<br>{en['title']}",
        f"{zh['type']}{unit}<br>{en['type']}",
        _both(zh["need"], en["need"]),
        _both(zh["description"], en["description"]),
        path,
    )


def _both(zh: str, en: str) -> str:
    return f"{zh}<br>{en}" if zh else ""


def _rules(domain: Domain) -> Iterator[str]:
    if domain.rules:
        yield "\n## 校验规则 · Rules\n"
        yield from _table(
            ("规则 rule", "种类 kind", "级别 severity", "说明 description", "依据 source"),
            ((f"`{r.id}`", r.kind, r.severity, f"{r.title.zh}<br>{r.title.en}", r.source or "") for r in domain.rules),
        )
    if domain.deadlines:
        yield "\n## 公开时限 · Time limits\n"
        yield from _table(
            ("时限 limit", "说明 description", "起算 from", "依据 source"),
            (
                (
                    f"{d.limit} {UNITS[d.unit]}",
                    f"{d.basis.zh}<br>{d.basis.en}",
                    f"`{d.from_field}`" if d.from_field else "形成或变更 / formation or change",
                    d.source,
                )
                for d in domain.deadlines
            ),
        )
    if domain.shapes:
        yield "\n## 宽表 · Wide tables\n"
        for shape in domain.shapes:
            yield f"- `{shape.name}`: {shape.title.zh} / {shape.title.en} (`{shape.codes.name}`)"


def _code_table(codes: CodeList) -> Iterator[str]:
    extra = list(codes.codes[0].extra) if codes.codes else []

    def row(code: Code) -> tuple[str, ...]:
        return (f"`{code.code}`", code.title.zh, code.title.en, "、".join(code.aliases), *code.extra.values())

    yield from _table(("代码 code", "名称 zh", "英文 en", "别名 aliases", *extra), map(row, codes.codes))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in row) + " |"


def write() -> None:
    """Write every page, and remove those of domains that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(write())
