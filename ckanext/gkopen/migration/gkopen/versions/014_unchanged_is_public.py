"""A whole table that was found unchanged is an answer in the public ledger: the public state is raised by it too."""

from alembic import op

revision = "014_unchanged_is_public"
down_revision = "013_audit_truncate"
branch_labels = None
depends_on = None

# Once for a listing that was read, and with the first day of a month where it was not (harvest/again.py).
SQL = """
create constraint trigger gkopen_generation_unchanged after update of options on gkopen.submission
  deferrable initially deferred for each row
  when (new.kind = 'data' and (new.options -> 'seen_in' is distinct from old.options -> 'seen_in'
    or new.options -> 'outcome' ->> 'state' = 'unchanged' and old.options -> 'outcome' is null))
  execute function gkopen.raise_generation()
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute("drop trigger gkopen_generation_unchanged on gkopen.submission")
