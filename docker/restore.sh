#!/bin/sh
# Restore a backup, in place of all that is there: docker/restore.sh FOLDER/20260131T020000Z
#
# The order: secrets, empty databases and roles (the service `init`), database gkopen, database gkopen_datastore,
# private files, public files, uploads, the index, and `ckan gkopen verify`, which compares all of them with each other.
set -eu
[ $# -eq 1 ] || { echo "usage: docker/restore.sh BACKUP" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
backup=$(cd "$1" && pwd)
(cd "$backup" && sha256sum --check --quiet SHA256SUMS) || {
    echo "restore: $backup is damaged; nothing was touched" >&2
    exit 1
}

compose() {
    docker compose --file "$here/compose.yaml" --env-file "$here/.env" "$@"
}

umask 077
if [ -e "$here/.env" ]; then
    # The server's passwords are those of its data folder; the rest of the backup's secrets are of no use here.
    echo "keeping docker/.env as it is"
else
    cp "$backup/env" "$here/.env"
    cp "$backup/sources.env" "$here/sources.env"
fi

compose stop nginx web worker
compose up --detach --wait postgres valkey solr
for database in gkopen gkopen_datastore; do
    compose exec -T postgres dropdb --username=postgres --if-exists --force "$database"
done
# Makes roles, empty databases and rights; the tables come from the dump.
compose run --rm --no-deps init python docker/init.py --databases-only
for database in gkopen gkopen_datastore; do
    echo "database $database"
    compose exec -T postgres pg_restore --username=postgres --dbname="$database" --clean --if-exists \
        --exit-on-error --single-transaction <"$backup/$database.dump"
done
for folder in private public ckan; do
    echo "files $folder"
    # shellcheck disable=SC2016  (the inner shell fills it in)
    compose run --rm --no-deps -T web sh -c 'find "/var/lib/ckan/$1" -mindepth 1 -delete && \
        tar --extract --directory=/var/lib/ckan' sh "$folder" <"$backup/$folder.tar"
done
echo "the index"
compose run --rm --no-deps init ckan search-index clear
compose run --rm --no-deps init ckan search-index rebuild
compose up --detach --wait
echo "does everything agree?"
compose exec -T web ckan gkopen verify
