"""Standards: packages of OCDS, OC4IDS and fiscal data; the money trail."""

from alembic import op

revision = "006_standards"
down_revision = "005_history"
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
