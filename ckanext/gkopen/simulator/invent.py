"""Invented records of each domain, one by its number: the same seed and number always give the same record.

Bodies, companies and projects are made up; credit codes carry a right check character and a registration
region that does not exist (999999), so that none can be anyone's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random

from stdnum.cn import uscc

Record = dict[str, str]

NOTICES = (
    "采购意向公告", "资格预审公告", "招标公告", "竞争性谈判（竞争性磋商、询价）公告", "单一来源采购公示", "更正公告",
    "终止公告", "中标（成交）结果公告", "合同公告", "公共服务项目验收结果公告", "投诉处理结果公告",
    "监督检查处理结果公告", "集中采购机构考核结果公告",
)  # fmt: skip
WITH_SUPPLIER = {"中标（成交）结果公告", "合同公告", "公共服务项目验收结果公告"}
WITH_REASON = {
    "更正公告": "采购需求调整",
    "终止公告": "有效供应商不足三家",
    "投诉处理结果公告": "投诉事项不成立",
}
METHODS = ("公开招标", "邀请招标", "竞争性谈判", "竞争性磋商", "询价", "单一来源采购", "框架协议采购")
GOODS = (
    ("办公设备", "货物", "A02020000"), ("医疗设备", "货物", "A02320000"), ("教学仪器", "货物", "A02100000"),
    ("道路养护", "工程", "B02000000"), ("校舍修缮", "工程", "B08000000"), ("河道清淤", "工程", "B03000000"),
    ("物业管理服务", "服务", "C21040000"),
    ("信息系统运维服务", "服务", "C16070000"), ("规划编制服务", "服务", "C20010000"),
)  # fmt: skip
# 类, 款, 项 of 政府收支分类科目
FUNCTIONS = (
    ("201", "一般公共服务支出"), ("20103", "政府办公厅（室）及相关机构事务"), ("2010301", "行政运行"),
    ("2010302", "一般行政管理事务"), ("205", "教育支出"), ("20502", "普通教育"), ("2050201", "学前教育"),
    ("2050202", "小学教育"), ("2050203", "初中教育"), ("208", "社会保障和就业支出"), ("20805", "行政事业单位养老支出"),
    ("2080505", "机关事业单位基本养老保险缴费支出"), ("210", "卫生健康支出"), ("21011", "行政事业单位医疗"),
    ("2101101", "行政单位医疗"), ("221", "住房保障支出"), ("22102", "住房改革支出"), ("2210201", "住房公积金"),
)  # fmt: skip
SECTORS = ("交通运输", "公路与市政道路", "水务与固废", "教育", "卫生健康", "住房与城市更新", "文化体育")
STAGES = ("立项", "前期准备", "实施", "竣工", "运营维护")
EVENTS = (
    ("批准服务信息", "办事指南公布"), ("批准结果信息", "可行性研究报告批复"), ("招标投标信息", "中标结果公示"),
    ("征收土地信息", "征收土地公告"), ("重大设计变更信息", "设计变更批复"), ("施工有关信息", "施工许可"),
    ("质量安全监督信息", "监督抽查结果"), ("竣工有关信息", "竣工验收备案"), ("行政处罚信息", "行政处罚决定"),
)  # fmt: skip
REQUESTS = ("咨询", "求助", "投诉", "举报", "建议", "感谢", "其他")
PLACES = ("东", "西", "南", "北", "中", "新", "安", "宁", "和", "泰", "兴", "丰", "瑞", "康", "华", "明")
EPOCH = date(2020, 1, 1)


def body(number: int) -> str:
    kinds = ("财政局", "教育局", "交通运输局", "水利局", "城市管理局", "卫生健康委员会", "住房和城乡建设局")
    return f"示范{_name(number // len(kinds))}区{kinds[number % len(kinds)]}"


def company(number: int) -> str:
    kinds = ("建设工程有限公司", "科技有限公司", "物业服务有限公司", "医疗器械有限公司", "工程咨询有限公司")
    return f"示例{_name(number // len(kinds))}{kinds[number % len(kinds)]}"


@lru_cache(maxsize=20_000)
def credit_code(number: int, kind: str = "91") -> str:
    """A credit code with a right check character; `kind` 11 for a government body, 91 for a company."""
    stem = f"{kind}999999{number:09d}"[:17]
    return stem + uscc.calc_check_digit(stem)


def procurement(random: Random, index: int) -> Record:
    notice = NOTICES[index % len(NOTICES)]
    project = index // len(NOTICES)
    buyer = project % 60
    what, category, item = GOODS[project % len(GOODS)]
    when = datetime(2022, 1, 1, 9) + timedelta(days=project % 1500 + index % len(NOTICES), minutes=project % 400)
    # One process has one budget, one winner and one price, whichever notice tells of it.
    known = Random(~project)
    budget, supplier, share = known.randrange(100_000, 90_000_000), known.randrange(400), known.randrange(80, 100)
    awarded = notice in WITH_SUPPLIER
    award = _yuan(budget * share // 100) if awarded else ""
    contract = notice in ("合同公告", "公共服务项目验收结果公告")
    return {
        "公告编号": f"GK{when.year}-{index:09d}",
        "公告类型": notice,
        "发布时间": when.strftime("%Y-%m-%d %H:%M:%S"),
        "项目编号": f"SF{project:08d}",
        "项目名称": f"{body(buyer)}{what}采购项目（{project}）",
        "采购单位": body(buyer),
        "采购单位统一社会信用代码": credit_code(buyer, "11"),
        "采购方式": METHODS[project % len(METHODS)],
        "采购类别": category,
        "品目编码": item,
        "预算金额（元）": _yuan(budget),
        "最高限价（元）": _yuan(budget),
        "资金来源": "财政资金",
        "中标供应商": company(supplier) if awarded else "",
        "中标供应商统一社会信用代码": credit_code(supplier) if awarded else "",
        "中标金额（元）": award,
        "计价方式": "金额" if awarded else "",
        "合同编号": f"HT{index:09d}" if contract else "",
        "签订日期": when.strftime("%Y-%m-%d") if contract else "",
        "合同金额（元）": award if contract else "",
        "验收结论": "合格" if notice == "公共服务项目验收结果公告" else "",
        "更正（终止）原因": WITH_REASON.get(notice, ""),
    }


def budget(random: Random, index: int) -> Record:
    """Rows of a block (one unit, year and phase) add up: 类 = its 款 = their 项."""
    block, place = divmod(index, len(FUNCTIONS))
    unit, year, phase = block // 10, 2020 + block // 2 % 5, ("预算", "决算")[block % 2]
    code, name = FUNCTIONS[place]
    cents = sum(
        Random(f"{block}:{leaf}").randrange(1_000_000, 900_000_000)
        for leaf, _ in FUNCTIONS
        if len(leaf) == 7 and leaf.startswith(code)
    )
    return {
        "年度": str(year),
        "阶段": phase,
        "预算类型": "一般公共预算",
        "级次": "部门",
        "单位": body(unit),
        "单位代码": f"{unit:06d}",
        "收支方向": "支出",
        "功能科目编码": code,
        "功能科目名称": name,
        "金额（元）": _yuan(cents),
    }


def project(random: Random, index: int) -> Record:
    year, sector, stage = 2018 + index % 8, SECTORS[index % len(SECTORS)], STAGES[index % len(STAGES)]
    started = date(year, 3, 1) + timedelta(days=index % 200)
    owner = index % 60
    running = STAGES.index(stage)
    return {
        "记录类型": "单个项目",
        "项目代码": project_code(index),
        "项目名称": f"示范{_name(index)}{sector}项目（{index}）",
        "建设地点": f"示范{_name(owner // 7)}区",
        "项目法人": body(owner),
        "统一社会信用代码": credit_code(owner, "11"),
        "项目类型": ("新建", "改造", "扩建")[index % 3],
        "行业": sector,
        "建设规模及内容": f"总建筑面积{random.randrange(800, 90_000)}平方米",
        "总投资": _yuan(random.randrange(500_000_000, 90_000_000_000)),
        "金额单位": "元",
        "资金来源": "财政资金",
        "当前阶段": stage,
        "开工日期": started.isoformat() if running >= 2 else "",
        "竣工日期": (started + timedelta(days=500)).isoformat() if running >= 3 else "",
    }


def project_event(random: Random, index: int) -> Record:
    owner, which = divmod(index, len(EVENTS))
    item, event = EVENTS[which]
    when = date(2018 + owner % 8, 1, 10) + timedelta(days=30 * which)
    changed = item == "重大设计变更信息"
    before = random.randrange(500_000_000, 90_000_000_000)
    return {
        "项目代码": project_code(owner),
        "信息类别": item,
        "事项名称": event,
        "日期": when.isoformat(),
        "文号": f"示范发改〔{when.year}〕{index}号",
        "办理机关": body(owner % 60),
        "变更前金额": _yuan(before) if changed else "",
        "变更后金额": _yuan(before + before // 20) if changed else "",
        "金额单位": "元",
    }


def hotline(random: Random, index: int) -> Record:
    block, kind = divmod(index, len(REQUESTS))
    area, month = block % 9, block // 9
    year, number = 2015 + month // 12, month % 12 + 1
    counts = [Random(f"{block}:{at}").randrange(50, 9000) for at in range(len(REQUESTS))]
    return {
        "统计期间": f"{year}-{number:02d}",
        "周期类型": "月",
        "区县": f"示范{_name(area)}区",
        "渠道": "12345热线",
        "统计维度": "诉求类型",
        "类别": REQUESTS[kind],
        "数值": str(counts[kind]),
        "计量单位": "件",
        "占比": f"{counts[kind] * 100 / sum(counts):.2f}%",
    }


def project_code(index: int) -> str:
    return f"{2018 + index % 8}-999999-{index % 90 + 10}-01-{index:06d}"


def _name(number: int) -> str:
    size = len(PLACES)
    return PLACES[number % size] + PLACES[number // size % size]


def _yuan(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


MAKERS: dict[str, Callable[[Random, int], Record]] = {
    "procurement": procurement,
    "budget": budget,
    "project": project,
    "project_event": project_event,
    "hotline": hotline,
}
