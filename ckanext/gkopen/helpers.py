"""Template helpers: what pages ask for beyond the variables of their view. Names in `__all__` are registered.

Everything that is shown is read through actions, as the reader of the page: a page can show nothing that the API would
not give the same person.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal
from ckan import model
from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import g, has_request_context

from ckanext.gkopen import bodies, caching, changesets, ids
from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.domains import Domain, UnknownDomain, get_domain
from ckanext.gkopen.metadata.codes import meta_codes
from ckanext.gkopen.model import every
from ckanext.gkopen.publish.publication import sources_of
from ckanext.gkopen.review import roles
from ckanext.gkopen.views.change import cells as gkopen_changed_cells
from ckanext.gkopen.views.change import metadata as gkopen_metadata_changes
from ckanext.gkopen.views.change import row_name as gkopen_row_name
from ckanext.gkopen.views.change import totals as gkopen_totals
from ckanext.gkopen.views.preview import Preview, preview, unit
from ckanext.gkopen.views.preview import table as gkopen_rows

__all__ = [
    "gkopen_bodies",
    "gkopen_body",
    "gkopen_changed_cells",
    "gkopen_date",
    "gkopen_dictionary",
    "gkopen_domain",
    "gkopen_domain_of",
    "gkopen_domains",
    "gkopen_door",
    "gkopen_downloads",
    "gkopen_duration",
    "gkopen_english",
    "gkopen_facet_label",
    "gkopen_formats",
    "gkopen_is_bulk",
    "gkopen_languages",
    "gkopen_latest", "gkopen_legal_basis",
    "gkopen_license",
    "gkopen_metadata_changes",
    "gkopen_number",
    "gkopen_page_url",
    "gkopen_part",
    "gkopen_preview",
    "gkopen_reason",
    "gkopen_revision_title",
    "gkopen_role",
    "gkopen_row_name",
    "gkopen_rows",
    "gkopen_search_is_near",
    "gkopen_site_title",
    "gkopen_size",
    "gkopen_source",
    "gkopen_table_resource",
    "gkopen_text",
    "gkopen_time",
    "gkopen_title",
    "gkopen_totals",
    "gkopen_who",
    "unix_locale_to_bcp47",
]

SHORTLY_SECONDS = 10
"""How old figures of the home page may be."""
BROWSER_LOCALES = {"zh_Hans_CN": "zh-CN", "zh_Hant_TW": "zh-TW"}
DOWNLOAD_ORDER = ("excel.csv", "csv", "xlsx", "jsonl", "parquet", "zip")
CODE_FACETS = {"field": "meta_field", "tier": "meta_tier", "update_cycle": "meta_update_cycle",
               "disclosure_attribute": "meta_disclosure_attribute", "stage": "meta_stage"}

P = ParamSpec("P")
R = TypeVar("R")


def shortly(function: Callable[P, R]) -> Callable[P, R]:
    """Keep the answer a few seconds, or until something is published; a language each. Only for what all see alike."""
    kept: dict[Any, tuple[float, int, R]] = {}

    @wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        key, newest = (h.lang(), args, tuple(sorted(kwargs.items()))), caching.generation()
        found = kept.get(key)
        if found is None or found[1] != newest or time.monotonic() - found[0] > SHORTLY_SECONDS:
            found = kept[key] = (time.monotonic(), newest, function(*args, **kwargs))
        return found[2]

    return answer


# ---- language ----------------------------------------------------------------------------------------------------

def unix_locale_to_bcp47(locale_str: str) -> str:
    """The language of a page for browsers. CKAN's JavaScript builds an address and moment's locale from it, and does
    not start at all for the `zh-Hans-CN` of the core helper that this one replaces."""
    return BROWSER_LOCALES.get(locale_str, locale_str.replace("_", "-"))


def gkopen_english() -> bool:
    return str(h.lang()).startswith("en")


def gkopen_text(value: Any) -> str:
    """A text in the reader's language: from `{zh, en}`, from a `Text`, or as it is."""
    if isinstance(value, Mapping):
        return str(value.get("en" if gkopen_english() else "zh") or value.get("zh") or value.get("en") or "")
    return value.get(h.lang()) if hasattr(value, "en") else str(value or "")


def gkopen_title(thing: Mapping[str, Any], field: str = "title") -> str:
    """`title` of a dataset or body, or `title_en` for an English page where there is one."""
    english = thing.get(f"{field}_en") if gkopen_english() else None
    return str(english or thing.get(field) or thing.get("display_name") or thing.get("name") or "")


def gkopen_site_title() -> str:
    """The portal's name in the reader's language (`ckan.site_title`, `ckanext.gkopen.site_title_en`)."""
    option = "ckanext.gkopen.site_title_en"
    english = toolkit.config[option] if gkopen_english() and option in toolkit.config else None
    return english or toolkit.config["ckan.site_title"]


def gkopen_languages() -> list[dict[str, Any]]:
    """This page in each language that is offered: code, browser's code, name, address, whether it is shown now."""
    names = {"zh_Hans_CN": "简体中文", "zh_Hant_TW": "繁體中文", "en": "English"}
    # Not CKAN's own current_url, which takes the bytes of a path for letters: of 停车场 it makes another word.
    query = toolkit.request.query_string.decode("latin-1")
    address = quote(toolkit.request.path) + (f"?{query}" if query else "")
    return [{"code": locale.short_name, "tag": unix_locale_to_bcp47(locale.short_name),
             "name": names.get(locale.short_name, locale.display_name), "current": locale.short_name == h.lang(),
             "url": h.url_for(address, locale=locale.short_name)} for locale in h.get_available_locales()]


# ---- figures -----------------------------------------------------------------------------------------------------

def gkopen_number(value: Any, digits: int | None = None) -> str:
    """A number with separators of thousands, all its own digits kept; what is no number stays as it is."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return "" if value is None else str(value)
    if digits is not None:
        number = round(number, digits)
    return f"{number:,f}"


def gkopen_size(size: Any) -> str:
    """Bytes as a person reads them: 12 KB, 3.4 MB."""
    if not size:
        return ""
    amount = float(size)
    for name, digits in (("B", 0), ("KB", 0), ("MB", 1)):
        if amount < 1000:
            return f"{amount:.{digits}f} {name}"
        amount /= 1000
    return f"{format_decimal(round(amount, 1), locale='en')} GB"


def _moment(value: Any) -> datetime | None:
    """CKAN's own times are UTC without a zone; a date alone stays that date."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo("UTC"))).astimezone(SHANGHAI)
    return None


def gkopen_date(value: Any) -> str:
    """A day, in the words of the page's language; times are those of Asia/Shanghai."""
    if isinstance(value, str) and len(value) == len("2024-05-01"):
        try:
            return format_date(date.fromisoformat(value), "long", locale=_locale())
        except ValueError:
            return value
    moment = _moment(value)
    return format_date(moment.date(), "long", locale=_locale()) if moment else str(value or "")


def gkopen_time(value: Any) -> str:
    """Day and minute, Asia/Shanghai."""
    moment = _moment(value)
    if moment is None:
        return str(value or "")
    return format_datetime(moment, "y-MM-dd HH:mm" if not gkopen_english() else "d MMM y, HH:mm", locale=_locale())


def gkopen_duration(seconds: float) -> str:
    """A length of time in its largest unit: 3 days, 5 hours."""
    return format_timedelta(timedelta(seconds=seconds), threshold=1.2, locale=_locale())


def _locale() -> str:
    return "en_GB" if gkopen_english() else str(h.lang())


# ---- what is published -------------------------------------------------------------------------------------------

@shortly
def gkopen_domains() -> list[dict[str, Any]]:
    """The domains with the numbers of what is public in each: datasets, rows, bodies, updated."""
    return toolkit.get_action("gkopen_domain_list")({"user": ""}, {})


@shortly
def gkopen_bodies() -> list[dict[str, Any]]:
    """Bodies that publish something: name, title, datasets, updated; the newest publication first."""
    bulk = [ids.bulk_id(domain["name"]) for domain in gkopen_domains()]
    without_bulk = " ".join(f"-id:{identifier}" for identifier in bulk)
    search = toolkit.get_action("package_search")
    counts = search({"user": ""}, {"rows": 0, "fq": without_bulk, "facet.field": ["organization"], "facet.limit": -1})
    items = {item["name"]: item for item in counts["search_facets"].get("organization", {}).get("items", [])}
    newest: dict[str, str] = {}
    latest = search({"user": ""}, {"rows": 1000, "fq": without_bulk, "fl": "organization,metadata_modified",
                                   "sort": "metadata_modified desc"})
    for row in latest["results"]:
        newest.setdefault(row["organization"], str(row["metadata_modified"]))
    groups = model.Session.query(model.Group).filter(model.Group.name.in_(items)) if items else []
    found = [{"name": group.name, "title": group.title, "title_en": bodies.as_dict(group).get("title_en"),
               "datasets": items[group.name]["count"], "updated": newest.get(group.name, "")} for group in groups]
    return sorted(found, key=lambda body: (body["updated"], body["name"]), reverse=True)


@shortly
def gkopen_latest(limit: int = 6) -> list[dict[str, Any]]:
    """The datasets that were published last; tables over all bodies are left out."""
    without_bulk = " ".join(f"-id:{ids.bulk_id(domain['name'])}" for domain in gkopen_domains())
    found = toolkit.get_action("package_search")({"user": ""}, {
        "rows": limit, "fq": without_bulk, "sort": "metadata_modified desc"})
    return found["results"]


def gkopen_domain(name: str | None) -> Domain | None:
    """The description of a domain, or None for a name that no YAML file has."""
    try:
        return get_domain(name or "")
    except UnknownDomain:
        return None


def gkopen_domain_of(package: Mapping[str, Any]) -> Domain | None:
    return gkopen_domain(package.get("domain"))


def gkopen_is_bulk(package: Mapping[str, Any]) -> bool:
    """Whether a package presents the table of all bodies of a domain."""
    return package.get("id") == ids.bulk_id(package.get("domain") or "")


def gkopen_body(package: Mapping[str, Any]) -> str:
    """The responsible body's name in the reader's language."""
    if gkopen_english():
        group = model.Group.get(package.get("owner_org") or "")
        if group is not None and bodies.as_dict(group).get("title_en"):
            return bodies.as_dict(group)["title_en"]
    return (package.get("organization") or {}).get("title") or package.get("responsible_body") or ""


def gkopen_legal_basis(package: Mapping[str, Any]) -> str:
    """The law by which a dataset is public; in English where it is the one that the domain names."""
    told, domain = package.get("legal_basis") or "", gkopen_domain_of(package)
    return domain.legal_basis.en if gkopen_english() and domain and told == domain.legal_basis.zh else told


def gkopen_table_resource(package: Mapping[str, Any]) -> dict[str, Any] | None:
    """The resource that holds the rows."""
    return next((r for r in package.get("resources", []) if r.get("form") == "table"), None)


def gkopen_downloads(package: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files that are made already (form, url, size, sha256, updated_at), the one for Excel first."""
    bulk = gkopen_is_bulk(package)
    rows = every("select form, '/open/' || address as url, size, sha256, updated_at from gkopen.file"
                 " where sha256 is not null and case when :bulk then dataset_id is null and domain = :domain"
                 " else dataset_id = cast(:id as uuid) end",
                 bulk=bulk, domain=package.get("domain"), id=package["id"])
    files = {row["form"]: row for row in rows}
    return [files[form] for form in DOWNLOAD_ORDER if form in files]


def gkopen_formats(package: Mapping[str, Any]) -> list[str]:
    """The formats of a dataset's files, for a list of datasets."""
    return list(dict.fromkeys(r["format"] for r in package.get("resources", []) if r.get("form") in DOWNLOAD_ORDER))


def gkopen_source(package: Mapping[str, Any]) -> str:
    """Where a dataset's rows came from, in words; the names of persons stay inside."""
    if package.get("source_system"):
        return str(package["source_system"])
    if gkopen_is_bulk(package):
        return toolkit._("The responsible bodies")
    if package.get("harvest_source"):
        return gkopen_door("source")
    return gkopen_door(sources_of([package["id"]]).get(package["id"], ""))


def gkopen_door(source: str) -> str:
    """The way by which a submission came in, in words: the text before the colon of `source:<name>`, `upload:<user>`,
    `api:<user>`, `cli:<user>`, or the whole of `metadata`, `nil`, `decision` (withdrawal, roll-back)."""
    words = {"source": toolkit._("Shared exchange platform"), "upload": toolkit._("Workbook of the responsible body"),
             "api": toolkit._("Business system of the responsible body"),
             "cli": toolkit._("File of the responsible body"),
             "metadata": toolkit._("Metadata form"), "nil": toolkit._("Nil report"),
             "decision": toolkit._("Decision of a reviewer or officer")}
    return words.get(source.partition(":")[0], source)


def gkopen_who(name: str) -> str:
    """Who sent, asked for or decided something: a person's account, or what `source:<name>`, `push:<token>`,
    `standing:<who granted it>`, `cli` and changesets.SYSTEM stand for, in words."""
    if name == "cli":
        return toolkit._("Command line")
    if name == changesets.SYSTEM:
        return toolkit._("The portal itself")
    kind, _, of = name.partition(":")
    words = {"source": gkopen_door(name), "standing": toolkit._("Standing approval of {name}").format(name=of),
             "push": toolkit._("Business system {name}").format(name=of)}
    return words.get(kind, name) if of else name


def gkopen_reason(revision: Mapping[str, Any]) -> str:
    """Why a revision was decided as it was: a person's own words, or what the program says in both languages."""
    zh, slash, en = str(revision["reason"] or "").partition(" / ")
    spoken = slash and revision["decided_by"] == changesets.SYSTEM
    return gkopen_text({"zh": zh, "en": en}) if spoken else revision["reason"] or ""


def gkopen_license(package: Mapping[str, Any]) -> str:
    licence = model.Package.get_license_register().get(package.get("license_id") or "")
    if licence is None:
        return str(package.get("license_title") or package.get("license_id") or "")
    data = licence._data if hasattr(licence, "_data") else {}
    return (data.get("title_en") if gkopen_english() else None) or licence.title


def gkopen_dictionary(domain: Domain) -> list[dict[str, Any]]:
    """The columns of a domain for the data dictionary: name, title, type, unit, note, codes."""
    return [{"name": field.name, "title": gkopen_text(field.title), "type": field.type, "unit": unit(field),
             "key": field.name in domain.key, "note": gkopen_text(field.description) if field.description else "",
             "codes": [(code.code, gkopen_text(code.title)) for code in field.codes.codes] if field.codes else []}
            for field in domain.fields]


def gkopen_preview(domain: Domain | None, resource_id: str, per_page: int = 10, **filters: str) -> Preview | None:
    """Rows of a table for the page that is asked for (`q`, `page`, `columns` in its address); None without a table."""
    return preview(domain, resource_id, toolkit.request.args, per_page, filters) if domain else None


def gkopen_search_is_near() -> bool:
    """Whether the search of this page found no dataset that has all that was asked for, and shows what comes near."""
    return bool(g.get("gkopen_near"))


def gkopen_facet_label(facet: str, item: Mapping[str, Any]) -> str:
    """The name of a facet's value in the reader's language."""
    value = str(item["name"])
    if facet == "domain":
        domain = gkopen_domain(value)
        return gkopen_text(domain.title) if domain else value
    if facet in CODE_FACETS:
        code = meta_codes(CODE_FACETS[facet]).get(value)
        return gkopen_text(code.title) if code else value
    if facet == "license_id":
        return gkopen_license({"license_id": value})
    if facet == "organization" and gkopen_english():
        return gkopen_body({"owner_org": value, "organization": {"title": item.get("display_name")}})
    return str(item.get("display_name") or value)


def gkopen_revision_title(revision: Mapping[str, Any]) -> str:
    """Body and domain of a revision in the reader's language."""
    domain = gkopen_domain(revision["dataset"]["domain"])
    body = gkopen_body({"owner_org": revision["organization"]["id"], "organization": revision["organization"]})
    if domain is None:
        return str(revision["dataset"]["title"])
    return f"{body}: {domain.title.en}" if gkopen_english() else f"{body}{domain.title.zh}"


def gkopen_part(name: str, domain: Domain | None) -> str:
    """The name of a part: a month, a year and its phase, or everything."""
    return toolkit._("Everything") if name == "whole" else gkopen_text(domain.part_title(name)) if domain else name


# ---- the page and its reader -------------------------------------------------------------------------------------

def gkopen_page_url(**changes: Any) -> str:
    """This page's address with some parameters changed; None or "" takes one away."""
    args = {**toolkit.request.args.to_dict(), **changes}
    kept = {name: value for name, value in args.items() if value not in (None, "")}
    # Not as arguments of url_for: whoever asks names them as he likes, also as it names its own.
    page = h.url_for(toolkit.request.endpoint, **toolkit.request.view_args) if toolkit.request.view_args else h.url_for(
        toolkit.request.path)
    return f"{page}?{urlencode(kept)}" if kept else page


def gkopen_role() -> dict[str, bool]:
    """Which of the officers' pages the reader may open: `desk`, `review`, `admin`."""
    user = toolkit.current_user
    if not has_request_context() or not user.is_authenticated:
        return {"desk": False, "review": False, "admin": False}
    held = roles.roles_of(user.name)
    return {"desk": held.administrator or bool(held.officer), "review": held.administrator or bool(held.reviewer),
            "admin": held.administrator}
