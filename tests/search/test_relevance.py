"""Chinese search finds what people mean: judged queries, through CKAN's own indexing and ``package_search``."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckanext.gkopen.embedded.places import PROJECT
from ckanext.gkopen.embedded.site import Site

from . import judged

HERE = Path(__file__).parent
#: The judged set that the project was given. It is not part of the project, so it may be absent.
SHARED = PROJECT.parent / "shared" / "search"
GOAL = 0.92


def results(corpus: Path, queries: Path) -> list[judged.Judgement]:
    judged.index(judged.read(corpus))
    return [judged.judge(row, judged.search(row["query"])) for row in judged.read(queries)]


def check(judgements: list[judged.Judgement]) -> None:
    print(judged.table(judgements))     # pytest -rP shows the figures of docs/search.md
    assert not [judgement for judgement in judgements if judgement.forbidden]
    assert judged.mean_ndcg(judgements) >= GOAL, judged.table(judgements)


def test_own_set(site: Site) -> None:
    check(results(HERE / "corpus.tsv", HERE / "queries.tsv"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the given relevance set lies beside the project, not in it")
@pytest.mark.parametrize("queries", [SHARED / "queries.tsv", HERE / "further_queries.tsv"], ids=lambda p: p.stem)
def test_given_corpus(site: Site, queries: Path) -> None:
    check(results(SHARED / "corpus.tsv", queries))
