"""Solr's jars: brought once from a Maven repository, each checked against its SHA-256 in solr/jars.lock."""

import fcntl
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

from .places import StartError, downloads_folder, make_folder

ATTEMPTS = 3
AT_ONCE = 8


def locked_jars() -> list[tuple[str, str]]:
    """Maven coordinates `group:artifact:version` and SHA-256 of each jar."""
    text = (files("ckanext.gkopen") / "solr" / "jars.lock").read_text("utf-8")
    return [(row.split()[0], row.split()[1]) for row in text.splitlines() if row.strip()]


def jar_path(folder: Path, coordinates: str) -> Path:
    group, artifact, release = coordinates.split(":")
    return folder / group.replace(".", "/") / artifact / release / f"{artifact}-{release}.jar"


def bring_jars(tell: Callable[[str], None] = print) -> list[Path]:
    """The paths of all jars, fetched where they are missing. GKOPEN_MAVEN_MIRROR names another repository's
    root.

    Several starts at once wait for each other. Raises StartError when a jar cannot be had or is not the
    locked one.
    """
    folder = make_folder(downloads_folder() / "jars")
    rows = locked_jars()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        checked = folder / f"checked-{hashlib.sha256(repr(rows).encode()).hexdigest()[:16]}"
        paths = [jar_path(folder, coordinates) for coordinates, _ in rows]
        if not checked.exists() or not all(path.exists() for path in paths):
            tell(f"fetching Solr: {len(rows)} files, 68 MB, once")
            _fetch(folder, rows)
            checked.touch()
    return paths


def _fetch(folder: Path, rows: list[tuple[str, str]]) -> None:
    from jgo.maven import MavenContext, PythonResolver  # a second to import, needed once

    mirror = os.environ.get("GKOPEN_MAVEN_MIRROR")
    maven = MavenContext(
        resolver=PythonResolver(),
        repo_cache=folder,
        timeout=120,
        remote_repos={"mirror": mirror} if mirror else None,
    )

    def fetch(row: tuple[str, str]) -> None:
        coordinates, sha256 = row
        path = jar_path(folder, coordinates)
        group, artifact, release = coordinates.split(":")
        reason = "it is not the file that solr/jars.lock names"
        for _ in range(ATTEMPTS):
            if path.exists():
                if hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
                    return
                path.unlink()  # cut off half way, or another file
            try:
                maven.project(group, artifact).at_version(release).artifact(classifier="", packaging="jar").resolve()
            except Exception as error:  # jgo lets through whatever its HTTP library raises
                reason = str(error)
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return
        raise StartError(
            f"The jar {coordinates} cannot be fetched ({reason}): check the network, or set "
            "GKOPEN_MAVEN_MIRROR to the root of a Maven repository that you can reach."
        )

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch, rows))
