"""Doors: dropped files, pushes of business systems."""

from alembic import op

revision = "003_doors"
down_revision = "002_harvest_guard"
branch_labels = None
depends_on = None

SQL = """
-- Files of a drop that were taken: each content once a source.
create table gkopen.dropped (
  source_id uuid not null references gkopen.source on delete cascade,
  sha256 char(64) not null,
  name text not null,
  size bigint not null,
  modified_ns bigint not null,                               -- with name and size: need not be read again to be known
  run_id uuid references gkopen.run on delete set null,
  submission_id uuid not null references gkopen.submission,
  taken_at timestamptz not null default now(),
  primary key (source_id, sha256));

-- A token pushes into one domain of one body, and does nothing else. Only its hash is kept.
create table gkopen.push_token (
  id uuid primary key,
  name text not null unique,
  hash char(64) not null unique,
  domain text not null,
  body_id text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz,
  revoked_by text);
create index push_token_body on gkopen.push_token (body_id);

-- The queue of pushes. A claim is the row lock of the transaction that writes the result.
create table gkopen.push (
  id uuid primary key,
  token_id uuid not null references gkopen.push_token,
  domain text not null,
  body_id text not null,
  idempotency_key text not null,
  fingerprint char(64) not null,                             -- of the content and everything said about it
  raw_sha256 char(64) not null,
  filename text not null,
  scope text not null,
  options jsonb not null default '{}',
  state text not null default 'queued' check (state in ('queued', 'checked', 'failed')),
  attempts int not null default 0,
  not_before timestamptz not null default now(),
  submission_id uuid references gkopen.submission,
  outcome jsonb,
  received_at timestamptz not null default now(),
  finished_at timestamptz,
  unique (domain, body_id, idempotency_key));
create index push_queue on gkopen.push (received_at) where state = 'queued';
create index push_waiting on gkopen.push (token_id) where state = 'queued';
"""

DOWN = """
drop table gkopen.push;
drop table gkopen.push_token;
drop table gkopen.dropped;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
