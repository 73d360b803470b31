"""Datasets, revisions, publications, the outbox, the ledger of harvests and the audit chain."""

from alembic import op

revision = "001_foundation"
down_revision = None
branch_labels = None
depends_on = None

SQL = """
create schema gkopen;

-- One dataset is one body's content in one domain. Until its first publication CKAN knows nothing of it.
create table gkopen.dataset (
  id uuid primary key,
  domain text not null,
  body_id text not null,                                     -- CKAN organisation id
  name text not null unique,
  seq int not null default 0,
  state text not null default 'empty' check (state in ('empty', 'published', 'withdrawn')),
  header jsonb,                                              -- schema contract: labels of the last published file
  reason text,                                               -- public reason of a withdrawal
  unique (domain, body_id));

create table gkopen.blob (
  sha256 char(64) primary key,
  size bigint not null,
  media_type text not null,
  created_at timestamptz not null default now(),
  sealed_at timestamptz);                                    -- withdrawn: never served again

create table gkopen.source (
  id uuid primary key,
  name text not null unique,
  domain text not null,
  organization text not null,
  config jsonb not null,
  state text not null default 'active' check (state in ('active', 'paused')),
  epoch bigint not null default 0,                         -- raised by each run: fences off a run that was thought dead
  failures int not null default 0,
  next_run_at timestamptz not null default now(),
  last_good_at timestamptz,
  created_at timestamptz not null default now(),
  created_by text);

create table gkopen.run (
  id uuid primary key,
  source_id uuid not null references gkopen.source on delete cascade,
  epoch bigint not null,
  trigger text not null,
  requested_by text,
  dry_run boolean not null default false,
  state text not null default 'queued'
    check (state in ('queued', 'running', 'done', 'held', 'partly', 'failed', 'cancelled')),
  queued_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  counts jsonb not null default '{}',
  stages jsonb not null default '{}',                        -- seconds by stage
  error jsonb);
-- overlapping triggers of one source are one run
create unique index run_open on gkopen.run (source_id) where state in ('queued', 'running');
create index run_queue on gkopen.run (queued_at) where state in ('queued', 'running');

create table gkopen.item (
  run_id uuid not null references gkopen.run on delete cascade,
  number int not null,
  raw_sha256 char(64) not null references gkopen.blob,
  rows int not null,
  fetched_at timestamptz not null,
  primary key (run_id, number));

create table gkopen.submission (
  id uuid primary key,
  dataset_id uuid not null references gkopen.dataset,
  kind text not null check (kind in ('data', 'metadata', 'nil', 'withdraw', 'rollback')),
  raw_sha256 char(64) references gkopen.blob,
  filename text,
  source text not null,                                      -- 'source:<name>', 'upload', 'api', 'cli'
  run_id uuid references gkopen.run,
  idempotency_key text not null,
  options jsonb not null default '{}',
  received_at timestamptz not null default now(),
  submitted_by text not null,
  unique (source, idempotency_key));

-- A revision is a change-set: parts with the content they had and the content they shall have.
create table gkopen.revision (
  id uuid primary key,
  dataset_id uuid not null references gkopen.dataset,
  submission_id uuid references gkopen.submission,
  kind text not null check (kind in ('publish', 'correct', 'withdraw', 'rollback', 'nil')),
  schema_version text not null,
  rules_version text not null,
  digest char(64) not null,
  state text not null default 'held'
    check (state in ('held', 'returned', 'recalled', 'approved', 'published', 'superseded', 'stale', 'withdrawn')),
  rows_in int not null default 0,
  rows_ok int not null default 0,
  rows_quarantined int not null default 0,
  rows_duplicate int not null default 0,
  header jsonb,
  summary jsonb not null default '{}',
  submitted_by text not null,
  created_at timestamptz not null default now(),
  decided_by text,
  decided_at timestamptz,
  reason text,
  check (rows_in = rows_ok + rows_quarantined + rows_duplicate),
  check (decided_by is distinct from submitted_by or state = 'recalled'));
-- the same content on the same base waits once; after a return it may come again
create unique index revision_open on gkopen.revision (dataset_id, digest) where state in ('held', 'approved');
create index revision_queue on gkopen.revision (state, created_at desc, id);
create index revision_dataset on gkopen.revision (dataset_id, created_at);

create table gkopen.revision_part (
  revision_id uuid not null references gkopen.revision on delete cascade,
  part text not null,
  base_sha256 char(64),
  new_sha256 char(64) references gkopen.blob,
  rows int,
  added int not null default 0,
  changed int not null default 0,
  removed int not null default 0,
  primary key (revision_id, part),
  check (base_sha256 is distinct from new_sha256));

create table gkopen.finding (
  id bigint generated always as identity primary key,
  revision_id uuid references gkopen.revision on delete cascade,
  run_id uuid references gkopen.run on delete cascade,
  code text not null,
  severity text not null,
  line int,
  field text,
  label text,
  value text,
  params jsonb not null default '{}',
  sheet text);
create index finding_revision on gkopen.finding (revision_id, id);
create index finding_run on gkopen.finding (run_id, id);

create table gkopen.quarantine (
  revision_id uuid not null references gkopen.revision on delete cascade,
  kind text not null check (kind in ('bad', 'duplicate')),
  line int not null,
  row jsonb not null);
create index quarantine_revision on gkopen.quarantine (revision_id, line);

create table gkopen.publication (
  dataset_id uuid not null references gkopen.dataset,
  seq int not null,
  revision_id uuid not null unique references gkopen.revision,
  reason text,
  at timestamptz not null default now(),
  primary key (dataset_id, seq));

create table gkopen.public_part (
  dataset_id uuid not null references gkopen.dataset,
  part text not null,
  sha256 char(64) not null references gkopen.blob,
  seq int not null,
  rows int,
  primary key (dataset_id, part));

-- What every exit still has to be brought to. Idempotent work: a sink always goes to the newest seq.
create table gkopen.outbox (
  dataset_id uuid not null,
  seq int not null,
  sink text not null check (sink in ('datastore', 'files', 'solr', 'bulk')),
  done_at timestamptz,
  attempts int not null default 0,
  not_before timestamptz not null default now(),
  error text,
  primary key (dataset_id, seq, sink),
  foreign key (dataset_id, seq) references gkopen.publication);
create index outbox_due on gkopen.outbox (not_before) where done_at is null;

create table gkopen.file (
  address text primary key,                                  -- below /open/
  dataset_id uuid references gkopen.dataset,
  domain text not null,
  form text not null,
  sha256 char(64),                                           -- null: withdrawn, the address answers 410
  size bigint,
  media_type text not null,
  rows int,
  seq int not null,
  reason text,
  updated_at timestamptz not null default now());

-- Append-only and hash-chained: a changed row breaks every later hash (see review/audit.py).
create table gkopen.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor text not null,
  action text not null,
  object text not null,
  detail jsonb not null default '{}',
  previous char(64) not null,
  hash char(64) not null unique);
create function gkopen.refuse_change() returns trigger language plpgsql as
  $$ begin raise exception 'gkopen.audit is append-only'; end $$;
create trigger audit_append_only before update or delete on gkopen.audit
  for each row execute function gkopen.refuse_change();
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop schema gkopen cascade")
