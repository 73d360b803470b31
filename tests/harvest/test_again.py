"""A table that a source sends again as it was is not read again, and its run says what it would have said."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ckan import model as ckan_model
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import clock, intake, model, pipeline
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.oversight.ledger import facts
from tests.harvest.city import SOURCE, City, approve, harvest
from tests.people import call


def examined(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The files that are read from now on."""
    seen: list[Any] = []
    read = intake.examine_all
    monkeypatch.setattr(intake, "examine_all", lambda domain, files: (seen.extend(files), read(domain, files))[1])
    return seen


def told(run: dict[str, Any]) -> Any:
    """What an officer reads of a run, without the ids of its time."""
    findings = call("gkopen_finding_list", "office", run=str(run["id"]), limit=1000)["results"]
    rows = call("gkopen_run_quarantine", "office", id=str(run["id"]))["results"]
    counts = {name: value for name, value in run["counts"].items() if name != "outcomes"}
    return (run["state"], counts, [outcome["state"] for outcome in run["counts"]["outcomes"]],
            sorted((f["code"], f["line"] or 0, f["field"] or "") for f in findings),
            sorted((row["line"], row["kind"], str(row["row"]), row["codes"]) for row in rows))


def with_a_bad_row(town: City) -> None:
    header, first, *rest = town.lines()
    town.write([header, first, first, *rest, first.replace(first.split(",")[0], "")])


def read_in_full(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same run where nothing is known of tables before."""
    with monkeypatch.context() as patch:
        patch.setattr("ckanext.gkopen.harvest.again.unchanged", lambda *given: {})
        return told(harvest())


def test_what_is_public_already_is_not_read_again(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_bad_row(town)
    harvest()
    approve()
    seen = examined(monkeypatch)
    after_publication = told(harvest())
    assert seen == []
    assert after_publication[2] == ["unchanged"]
    assert after_publication[4], "rows set apart are listed"
    in_full = read_in_full(monkeypatch)
    assert len(seen) == 1
    assert after_publication == in_full
    assert told(harvest()) == in_full, "also of a table that changed nothing the last time"
    assert len(seen) == 1
    assert model.value("select count(*) from gkopen.submission where options ? 'seen'") == 2
    on = clock.today()
    [seen_in] = {str(row["days"]) for row in model.every(
        "select options -> 'seen_in' as days from gkopen.submission where options ? 'seen'")}
    assert seen_in == str({on.isoformat()[:7]: on.isoformat()})
    datasets = [str(row["id"]) for row in model.every("select id from gkopen.dataset")]
    assert {day for days in facts(datasets).told.values() for day in days} == {on}


def test_what_may_have_changed_is_read(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    harvest()
    seen = examined(monkeypatch)
    harvest()
    assert len(seen) == 1, "nobody has decided yet"
    approve()
    harvest()
    assert len(seen) == 1
    monkeypatch.setattr(pipeline, "rules_version", lambda domain: "newer")
    harvest()
    assert len(seen) == 2, "read by other rules"
    harvest()
    assert len(seen) == 2
    source = ledger.find_source(SOURCE)
    model.execute("update gkopen.source set config = jsonb_set(config, '{units}', '{\"x\": \"元\"}') where id = :id",
                  id=source["id"])
    ckan_model.Session.commit()
    harvest()
    assert len(seen) == 3, "told to be read otherwise"
    header, *rows = town.lines()
    town.write([header, *rows[1:]])
    harvest()
    harvest()
    assert len(seen) == 5, "a row is missing: each run looks whether its days of grace are over"


def test_a_dataset_that_was_withdrawn_is_read_again(public: City, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = model.value("select name from gkopen.dataset")
    call("gkopen_dataset_withdraw", "office", id=dataset, reason="含有不应公开的内容")
    seen = examined(monkeypatch)
    harvest()
    assert len(seen) == 1


def test_a_dry_run_says_the_same_and_notes_nothing(public: City, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = examined(monkeypatch)
    assert harvest(dry_run=True)["counts"]["outcomes"][0]["state"] == "unchanged"
    assert seen == []
    assert not model.value("select 1 from gkopen.submission where options ? 'seen'")


def test_what_was_published_beside_a_listing_that_waited_is_looked_at(town: City) -> None:
    """Two years of a budget: an officer changes one of them while the listing, which changes the other, waits."""
    name, lines = "jianghai-czj-budget", town.lines("czj-budget")

    def with_other_amount(rows: list[str], year: str) -> list[str]:
        row = next(row for row in rows if row.startswith(f"{year},") and row.split(",")[12].isdigit())
        cells = row.split(",")
        return [",".join([*cells[:12], f"{cells[12]}1", *cells[13:]]) if one == row else one for one in rows]

    harvest(name)
    approve()
    town.write(with_other_amount(lines, "2019"), "czj-budget")
    assert harvest(name)["counts"]["changed"] == 1
    waits = model.value("select id::text from gkopen.revision where state = 'held'")
    rows = [lines[0], *(row for row in with_other_amount(lines, "2022") if row.startswith("2022,")), ""]
    own = call("gkopen_submission_create", "officer", domain="budget", organization="jianghai-czj",
               upload=FileStorage(io.BytesIO("\n".join(rows).encode()), filename="2022.csv"))
    assert (own["state"], own["changed"]) == ("held", 1)
    for revision in (own["revision_id"], waits):
        digest = model.value("select digest from gkopen.revision where id = :id", id=revision)
        call("gkopen_revision_approve", "office", id=revision, digest=digest)
    again = harvest(name)["counts"]
    assert (again["outcomes"][0]["state"], again["changed"]) == ("held", 1), "it says otherwise of 2022"
