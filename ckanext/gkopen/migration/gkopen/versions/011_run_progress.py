"""How far a run has come, and how many workers in a row died at the same place of it."""

from alembic import op

revision = "011_run_progress"
down_revision = "010_push_contract"
branch_labels = None
depends_on = None

SQL = """
alter table gkopen.run
  add column progress jsonb not null default '{}',           -- of the worker that has it: stage, pages, rows, tables
  add column died_at jsonb,                                  -- stage, pages, tables at which the worker before it died
  add column deaths int not null default 0;                  -- workers in a row that died just there
"""

DOWN = """
alter table gkopen.run drop column progress, drop column died_at, drop column deaths;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
