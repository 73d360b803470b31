"""Pushes of business systems: tokens, the queue, and what is looked at before a push is taken (docs/push.md)."""
