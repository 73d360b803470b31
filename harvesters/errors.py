"""Everything that can go wrong between gkopen and an exchange platform, as exceptions.

Each says in Chinese and English what happened and what to do. None carries a secret or the text of a row,
so that a message may be shown, logged and mailed. `retryable` tells the transport whether asking again can
help; what reaches the caller has already been retried.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


class HarvestError(Exception):
    """A harvest cannot go on. `zh` and `en` are one sentence each, with what to do.

    Raised only as one of its kinds.
    """

    retryable = False

    def __init__(self, zh: str, en: str):
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en


class SourceUnreachable(HarvestError):
    """No usable answer came: name not resolved, connection refused or cut, time limit, server error (5xx).

    Raised after the last try. Nothing is wrong with the source file as far as one can tell: try later, or
    ask the platform's operator. `retry_after` is the number of seconds that the platform named, or None.
    """

    retryable = True

    def __init__(self, zh: str, en: str, retry_after: float | None = None):
        super().__init__(zh, en)
        self.retry_after = retry_after


class SourceRefused(HarvestError):
    """The platform answered and said no: wrong secret or signature, expired authorisation, unknown service.

    Raised at once, without another try, since repeating a refused call looks like an attack to a gateway.
    """


class ClockSkew(SourceRefused):
    """The platform refused the call and its clock differs from ours by more than a minute.

    `seconds` is the platform's time minus ours, by its Date header or its answer; `said` is what it said.
    Set this machine's clock (NTP).
    """

    def __init__(self, seconds: int, said: str = ""):
        words = f"（{said}）" if said else ""
        ahead_zh, ahead_en = ("快", "ahead of") if seconds > 0 else ("慢", "behind")
        super().__init__(
            f"平台拒绝了请求{words}：平台时钟比本机{ahead_zh} {abs(seconds)} 秒。请校准本机时间（NTP）后重试。",
            f"the platform refused the call{f' ({said})' if said else ''}: its clock is {abs(seconds)} s {ahead_en} "
            "this machine's; set this machine's clock (NTP) and harvest again",
        )
        self.seconds = seconds


class RateLimited(HarvestError):
    """The platform asks to come back later and keeps asking, or for longer than a run may wait.

    `retry_after` is the number of seconds it last named, or None. `said` is what it said: 429 unless a code and words.
    """

    retryable = True

    def __init__(self, retry_after: float | None, said: str = "429"):
        wait_zh = f"在 {_until(retry_after)} 之后" if retry_after is not None else "稍后"
        wait_en = f"after {_until(retry_after)}" if retry_after is not None else "later"
        super().__init__(
            f"平台限制访问频率（{said}）。请{wait_zh}再采集，或请平台运维单位提高调用额度。",
            f"the platform limits the rate of calls ({said}); harvest again {wait_en}, "
            "or ask its operator for a higher quota",
        )
        self.retry_after = retry_after


class HostResting(HarvestError):
    """The host failed so often that it is left alone for `retry_after` seconds; no call was made (circuit breaker)."""

    def __init__(self, host: str, retry_after: float):
        super().__init__(
            f"平台 {host} 连续出错或要求暂停，{_until(retry_after)} 之后自动再试，本次没有发出请求。"
            "若平台已恢复可稍候重试；否则请联系平台运维单位。",
            f"the platform {host} failed again and again or asked for a pause; it is tried again after "
            f"{_until(retry_after)} by itself, and no call was made; if it stays so, ask its operator",
        )
        self.retry_after = retry_after


class BadAnswer(HarvestError):
    """An answer came that is not what the envelope says: HTML, cut or invalid JSON, a key given twice,
    a missing list of rows, a status code that does not mean success.

    Nothing of it is used. The message names what was expected and what came. `retryable` where it was cut on its way.
    """

    def __init__(self, zh: str, en: str, *, retryable: bool = False):
        super().__init__(zh, en)
        self.retryable = retryable


class WebPage(BadAnswer):
    """A web page came in place of an answer: a login page, a notice of maintenance, an error page.

    `maintenance`: it speaks of maintenance. Nothing else that it says is repeated. `CHECK`: how both sentences end,
    for a source that was never good.
    """

    CHECK = ("请核对 url 与 service。", "check url and service")

    def __init__(self, *, maintenance: bool):
        zh, en = (("网页提到维护或升级", "it speaks of maintenance") if maintenance
                  else ("可能是登录页、维护公告或错误页", "a login or error page, or a notice of maintenance"))
        super().__init__(f"平台返回了网页（HTML/XML）而不是 JSON：{zh}。{self.CHECK[0]}",
                         f"the answer is a web page (HTML or XML), not JSON: {en}; {self.CHECK[1]}")


class AnswerTooLarge(HarvestError):
    """An answer is larger than the limit, as sent or after decompression. `limit` is in bytes, or in values: small ones
    take fifty times their bytes of memory.

    Ask for smaller pages (`page_size`).
    """

    def __init__(self, limit: int, zh: str = "字节", en: str = "bytes"):
        super().__init__(
            f"平台的一次应答超过 {limit} {zh}的上限。请在来源文件中减小 page_size。",
            f"an answer is larger than the limit of {limit} {en}; make page_size in the source file smaller",
        )
        self.limit = limit


class ForbiddenAddress(HarvestError):
    """The address to connect to is private, loopback, link-local, a metadata service or otherwise not
    public, and the host is not on the list `ckanext.gkopen.harvest.allowed_hosts`; or the platform
    redirects to another host, or a POST, as to a login page. No connection was made to it.
    """


class InconsistentListing(HarvestError):
    """The pages do not add up to a listing: total and rows differ, the total changes between pages, a page
    comes twice, a page in the middle is short, pages never end.

    Pages that were yielded before may be kept as evidence, but nothing may be deleted on their account.
    `page` is the number of the page where it showed.
    """

    def __init__(self, zh: str, en: str, page: int):
        super().__init__(
            f"第 {page} 页：{zh}。本次采集不完整，没有删除任何数据；请稍后重试，仍然如此则联系数据提供部门。",
            f"page {page}: {en}; the run is incomplete and nothing was deleted; "
            "harvest again later, and ask the department if it stays so",
        )
        self.page = page


def _until(seconds: float) -> str:
    """The end of a wait: a report is read hours later, when the number of seconds says nothing. In Shanghai, to the
    minute that follows."""
    end = datetime.now(ZoneInfo("Asia/Shanghai")) + timedelta(seconds=seconds + 60)
    return f"{end:%Y-%m-%d %H:%M}"
