"""A platform with generated services of each family, on a loopback port of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ckanext.gkopen.harvesters import Limits, Source, Transport, load_source, open_transport
from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.faults import parse_fault
from ckanext.gkopen.simulator.platform import Platform
from ckanext.gkopen.simulator.server import running

SECRET = "only-for-tests"
ROWS = 230
SIGNERS = {
    "national": "{family: national, requester: gkopen-demo}",
    "zhejiang": "{family: zhejiang, app_key: gkopen-demo}",
    "header": "{family: header, id: gkopen-demo}",
    "bearer": "{family: bearer}",
}
SERVICES = {
    "national": "gen-procurement",
    "zhejiang": "gen-budget",
    "header": "gen-project",
    "bearer": "gen-hotline",
}
SHORT = Limits(connect=1, silence=0.4, attempt=0.8, tries=2, pause=0.01, pause_most=0.02, retry_after_most=2)


@dataclass
class Gateway:
    """The running platform and what a test does with it."""

    url: str
    platform: Platform
    folder: Path

    def fault(self, *names: str) -> None:
        self.platform.faults.replace([parse_fault(name) for name in names])

    def source(self, family: str, **changes: str) -> Source:
        """A source file for the family's service; `changes` replace or add top-level keys."""
        service = SERVICES[family]
        path = "/national/gateway" if family == "national" else f"/{family}/data/{{service}}"
        keys = {
            "name": "gen",
            "title": "生成数据",
            "domain": "procurement",
            "organization": "demo-0",
            "transport": "exchange",
            "url": f'"{{platform}}{path}"',
            "signer": SIGNERS[family],
            "secret_env": "GKOPEN_SECRET_DEMO",
            "service": service,
            "catalogue": f"/{family}/catalogue/{service}",
            "page_size": "100",
            "update_cycle": "daily",
        } | changes
        return load_source("\n".join(f"{key}: {value}" for key, value in keys.items()), platform=self.url)

    def calls(self, family: str) -> int:
        return self.platform.calls[SERVICES[family]]


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = generate.write_city(tmp_path_factory.mktemp("city"), ROWS, bad=0)
    with running(folder, SECRET) as (url, platform):
        yield Gateway(url, platform, folder)


@pytest.fixture
def gateway(_served: Gateway) -> Iterator[Gateway]:
    _served.fault()
    _served.platform.calls.clear()
    yield _served
    _served.fault()


@pytest.fixture
def connect(gateway: Gateway) -> Iterator[Callable[..., Transport]]:
    """Opens transports with short limits; what is given replaces the arguments of `open_transport`."""
    opened: list[Transport] = []

    def connect(source: Source, **changes: object) -> Transport:
        arguments: dict = {"secret": SECRET, "allowed_hosts": ["127.0.0.1"], "limits": SHORT} | changes
        transport = open_transport(source, arguments.pop("secret"), **arguments)
        opened.append(transport)
        return transport

    yield connect
    for transport in opened:
        transport.close()
