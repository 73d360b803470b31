"""The privacy gate: genuine forms and disguises are found, numbers of things are not."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from ckanext.gkopen.checks.personal import is_bank_card, is_resident_id
from ckanext.gkopen.checks.privacy import scan

ID, PHONE, CARD = "11010519491231002X", "13912345678", "6222021234567890128"


def kinds(text: str, label: str = "备注", privacy: str = "free_text") -> set[str]:
    found = scan(pa.array(["其他", text, ""]), label, privacy)
    assert all(mask.tolist() == [False, True, False] for mask in found.values())
    return set(found)


@pytest.mark.parametrize("text", [
    ID, f"身份证号{ID}。", "11010519491231002x", "110105 19491231 002X", "110105-1949-1231-002X",
    "１１０１０５１９４９１２３１００２Ｘ",
    "110105\u200b19491231\u200b002X",
])
def test_resident_ids(text):
    assert "id_number" in kinds(text)


@pytest.mark.parametrize("text", [
    PHONE, f"电话：{PHONE}", "139-1234-5678", "139 1234 5678", "+86 13912345678", "8613912345678",
    "１３９１２３４５６７８",
    "一三九一二三四五六七八", f"联系人张某（{PHONE}）",
])
def test_mobiles(text):
    assert "mobile" in kinds(text)


def test_cards_mails_and_permits():
    assert is_bank_card(CARD)
    assert kinds(f"账号{CARD}") == {"bank_card"}
    assert kinds("6222 0212 3456 7890 128") == {"bank_card"}
    assert kinds("请联系 zhang.san@example.com") == {"email"}
    assert kinds("护照号 E12345678") == {"passport"}
    assert kinds("型号 E12345678") == set()


@pytest.mark.parametrize(("text", "label"), [
    ("NTZC2024-13912345678", "项目编号"), ("13912345678", "项目编号"), ("91320600MA1ABCDE5X", "统一社会信用代码"),
    ("2401-320602-04-01-123456", "项目代码"), ("460200202405080101", "施工许可证编号"),
    ("110105194912310021", "备注"), ("通政发〔2024〕12号", "文号"),
    ("https://a.gov.cn/2024/20240513093000123.html", "网址"), ("12345678901234567890", "公告编号"),
    ("13.912345678", "备注"),
    ("2024-05-13 09:30:00", "备注"), ("0513-85098500", "监督电话"), ("12345", "监督电话"),
])
def test_numbers_of_things(text, label):
    assert kinds(text, label, "none") == set()


@pytest.mark.parametrize(("text", "label", "kind"), [
    ("苏D88K66小型客车停在人行道", "违法事实", "plate"), ("京A·12345", "备注", "plate"),
    ("粤B D12345号车", "备注", "plate"),
    ("渝AF12345货车超限", "备注", "plate"),
    ("某花园3幢乙单元101室", "违法事实", "home"), ("12号楼2单元1501", "备注", "home"),
    ("苏D88K66", "公告编号", None), ("苏E3205830311003012", "备注", None), ("京ICP备12345号", "备注", None),
    ("浙ABCDEF会议", "备注", None),
    ("每单元120户，共3单元120户", "建设规模", None), ("国际大厦A座1501室", "地址", None)])
def test_plates_and_homes_are_told(text, label, kind):
    assert kinds(text, label) == ({kind} if kind else set())


@pytest.mark.parametrize(("text", "kind"), [
    ("身份证612401198001011234", "id_number"), ("户主：王某 612523196501012345", "id_number"),
    ("流水612401198001011234", None), ("被征收人张三、李四，补偿款5万元", "said"),
    ("联系人：李四（0915-3212345）", "said"),
    ("当事人张三丰未办理许可", None), ("评委：王五、赵六", "said"), ("联系人：李某", None), ("联系人：市住建局", None),
    ("当事人：常州某商贸有限公司", None), ("联系人及电话", None), ("户主要求", None)])
def test_persons_that_a_text_names(text, kind):
    assert kinds(text) == ({kind} if kind else set())


def test_false_alarms_among_generated_numbers_stay_under_one_percent():
    draw = random.Random(7)
    orders = [f"{draw.randrange(10**9, 10**10)}{draw.randrange(10**7, 10**8)}" for _ in range(20_000)]
    credit = ["91" + "".join(draw.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(16)) for _ in range(20_000)]
    projects = [f"{draw.randrange(1000, 2700)}-{draw.randrange(320000, 330000)}-04-01-{draw.randrange(10**6):06d}"
                for _ in range(20_000)]
    for values, label in ((orders, "订单编号"), (credit, "统一社会信用代码"), (projects, "项目代码")):
        hits = sum(int(mask.sum()) for mask in scan(pa.array(values), label).values())
        assert hits <= len(values) // 100, label


def test_check_digits():
    assert is_resident_id(ID)
    assert not is_resident_id("110105194912310021")
    assert not is_resident_id("11010519490231002X")
