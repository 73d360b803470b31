"""docs/sources.md and docs/simulator.md name every key, error and fault, and their examples work."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from ckanext.gkopen.harvesters import HarvestError, errors, load_source
from ckanext.gkopen.harvesters.envelopes import PATH_KEYS, PRESETS
from ckanext.gkopen.harvesters.signers import OPTIONS
from ckanext.gkopen.harvesters.source import OPTIONAL, REQUEST_KEYS, REQUIRED, SSL_MODES, TRANSPORTS, UPDATE_CYCLES
from ckanext.gkopen.simulator.faults import FAULTS

DOCS = Path(__file__).parents[2] / "docs"
SOURCES = (DOCS / "sources.md").read_text(encoding="utf-8")
SIMULATOR = (DOCS / "simulator.md").read_text(encoding="utf-8")


def section(transport: str) -> str:
    return SOURCES.partition(f"### `transport: {transport}`")[2].partition("\n### ")[0]


WAYS = [(transport, key, key in needed) for transport, (needed, known) in TRANSPORTS.items()
        for key in (*needed, *known)]  # fmt: skip


@pytest.mark.parametrize(("transport", "key", "needed"), WAYS)
def test_each_key_of_a_transport_has_a_line_that_says_whether_it_must_be_there(transport, key, needed):
    (line,) = re.findall(rf"^\| `{key}` \|(.*)$", section(transport), re.MULTILINE)
    assert ("✓" in line.split("|")[0]) == needed


@pytest.mark.parametrize("key", (*REQUIRED, *OPTIONAL))
def test_each_key_that_every_source_has_has_one_line(key):
    (line,) = re.findall(rf"^\| `{key}` \|(.*)$", SOURCES, re.MULTILINE)
    assert ("✓" in line.split("|")[0]) == (key in REQUIRED)


def test_options_presets_and_cycles_are_named():
    options = {key for keys in OPTIONS.values() for key in keys}
    for name in {*options, *OPTIONS, *PRESETS, *PATH_KEYS, *REQUEST_KEYS, *UPDATE_CYCLES, *SSL_MODES}:
        assert re.search(rf"\b{name}\b", SOURCES), name


def test_update_cycles_are_those_of_the_dataset_schema():
    with (DOCS.parent / "schemas" / "codes" / "meta_update_cycle.csv").open(encoding="utf-8", newline="") as handle:
        assert [row["code"] for row in csv.DictReader(handle)] == list(UPDATE_CYCLES)


def test_errors_are_named_and_explain_themselves():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarvestError)]
    assert len(kinds) == 11
    for kind in kinds:
        assert kind.__doc__
        assert kind is HarvestError or f"`{kind.__name__}`" in SOURCES


def test_there_is_an_example_of_each_transport():
    examples = [load_source(text) for text in re.findall(r"```yaml\n(.*?)```", SOURCES, re.DOTALL)]
    assert [example.transport for example in examples] == list(TRANSPORTS)
    assert examples[1].key == ["jdwh"] and examples[1].page_size == 5000
    assert examples[2].manifest == "required" and not examples[2].complete


def test_the_example_of_a_manifest_is_one():
    (example,) = re.findall(r"```json\n(.*?)```", section("filedrop"), re.DOTALL)
    assert set(json.loads(example)) == {"file", "size", "sha256", "rows"}


def test_every_fault_is_named():
    for name in FAULTS:
        assert f"`{name}`" in SIMULATOR, name
