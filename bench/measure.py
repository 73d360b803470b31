"""Rounds in turn (ABAB), the median and the least of each, and a check that decides whether the figures exist."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ckanext.gkopen.embedded.screen import Screen

Work = Callable[[], float | None]
"""Answers its own seconds where it starts a process whose start must not count."""


class Wrong(Exception):
    """What was measured did not do its work: no figure of it counts."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison. `before` is not timed; `work` is; `check` raises Wrong and is not timed."""

    name: str
    work: Work
    before: Callable[[], object] = lambda: None
    check: Callable[[], object] = lambda: None


@dataclass(slots=True)
class Figure:
    """Seconds of every round of one side. `floor`: the name of the side that it is divided by."""

    bench: str
    name: str
    seconds: list[float]
    floor: str | None = None
    target: str = ""
    note: str = ""
    more: dict[str, object] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


def in_turn(bench: str, contenders: Sequence[Contender], rounds: int, screen: Screen) -> list[Figure]:
    """Each round runs every contender once; a first round warms up and is dropped."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            screen.now(f"{bench} round {number}/{rounds}: {contender.name}")
            contender.before()
            started = time.perf_counter()
            own = contender.work()
            taken = time.perf_counter() - started if own is None else own
            contender.check()
            if number:
                seconds[contender.name].append(taken)
    return [Figure(bench, name, taken) for name, taken in seconds.items()]


def must_equal(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found}, and it should be {wanted}")


def ratio(figure: Figure, floors: Mapping[tuple[str, str], Figure]) -> tuple[float, float] | None:
    """Medians and leasts divided by those of the floor of the same run."""
    if figure.floor is None:
        return None
    floor = floors[figure.bench, figure.floor]
    return figure.median / floor.median, figure.least / floor.least


def rows_of(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """The table as JSON: seconds of each round, median, least, ratios, target, note."""
    floors = {(figure.bench, figure.name): figure for figure in figures}
    listed = []
    for figure in figures:
        found = ratio(figure, floors)
        listed.append({
            "bench": figure.bench, "name": figure.name, "seconds": [round(s, 3) for s in figure.seconds],
            "median": round(figure.median, 3), "least": round(figure.least, 3),
            "floor": figure.floor, "ratio_of_medians": found and round(found[0], 2),
            "ratio_of_leasts": found and round(found[1], 2), "target": figure.target, "note": figure.note,
            **figure.more})
    return listed


def as_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Markdown, so that docs/benchmarks.md can take it as it is."""
    lines = ["| | what | median s | least s | ratio (median, least) | target | note |",
             "|---|---|---:|---:|---|---|---|"]
    for row in rows:
        share = f"{row['ratio_of_medians']}, {row['ratio_of_leasts']} × {row['floor']}" if row["floor"] else ""
        lines.append(f"| {row['bench']} | {row['name']} | {row['median']} | {row['least']} | {share} |"
                     f" {row['target']} | {row['note']} |")
    return "\n".join(lines)


def load() -> str:
    """How busy the machine was: other work on it makes every second longer, ratios less so."""
    return f"{os.cpu_count()} cores, load {' '.join(f'{value:.1f}' for value in os.getloadavg())}"
