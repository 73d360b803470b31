"""What officers and reviewers read of a revision is whole and true: numbers, rows, reasons, withdrawals."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Page, expect
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import clock
from ckanext.gkopen.oversight import standing
from tests.browser.chromium import NARROW
from tests.browser.conftest import ROWS, Portal
from tests.browser.test_officer_pages import BAD, choose
from tests.people import call

DATASET = "nantong-czj-procurement"
PARKING = ("停车场名称", "停车场类型", "区", "地址", "泊位总数", "充电泊位数", "收费标准", "开放时间", "管理单位",
           "来源标题")


def spaces(n: int, kind: str = "公共停车场", total: str = "100", charging: str = "12", name: str = "") -> str:
    return f"{name or f'停车场{n:05d}'},{kind},崇川区,人民路{n}号,{total},{charging},免费,00:00-24:00,示例中心,示例"


def upload(portal: Portal, *rows: str) -> str:
    """Car parks of the finance bureau, held for review; the revision."""
    data = "\n".join((",".join(PARKING), *rows)).encode()
    return call("gkopen_submission_create", portal.cast.officer, domain="parking", organization=portal.cast.body,
                upload=FileStorage(io.BytesIO(data), "停车场.csv"))["revision_id"]


def approve(portal: Portal, revision: str) -> None:
    digest = call("gkopen_revision_show", portal.cast.reviewer, id=revision)["digest"]
    call("gkopen_revision_approve", portal.cast.reviewer, id=revision, digest=digest)
    portal.drain()


def check(page: Page, *rows: str) -> None:
    page.goto("/office")
    page.select_option("#gk-domain", "parking")
    page.set_input_files("#gk-upload", {"name": "停车场.csv", "mimeType": "text/csv",
                                        "buffer": "\n".join((",".join(PARKING), *rows)).encode()})
    page.click("button:text-is('检查文件')")


def rules(page: Page) -> dict[str, str]:
    """Title of a rule → how many places it says."""
    heads = [head.split() for head in page.locator(".gk-finding-group h3").all_inner_texts()]
    return {title: number for _, title, number, *_ in heads}


@pytest.fixture
def many(portal: Portal) -> tuple[str, ...]:
    """Six hundred rows with two findings each, and one with a telephone number behind all of them."""
    return (*(spaces(n, kind="飞机场", total="很多") for n in range(600)),
            *(spaces(n) for n in range(600, 1000)), spaces(1000, name="联系人手机13912345678"))


def test_a_page_tells_how_many_there_are_of_each_rule_also_of_the_rare_ones(
        portal: Portal, many: tuple[str, ...], visit: Callable[..., Any]) -> None:
    whole = {"不在代码表中": "600", "值的类型不对": "600", "疑似手机号码": "1"}
    with visit(portal.cast.officer) as page:
        check(page, *many)
        assert rules(page) == whole
        with page.expect_download() as download:
            page.click("button:text-is('下载全部问题项（CSV）')")
        told = list(csv.reader(download.value.path().read_text("utf-8-sig").splitlines()))
        assert len(told) == 1 + 1201
        page.click("button:text-is('提交审核')")
        revision = page.url
    with visit(portal.cast.reviewer) as page:
        page.goto(revision)
        assert rules(page) == whole
        expect(page.locator(".gk-finding-group", has_text="不在代码表中").locator("tbody tr")).to_have_count(50)
        page.click("main >> text=查看被隔离的行")
        for title, number in whole.items():
            expect(page.locator(".gk-tabs").last).to_contain_text(f"{title} {number}")


def test_a_reviewer_can_read_every_row_that_is_approved(portal: Portal, visit: Callable[..., Any]) -> None:
    approve(portal, upload(portal, *(spaces(n) for n in range(600))))
    revision = upload(portal, *(spaces(n, total="101") for n in range(300)), *(spaces(n) for n in range(600, 1100)))
    with visit(portal.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        expect(page.locator("#difference")).to_contain_text("共 500 行，此处显示前 200 行")
        with page.expect_download() as download:
            page.click("#difference .gk-section-head >> text=下载全部变化的行（CSV）")
        lines = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
        page.set_viewport_size(NARROW)
        assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    kinds = [line["变化"] for line in lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"新增": 500, "移除": 300, "之前": 300, "之后": 300}
    before, after = (next(line for line in lines if line["变化"] == kind) for kind in ("之前", "之后"))
    assert before["停车场名称"] == after["停车场名称"] and before["类型"] == "公共停车场"
    assert (before["泊位总数 (个)"], after["泊位总数 (个)"], after["有变化的列"]) == ("100", "101", "泊位总数")
    with visit(portal.cast.stranger, expected="the server responded") as page:
        assert page.request.get(f"/review/{revision}/difference.csv").status == 404


def test_amounts_of_the_file_of_changes_have_their_own_digits(published: Portal, visit: Callable[..., Any]) -> None:
    revision = published.submit(ROWS[0].replace("800001.50", "1900001.55"), *ROWS[1:])["revision_id"]
    with visit(published.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        text = page.request.get(f"/review/{revision}/difference.csv").body().decode("utf-8-sig")
    before, after = csv.DictReader(io.StringIO(text))
    amount = next(name for name in before if name.startswith("中标（成交）金额") or name.startswith("中标金额"))
    assert (before[amount], after[amount]) == ("800001.50", "1900001.55")


def test_a_file_without_a_good_row_is_not_called_submitted(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        check(page, spaces(1, kind="飞机场"), spaces(2, total="很多"))
        expect(page.locator("main")).to_contain_text("没有合格的行，无法提交")
        expect(page.locator("main")).not_to_contain_text("已公开的内容与文件一致")
        expect(page.locator("button:text-is('提交审核')")).to_have_count(0)
        # A page that was open before: the form is sent all the same.
        page.evaluate("() => { const form = document.querySelector('#gk-findings ~ form');"
                      " form.querySelector('button').value = 'submit'; form.querySelector('button').click(); }")
        expect(page.locator("[role=status]")).to_have_class("gk-notice gk-notice-bad")
        expect(page.locator("[role=status]")).to_contain_text("已直接退回")
        expect(page.locator("main")).not_to_contain_text("须经另一人核准")
        expect(page.locator("main")).not_to_contain_text("system:gkopen")
        expect(page.locator(".gk-title")).to_contain_text("本平台")
        expect(page.locator(".gk-notice-warn")).to_contain_text("没有可发布的数据")
        expect(page.locator(".gk-notice-warn")).not_to_contain_text("The findings")
        page.goto(page.url.replace("/review/", "/en/review/"))
        expect(page.locator(".gk-notice-warn")).to_have_text("Reason: The findings leave nothing to publish")


def test_the_workbook_of_corrections_is_one_click_away(portal: Portal, visit: Callable[..., Any]) -> None:
    book = Workbook()
    book.worksheets[0].title = "填表说明"
    sheet = book.create_sheet("停车场")
    for line in (",".join(PARKING), spaces(1), spaces(2, kind="飞机场")):
        sheet.append(line.split(","))
    stream = io.BytesIO()
    book.save(stream)
    stream.seek(0)
    revision = call("gkopen_submission_create", portal.cast.officer, domain="parking", organization=portal.cast.body,
                    upload=FileStorage(stream, "停车场.xlsx"))["revision_id"]
    with visit(portal.cast.officer) as page:
        page.goto(f"/review/{revision}")
        with page.expect_download() as download:
            page.click("#quarantine >> text=待改正表（XLSX）")
        marked = load_workbook(io.BytesIO(download.value.path().read_bytes()))
    assert marked.sheetnames == ["填表说明", "停车场", "问题清单"]
    assert "飞机场" in marked["停车场"]["B3"].comment.text


def test_what_was_withdrawn_is_still_told_and_its_content_is_not(published: Portal, visit: Callable[..., Any]) -> None:
    """The officer reads who decided, when and why, and comes from there to the page of the withdrawal."""
    first = call("gkopen_revision_list", published.cast.reviewer, state="published")["results"][0]["id"]
    published.publish(ROWS[0].replace("停车场收费系统采购1", "改名的项目"), *ROWS[1:])
    call("gkopen_dataset_withdraw", published.cast.reviewer, id=DATASET, reason="采购公告有误")
    published.drain()
    revisions = call("gkopen_revision_list", published.cast.reviewer)["results"]
    assert [(one["state"], one["withdrawn"]) for one in revisions] == [
        ("withdrawn", False), ("published", True), ("published", True)]
    with visit(published.cast.officer) as page:
        page.goto("/office")
        expect(page.locator("tbody").first.locator("td:nth-child(2)")).to_have_text(
            ["已撤回", "已发布，后撤回", "已发布，后撤回"])
        expect(page.locator("#gk-edit")).to_have_count(0)     # its address answers that nothing is there
        for revision in revisions:
            assert page.goto(f"/review/{revision['id']}").status == 200
            expect(page.locator("main")).to_contain_text("已撤回并封存")
            expect(page.locator(".gk-title")).to_contain_text(published.cast.reviewer)
            expect(page.locator("main")).not_to_contain_text("改名的项目")
            expect(page.locator("text=查看公开页面")).to_have_count(0)
        page.goto(f"/review/{revisions[0]['id']}")
        expect(page.locator("main")).to_contain_text("采购公告有误")
        page.click("text=撤回或恢复")
        expect(page.locator("main")).to_contain_text("采购公告有误")
    assert revisions[-1]["id"] == first


def test_one_month_that_was_withdrawn_leaves_the_others_to_be_read(portal: Portal, visit: Callable[..., Any]) -> None:
    june = ROWS[1].replace("2024-05", "2024-06").replace("NT-2024-002", "NT-2024-602")
    portal.publish(*ROWS[2:], june)
    [revision] = call("gkopen_revision_list", portal.cast.reviewer)["results"]
    call("gkopen_dataset_withdraw", portal.cast.reviewer, id=DATASET, part="2024-05", reason="五月有误")
    with visit(portal.cast.officer) as page:
        page.goto(f"/review/{revision['id']}")
        expect(page.locator(".gk-title .gk-tag")).to_have_text("已发布")
        expect(page.locator("#difference")).to_contain_text("已撤回并封存")
        expect(page.locator(".gk-totals thead")).to_contain_text("有变化的分段合计")
        page.click("#difference .gk-tabs >> text=2024-06")
        expect(page.locator("#difference")).to_contain_text("新增 1 行")


def test_a_bad_row_is_in_the_file_of_the_check(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        choose(page, *ROWS, BAD)
        with page.expect_download() as download:
            page.click("button:text-is('下载全部问题项（CSV）')")
        assert "2024年2月30日" in download.value.path().read_text("utf-8-sig")
        expect(page.locator("button:text-is('提交审核')")).to_be_visible()


def test_a_queue_of_many_bodies_is_read_a_body_or_a_domain_at_a_time(portal: Portal, visit: Callable[..., Any]) -> None:
    upload(portal, spaces(1))
    portal.submit(*ROWS)
    data = "\n".join((",".join(PARKING), spaces(2))).encode()
    call("gkopen_submission_create", portal.cast.stranger, domain="parking", organization=portal.cast.other,
         upload=FileStorage(io.BytesIO(data), "停车场.csv"))
    with visit(portal.cast.office) as page:
        page.goto("/review")
        expect(page.locator("tbody tr")).to_have_count(3)
        page.select_option("#gk-queue-domain", "parking")
        page.click("main form button:text-is('查看')")
        expect(page.locator("tbody th")).to_have_text(["南通市交通运输局停车场", "南通市财政局停车场"])
        page.select_option("#gk-queue-body", portal.cast.body)
        page.click("main form button:text-is('查看')")
        expect(page.locator("tbody th")).to_have_text(["南通市财政局停车场"])
        page.click(".gk-tabs >> text=已退回")
        expect(page.locator("#gk-queue-body")).to_have_value(portal.cast.body)
        expect(page.locator(".gk-empty")).to_contain_text("没有此类记录")
        page.wait_for_load_state()                        # with its styles
        page.set_viewport_size(NARROW)
        assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    with visit(portal.cast.officer) as page:
        page.goto("/review")
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator("#gk-queue-body option")).to_have_count(2)


def test_a_standing_approval_says_why_it_did_not_publish_and_who_gave_it(
        published: Portal, visit: Callable[..., Any]) -> None:
    """The message leads to the revision: whoever decides there reads what was not routine, in words."""
    call("gkopen_standing_grant", published.cast.reviewer, dataset=DATASET, reason="每日例行",
         until=(clock.today() + timedelta(days=9)).isoformat())
    routine = published.submit(*ROWS, ROWS[0].replace("2024-001", "2024-701"))["revision_id"]
    assert standing.work_one()
    jump = ROWS[0].replace("800001.50", "938000000.00")
    other = published.submit(jump, *ROWS[1:], ROWS[0].replace("2024-001", "2024-701"), BAD)["revision_id"]
    assert standing.work_one() and not standing.work_one()
    with visit(published.cast.reviewer) as page:
        page.goto(f"/review/{routine}")
        expect(page.locator(".gk-title")).to_contain_text(f"常设批准（{published.cast.reviewer} 批准）")
        expect(page.locator("main")).not_to_contain_text("standing:")
        expect(page.locator("#not-routine")).to_have_count(0)
        page.goto(f"/review/{other}")
        for part in ("常设批准未适用", "日期无法确定", "中标", "合计将由 12,800,129 变为 950,000,127.5"):
            expect(page.locator("#not-routine")).to_contain_text(part)
        for code in ("date-wrong", "award_amount"):
            expect(page.locator("#not-routine")).not_to_contain_text(code)
        page.goto(f"/en/review/{other}")
        expect(page.locator("#not-routine")).to_contain_text("Not published by the standing approval: ")
        expect(page.locator("button:text-is('Approve and publish')")).to_be_visible()
