"""python -m bench [a | a1 | a2 | f | b | b1 | b2 | b3 | b4 | c3 | d1 | d2 | e ...] [--quick] [--rows N]

    a1  many small datasets from a source until they are checked and held, beside ckanext-harvest's gather and fetch
    a2  the same, approved and in every exit, beside ckanext-harvest's import stage
    f   the same source again with 1 % changed and 1 % gone, beside ckanext-harvest's second harvest
    b1  1 M rows × 12 columns to a typed, keyed DataStore table, beside COPY + key
    b2  the same with the filter indexes and the Chinese GIN index
    b3  the same from the department's CSV: read, check, canonical CSV, table; with the peak of memory
    b4  95 rows of a month change: in the table, and through every exit
    c1  the published CSV and JSON Lines through nginx, beside stock CKAN's dump of the same table
    c2  live CSV of the large table, whole and filtered, beside COPY TO
    c3  every form of the large table from nothing and with one part changed; the workbook alone
    d1  a dataset's page behind nginx at 1, 8 and 32 connections, beside stock CKAN's
    d2  searches of rows over HTTP on the large table, filters beside stock CKAN's own
    e   the DCAT feed of a thousand datasets: cold, after a publication, warm, beside ckanext-dcat's own

Without a name, all of them. a1, a2 and f are one run, whichever of them is asked for.
--quick takes 2 rounds in place of 5 and 300 datasets in place of 5,000 (e: of 1,000).
The table is printed, and written as JSON to <GKOPEN_HOME>/bench/results/. What it has to be: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from bench.measure import Figure, Wrong, as_table, load, rows_of
from bench.running import bench_home, clear, empty_site
from ckanext.gkopen.embedded.places import StartError
from ckanext.gkopen.embedded.screen import Screen

NAMES = ("a1", "a2", "f", "b1", "b2", "b3", "b4", "c1", "c2", "c3", "d1", "d2", "e")
PROGRAMS = {"nginx": {"c1", "d1"}, "wrk": {"d1"}}
"""What some of them need, looked for before any of them takes its time."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="a, b, or single ones; all without")
    parser.add_argument("--quick", action="store_true", help="2 rounds, 300 datasets")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large table")
    given = parser.parse_args(arguments)
    wanted = [name for name in NAMES if not given.names or any(name.startswith(part) for part in given.names)]
    if not wanted or any(not any(name.startswith(part) for name in NAMES) for part in given.names):
        parser.error(f"there is no such benchmark; use a to f, or of {', '.join(NAMES)}")
    screen = Screen()
    began = load()
    try:
        figures = measured(wanted, rounds=2 if given.quick else 5, rows=given.rows,
                           datasets=300 if given.quick else 5000, screen=screen)
    except (StartError, Wrong) as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n已停止 / stopped")
        return 1
    finally:
        clear()
    rows = rows_of(figures)
    print(f"\n{as_table(rows)}\n\n{began} at the start, {load()} at the end")
    path = write(rows, began, given.quick, given.rows)
    print(path)
    return 0


def measured(wanted: list[str], *, rounds: int, rows: int, datasets: int, screen: Screen) -> list[Figure]:
    home, figures = bench_home(), []
    for program, needed in PROGRAMS.items():
        if needed & set(wanted) and shutil.which(program) is None:
            raise Wrong(f"{program} is missing: install Debian's package {program}")
    if published := {"c1", "c2", "d2"} & set(wanted):
        from bench import live  # these modules load CKAN, which needs libmagic to be found first

        figures += live.measured(wanted, rows, rounds, screen)
    if "e" in wanted:
        with empty_site(screen):
            from bench.feed import e

            with screen.step("e"):
                figures += e(min(datasets, 1000), min(rounds, 3), home / "feed", screen)
    if published | {"e"} >= set(wanted):
        return figures
    with empty_site(screen) as ini:
        if {"a1", "a2", "f"} & set(wanted):
            from bench.harvest import many

            with screen.step("a1, a2, f"):
                figures += many(datasets, rounds, home / "platform", screen)
        if "d1" in wanted:
            from bench.pages import d1

            with screen.step("d1"):
                figures += d1(ini, rounds, screen)
        if not any(name.startswith("b") or name == "c3" for name in wanted):
            return figures
        from bench import exits, files, tables, whole
        from bench.notices import write_source

        with screen.step(f"a table of {rows} rows"):
            source, folder = write_source(rows, home / "sources"), home / "parts"
            run = whole.in_a_process(source, folder, ini)
            content = tables.Table({path.stem: path.read_bytes() for path in sorted(folder.iterdir())},
                                   run["rows"]["ok"], Decimal(run["total"]))
        if content.rows != rows:
            raise Wrong(f"of {rows} generated rows {content.rows} are good: {run['rows']}")
        screen.tell(f"{content.rows} rows, {content.size >> 20} MB of canonical CSV in {len(content.parts)} parts")
        for name in wanted:
            if name in ("b1", "b2"):
                with screen.step(name):
                    figures += {"b1": tables.b1, "b2": tables.b2}[name](content, rounds, screen)
            elif name == "b3":
                with screen.step(name):
                    figures += whole.b3(content, source, folder, ini, rounds, screen)
            elif name == "b4":
                with screen.step(name):
                    figures += tables.b4(content, rounds, screen)
                    figures += exits.b4(source, min(rounds, 3), screen)
            elif name == "c3":
                with screen.step(name):
                    figures += files.c3(content, min(rounds, 3), home / "forms", screen)
                    figures += files.workbook_alone(content, min(rounds, 3), home / "forms", screen)
    return figures


def write(rows: list[dict[str, object]], began: str, quick: bool, size: int) -> Path:
    now = datetime.now(UTC)
    folder = bench_home() / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({"at": now.isoformat(timespec="seconds"), "quick": quick, "rows": size,
                                "machine_at_start": began, "machine_at_end": load(), "figures": rows},
                               ensure_ascii=False, indent=1, default=str), "utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
