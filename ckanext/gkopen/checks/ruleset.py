"""What a rule is given: the rows that count, and a way to say what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np
import pyarrow as pa

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.fields import is_one_of
from ckanext.gkopen.domains import Domain, Rule
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.records import Severity


@dataclass(slots=True)
class Context:
    """What a rule sees. `good`: rows that are neither bad nor duplicates; `labels`: field → label in the source."""

    domain: Domain
    made: Made
    findings: Findings
    good: np.ndarray
    labels: Mapping[str, str]

    def values(self, name: str) -> pa.Array:
        return self.made.values[name]

    def has(self, *names: str) -> bool:
        """Is there any value in all of these fields? A rule about absent columns has nothing to say."""
        return all(self.made.values[name].null_count < self.made.rows for name in names)

    def where(self, params: Mapping[str, Any]) -> np.ndarray:
        """Good rows that the rule's `when` selects."""
        when = params.get("when")
        return self.good if when is None else self.good & is_one_of(self.made.strings(when["field"]), when["values"])

    def label(self, name: str) -> str:
        return self.labels.get(name) or self.domain.field(name).title.zh

    def say(self, rule: Rule, code: str, rows: np.ndarray, field: str, values: pa.Array | None = None,
            **params: object) -> None:
        """One finding for each row, with the rule's own severity and title."""
        title = {"zh": rule.title.zh, "en": rule.title.en}
        self.findings.rows(code, rows, field=field, label=self.label(field), values=values,
                           severity=cast(Severity, rule.severity), params={"rule": rule.id, "title": title, **params})


def plain(value: object) -> str:
    """A figure without trailing zeros or exponent, a day as ISO text."""
    if value is None:
        return "-"
    if isinstance(value, date):
        return value.isoformat()
    text = format(value, "f") if hasattr(value, "as_tuple") else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
