"""The simulator's tables fit the domains: generated rows pass or stay out as wished, the city's mostly pass."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Options
from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.cli import CITY
from ckanext.gkopen.simulator.folder import Folder
from ckanext.gkopen.simulator.invent import MAKERS

SERVICES = Folder(CITY).city().services


@pytest.mark.parametrize("domain", sorted(MAKERS))
def test_just_the_spoilt_rows_of_generated_data_stay_out(domain, tmp_path: Path):
    rows = list(generate.records(domain, 1800, seed=5, bad=0.05))
    path = tmp_path / f"{domain}.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    examined = examine(get_domain(domain), path, filename=path.name, options=Options())
    spoilt = sum(generate.is_bad(5, at, 0.05) for at in range(1800))
    assert examined.quarantine.num_rows == spoilt
    assert examined.duplicates.num_rows == 0
    assert examined.table.num_rows == 1800 - spoilt


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.id)
def test_most_rows_of_the_city_can_be_published(service):
    """Real records are as bad as they are; a dataset that shows nothing would be a poor demonstration."""
    path = CITY / str(service.file)
    examined = examine(get_domain(service.domain), path, filename=path.name, options=Options())
    assert examined.table.num_rows >= 0.6 * examined.rows_in
    assert all(name is not None or label.startswith("备") for label, name in examined.header.items()), examined.header
