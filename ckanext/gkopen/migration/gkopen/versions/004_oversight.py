"""Oversight: duties of bodies, messages on changes of state, standing approvals."""

from alembic import op

revision = "004_oversight"
down_revision = "003_doors"
branch_labels = None
depends_on = None

SQL = """
-- What a body owes: one table a period of its cycle. Kept by the disclosure office.
create table gkopen.duty (
  id uuid primary key,
  domain text not null,
  body_id text not null,                                     -- CKAN organisation id
  cycle text not null check (cycle in ('monthly', 'quarterly', 'yearly')),
  part text,                                                 -- '{period}-budget'; null: any part of the period
  rule text,                                                 -- a deadline of the domain or of limits.yaml
  starts text,                                               -- 'MM-DD': the limit runs from this day of the year
  since date not null,                                       -- first day of the first period that is owed
  until date,                                                -- last day of the last one
  set_by text not null,
  set_at timestamptz not null default now(),
  check (until is null or until >= since));
create unique index duty_of on gkopen.duty (domain, body_id, coalesce(part, ''));

-- A later day (extension), or days that do not count (pause), for one period of a duty; the reason is public.
create table gkopen.respite (
  id uuid primary key,
  duty_id uuid not null references gkopen.duty on delete cascade,
  period text not null,
  kind text not null check (kind in ('extension', 'pause')),
  from_on date,
  to_on date not null,
  reason text not null,
  granted_by text not null,
  granted_at timestamptz not null default now(),
  check ((kind = 'pause') = (from_on is not null)),
  check (from_on is null or from_on <= to_on));
create index respite_duty on gkopen.respite (duty_id, period);

-- A person's approval in advance of routine data of one dataset; it ends by itself within a year.
create table gkopen.standing (
  id uuid primary key,
  dataset_id uuid not null references gkopen.dataset,
  reason text not null,
  granted_by text not null,
  granted_at timestamptz not null default now(),
  ends_on date not null,
  revoked_by text,
  revoked_at timestamptz,
  check (ends_on <= (granted_at at time zone 'Asia/Shanghai')::date + 366));
create unique index standing_open on gkopen.standing (dataset_id) where revoked_at is null;

-- Why a standing approval did not publish a revision, or that it did.
create table gkopen.standing_use (
  revision_id uuid primary key references gkopen.revision on delete cascade,
  standing_id uuid not null references gkopen.standing,
  published boolean not null,
  reasons jsonb not null default '[]',
  at timestamptz not null default now());

-- The state that a source, a host, a revision or a duty was last seen in: a message goes out when it changes.
create table gkopen.watched (
  subject text primary key,
  state text not null,
  since timestamptz not null default now());

create table gkopen.message (
  id bigint generated always as identity primary key,
  kind text not null,
  body_id text,                                              -- null: for the portal's administrators
  subject text not null,
  params jsonb not null default '{}',                        -- names and numbers, never a value of the data
  at timestamptz not null default now());
create index message_body on gkopen.message (body_id, id desc);

create table gkopen.mail (
  message_id bigint not null references gkopen.message on delete cascade,
  user_id text not null,
  sent_at timestamptz,
  given_up_at timestamptz,
  attempts int not null default 0,
  not_before timestamptz not null default now(),
  error text,
  primary key (message_id, user_id));
create index mail_due on gkopen.mail (not_before) where sent_at is null and given_up_at is null;

-- Secret addresses of the feeds of messages: only the digest of a token is kept.
create table gkopen.feed_token (
  user_id text primary key,
  sha256 char(64) not null unique,
  made_at timestamptz not null default now());
"""

DOWN = """
drop table gkopen.feed_token, gkopen.mail, gkopen.message, gkopen.watched, gkopen.standing_use, gkopen.standing,
  gkopen.respite, gkopen.duty;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
