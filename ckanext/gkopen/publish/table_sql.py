"""The shape of a domain's DataStore table, as SQL: columns, keys, indexes, and what CKAN expects around them.

CKAN 2.12 takes a table for a resource when it is a plain table in `public`, named by the resource id, with
`_id` and `_full_text`, labels as JSON in column comments, SELECT for the read role and a row in `_table_stats`;
an alias is a view on it. `tests/publish/test_table_shape.py` pins each of these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ckanext.gkopen import ids
from ckanext.gkopen.derive.dictionary import datastore_fields
from ckanext.gkopen.domains import Domain, Field, Text

SYSTEM_COLUMNS: dict[str, Text] = {
    "dataset_id": Text("数据集标识", "Dataset id"),
    "part": Text("分段", "Part"),
    "publisher": Text("责任主体", "Responsible body"),
}
"""What the published table says of each row beside the domain's own fields."""
PLACE = ("dataset_id", "part")
"""What a change of parts finds its rows by."""

# Two-character pieces of a text, in both alignments: a Chinese substring of any length is a set of them, and
# a GIN index finds it. A tsvector holds at most 1 MB: only a row's first 100,000 characters can be found.
# (`..` with `\&` gives what `(..)` with `\1` gives; it saves 2 % of the processor time of building the index.)
GRAMS = r"""
create or replace function public.gkopen_grams(t text) returns tsvector
immutable parallel safe strict language sql cost 2000 return
  array_to_tsvector(array_remove(string_to_array(
    regexp_replace(lower(left(t, 100000) collate "pg_c_utf8"), '..', '\&' || chr(1), 'g') || chr(1)
    || regexp_replace(substr(lower(left(t, 100000) collate "pg_c_utf8"), 2), '..', '\&' || chr(1), 'g'),
    chr(1)), ''))
"""

BOOKKEEPING = """
create schema if not exists gkopen;
create schema if not exists gkopen_build;
create table if not exists gkopen.applied_table (
  table_id text primary key, domain text not null, version text not null);
create table if not exists gkopen.applied_dataset (
  dataset_id text primary key, table_id text not null, seq bigint not null, publisher text not null,
  rows bigint not null default 0);
create index if not exists applied_dataset_table on gkopen.applied_dataset (table_id);
create table if not exists gkopen.applied (
  dataset_id text not null references gkopen.applied_dataset, part text not null, sha256 char(64) not null,
  seq bigint not null, rows bigint not null, primary key (dataset_id, part));
-- What readers may know of it: which publication of each dataset their snapshot shows.
create schema if not exists gkopen_public;
create or replace view gkopen_public.shown as
  select table_id, dataset_id, seq from gkopen.applied_dataset where rows > 0;
-- In what share of a table's rows each of these pieces stands, as far as PostgreSQL has counted it: the statistics of
-- an index are its owner's alone. (Behind the shares of all pieces stand the lowest and the highest, of no piece.)
create or replace function gkopen_public.shares(index_name text, pieces text[]) returns real[]
stable parallel safe language sql security definer set search_path = pg_catalog as $$
  select array_agg(coalesce(known.share, 0) order by asked.place)
  from unnest(pieces) with ordinality asked(piece, place)
  left join (select counted.piece, counted.share from pg_stats, unnest(
      most_common_elems::text::text[], most_common_elem_freqs) counted(piece, share)
    where schemaname = 'public' and tablename = index_name) known on known.piece = asked.piece
$$;
"""


def quoted(name: str) -> str:
    """A PostgreSQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A PostgreSQL string literal, for the few statements that take no parameters."""
    return "'" + value.replace("'", "''") + "'"


def lock_key(name: str) -> int:
    """The 64 bits of an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def search_expression(names: Iterable[str]) -> str:
    """The text that the Chinese index covers. Index and query must spell it alike, character by character."""
    return "(" + " || ' ' || ".join(f"coalesce({quoted(name)}, '')" for name in names) + ")"


def _never(field: Field) -> str:
    """A value that no published cell has, to compare an empty key cell with."""
    return {
        "text": "chr(1)",
        "int8": "'-9223372036854775808'::int8",
        "numeric": "'NaN'::numeric",
        "date": "'-infinity'::date",
        "timestamp": "'-infinity'::timestamp",
        "bool": "null::bool",
    }[field.pg_type]


@dataclass(frozen=True, slots=True)
class TableSQL:
    """All statements about one domain's table."""

    domain: Domain

    @property
    def id(self) -> str:
        return ids.table_id(self.domain.name)

    @property
    def name(self) -> str:
        return f"public.{quoted(self.id)}"

    @property
    def build_name(self) -> str:
        return f"gkopen_build.{quoted(self.id)}"

    @property
    def alias(self) -> str:
        return f"public.{quoted(self.domain.name)}"

    @property
    def field_names(self) -> list[str]:
        return [field.name for field in self.domain.fields]

    @property
    def columns(self) -> list[str]:
        return [*SYSTEM_COLUMNS, *self.field_names]

    @property
    def column_list(self) -> str:
        return ", ".join(map(quoted, self.columns))

    def definitions(self) -> str:
        """Texts sort by code point, as the canonical CSV does, whatever the database's own language is."""
        system = [f'{quoted(name)} text collate "C" not null' for name in SYSTEM_COLUMNS]
        own = [
            f"{quoted(field.name)} {field.pg_type}" + (' collate "C"' if field.pg_type == "text" else "")
            for field in self.domain.fields
        ]
        return ", ".join(system + own)

    def create_build(self) -> str:
        # A sequence that hands out many numbers at once writes as many fewer records of the log.
        return (f"create table {self.build_name} (_id serial, _full_text tsvector, {self.definitions()});"
                f" alter sequence {self._build_sequence} cache 10000")

    @property
    def _build_sequence(self) -> str:
        return f"gkopen_build.{quoted(self.id + '__id_seq')}"

    def create_staged(self) -> str:
        return ("drop table if exists pg_temp.gkopen_staged;"
                f" create temp table gkopen_staged ({self.definitions()}) on commit drop")

    def constants(self, name: str, values: Mapping[str, str]) -> str:
        """COPY fills the columns that it is not given from these defaults: no row passes through Python."""
        return f"alter table {name} " + ", ".join(
            f"alter {quoted(column)} set default {literal(value)}" for column, value in values.items()
        )

    def copy_in(self, name: str, header: list[str], *, freeze: bool) -> str:
        """`freeze`: a repeatable reader that was there before the swap would otherwise see an empty table."""
        options = "format csv, header match, encoding 'UTF8'" + (", freeze" if freeze else "")
        return f"copy {name} ({', '.join(map(quoted, header))}) from stdin with ({options})"

    def index_name(self, columns: Iterable[str]) -> str:
        """CKAN's own rule, so that its index listing recognises them."""
        return hashlib.sha1((self.id + ", ".join(map(quoted, columns))).encode()).hexdigest()

    @property
    def key_columns(self) -> list[str]:
        return ["dataset_id", *self.domain.key]

    @property
    def search_index(self) -> str:
        return "gkopen_" + hashlib.sha1(self.id.encode()).hexdigest()[:30]

    def merge_search_index(self) -> str:
        """What an in-place change left in the list beside the index goes into it at once: 5 times as fast as row by
        row, and no search has to read the list."""
        return f"select gin_clean_pending_list({literal('public.' + quoted(self.search_index))}::regclass)"

    @property
    def ordered(self) -> set[str]:
        """Columns in whose order an index gives the rows."""
        return {"_id", self.key_columns[0], *(field.name for field in self.domain.filter_fields)}

    def _index(self, columns: list[str], unique: str = "") -> str:
        listed = ", ".join(map(quoted, columns))
        # Empty cells of a key are equal to each other: two rows that differ in nothing else are one.
        distinct = " nulls not distinct" if unique else ""
        name = quoted(self.index_name(columns))
        return f"create {unique} index {name} on {self.build_name} ({listed}){distinct}"

    def finish_build(self) -> list[str]:
        """Keys, indexes, labels and trigger of the table that was built beside."""
        build = self.build_name
        statements = [f"alter table {build} " + ", ".join(f"alter {c} drop default" for c in SYSTEM_COLUMNS),
                      f"alter sequence {self._build_sequence} cache 1"]
        statements.append(f"alter table {build} add constraint {quoted(self.id + '_pkey')} primary key (_id)")
        statements.append(self._index(self.key_columns, unique="unique"))
        # For the parts of a large dataset, which lie together: no sorting, a hundredth of the size of an index of rows.
        # (`bloom`: a row that a change moved elsewhere makes no wide range of its new neighbours.)
        statements.append(f"create index {quoted(self.index_name(PLACE))} on {build} using brin ("
                          + ", ".join(f"{quoted(name)} text_bloom_ops" for name in PLACE) + ")")
        statements += [self._index([field.name]) for field in self.domain.filter_fields]
        searched = [field.name for field in self.domain.search_fields]
        if searched:
            statements.append(
                f"create index {quoted(self.search_index)} on {build}"
                f" using gin (public.gkopen_grams({search_expression(searched)})) with (fastupdate = on)"
            )
        # `datastore set-permissions` adds this trigger where it is missing. `_full_text` knows no Chinese and
        # stays empty, so the trigger is there and never fires.
        statements.append(
            f"create trigger zfulltext before insert or update on {build}"
            " for each row when (false) execute function public.populate_full_text_trigger()"
        )
        for name, comment in self.labels().items():
            statements.append(f"comment on column {build}.{quoted(name)} is {literal(comment)}")
        # A quick look for the first readers; autovacuum takes a long one as soon as the table is there.
        statements.append(f"set local default_statistics_target = 30; analyze {build}")
        return statements

    def labels(self) -> dict[str, str]:
        """Column → comment: JSON after a blank, by which CKAN tells it from older comments."""
        info = {name: {"label": title.zh, "label_en": title.en} for name, title in SYSTEM_COLUMNS.items()}
        info |= {field["id"]: field["info"] for field in datastore_fields(self.domain)}
        return {name: " " + json.dumps({"_info": entry}, ensure_ascii=False) for name, entry in info.items()}

    def _same_key(self) -> str:
        pairs = []
        for name in self.domain.key:
            field = self.domain.field(name)
            left, right = f"t.{quoted(name)}", f"s.{quoted(name)}"
            always_there = field.required and not field.required_if
            if not always_there and field.pg_type != "bool":
                never = _never(field)
                left, right = f"coalesce({left}, {never})", f"coalesce({right}, {never})"
            pairs.append(
                f"{left} is not distinct from {right}" if field.pg_type == "bool" else f"{left} = {right}"
            )
        return " and ".join(["t.dataset_id = s.dataset_id", *pairs])

    def _differs(self) -> str:
        def compared(alias: str) -> str:
            # 1.0 and 1.00 are the same number and not the same published value.
            numbers = {field.name for field in self.domain.fields if field.pg_type == "numeric"}
            names = [name for name in self.columns if name not in self.key_columns or name in numbers]
            return ", ".join(f"{alias}.{quoted(n)}" + ("::text" if n in numbers else "") for n in names)

        return f"({compared('t')}) is distinct from ({compared('s')})"

    def delete_parts(self) -> str:
        return f"delete from {self.name} where dataset_id = %(dataset)s and part = any(%(parts)s)"

    def delete_gone(self) -> str:
        return (
            f"delete from {self.name} t where t.dataset_id = %(dataset)s and t.part = any(%(parts)s)"
            f" and not exists (select from gkopen_staged s where {self._same_key()})"
        )

    def update_changed(self) -> str:
        names = [name for name in self.columns if name != "dataset_id"]
        assigned = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names)
        return (
            f"update {self.name} t set {assigned} from gkopen_staged s"
            f" where {self._same_key()} and {self._differs()}"
        )

    def insert_new(self) -> str:
        listed = ", ".join(f"s.{quoted(name)}" for name in self.columns)
        order = ", ".join(f"s.{quoted(name)}" for name in self.domain.key)
        return (
            f"insert into {self.name} ({self.column_list}) select {listed} from gkopen_staged s"
            f" where not exists (select from {self.name} t where {self._same_key()}) order by {order}"
        )

    def count_unchanged(self) -> str:
        return (
            f"select count(*) from {self.name} t join gkopen_staged s on {self._same_key()}"
            f" where not ({self._differs()})"
        )

    def update_publisher(self) -> str:
        return (
            f"update {self.name} set publisher = %(publisher)s"
            " where dataset_id = %(dataset)s and publisher <> %(publisher)s"
        )
