"""A folder of exactly the published files, for a web server in front (the setting `ckanext.gkopen.published_folder`).

`at/ADDRESS` is a link to `versions/ADDRESS/SHA256/`, in which the file and its variants lie as `identity.csv`,
`gzip.csv` and `zstd.csv` (or another ending): hard links to the storage, so no byte is there twice. The link is
changed in one step. A server that resolves it learns the sha256, and with it the ETag, from the path
(docker/nginx/portal.conf). What is not there it asks CKAN for.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.publish import store
from ckanext.gkopen.publish.forms.streams import IDENTITY


class NotServed(Exception):
    """The folder cannot hold the files; the sentence says what to change."""


def folder() -> Path | None:
    given = toolkit.config["ckanext.gkopen.published_folder"]
    return Path(given) if given else None


def show(address: str, sha256: str, codings: Iterable[str], changed: float) -> None:
    """Puts this version of a file at its address. `changed`: seconds since 1970, its Last-Modified."""
    root = folder()
    if root is None:
        return
    held = store.local_folder()
    if held is None:
        raise NotServed("ckanext.gkopen.published_folder works with a local storage only: empty it, or set"
                        " ckan.files.storage.gkopen_public.type = ckan:fs")
    versions = root / "versions" / address
    version = versions / sha256
    is_first = _make_folder(version)
    ending = address.rpartition(".")[2]
    for coding in (IDENTITY, *codings):
        name = version / f"{coding}.{ending}"
        _link(held / store.location(sha256, coding), name)
        os.utime(name, (changed, changed))
    _point(root, address, version)
    for other in () if is_first else versions.iterdir():
        if other.name != sha256:
            shutil.rmtree(other, ignore_errors=True)


def _make_folder(version: Path) -> bool:
    """Whether there was no version of this file before."""
    try:
        version.mkdir()
    except FileNotFoundError:
        version.mkdir(parents=True, exist_ok=True)
        return True
    except FileExistsError:
        pass
    return False


def _link(source: Path, target: Path) -> None:
    if target.exists():
        if target.samefile(source):
            return
        target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise NotServed("ckanext.gkopen.published_folder has to lie on the same file system (volume) as"
                            " ckan.files.storage.gkopen_public.path") from error
        raise


def _point(root: Path, address: str, version: Path) -> None:
    link = root / "at" / address
    wanted = os.path.relpath(version, link.parent)
    try:
        link.symlink_to(wanted)
    except FileNotFoundError:
        link.parent.mkdir(parents=True, exist_ok=True)
        _point(root, address, version)
    except FileExistsError:
        if link.is_symlink() and str(link.readlink()) == wanted:
            return
        half = link.with_name(f".{link.name}.{os.getpid()}")
        half.unlink(missing_ok=True)
        half.symlink_to(wanted)
        half.replace(link)


def hide(addresses: Iterable[str]) -> None:
    """Takes files away at once."""
    root = folder()
    for address in addresses if root is not None else ():
        assert root is not None
        (root / "at" / address).unlink(missing_ok=True)
        shutil.rmtree(root / "versions" / address, ignore_errors=True)


def settle(rows: Iterable[Mapping[str, Any]]) -> None:
    """Brings the folder to these files (rows of gkopen.file with bytes): after a crash, a restore, a new setting."""
    root = folder()
    if root is None:
        return
    wanted = {row["address"] for row in rows}
    for row in rows:
        show(row["address"], row["sha256"], row["variants"], row["updated_at"].timestamp())
    at = root / "at"
    hide(str(link.relative_to(at)) for link in [*at.rglob("*")] if link.is_symlink()
         and str(link.relative_to(at)) not in wanted)


