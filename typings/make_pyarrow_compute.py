"""Write pyarrow-stubs/compute.pyi again after an upgrade of pyarrow: .venv/bin/python typings/make_pyarrow_compute.py

pyarrow makes the functions of `pyarrow.compute` when it is imported, so that a type checker sees none of them. The
stub gives their names and parameters as they are at run time; what they take and return stays open, because the
package `pyarrow-stubs` (20.0 was tried) refuses calls that are right, such as a text among the arguments of
`binary_join_element_wise`. It is a partial stub: all else of pyarrow is read from pyarrow itself.
"""

import inspect
import keyword
from pathlib import Path

import pyarrow.compute

STUB = Path(__file__).parent / "pyarrow-stubs" / "compute.pyi"
HEAD = f'''"""Made by ../make_pyarrow_compute.py from pyarrow {pyarrow.__version__}."""
# ruff: noqa: E501  (one function, one line)

from typing import Any

'''


class Default:
    """A default value, written as stubs write it."""

    def __repr__(self) -> str:
        return "..."


def stub() -> str:
    """The text of the stub: one line a function."""
    lines = []
    for name, function in inspect.getmembers(pyarrow.compute, inspect.isfunction):
        if function.__module__ == "pyarrow.compute" and not name.startswith("_") and not keyword.iskeyword(name):
            parameters = [
                parameter if parameter.default is parameter.empty else parameter.replace(default=Default())
                for parameter in inspect.signature(function).parameters.values()
            ]
            lines.append(f"def {name}{inspect.Signature(parameters)} -> Any: ...\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
