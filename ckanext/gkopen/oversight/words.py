"""What messages say and what a run's report advises, in Chinese and English. Never a value of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.domains import Text


@dataclass(frozen=True, slots=True)
class Words:
    """`subject` and `advice` with `{placeholders}`; `path`: the page to look at, below the portal's address."""

    subject: Text
    advice: Text
    path: str


MESSAGES: Mapping[str, Words] = {
    "source_failing": Words(
        Text("采集失败：{dataset}（{source}）", "Harvest failing: {dataset_en} ({source})"),
        Text("已公开的数据不受影响。请打开运行报告查看原因；恢复后系统自动补采，并另行通知。",
             "What is public stays as it is. Open the run's report for the cause; once it is mended the portal catches"
             " up by itself and says so."), "/office/runs/{run}"),
    "source_good": Words(
        Text("采集恢复正常：{dataset}（{source}）", "Harvest good again: {dataset_en} ({source})"),
        Text("来源无需处理；有待审版本的，请照常审核。",
             "Nothing has to be done about the source. What waits for review is reviewed as usual."),
        "/office/runs?source={source}"),
    "source_waiting": Words(
        Text("采集被暂停，等待人工决定：{dataset}（{source}）",
             "Harvest waits for a decision: {dataset_en} ({source})"),
        Text("变化异常或列有变化，系统没有采用，公开数据不变。请打开运行报告，按其中的说明作出决定。",
             "The change is unusual, or the columns changed: it was not taken over, and what is public stays. Open the"
             " run's report and decide as it says."), "/office/runs/{run}"),
    "source_undecided": Words(
        Text("采集暂停已超过 {days} 天，无人决定：{dataset}（{source}）",
             "Held for more than {days} days, and nobody decided: {dataset_en} ({source})"),
        Text("这期间公开数据一直没有更新。请打开运行报告，按其中的说明作出决定，或督促来源改正。",
             "What is public has not been brought up to date since. Open the run's report and decide as it says, or"
             " have the source mended."), "/office/runs/{run}"),
    "source_returned": Words(
        Text("来源的整张表没有采用：{dataset}（{source}）",
             "A whole table was not taken over: {dataset_en} ({source})"),
        Text("已公开的数据保持原样，不会更新。请打开运行报告，按其中的说明请来源改正，或由门户管理员修改来源设置。",
             "What is public stays as it was and is not brought up to date. Open the run's report, and have the source"
             " mended as it says, or the administrator changes the source file."),
        "/office/runs/{run}"),
    "source_late": Words(
        Text("采集滞后于更新周期：{dataset}（{source}）", "Harvest is behind its cycle: {dataset_en} ({source})"),
        Text("请确认采集任务程序在运行，来源未被停用。", "See that a worker is running and that the source answers."),
        "/office/sources"),
    "source_quarantine": Words(
        Text("来源出现问题数据：{dataset}（{source}），{rows} 行被隔离",
             "Rows set aside: {rows} of {dataset_en} ({source})"),
        Text("其余数据照常处理。请下载待改正表，在来源系统中更正；下一次采集时自动通过。",
             "The other rows go on. Download the workbook of corrections and mend them at the source: they come through"
             " with the next run."), "/office/runs/{run}"),
    "body_quarantine": Words(
        Text("来源 {dataset}（{source}）中本单位的数据有 {rows} 行被隔离",
             "Rows set aside: {rows} of yours, from {dataset_en} ({source})"),
        Text("其余数据照常处理。请在数据专员工作台打开待审版本，下载待改正表，并请来源系统更正。",
             "The other rows go on. Open the revision on the officer's desk, download the workbook of corrections and"
             " have the source mended."), "/office/"),
    "breaker_open": Words(
        Text("平台暂停访问：{host}", "Platform left alone: {host}"),
        Text("平台连续出错，系统暂缓访问并自动重试。请联系平台管理方。",
             "The platform keeps failing; it is left alone for a while and tried again. Tell its operators."),
        "/office/sources"),
    "breaker_closed": Words(
        Text("平台恢复访问：{host}", "Platform answers again: {host}"),
        Text("无需处理。", "Nothing has to be done."), "/office/sources"),
    "revision_waiting": Words(
        Text("待审已超过 {days} 天：{dataset}", "Waiting for review for more than {days} days: {dataset_en}"),
        Text("请审核，或说明理由退回。", "Review it, or return it with a reason."), "/review/{revision}"),
    "revision_returned": Words(
        Text("提交被退回：{dataset}", "Returned: {dataset_en}"),
        Text("请打开查看退回理由，改正后重新提交；来自来源的，请在来源改正。",
             "Open it for the reason; mend it and submit it again, at the source where it comes from one."),
        "/review/{revision}"),
    "standing_declined": Words(
        Text("常设批准未适用，等待审核：{dataset}", "Not routine, waits for review: {dataset_en}"),
        Text("本次提交与上次发布相比有变化，请人工审核。",
             "This submission differs in kind from the last publication: a person looks at it."), "/review/{revision}"),
    "standing_ending": Words(
        Text("常设批准即将到期：{dataset}（{until}）", "Standing approval ends on {until}: {dataset_en}"),
        Text("到期之后，该数据集的每个版本都等待人工审核。仍属例行数据的，请撤销后重新批准。",
             "After that day each revision of the dataset waits for a person. Where the data is still routine, revoke"
             " the approval and grant a new one."), "/review/standing/{page}"),
    "duty_overdue": Words(
        Text("逾期未公开：{dataset}，{period}（应于 {due_on} 前公开）",
             "Overdue: {dataset_en}, {period_en} (due {due_on})"),
        Text("请提交数据；确无可公开内容的，请提交零报告。",
             "Submit the data, or a nil report where there is nothing to disclose."), "/oversight?state=overdue"),
    "calendar_unknown": Words(
        Text("{year} 年放假安排未录入，部分公开期限无法计算",
             "The holidays of {year} are missing: some due dates are unknown"),
        Text("请按国务院办公厅通知补充 schemas/workdays.yaml。数据发布不受影响。",
             "Add the year to schemas/workdays.yaml from the State Council's notice. Publication goes on."),
        "/oversight?state=unknown"),
}

ADMINISTRATORS = {"SourceRefused", "ClockSkew", "ForbiddenAddress", "AnswerTooLarge", "WebPage", "SourceError",
                  "UnknownBody"}
"""Kinds of errors that end only when the administrator has done something."""

RUN_ADVICE: Mapping[str, Text] = {
    "queued": Text("等待采集任务程序处理。", "It waits for a worker."),
    "running": Text("正在采集，请稍后刷新本页。", "It is being worked on: load the page again in a while."),
    "unchanged": Text("与上次相同，无需处理。", "Nothing has changed: there is nothing to do."),
    "review": Text("请审核人审核“结果”中的待审版本，通过后即公开。",
                   "A reviewer looks at the revisions below; once approved they are public."),
    "reviewed": Text("本次采集的版本已有审核结果，见“结果”，无需处理。",
                     "What came in was decided on already, see the revisions below: there is nothing to do."),
    "discarded": Text("已放弃，公开数据不变。来源没有改正的，下一次采集会再次停下，等待决定。",
                      "It was discarded; what is public stays. Where the source is not mended, the next run is held"
                      " again."),
    "overtaken": Text("之后的采集已经取代了本次采集，无需处理：请查看该来源最近一次采集的结果。",
                      "A later run took the place of this one, and there is nothing to do: see the newest run of this"
                      " source."),
    "accepted": Text("新的列已接受，以后的采集按新列读取；请查看该来源最近一次采集的结果。",
                     "The new columns were accepted, and later runs read them: see the newest run of this source."),
    "buried": Text("已公开的行中，有些不在来源的合格行中（来源已删，或有错误被隔离），到期前仍保留公开。请核对来源："
                   "误删的请来源恢复，被隔离的请来源更正；确应移除的，到期后会提出删除，由审核人审核。",
                   "Public rows are gone from the source, or were set aside with errors, and stay public until they are"
                   " due. Ask the source: what was taken out by mistake is put back there, what was set aside is"
                   " mended; otherwise their removal is proposed then, for review."),
    "corrections": Text("请下载待改正表，在来源系统中更正被隔离的行；下一次采集时自动通过，无需重新提交。",
                        "Download the workbook of corrections and mend the rows at the source: they come through with"
                        " the next run by themselves."),
    "not_kept": Text("没有带来变化的采集，只有最近一次的保留被隔离的行：请打开该来源最近一次采集，下载待改正表。",
                     "Of the runs that change nothing, the newest keeps the rows that were set aside: open that one,"
                     " and download its workbook of corrections."),
    "returned": Text("整张表没有采用，公开数据不变。请按下面的问题项请来源改正，或由门户管理员在来源设置中补充列名对应"
                     "（mapping）。",
                     "A whole table was not taken over; what is public stays. Have the source mend what the findings"
                     " below say, or the administrator completes mapping in the source file."),
    "personal": Text("整张表没有采用，公开数据不变：各行都疑似含有个人信息。多为来源多给了一列（如联系电话），"
                     "不公开的列也会检查：请来源不再提供这一列，或脱敏；前置库来源可由门户管理员在来源文件的 columns "
                     "中只列需要的列。",
                     "A whole table was not taken over; what is public stays. Its rows may hold personal data. Mostly"
                     " the source gives a column more (a phone number, say), which is looked through though it is not"
                     " published: have the source leave it out or mask it; of a front-end database, the administrator"
                     " names the columns to read under columns in the source file."),
    "findings": Text("请按下面的问题项处理。", "Do what the findings below say."),
    "missing": Text("清单所列的文件还没有到。请向提供方核实是否已经传完；到齐后的下一次采集会读取。",
                    "Files that a manifest names have not come: ask whether they were sent whole. Once they are there,"
                    " the next run reads them."),
    "bodies": Text("有责任主体未在门户登记：请门户管理员登记，或由来源更正名称。机构只是改名的，请修改原机构的名称，"
                   "不要新建：新建后原机构名下的数据仍在，会公开两份。",
                   "Some bodies are not known to the portal: the administrator adds them, or the source mends the"
                   " name. One that was only renamed is given its new name and not added: else its data would be public"
                   " twice, under the old body too."),
    "foreign": Text("有些行写的责任主体不归该来源提供，没有采用：请核对来源；确应由它提供的，由门户管理员写入来源文件的"
                    " organizations。",
                    "Some rows name a body for which the source may not speak; they were not taken over. Check the"
                    " source; if it does speak for it, the administrator adds the body to its organizations."),
    "held": Text("变化异常，没有采用，公开数据不变。请核对来源后选择放行或放弃。",
                 "The change is unusual and was not taken over; what is public stays. Ask the source, then let it"
                 " through or discard it."),
    "empty": Text("来源没有给出任何行，公开数据不变。请向来源核实；确应全部下架的，请撤回数据集。本次采集可以放弃。",
                  "The source gave no rows at all; what is public stays. Ask the source; where all of it is really to"
                  " go, withdraw the dataset. This run can be discarded."),
    "not_open": Text("来源的目录条目现在写明不向社会开放：没有采集，公开数据不变，等待人工决定。请向提供方核实："
                     "确不再开放的，请撤回数据集；条目有误的，请其更正目录，下一次采集自动恢复。",
                     "The source's catalogue entry now says that the data are not open: nothing was harvested, what is"
                     " public stays, and a person decides. Ask the providing body: where they really are not open any"
                     " more, withdraw the dataset; where the entry is wrong, have it mended, and the next run goes"
                     " on."),
    "stopped": Text("来源的列有变化，没有采用，公开数据不变。请核对新旧列名后接受，或请来源改回。",
                    "The source's columns changed; nothing was taken over. Accept the new columns, or ask the source to"
                    " change them back."),
    "foreign_rows": Text("来源的表里混入了别的表的行，没有采用，公开数据不变。请来源去掉这些行，下一次采集自动继续；"
                         "不要接受：接受之后这些行会被隔离，来源改正后又会停下。",
                         "Rows of another table stand among those of this one; nothing was taken over. Have the source"
                         " take them out, and the next run goes on by itself. Do not accept: those rows would be set"
                         " aside then, and the mended table would stop again."),
    "retyped": Text("列的内容换了类型，没有采用，公开数据不变。请先向来源核实：误填的请来源改回，下一次采集自动继续；"
                    "接受之后，读不出的值所在的行会被隔离，太多时整张表不采用。",
                    "What a column holds is of another kind; nothing was taken over. Ask the source first: what is"
                    " wrong is changed back there, and the next run goes on by itself. After accepting, rows with"
                    " values that cannot be read are set aside, and where they are many the whole table is not taken"
                    " over."),
    "incomplete": Text("来源没有给全数据，没有删除任何公开数据；下一次采集自动重试。",
                       "The listing is not whole: nothing public was removed. The next run tries again."),
    "failed": Text("公开数据不变。连续失败（如超过一天）的，请把上面的原因告知来源或门户管理员。",
                   "What is public stays. If it keeps failing, for a day say, tell the source or the administrator the"
                   " cause above."),
    "administrator": Text("公开数据不变。请把上面的原因告诉门户管理员，由其处理（核对密钥、签名、授权、地址或本机时间，"
                          "需要时联系平台运维单位）：处理好之前，再试也不会成功。",
                          "What is public stays. Tell the portal administrator the cause above, who mends it (secret,"
                          " signature, authorisation, address or this machine's clock; with the platform's operator"
                          " where that is needed): until then, trying again does not help."),
    "page": Text("公开数据不变，来源设置不必改动。超过一天仍然如此的，请联系平台运维单位；平台要求登录或更换了地址的，"
                 "请门户管理员核对 url、service 和授权。",
                 "What is public stays, and the source file need not be changed. If it lasts longer than a day, ask the"
                 " platform's operator; where it asks for a login or has moved, the portal administrator checks url,"
                 " service and the authorisation."),
    "again": Text("系统会自动再试。", "The portal tries again by itself."),
    "again_at": Text("系统会在 {when} 自动再试。", "The portal tries again by itself at {when}."),
    "paused": Text("来源已停用，不会自动再试。", "The source is paused: it is not tried again by itself."),
    "cancelled": Text("已按要求取消，公开数据不变。需要时再次采集。",
                      "It was cancelled; what is public stays. Harvest again when it is wanted."),
    "dry": Text("这是试运行，没有保存任何内容。", "This was a trial: nothing is kept."),
}


def run_advice(run: Mapping[str, Any]) -> list[Text]:
    """What to do now about a run as `gkopen_run_show` answers it: one or two sentences, the most urgent first."""
    state, counts = run["state"], run["counts"] or {}
    if state == "failed":
        return [RUN_ADVICE[_of_cause(run) or "failed"], *_again(run)]
    if state in ("queued", "running", "cancelled"):
        return [RUN_ADVICE[state]]
    if run.get("decision"):
        waits = "review" if run.get("waiting") else "reviewed"
        return [RUN_ADVICE[waits if run["decision"] == "released" else run["decision"]]]
    if run.get("overtaken"):
        return [RUN_ADVICE["overtaken"]]
    keys = [state] if state in ("held", "stopped", "incomplete") else []
    if state == "incomplete" and (cause := _of_cause(run)):
        keys = [cause, state]
    drifts = {drift["kind"] for table in counts.get("stopped", []) for drift in table["drift"]}
    if state == "stopped" and drifts & {"foreign", "retyped"}:
        keys = ["foreign_rows" if "foreign" in drifts else "retyped"]
    alarms = {alarm["kind"] for entry in counts.get("held", []) for alarm in entry["alarms"]}
    if "not_open" in alarms or alarms == {"empty"}:
        keys = ["not_open" if "not_open" in alarms else "empty"]
    if run["dry_run"]:
        keys.append("dry")
    if any(outcome.get("state") == "returned" for outcome in counts.get("outcomes", [])):
        most = max((number for code, number in (counts.get("findings") or {}).items() if code.startswith("personal-")),
                   default=0)
        keys.append("personal" if most and most >= counts.get("rows_in", 0) else "returned")
    if counts.get("unknown_bodies"):
        keys.append("bodies")
    if counts.get("foreign_bodies"):
        keys.append("foreign")
    apart = {**(counts.get("unknown_bodies") or {}), **(counts.get("foreign_bodies") or {})}
    if counts.get("rows_quarantined", 0) > sum(apart.values()):
        keys.append("corrections" if run.get("rows_kept", True) else "not_kept")
    if not run["dry_run"] and any(outcome.get("state") == "held" for outcome in counts.get("outcomes", [])):
        keys += ["review"] if run.get("waiting") else [] if keys else ["reviewed"]
    if counts.get("tombstones"):
        keys.append("buried")
    if state == "done" and "drop-file-missing" in (counts.get("findings") or {}):
        keys.append("missing")
    # A run that ends as partly, with no row set aside, has told why in its own findings (files left in their folder).
    return [RUN_ADVICE[key] for key in (keys or ["findings" if state == "partly" else "unchanged"])[:2]]


def _of_cause(run: Mapping[str, Any]) -> str | None:
    """The advice about what ended a run, where it is more than to wait."""
    error = run.get("error") or {}
    return "page" if error.get("good_before") else "administrator" if error.get("kind") in ADMINISTRATORS else None


def _again(run: Mapping[str, Any]) -> list[Text]:
    """Whether, and when, its source is tried again by itself; nothing of a run that has a later one."""
    again = run.get("again") or {}
    if again.get("at"):
        when = f"{datetime.fromisoformat(again['at']).astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        return [Text(RUN_ADVICE["again_at"].zh.format(when=when), RUN_ADVICE["again_at"].en.format(when=when))]
    return [RUN_ADVICE[again["state"]]] if again else []


def said(kind: str, params: Mapping[str, Any]) -> tuple[Text, Text, str]:
    """Subject, advice and path of a message."""
    words = MESSAGES[kind]
    path = words.path
    if "source" in params:                                # messages of before named nothing else
        params = {"dataset": "来源", "dataset_en": "source", **params}
        path = path if params.get("run") else path.replace("/office/runs/{run}", "/office/runs?source={source}")
    english = {f"{name}_en": value for name, value in params.items()} | dict(params)  # where no English name is kept
    return (Text(words.subject.zh.format(**params), words.subject.en.format(**english)), words.advice,
            path.format(**params))
