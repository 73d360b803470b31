"""History: the order in which publications became visible, for those who follow the changes."""

from alembic import op

revision = "005_history"
down_revision = "004_oversight"
branch_labels = None
depends_on = None

SQL = """
-- Numbers from a sequence, and times of a transaction's start, become visible out of order: whoever follows them loses
-- what commits late. These numbers are given while the publication commits, under the lock of one row, so that they
-- have no gaps and a reader who has seen one of them has seen all before it.
create table gkopen.feed (
  position bigint primary key,
  dataset_id uuid not null,
  seq int not null,
  at timestamptz not null unique,                            -- rises with the position
  unique (dataset_id, seq),
  foreign key (dataset_id, seq) references gkopen.publication);
create table gkopen.feed_end (
  only_row boolean primary key default true check (only_row),
  position bigint not null,
  at timestamptz not null);

insert into gkopen.feed (position, dataset_id, seq, at)
  select n, dataset_id, seq, clock_timestamp() + n * interval '1 microsecond' from (
    select dataset_id, seq, row_number() over (order by at, dataset_id, seq) as n from gkopen.publication) ordered;
insert into gkopen.feed_end (position, at)
  select coalesce(max(position), 0), coalesce(max(at), clock_timestamp()) from gkopen.feed;

create function gkopen.number_publication() returns trigger language plpgsql as $$
declare told record;
begin
  insert into gkopen.feed_end as e (position, at) values (1, clock_timestamp())
    on conflict (only_row) do update set position = e.position + 1,
      at = greatest(clock_timestamp(), e.at + interval '1 microsecond')
    returning position, at into told;
  insert into gkopen.feed (position, dataset_id, seq, at) values (told.position, new.dataset_id, new.seq, told.at);
  return null;
end $$;
create constraint trigger publication_is_numbered after insert on gkopen.publication
  deferrable initially deferred for each row execute function gkopen.number_publication();
"""

DOWN = """
drop trigger publication_is_numbered on gkopen.publication;
drop function gkopen.number_publication();
drop table gkopen.feed, gkopen.feed_end;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
