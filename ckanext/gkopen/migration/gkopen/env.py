"""Alembic's entry for `ckan db upgrade -p gkopen`: one connection, one transaction, plain SQL in versions/."""

from __future__ import annotations

from alembic import context
from sqlalchemy import engine_from_config, pool

engine = engine_from_config(context.config.get_section(context.config.config_ini_section) or {},
                            prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None, version_table="gkopen_alembic_version")
    with context.begin_transaction():
        context.run_migrations()
