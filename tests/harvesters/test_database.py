"""Front-end databases, each test on a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters import (
    AnswerTooLarge,
    ForbiddenAddress,
    InconsistentListing,
    Limits,
    Page,
    SourceRefused,
    SourceUnreachable,
    Transport,
    load_source,
    open_transport,
)
from ckanext.gkopen.harvesters.database import DatabaseTransport
from ckanext.gkopen.harvesters.dialect import Column
from ckanext.gkopen.harvesters.mysql import MySQL
from tests.harvest import city
from tests.harvesters import fronts
from tests.harvesters.fronts import Front
from tests.people import call, make_cast

SHORT = Limits(connect=2, silence=2, attempt=20, tries=2, pause=0.01, pause_most=0.02)
NOTICE = {
    "postgresql": "create table notice (id bigint primary key, 项目名称 text, amount numeric(20, 2),"
                  " rate double precision, open_on date, updated timestamp, ok boolean, kind char(4), \"a%b\" text)",
    "mysql": "create table notice (id bigint unsigned primary key, 项目名称 varchar(200), amount decimal(20, 2),"
             " rate double, open_on date, updated datetime, ok bit(1), kind char(4), `a%%b` text)",
}  # fmt: skip
BIG = 9007199254740993
STAMP = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def _mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    if fronts.MARIADBD is None:
        pytest.skip("no MariaDB on this machine: install Debian's mariadb-server-core, as .ci/run does")
    with fronts.mariadb(tmp_path_factory.mktemp("mariadb")) as front:
        yield front


@pytest.fixture(scope="session")
def _postgresql(servers: Any) -> Iterator[Front]:
    with fronts.postgresql(servers.postgres_url) as front:
        yield front


@pytest.fixture(params=["postgresql", "mysql"])
def front(request: pytest.FixtureRequest, servers: Any) -> Front:
    """A database with an empty table `notice` that the reader may read, and one `secret_notice` that it may not.

    `servers` is named here since the session looks at the names of fixtures to know whether to start any.
    """
    found: Front = request.getfixturevalue("_postgresql" if request.param == "postgresql" else "_mariadb")
    reader = fronts.USER if found.kind == "postgresql" else f"{fronts.USER}@'127.0.0.1'"
    found.run("drop table if exists notice", "drop table if exists secret_notice", NOTICE[found.kind].replace(
        "%%", "%"), "create table secret_notice (id int primary key)", f"grant select on notice to {reader}")
    return found


def fill(front: Front, number: int, first: int = 1) -> None:
    ok = "(%s = 1)" if front.kind == "postgresql" else "%s"
    front.fill(
        f"insert into notice values (%s, %s, %s, 0.1, '2026-05-01', %s, {ok}, 'ab', %s)",
        [(place, f"项目{place}", f"{place}.10", (STAMP + timedelta(minutes=place)).replace(tzinfo=None), place % 2,
          None if place % 3 else "") for place in range(first, first + number)],
    )  # fmt: skip


@pytest.fixture
def connect() -> Iterator[Callable[..., Transport]]:
    opened: list[Transport] = []

    def connect(front: Front, *, secret: str = fronts.PASSWORD, hosts: tuple[str, ...] = ("127.0.0.1",),
                limits: Limits = SHORT, **changes: str) -> Transport:  # fmt: skip
        keys = {"name": "front", "title": "前置库", "domain": "procurement", "organization": "demo-0",
                "transport": "database", "url": f'"{front.url}"', "secret_env": "GKOPEN_SECRET_DEMO",
                "table": "notice", "key": "id", "page_size": "100", "update_cycle": "daily"} | changes  # fmt: skip
        source = load_source("\n".join(f"{key}: {value}" for key, value in keys.items() if value))
        opened.append(open_transport(source, secret, allowed_hosts=hosts, limits=limits))
        return opened[-1]

    yield connect
    for transport in opened:
        transport.close()


def rows_of(pages: list[Page]) -> list[dict[str, str | None]]:
    return [row for page in pages for row in page.rows]


def test_every_row_comes_once_as_the_server_prints_it(front, connect):
    fill(front, 230)
    front.run(f"update notice set id = {BIG}, amount = 123456789012345678.90, 项目名称 = '“引号”''; -- %s'"
              " where id = 230")  # fmt: skip
    pages = list(connect(front).pages())
    assert [len(page.rows) for page in pages] == [100, 100, 30]
    assert {page.total for page in pages} == {230}
    rows = rows_of(pages)
    assert [row["id"] for row in rows] == [*map(str, range(1, 230)), str(BIG)]
    assert (rows[0]["amount"], rows[-1]["amount"]) == ("1.10", "123456789012345678.90")
    assert rows[-1]["项目名称"] == "“引号”'; -- %s"
    assert {row["rate"] for row in rows} == {"0.1"}
    assert (rows[0]["open_on"], rows[0]["updated"]) == ("2026-05-01", "2026-05-01 12:01:00")
    assert (rows[0]["ok"], rows[1]["ok"]) in (("true", "false"), ("1", "0"))
    assert (rows[0]["a%b"], rows[2]["a%b"]) == (None, "")
    assert json.loads(pages[0].raw)["rows"][0][0] == "1"


def test_a_last_page_that_is_full_and_an_empty_table(front, connect):
    assert [(page.rows, page.total) for page in connect(front).pages()] == [([], 0)]
    fill(front, 200)
    assert [len(page.rows) for page in connect(front).pages()] == [100, 100]


def test_numbers_next_to_each_other_beyond_the_reach_of_floats(front, connect):
    fill(front, 6)
    for place in range(6):
        front.run(f"update notice set id = {BIG + place} where id = {place + 1}")
    pages = list(connect(front, page_size="2").pages())
    assert [row["id"] for row in rows_of(pages)] == [str(BIG + place) for place in range(6)]


def test_all_pages_are_one_snapshot(front, connect):
    fill(front, 250)
    pages = connect(front).pages()
    first = next(pages)
    front.run("delete from notice where id > 150", "update notice set amount = 0 where id = 120")
    fill(front, 5, first=1000)
    rows = rows_of([first, *pages])
    assert [row["id"] for row in rows] == [str(place) for place in range(1, 251)]
    assert rows[119]["amount"] == "120.10"


def test_keys_of_several_columns(front, connect):
    front.run("drop table notice", "create table notice (y int not null, code varchar(20) not null, v text,"
              " primary key (y, code))")  # fmt: skip
    front.run(f"grant select on notice to {fronts.USER if front.kind == 'postgresql' else fronts.USER + '@127.0.0.1'}")
    wanted = [(year, f"码{code:02d}") for year in (2024, 2025) for code in range(15)]
    front.fill("insert into notice values (%s, %s, 'x')", wanted)
    pages = list(connect(front, key="[y, code]", page_size="7").pages())
    assert [(int(row["y"] or 0), row["code"]) for row in rows_of(pages)] == sorted(wanted)
    assert len(pages) == 5


@pytest.mark.parametrize("change", ["update notice set kind = 'same'", "update notice set kind = null where id > 3"])
def test_a_key_that_is_not_unique_or_empty_is_named_and_never_loses_rows(front, connect, change):
    fill(front, 12)
    front.run(change)
    with pytest.raises(InconsistentListing, match="kind") as caught:
        list(connect(front, key="kind", page_size="5").pages())
    assert "唯一" in caught.value.zh


@pytest.mark.parametrize("column", ["updated", "stamp_text", "open_on"])
def test_only_what_changed_since(front, connect, column):
    front.run("alter table notice add stamp_text varchar(30)")
    fill_sql = ("insert into notice (id, open_on, updated, stamp_text) values (%s, %s, %s, %s)")
    times = [datetime(2026, 5, 1, 8), datetime(2026, 5, 2, 7, 30), datetime(2026, 5, 3, 8)]
    front.fill(fill_sql, [(place, time.date(), time, str(time)) for place, time in enumerate(times, 1)]
               + [(9, None, None, None)])  # fmt: skip
    since = datetime(2026, 5, 1, 23, 0, tzinfo=UTC)           # 7 o'clock of the next day in Beijing
    transport = connect(front, watermark=column, complete="false")
    (page,) = transport.pages(since)
    assert [row["id"] for row in page.rows] == ["2", "3", "9"]
    assert page.total == 3


NO_TIMES = ["", " ", "-", "0000-00-00 00:00:00", "1777700000", "1777700000000", "无", "20/05/2024", "2-5-2024"]


def test_a_row_whose_watermark_is_no_time_is_always_read(front, connect):
    front.run("alter table notice add stamp_text varchar(30)")
    stamps = [*NO_TIMES, "2026-05-02 09:00:00", "2026/05/02", "2025-01-01 00:00:00"]
    front.fill("insert into notice (id, stamp_text) values (%s, %s)", list(enumerate(stamps, 1)))
    (page,) = connect(front, watermark="stamp_text", complete="false").pages(datetime(2026, 5, 2, tzinfo=UTC))
    assert [row["stamp_text"] for row in page.rows] == stamps[:-1]
    assert page.total == len(stamps) - 1


@pytest.mark.parametrize("column", ["updated", "open_on"])
def test_a_row_of_no_day_of_the_calendar_is_always_read(front, connect, column):
    never = "-infinity" if front.kind == "postgresql" else "0000-00-00"
    if front.kind == "mysql":
        front.run("set sql_mode = ''")
    front.fill(f"insert into notice (id, {column}) values (%s, %s)", [(1, never), (2, "0001-01-01"), (3, "2025-01-01")])
    (page,) = connect(front, watermark=column, complete="false").pages(STAMP)
    assert [row["id"] for row in page.rows] == ["1", "2"]


MYSQL, POSTGRESQL = (pytest.mark.parametrize("front", [kind], indirect=True) for kind in ("mysql", "postgresql"))


def odd(front: Front, columns: str, *values: str) -> None:
    reader = fronts.USER if front.kind == "postgresql" else f"{fronts.USER}@'127.0.0.1'"
    front.run("drop table notice", f"create table notice ({columns})", f"grant select on notice to {reader}")
    for value in values:
        front.run(f"insert into notice values ({value})")


@MYSQL
@pytest.mark.parametrize(("type_name", "values"), [
    ("enum('z', 'a', 'm', 'b')", ["'z'", "'a'", "'m'", "'b'"]), ("set('z', 'a')", ["'z'", "'a'", "'z,a'"]),
    ("bit(16)", ["1", "2", "30", "300"]), ("float", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
])  # fmt: skip
def test_keys_whose_own_order_is_not_that_of_their_text(front, connect, type_name, values):
    odd(front, f"part {type_name} not null, id int not null, primary key (part, id)",
        *(f"{value}, {number}" for value in values for number in (1, 2, 3)))  # fmt: skip
    rows = rows_of(list(connect(front, key="[part, id]", page_size="2").pages()))
    assert sorted((row["part"], row["id"]) for row in rows) == sorted(
        (value.strip("'"), str(number)) for value in values for number in (1, 2, 3))
    assert len(rows) == 3 * len(values)


@MYSQL
@pytest.mark.parametrize("type_name", ["point", "linestring", "polygon", "multipoint", "geometrycollection"])
def test_a_place_on_a_map_is_refused_as_other_bytes_are(front, connect, type_name):
    odd(front, f"id int primary key, place {type_name}")
    with pytest.raises(SourceRefused, match="place"):
        list(connect(front).pages())


@MYSQL
def test_a_server_older_than_its_limit_of_time_is_read(front, connect, monkeypatch):
    """MariaDB knows MySQL's variable as little as MySQL 5.6 does."""
    monkeypatch.setattr(pymysql.Connection, "get_server_info", lambda _self: "5.6.51-log")
    fill(front, 3)
    assert len(rows_of(list(connect(front).pages()))) == 3


@MYSQL
def test_a_table_that_was_emptied_after_the_snapshot_is_read_later(front, connect, monkeypatch):
    fill(front, 3)
    real = MySQL.columns

    def columns(self: MySQL, table: str, *, all_of_them: bool) -> list[Column]:
        front.run("truncate table notice")
        return real(self, table, all_of_them=all_of_them)

    monkeypatch.setattr(MySQL, "columns", columns)
    with pytest.raises(SourceUnreachable, match="emptied"):
        list(connect(front).pages())


@POSTGRESQL
def test_a_table_that_is_being_filled_anew_is_read_when_that_is_done(front, connect):
    """PostgreSQL shows a table as empty to a snapshot that is older than the end of its TRUNCATE."""
    fill(front, 3)
    front.owner.autocommit = False
    found: list[Page] = []
    try:
        front.run("truncate notice")
        fill(front, 5)
        reading = threading.Thread(target=lambda: found.extend(connect(front).pages()))
        reading.start()
        waiting = "select count(*) from pg_locks where not granted"
        with psycopg2.connect(front.owner.dsn, password=front.owner.info.password) as look, look.cursor() as cursor:
            while reading.is_alive() and cursor.execute(waiting) is None and cursor.fetchone() == (0,):
                pass
    finally:
        front.owner.commit()
        front.owner.autocommit = True
    reading.join(20)
    assert len(rows_of(found)) == 5


@POSTGRESQL
def test_a_materialized_view_and_money(front, connect):
    odd(front, "id int primary key, paid money", "1, '1234567.50'", "2, '-0.10'", "3, null")
    front.run("create materialized view shown as select * from notice", f"grant select on shown to {fronts.USER}")
    transport = connect(front, table="shown")
    try:
        rows = rows_of(list(transport.pages()))
    finally:
        transport.close()
        front.run("drop materialized view shown")
    assert [row["paid"] for row in rows] == ["1234567.50", "-0.10", None]


@POSTGRESQL
def test_text_that_is_not_in_the_encoding_of_its_database_is_named(servers, front, connect):
    with fronts.postgresql_in("SQL_ASCII", servers.postgres_url) as old:
        old.run("create table notice (id int primary key, name text)", f"grant select on notice to {fronts.USER}")
        with old.owner.cursor() as cursor:
            cursor.execute(b"insert into notice values (1, '" + "停车场".encode("gbk") + b"')")
        real = "convert_from(convert(convert_to(name, 'SQL_ASCII'), 'GBK', 'UTF8'), 'SQL_ASCII')"
        old.run(f"create view named as select id, {real} as name from notice",
                f"grant select on named to {fronts.USER}")  # fmt: skip
        with pytest.raises(SourceRefused, match="convert_from"):
            list(connect(old).pages())
        assert rows_of(list(connect(old, table="named").pages())) == [{"id": "1", "name": "停车场"}]


def test_only_the_columns_that_are_named_are_read(front, connect):
    fill(front, 1)
    ((row,),) = (page.rows for page in connect(front, columns="[id, amount]").pages())
    assert row == {"id": "1", "amount": "1.10"}


def test_an_account_that_may_read_some_columns_only(front, connect):
    """What is personal may stay with the department: its operator grants the other columns."""
    fill(front, 230)
    reader = fronts.USER if front.kind == "postgresql" else f"{fronts.USER}@'127.0.0.1'"
    front.run(f"revoke select on notice from {reader}", f"grant select (id, amount, updated) on notice to {reader}")
    rows = rows_of(list(connect(front, columns="[id, amount]").pages()))
    assert (len(rows), rows[0]) == (230, {"id": "1", "amount": "1.10"})
    (page,) = connect(front, columns="[id, amount]", watermark="updated", complete="false").pages(
        STAMP - timedelta(hours=8) + timedelta(minutes=230))    # the table's times are Beijing's
    assert [row["id"] for row in page.rows] == ["230"]
    with pytest.raises(SourceRefused, match="rate that the account may read"):
        list(connect(front, columns="[id, rate]").pages())
    with pytest.raises(SourceRefused, match="name these with columns"):
        list(connect(front).pages())
    front.run(f"revoke select (id, amount, updated) on notice from {reader}")
    with pytest.raises(SourceRefused, match="grant SELECT"):
        list(connect(front, columns="[id, amount]").pages())


def test_a_table_that_is_locked_by_somebody_else_is_told_as_that(front, connect):
    fill(front, 3)
    limits = Limits(connect=2, silence=2, attempt=1, tries=1)
    postgresql = front.kind == "postgresql"
    lock = ["begin", "lock table notice in access exclusive mode"] if postgresql else ["lock tables notice write"]
    front.run(*lock)
    try:
        with pytest.raises(SourceUnreachable, match="locked by somebody else"):
            list(connect(front, limits=limits).pages())
    finally:
        front.run("rollback" if postgresql else "unlock tables")
    assert len(rows_of(list(connect(front).pages()))) == 3


@POSTGRESQL
def test_a_limit_of_time_for_locks_on_the_other_side_is_told_as_a_lock(front, connect):
    front.run("begin", "lock table notice in access exclusive mode")
    try:
        with psycopg2.connect(front.owner.dsn, password=front.owner.info.password) as other, other.cursor() as cursor:
            cursor.execute(f"alter role {fronts.USER} set lock_timeout = '100ms'")
            other.commit()
            with pytest.raises(SourceUnreachable, match="locked by somebody else"):
                list(connect(front).pages())
            cursor.execute(f"alter role {fronts.USER} reset lock_timeout")
    finally:
        front.run("rollback")


def test_nothing_that_changed_is_not_an_empty_table(front, connect):
    fill(front, 3)
    transport = connect(front, watermark="updated", complete="false")
    assert (rows_of(list(transport.pages(datetime(2030, 1, 1, tzinfo=UTC)))), transport.emptied) == ([], False)
    front.run("delete from notice")
    assert (rows_of(list(transport.pages(STAMP))), transport.emptied) == ([], True)
    transport = connect(front)
    assert (rows_of(list(transport.pages())), transport.emptied) == ([], False), "a whole listing is judged elsewhere"


@POSTGRESQL
def test_a_quiet_night_counts_no_rows_that_did_not_change(front, connect):
    """Of a large table that takes minutes, where an index says at once that nothing changed."""
    fill(front, 30)
    front.run(
        "alter table notice rename to everything",
        "create or replace function slow() returns boolean language plpgsql cost 1000000 as"
        " 'begin perform pg_sleep(1); return true; end'",
        # Counting asks the function of each row but the first; what asks for changes, of none.
        "create view notice as select * from everything where id = 1 or slow()",
        f"grant select on notice to {fronts.USER}")  # fmt: skip
    transport = connect(front, watermark="updated", complete="false", limits=Limits(attempt=3, tries=1))
    try:
        assert (rows_of(list(transport.pages(datetime(2030, 1, 1, tzinfo=UTC)))), transport.emptied) == ([], False)
    finally:
        transport.close()                                 # it holds the table
        front.run("drop view notice", "drop function slow()", "drop table everything")


@POSTGRESQL
def test_a_run_of_changes_tells_of_a_table_that_was_emptied_and_loses_nothing_of_it(site, front, monkeypatch):
    make_cast()
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", fronts.PASSWORD)
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.harvest.allowed_hosts", ["127.0.0.1"])
    odd(front, "id int primary key, 停车场名称 text, 类型 text, 区 text, 地址 text, 泊位总数 int, 收费标准 text,"
        " 开放时间 text, gxsj timestamp")
    fill = ("insert into notice values (%s, %s, '公共停车场', '江滨区', '长江路1号', %s, '免费', '00:00-24:00',"
            " now() at time zone 'Asia/Shanghai' - %s * interval '1 day')")
    front.fill(fill, [(number, f"停车场{number}", 10, 9) for number in range(1, 8)])
    source = {"name": "front", "title": "前置库", "domain": "parking", "organization": "nantong-czj",
              "transport": "database", "url": f'"{front.url}"', "secret_env": "GKOPEN_SECRET_DEMO", "table": "notice",
              "key": "id", "watermark": "gxsj", "complete": "false", "update_cycle": "daily"}
    ledger.save_source(load_source("\n".join(f"{key}: {value}" for key, value in source.items())), "portal-admin")
    ckan_model.Session.commit()
    first = city.harvest("front")
    [held] = call("gkopen_revision_list", "li-officer", state="held")["results"]
    call("gkopen_revision_approve", "wang-reviewer", id=held["id"], digest=held["digest"])
    front.run("truncate notice")
    empty = city.harvest("front")
    assert (empty["state"], empty["error"], empty["counts"]["findings"]) == ("partly", None, {"source-emptied": 1})
    [told] = call("gkopen_finding_list", "portal-admin", run=str(empty["id"]))["results"]
    assert "notice" in told["message"] and city.public_rows() == 7
    shown = call("gkopen_run_show", "li-officer", id=str(empty["id"]))["counts"]["findings"]
    assert shown == {"source-emptied": 1}, "the people of the body are told why, too"
    # Three nights later it is full again, with a change of the evening before it was emptied.
    model.execute("update gkopen.run set started_at = started_at - interval '3 days' where id = :id", id=first["id"])
    ckan_model.Session.commit()
    front.fill(fill, [(number, f"停车场{number}", 10, 9) for number in range(1, 7)] + [(7, "停车场7", 77, 3)])
    counts = city.harvest("front")["counts"]
    assert (counts["rows_in"], counts["changed"], counts["findings"]) == (1, 1, {})


MISTAKES = [
    ({"table": "notise"}, "notise", "table"),
    ({"table": "secret_notice"}, "secret_notice", "SELECT"),
    ({"key": "idd"}, "idd", "near it: id"),
    ({"watermark": "更新时间"}, "更新时间", "it has"),
    ({"columns": "[id, 项目名]"}, "项目名", "near it: 项目名称"),
    ({"organization_column": "责任主体", "organizations": "all"}, "责任主体", "check the source file"),
]


@pytest.mark.parametrize(("changes", "named", "hint"), MISTAKES, ids=[str(change) for change, *_ in MISTAKES])
def test_a_wrong_table_or_column_is_named_in_both_languages(front, connect, changes, named, hint):
    with pytest.raises(SourceRefused) as caught:
        list(connect(front, **changes).pages())
    assert named in caught.value.zh
    assert named in caught.value.en
    assert hint in caught.value.en


def test_a_watermark_that_is_no_time_is_refused(front, connect):
    with pytest.raises(SourceRefused, match="neither a time nor a text"):
        list(connect(front, watermark="amount", complete="false").pages(STAMP))


def test_a_column_of_bytes_is_refused_unless_it_is_left_out(front, connect):
    front.run(f"alter table notice add scan {'bytea' if front.kind == 'postgresql' else 'blob'}")
    with pytest.raises(SourceRefused, match="scan"):
        list(connect(front).pages())
    assert list(connect(front, columns="[id, amount]").pages())


@pytest.mark.parametrize(
    ("secret", "hint"), [("geheim-77", "secret_env"), (fronts.PASSWORD, "")], ids=["password", "database"]
)
def test_a_login_that_is_refused_says_why_and_tells_no_secret(front, connect, secret, hint):
    url = f'"{front.url}"' if hint else f'"{front.url}_elsewhere"'
    with pytest.raises(SourceRefused) as caught:
        list(connect(front, secret=secret, url=url).pages())
    assert hint in caught.value.en
    assert secret not in str(caught.value)


def test_a_server_without_tls_where_it_is_asked_for(front, connect):
    with pytest.raises(SourceRefused, match="sslmode=require"):
        list(connect(front, url=f'"{front.url}?sslmode=require"').pages())


def test_nothing_can_be_written(front, connect):
    fill(front, 1)
    writer = f"grant insert, update, delete on notice to {fronts.USER}"
    front.run(writer if front.kind == "postgresql" else f"{writer}@'127.0.0.1'")
    transport = connect(front)
    list(transport.pages())
    assert isinstance(transport, DatabaseTransport)
    with pytest.raises((psycopg2.errors.ReadOnlySqlTransaction, pymysql.err.OperationalError)), \
            transport._open._connection.cursor() as cursor:  # pyright: ignore  # fmt: skip
        cursor.execute("delete from notice")


def test_a_server_that_is_away_is_tried_again_and_named(front, connect, monkeypatch):
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    away = Front(front.kind, front.host, free.getsockname()[1], front.database, None)
    slept: list[float] = []
    transport = connect(away)
    monkeypatch.setattr(transport, "_sleep", slept.append)
    with pytest.raises(SourceUnreachable, match=str(away.port)):
        list(transport.pages())
    assert len(slept) == SHORT.tries - 1
    free.close()


def test_a_server_that_says_nothing_is_left_within_the_limit(front, connect):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = Front(front.kind, front.host, mute.getsockname()[1], front.database, None)
        with pytest.raises(SourceUnreachable):
            list(connect(silent, limits=Limits(connect=0.5, silence=1, attempt=1, tries=1)).pages())


def test_a_query_that_takes_too_long_is_ended(front, connect):
    slow = "pg_sleep(30)::text" if front.kind == "postgresql" else "sleep(30)"
    front.run("drop view if exists slow", f"create view slow as select 1 as id, {slow} as v")
    reader = fronts.USER if front.kind == "postgresql" else f"{fronts.USER}@'127.0.0.1'"
    front.run(f"grant select on slow to {reader}")
    limits = Limits(connect=2, silence=2, attempt=0.5, tries=1)
    transport = connect(front, table="slow", limits=limits)
    with pytest.raises(SourceUnreachable):
        list(transport.pages())
    transport.close()
    front.run("drop view slow")


def test_a_connection_that_is_cut_while_reading_is_unreachable_and_not_an_end(front, connect):
    fill(front, 150)
    pages = connect(front).pages()
    next(pages)
    if front.kind == "postgresql":
        front.run(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{fronts.USER}'")
    else:
        with front.owner.cursor() as cursor:
            cursor.execute(f"select id from information_schema.processlist where user = '{fronts.USER}'")
            for (number,) in cursor.fetchall():
                cursor.execute(f"kill {number}")
    with pytest.raises(SourceUnreachable):
        list(pages)


def test_a_page_larger_than_an_answer_may_be_is_refused(front, connect):
    fill(front, 50)
    with pytest.raises(AnswerTooLarge):
        list(connect(front, limits=Limits(answer_bytes=500, tries=1)).pages())


def test_a_private_host_that_is_not_allowed_sees_no_connection(front, connect):
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.2)
        hidden = Front(front.kind, "localhost", door.getsockname()[1], front.database, None)
        with pytest.raises(ForbiddenAddress, match="allowed_hosts"):
            list(connect(hidden, hosts=()).pages())
        with pytest.raises(TimeoutError):
            door.accept()


def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(front, connect, monkeypatch):
    """The address that was judged is the one that is connected to."""
    answers = threading.local()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **options: Any) -> Any:
        if host == "front.example.gov.cn":
            assert not getattr(answers, "asked", False), "the name was resolved twice"
            answers.asked = True
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", front.port))]
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    named = Front(front.kind, "front.example.gov.cn", front.port, front.database, None)
    assert list(connect(named, hosts=("front.example.gov.cn",)).pages())


def test_the_server_files_of_tests_are_where_they_are_expected() -> None:
    """Else the fixture would say that MariaDB is missing where it is only packed differently."""
    if fronts.MARIADBD is not None:
        assert (Path(fronts.TABLES) / "mysql_system_tables.sql").exists()
