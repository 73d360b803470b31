"""Run once before web and worker, and again after every upgrade: databases, roles, rights, migrations.

With `--databases-only` without the migrations: restore.sh then brings the tables.

The same code as in `make demo` makes the databases (ckanext/gkopen/embedded/databases.py), so that rights are the
same everywhere. What is there stays. Addresses and passwords come from the environment (compose.yaml).
"""

import os
import subprocess
import sys
from urllib.parse import unquote, urlsplit

from ckanext.gkopen.embedded.databases import Databases


def databases() -> Databases:
    """From the three addresses that the environment names; they must belong together."""
    main, write, read = (urlsplit(os.environ[name]) for name in
                         ("CKAN_SQLALCHEMY_URL", "CKAN_DATASTORE_WRITE_URL", "CKAN_DATASTORE_READ_URL"))
    name = main.path.lstrip("/")
    found = Databases(os.environ["CKAN_POSTGRES_ADMIN_URL"], name, unquote(main.password or ""),
                      unquote(read.password or ""))
    named = (main.username, write.path, read.path, read.username)
    wanted = (name, f"/{found.datastore}", f"/{found.datastore}", found.reader)
    if named != wanted:
        sys.exit(f"The database addresses name {named}, and they should name {wanted}: correct docker/compose.yaml.")
    return found


def main() -> None:
    found = databases()
    found.create()
    if "--databases-only" not in sys.argv[1:]:
        subprocess.run(["ckan", "db", "upgrade"], check=True)
    print(f"databases {found.name} and {found.datastore} are up to date")


if __name__ == "__main__":
    main()
