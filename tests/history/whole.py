"""A file that speaks for a whole dataset: what it does not hold is to go."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ckan import model as ckan_model

from ckanext.gkopen import bodies, pipeline
from tests.races import crew


def hold_whole(user: str, body: str, rows: Sequence[str]) -> str | None:
    """The held revision, or None where nothing would change."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes("\r\n".join((crew.HEADER, *rows, "")).encode())
        outcome = pipeline.submit(pipeline.Submission(
            domain="procurement", body=bodies.find(body), path=path, filename="rows.csv", source="upload:test",
            submitted_by=user, scope="complete"))
    ckan_model.Session.commit()
    return outcome.revision_id
