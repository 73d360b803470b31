"""Contents of a few kilobytes lie in their own row: ten thousand small datasets are not two hundred thousand files."""

from alembic import op

revision = "009_small_contents"
down_revision = "009_sealed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not compressed: these bytes are written far more often than they are read, and a file would not be either.
    op.execute("alter table gkopen.blob add column content bytea check (length(content) = size),"
               " alter column content set storage external")


def downgrade() -> None:
    # What lies in rows alone would be lost: it has to be written to the storage first (`blobs.write`).
    op.execute("do $$ begin if exists (select from gkopen.blob where content is not null) then"
               " raise exception 'contents lie in gkopen.blob: restore a backup instead'; end if; end $$")
    op.execute("alter table gkopen.blob drop column content")
