"""`make demo`: a city's portal on this machine, with data that took the whole way from the exchange
platform.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from pathlib import Path

from .accounts import Accounts
from .guarded import Guarded
from .keeping import JsonFile, free_port, listener_from, secret
from .places import StartError, gkopen_home, make_folder, require_libmagic
from .screen import Screen
from .servers import Servers
from .site import ckan_program, make_site, run_ckan

FIRST_WEB_PORT = 5000
READY_SECONDS = 120
RESTARTS = 5
QUICK_SECONDS = 60
NEXT = """
  公开数据门户 / the portal      {site}
  按行检索 / rows as an API      {site}/api/3/action/datastore_search?resource_id=procurement&q=公路
  批量下载 / whole tables        {site}/open/
  共享交换平台 / the exchange platform's tables, to change and harvest again:
                                 {exchange}
  命令 / commands                {command} harvest --all    (review list, source list, --help …)
  账号 / accounts                {accounts}
{people}
  Ctrl-C 全部停止 / stops all of it
"""


class Demo:
    """The steps in their order; each leaves something that the next start finds."""

    def __init__(self, home: Path) -> None:
        self.home = make_folder(home)
        self.screen = Screen()
        self.servers = Servers(home, tell=self.screen.tell)
        self.kept = JsonFile(home / "demo.json")
        self.accounts = Accounts(home / "accounts.txt")
        self.exchange = home / "exchange"
        self.children: dict[str, Callable[[], Guarded]] = {}
        self.running: dict[str, Guarded] = {}
        self.ports: dict[str, int] = {}
        self.web_socket: socket.socket | None = None
        self.platform_moved = False
        self.site_moved = False
        self.ini = Path()
        self.command = home / "gkopen"

    def run(self) -> None:
        """Start everything, and stay until it is stopped. Raises StartError with what to do."""
        began = time.monotonic()
        try:
            with self.screen.step("环境 environment"):
                require_libmagic()
            with self.screen.step("数据库与检索 PostgreSQL, Valkey, Solr"):
                self.servers.start()
            self._choose_ports()
            with self.screen.step("站点 site"):
                self._make_site()
            if not self.kept.read().get("published"):
                self._fill()
            else:
                self._bring_up_to_date()
            with self.screen.step("网站与工作进程 web server and worker"):
                self._serve()
            self.screen.tell(f"就绪 ready after {time.monotonic() - began:.0f} s")
            self._greet()
            self._stay()
        finally:
            self.stop()

    def _bring_up_to_date(self) -> None:
        """What a start on kept data has to mend: an index that is new, a site or platform that moved to another port.
        """
        if self.servers.index_is_new:
            with self.screen.step("重建索引 search index"):
                run_ckan(self.ini, "search-index", "rebuild", "--force")
        if self.site_moved:
            with self.screen.step("站点地址 addresses of the site"):
                run_ckan(self.ini, "gkopen", "rebuild", "--all")
        if self.platform_moved:
            with self.screen.step("来源地址 addresses of the sources"):
                self._make_city()

    def stop(self) -> None:
        for child in self.running.values():
            child.ask_to_stop()
        for child in self.running.values():
            child.stop()
        self.running.clear()
        if self.web_socket is not None:
            self.web_socket.close()
        self.servers.stop()

    @property
    def site_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    @property
    def platform_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['exchange']}"

    def _choose_ports(self) -> None:
        """The ports of the last start where they are free, so that a bookmark keeps working.

        The site's own address goes into all that it publishes, minutes before it is served: the port is held from
        here on, so that no other program takes it meanwhile. Who asks early waits until there is an answer.
        """
        kept = self.kept.read()
        self.web_socket = listener_from(kept.get("web_port", FIRST_WEB_PORT))
        self.ports["web"] = self.web_socket.getsockname()[1]
        self.ports["exchange"] = free_port(kept.get("exchange_port"))
        self.platform_moved = kept.get("exchange_port") not in (None, self.ports["exchange"])
        self.site_moved = kept.get("web_port") not in (None, self.ports["web"])
        self.kept.change(web_port=self.ports["web"], exchange_port=self.ports["exchange"])

    def _make_site(self) -> None:
        exchange = f"127.0.0.1:{self.ports['exchange']}"
        self.ini = make_site(
            self.servers,
            self.home,
            profile="demo",
            site_url=self.site_url,
            extra={"ckanext.gkopen.harvest.allowed_hosts": exchange},
        )
        if not self.exchange.exists():
            with as_file(files("ckanext.gkopen") / "simulator" / "city") as city:
                shutil.copytree(city, self.exchange)
        from ckanext.gkopen.simulator.folder import Folder  # after require_libmagic

        # The exchange platform and the portal share this secret; both take it from the environment.
        os.environ[Folder(self.exchange).city().secret_env] = secret(self.home, "exchange")
        os.environ["CKAN_INI"] = str(self.ini)
        self._write_command(Folder(self.exchange).city().secret_env)

    def _write_command(self, secret_env: str) -> None:
        """`HOME/gkopen …` is `ckan gkopen …` with this site's settings and the platform's secret."""
        text = (
            "#!/bin/sh\n"
            f"{secret_env}={shlex.quote(os.environ[secret_env])}; export {secret_env}\n"
            f'exec {shlex.quote(str(ckan_program()))} -c {shlex.quote(str(self.ini))} gkopen "$@"\n'
        )
        self.command.unlink(missing_ok=True)
        descriptor = os.open(self.command, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)

    def _fill(self) -> None:
        """From the exchange platform to the public, once; a start that was interrupted does it again."""
        with self.screen.step("模拟共享交换平台 simulated exchange platform"):
            self._start("exchange", self._exchange)
            self._wait_for("exchange", self.platform_url, any_answer=True)
        with self.screen.step("机构、账号与来源 bodies, accounts and sources"):
            self._make_city()
        with self.screen.step("采集 harvest"):
            # Revisions wait for review and some real rows are quarantined: code 1 is the good end here.
            self._follow("harvest", [ckan_program(), "-c", self.ini, "gkopen", "harvest", "--all"], good=(0, 1))
        with self.screen.step("审核与发布 review and publication"):
            office = self.accounts.first("office")
            if office is None:
                raise StartError(f"{self.accounts.path} names no account of the disclosure office: run `make clean`.")
            self._follow("review", [sys.executable, "-m", "ckanext.gkopen.embedded.approve", office.name])
        self.kept.change(published=True)

    def _make_city(self) -> None:
        arguments = ["--platform", self.platform_url, "--accounts", str(self.accounts.path)]
        run_ckan(self.ini, "gkopen", "demo-city", *arguments)

    def _serve(self) -> None:
        self._start("web", self._web)
        self._wait_for("web", f"{self.site_url}/readyz")
        if "exchange" not in self.running:
            self._start("exchange", self._exchange)
        self._start("worker", self._worker)

    def _web(self) -> Guarded:
        assert self.web_socket is not None
        return web_server(self.web_socket, self.home / "web.log")

    def _worker(self) -> Guarded:
        return Guarded([ckan_program(), "-c", self.ini, "gkopen", "worker"], self.home / "worker.log")

    def _exchange(self) -> Guarded:
        return Guarded(
            [
                sys.executable,
                "-m",
                "ckanext.gkopen.simulator",
                "--port",
                str(self.ports["exchange"]),
                "--data",
                self.exchange,
            ],
            self.home / "exchange.log",
        )

    def _start(self, name: str, make: Callable[[], Guarded]) -> None:
        self.children[name] = make
        self.running[name] = make()

    def _wait_for(self, name: str, url: str, *, any_answer: bool = False) -> None:
        until = time.monotonic() + READY_SECONDS
        said = "no answer"
        while time.monotonic() < until and self.running[name].alive():
            try:
                urllib.request.urlopen(url, timeout=30).close()
                return
            except urllib.error.HTTPError as error:
                if any_answer:
                    return
                said = f"{error.code} {error.read(500).decode('utf-8', 'replace')}"
            except OSError as error:
                said = str(error)
            time.sleep(0.2)
        raise StartError(
            f"{name} does not answer at {url} ({said}): read {self.running[name].log}, which ends "
            f"with:\n{self.running[name].tail()[-1500:]}"
        )

    def _follow(self, name: str, command: Sequence[str | Path], good: Sequence[int] = (0,)) -> None:
        """Run a command and show its newest line; all that it says is in `<name>.log`."""
        path = self.home / f"{name}.log"
        with path.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    self.screen.now(line.strip())
                code = process.wait()
            finally:
                process.terminate()
        said = path.read_text("utf-8")
        # Python ends with 1 after a traceback, which is also how a harvest says that something waits for review.
        if code not in good or "Traceback (most recent call last)" in said:
            last = "\n".join(said.strip().splitlines()[-4:])
            raise StartError(f"The step {name} failed: correct what {path} says and start again; it ends with:\n{last}")

    def _greet(self) -> None:
        people = "\n".join(
            f"    {account.name:<20} {account.password}   {account.title}" for account in self.accounts.all()
        )
        print(
            NEXT.format(
                site=self.site_url,
                exchange=self.exchange,
                command=self.command,
                accounts=self.accounts.path,
                people=people,
            ),
            flush=True,
        )

    def _stay(self) -> None:
        """Watch the children: one that ends is started again, one that keeps ending at once stops the demo."""
        quick_ends = dict.fromkeys(self.running, 0)
        while True:
            time.sleep(0.5)
            if lost := self.servers.failed():
                raise StartError(f"{', '.join(lost)} ended: read the log in {self.home}, then start again.")
            for name, child in self.running.items():
                if child.alive():
                    continue
                quick_ends[name] = quick_ends[name] + 1 if child.age() < QUICK_SECONDS else 0
                if quick_ends[name] > RESTARTS:
                    raise StartError(
                        f"{name} ended {RESTARTS + 1} times within {QUICK_SECONDS} s of its start: read "
                        f"{child.log}, which ends with:\n{child.tail()[-1500:]}"
                    )
                self.screen.tell(
                    f"{name} ended with code {child.process.returncode} and is started again "
                    f"({child.log}.1 has its last words)"
                )
                self.running[name] = self.children[name]()


def web_server(listener: socket.socket, log: Path) -> Guarded:
    """The portal of CKAN_INI on this socket."""
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--timeout", "120",
               "--bind", f"fd://{listener.fileno()}", "ckanext.gkopen.embedded.wsgi"]
    return Guarded(command, log, inherits=listener.fileno())


def demo() -> None:
    Demo(gkopen_home() / "demo").run()
