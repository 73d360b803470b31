"""The texts of findings: whole in both languages, in use, and the page in docs is up to date."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from ckanext.gkopen.checks.catalogue import catalogue, findings_page, render
from ckanext.gkopen.records import Finding

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "ckanext/gkopen" / name for name in ("normalise", "checks", "metadata", "harvest")]
SOURCES = [*(path for folder in FOLDERS for path in folder.glob("*.py")), ROOT / "ckanext/gkopen/reports.py",
           ROOT / "ckanext/gkopen/respelt.py", ROOT / "ckanext/gkopen/overwritten.py", ROOT / "harvesters/filedrop.py"]


def test_docs_are_generated_from_the_catalogue():
    assert (ROOT / "docs/findings.md").read_text(encoding="utf-8") == findings_page(), (
        "run: python -m ckanext.gkopen.checks.catalogue > docs/findings.md")


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_each_finding_is_whole_in_both_languages(code):
    entry = catalogue()[code]
    assert re.fullmatch(r"[a-z]+([-_][a-z_]+)*", code)
    assert entry["severity"] in ("error", "warning", "info")
    for part in ("title", "message", "fix"):
        assert set(entry[part]) == {"zh", "en"}
        names = [{name for _, name, _, _ in string.Formatter().parse(entry[part][lang]) if name}
                 for lang in ("zh", "en")]
        assert names[0] == names[1]
    text = render(Finding(code, entry["severity"]), "en")
    assert all(text.values())


def test_every_code_is_used_and_every_used_code_is_listed():
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    written = set(re.findall(r'"([a-z]+(?:[-_][a-z_]+)*)"', text))
    codes = {code for code in catalogue() if not code.startswith("personal-")}
    assert codes <= written
    calls = r"(?:refuse|_finding|findings\.rows|findings\.add|Finding|context\.say)"
    made = re.findall(calls + r'\(\s*(?:rule, )?"([a-z_-]+)"', text)
    assert set(made) <= set(catalogue())


def test_lists_and_texts_in_two_languages_are_filled_in():
    finding = Finding("column-missing", "error", field="district", label="区",
                      params={"nearest": ["区县", "辖区"], "title": {"zh": "区", "en": "District"}})
    assert render(finding)["message"] == "没有“区”（district）这一列；相近的列名：区县、辖区。"
    assert render(finding, "en")["message"].endswith("similar ones: 区县, 辖区.")
    rule = Finding("implausible", "warning", line=3, label="金额", value="1",
                   params={"title": {"zh": "太小", "en": "too small"}})
    assert render(rule)["message"].startswith("太小：第 3 行")
    assert render(rule, "en")["message"].startswith("too small: ")
