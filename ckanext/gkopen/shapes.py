"""Tables that are laid out otherwise than a domain's rows: wide ones, with rates beside the figures, and in two halves.
Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from ckanext.gkopen.codes import Code, CodeList, Text, fold

_YEAR = re.compile(r"^(19|20)\d\d(年度?)?-?|\(?(19|20)\d\d(年度?)?\)?$")


@dataclass(frozen=True, slots=True)
class PrintedRate:
    """A column of percentages beside the figures of a wide table: compared, never published.

    It is a figure of the first code of `of` that has a column, in percent of one of `to`, or with `change` how much it
    is above one of another year: of a column under one of `to_labels`, or whose label names another year. `labels`:
    folded, without %.
    """

    labels: frozenset[str]
    of: tuple[str, ...]
    to: tuple[str, ...] = ()
    to_labels: frozenset[str] = frozenset()
    change: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How a wide table becomes long: each column whose label `codes` knows becomes a row of its own.

    `code`, `value` and `label` are the fields that receive the code, the cell and the column's label (or None);
    `constants` fill other fields; `when_columns` are the labels, one of which makes a table a wide one.
    `whole`: labels of a column that holds what the others add up to: it is compared, and published where no part is.
    `also`: folded labels that mean a code in such a table only.
    """

    name: str
    title: Text
    codes: CodeList
    code: str
    value: str
    label: str | None
    constants: Mapping[str, str]
    whole: frozenset[str] = frozenset()
    also: Mapping[str, str] = dataclass_field(default_factory=dict)
    rates: tuple[PrintedRate, ...] = ()

    @property
    def when_columns(self) -> tuple[str, ...]:
        return tuple(label for code in self.codes.codes for label in code.labels)

    def find(self, label: str) -> Code | None:
        """The code of a column, also where a year stands before or after its label (2016年预算数)."""
        return self.codes.find(label) or self.codes.find(_YEAR.sub("", fold(label)))


@dataclass(frozen=True, slots=True)
class Halves:
    """Tables whose left and right half are rows of two `codes` of `field`. `name`: the field that a half's first column
    brings, also where the column alone would be one of `instead`."""

    field: str
    codes: tuple[str, ...]
    name: str
    instead: tuple[str, ...] = ()
