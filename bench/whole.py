"""b3: a department's CSV all the way into the table, in a process of its own so that its memory can be told.

    python -m bench.whole SOURCE.csv FOLDER     one run: parts into FOLDER, seconds and memory as JSON on the screen

CKAN_INI names the settings file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.measure import Contender, Figure, Wrong, in_turn, must_equal
from bench.running import loaded
from ckanext.gkopen.embedded.screen import Screen


def run(source: Path, folder: Path) -> dict[str, Any]:
    """Seconds by stage, rows, and the most memory of the process in MB."""
    import pandas  # noqa: F401 Arrow loads it with the first Python list: a worker has it long before its next file

    from bench.tables import Table, bring_up, domain, forget
    from ckanext.gkopen import parts
    from ckanext.gkopen.examine import examine
    from ckanext.gkopen.records import Options

    shape = domain("bench_b3", indexed=False)
    forget(shape)
    loaded_already = memory()
    began = time.perf_counter()
    examined = examine(shape, source, filename=source.name, options=Options())
    checked = time.perf_counter()
    contents = parts.write_parts(shape, parts.split_parts(shape, examined.table))
    written = time.perf_counter()
    rows, total = examined.rows_ok, str(_sum(examined.table))
    told = {"in": examined.rows_in, "ok": rows, "bad": examined.rows_quarantined,
            "duplicate": examined.rows_duplicate, "findings": dict(examined.counts())}
    del examined
    bring_up(shape, Table(contents, rows, Decimal(total)))
    done = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part, data in contents.items():
        (folder / f"{part}.csv").write_bytes(data)
    return {"examine": checked - began, "write_parts": written - checked, "bring_up": done - written,
            "seconds": done - began, "rows": told, "total": total, "mb": memory(), "mb_ckan": loaded_already}


def _sum(table: Any) -> Any:
    import pyarrow.compute as pc

    return pc.sum(table["award_amount"]).as_py()


def memory() -> int:
    """The most that this process has held, in MB. (`ru_maxrss` would count the parent from which it was forked.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) // 1024


def in_a_process(source: Path, folder: Path, ini: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "bench.whole", source, folder], check=False, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, "CKAN_INI": str(ini)})
    if done.returncode:
        raise Wrong(f"the run of {source} ended with code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def b3(content: Any, source: Path, folder: Path, ini: Path, rounds: int, screen: Screen) -> list[Figure]:
    from bench.tables import TableSQL, check, domain, drop_raw, forget, raw_contender

    shape = domain("bench_b3", indexed=False)
    runs: list[dict[str, Any]] = []

    def work() -> float:
        runs.append(in_a_process(source, folder, ini))
        return runs[-1]["seconds"]

    def right() -> None:
        must_equal("rows", runs[-1]["rows"]["in"], content.rows)
        must_equal("sum", Decimal(runs[-1]["total"]), content.total)
        check(TableSQL(shape).name, content)

    whole = Contender("read, check, canonical CSV, table", work, check=right)
    raw, ours = in_turn("b3", (raw_contender(content, shape), whole), rounds, screen)
    runs = runs[1:]
    middle = {name: sorted(one[name] for one in runs)[len(runs) // 2]
              for name in ("examine", "write_parts", "bring_up", "mb", "mb_ckan")}
    ours.floor, ours.target = raw.name, "≤ 3 ×, < 1.2 GB"
    ours.note = (f"examine {middle['examine']:.1f} s, write_parts {middle['write_parts']:.1f} s, bring_up"
                 f" {middle['bring_up']:.1f} s; peak {middle['mb']} MB, of which CKAN itself {middle['mb_ckan']} MB")
    ours.more = {"runs": runs}
    forget(shape)
    drop_raw()
    return [raw, ours]


if __name__ == "__main__":
    with loaded(Path(os.environ["CKAN_INI"])):
        print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
