"""docs/sources.md and docs/simulator.md name every key, error and fault, and their examples work."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from ckanext.gkopen.harvesters import HarvestError, errors, load_source
from ckanext.gkopen.harvesters.envelopes import PATH_KEYS, PRESETS
from ckanext.gkopen.harvesters.signers import OPTIONS
from ckanext.gkopen.harvesters.source import KEYS, REQUEST_KEYS, REQUIRED, UPDATE_CYCLES
from ckanext.gkopen.simulator.faults import FAULTS

DOCS = Path(__file__).parents[2] / "docs"
SOURCES = (DOCS / "sources.md").read_text(encoding="utf-8")
SIMULATOR = (DOCS / "simulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", KEYS)
def test_each_key_has_a_line_that_says_whether_it_must_be_there(key):
    (line,) = re.findall(rf"^\| `{key}` \|(.*)$", SOURCES, re.MULTILINE)
    assert ("✓" in line.split("|")[0]) == (key in REQUIRED)


def test_options_presets_and_cycles_are_named():
    options = {key for keys in OPTIONS.values() for key in keys}
    for name in {*options, *OPTIONS, *PRESETS, *PATH_KEYS, *REQUEST_KEYS, *UPDATE_CYCLES}:
        assert re.search(rf"\b{name}\b", SOURCES), name


def test_update_cycles_are_those_of_the_dataset_schema():
    with (DOCS.parent / "schemas" / "codes" / "meta_update_cycle.csv").open(encoding="utf-8", newline="") as handle:
        assert [row["code"] for row in csv.DictReader(handle)] == list(UPDATE_CYCLES)


def test_errors_are_named_and_explain_themselves():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarvestError)]
    assert len(kinds) == 10
    for kind in kinds:
        assert kind.__doc__
        assert kind is HarvestError or f"`{kind.__name__}`" in SOURCES


def test_the_example_is_a_source_file():
    (example,) = re.findall(r"```yaml\n(.*?)```", SOURCES, re.DOTALL)
    assert load_source(example).name == "nantong-procurement"


def test_every_fault_is_named():
    for name in FAULTS:
        assert f"`{name}`" in SIMULATOR, name
