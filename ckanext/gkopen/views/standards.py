"""`/open/ocds/`, `/open/oc4ids/`, `/open/fiscal/`: packages of the standards, and one process or project by its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen import clock, model
from ckanext.gkopen.domains import Text
from ckanext.gkopen.publish import behind
from ckanext.gkopen.publish.standards import single
from ckanext.gkopen.publish.standards.prefix import SAMPLES, missing, prefix
from ckanext.gkopen.views.download import cached, replaced, said, send

blueprint = Blueprint("gkopen_standards", __name__)

FILES = "address, dataset_id, domain, form, sha256, size, media_type, rows, variants, reason, updated_at"
STANDARDS: dict[str, dict[str, Any]] = {
    "ocds": {"title": Text("政府采购 OCDS", "Procurement as OCDS"), "version": "OCDS 1.1.5",
             "domain": "procurement", "url": "https://standard.open-contracting.org/1.1/"},
    "oc4ids": {"title": Text("重大建设项目 OC4IDS", "Major projects as OC4IDS"), "version": "OC4IDS 0.9",
               "domain": "project", "url": "https://standard.open-contracting.org/infrastructure/0.9/"},
    "fiscal": {"title": Text("财政预决算数据包", "Budgets as a fiscal data package"),
               "version": "Fiscal Data Package 1.0", "domain": "budget",
               "url": "https://specs.frictionlessdata.io/fiscal-data-package/"},
}
_ONE: dict[str, tuple[Callable[[str], str | None], str, str]] = {
    "ocds": (single.process, "过程标识", "the id of a process"),
    "oc4ids": (single.project, "项目标识", "the id of a project"),
}


def packages(standard: str) -> list[dict[str, Any]]:
    """The published files of a standard: whole packages first, then years, the newest first."""
    rows = model.every(f"select {FILES} from gkopen.file where address like :below and sha256 is not null",
                       below=f"{standard}/%")
    rows.sort(key=lambda row: row["address"], reverse=True)
    rows.sort(key=lambda row: "-" in row["address"])
    return [{"name": row["address"].partition("/")[2], "url": f"/open/{row['address']}", "size": row["size"],
             "sha256": row["sha256"], "entries": row["rows"], "media_type": row["media_type"],
             "updated": clock.told(row["updated_at"])} for row in rows]


def index(standard: str) -> str | Response:
    """The page for people."""
    if refused := _without_prefix(standard):
        return refused
    return toolkit.render("gkopen/standards/index.html", {
        "standard": standard, "about": STANDARDS[standard], "packages": packages(standard),
        "prefix": prefix(standard) if standard in SAMPLES else None})


def index_json(standard: str) -> Response:
    if refused := _without_prefix(standard):
        return refused
    about = STANDARDS[standard]
    listed = {"standard": about["version"], "title": {"zh": about["title"].zh, "en": about["title"].en},
              "documentation": about["url"], "packages": packages(standard)}
    if standard in _ONE:
        listed["one"] = f"/open/{standard}/{{id}}.json"
    return cached(toolkit.h.dump_json(listed, ensure_ascii=False), "application/json")


def file(standard: str, file: str) -> Response:
    """A package, or one process or project."""
    if refused := _without_prefix(standard):
        return refused
    row = model.one(f"select {FILES} from gkopen.file where address = :address", address=f"{standard}/{file}")
    if row is not None and row["sha256"] is not None:
        return replaced() if behind.file_is(row) else send(row)
    if row is not None:
        return _gone(row["reason"])
    if standard in _ONE and file.endswith(".json"):
        try:
            text = _ONE[standard][0](file.removesuffix(".json"))
        except single.Gone as gone:
            return _gone(str(gone))
        if text is not None:
            return cached(text, "application/json")
    return _unknown(standard)


def _without_prefix(standard: str) -> Response | None:
    if standard in SAMPLES and prefix(standard) is None:
        return said(404, *missing(standard))
    return None


def _gone(reason: str | None) -> Response:
    if not reason:
        return said(410, "这里公开过的数据已不再公开。", "What was published here is public no more.")
    return said(410, f"该数据已撤回。{reason}", f"These data were withdrawn. {reason}")


def _unknown(standard: str) -> Response:
    names = [package["name"] for package in packages(standard)]
    shown, more = names[:12], "…" if len(names) > 12 else ""
    chinese = f"这里没有此文件；可用：{'、'.join(shown)}{more}"
    english = f"There is no such file; use one of: {', '.join(shown)}{more}"
    if standard in _ONE:
        _, what, what_en = _ONE[standard]
        chinese += f"，或已发布的{what}加 .json（以 {prefix(standard)}- 开头）"
        english += f", or {what_en} and .json (it begins with {prefix(standard)}-)"
    return said(404, f"{chinese}。全部列于 /open/{standard}/ 。", f"{english}. All are listed at /open/{standard}/ .")


# An address of each standard of its own, so that it wins over /open/<domain>/<file>; a project number may hold a slash.
for _name in STANDARDS:
    for _rule, _view in (("", index), ("index.json", index_json), ("<file>", file), ("<path:file>", file)):
        blueprint.add_url_rule(f"/open/{_name}/{_rule}", _view.__name__, _view, defaults={"standard": _name})
