"""Harvests: runs that can be cancelled, tombstones, breakers of hosts."""

from alembic import op

revision = "002_harvest_guard"
down_revision = "001_foundation"
branch_labels = None
depends_on = None

SQL = """
-- A run's findings and rows set apart belong to it also where nothing was held: unchanged content, an unknown body.
alter table gkopen.quarantine
  add column id bigint generated always as identity primary key,
  add column run_id uuid references gkopen.run on delete cascade,
  add column dataset_id uuid references gkopen.dataset,      -- null: rows of a body that the portal does not know
  alter column revision_id drop not null,
  add check (revision_id is not null or run_id is not null);
create index quarantine_run on gkopen.quarantine (run_id, id);
alter table gkopen.finding add column dataset_id uuid references gkopen.dataset;

alter table gkopen.run
  drop constraint run_state_check,
  add constraint run_state_check check (state in ('queued', 'running', 'done', 'held', 'partly', 'stopped',
    'incomplete', 'failed', 'cancelled')),
  add column cancel_by text,                                 -- asked to stop: done at the next page or body
  add column decision text check (decision in ('released', 'discarded', 'accepted')),  -- on what the run was held for
  add column decided_by text,
  add column decided_at timestamptz;

-- frozen: made by a harvest that the blast-radius guard held; nobody reviews it before a person lets it through.
alter table gkopen.revision
  drop constraint revision_state_check,
  add constraint revision_state_check check (state in ('held', 'returned', 'recalled', 'approved', 'published',
    'superseded', 'stale', 'withdrawn', 'frozen', 'discarded'));

-- A public row that a complete listing no longer had. It stays public until it was missing for the days of grace.
create table gkopen.tombstone (
  dataset_id uuid not null references gkopen.dataset,
  source text not null,                                      -- as in submission.source
  key text not null,                                         -- JSON list: the values of the domain's key
  part text not null,
  missing_since timestamptz not null default now(),
  primary key (dataset_id, source, key));

-- What the columns of a listing held: the schema contract of a dataset with one source.
create table gkopen.profile (
  id bigint generated always as identity primary key,
  dataset_id uuid not null references gkopen.dataset,
  source_id uuid not null references gkopen.source on delete cascade,
  run_id uuid references gkopen.run on delete set null,
  submission_id uuid references gkopen.submission,           -- null: the run was stopped, nothing was submitted
  columns jsonb not null,
  drift jsonb not null default '[]',                         -- what stopped the run, with proposals
  accepted_by text,
  accepted_at timestamptz,
  at timestamptz not null default now());
create index profile_of on gkopen.profile (dataset_id, source_id, id);
create index profile_run on gkopen.profile (run_id);

-- Circuit breakers, shared by all workers. source '': the host as a whole; else what it refuses one source.
create table gkopen.breaker (
  host text not null,
  source text not null default '',
  failures int not null default 0,
  open_until timestamptz,
  probe_until timestamptz,                                   -- one worker is trying whether the host is back
  error jsonb,
  changed_at timestamptz not null default now(),
  primary key (host, source));
"""

DOWN = """
drop table gkopen.breaker, gkopen.profile, gkopen.tombstone;
update gkopen.revision set state = 'superseded' where state in ('frozen', 'discarded');
alter table gkopen.revision
  drop constraint revision_state_check,
  add constraint revision_state_check check (state in ('held', 'returned', 'recalled', 'approved', 'published',
    'superseded', 'stale', 'withdrawn'));
update gkopen.run set state = 'failed' where state in ('stopped', 'incomplete');
alter table gkopen.run
  drop constraint run_state_check,
  add constraint run_state_check check (state in ('queued', 'running', 'done', 'held', 'partly', 'failed',
    'cancelled')),
  drop column cancel_by, drop column decision, drop column decided_by, drop column decided_at;
alter table gkopen.finding drop column dataset_id;
delete from gkopen.quarantine where revision_id is null;
alter table gkopen.quarantine drop column id, drop column run_id, drop column dataset_id,
  alter column revision_id set not null;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
