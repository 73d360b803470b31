#!/bin/sh
# Restore a backup, in place of all that is there: docker/restore.sh FOLDER/20260131T020000Z
#
# The order: secrets, empty databases and roles (the service `init`), database gkopen, database gkopen_datastore,
# private files, public files, uploads, the index, and `ckan gkopen verify`, which compares all of them with each other.
set -eu
[ $# -eq 1 ] || { echo "usage: docker/restore.sh BACKUP" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
backup=$(cd "$1" && pwd)
refuse() {
    echo "restore: $backup is $1; nothing was touched" >&2
    exit 1
}
[ -e "$backup/SHA256SUMS" ] || refuse "no whole back-up: it has no SHA256SUMS"
for name in gkopen.dump gkopen_datastore.dump private.tar public.tar ckan.tar env sources.env; do
    grep -q "^[0-9a-f]*  $name\$" "$backup/SHA256SUMS" || refuse "no whole back-up: SHA256SUMS does not name $name"
done
(cd "$backup" && sha256sum --check --quiet SHA256SUMS) || refuse damaged

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
# The tables of an older back-up are brought to this version, as at every start.
compose run --rm --no-deps init
echo "the index"
compose run --rm --no-deps init ckan search-index rebuild
compose up --detach --wait
echo "does everything agree?"
compose exec -T web ckan gkopen verify
