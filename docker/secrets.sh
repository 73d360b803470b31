#!/bin/sh
# Makes docker/.env from .env.example with a generated value for every secret that is empty. Safe to repeat: what is
# there is kept.
set -eu
cd "$(dirname "$0")"
umask 077

[ -e .env ] || cp .env.example .env
[ -e sources.env ] || : >sources.env
for name in POSTGRES_PASSWORD CKAN_DB_PASSWORD CKAN_DB_READ_PASSWORD VALKEY_PASSWORD CKAN_SECRET_KEY \
            CKAN_CSRF_SECRET_KEY CKAN_TOKEN_SECRET; do
    if ! grep -q "^$name=." .env; then
        # Hexadecimal, so that it stands in an address and in an ini file as it is.
        value=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
        grep -v "^$name=" .env >.env.new || true
        printf '%s=%s\n' "$name" "$value" >>.env.new
        mv .env.new .env
        echo "made $name"
    fi
done
chmod 600 .env sources.env
echo "docker/.env is complete: set CKAN_SITE_URL in it, then start with"
echo "  docker compose --file docker/compose.yaml up --detach --build"
