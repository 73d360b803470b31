"""A folder of exactly the published files, for a web server in front (the setting `ckanext.gkopen.published_folder`).

`at/ADDRESS` is a link to `of/SHA256.NAME` in the same subfolder, beside which the compressed variants lie as
`SHA256-gzip.NAME` and `SHA256-zstd.NAME`: hard links to the storage, so that no byte is there twice. The link is
changed in one step. A server that resolves it learns the sha256, and with it the ETag, from the path
(docker/nginx/portal.conf). What is not there it asks CKAN for. No address has a folder of its own: to make one takes a
file system longer than what would lie in it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.publish import store
from ckanext.gkopen.publish.forms.streams import IDENTITY, SUFFIX

_SHA256 = 64
"""Signs."""


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
    for coding in (IDENTITY, *codings):
        target = f"{root}/of/{_name(address, sha256, coding)}"
        _link(f"{held}/{store.location(sha256, coding)}", target)
        os.utime(target, (changed, changed))
    before = _point(root, address, sha256)
    if before not in (None, sha256):
        _remove(root, address, before)


def _name(address: str, sha256: str, coding: str) -> str:
    """Below `of`."""
    above, slash, name = address.rpartition("/")
    return f"{above}{slash}{sha256}{'' if coding == IDENTITY else f'-{coding}'}.{name}"


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        if not Path(target).samefile(source):
            Path(target).unlink(missing_ok=True)
            _link(source, target)
    except FileNotFoundError:
        if _has_folder(Path(target)):
            raise
        _link(source, target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise NotServed("ckanext.gkopen.published_folder has to lie on the same file system (volume) as"
                            " ckan.files.storage.gkopen_public.path") from error
        raise


def _has_folder(path: Path) -> bool:
    """Whether the folder that it lies in was there; it is now."""
    if path.parent.is_dir():
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    return False


def _point(root: Path, address: str, sha256: str) -> str | None:
    """Leads an address to this content; returns that which it led to before."""
    link = root / "at" / address
    wanted = "../" * (address.count("/") + 1) + f"of/{_name(address, sha256, IDENTITY)}"
    try:
        link.symlink_to(wanted)
    except FileNotFoundError:
        if _has_folder(link):
            raise
        return _point(root, address, sha256)
    except FileExistsError:
        before = _shown(root, address)
        if before != sha256:
            half = link.with_name(f".{link.name}.{os.getpid()}")
            half.unlink(missing_ok=True)
            half.symlink_to(wanted)
            half.replace(link)
        return before
    return None


def _shown(root: Path, address: str) -> str | None:
    """The sha256 of what an address leads to."""
    try:
        return (root / "at" / address).readlink().name[:_SHA256]
    except FileNotFoundError:
        return None


def _remove(root: Path, address: str, sha256: str) -> None:
    for coding in SUFFIX:
        Path(f"{root}/of/{_name(address, sha256, coding)}").unlink(missing_ok=True)


def hide(addresses: Iterable[str]) -> None:
    """Takes files away at once."""
    root = folder()
    for address in addresses if root is not None else ():
        assert root is not None
        shown = _shown(root, address)
        (root / "at" / address).unlink(missing_ok=True)
        if shown is not None:
            _remove(root, address, shown)


def settle(rows: Iterable[Mapping[str, Any]]) -> None:
    """Brings the folder to these files (rows of gkopen.file with bytes): after a crash, a restore, a new setting."""
    root = folder()
    if root is None:
        return
    addresses, files = set(), set()
    for row in rows:
        show(row["address"], row["sha256"], row["variants"], row["updated_at"].timestamp())
        addresses.add(row["address"])
        files |= {_name(row["address"], row["sha256"], coding) for coding in (IDENTITY, *row["variants"])}
    at, of = root / "at", root / "of"
    hide(str(link.relative_to(at)) for link in [*at.rglob("*")] if link.is_symlink()
         and str(link.relative_to(at)) not in addresses)
    for file in [*of.rglob("*")]:
        if file.is_file() and str(file.relative_to(of)) not in files:
            file.unlink(missing_ok=True)
