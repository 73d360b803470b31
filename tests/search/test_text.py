"""Folding, cutting and the lists: what index and query have in common. No server."""

from __future__ import annotations

from pathlib import Path

import pytest
from ckan.common import config

from ckanext.gkopen.search.document import BREAK, department_tokens, word_tokens
from ckanext.gkopen.search.terms import ask
from ckanext.gkopen.search.text import fold, parts, pieces, stem, words
from ckanext.gkopen.search.units import (
    characters,
    inner_phrases,
    phrases,
    same_initials,
    same_sound,
    sounds,
    spelt,
    syllables,
    written,
)
from ckanext.gkopen.search.vocabulary import DATA, vocabulary


@pytest.mark.parametrize("written, folded", [
    ("臺灣同胞投資", "台湾同胞投资"), ("ＰＭ２．５", "PM2.5"), ("𠮷野家", "吉野家"), ("“三公”经费", "三公经费"),
    ("停 车 泊 位", "停车泊位"), ("停车 泊位", "停车 泊位"), ("二〇三五年", "2035年"), ("一号线", "1号线"),
    ("1 号线", "1号线"), ("PM 2.5", "PM2.5"), ("5 G 基站", "5G 基站"), ("2024 年 5 月", "2024年 5 月"),
    ("kōngqì zhìliàng", "kongqi zhiliang"), ("LǙYÓU lǚyóu", "LvYOU lvyou"), ("Café", "Cafe"),
])
def test_one_form_for_all_ways_to_write(written: str, folded: str) -> None:
    assert fold(written) == folded


@pytest.mark.parametrize("text, kind, tokens", [
    ("通政发〔2019〕12号", "document", "通政发〔2019〕12"), ("通政发[2019]12号", "document", "通政发〔2019〕12"),
    ("通政发(2019)第12号", "document", "通政发〔2019〕12"), ("海政发2021年12号", "document", "海政发〔2021〕12"),
    ("见〔2019〕12号", "document", "见〔2019〕12"), ("〔2019〕12号", "document", "〔2019〕12"),
    ("依据GB 3838-2002", "standard", "gb3838-2002"), ("GB/T 33357", "standard", "gbt33357"),
    ("PM2.5", "latin", "pm25"), ("5G", "latin", "5g"), ("1号线", "number", "1号线"), ("A级", "number", "a级"),
    ("2410-350121-04-01-136129", "number", "2410-350121-04-01-136129"), ("2024年", "number", "2024"),
])
def test_numbers_and_latin_words_stay_whole(text: str, kind: str, tokens: str) -> None:
    assert (kind, tokens) in [(piece.kind, piece.tokens[0]) for piece in pieces(fold(text)) if piece.tokens]


@pytest.mark.parametrize("text, absent", [
    ("空气质量", "气质"), ("不动产登记", "动产"), ("未成年人保护", "成年人"), ("南通市长江岸线", "市长"),
    ("网上海关", "上海"), ("行政执法人员", "法人"), ("湖北京山市", "北京"), ("大学生活动中心", "生活"),
    ("最高中标金额", "高中"),
    ("学校长期闲置", "校长"), ("卫生健康委员会计划", "会计"), ("全市场馆", "市场"), ("沿海安全", "海安"),
])
def test_no_word_across_the_edges_of_words(text: str, absent: str) -> None:
    found = " ".join(word_tokens([text])).replace("/", " ").split()
    assert absent not in found


def test_edges_of_words_stand_in_the_characters() -> None:
    assert characters("湖北京山") == ["^湖+", "北$", "^京+", "山$"]
    assert characters("不动产") == ["^不+", "动+", "产"]      # no end: 动产 is another thing
    assert characters("停车场") == ["^停+", "车$+", "场$"]
    assert written("^停+").split("/") == ["停", "停+", "^停", "^停+"] and written("场$").split("/") == ["场", "场$"]
    assert inner_phrases("车道") == ['"^车+ 道"'] and inner_phrases("小学生") == ['"^小+ 学+ 生"', '"小+ 学+ 生$"']


def test_long_words_are_found_by_their_parts() -> None:
    assert parts("空气质量") == ("空气", "质量")
    assert parts("未成年人") == ("未成年人",)
    assert parts("市政和园林局") == ("市政", "和", "园林局")
    assert parts("农业农村局") == ("农业", "农村", "局")
    assert "停车场/停车" in word_tokens(["停车场"])
    assert "海门区/海门" in word_tokens(["海门区"])
    assert word_tokens(["停车；场"])[1] == BREAK


def test_departments_by_any_name() -> None:
    assert department_tokens(["南通市生态环境局"]) == ["@生态环境局"]
    assert department_tokens(["如东县环境保护局"]) == ["@生态环境局"]
    assert department_tokens(["南通市自然资源和规划局崇川分局"]) == ["@自然资源和规划局"]


def test_departments_are_called_without_their_ending_or_with_another() -> None:
    departments = vocabulary().departments
    assert departments["人社"] == departments["人社局"] and departments["旅游委"] == departments["旅游局"]
    assert "教育" not in departments


def test_english_stems_leave_names_alone() -> None:
    assert [stem(word) for word in ("Hospitals", "facilities", "buses", "Bus", "AED", "aed", "GIS")] == [
        "hospital", "facility", "bus", "bus", "aed", "aed", "gis"]


def test_sounds() -> None:
    assert ("kong", "qi", "zhi", "liang") in spelt("kongqizhiliang")
    assert spelt("hospital") == [] and len(spelt("a" * 500)) == 0
    assert syllables("重庆市") == ["^chong", "qing$", "shi$"]
    assert "公租房" in same_sound(("gong", "zu", "fang"))
    assert sounds("献血") == ("xian", "xue")
    assert "公积金" in same_initials("gjj")
    assert phrases(("bei", "jing")) == ['"^bei jing$"']


def test_questions_keep_what_they_are_about() -> None:
    question = ask("今天的空气质量怎么样")
    assert [term.text for term in question.hard] == ["空气质量"]
    assert "日报" in question.wishes
    assert [term.text for term in ask("南通市哪里有停车场").hard] == ["南通市", "停车场"]
    assert [term.text for term in ask("通知公告").hard] == ["通知", "公告"]    # nothing but general nouns: they count
    assert [term.text for term in ask("停车一小时多少钱").hard] == ["停车"]
    assert [term.text for term in ask("水的价格").hard] == ["水", "价格"]
    assert ask("？！。").terms == []


def test_every_list_can_be_read_and_is_simplified() -> None:
    lists = vocabulary()
    assert len(lists.synonyms) > 900 and len(lists.departments) > 300 and len(lists.places) > 4_000
    for path in DATA.iterdir():
        assert path.read_text("utf-8").startswith("#"), f"{path.name} does not say where its words come from"
    unfolded = [word for word in lists.own if fold(word).lower() != word.lower() and "〇" not in word]
    assert unfolded == []


def test_a_city_adds_its_words(tmp_path: Path) -> None:
    (tmp_path / "synonyms.tsv").write_text("蓝皮车 = 网约车\n", "utf-8")
    (tmp_path / "terms.txt").write_text("通城通办\n", "utf-8")
    config["ckanext.gkopen.search.words"] = str(tmp_path)
    vocabulary.cache_clear()
    words.cache_clear()
    try:
        assert ("网约车", 0.7) in vocabulary().synonyms["蓝皮车"].words
        assert words("通城通办") == ("通城通办",)
    finally:
        del config["ckanext.gkopen.search.words"]
        vocabulary.cache_clear()
        words.cache_clear()
