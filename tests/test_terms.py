"""One Chinese term for one thing, everywhere: pages, messages, findings, commands, documents."""

from __future__ import annotations

from ckanext.gkopen.embedded.places import PROJECT

INSTEAD = {"归" + "集": "采集", "平台管理员": "门户管理员", "隐私扫描": "隐私排查", "制作令牌": "创建令牌",
           "做零报告": "提交零报告", "帐号": "账号", "范本": "模板", "正规表达式": "正则表达式",
           "查找字符串": "查询字符串"}
"""What is not said here → what is. The platform gathers (归集) what departments have; gkopen harvests it (采集): 平台
is the exchange platform. The last ones are words of Taiwan, in texts of CKAN that come from its catalogue for there."""
FOLDERS = ("ckanext", "harvesters", "schemas", "docs")
ENDINGS = (".py", ".html", ".md", ".yaml", ".po", ".js", ".csv")


def test_one_term_for_one_thing() -> None:
    files = [path for folder in FOLDERS for path in (PROJECT / folder).rglob("*") if path.suffix in ENDINGS]
    assert len(files) > 200
    found = [(str(path.relative_to(PROJECT)), word) for path in [*files, *PROJECT.glob("*.md")]
             for word in INSTEAD if word in path.read_text("utf-8")]
    assert found == []
