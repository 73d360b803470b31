"""Harvests: runs that can be cancelled, tombstones, breakers of hosts."""

from alembic import op

revision = "002_harvest_guard"
down_revision = "001_foundation"
branch_labels = None
depends_on = None

SQL = """
select 1;
"""

DOWN = """
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
