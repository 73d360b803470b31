"""The identifiers that a standard ever published: an address of one that is gone says so instead of not knowing it."""

from __future__ import annotations

from typing import Any

from ckanext.gkopen import model

_TOGETHER = 5_000


class Ids:
    """Collects identifiers while packages are made, and keeps those that are new. The caller commits."""

    def __init__(self, standard: str) -> None:
        self.standard = standard
        self._rows: list[tuple[str, str, str]] = []

    def __enter__(self) -> Ids:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if not failed:
            self._keep()

    def add(self, name: str, known_by: str, dataset_id: str) -> None:
        """`known_by`: the value by which its rows are found; `dataset_id`: a dataset that it stands in."""
        self._rows.append((name, known_by, dataset_id))
        if len(self._rows) >= _TOGETHER:
            self._keep()

    def _keep(self) -> None:
        names, values, datasets = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        model.execute(
            "insert into gkopen.standard_id (standard, id, known_by, dataset_id)"
            " select :standard, * from unnest(cast(:names as text[]), cast(:values as text[]),"
            " cast(:datasets as uuid[])) on conflict (standard, id) do update set dataset_id = excluded.dataset_id"
            " where standard_id.dataset_id <> excluded.dataset_id",
            standard=self.standard, names=list(names), values=list(values), datasets=list(datasets))
        self._rows = []


def entry(standard: str, name: str) -> dict[str, Any] | None:
    """`known_by` of an identifier, and the public reason where the dataset that it stood in was withdrawn."""
    return model.one("select i.known_by, case when d.state = 'withdrawn' then d.reason end as reason"
                     " from gkopen.standard_id i left join gkopen.dataset d on d.id = i.dataset_id"
                     " where i.standard = :standard and i.id = :name", standard=standard, name=name)
