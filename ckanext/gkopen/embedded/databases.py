"""The two databases of a site, their roles and rights, on a PostgreSQL where we are superuser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A cursor in autocommit."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@dataclass(frozen=True)
class Databases:
    """Names follow from one word: `gkopen` gives the databases gkopen and gkopen_datastore, the role gkopen
    that owns both, and gkopen_read that may only select from the second. `superuser` is the URL of a
    superuser.
    """

    superuser: str
    name: str
    password: str
    read_password: str

    @property
    def datastore(self) -> str:
        return f"{self.name}_datastore"

    @property
    def reader(self) -> str:
        return f"{self.name}_read"

    @property
    def ckan_url(self) -> str:
        return self._url(self.name, self.name, self.password)

    @property
    def write_url(self) -> str:
        return self._url(self.datastore, self.name, self.password)

    @property
    def read_url(self) -> str:
        return self._url(self.datastore, self.reader, self.read_password)

    def as_superuser(self, database: str) -> str:
        return urlunsplit(urlsplit(self.superuser)._replace(path=f"/{database}"))

    def create(self) -> None:
        """Roles, databases and rights; what is there already stays, only the passwords are set again."""
        with connected(self.superuser) as cursor:
            for role, password in ((self.name, self.password), (self.reader, self.read_password)):
                cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
                verb = sql.SQL("CREATE" if cursor.fetchone() is None else "ALTER")
                cursor.execute(
                    sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(password))
                )
                # Without this a role would look first into the schema that has its own name, and there is one: gkopen.
                cursor.execute(sql.SQL("ALTER ROLE {} SET search_path = public").format(sql.Identifier(role)))
            # A reader sees one state of a table from the first statement of a request to the last, and CKAN's own
            # setting for this has no effect.
            cursor.execute(
                sql.SQL("ALTER ROLE {} SET default_transaction_isolation = 'repeatable read'").format(
                    sql.Identifier(self.reader)
                )
            )
            made = [name for name in (self.name, self.datastore) if not self.exists(name)]
            for name in made:
                cursor.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
                        sql.Identifier(name), sql.Identifier(self.name)
                    )
                )
        if self.datastore in made:
            self._grant()

    def exists(self, name: str) -> bool:
        with connected(self.superuser) as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def bring_up_to(self, stamp: str, migrate: Callable[[], object]) -> None:
        """Run `migrate` unless the database says that it was brought to this stamp before."""
        with connected(self.as_superuser(self.name)) as cursor:
            cursor.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
                (self.name,),
            )
            if cursor.fetchone() == (stamp,):
                return
        migrate()
        with connected(self.as_superuser(self.name)) as cursor:
            cursor.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(self.name), sql.Literal(stamp))
            )

    def drop(self) -> None:
        with connected(self.superuser) as cursor:
            for name in (self.name, self.datastore):
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _grant(self) -> None:
        """CKAN's own script for the rights of the DataStore's roles."""
        script = (files("ckanext.datastore") / "set_permissions.sql").read_text("utf-8")
        quoted = {
            "maindb": self.name,
            "datastoredb": self.datastore,
            "mainuser": self.name,
            "writeuser": self.name,
            "readuser": self.reader,
        }
        statements = script.replace("\\connect {datastoredb}", "").format(
            **{key: f'"{value}"' for key, value in quoted.items()}
        )
        with connected(self.as_superuser(self.datastore)) as cursor:
            cursor.execute(statements)
            # PUBLIC's right to connect is what the reader would come in by.
            cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(self.name)))

    def _url(self, database: str, role: str, password: str) -> str:
        parts = urlsplit(self.superuser)
        host = parts.hostname or "127.0.0.1"
        address = f"{role}:{quote(password, safe='')}@{host}:{parts.port or 5432}"
        return urlunsplit(("postgresql", address, f"/{database}", parts.query, ""))
