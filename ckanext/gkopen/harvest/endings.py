"""What a run says that did not come to its end, in Chinese and English: `kind`, `zh`, `en`."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvesters.errors import WebPage
from ckanext.gkopen.harvesters.lines import SourceError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How the system says that a file finds no room: on the disk, in a quota, below a limit."""


def described(problem: Exception, *, good_before: bool = False) -> dict[str, Any]:
    """Both languages and the kind of an error, for the report. `good_before`: the source had a good run, which is told
    where it says that nothing is wrong with the settings."""
    if isinstance(problem, WebPage) and good_before:
        return {"kind": "WebPage", "good_before": True,
                "zh": problem.zh.removesuffix(problem.CHECK[0]) + "本来源此前采集正常：多为平台正在维护，或要求登录。",
                "en": problem.en.removesuffix(problem.CHECK[1]) + "this source was good before: most likely the"
                      " platform is under maintenance, or asks for a login"}
    if isinstance(problem, SourceError):                  # of a source that is kept: its file and lines are not here
        zh, _, en = f"{problem.key}：{problem.message}".partition(" / ")
        return {"kind": "SourceError", "zh": zh, "en": f"{problem.key}: {en}"}
    zh, en = getattr(problem, "zh", None), getattr(problem, "en", None)
    return {"kind": type(problem).__name__, "zh": zh or str(problem), "en": en or str(problem)}


def own_fault(problem: Exception) -> dict[str, str]:
    """What is not the source's fault. The table that was worked on is not touched; those before it are whole."""
    if isinstance(problem, OSError) and problem.errno in FULL:
        return {"kind": "DiskFull",
                "zh": "门户存储的磁盘已满，没有留下半成品；请管理员腾出空间，之后会自动重试。",
                "en": "the disk of the portal's storage is full; nothing is half written. The administrator makes room,"
                      " and the run is tried again by itself"}
    if isinstance(problem, ledger.LOST):                  # but not away or full (`ledger.lost`)
        code = ledger.sqlstate(problem)
        return {"kind": "DatabaseBrokeOff",
                "zh": f"数据库中断了一条语句（SQLSTATE {code}），这张表未改动；请管理员查看数据库日志和限制"
                      "（如 statement_timeout、work_mem），之后会自动重试。",
                "en": f"the database broke a statement off (SQLSTATE {code}); this table was not changed. The"
                      " administrator looks at the database's log and limits (such as statement_timeout, work_mem);"
                      " the source is tried again by itself"}
    return {"kind": type(problem).__name__,
            "zh": "程序错误：已记入日志，数据未改动；请把运行编号告诉管理员",
            "en": "an error of the program: it is in the log and nothing was changed;"
                  " tell the administrator the run's id"}


def cancelled(asked: ledger.Cancelled, report: Report) -> dict[str, str]:
    """How far a run came that was told to stop. Each table is taken in whole or not at all."""
    done, rows = len(report.outcomes), report.rows_fetched
    return {"kind": "Cancelled",
            "zh": f"{asked.by} 取消了本次运行：已取 {report.pages} 页 {rows} 行，已处理 {done} 张表；"
                  "其余未动，没有留下半成品。",
            "en": f"{asked.by} cancelled the run: {report.pages} pages with {rows} rows had come, {done} tables were"
                  " done; the others were not touched, and nothing is half written"}


def workers_died(run: Mapping[str, Any]) -> dict[str, str]:
    """Why a run that was taken over is not begun again (`progress.DEATHS`)."""
    at, times = run["died_at"], run["deaths"]
    zh, en = f"已取 {at.get('pages', 0)} 页", f"after {at.get('pages', 0)} pages"
    if at.get("stage") == "check":
        zh, en = f"{zh}、已处理 {at['tables']} 张表", f"{en} and {at['tables']} tables"
    return {"kind": "WorkersDied",
            "zh": f"采集任务程序处理本次运行时连续 {times} 次在同一处中断（{zh}），不再重试本次运行，公开数据未改动。"
                  "请管理员查看任务程序的日志和内存（多因内存不足被系统终止），增加内存或减小 page_size；"
                  "之后按间隔自动再试。",
            "en": f"{times} workers in a row died at the same place of this run ({en}), so it is not begun again; what"
                  " is public was not touched. The administrator looks at the workers' log and memory (mostly the"
                  " system ends them because memory is short), gives them more or makes page_size smaller; the source"
                  " is tried again by itself, later each time"}
