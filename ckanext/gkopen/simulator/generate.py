"""Generated tables in any number of rows from a seed, and a city made of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import yaml

from ckanext.gkopen.simulator.invent import MAKERS, Record, body, credit_code

FAMILY_OF = {
    "procurement": "national",
    "budget": "zhejiang",
    "project": "header",
    "project_event": "header",
    "hotline": "bearer",
}
# Cells that a bad record spoils, one of them: required and empty, not a date, no code. Each of them keeps the row out.
SPOILT: dict[str, tuple[tuple[str, str], ...]] = {
    "procurement": (("项目名称", ""), ("发布时间", "2025年13月45日"), ("公告类型", "公告牌")),
    "budget": (("单位", ""), ("年度", "20xx"), ("阶段", "第九阶段")),
    "project": (("项目名称", ""), ("记录类型", "不详")),
    "project_event": (("项目代码", ""), ("信息类别", "第十项"), ("日期", "2025-02-30"), ("事项名称", "")),
    "hotline": (("统计维度", "不详"), ("统计期间", "某月"), ("周期类型", "旬刊")),
}


def records(domain: str, count: int, *, seed: int = 1, start: int = 0, bad: float = 0.0) -> Iterator[Record]:
    """`count` records of a domain from number `start` on, one at a time; labels are those of a department.

    Record number n is the same in every call with the same seed. `bad` is the share of records in which one
    required cell is spoilt; `is_bad` tells which.
    """
    make = MAKERS[domain]
    for index in range(start, start + count):
        random = Random(seed << 40 ^ index)
        record = make(random, index)
        if is_bad(seed, index, bad):
            column, value = SPOILT[domain][random.randrange(len(SPOILT[domain]))]
            record[column] = value
        yield record


def is_bad(seed: int, index: int, bad: float) -> bool:
    return bad > 0 and Random(~(seed << 40 ^ index)).random() < bad


def write_city(
    folder: Path, rows: int, seed: int = 1, bad: float = 0.01, secret_env: str = "GKOPEN_SECRET_DEMO"
) -> Path:
    """Write a `city.yaml` whose services are all generated, `rows` a domain; returns the folder."""
    bodies = [
        {
            "id": f"demo-{number}",
            "title": {"zh": body(number), "en": f"Demo body {number}"},
            "uscc": credit_code(number, "11"),
            "region": "999999",
        }
        for number in range(len(MAKERS))
    ]
    services = [
        {
            "id": f"gen-{domain.replace('_', '-')}",
            "family": FAMILY_OF[domain],
            "body": f"demo-{number}",
            "domain": domain,
            "title": {"zh": f"生成数据（{domain}）", "en": f"Generated {domain} records"},
            "generate": {"domain": domain, "rows": rows, "seed": seed, "bad": bad},
            "catalogue": {
                "信息资源代码": f"999999/{number:06d}",
                "是否向社会开放": "是",
                "共享类型": "无条件共享",
            },
        }
        for number, domain in enumerate(MAKERS)
    ]
    city = {
        "city": {"zh": "生成数据示范市", "en": "City of generated records"},
        "platform": {
            "secret_env": secret_env,
            "caller": "gkopen-demo",
            "page_size": 1000,
            "calls_per_minute": 100_000,
        },
        "bodies": bodies,
        "services": services,
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(city, allow_unicode=True, sort_keys=False)
    (folder / "city.yaml").write_text(text, encoding="utf-8")
    return folder
