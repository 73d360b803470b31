"""Oversight (监督): what bodies owe and when, health of sources, messages on changes of state, standing approvals."""
