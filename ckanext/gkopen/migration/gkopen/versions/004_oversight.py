"""Oversight: duties of bodies, messages on changes of state, standing approvals."""

from alembic import op

revision = "004_oversight"
down_revision = "003_doors"
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
