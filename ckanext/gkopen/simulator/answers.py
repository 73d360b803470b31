"""How each family of platforms words an answer. Texts are put together so that numbers keep their digits."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

Rows = list[dict[str, str]]

JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
# reason of a refusal -> (HTTP status, code) by family; platforms of two families refuse with HTTP 200.
REFUSALS: dict[str, dict[str, tuple[int, str]]] = {
    "national": {"caller": (200, "401"), "clock": (200, "401"), "replay": (200, "403"), "sign": (200, "401"),
                 "service": (200, "404")},
    "zhejiang": {"caller": (200, "01"), "clock": (200, "02"), "replay": (200, "03"), "sign": (200, "04"),
                 "service": (200, "05")},
    "header": {"caller": (401, "401"), "clock": (401, "401"), "replay": (403, "403"), "sign": (401, "401"),
               "service": (404, "404")},
    "bearer": {"sign": (401, "401"), "service": (404, "404")},
}  # fmt: skip
WORDS = {
    "caller": "请求者未登记",
    "clock": "请求时间超出允许范围",
    "replay": "请求重复",
    "sign": "签名错误",
    "service": "服务不存在或未授权",
}
# family -> (names of the page number and page size fields)
PAGING = {
    "national": ("pageNum", "pageSize"),
    "zhejiang": ("pageNum", "pageSize"),
    "header": ("pageNum", "pageSize"),
    "bearer": ("page", "rows"),
}


@dataclass(frozen=True)
class Listing:
    """One page of rows before it is worded. `numbers`: columns that leave as JSON numbers."""

    rows: Rows
    total: int
    page: int
    size: int
    numbers: Collection[str] = ()
    duplicate_key: bool = False


def word_rows(family: str, listing: Listing, request_id: str) -> str:
    """The JSON text of a page in the family's envelope."""
    if listing.numbers or listing.duplicate_key:
        rows = "[" + ",".join(_row(row, listing) for row in listing.rows) + "]"
    else:
        rows = json.dumps(listing.rows, ensure_ascii=False)
    total = listing.total
    match family:
        case "national":
            return f'{{"code":"0","message":"成功","data":{{"total":{total},"list":{rows}}}}}'
        case "zhejiang":
            pages = -(-total // listing.size)
            return (
                f'{{"code":"00","msg":"成功","data":"","datas":{rows},"dataCount":{len(listing.rows)},'
                f'"totalDataCount":{total},"totalPage":{pages},"requestId":"{request_id}"}}'
            )
        case "header":
            return f'{{"code":0,"message":"ok","data":{{"rows":{rows},"total":{total},"page":{listing.page}}}}}'
        case _:
            return f'{{"errcode":0,"result":"ok","totalrecords":{total},"data":{rows}}}'


def word_object(family: str, value: object) -> str:
    """An answer that is not a page: a catalogue entry, a list of entries, a working secret."""
    text = json.dumps(value, ensure_ascii=False)
    match family:
        case "national":
            return f'{{"code":"0","message":"成功","data":{text}}}'
        case "zhejiang":
            return f'{{"code":"00","msg":"成功","data":{text}}}'
        case "header":
            return f'{{"code":0,"message":"ok","data":{text}}}'
        case _:
            return f'{{"errcode":0,"result":"ok","data":{text}}}'


def word_refusal(family: str, reason: str) -> tuple[int, str]:
    """HTTP status and JSON text."""
    status, code = REFUSALS[family][reason]
    code_key, text_key = {"zhejiang": ("code", "msg"), "bearer": ("errcode", "result")}.get(family, ("code", "message"))
    return status, json.dumps({code_key: code, text_key: WORDS[reason], "data": None}, ensure_ascii=False)


def _row(row: Mapping[str, str], listing: Listing) -> str:
    cells: list[str] = []
    for column, value in row.items():
        number = column in listing.numbers and JSON_NUMBER.fullmatch(value)
        shown = value if number else json.dumps(value, ensure_ascii=False)
        cells.append(f"{json.dumps(column, ensure_ascii=False)}:{shown}")
    if listing.duplicate_key and cells:
        cells.append(cells[0])
    return "{" + ",".join(cells) + "}"
