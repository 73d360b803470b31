"""What each finding says, in Chinese and English: `catalogue.yaml` holds the texts, `render` fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from ckanext.gkopen.records import Finding, Severity

PATH = Path(__file__).with_name("catalogue.yaml")


class _Blank(dict[str, Any]):
    """Placeholders that a finding does not fill show as an ellipsis, never as a traceback in front of an officer."""

    def __missing__(self, key: str) -> str:
        return "…"


@cache
def catalogue() -> Mapping[str, Mapping[str, Any]]:
    """Code → severity, since, title, message, fix (each of the last three: zh, en)."""
    with PATH.open(encoding="utf-8") as file:
        return yaml.safe_load(file)


def severity_of(code: str) -> Severity:
    return cast(Severity, catalogue()[code]["severity"])


def render(finding: Finding, lang: str = "zh") -> dict[str, str]:
    """`title`, `message`, `fix` of a finding in Chinese, or in English where `lang` starts with "en"."""
    language = "en" if lang.startswith("en") else "zh"
    entry = catalogue().get(finding.code)
    if entry is None:
        return _unlisted(finding, language)
    values = _Blank(finding.params)
    for name in ("label", "field", "value", "line", "sheet"):
        given = getattr(finding, name)
        if given is not None:
            values[name] = given
    values.setdefault("label", finding.field or finding.params.get("label", "…"))
    values = _Blank({key: _listed(value, language) for key, value in values.items()})
    return {part: str(entry[part][language]).format_map(values) for part in ("title", "message", "fix")}


def _unlisted(finding: Finding, language: str) -> dict[str, str]:
    """A stored finding of an earlier version whose code is no longer listed still says its code, place and value."""
    place = {"zh": f"第 {finding.line} 行", "en": f"line {finding.line}"}[language] if finding.line else None
    told = (place, finding.code, finding.label or finding.field, finding.value)
    return {"title": finding.code, "message": " ".join(text for text in told if text), "fix": {
        "zh": "这条规则来自较早的版本：请重新检查该文件。",
        "en": "This rule is of an earlier version: check the file again."}[language]}


def _listed(value: Any, language: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(language, value.get("zh", ""))
    if isinstance(value, list | tuple):
        return ("、" if language == "zh" else ", ").join(map(str, value)) or ("无" if language == "zh" else "none")
    return value


def findings_page() -> str:
    """`docs/findings.md`, made from the catalogue; a test compares."""
    lines = ["# 检查结果代码 / Findings", "",
             "由 `ckanext/gkopen/checks/catalogue.yaml` 生成 / generated from it: "
             "`python -m ckanext.gkopen.checks.catalogue > docs/findings.md`.", "",
             "error: 该行(或文件)进入隔离区 / quarantined. warning: 审核人须看 / the reviewer must look. "
             "info: 已做的处理 / what was done.", ""]
    for code, entry in sorted(catalogue().items()):
        lines += [f"## `{code}`", "", f"{entry['severity']}, {entry['since']}", "",
                  f"- {entry['title']['zh']}: {entry['message']['zh']} 处理办法: {entry['fix']['zh']}",
                  f"- {entry['title']['en']}: {entry['message']['en']} What to do: {entry['fix']['en']}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(findings_page(), end="")
