"""The schema contract of pushes, which come from no source."""

from alembic import op

revision = "010_push_contract"
down_revision = "009_small_contents"
branch_labels = None
depends_on = None

SQL = """
alter table gkopen.profile alter column source_id drop not null;    -- null: of what was pushed
alter table gkopen.push add column columns text not null default 'same' check (columns in ('same', 'changed'));
"""

DOWN = """
delete from gkopen.profile where source_id is null;
alter table gkopen.profile alter column source_id set not null;
alter table gkopen.push drop column columns;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
