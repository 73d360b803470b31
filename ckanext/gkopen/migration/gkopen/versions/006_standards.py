"""Standards: packages of OCDS, OC4IDS and fiscal data; the money trail."""

from alembic import op

revision = "006_standards"
down_revision = "005_history"
branch_labels = None
depends_on = None

SQL = """
alter table gkopen.outbox drop constraint outbox_sink_check;
alter table gkopen.outbox add constraint outbox_sink_check
  check (sink in ('datastore', 'files', 'solr', 'bulk', 'standards'));

-- Every identifier that a standard ever published: what is gone answers 410, what never was 404.
create table gkopen.standard_id (
  standard text not null,                                    -- ocds, oc4ids
  id text not null,                                          -- ocid, project id
  known_by text not null,                                    -- project number; key of the project
  dataset_id uuid not null,
  primary key (standard, id));
"""

DOWN = """
drop table gkopen.standard_id;
delete from gkopen.outbox where sink = 'standards';
alter table gkopen.outbox drop constraint outbox_sink_check;
alter table gkopen.outbox add constraint outbox_sink_check check (sink in ('datastore', 'files', 'solr', 'bulk'));
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
