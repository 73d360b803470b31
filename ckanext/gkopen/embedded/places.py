"""Where the embedded servers keep their files, and the one exception that tells a person what to do."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
ROOTS_FOLDER = Path("/var/lib/gkopen")
LEAST_FREE_BYTES = 1 << 30
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""Chromium's programs, as they are looked for. The first draws no windows and takes half of the processor's time."""


class StartError(Exception):
    """Something on this machine is in the way; the message is one sentence that says what to do."""


def runs_as_root() -> bool:
    return os.geteuid() == 0


def gkopen_home() -> Path:
    """GKOPEN_HOME, or `<project>/var`, or for root a folder of the project below /var/lib/gkopen.

    PostgreSQL refuses to run as root and gets an account of its own, which could not reach a folder below
    root's home without opening that home to everyone.
    """
    if chosen := os.environ.get("GKOPEN_HOME"):
        return Path(chosen).expanduser().resolve()
    if runs_as_root():
        digest = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:8]
        return ROOTS_FOLDER / f"{PROJECT.name}-{digest}"
    return PROJECT / "var"


def downloads_folder() -> Path:
    """Files that are the same for every home: Solr's jars, and as root a copy of PostgreSQL's programs."""
    return (ROOTS_FOLDER if runs_as_root() else gkopen_home()) / "downloads"


def make_folder(folder: Path) -> Path:
    """Create the folder, or say why that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"Cannot create {folder} ({error.strerror}): set GKOPEN_HOME to a folder that you may write to."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StartError(f"{folder} belongs to another user: set GKOPEN_HOME to a folder that you may write to.")
    return folder


def require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise StartError(
            f"Only {free >> 20} MB are free at {folder}: make room for at least "
            f"{LEAST_FREE_BYTES >> 20} MB, or set GKOPEN_HOME to a folder on another disk."
        )


def require_libmagic() -> None:
    """CKAN imports libmagic; where the system has none, the wheel pylibmagic brings one."""
    try:
        import magic
    except ImportError:
        with suppress(ImportError):
            import pylibmagic  # noqa: F401  (sets the loader's path, for our children too)
    try:
        import magic  # noqa: F401
    except ImportError as error:
        raise StartError(
            "The library libmagic cannot be loaded: install it ("
            "Debian: `apt-get install libmagic1`, macOS: `brew install libmagic`)."
        ) from error
