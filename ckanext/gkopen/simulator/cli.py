"""`simulate`: the exchange platform alone, on the command line."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.faults import FAULTS, Fault, parse_fault
from ckanext.gkopen.simulator.folder import Folder, FolderError
from ckanext.gkopen.simulator.server import bind

CITY = Path(__file__).parent / "city"


class _FaultType(click.ParamType):
    name = "NAME[:N][@SERVICE][*TIMES]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        if isinstance(value, Fault):
            return value
        try:
            return parse_fault(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


@click.command("simulate", epilog="故障 / faults: " + ", ".join(FAULTS))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8210,
    show_default=True,
    help="端口，0 为任一空闲端口 / port, 0 for a free one",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="监听地址 / address to listen on")
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), default=None,
              help="数据目录，缺省为示范城市 / data folder, by default the demo city")  # fmt: skip
@click.option(
    "--fault",
    "faults",
    type=_FaultType(),
    multiple=True,
    help="打开故障，可多次 / a fault to switch on, may repeat",
)
@click.option("--rows", type=click.IntRange(1), default=None,
              help="不用数据目录，每个领域生成 N 行 / no folder: N generated rows a domain")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="生成数据的种子 / seed of generated rows")
def simulate(port: int, host: str, data: Path | None, faults: tuple[Fault, ...], rows: int | None, seed: int) -> None:
    """共享交换平台模拟器 / The simulated exchange platform.

    数据目录中的文件改动后，下一次采集即可见。密钥取自环境变量（名称见 city.yaml）。
    A file changed in the data folder shows in the next harvest. The secret comes from the environment
    variable that city.yaml names.
    """
    if rows is not None and data is not None:
        raise click.UsageError("--rows 与 --data 只能用一个 / give --rows or --data, not both")
    with tempfile.TemporaryDirectory(prefix="gkopen-simulator-") as scratch:
        if rows is not None:
            data = generate.write_city(Path(scratch), rows, seed)
        data = data or CITY
        try:
            name = Folder(data).city().secret_env
            secret = os.environ.get(name)
            if not secret:
                raise click.ClickException(f"请先设置环境变量 {name} / set the environment variable {name} first")
            server, platform = bind(data, secret, host=host, port=port, faults=list(faults))
        except FolderError as exc:
            raise click.ClickException(str(exc)) from exc
        except OSError as exc:
            message = f"{host}:{port} 无法监听，请换端口 / cannot be listened on, choose another port: {exc.strerror}"
            raise click.ClickException(message) from exc

        def stop(signum: int, frame: Any) -> None:
            platform.stopping.set()
            # shutdown() waits for the loop that this handler interrupts, hence the thread.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        click.echo(f"http://{host}:{server.port}  {data}")
        server.serve_forever()
        server.server_close()
