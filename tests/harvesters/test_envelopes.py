"""Answers are decoded without losing a digit, or refused."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckanext.gkopen.harvesters import AnswerTooLarge, BadAnswer, SourceRefused, envelopes
from ckanext.gkopen.harvesters.catalogue import parse_entry
from ckanext.gkopen.harvesters.envelopes import (
    Envelope,
    decode,
    make_envelope,
    rows_of,
    storable,
    told_time,
    total_of,
    unwrap,
)

PLAIN = Envelope("rows", "total")


NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("told", [
    f'{{"code": "401", "timestamp": {int(NOW.timestamp())}}}',
    f'{{"code": "401", "timestamp": "{int(NOW.timestamp())}"}}',
    f'{{"code": "401", "data": {{"serverTime": {int(NOW.timestamp() * 1000)}}}}}',
    '{"code": "401", "systemTime": "2026-11-22 17:30:00"}',
    '{"code": "401", "time": "2026-11-22T09:30:00Z"}',
])
def test_the_platforms_time_is_read_from_its_answer(told):
    assert told_time(told.encode()) == NOW


@pytest.mark.parametrize("told", ["no JSON", '{"time": "12 ms"}', '{"timestamp": 5}', '{"time": {"now": 1}}', "[]"])
def test_what_is_no_time_is_none(told):
    assert told_time(told.encode()) is None


def row(text: str) -> dict[str, str | None]:
    (found,) = rows_of(decode(f'{{"rows": [{text}]}}'.encode()), PLAIN)
    return found


@pytest.mark.parametrize(
    "number", ["90071992547409.93", "100.00", "1e5", "-0", "0.1000", "123456789012345678901234567890", "1.10E-7"]
)
def test_numbers_keep_their_digits(number):
    assert row(f'{{"金额": {number}}}') == {"金额": number}


@given(st.decimals(allow_nan=False, allow_infinity=False).map(str))
def test_any_number_keeps_its_digits(number):
    assert row(f'{{"n": {number}}}') == {"n": number}


def test_null_true_and_nested_values():
    assert row('{"a": null, "b": true, "c": "", "d": "null"}') == {"a": None, "b": "true", "c": "", "d": "null"}
    assert row('{"items": [{"价": 1.50, "名": "桌"}, null]}') == {"items": '[{"价":1.50,"名":"桌"},null]'}


def test_a_byte_order_mark_is_no_part_of_the_answer():
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": "1"}


GBK = '{"rows": [{"单位": "江海市交通运输局"}], "total": 1}'.encode("gbk")


@pytest.mark.parametrize("charset", ["GBK", "gb2312", "GB18030"])
def test_an_answer_in_the_chinese_encoding_that_its_header_names_is_read(charset):
    assert rows_of(decode(GBK, charset), PLAIN) == [{"单位": "江海市交通运输局"}]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_stays_as_it_was_printed_for_its_row_to_be_judged(constant):
    assert row(f'{{"额": {constant}, "表": [{constant}]}}') == {"额": constant, "表": f'["{constant}"]'}
    with pytest.raises(BadAnswer, match="no number of rows"):
        total_of(decode(f'{{"rows": [], "total": {constant}}}'.encode()), PLAIN)


def test_single_broken_bytes_leave_the_rest_of_an_answer_in_utf_8():
    good = "江海市城市停车管理中心" * 10
    whole = f'{{"rows": [{{"单位": "{good}"}}, {{"单位": "江〇市"}}], "total": 2}}'
    raw = whole.encode().replace("〇".encode(), b"\xe6")
    for charset in ("", "UTF-8"):
        assert rows_of(decode(raw, charset), PLAIN) == [{"单位": good}, {"单位": "江\ufffd市"}]
    with pytest.raises(BadAnswer, match="UTF-8"):
        decode(raw.replace(good.encode(), b""))          # of so few characters nobody knows which encoding it is


def test_single_broken_bytes_leave_the_rest_of_an_answer_in_gbk():
    good = "江海市城市停车管理中心" * 10
    raw = f'{{"rows": [{{"单位": "{good}"}}, {{"单位": "江〇市"}}], "total": 2}}'.encode("gb18030")
    raw = raw.replace("〇".encode("gb18030"), b"\xff")
    assert rows_of(decode(raw, "GBK"), PLAIN) == [{"单位": good}, {"单位": "江\ufffd市"}]
    with pytest.raises(BadAnswer, match="said to be GBK"):
        decode(raw.replace(good.encode("gb18030"), b""), "GBK")
    with pytest.raises(BadAnswer, match="cut"):
        decode(raw[:raw.index(b"\xff")].removesuffix(b"\xad"), "GBK")


def test_an_answer_in_utf_8_with_a_broken_byte_is_not_read_as_the_gbk_that_its_header_names():
    good = "江海市城市停车管理中心" * 10
    raw = f'{{"rows": [{{"单位": "{good}"}}, {{"单位": "江〇〇市"}}], "total": 2}}'.encode()
    raw = raw.replace("〇〇".encode(), b"\xe6\xb1")
    assert rows_of(decode(raw, "GBK"), PLAIN) == [{"单位": good}, {"单位": "江\ufffd市"}]


def test_a_header_that_names_an_encoding_which_is_not_sent_does_no_harm():
    """UTF-8 read as GBK gives other characters, and no error."""
    assert decode('{"单位": "江海市"}'.encode(), "GBK") == {"单位": "江海市"}


@pytest.mark.parametrize("charset", ["", "ISO-8859-1", "no such thing"])
def test_an_encoding_is_never_guessed(charset):
    with pytest.raises(BadAnswer, match="charset=GBK"):
        decode(GBK, charset)


def test_half_a_character_stays_for_its_row_to_be_judged_and_is_marked_elsewhere():
    halves = '{"名\\ud83d": "甲\\uD800", "n": 1.50, "whole": "\\ud83d\\ude00", "in": ["\\udfff", 2.0]}'
    assert row(halves) == {"名\ud83d": "甲\ud800", "n": "1.50", "whole": "😀", "in": '["\udfff",2.0]'}
    told = storable(decode(halves.encode()))
    assert told == {"名�": "甲�", "n": "1.50", "whole": "😀", "in": ["�", "2.0"]} and type(told["n"]) is not str


@pytest.mark.parametrize("answer", ['{"data": {"list": null, "total": 120}}', '{"data": {"list": null, "total": null}}',
                                    '{"data": {"list": null}}', '{"data": null}'])
def test_null_is_how_many_platforms_send_no_rows(answer):
    assert rows_of(decode(answer.encode()), Envelope("data.list")) == []


def test_a_null_total_is_none_only_where_there_are_no_rows():
    assert total_of(decode(b'{"rows": null, "total": null}'), PLAIN) == 0
    for answer in (b'{"rows": [{"a": 1}], "total": null}', b'{"rows": null}'):
        with pytest.raises(BadAnswer):
            total_of(decode(answer), PLAIN)


def test_a_code_that_means_no_rows_is_an_empty_list_and_no_other_is():
    envelope = make_envelope({"paths": {"rows": "data.list", "total": "data.total", "code": "code", "ok": ("0",),
                                        "empty": ("204",)}})
    for answer in (b'{"code": 204, "msg": "no data"}', b'{"code": "204", "data": {"list": "none"}}'):
        unwrap(decode(answer), envelope)
        assert (rows_of(decode(answer), envelope), total_of(decode(answer), envelope)) == ([], 0)
    with pytest.raises(BadAnswer, match="empty") as caught:
        unwrap(decode(b'{"code": 500}'), envelope)
    assert "（）" not in caught.value.zh and "()" not in caught.value.en, "nothing was said"
    with pytest.raises(BadAnswer):
        rows_of(decode(b'{"code": 0}'), envelope)


def test_a_platform_that_repeats_the_secret_does_not_make_it_known():
    """Before it is shortened: the first half of a secret is too much as well."""
    secret = "eyJhbGciOiJIUzI1NiJ9." * 6
    for at in (0, 60):
        envelope = make_envelope("bearer", secret)
        with pytest.raises(SourceRefused) as caught:
            unwrap(decode(f'{{"errcode": 401, "result": "{"令" * at} {secret} 已失效"}}'.encode()), envelope)
        assert "eyJ" not in str(caught.value) and "*** 已失效" in caught.value.zh and "eyJ" not in repr(envelope)


def test_rows_sent_as_a_text_that_holds_json_keep_their_digits():
    envelope = Envelope("data.list", "data.total")
    for answer in (r'{"data": "{\"total\": 1, \"list\": [{\"金额\": 100.00}]}"}',
                   r'{"data": {"total": 1, "list": "[{\"金额\": 100.00}]"}}'):
        found = decode(answer.encode())
        assert (rows_of(found, envelope), total_of(found, envelope)) == ([{"金额": "100.00"}], 1)


REFUSED = [
    (b"<html></html>", "web page"),
    (b"  <?xml version='1.0'?>", "web page"),
    ("\ufeff<html>服务未注册</html>".encode(), "web page"),
    ('<?xml version="1.0" encoding="GBK"?><error>服务未注册</error>'.encode("gbk"), "web page"),
    (gzip.compress(b'{"rows": []}'), "gzip"),
    (b"", "the answer is empty"),
    (b'{"rows": [{"a": "b', "cut"),
    ('{"a": "政"}'.encode()[:-3], "cut"),
    (b'{"rows": [1, 2', "cut"),
    (b'{"a": 1,, "b": 2}', "line 1"),
    ('{"a": "政府"}'.encode("gb18030"), "UTF-8"),
    ('{"a": "b"}'.encode("utf-16"), "UTF-8"),
    (b'{"a": 1, "a": 2}', "twice"),
    (b'{"rows": [{"a": 1, "b": 2, "a": 1}]}', "twice"),
    (("联" * 40 + "通").encode()[:-1] + b'"', "UTF-8"),
    ('{"code": 0, "rows": ["a", "\xb5"]}'.encode("latin-1"), "UTF-8"),
    (b"[1]", "object"),
    (b'"text"', "object"),
    (b'{"a":' + b"[" * 200_000, "nested"),
]


@pytest.mark.parametrize(("raw", "said"), REFUSED, ids=[said + str(at) for at, (_, said) in enumerate(REFUSED)])
def test_what_is_no_answer_is_refused_with_what_came(raw, said):
    with pytest.raises(BadAnswer) as caught:
        decode(raw)
    assert said in caught.value.en


@pytest.mark.parametrize("value", [b"{},", b"[],", b"1,", b'"":0,'])
def test_an_answer_of_more_values_than_fit_is_refused_before_it_is_taken_apart(monkeypatch, value):
    """Each takes fifty times its bytes of memory: 60 MB of them, which gzip makes of 60 kB, would end the worker."""
    monkeypatch.setattr(envelopes, "_parsed", lambda text: pytest.fail("it was taken apart"))
    with pytest.raises(AnswerTooLarge, match="2000000 values; make page_size"):
        decode(b'{"rows": [' + value * 2_000_001 + b"1]}")


def test_a_null_among_rows_is_an_empty_row():
    assert rows_of(decode(b'{"rows": [{"a": "1"}, null, {"a": "2"}]}'), PLAIN) == [{"a": "1"}, {}, {"a": "2"}]


@pytest.mark.parametrize("text", ["{}", '{"rows": {}}', '{"rows": [1]}', '{"rows": [["a"]]}', '{"rows": [null]}',
                                  '{"rows": "' + "[" * 200_000 + '"}'])
def test_rows_must_be_a_list_of_objects(text):
    with pytest.raises(BadAnswer, match="rows"):
        rows_of(decode(text.encode()), PLAIN)


@pytest.mark.parametrize(("text", "total"), [('"230"', 230), ("230", 230), ("0", 0), ("230.0", 230),
                                             ('"1,230"', 1230), ('"1,002,300"', 1_002_300)])
def test_totals_come_as_number_or_text(text, total):
    assert total_of(decode(f'{{"total": {text}}}'.encode()), PLAIN) == total


@pytest.mark.parametrize("text", ["-1", "1.5", "null", '"many"', '"２３"', "true", "9999999999999", '"1,23"', '",123"'])
def test_a_total_that_is_no_count_is_refused(text):
    with pytest.raises(BadAnswer, match="total"):
        total_of(decode(f'{{"rows": [{{}}], "total": {text}}}'.encode()), PLAIN)


def test_openness_is_never_inferred_from_sharing():
    """无条件共享 says nothing about 开放: three regimes, three fields."""
    text = '{"data": {"resCode": "1/2", "resName": "表", "shareType": "无条件共享"}}'
    entry = parse_entry(decode(text.encode()), b"")
    assert entry.open is None
    assert entry.share_type == "无条件共享"


@pytest.mark.parametrize(("said", "is_open"), [("是", True), ("1", True), ("否", False), ("不予开放", False),
                                               ("有条件开放", None)])
def test_what_the_entry_says_of_openness(said, is_open):
    text = f'{{"data": [{{"信息资源代码": "1/2", "信息资源名称": "表", "是否向社会开放": "{said}"}}]}}'
    entry = parse_entry(decode(text.encode()), b"")
    assert entry.open is is_open
    assert entry.open_type == (said if is_open is None else "")


def test_a_whole_entry():
    text = """{"result": {"信息资源代码": "307010/001", "信息资源名称": "采购公告", "信息资源提供方": "市财政局",
        "资源提供方代码": "113206000140", "关联资源代码": "307010/002、307010/003；307010/004", "更新周期": "每日",
        "信息项": [{"信息项名称": "预算金额", "数据类型": "货币型Y", "数据长度": 18}]}}"""
    entry = parse_entry(decode(text.encode()), b"raw")
    assert (entry.res_code, entry.title, entry.provider) == ("307010/001", "采购公告", "市财政局")
    assert entry.related_codes == ("307010/002", "307010/003", "307010/004")
    assert (entry.items[0].name, entry.items[0].type, entry.items[0].length) == ("预算金额", "货币型Y", "18")
    assert entry.raw == b"raw"


def test_an_answer_without_an_entry_is_refused():
    with pytest.raises(BadAnswer, match="catalogue"):
        parse_entry(decode(b'{"data": {"a": 1}}'), b"")


@pytest.mark.parametrize(("code", "ok"), [("true", "true"), ("0", "0"), ('"成功"', "成功")])
def test_a_code_is_a_number_a_text_or_a_truth(code, ok):
    unwrap(decode(f'{{"code": {code}}}'.encode()), Envelope("data", code="code", ok=(ok,)))


def test_what_a_gateway_in_front_says_is_told_although_it_has_another_shape():
    with pytest.raises(BadAnswer) as caught:
        unwrap(decode('{"success":false,"msg":"服务熔断"}'.encode()), make_envelope("national"))
    assert "code=None" in caught.value.en and "服务熔断" in caught.value.zh and "服务熔断" in caught.value.en


def test_a_code_that_is_not_known_may_be_one_of_success_and_is_not_to_be_taken_for_no_rows():
    """Who wrote 0000 as `empty` would publish nothing for ever, and a source of changes would look well."""
    with pytest.raises(BadAnswer) as caught:
        unwrap(decode(b'{"code":"0000","message":"ok"}'), make_envelope("national"))
    for key in ("ok", "refused", "limited", "empty"):
        assert key in caught.value.zh.partition("envelope.paths")[2] and key in caught.value.en.partition("paths")[2]
    assert "（ok）" in caught.value.zh


def test_a_code_of_a_books_length_is_told_in_short():
    with pytest.raises(BadAnswer) as caught:
        unwrap({"code": "错" * 100_000}, Envelope("data", code="code", ok=("0",)))
    assert "错错…" in caught.value.zh and len(caught.value.zh) < 300


def test_a_code_that_is_a_tower_of_lists_is_no_success():
    with pytest.raises(BadAnswer, match="does not say that"):
        unwrap(decode(b'{"code": ' + b"[" * 700 + b"]" * 700 + b"}"), Envelope("data", code="code", ok=("0",)))


def test_what_is_no_list_in_an_entry_is_left_out():
    entry = parse_entry(decode(b'{"resCode": "1/2", "resName": "t", "relatedCodes": true, "items": true}'), b"")
    assert (entry.related_codes, entry.items) == ((), ())
