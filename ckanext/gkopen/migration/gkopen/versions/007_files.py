"""What a published file is made of, so that the next one copies what did not change; its compressed variants."""

from alembic import op

revision = "007_files"
down_revision = "006_standards"
branch_labels = None
depends_on = None

SQL = """
alter table gkopen.file
  add column variants jsonb not null default '{}',           -- content coding → bytes of the compressed file
  add column layout jsonb;                                   -- publish/files.py: made by what, and where each part lies
"""

DOWN = """
alter table gkopen.file drop column variants, drop column layout;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
