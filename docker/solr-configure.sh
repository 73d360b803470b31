#!/bin/sh
# Before Solr starts: an existing core gets the image's configuration. A field type that changed needs the index to
# be built again (docker/README.md, "Upgrade"); solr-precreate makes the core when there is none.
set -eu
conf=/var/solr/data/ckan/conf
if [ -d "$conf" ] && ! diff -rq /opt/gkopen/ckan/conf "$conf" >/dev/null; then
    cp /opt/gkopen/ckan/conf/* "$conf/"
    echo "gkopen: the core ckan has a newer configuration; rebuild the index when its field types changed"
fi
