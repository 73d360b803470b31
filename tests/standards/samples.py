"""Rows of every kind, through the whole pipeline: generated, of the demo city, and real ones where they are beside."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ckanext.gkopen import parts
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.publish.standards.groups import Gathered
from ckanext.gkopen.records import Options
from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.cli import CITY
from ckanext.gkopen.simulator.folder import Folder

SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL = {"procurement": ("procurement.csv", "procurement_yichang.csv"), "project": ("projects.csv",),
        "budget": ("budget.csv",)}
AT = "2024-05-01T08:00:00+08:00"

needs_real = pytest.mark.skipif(
    not (SHARED / "real").is_dir(), reason="the real records lie beside the project where it is developed")
needs_checker = pytest.mark.skipif(
    not (SHARED / "tools/conformance.py").exists(), reason="the official checkers' program lies beside the project")


def canonical(domain: str, path: Path) -> bytes:
    examined = examine(get_domain(domain), path, filename=path.name, options=Options())
    return parts.write_part(get_domain(domain), examined.table)


def generated_file(domain: str, count: int, folder: Path) -> Path:
    rows = list(generate.records(domain, count, seed=7))
    path = folder / f"{domain}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@cache
def city(domain: str) -> tuple[bytes, ...]:
    services = Folder(CITY).city().services.values()
    return tuple(canonical(domain, CITY / str(one.file)) for one in services if one.domain == domain)


@cache
def real(domain: str) -> tuple[bytes, ...]:
    return tuple(canonical(domain, SHARED / "real" / name) for name in REAL[domain]) if SHARED.is_dir() else ()


def gather(domain: str, *contents: bytes) -> Gathered:
    return Gathered(get_domain(domain), ((f"dataset-{at}", AT, data) for at, data in enumerate(contents)))


def everything(domain: str, folder: Path, count: int) -> Iterator[bytes]:
    yield canonical(domain, generated_file(domain, count, folder))
    yield from city(domain)
    if domain in REAL:
        yield from real(domain)
