"""Fields that are made from others where the source gives nothing, by the ways that `docs/domains.md` lists.

    join:a,b        values joined by "|"                       id_of:a,b+c  "g-" and a digest of a, else of b and c
    label_of:a,b, column_of:a,b, named_in:a, amount_in:a    what a label, another column, words or an amount in it say
                    where there is no such column (see `titles`)
    first_of:a,b    the first that is there                    printed:a    the cell as the source prints it
    value_of:a      its figure as printed; its rate, where this field is a percent
    unit_of:a       its unit as printed or stated              basis_of:a   in which form it is priced
    begins_of:a.x   the code of this field whose column x begins a's text
    code_of:a,b     the first text found in this field's codes extra_of:a.x column x of a's code list
    start_of:a, end_of:a, type_of:a                            of a period
    period_of:a,b   the period from day a to day b              ocid         prefix and project number
    else_join:a,b,c a where there is one, else b and c joined
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import dates
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.normalise import typed
from ckanext.gkopen.normalise.amounts import Amounts
from ckanext.gkopen.normalise.cells import as_mask, by_distinct

BASIS = {"rate": "rate", "discount": "discount", "unit_price": "unit_price", "missing": "not_stated",
         "formula": "formula", "parts": "formula", "bound": "formula", "range": "formula", "approximate": "formula",
         "masked": "not_stated", "foreign": "formula", "text": "formula"}
"""Form of a text that is no amount (`money.FORMS`) → code of the list pricing_basis."""

_prefixes: dict[str, str] = {}


def configure(**prefixes: str | None) -> None:
    """Set what a city's identifiers begin with: `configure(ocid="ocds-abc123-")`. Without one the field stays empty."""
    _prefixes.clear()
    _prefixes.update({name: prefix for name, prefix in prefixes.items() if prefix})


@dataclass(slots=True)
class Made:
    """What is known of a table while it is made. `text`: cells as printed; `values`: typed; all of one length."""

    domain: Domain
    rows: int
    text: dict[str, pa.Array] = dataclass_field(default_factory=dict)
    values: dict[str, pa.Array] = dataclass_field(default_factory=dict)
    amounts: dict[str, Amounts] = dataclass_field(default_factory=dict)
    _nothing: dict[pa.DataType, pa.Array] = dataclass_field(default_factory=dict)

    def nothing(self, kind: pa.DataType) -> pa.Array:
        """A column of nulls; one array serves all such columns of a type (a wide domain has dozens)."""
        if kind not in self._nothing:
            self._nothing[kind] = pa.nulls(self.rows, kind)
        return self._nothing[kind]

    def strings(self, name: str) -> pa.Array:
        """A field's values as text, null where there is none."""
        array = self.values.get(name)
        if array is None:
            return self.nothing(pa.string())
        return array if array.type == pa.string() else array.cast(pa.string())

    def printed(self, name: str) -> pa.Array:
        text = self.text.get(name)
        return self.nothing(pa.string()) if text is None else typed.nulled(text)


def derive(made: Made, field: Field) -> pa.Array:
    """The values of a derived field, of its type, for all rows."""
    way, _, argument = (field.derived or "").partition(":")
    return _WAYS[way](made, field, argument)


def sources(field: Field) -> list[str]:
    """The fields that a derived field is made of."""
    way, _, argument = (field.derived or "").partition(":")
    return ["project_no"] if way == "ocid" else [
        name.partition(".")[0] for name in re.split("[,+]", argument)]


def _join(made: Made, field: Field, argument: str) -> pa.Array:
    columns = [pc.fill_null(made.strings(name), "") for name in argument.split(",")]
    joined = pc.binary_join_element_wise(*columns, "|") if len(columns) > 1 else columns[0]
    return typed.nulled(pc.utf8_rtrim(joined, "|"))


def _first_of(made: Made, field: Field, argument: str) -> pa.Array:
    found = pc.coalesce(*(made.strings(name) for name in argument.split(",")))
    return _read(field, pc.fill_null(found, ""))


def _id_of(made: Made, field: Field, argument: str) -> pa.Array:
    """Of several fields joined by + all must be there."""
    found = pc.coalesce(*(pc.binary_join_element_wise(*map(made.strings, names.split("+")), "|")
                          for names in argument.split(",")))

    def digest(text: str) -> str | None:
        return "g-" + hashlib.sha256(text.encode()).hexdigest()[:16] if text else None

    return by_distinct(pc.fill_null(found, ""), digest, pa.string())


def _printed(made: Made, field: Field, argument: str) -> pa.Array:
    return made.printed(argument)


def _value_of(made: Made, field: Field, argument: str) -> pa.Array:
    amounts = made.amounts.get(argument)
    if field.type == "percent":
        if amounts is None:
            return made.nothing(field.arrow_type)
        rated = np.zeros(made.rows, bool)
        for form in ("rate", "discount"):
            rated |= amounts.forms.get(form, False)
        figures = pc.if_else(pa.array(rated), pc.fill_null(made.printed(argument), ""), "")
        return by_distinct(figures, _rate_figure, field.arrow_type)
    return made.printed(argument) if amounts is None else _read(field, pc.fill_null(amounts.value, ""))


def _rate_figure(text: str):
    match = re.search(r"[-+]?\d+(?:\.\d+)?\s*[%％‰]", text)
    return typed.percents(_PERCENT, pa.array([match.group().replace("％", "%")]))[0][0].as_py() if match else None


def _unit_of(made: Made, field: Field, argument: str) -> pa.Array:
    amounts = made.amounts.get(argument)
    return made.nothing(pa.string()) if amounts is None else amounts.unit


def _basis_of(made: Made, field: Field, argument: str) -> pa.Array:
    amounts = made.amounts.get(argument)
    if amounts is None:
        return made.nothing(pa.string())
    basis = pc.if_else(pc.is_valid(amounts.yuan), "amount", pa.scalar(None, pa.string()))
    text = made.text.get(argument)
    filled = as_mask(pc.not_equal(text, "")) if text is not None else np.zeros(made.rows, bool)
    for form, mask in amounts.forms.items():
        if form in BASIS and (mask & filled).any():
            basis = pc.if_else(pa.array(mask & filled), BASIS[form], basis)
    return basis


def _code_of(made: Made, field: Field, argument: str) -> pa.Array:
    """The first text of those named that is a code."""
    return pc.coalesce(*(typed.codes(field, pc.fill_null(made.strings(name), ""))[0] for name in argument.split(",")))


def _extra_of(made: Made, field: Field, argument: str) -> pa.Array:
    name, _, column = argument.partition(".")
    codes = made.domain.field(name).codes
    assert codes is not None

    def extra(code: str) -> str | None:
        found = codes.get(code)
        return (found.extra.get(column) or None) if found else None

    return _read(field, pc.fill_null(by_distinct(pc.fill_null(made.strings(name), ""), extra, pa.string()), ""))


def _begins_of(made: Made, field: Field, argument: str) -> pa.Array:
    name, _, column = argument.partition(".")
    starts = [(code.extra[column], code.code) for code in (field.codes.codes if field.codes else ())
              if code.extra.get(column)]
    return by_distinct(pc.fill_null(made.strings(name), ""), lambda text: next(
        (code for start, code in starts if text.startswith(start)), None), pa.string())


def _edge_of(pick: Callable[[dates.Period], object]) -> Callable[[Made, Field, str], pa.Array]:
    def edge(made: Made, field: Field, argument: str) -> pa.Array:
        def of(text: str):
            period = dates.parse_period(text)
            return pick(period) if period else None

        kind = pa.string() if field.type == "code" else field.arrow_type
        found = by_distinct(pc.fill_null(made.strings(argument), ""), of, kind)
        return _read(field, pc.fill_null(found, "")) if field.type == "code" else found

    return edge


def _period_of(made: Made, field: Field, argument: str) -> pa.Array:
    start, end = (pc.fill_null(made.strings(name), "") for name in argument.split(","))
    return typed.periods(field, pc.if_else(pc.equal(end, ""), start, pc.binary_join_element_wise(start, end, "/")))[0]


def _else_join(made: Made, field: Field, argument: str) -> pa.Array:
    first, rest = argument.split(",", 1)
    return pc.coalesce(made.strings(first), _join(made, field, rest))


def _ocid(made: Made, field: Field, argument: str) -> pa.Array:
    prefix = _prefixes.get("ocid")
    if not prefix or "project_no" not in made.values:
        return made.nothing(pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), made.strings("project_no"), "")


def _read(field: Field, text: pa.Array) -> pa.Array:
    return typed.READERS[field.type](field, text)[0] if field.type in typed.READERS else typed.nulled(text)


_PERCENT = Field("rate", None, "percent")  # type: ignore[arg-type]
_WAYS: dict[str, Callable[[Made, Field, str], pa.Array]] = {
    **dict.fromkeys(("label_of", "column_of", "named_in", "amount_in"),
                    lambda made, field, argument: made.nothing(field.arrow_type)),
    "join": _join, "first_of": _first_of, "id_of": _id_of, "printed": _printed, "value_of": _value_of,
    "unit_of": _unit_of, "basis_of": _basis_of, "code_of": _code_of, "extra_of": _extra_of,
    "begins_of": _begins_of,
    "start_of": _edge_of(lambda period: period.start), "end_of": _edge_of(lambda period: period.end),
    "type_of": _edge_of(lambda period: period.kind), "period_of": _period_of, "else_join": _else_join,
    "ocid": _ocid,
}
