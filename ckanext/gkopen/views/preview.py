"""A page of rows of a DataStore table, ready to be shown: labels, units, codes in words, amounts with separators."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit

from ckanext.gkopen.domains import NUMERIC, Domain, Field
from ckanext.gkopen.history import keys

SYSTEM = ("dataset_id", "part")
"""Columns of every table that say nothing to a reader."""
TECHNICAL = ("join:", "else_join:", "id_of:", "ocid", "printed:", "unit_of:")
"""Ways of deriving a column that serve programs and auditors; such columns are shown when all are asked for."""
MOST_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One column as a page shows it. `numeric`: set to the right; `figure`: an amount, a share or a measured number."""

    name: str
    title: str
    unit: str
    numeric: bool
    figure: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """One page of rows. `rows`: texts in the order of `columns`; `links`: the address of each. `same`: columns that say
    the same in every row of the page, with what they say. `hidden`: how many are left out because they are empty on
    this page or technical.

    `total` is exact up to `more_than`, which is set where counting stopped there.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    links: Sequence[str]
    same: Sequence[tuple[Column, str]]
    hidden: int
    all_columns: bool
    total: int
    more_than: bool
    page: int
    pages: int
    q: str
    per_page: int

    @property
    def first(self) -> int:
        return (self.page - 1) * self.per_page + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0


def preview(domain: Domain, resource_id: str, args: Mapping[str, str], per_page: int,
            filters: Mapping[str, str]) -> Preview | None:
    """The page that `args` (q, page, columns) ask for; None when the table is not there (yet).

    Records are asked for as CSV: inside Python the other forms decode amounts to float, and lose digits.
    """
    q, page = args.get("q", "").strip(), _page(args.get("page"))
    request: dict[str, Any] = {"resource_id": resource_id, "limit": per_page, "offset": (page - 1) * per_page,
                               "records_format": "csv"}
    if q:
        request["q"] = q
    if chosen := {name: value for name, value in filters.items() if value}:
        request["filters"] = chosen
    try:
        found = toolkit.get_action("datastore_search")({}, request)
    except (toolkit.ObjectNotFound, toolkit.ValidationError):
        return None
    names = [field["id"] for field in found["fields"]]
    records = [row for row in csv.reader(io.StringIO(found["records"])) if row]
    return _shown(domain, names, records, found, page, per_page, q, args.get("columns") == "all")


def technical(field: Field | None) -> bool:
    return field is not None and (field.type == "url" or (field.derived or "").startswith(TECHNICAL))


def _page(text: str | None) -> int:
    return min(max(int(text), 1), MOST_PAGES) if text and text.isascii() and text.isdigit() else 1


def _shown(domain: Domain, names: list[str], records: list[list[str]], found: Mapping[str, Any], page: int,
           per_page: int, q: str, all_columns: bool) -> Preview:
    places = [place for place, name in enumerate(names) if name not in SYSTEM and not name.startswith("_")]
    if "publisher" in names and len({record[names.index("publisher")] for record in records}) <= 1:
        places.remove(names.index("publisher"))
    fields = {field.name: field for field in domain.fields}
    telling = [place for place in places if any(record[place] for record in records)
               and not technical(fields.get(names[place]))]
    whole = sorted(places, key=lambda place: technical(fields.get(names[place])))
    shown = whole if all_columns or not telling else telling
    hidden = len(places) - len(shown)
    same = [] if all_columns or len(records) < 2 else [
        place for place in shown if len({record[place] for record in records}) == 1]
    shown = [place for place in shown if place not in same] or shown
    total = int(found.get("total") or 0)
    return Preview(
        columns=[column(names[place], fields.get(names[place])) for place in shown],
        rows=[[cell(fields.get(names[place]), record[place]) for place in shown] for record in records],
        links=[_address(domain, dict(zip(names, record, strict=True))) for record in records],
        same=[(column(names[place], fields.get(names[place])), cell(fields.get(names[place]), records[0][place]))
              for place in same if place not in shown],
        hidden=hidden, all_columns=all_columns, total=total,
        more_than=bool(found.get("total_was_estimated")), page=page,
        pages=max(1, min(-(-total // per_page), MOST_PAGES)), q=q, per_page=per_page)


def _address(domain: Domain, record: Mapping[str, str]) -> str:
    """The row's own page, with its history and its money trail. Rows of several bodies may have the same key."""
    key = keys.to_path([record[name] or None for name in domain.key])
    return h.url_for("gkopen_row.read", domain=domain.name, key=key, dataset=record["dataset_id"])


def unit(field: Field | None) -> str:
    """The unit of a column in the reader's language; one that is not listed stays as the domain writes it."""
    words = {"元": toolkit._("yuan"), "平方米": toolkit._("square metres"), "个": toolkit._("places")}
    return words.get(field.unit or "", field.unit or "") if field else ""


def column(name: str, field: Field | None) -> Column:
    """The head of a column. `publisher` is the one column that every table has and no domain describes."""
    if field is None:
        return Column(name, toolkit._("Body") if name == "publisher" else name, "", False, False)
    return Column(name, field.title.get(h.lang()), unit(field), field.type in NUMERIC - {"year"},
                  field.type in ("money", "decimal", "percent"))


def cell(field: Field | None, text: str) -> str:
    """What a reader sees of one cell: the code's name, separators of thousands, a time to the minute, no midnight."""
    if field is None or not text:
        return text
    if field.codes is not None:
        code = field.codes.get(text)
        return code.title.get(h.lang()) if code else text
    if field.type == "boolean":
        return toolkit._("Yes") if text.lower() in ("t", "true") else toolkit._("No")
    if field.type in NUMERIC - {"year"}:
        return number(text)
    if field.type in ("date", "datetime"):
        return text.replace("T", " ")[:16].removesuffix(" 00:00")
    return text


def number(text: str) -> str:
    """Separators of thousands; zeros at the end of a fraction say nothing, but a fraction has two digits at least."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return text
    whole, _, fraction = f"{amount:,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction.ljust(2, '0')}" if fraction else whole


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows for a page, without technical columns and those that are empty in all of them."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def table(domain: Domain, records: Sequence[Mapping[str, Any]]) -> Table:
    """Rows that an action gave as dictionaries of texts, in the domain's order of columns."""
    fields = [field for field in domain.fields
              if any(record.get(field.name) for record in records) and not technical(field)]
    return Table([column(field.name, field) for field in fields],
                 [[cell(field, record.get(field.name) or "") for field in fields] for record in records])
