"""The year of a table as a whole: columns of another one are not its figures."""

from __future__ import annotations

import pyarrow as pa

from ckanext.gkopen.dates import parse_period, parse_year
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.opened import Opened
from ckanext.gkopen.normalise.titles import year_of_title


def year_field(domain: Domain) -> str | None:
    """The field that holds the year of a row."""
    return next((every.name for every in domain.fields if every.type == "year"), None)


def year_of_table(domain: Domain, file: Opened, texts: list[pa.Array]) -> str | None:
    """The year of all rows of a table whose columns may be of several, where one is stated: in a column of years or
    else of periods, by the source or above the table."""
    if not domain.shapes:
        return None
    name = year_field(domain) or next((every.name for every in domain.fields if every.type in ("period", "month")
                                        and every.required), None)
    if name is None:
        return None
    read = parse_year if domain.field(name).type == "year" else _year_of_period
    year, place = year_of_title(file) or (None, None)
    above = year if place == "title" else None
    if name in file.columns.field_at:
        found = {read(cell) for cell in texts[file.columns.field_at.index(name)].unique().to_pylist()}
        if found == {None} and read is _year_of_period:  # 1月, 2月
            return above
        return str(*found) if len(found) == 1 and None not in found else None
    stated = file.options.constants.get(name)
    if stated is None or read is parse_year:
        return stated or above
    return None if (found_year := read(stated)) is None else str(found_year)


def _year_of_period(text: str) -> int | None:
    period = parse_period(text)
    return None if period is None or period.start.year != period.end.year else period.start.year
