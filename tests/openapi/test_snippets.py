"""The programs on the API page work when they are pasted: they are taken from the page and run, over HTTP."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp

from tests.people import Cast

ROW, AMOUNT = "NT-2024-0513", "880000.00"


def pasted(page: str, address: str) -> list[tuple[str, str]]:
    """(language, program) of each snippet, asking this address."""
    found = re.findall(r'<code class="language-(\w+)">(.*?)</code>', page, re.DOTALL)
    site = toolkit.config["ckan.site_url"].rstrip("/")
    assert all(site in code for _, code in found)
    return [(language, html.unescape(code).replace(site, address)) for language, code in found]


COMMANDS: dict[str, Any] = {
    "curl": lambda path: ["bash", "-e", path], "python": lambda path: [sys.executable, path],
    "pandas": lambda path: [sys.executable, path],
    "javascript": lambda path: ["node", "--input-type=module", "-e", path.read_text()]}


def test_every_snippet_runs(cast: Cast, browser: CKANTestApp, address: str, tmp_path: Path) -> None:
    ran = []
    for number, (language, code) in enumerate(pasted(browser.get("/open/api").text, address)):
        if language == "r":
            [url] = re.findall(r'"(http[^"]+)"', code)
            assert requests.head(url, timeout=30).status_code == 200
            continue
        if language == "javascript" and shutil.which("node") is None:
            continue
        path = tmp_path / f"{number}.txt"
        path.write_text(code, "utf-8")
        done = subprocess.run(COMMANDS[language](path), capture_output=True, text=True, timeout=120, cwd=tmp_path,
                              check=False)
        assert done.returncode == 0, (language, code, done.stderr[-1500:])
        ran.append((language, done.stdout))
    assert {language for language, _ in ran} >= {"curl", "python", "pandas"}
    told = "\n".join(output for _, output in ran)
    assert told.count(ROW) >= 3 and told.count(AMOUNT) >= 4
    by_language = dict(ran)
    assert by_language["pandas"].split() == ["1", AMOUNT]


@pytest.mark.parametrize(("language", "title"), [("", "接口使用方法"), ("/en", "How to use the API")])
def test_the_page_in_both_languages(cast: Cast, browser: CKANTestApp, language: str, title: str) -> None:
    page = browser.get(f"{language}/open/api")
    assert page.status_code == 200 and title in page.text
    assert "<SITE>" not in html.unescape(page.text) and "<DOMAIN>" not in html.unescape(page.text)
