"""What columns as a whole say: a column whose content is no longer of its type, figures that may be fractions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import as_mask, empty
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.records import Options

_MOST, _SOME = 0.9, 3


def check_contents(domain: Domain, made: Made, findings: Findings, labels: dict[str, str],
                   options: Sequence[Options]) -> None:
    """`column-retyped`: under an accepted header nine cells of ten are no longer of the field's type. `options`: of
    each file."""
    accepted = np.array([each.expected_header is not None for each in options])
    for name, text in made.text.items():
        field = domain.field(name)
        unread = findings.of_files(findings.bad_cells(name))
        suspicious = accepted & (unread >= _SOME)
        if not suspicious.any() and field.type != "percent":
            continue
        filled = findings.of_files(~empty(text))
        for file in np.flatnonzero(suspicious & (unread >= filled * _MOST)):
            findings.add("column-retyped", int(file), field=name, label=labels.get(name),
                         params={"count": int(unread[file]), "of": int(filled[file])})
        if field.type == "percent":
            values = made.values[name]
            above = findings.of_files(as_mask(pc.greater(values, pa.scalar(1).cast(values.type))))
            known = findings.of_files(as_mask(pc.is_valid(values)))
            signed = findings.of_files(as_mask(pc.match_substring_regex(text, "[%％]")))
            fractions = (filled >= _SOME) & (signed == 0) & (above == 0) & (known > 0)
            findings.add_each("percent-as-fraction", map(int, np.flatnonzero(fractions)), field=name,
                              label=labels.get(name))
