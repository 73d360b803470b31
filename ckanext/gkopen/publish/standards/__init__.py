"""What is public, in the standards of the field: OCDS, OC4IDS, fiscal data packages.

Pure functions from canonical rows to the standards' objects (`ocds`, `ocds_records`, `oc4ids`, `fiscal`), and one
module that brings the published packages up to date (`bring_up`). docs/standards.md says which field goes where.
A row is a mapping from field name to canonical text (see `parts`), empty cells None.
"""

STANDARDS = {"procurement": ("ocds", "oc4ids"), "project": ("oc4ids",), "project_event": ("oc4ids",),
             "budget": ("fiscal",)}
"""Domain → the standards whose packages its rows go into."""
