"""The data folder: `city.yaml` with bodies and services, and one table a service.

Everything is read again when its file changes, so that an officer's edit shows in the next harvest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from python_calamine import CalamineWorkbook

from ckanext.gkopen.simulator import generate

FAMILIES = ("national", "zhejiang", "header", "bearer")


class FolderError(ValueError):
    """The data folder cannot be served. The message names the file and what to do."""


@dataclass(frozen=True)
class Body:
    id: str
    title: dict[str, str]
    short: tuple[str, ...]
    uscc: str
    region: str


@dataclass(frozen=True)
class Service:
    """One table on the platform. `watermark` names the column that `since` compares; `numbers` the columns
    that leave as JSON numbers, with the digits of the file. `generate` (domain, rows, seed, bad) stands in
    place of `file`."""

    id: str
    family: str
    body: str
    domain: str
    title: dict[str, str]
    file: str | None = None
    generate: dict[str, Any] | None = None
    watermark: str | None = None
    numbers: tuple[str, ...] = ()
    catalogue: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class City:
    """`secret_env` names the environment variable with the secret of all services; `caller` is the id by
    which the portal is known (requester, app key, paas id). `page_size` and `calls_per_minute` are the
    platform's limits."""

    title: dict[str, str]
    bodies: dict[str, Body]
    services: dict[str, Service]
    secret_env: str
    caller: str
    page_size: int
    calls_per_minute: int


@dataclass(frozen=True)
class Table:
    """Rows as texts. `count` is their number; generated rows are made when they are asked for."""

    columns: list[str]
    count: int
    rows: list[dict[str, str]] | None
    made: dict[str, Any] | None = None

    def slice(self, start: int, stop: int) -> list[dict[str, str]]:
        start, stop = min(start, self.count), min(stop, self.count)
        if self.rows is not None:
            return self.rows[start:stop]
        return list(_made(self.made or {}, start, stop))


class Folder:
    """A data folder on disk. Cheap to ask: a file is read again only when its time or size has changed."""

    def __init__(self, path: Path):
        self.path = path
        self._cache: dict[Path, tuple[tuple[int, int], Any]] = {}

    def city(self) -> City:
        return self._read(self.path / "city.yaml", _city)

    def table(self, service: Service) -> Table:
        if service.generate is not None:
            made = service.generate
            first = next(_made(made, 0, 1), {})
            return Table(list(first), int(made["rows"]), None, made)
        path = (self.path / str(service.file)).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise FolderError(f"{service.file}: 不在数据目录内 / outside the data folder")
        return self._read(path, _table)

    def _read(self, path: Path, parse: Any) -> Any:
        try:
            stat = path.stat()
            held = self._cache.get(path)
            mark = (stat.st_mtime_ns, stat.st_size)
            if held is None or held[0] != mark:
                held = (mark, parse(path))
                self._cache[path] = held
            return held[1]
        except OSError as exc:
            raise FolderError(f"{path}: 无法读取 / cannot be read: {exc.strerror}") from exc


def _made(made: dict[str, Any], start: int, stop: int) -> Iterator[dict[str, str]]:
    stop = min(stop, int(made["rows"]))
    return generate.records(
        made["domain"],
        stop - start,
        seed=int(made.get("seed", 1)),
        start=start,
        bad=float(made.get("bad", 0)),
    )


def _city(path: Path) -> City:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        bodies = [Body(**{**entry, "short": tuple(entry.get("short", ()))}) for entry in data["bodies"]]
        services = [Service(**{**entry, "numbers": tuple(entry.get("numbers", ()))}) for entry in data["services"]]
        platform = data["platform"]
        city = City(
            data["city"],
            {body.id: body for body in bodies},
            {service.id: service for service in services},
            platform["secret_env"],
            platform["caller"],
            int(platform["page_size"]),
            int(platform["calls_per_minute"]),
        )
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as exc:
        raise FolderError(f"{path}: 不是有效的 city.yaml / not a valid city.yaml: {exc}") from exc
    for service in services:
        if service.family not in FAMILIES or service.body not in city.bodies:
            raise FolderError(
                f"{path}: 服务 {service.id} 的 family 或 body 无效 / "
                f"the service {service.id} has an unknown family or body"
            )
        if (service.file is None) == (service.generate is None):
            raise FolderError(f"{path}: 服务 {service.id} 需要 file 或 generate / {service.id} needs file or generate")
    return city


def _table(path: Path) -> Table:
    if path.suffix.lower() == ".xlsx":
        grid = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
        lines = ([_cell(cell) for cell in line] for line in grid)
    else:
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            # Excel on a Chinese Windows saves an edited CSV in GB18030.
            text = raw.decode("gb18030")
        lines = csv.reader(io.StringIO(text))
    lines = iter(lines)
    columns = next(lines, [])
    width = len(columns)
    rows = [dict(zip(columns, islice([*line, *[""] * width], width), strict=True)) for line in lines if any(line)]
    return Table(columns, len(rows), rows)


def _cell(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    return cell.isoformat() if isinstance(cell, date) else str(cell)
