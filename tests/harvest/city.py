"""What the tests of harvests share: the demo city's car parks on a simulated platform, and runs of one source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger, run
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.simulator.faults import parse_fault
from ckanext.gkopen.simulator.platform import Platform
from tests.people import call

SECRET = "only-for-tests"
SOURCE = "jianghai-cgj-parking"
BODY = "jianghai-cgj"


@dataclass
class City:
    folder: Path
    platform: Platform

    def table(self, name: str = "cgj-parking") -> Path:
        return self.folder / "data" / f"{name}.csv"

    def lines(self, name: str = "cgj-parking") -> list[str]:
        return self.table(name).read_text("utf-8-sig").splitlines()

    def write(self, lines: list[str], name: str = "cgj-parking") -> None:
        self.table(name).write_text("\n".join(lines) + "\n", "utf-8")

    def edit(self, old: str, new: str) -> None:
        text = self.table().read_text("utf-8-sig")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the table"
        self.table().write_text(text.replace(old, new), "utf-8")

    def openness(self, said: str, service: str = "cgj-parking") -> None:
        """What the catalogue says of 是否向社会开放."""
        with self._service(service) as entry:
            entry["catalogue"]["是否向社会开放"] = said

    def service(self, **changes: Any) -> None:
        """Other settings of the car parks' service."""
        with self._service("cgj-parking") as entry:
            entry.update(changes)

    @contextmanager
    def _service(self, name: str) -> Iterator[dict[str, Any]]:
        path = self.folder / "city.yaml"
        city = yaml.safe_load(path.read_text("utf-8"))
        [entry] = [each for each in city["services"] if each["id"] == name]
        yield entry
        path.write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")

    def fault(self, *names: str) -> None:
        self.platform.faults.replace([parse_fault(name) for name in names])


def harvest(name: str = SOURCE, *, dry_run: bool = False) -> dict[str, Any]:
    """One run to its end; the run's row."""
    run_id = ledger.enqueue(ledger.find_source(name), "manual", "test", dry_run=dry_run)
    ckan_model.Session.commit()
    return carry_out(run_id)


def carry_out(run_id: str, tell: run.Progress = lambda *_: None) -> dict[str, Any]:
    """What a worker does with a run that is queued, or whose worker died; the run's row."""
    claim = ledger.claim(run_id)
    assert claim is not None
    try:
        run.carry_out(claim, tell)
    finally:
        claim.release()
    return run_of(run_id)


def resumed(run_id: Any) -> dict[str, Any]:
    """A run that ended, carried out again as if its worker had died before it closed the run; the run's row."""
    model.execute("update gkopen.run set state = 'running', finished_at = null where id = :id", id=run_id)
    ckan_model.Session.commit()
    return carry_out(str(run_id))


def run_of(run_id: Any) -> dict[str, Any]:
    ckan_model.Session.remove()
    row = model.one("select * from gkopen.run where id = :id", id=run_id)
    assert row is not None
    return row


def approve_all() -> None:
    for revision in call("gkopen_revision_list", "office", state="held", limit=1000)["results"]:
        call("gkopen_revision_approve", "office", id=revision["id"], digest=revision["digest"])
    assert all(outbox.drain())


def approve() -> None:
    """What waits becomes public; its exits follow later, which these tests do not wait for."""
    for row in model.every("select id, digest from gkopen.revision where state = 'held'"):
        call("gkopen_revision_approve", "office", id=str(row["id"]), digest=row["digest"])


def public_rows() -> int:
    return model.value("select coalesce(sum(rows), 0) from gkopen.public_part where part <> '~metadata'")


def revisions() -> int:
    return model.value("select count(*) from gkopen.revision")


def shown(resource: str = "parking") -> int:
    return call("datastore_search", "", resource_id=resource)["total"]


def age_tombstones(days: int) -> None:
    """As if the rows had been missing for so many days."""
    model.execute("update gkopen.tombstone set missing_since = missing_since - make_interval(days => :days)", days=days)
    ckan_model.Session.commit()
