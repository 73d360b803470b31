"""What people know a row by, where only its key is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.views.change import key_name

CASES = {
    ("budget", "2022|execution|01-07||全国|general|主要税收收入项目|revenue||||||||||个人所得税||B09b|全国"): None,
    ("budget", "2022|execution|01-07||市财政局|general|收入总表|revenue||||||||||个人所得税"):
        "2022 · 执行 · 1-7月 · 市财政局 · 一般公共预算 · 收入总表 · 收入",
    ("project", "2021-999999-21-01-000011"): "2021-999999-21-01-000011",
    ("project", "人民路改造|2024"): "人民路改造 · 2024",
    ("project_event", "2021-999999-21-01-000011|approval||2021-04-12"): None,
    ("hotline", "2024-07|month|某省|全省|12345|handling|全省受理"): None,
}


@pytest.mark.parametrize("domain, key", CASES)
def test_a_joined_key_is_told_in_words(app: Any, domain: str, key: str) -> None:
    described = get_domain(domain)
    [field] = described.key
    with app.flask_app.test_request_context("/"):
        name = key_name(described, {field: key})
    assert "|" not in name and all(text in name for text in key.split("|") if text and not text.isascii()), name
    assert name.startswith(CASES[domain, key] or key.partition("|")[0])


def test_a_key_of_its_own_stays_as_it_is(app: Any) -> None:
    with app.flask_app.test_request_context("/"):
        assert key_name(get_domain("parking"), {"name": "人民公园", "district": "东洲区"}) == "人民公园 · 东洲区"
        assert key_name(get_domain("budget"), {"record_id": "|" * 40 + "x"}) == "|" * 40 + "x", "nothing is guessed"
