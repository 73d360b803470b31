"""The SHACL shapes of DCAT-AP, where they are beside this project."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKER = Path(__file__).resolve().parents[3] / "shared" / "tools" / "conformance.py"

needs_shapes = pytest.mark.skipif(
    not CHECKER.exists(), reason="the SHACL shapes of DCAT-AP are not beside this project")


def judge(turtle: str, folder: Path) -> str:
    """`conforms`, or what the checker says. It is a program of its own: nothing of it is imported."""
    path = folder / "graph.ttl"
    path.write_text(turtle, "utf-8")
    done = subprocess.run([sys.executable, CHECKER, "dcat", path], capture_output=True, text=True, check=False)
    return "conforms" if done.returncode == 0 else done.stdout + done.stderr
