"""What platforms wrap rows in, and how an answer is decoded without losing a digit."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ckanext.gkopen.harvesters.errors import AnswerTooLarge, BadAnswer, RateLimited, SourceRefused, WebPage

# Keys of `envelope: {paths: …}`; paths are dotted (data.list). Those in LIST_KEYS take one code or several.
PATH_KEYS = ("rows", "total", "code", "ok", "empty", "message", "refused", "limited")
LIST_KEYS = ("ok", "empty", "refused", "limited")


@dataclass(frozen=True)
class Envelope:
    """`ok`, `empty` (no rows), `refused` (secret, signature, service) and `limited` (rate) are values of the code.

    `secret` is blotted out of what the platform says: some repeat what they were sent.
    """

    rows: str
    total: str | None = None
    code: str | None = None
    ok: tuple[str, ...] = ()
    message: str | None = None
    refused: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)


TIME_KEYS = ("timestamp", "serverTime", "server_time", "systemTime", "currentTime", "time")
"""Where platforms tell their time in an answer."""
MESSAGE_KEYS = ("message", "msg", "errmsg", "errMsg", "error_msg", "error", "info")
"""Where platforms tell what is wrong, where the envelope's own place has nothing."""
MOST_VALUES = 2_000_000
"""Values in an answer: of the smallest, so many take half a gigabyte once they are read."""
CHINA = timezone(timedelta(hours=8))
CHINESE = ("gbk", "gb2312", "gb18030", "cp936", "x-gbk")
GZIP = b"\x1f\x8b\x08"
WHOLE_TO_BROKEN = 50
"""Of so many Chinese characters one may be broken, and the answer is in its encoding still: of another one hardly any
is whole."""
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_PLAIN = frozenset((str, type(None)))
NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""What JSON can say and no text can hold: NUL, and half of a surrogate pair, which is no character."""

PAGE_BYTES = 200_000
"""Of a web page so much is looked through."""
MAINTENANCE = re.compile(
    r"(?:系统|平台|网站|服务器?|数据库|设备|停机|升级|例行|临时|正在|进行)\s*维护|维护(?:中|期间|时间|公告|通知|升级)"
    r"|(?:系统|平台|网站|服务器?|正在|进行|停机)\s*升级|升级(?:中|期间|公告|通知)|暂停(?:服务|访问|使用)|\bmaintenance\b",
    re.IGNORECASE)
"""How a page says so; many a login page asks for a newer browser (升级浏览器), or names who keeps it (运行维护)."""

PRESETS: dict[str, Envelope] = {
    "national": Envelope("data.list", "data.total", "code", ("0", "200"), "message", ("401", "403", "404"), ("429",)),
    "zhejiang": Envelope("datas", "totalDataCount", "code", ("00",), "msg", ("01", "02", "03", "04", "05"), ("06",)),
    "header": Envelope("data.rows", "data.total", "code", ("0",), "message", ("401", "403", "404"), ("429",)),
    "bearer": Envelope("data", "totalrecords", "errcode", ("0",), "result", ("401", "403", "404"), ("429",)),
}


def make_envelope(value: str | Mapping[str, Any], secret: str = "") -> Envelope:
    """The envelope that `envelope:` of a source file describes; the value is checked there."""
    return replace(PRESETS[value] if isinstance(value, str) else Envelope(**value["paths"]), secret=secret)


def decode(raw: bytes, charset: str = "") -> dict[str, Any]:
    """An answer's body as a dict; every number is the text that was printed. `charset` is what the source file or the
    answer's header says.

    Floats would turn 90071992547409.93 into …94, so no number is ever parsed. Half of a surrogate pair and NaN stay as
    they are, single broken bytes become U+FFFD: the row they stand in is judged, not the whole answer. Raises
    BadAnswer: another encoding, HTML, cut JSON, a key given twice, nesting without end, anything but an object; and
    AnswerTooLarge, before it is taken apart.
    """
    page = _is_page(raw)
    if raw.startswith(GZIP):
        raise BadAnswer(
            "应答是 gzip 压缩数据，但应答头没有写明 Content-Encoding: gzip，或压缩了两次。请联系平台运维单位。",
            "the answer is gzip data, and its header does not say so (Content-Encoding: gzip), or it was compressed "
            "twice; ask the operator",
        )
    text = "" if page else _text_of(raw, charset)
    if page:
        raise WebPage(maintenance=of_maintenance(raw))
    if text.count(",") + text.count("{") + text.count("[") > MOST_VALUES:
        raise AnswerTooLarge(MOST_VALUES, "个值", "values")
    try:
        answer = _parsed(text)
    except json.JSONDecodeError as exc:
        if exc.pos >= len(text.rstrip()) - 1 or exc.msg.startswith("Unterminated"):
            raise _cut(len(raw)) from None
        raise BadAnswer(
            f"应答不是有效的 JSON（第 {exc.lineno} 行第 {exc.colno} 列）。请联系平台运维单位。",
            f"the answer is not valid JSON (line {exc.lineno}, column {exc.colno}); ask the operator",
        ) from None
    except RecursionError:
        raise too_deep() from None
    if not isinstance(answer, dict):
        raise BadAnswer(
            "应答不是 JSON 对象。请核对来源文件中的 envelope。",
            "the answer is not a JSON object; check envelope in the source file",
        )
    return answer


def _is_page(raw: bytes) -> bool:
    return raw.removeprefix(BOM_UTF8).lstrip()[:1] == b"<"


def of_maintenance(raw: bytes) -> bool:
    """Whether a body is a web page that speaks of maintenance, in whatever encoding."""
    if not _is_page(raw):
        return False
    begin = raw[:PAGE_BYTES]
    return any(MAINTENANCE.search(begin.decode(encoding, "ignore")) for encoding in ("utf-8", "gb18030"))


def _parsed(text: str) -> Any:
    """Raises json.JSONDecodeError, RecursionError, BadAnswer."""
    return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=str, object_pairs_hook=_once)


def _text_of(raw: bytes, charset: str) -> str:
    """UTF-8 where it is, since some platforms name a charset that they do not send; else the Chinese encoding that the
    source file or the header names. None is ever guessed."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        wrong = exc
    chinese = charset.lower() in CHINESE
    if chinese and (text := _mended(raw, "utf-8-sig")) is not None:
        return text                                        # before GB18030: most of UTF-8 is characters of it too
    if chinese:
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError as exc:
            wrong = exc
    if wrong.reason in ("unexpected end of data", "incomplete multibyte sequence"):
        raise _cut(len(raw)) from None
    text = _mended(raw, "gb18030" if chinese else "utf-8-sig")
    if text is not None:
        return text
    named = f"，写明的编码为 {_short(charset)}" if charset else ""
    raise BadAnswer(
        f"应答不是 UTF-8 编码（第 {wrong.start} 字节{named}）。请平台运维单位改为 UTF-8，或在应答头写明 charset=GBK；"
        "确认平台使用 GBK 的，也可在来源文件中写 encoding: gb18030。",
        f"the answer is not UTF-8 (byte {wrong.start}{f'; it is said to be {_short(charset)}' if charset else ''}); "
        "ask the platform's operator to send UTF-8, or to say charset=GBK in the header; where it surely sends GBK, "
        "write encoding: gb18030 in the source file",
    ) from None


def _mended(raw: bytes, encoding: str) -> str | None:
    """The text with U+FFFD for single broken bytes; None where so many are broken that it is another encoding."""
    text = raw.decode(encoding, "replace")
    return text if text.count("\ufffd") * WHOLE_TO_BROKEN < len(_BEYOND_ASCII.findall(text)) else None


def too_deep() -> BadAnswer:
    return BadAnswer(
        "应答的 JSON 嵌套过深。请联系平台运维单位。",
        "the answer's JSON is nested too deeply; ask the platform's operator",
    )


def _cut(length: int) -> BadAnswer:
    if not length:
        return BadAnswer(
            "应答为空。请稍后重试，仍然如此则联系平台运维单位。",
            "the answer is empty; harvest again later, and ask the platform's operator if it stays so",
            retryable=True,
        )
    return BadAnswer(
        f"应答在第 {length} 字节处中断，JSON 不完整。请稍后重试。",
        f"the answer's JSON is cut after {length} bytes; harvest again later",
        retryable=True,
    )


def storable(value: Any) -> Any:
    """A decoded value that is no row, U+FFFD for what no text can hold: there is nothing to set aside."""
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return NO_TEXT.sub("\ufffd", value) if type(value) is str else value


def unwrap(answer: Mapping[str, Any], envelope: Envelope) -> None:
    """Check the code. Raises SourceRefused, RateLimited or BadAnswer with what the platform said."""
    if envelope.code is None:
        return
    code = _code(answer, envelope)
    if code in envelope.ok or code in envelope.empty:
        return
    said, code_said = _said(answer, envelope), code and _short(storable(code))
    if code in envelope.limited:
        raise RateLimited(None, f"{envelope.code}={code_said} {said}".strip())
    if code in envelope.refused:
        raise refused(f"{envelope.code}={code_said} {said}".strip())
    zh, en = (f"（{said}）", f" ({said})") if said else ("", "")
    raise BadAnswer(
        f"来源文件没有写明平台返回的状态码 {envelope.code}={code_said} 表示成功{zh}。请向平台运维单位核实它的含义，"
        "写入来源文件 envelope.paths 的相应一项：成功 ok，密钥或令牌失效 refused，限流或超出配额 limited，"
        "确实没有数据 empty；其他错误请其处理。",
        f"the source file does not say that the platform's code {envelope.code}={code_said} means success{en}; ask the "
        "operator what it means and write it under envelope.paths: success is ok, a secret or token that has ended "
        "refused, a rate or quota limited, surely no rows empty; any other error is the operator's",
    )


def _code(answer: Mapping[str, Any], envelope: Envelope) -> str | None:
    code = _at(answer, envelope.code) if envelope.code else None
    return "…" if isinstance(code, dict | list) else code if code is None else printed(code)


def words(raw: bytes, envelope: Envelope, charset: str = "") -> str:
    """What the platform says in the body of an error answer, shortened; empty when that is no envelope."""
    try:
        return _said(decode(raw, charset), envelope)
    except BadAnswer:
        return ""


def told_time(raw: bytes) -> datetime | None:
    """The platform's time where an answer tells it at its top level or under data: ms or s since 1970, or a text in
    Beijing time."""
    try:
        answer = decode(raw)
    except BadAnswer:
        return None
    levels = [answer, answer.get("data")]
    for text in (printed(level[key]) for level in levels if isinstance(level, dict) for key in TIME_KEYS if key in level
                 and isinstance(level[key], str)):
        if (when := moment(text)) is not None:
            return when
    return None


def moment(text: str) -> datetime | None:
    """A time as platforms print it: ms or s since 1970, or a text, in Beijing time where it names no other."""
    if re.fullmatch(r"[1-9]\d{12}|[1-9]\d{9}", text, re.ASCII):
        return datetime.fromtimestamp(int(text) / (1000 if len(text) == 13 else 1), UTC)
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=CHINA)


def refused(said: str) -> SourceRefused:
    return SourceRefused(
        f"平台拒绝了请求（{said}）。请核对密钥（secret_env）、signer 与 service，并确认授权未过期。",
        f"the platform refused the call ({said}); check the secret (secret_env), signer and service, "
        "and that the authorisation has not ended",
    )


def not_there(said: str) -> SourceRefused:
    return SourceRefused(
        f"平台没有这个地址或服务（{said}）。请核对来源文件的 url、service 与 request.method，"
        "并向平台运维单位核实接口是否下线或改了地址。",
        f"the platform has no such address or service ({said}); check url, service and request.method in the source "
        "file, and ask its operator whether the interface was taken down or has moved",
    )


def rows_of(answer: Mapping[str, Any], envelope: Envelope) -> list[dict[str, str | None]]:
    """The rows as texts; many platforms send null for an empty list, and a null among rows is an empty row. Raises
    BadAnswer when the path holds no list of objects."""
    found = _at(answer, envelope.rows)
    if (found is None and _is_null(answer, envelope.rows)) or _code(answer, envelope) in envelope.empty:
        return []
    if not isinstance(found, list):
        raise BadAnswer(
            f"应答中 {envelope.rows} 处没有行列表。请核对来源文件中的 envelope。",
            f"there is no list of rows at {envelope.rows}; check envelope in the source file",
        )
    if None in found and any(isinstance(row, dict) for row in found):
        found = [{} if row is None else row for row in found]
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise BadAnswer(
                f"{envelope.rows} 的第 {number} 项不是对象。请核对来源文件中的 envelope。",
                f"item {number} at {envelope.rows} is not an object; check envelope in the source file",
            )
    # Most rows are plain text already, and stay as they are.
    try:
        return [
            row if _PLAIN.issuperset(map(type, row.values())) else
            {key: value if type(value) in _PLAIN else printed(value) for key, value in row.items()}
            for row in found
        ]
    except RecursionError:
        raise BadAnswer(
            f"{envelope.rows} 中有一行的值嵌套过深。请联系数据提供部门。",
            f"a row at {envelope.rows} holds a value that is nested too deeply; ask the department",
        ) from None


def total_of(answer: Mapping[str, Any], envelope: Envelope) -> int | None:
    """The number of rows that the source claims; None when the envelope has no place for it."""
    if envelope.total is None:
        return None
    total = _at(answer, envelope.total)
    if total is None and not rows_of(answer, envelope) and (
            _is_null(answer, envelope.total) or _code(answer, envelope) in envelope.empty):
        return 0
    if not isinstance(total, str) or not re.fullmatch(r"(\d{1,12}|\d{1,3}(,\d{3}){1,3})(\.0+)?", total, re.ASCII):
        zh, en = (f"（{_short(total)}）", f" but {_short(total)!r}") if isinstance(total, str) else ("", "")
        raise BadAnswer(
            f"应答中 {envelope.total} 处没有总条数{zh}。请核对来源文件中的 envelope。",
            f"there is no number of rows at {envelope.total}{en}; check envelope in the source file",
        )
    return int(total.partition(".")[0].replace(",", ""))   # some platforms print every number as 60.0


class _Number(str):
    """A number's printed digits. A kind of its own so that JSON inside a cell is written back unquoted."""


def printed(value: Any) -> str:
    """A decoded value as the text that the answer printed; objects and lists as compact JSON."""
    if isinstance(value, str):
        return str(value)
    return _json(value)


def _json(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _said(answer: Mapping[str, Any], envelope: Envelope) -> str:
    """What the platform says: many errors come from a gateway in front, whose answers are of another shape."""
    said = _at(answer, envelope.message) if envelope.message else None
    if not isinstance(said, str):
        said = next((text for key in MESSAGE_KEYS if isinstance(text := answer.get(key), str)), "")
    return _short(said.replace(envelope.secret, "***") if envelope.secret else said)


def _at(answer: Any, path: str) -> Any:
    """What stands at a dotted path. Some platforms send an object or a list as a text that holds JSON: it is opened."""
    for step in path.split("."):
        answer = answer.get(step) if isinstance(answer, dict) else None
        if type(answer) is str and answer.lstrip()[:1] in ("{", "["):
            answer = _opened(answer)
    return answer


def _opened(text: str) -> Any:
    try:
        return _parsed(text)
    except (json.JSONDecodeError, RecursionError):
        return text


def _is_null(answer: Any, path: str) -> bool:
    """Whether a step of a path is null; what is above it may not be missing."""
    steps = path.split(".")
    for at, step in enumerate(steps):
        above = _at(answer, ".".join(steps[:at])) if at else answer
        if not isinstance(above, dict) or step not in above:
            return False
        if above[step] is None:
            return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise BadAnswer(
            f"应答的一个对象中“{_short(twice)}”出现两次，无法判断取哪个值。请联系数据提供部门。",
            f"an object of the answer has the key {_short(twice)!r} twice, so its value is unknown; ask the department",
        )
    return result


def _short(text: str) -> str:
    clean = "".join(char for char in text if char.isprintable())
    return clean if len(clean) <= 80 else clean[:80] + "…"
