"""The lock names everything that is imported, and only pins."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"([A-Za-z0-9._-]+)==[^ ;]+( ; .+)?")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> set[str]:
    lines = (PROJECT / name).read_text("utf-8").splitlines()
    return {canonical(line.split("=")[0]) for line in lines if line and not line.startswith("#")}


def imported() -> set[str]:
    found = set()
    for folder in ("ckanext", "schemas", "harvesters"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"ckanext"}


def test_imports_of_the_product_are_in_the_runtime_lock():
    providers = packages_distributions()
    names = locked("requirements.lock")
    missing = {module for module in imported() if not {canonical(name) for name in providers.get(module, ())} & names}
    assert missing == set()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_line_is_a_pin(name):
    lines = [line for line in (PROJECT / name).read_text("utf-8").splitlines() if not line.startswith("#")]
    assert [line for line in lines if not PIN.fullmatch(line)] == []


def test_the_two_locks_name_nothing_twice():
    assert locked("requirements.lock") & locked("requirements-dev.lock") == set()


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_each_direct_dependency_has_its_reason_and_is_locked(name):
    lines = [line for line in (PROJECT / name).read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if " # " not in line] == []
    wanted = {canonical(re.split(r"[=<\[# ]", line)[0]) for line in lines}
    assert wanted - locked(name.replace(".in", ".lock")) == set()
