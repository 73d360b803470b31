"""A table of `bench_notice` as a department sends it: generated from a fixed seed, in no order, amounts in yuan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

SEED = 20240513
MONTHS = 118
DISTRICTS = tuple(f"{first}{second}区" for first in "东西南北中新" for second in "安宁和泰兴丰")
OFFICES = ("财政局", "教育局", "交通运输局", "水利局", "城市管理局", "卫生健康委员会", "住房和城乡建设局")
GOODS = (
    "办公设备", "医疗设备", "教学仪器", "道路养护工程", "校舍修缮工程", "河道清淤工程",
    "物业管理服务", "信息系统运维服务",
)
KINDS = ("货物", "货物", "货物", "工程", "工程", "工程", "服务", "服务")
METHODS = ("公开招标", "邀请招标", "竞争性谈判", "竞争性磋商", "询价", "单一来源采购")
FIRMS = ("建设工程有限公司", "科技有限公司", "物业服务有限公司", "医疗器械有限公司", "工程咨询有限公司")
REMARKS = (
    "合同履行期限自签订之日起一年，质量保证期两年",
    "本项目不接受联合体投标，专门面向中小企业采购",
    "按季度付款，验收合格后支付尾款",
)


def table(rows: int) -> pa.Table:
    """The rows in source order, labels as columns, every cell a text."""
    random = np.random.default_rng(SEED)
    number = pa.array(np.arange(rows)).cast(pa.string())
    number = pc.utf8_lpad(number, 7, "0")
    month = np.sort(random.integers(0, MONTHS, rows))
    day = random.integers(1, 29, rows)
    months = pa.array([f"{2015 + m // 12}-{m % 12 + 1:02d}" for m in range(MONTHS)])
    days = pa.array([f"{d:02d}" for d in range(29)])
    district = _pick(DISTRICTS, random.integers(0, len(DISTRICTS), rows))
    office = _pick(OFFICES, random.integers(0, len(OFFICES), rows))
    good = random.integers(0, len(GOODS), rows)
    buyer = pc.binary_join_element_wise("江海市", district, office, "")
    budget = random.integers(10_000_000, 9_000_000_000, rows)
    award = budget * random.integers(80, 100, rows) // 100
    columns = {
        "公告编号": pc.binary_join_element_wise("JH", pc.replace_substring(months.take(month), "-", ""),
                                            "-", number, ""),
        "项目名称": pc.binary_join_element_wise(buyer, _pick(GOODS, good), "采购项目（", number, "）", ""),
        "采购单位": buyer,
        "区域": district,
        "采购类别": _pick(KINDS, good),
        "采购方式": _pick(METHODS, random.integers(0, len(METHODS), rows)),
        "发布日期": pc.binary_join_element_wise(months.take(month), "-", days.take(day), ""),
        "中标供应商": pc.binary_join_element_wise(
            "示例", _pick(DISTRICTS, random.integers(0, len(DISTRICTS), rows)),
            _pick(FIRMS, random.integers(0, len(FIRMS), rows)), ""),
        "投标家数": pa.array(random.integers(3, 12, rows)).cast(pa.string()),
        "预算金额（元）": _yuan(budget),
        "中标金额（元）": _yuan(award),
        "备注": _pick(REMARKS, random.integers(0, len(REMARKS), rows)),
    }
    return pa.table(columns).take(pa.array(random.permutation(rows)))


def _pick(words: tuple[str, ...], which: np.ndarray) -> pa.Array:
    return pa.array(words).take(pa.array(which))


def _yuan(cents: np.ndarray) -> pa.Array:
    whole = pa.array(cents // 100).cast(pa.string())
    return pc.binary_join_element_wise(whole, ".", pc.utf8_lpad(pa.array(cents % 100).cast(pa.string()), 2, "0"), "")


def write_source(rows: int, folder: Path) -> Path:
    """The CSV that the department sends, made once a folder."""
    path = folder / f"notices-{rows}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".half")
        pacsv.write_csv(table(rows), half, pacsv.WriteOptions(quoting_style="needed"))
        half.rename(path)
    return path
