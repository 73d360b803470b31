"""Queries in Solr's syntax do what they say; whatever else is typed finds something or nothing, and never fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from ckan.tests.helpers import CKANTestApp
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen.embedded.site import Site
from ckanext.gkopen.helpers import gkopen_search_is_near
from ckanext.gkopen.search.query import QueryRejectedError, search_query

from . import judged

CORPUS = Path(__file__).parent / "corpus.tsv"
HOSTILE = [
    '"', '""', "'", "(", "((停车", "停车)", "[* TO *]", "{!", "{!lucene}停车", "停车 {!func}rand()", "_query_:\"x\"",
    "title:", "title:(", 'title:"停车', "title:[1 TO", "nosuchfield_x:(", "停车:场", "文号:常政发〔2022〕18号", "a:b:c",
    "+", "-", "--停车", "&&", "||", "停车 && ", "!", "停车~", "停车^", "停车^^2", "*停", "?", "\\", "停车\\", "/停车/",
    "停" * 5_000, "停车 " * 2_000, "a" * 5_000, "\x00停车\x1f", "\ud800", "🚗🅿️", "¦", "^停$", "。，、；", " ", "　",
    "公车 养老院 罚款 打车 看病 充电桩 垃圾", "厕所 买房 老赖 学校 餐馆 医保 驾照 公交站 雾霾 拆迁 社保 过户",
    "AND", "OR", "NOT 停车", "http://example.com/停车?x=1&y=2", "<script>alert(1)</script>", "';DROP TABLE package;--",
]


@pytest.fixture
def corpus(site: Site) -> None:
    judged.index(judged.read(CORPUS))


@pytest.mark.usefixtures("corpus")
def test_hostile_queries_answer(app: CKANTestApp) -> None:
    for query in HOSTILE:
        reply = app.post("/api/3/action/package_search", json={"q": query})
        # Refused before any search (ckanext/gkopen/malformed.py): PostgreSQL holds no NUL and no half character.
        refused = "\x00" in query or query == "\ud800"
        assert reply.status_code == (400 if refused else 200), (query[:50], reply.get_data(as_text=True)[:300])


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("query, expected", [
    ("name:rel-s03", ["s03"]),
    ("title:停车泊位", ["s03"]),
    ("+tags:环卫 -name:rel-s39", ["s02"]),
    ("name:(rel-s01 OR rel-s02)", ["s01", "s02"]),
])
def test_solr_syntax_is_kept(query: str, expected: list[str]) -> None:
    assert sorted(judged.search(query)) == expected


@pytest.mark.usefixtures("corpus")
def test_everything_and_filters() -> None:
    number = len(judged.read(CORPUS))
    assert len(judged.search("")) == len(judged.search("*:*")) == len(judged.search("*")) == number
    assert judged.search("", fq="name:rel-s0*  tags:停车") != []
    assert judged.search("停车", fq="tags:教育") == []
    assert judged.search("。，") == []


@pytest.mark.usefixtures("corpus")
def test_quotes_ask_for_the_characters_themselves() -> None:
    assert judged.search('"网络预约出租汽车"') == ["s07"]
    assert judged.search('"网约车"') == []
    assert judged.search("“停车泊位”") == ["s03"]
    assert judged.search('"PM10、臭氧"') == ["s08"]


@pytest.mark.usefixtures("corpus")
def test_a_fallback_speaks_of_what_the_filter_leaves() -> None:
    """养老机构 is found as words, but not within the filter: there the slip of the pen is another's."""
    assert judged.search("养老机购", fq="tags:养老") == ["s20"]
    assert judged.search("养老机购", fq="tags:停车") == []


@pytest.mark.usefixtures("corpus")
def test_words_are_not_made_of_others() -> None:
    """动车 is no end of 机动车, 门诊 is found, and single characters side by side say nothing."""
    assert judged.search("动车") == judged.search("江大") == judged.search("业务员工") == []
    assert judged.search("门诊") == ["s19"]


@pytest.mark.usefixtures("corpus")
def test_a_place_alone_is_not_what_was_asked_for() -> None:
    assert judged.search("溧阳市动物园") == []
    assert judged.search("溧阳市婚姻登记") == ["s22"]


@pytest.mark.usefixtures("corpus")
def test_of_two_things_that_are_not_found_together_either_will_do() -> None:
    assert sorted(judged.search("接种门诊 养老机构")) == ["s19", "s20"]


@pytest.mark.usefixtures("corpus")
def test_titles_sort_by_pinyin() -> None:
    found = judged.search("", sort="title_string asc")
    assert found.index("s35") < found.index("s03")      # 北京 before 武进
    assert [name for name in found if name in ("s35", "s13", "s30", "s38")] == ["s35", "s13", "s38", "s30"]


@pytest.mark.usefixtures("corpus")
@settings(max_examples=60)
@given(st.text(st.sampled_from('停车场市养老〔〕0129:"()[]{}!^~*?\\/+-&| AND_query_') | st.characters()))
def test_any_text_answers(query: str) -> None:
    judged.search(query)


def test_without_solr_the_query_stays_as_it_is() -> None:
    def refuse(clauses: object) -> list[int]:
        raise QueryRejectedError("no connection")

    assert search_query({"q": "停车"}, refuse) == ({"q": "停车"}, False)


def test_a_caller_who_sets_the_parser_is_left_alone() -> None:
    params = {"q": "停车 场", "defType": "edismax", "qf": "title"}
    assert search_query(params, lambda clauses: [1] * len(clauses)) == (params, False)


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("query, near", [
    ("接种门诊", False), ("停车 泊位", False), ("jiezhongmenzhen", False), ("恐龙", False), ("养老机购", True),
    ("接种门诊 养老机构", True), ("停车泊位 恐龙化石", True),
])
def test_what_comes_near_only_is_known(app: CKANTestApp, query: str, near: bool) -> None:
    """Words that were left out, or read as others: a page must not count datasets "for" these."""
    with app.flask_app.test_request_context():
        assert bool(judged.search(query)) == (query != "恐龙")
        assert gkopen_search_is_near() == near
