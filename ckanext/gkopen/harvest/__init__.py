"""Harvests: sources, the ledger of runs in PostgreSQL, and the worker."""
