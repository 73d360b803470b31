"""What columns as a whole say: a column whose content is no longer of its type, figures that may be fractions."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import empty, has_text
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.records import Options

_MOST, _SOME = 0.9, 3


def check_contents(domain: Domain, made: Made, findings: Findings, labels: dict[str, str], options: Options) -> None:
    """`column-retyped`: under an accepted header nine cells of ten are no longer of the field's type."""
    for name, text in made.text.items():
        field = domain.field(name)
        filled = int((~empty(text)).sum())
        unread = int((findings.bad_cells(name)).sum())
        if options.expected_header is not None and unread >= _SOME and unread >= filled * _MOST:
            findings.add("column-retyped", field=name, label=labels.get(name), params={"count": unread, "of": filled})
        if field.type == "percent" and filled >= _SOME and not has_text(text, "%") and not has_text(text, "％"):
            values = made.values[name]
            if pc.any(pc.greater(values, pa.scalar(1).cast(values.type))).as_py() is False:
                findings.add("percent-as-fraction", field=name, label=labels.get(name))
