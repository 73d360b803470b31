"""Healthy: no exit that is due has waited longer than ten minutes for a worker. Says why when it is not."""

import os
import sys

import psycopg2

PATIENCE_MINUTES = 10
LATE = "select count(*) from gkopen.outbox where done_at is null and not_before < now() - make_interval(mins => %s)"

connection = psycopg2.connect(os.environ["CKAN_SQLALCHEMY_URL"], connect_timeout=5)
with connection, connection.cursor() as cursor:
    cursor.execute(LATE, (PATIENCE_MINUTES,))
    [(late,)] = cursor.fetchall()
connection.close()
if late:
    sys.exit(f"{late} exits have waited longer than {PATIENCE_MINUTES} minutes: read the worker's log")
