"""PostgreSQL, Valkey, Solr and a CKAN site on one machine, from Python packages alone: for the demo and the
tests.

Nothing here is used in production (docker/): there the same configuration runs on servers of their own.
"""
