"""b1, b2, b4: canonical parts into the DataStore table, beside COPY and the same keys in plain SQL."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from bench.measure import Contender, Figure, in_turn, must_equal
from ckanext.gkopen import ids, parts
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.publish import table
from ckanext.gkopen.publish.table_sql import TableSQL, search_expression

PUBLISHER = "江海市财政局"
CHANGED_ROWS = 95
RAW = "public.bench_raw"


@dataclass(frozen=True)
class Table:
    """The canonical parts of the million rows, and what must be in a database after they were loaded."""

    parts: Mapping[str, bytes]
    rows: int
    total: Decimal

    @cached_property
    def named(self) -> dict[str, str]:
        """Part → sha256 of its content, as `bring_up` takes them."""
        return {part: sha256(data) for part, data in self.parts.items()}

    @cached_property
    def blobs(self) -> dict[str, bytes]:
        return {name: self.parts[part] for part, name in self.named.items()}

    def read(self, name: str) -> bytes:
        return self.blobs[name]

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def domain(name: str, *, indexed: bool) -> Domain:
    """The bench's domain under a name of its own, so that each bench has a table of its own."""
    whole = get_domain("bench_notice")
    fields = whole.fields if indexed else tuple(replace(f, search=False, filter=False) for f in whole.fields)
    return replace(whole, name=name, fields=fields, version=name)


def dataset(shape: Domain) -> str:
    """The one dataset of a bench's table."""
    return ids.dataset_id(shape.name, "bench")


def load_raw(canonical: bytes, shape: Domain, statements: tuple[str, ...] = ()) -> None:
    """The floor: typed columns, one COPY, a primary key, and further statements; one transaction."""
    columns = ", ".join(f"{f.name} {f.pg_type}" + (' collate "C"' if f.pg_type == "text" else "")
                        for f in shape.fields)
    with table.transaction() as cursor:
        cursor.execute(f"set local maintenance_work_mem = '256MB'; create table {RAW} ({columns})")
        cursor.copy_expert(f"copy {RAW} from stdin with (format csv, header match)", io.BytesIO(canonical),
                           size=1 << 20)
        cursor.execute(f"alter table {RAW} add primary key (notice_no)")
        for statement in statements:
            cursor.execute(statement)


def index_statements(shape: Domain) -> tuple[str, ...]:
    searched = search_expression(field.name for field in shape.search_fields)
    return (*(f"create index on {RAW} ({field.name})" for field in shape.filter_fields),
            f"create index on {RAW} using gin (public.gkopen_grams({searched})) with (fastupdate = off)")


def drop_raw() -> None:
    with table.transaction() as cursor:
        cursor.execute(f"drop table if exists {RAW}")


def forget(shape: Domain) -> None:
    """No table, and no bookkeeping of it: the next load is a first one."""
    table.drop_dataset(shape, dataset(shape), 1 << 30)
    sql = TableSQL(shape)
    with table.transaction() as cursor:
        cursor.execute(f"drop table if exists {sql.name} cascade")
        cursor.execute("delete from gkopen.applied where dataset_id in"
                       " (select dataset_id from gkopen.applied_dataset where table_id = %s)", (sql.id,))
        for name, column in (("gkopen.applied_dataset", "table_id"), ("gkopen.applied_table", "table_id"),
                             ("public._table_stats", "resource_id")):
            cursor.execute(f"delete from {name} where {column} = %s", (sql.id,))


def check(name: str, content: Table) -> None:
    """Count, number of keys and exact sum are those of the source."""
    with table.transaction() as cursor:
        cursor.execute(f"select count(*), count(distinct notice_no), sum(award_amount) from {name}")
        must_equal(name, cursor.fetchone(), (content.rows, content.rows, content.total))


def one_file(content: Table) -> bytes:
    """All parts as one CSV with one header, for the floor."""
    header = next(iter(content.parts.values())).split(b"\n", 1)[0] + b"\n"
    return header + b"".join(data.split(b"\n", 1)[1] for data in content.parts.values())


def raw_contender(content: Table, shape: Domain, name: str = "COPY + key",
                  statements: tuple[str, ...] = ()) -> Contender:
    canonical = one_file(content)
    return Contender(name, lambda: load_raw(canonical, shape, statements), drop_raw, lambda: check(RAW, content))


def bring_up_contender(content: Table, shape: Domain) -> Contender:
    return Contender("bring_up", lambda: bring_up(shape, content), lambda: forget(shape),
                     lambda: check(TableSQL(shape).name, content))


def bring_up(shape: Domain, content: Table) -> None:
    table.bring_up(shape, dataset(shape), PUBLISHER, 1, content.named, content.read)


def b1(content: Table, rounds: int, screen: Screen) -> list[Figure]:
    shape = domain("bench_b1", indexed=False)
    raw, ours = in_turn("b1", (raw_contender(content, shape), bring_up_contender(content, shape)), rounds, screen)
    ours.floor, ours.target = raw.name, "≤ 1.5 ×"
    ours.note = "typed, keyed, labelled, counted, swapped in; xloader 44–67 s, not run beside"
    forget(shape)
    drop_raw()
    return [raw, ours]


def b2(content: Table, rounds: int, screen: Screen) -> list[Figure]:
    shape = domain("bench_b2", indexed=True)
    forget(shape)  # makes the function that the floor's index needs
    floor = raw_contender(content, shape, "COPY + key + indexes", index_statements(shape))
    raw, ours = in_turn("b2", (floor, bring_up_contender(content, shape)), rounds, screen)
    ours.floor, ours.target = raw.name, "≤ 30 s"
    ours.note = "4 filter indexes and the Chinese GIN index; xloader 64–95 s, not run beside"
    drop_raw()
    return [raw, ours]


def b4(content: Table, rounds: int, screen: Screen) -> list[Figure]:
    """One month with 95 changed rows, to and fro, in the table with all indexes."""
    shape = domain("bench_b4", indexed=True)
    forget(shape)
    bring_up(shape, content)
    part = sorted(content.parts)[len(content.parts) // 2]
    versions = [content.parts[part], _raised(shape, content.parts[part])]
    contents = {sha256(data): data for data in versions}
    seconds = []
    for number in range(rounds + 1):
        which = (number + 1) % 2
        screen.now(f"b4 round {number}/{rounds}")
        wanted = content.named | {part: sha256(versions[which])}
        started = time.perf_counter()
        applied = table.bring_up(shape, dataset(shape), PUBLISHER, number + 2, wanted,
                                 _reader(contents, content.read))
        taken = time.perf_counter() - started
        must_equal("changed rows", (applied.changed, applied.added, applied.removed), (CHANGED_ROWS, 0, 0))
        raised = Decimal(CHANGED_ROWS) / 100 * which
        check(TableSQL(shape).name, replace(content, total=content.total + raised))
        if number:
            seconds.append(taken)
    forget(shape)
    return [Figure("b4", f"{CHANGED_ROWS} rows of a month, in the table", seconds, target="≤ 1 s",
                   note="keyed difference in place")]


def _raised(shape: Domain, data: bytes) -> bytes:
    """The part with a cent more in the awards of its first rows."""
    month = parts.read_part(shape, data)
    amounts = month["award_amount"].combine_chunks()
    more = pc.add(amounts.slice(0, CHANGED_ROWS), pa.scalar(Decimal("0.01"))).cast(amounts.type)
    column = pa.concat_arrays([more, amounts.slice(CHANGED_ROWS)])
    place = month.schema.get_field_index("award_amount")
    return parts.write_part(shape, month.set_column(place, month.schema.field(place), column))


def _reader(contents: Mapping[str, bytes], otherwise: Callable[[str], bytes]) -> Callable[[str], bytes]:
    return lambda name: contents[name] if name in contents else otherwise(name)
