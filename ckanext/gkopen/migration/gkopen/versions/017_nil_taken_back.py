"""A nil report that is taken back changes the public ledger, as one that is made does."""

from alembic import op

revision = "017_nil_taken_back"
down_revision = "016_lines_of"
branch_labels = None
depends_on = None


def _raised_after(events: str) -> None:
    op.execute("drop trigger gkopen_generation on gkopen.submission")
    op.execute(f"create constraint trigger gkopen_generation after {events} on gkopen.submission deferrable initially"
               " deferred for each row when (new.kind = 'nil') execute function gkopen.raise_generation()")


def upgrade() -> None:
    _raised_after("insert or update")


def downgrade() -> None:
    _raised_after("insert")
