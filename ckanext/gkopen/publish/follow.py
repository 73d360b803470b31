"""The exits follow a withdrawal at once, in the process of whoever withdraws."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import behind, outbox, served, table

log = logging.getLogger(__name__)

SECONDS = 20
"""How long whoever withdraws waits for the exits, at most."""
SINKS = ("datastore", "files", "solr")
"""What is brought up while he waits. The files over all bodies take longer: workers make them, before everything else,
and until then nobody gets the old ones (`behind`)."""


def follow(dataset: Mapping[str, Any]) -> None:
    """Take what was withdrawn out of the exits, after the commit. Raises nothing: what fails, the workers do, and what
    another one is at is not waited for.
    """
    dataset_id = str(dataset["id"])
    try:
        served.hide(behind.files(model.every(
            "select address, dataset_id, domain from gkopen.file where sha256 is not null"
            " and (dataset_id = :d or dataset_id is null)", d=dataset_id)))
        end = time.monotonic() + SECONDS
        sinks = [sink for sink in SINKS if sink != "datastore" or not table.is_busy(get_domain(dataset["domain"]))]
        while time.monotonic() < end:
            model.execute("set local lock_timeout = '3s'")
            if not outbox.work_batch(dataset_id, sinks):
                break
    except Exception:
        ckan_model.Session.rollback()
        log.exception("the withdrawal is done; its exits are brought up by the workers")
