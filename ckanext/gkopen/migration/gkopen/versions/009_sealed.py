"""What was withdrawn, for each dataset; work that a withdrawal waits for."""

from alembic import op

revision = "009_sealed"
down_revision = "008_public_state"
branch_labels = None
depends_on = None

SQL = """
-- Contents that a dataset showed and a withdrawal took away. Another dataset may show the same bytes: a blob is sealed
-- where none does, and this says whose addresses are gone all the same.
create table gkopen.sealed (
  dataset_id uuid not null references gkopen.dataset,
  sha256 char(64) not null references gkopen.blob,
  revision_id uuid not null references gkopen.revision,      -- of the withdrawal, whose reason is public
  primary key (dataset_id, sha256));

insert into gkopen.sealed (dataset_id, sha256, revision_id)
  select distinct on (u.dataset_id, p.new_sha256) u.dataset_id, p.new_sha256, w.id
  from gkopen.revision w join gkopen.publication wu on wu.revision_id = w.id
  join gkopen.revision_part wp on wp.revision_id = w.id
  join gkopen.publication u on u.dataset_id = w.dataset_id and u.seq < wu.seq
  join gkopen.revision_part p on p.revision_id = u.revision_id and p.part = wp.part
  join gkopen.blob b on b.sha256 = p.new_sha256 and b.sealed_at is not null
  where w.kind = 'withdraw' order by u.dataset_id, p.new_sha256, wu.seq desc;

create function gkopen.is_sealed(dataset uuid, content char(64)) returns boolean language sql stable as $$
  -- `content` alone would be the column of gkopen.blob
  select exists (select from gkopen.sealed s where s.dataset_id = is_sealed.dataset and s.sha256 = is_sealed.content)
    or exists (select from gkopen.blob b where b.sha256 = is_sealed.content and b.sealed_at is not null) $$;

-- What an exit still shows though it was withdrawn: done first, and until then readers are told so.
alter table gkopen.outbox add column urgent boolean not null default false;
create index outbox_urgent on gkopen.outbox (sink) where urgent and done_at is null;
"""

DOWN = """
drop index gkopen.outbox_urgent;
alter table gkopen.outbox drop column urgent;
drop function gkopen.is_sealed;
drop table gkopen.sealed;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
