"""Judged queries: loading them, putting their datasets into the index, measuring what a search returns."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ckan.lib.search.index import PackageSearchIndex
from ckan.plugins import toolkit

PREFIX = "rel-"


@dataclass(frozen=True)
class Judgement:
    """ndcg: of the first ten, 1 is the best order; forbidden: datasets that must not appear at all and do."""

    query: str
    kind: str
    ndcg: float
    forbidden: tuple[str, ...]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def index(corpus: Sequence[dict[str, str]]) -> None:
    """Put the datasets into Solr by way of CKAN's own indexing, with every plugin's hooks."""
    packages = PackageSearchIndex()
    for row in corpus:
        packages.index_package(package(row), defer_commit=True)
    packages.commit()


def package(row: dict[str, str]) -> dict[str, Any]:
    """A row of a corpus as the dictionary of a dataset, with its responsible body in ``author``."""
    shown = {
        "id": row["id"], "name": PREFIX + row["id"], "type": "dataset", "state": "active", "private": False,
        "title": row["title"], "notes": row["notes"], "author": row["body"], "owner_org": None,
        "tags": [{"name": tag} for tag in row["tags"].split(";") if tag],
        "resources": [{"name": row["title"], "description": "；".join(row["columns"].split(";"))}],
        "metadata_created": "2025-01-01T00:00:00", "metadata_modified": "2025-01-01T00:00:00",
    }
    return {**shown, "with_custom_schema": dict(shown)}


def search(query: str, **params: Any) -> list[str]:
    """Ids of what ``package_search`` finds, all of them, best first."""
    found = toolkit.get_action("package_search")(
        {"ignore_auth": True}, {"q": query, "fq": f"name:{PREFIX}*", "rows": 1000, **params})
    return [dataset["name"].removeprefix(PREFIX) for dataset in found["results"]]


def judge(row: dict[str, str], ids: Sequence[str]) -> Judgement:
    grades = {name: int(grade) for name, grade in (pair.split(":") for pair in row["must"].split(";"))}
    gains = [2 ** grades.get(name, 0) - 1 for name in ids[:10]]
    best = [2**grade - 1 for grade in sorted(grades.values(), reverse=True)[:10]]
    forbidden = tuple(name for name in row["must_not"].split(";") if name in ids)
    return Judgement(row["query"], row["kind"], _discounted(gains) / _discounted(best), forbidden)


def mean_ndcg(judgements: Sequence[Judgement]) -> float:
    return sum(judgement.ndcg for judgement in judgements) / len(judgements)


def table(judgements: Sequence[Judgement]) -> str:
    """Figures by kind, then the queries that fall short: for a test that fails, and for docs/search.md."""
    kinds = sorted({judgement.kind for judgement in judgements})
    lines = []
    for kind in [*kinds, "all"]:
        some = [judgement for judgement in judgements if kind in (judgement.kind, "all")]
        hits = sum(len(judgement.forbidden) for judgement in some)
        lines.append(f"{kind:<13}{len(some):>4}  nDCG@10 {mean_ndcg(some):.3f}  forbidden {hits}")
    lines += [f"{judgement.ndcg:.2f} {judgement.query} {judgement.forbidden or ''}"
              for judgement in judgements if judgement.ndcg < 0.99 or judgement.forbidden]
    return "\n".join(lines)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
