"""Bring the tests' site back to the state of one just made, in a fraction of a second."""

import shutil
from pathlib import Path

import psycopg2
import pysolr
import redis
from psycopg2 import sql

from ckanext.gkopen.embedded.site import Site

TABLES = """
    SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""
SMALL = 1 << 20
"""Bytes of a table up to which its rows are deleted: emptying it makes new files for it and its indexes, ten times the
work. What deleting leaves behind makes a table grow, until it is emptied."""
FROM_ONE = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE last_value IS NOT NULL
"""
EMPTY_DATASTORE = """DO $$ DECLARE name text; BEGIN FOR name IN SELECT nspname FROM pg_namespace WHERE
                  nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public') LOOP EXECUTE
                  format('DROP SCHEMA %I CASCADE', name); END LOOP; FOR name IN SELECT tablename FROM
                  pg_tables WHERE schemaname = 'public' AND tablename <> '_table_stats' LOOP EXECUTE
                  format('DROP TABLE public.%I CASCADE', name); END LOOP; TRUNCATE public._table_stats; END
                  $$
                  """


class FreshSite:
    """A site just made holds nothing but the versions of its tables: `reset` empties all the rest."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.ckan = self._connect(site.databases.name)
        self.datastore = self._connect(site.databases.datastore)
        self.solr = pysolr.Solr(site.servers.solr_url)
        self.redis = redis.Redis.from_url(site.servers.redis_url)

    def reset(self) -> None:
        from ckan import model

        model.Session.remove()
        self._reset_ckan()
        with self.datastore.cursor() as cursor:
            cursor.execute(EMPTY_DATASTORE)
        if self.solr.search("*:*", rows=0).hits:
            self.solr.delete(q="*:*", commit=True)
        self.redis.flushdb()
        for name in ("private", "public", "ckan"):
            _empty(self.site.storage / name)

    def _reset_ckan(self) -> None:
        """As superuser with triggers off: the audit table refuses every change by anyone else."""
        with self.ckan.cursor() as cursor:
            cursor.execute(TABLES)
            names = [name for (name,) in cursor.fetchall() if not name.endswith("alembic_version")]
            cursor.execute("SELECT " + ", ".join(
                f"CASE WHEN EXISTS (SELECT FROM {name}) THEN pg_relation_size('{name}') END" for name in names))
            [sizes] = cursor.fetchall()
            filled = {name: size for name, size in zip(names, sizes, strict=True) if size is not None}
            small = [name for name, size in filled.items() if size <= SMALL]
            if large := filled.keys() - small:
                cursor.execute(f"TRUNCATE {', '.join(large)} CASCADE")
            cursor.execute("".join(f"DELETE FROM {name};" for name in small) + FROM_ONE)

    def _connect(self, database: str):
        connection = psycopg2.connect(self.site.databases.as_superuser(database))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            # A test that left a transaction open is told so instead of hanging.
            cursor.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal("10s")))
        return connection


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
