"""The number of the public state: raised by every commit that changes what an anonymous reader can see."""

from alembic import op

revision = "008_public_state"
down_revision = "007_files"
branch_labels = None
depends_on = None

TABLES = ("gkopen.publication", "gkopen.outbox", "gkopen.file", "gkopen.duty", "gkopen.respite", 'public."group"',
          "public.package", "public.system_info")

# The trigger is deferred to the commit: until then nobody waits for the one row, and a reader who sees the new number
# sees what it stands for. The setting keeps it to one update a transaction.
SQL = """
create table gkopen.public_state (single boolean primary key default true check (single), generation bigint not null);
create function gkopen.raise_generation() returns trigger language plpgsql as $$
begin
  if current_setting('gkopen.raised', true) is distinct from pg_current_xact_id()::text then
    insert into gkopen.public_state as held (generation) values (1)
      on conflict (single) do update set generation = held.generation + 1;
    perform set_config('gkopen.raised', pg_current_xact_id()::text, true);
  end if;
  return null;
end $$;
"""


def upgrade() -> None:
    op.execute(SQL)
    for table in TABLES:
        op.execute(f"create constraint trigger gkopen_generation after insert or update or delete on {table}"
                   " deferrable initially deferred for each row execute function gkopen.raise_generation()")
    # A nil report is shown in the ledger at once; other submissions change nothing public.
    op.execute("create constraint trigger gkopen_generation after insert on gkopen.submission deferrable initially"
               " deferred for each row when (new.kind = 'nil') execute function gkopen.raise_generation()")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"drop trigger gkopen_generation on {table}")
    op.execute("drop trigger gkopen_generation on gkopen.submission")
    op.execute("drop function gkopen.raise_generation; drop table gkopen.public_state")
