"""What columns as a whole say: a column whose content is no longer of its type, figures that may be fractions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import TEXTS, Domain, Field
from ckanext.gkopen.normalise.cells import as_mask, empty
from ckanext.gkopen.normalise.derived import Made

_MOST, _SOME = 0.9, 3


def check_contents(domain: Domain, made: Made, findings: Findings, labels: dict[str, str]) -> None:
    """`column-retyped`: nine cells of ten are not of the field's type, whatever they were before; an error where their
    rows are set aside, a warning where the field may keep them as they are printed."""
    for name, text in made.text.items():
        field = domain.field(name)
        cells = findings.bad_cells(name)
        unread = findings.of_files(cells)
        suspicious = (unread >= _SOME) & (field.type not in TEXTS)  # what is wrong with texts is another thing
        if suspicious.any():
            filled, apart = findings.of_files(~empty(text)), findings.of_files(cells & findings.bad)
            for file in np.flatnonzero(suspicious & (unread >= filled * _MOST)):
                findings.add("column-retyped", int(file), field=name, label=labels.get(name),
                             severity="error" if apart[file] == unread[file] else "warning",
                             params={"count": int(unread[file]), "of": int(filled[file])})
        rates = _rates(field, made)
        if rates is not None:
            _fractions(field, made, rates, findings, labels.get(name))


def _rates(field: Field, made: Made) -> np.ndarray | None:
    """The rows in which a field is a percentage: all, or those whose unit beside it says so."""
    if field.type == "percent":
        return np.ones(made.rows, bool)
    if field.type != "decimal" or field.unit_from not in made.values:
        return None
    return as_mask(pc.equal(made.values[field.unit_from], "%"))


def _fractions(field: Field, made: Made, rates: np.ndarray, findings: Findings, label: str | None) -> None:
    """`percent-as-fraction`: 0.985 may be 98.5% where a file does not tell how it shows a number."""
    values, text = made.values[field.name], made.text[field.name]
    known = findings.of_files(rates & as_mask(pc.is_valid(values)))
    above = findings.of_files(rates & as_mask(pc.greater(values, pa.scalar(1).cast(values.type))))
    signed = findings.of_files(rates & as_mask(pc.match_substring_regex(text, "[%％]")))
    enough = _SOME if field.type == "percent" else 1
    fractions = (known >= enough) & (signed == 0) & (above == 0)
    findings.add_each("percent-as-fraction", map(int, np.flatnonzero(fractions)), field=field.name, label=label)
