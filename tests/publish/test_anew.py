"""Whatever happened to an exit, `gkopen rebuild` brings back what is approved, and `verify` has nothing to say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pysolr
import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.plugins import toolkit
from ckanext.datastore.backend.postgres import get_read_engine, get_write_engine
from sqlalchemy import event

from ckanext.gkopen import ids, model, verify
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import worker
from ckanext.gkopen.publish import anew, store, table
from ckanext.gkopen.publish.forms.streams import GZIP, IDENTITY, ZSTD
from tests.history.whole import hold_whole
from tests.people import Cast, call, make_cast
from tests.races import crew

TABLE = f'public."{ids.table_id("procurement")}"'


@pytest.fixture
def cast(site: Any, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """Two bodies with three and with two rows, the second one with a part that was withdrawn."""
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.bulk_interval", 0)
    cast = make_cast()
    crew.approve(cast.office, hold_whole(cast.officer, cast.body, [crew.row(n, "100.00", f"0{n}") for n in (4, 5, 6)])
                 or "")
    crew.approve(cast.office, hold_whole(cast.stranger, cast.other, [crew.row(n, "90.00", f"0{n}") for n in (4, 5)])
                 or "")
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.other}-procurement", part="2024-05", reason="不应公开")
    ckan_model.Session.commit()
    crew.drain()
    assert list(verify.problems()) == []
    return cast


def shown(app: Any) -> Iterator[tuple[str, Any]]:
    """What readers get from each exit."""
    for row in model.every("select address from gkopen.file order by address"):
        answer = app.get(f"/open/{row['address']}", headers={"Accept-Encoding": "identity"})
        yield row["address"], (answer.status_code, answer.get_data())
    rows = call("datastore_search", "", resource_id="procurement", sort="dataset_id,release_id")
    yield "rows", (rows["total"], [{k: v for k, v in row.items() if k != "_id"} for row in rows["records"]])
    yield "found", sorted(each["name"] for each in call("package_search", "", q="采购")["results"])


def ahead() -> None:
    """As where the DataStore was saved after the database."""
    with get_write_engine().begin() as connection:
        connection.execute(sa.text("update gkopen.applied_dataset set seq = seq + 7"))


def by_hand(statement: str) -> None:
    with get_write_engine().begin() as connection:
        assert connection.execute(sa.text(statement.format(table=TABLE))).rowcount > 0


def harm_table() -> None:
    by_hand("update {table} set award_amount = award_amount + 1 where part = '2024-04'")
    by_hand("delete from {table} where part = '2024-06'")
    by_hand("update gkopen.applied set rows = rows + 3")
    ahead()


def lose_table() -> None:
    with get_write_engine().begin() as connection:
        connection.execute(sa.text(f"drop table {TABLE} cascade"))


def bring_rows_back() -> None:
    by_hand("update {table} set part = '2024-05' where part = '2024-04'")
    ahead()


def give_rows_to_nobody() -> None:
    by_hand("update {table} set dataset_id = 'nobody' where part = '2024-06'")


def lack_a_column() -> None:
    """As where the domain's file has one more column since the last publication."""
    with get_write_engine().begin() as connection:
        connection.execute(sa.text(f"alter table {TABLE} drop column award_amount cascade"))


def harm_files() -> None:
    folder = store.local_folder()
    assert folder is not None
    for number, row in enumerate(model.every("select sha256, variants from gkopen.file where sha256 is not null")):
        coding = (IDENTITY, GZIP, ZSTD)[number % 3]
        file = folder / store.location(row["sha256"], coding if coding in row["variants"] else IDENTITY)
        if number % 2:
            file.unlink(missing_ok=True)
        else:
            whole = file.read_bytes()
            file.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])


def harm_index() -> None:
    index = pysolr.Solr(toolkit.config["solr_url"], always_commit=True)
    index.delete(q="name:*procurement")


def retitle() -> None:
    model.execute("update public.package set title = '另一个标题' where name like '%-procurement' and name <> :bulk",
                  bulk="all-procurement")
    ckan_model.Session.commit()


def lose_package() -> None:
    """What CKAN's own commands can do behind gkopen's back."""
    model.execute("update public.package set state = 'deleted' where name like '%-procurement' and name <> :bulk",
                  bulk="all-procurement")
    ckan_model.Session.commit()


@pytest.mark.parametrize(("harm", "said"), [
    (retitle, "CKAN shows other title than what was approved"), (lose_package, "CKAN has no package of it"),
    (harm_table, "rows were approved, the DataStore shows"), (lose_table, "the DataStore shows 0"),
    (bring_rows_back, "which was not approved"), (give_rows_to_nobody, "rows of nobody, which is no dataset"),
    (lack_a_column, "procurement has no award_amount"), (harm_files, "is missing from the public storage"),
    (harm_index, "is missing from the search index")])
def test_what_is_approved_comes_back(cast: Cast, app: Any, cli: Any, harm: Any, said: str) -> None:
    before = dict(shown(app))
    harm()
    assert any(said in problem for problem in verify.problems())
    done = cli.invoke(ckan, ["gkopen", "rebuild", "procurement"])
    assert done.exit_code == 0, done.output
    assert [line.split("\t")[:3] for line in done.output.splitlines() if line.startswith("procurement\t")] == [
        ["procurement", sink, "2"] for sink in ("packages", "datastore", "files", "solr", "bulk", "standards")]
    assert list(verify.problems()) == []
    assert dict(shown(app)) == before
    # and the books are right: what comes next is brought up from there
    crew.approve(cast.office, hold_whole(cast.officer, cast.body, [crew.row(n, "7.00", "04") for n in (1, 2)]) or "")
    ckan_model.Session.commit()
    crew.drain()
    assert list(verify.problems()) == []
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == 3


def test_a_portal_that_has_another_address_says_so_once_it_is_rebuilt(
        cast: Cast, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of resources are stored with the package: developers and harvesters would go on asking the old ones."""
    old, new = toolkit.config["ckan.site_url"], "https://data.jianghai.gov.cn"
    monkeypatch.setitem(toolkit.config, "ckan.site_url", new)
    assert [problem for problem in verify.problems() if "CKAN shows other resources" in problem]
    assert dict(anew.rebuild(get_domain("procurement")))["packages"] == 2
    assert list(verify.problems()) == []
    said = json.dumps(call("package_search", "", q="*:*", rows=100)) + app.get("/catalog.ttl").text
    said += app.get(f"/open/procurement/{cast.body}-procurement.zip").get_data().decode("latin-1")
    assert f"{new}/open/procurement/" in said and old not in said


def test_the_rows_of_a_dataset_are_compared_in_one_snapshot_whatever_its_parts(cast: Cast) -> None:
    """There are thousands of datasets of a dozen parts: a connection for each part took nine tenths of the time."""
    datasets = model.value("select count(*) from gkopen.dataset where seq > 0")
    assert model.value("select count(*) from gkopen.public_part where part like '20%'") > datasets
    taken: list[Any] = []

    def note(connection: Any, *_: Any) -> None:
        taken.append(connection)

    event.listen(get_read_engine(), "checkout", note)
    try:
        assert list(verify._rows()) == []
    finally:
        event.remove(get_read_engine(), "checkout", note)
    assert len(taken) == datasets


def test_a_part_is_compared_by_itself_where_parts_are_large(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "TOGETHER", 1)
    assert list(verify._rows()) == []
    harm_table()
    assert [problem for problem in verify._rows() if "rows were approved, the DataStore shows" in problem]


def test_columns_that_a_domain_has_by_now_come_with_the_next_start_of_a_worker(cast: Cast, app: Any) -> None:
    """After an upgrade readers would else get a 500 of each row until the next publication."""
    before = dict(shown(app))
    lack_a_column()
    with get_write_engine().begin() as connection:
        connection.execute(sa.text("update gkopen.applied_table set version = 'older'"))
    assert any("has no award_amount" in problem for problem in verify.problems())
    worker.work(once=True)
    assert list(verify.problems()) == []
    assert dict(shown(app)) == before
    assert app.get("/datastore/dump/procurement").status_code == 200
    written = model.every("select * from gkopen.outbox order by dataset_id, seq, sink")
    worker.work(once=True)
    assert model.every("select * from gkopen.outbox order by dataset_id, seq, sink") == written, "once"


def test_what_is_brought_up_meanwhile_stays(cast: Cast, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = table.bring_anew

    def late(*asked: Any) -> None:
        """A body publishes for the first time after the command has begun."""
        third = crew.row(8, "3.00", "07")
        crew.approve(cast.office, hold_whole("portal-admin", "zwgkb", [third]) or "")
        ckan_model.Session.commit()
        crew.drain()
        real(*asked)

    monkeypatch.setattr(table, "bring_anew", late)
    assert cli.invoke(ckan, ["gkopen", "rebuild", "procurement"]).exit_code == 0
    assert list(verify.problems()) == []
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == 5


def test_a_domain_of_which_nothing_is_public_has_nothing_to_do(site: Any, cli: Any) -> None:
    done = cli.invoke(ckan, ["gkopen", "rebuild", "--all"])
    assert (done.exit_code, done.output) == (0, "")
    for wrong in ([], ["--all", "parking"], ["nope"]):
        assert cli.invoke(ckan, ["gkopen", "rebuild", *wrong]).exit_code == 2
