"""Doors: dropped files, pushes of business systems."""

from alembic import op

revision = "003_doors"
down_revision = "002_harvest_guard"
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
