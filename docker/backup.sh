#!/bin/sh
# Back up the running portal: docker/backup.sh FOLDER [COMPOSE OPTIONS ...]
#
# The order matters. Contents are stored before the database names them and never change, so files copied AFTER the
# database hold everything that it names; `gkopen rebuild --all` makes the DataStore from the database and the private files.
#   1 database gkopen   2 database gkopen_datastore   3 private files   4 public files   5 uploads
# Solr is not backed up (restore.sh builds the index again), nor is Valkey (sessions and caches).
# docker/.env and docker/sources.env are copied too: keep the backup as closely as those secrets.
set -eu
[ $# -ge 1 ] || { echo "usage: docker/backup.sh FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)/$(date -u +%Y%m%dT%H%M%SZ)
umask 077
mkdir "$target.half"

compose() {
    docker compose --file "$here/compose.yaml" --env-file "$here/.env" "$@"
}

for database in gkopen gkopen_datastore; do
    echo "database $database"
    compose exec -T postgres pg_dump --username=postgres --format=custom --compress=6 "$database" \
        >"$target.half/$database.dump"
done
for folder in private public ckan; do
    echo "files $folder"
    compose exec -T web tar --create --directory=/var/lib/ckan "$folder" >"$target.half/$folder.tar"
done
cp "$here/.env" "$target.half/env"
cp "$here/sources.env" "$target.half/sources.env"
(cd "$target.half" && sha256sum -- * >SHA256SUMS)
# The name is only there when everything is: a broken-off backup is never taken for a whole one.
mv "$target.half" "$target"
echo "$target is complete"
