"""A folder into which a department drops files (文件交换: a mounted SFTP folder). Nothing in it is changed.

A file counts when it is whole: it has its final name (`.tmp` and the like are passed over), its manifest gives its size
and SHA-256 and both are right, or, without a manifest, nobody has written to it for a minute. It is copied while it is
hashed, and the copy is what is read: what happens to the file afterwards does not matter.

Folder and files are opened one step at a time without following links, so that no name in a drop leads out of it.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ckanext.gkopen.harvesters.errors import SourceRefused, SourceUnreachable
from ckanext.gkopen.harvesters.source import Source

MANIFEST = "manifest.json"
SUFFIX = ".manifest.json"
KINDS = (".csv", ".xlsx", ".xls", ".json", ".jsonl")
UNFINISHED = (".tmp", ".part", ".filepart", ".swp")
SETTLED_SECONDS = 60
MANIFEST_BYTES = 1 << 20
BLOCK = 1 << 20
NO_FOLDER = (errno.ELOOP, errno.ENOTDIR)
"""How the system says that a name is a link or no folder. Anything else (a dead mount, no right) may be over soon."""
NOT_NOW = (errno.ENOENT, errno.EAGAIN, errno.ELOOP)
"""How it says that a file was moved, is held by who writes to it (Samba), or was replaced by a link meanwhile."""
NO_NAME = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Characters that a file's name does not have and a database does not keep."""


@dataclass(frozen=True)
class Dropped:
    """A whole file, copied to `path`. `rows`: what the manifest says, or None."""

    name: str
    path: Path
    size: int
    sha256: str
    modified_ns: int
    rows: int | None


@dataclass(frozen=True)
class LeftThere:
    """A file that is not taken; `code` is a finding's, `params` fill its words."""

    code: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """A content that was taken before. `waits`: nobody has decided yet what becomes of it; `nothing`: nothing of it
    became public; `reread`: it could not be read, and would be read otherwise now."""

    name: str
    modified_ns: int
    waits: bool = False
    nothing: bool = False
    reread: bool = False


@dataclass(frozen=True)
class Known:
    """What was taken before: by SHA-256, and (name, size, modified_ns), by which a file need not be read again unless
    its manifest gives a SHA-256 that was not taken."""

    contents: Mapping[str, Taken]
    looks: Collection[tuple[str, int, int]]


class _Contents:
    """What was taken before and in this run. A department that sends an earlier content later than another one means it
    again, as it does one of which nothing became public."""

    def __init__(self, known: Known):
        self._known = dict(known.contents)
        self._last = max(self._known, key=lambda sha256: self._known[sha256].modified_ns, default="")

    def name(self, file: Dropped) -> str | None:
        """Under which name a file's content was taken before, or None for one that is to be taken."""
        before = self._known.get(file.sha256)
        if before is None:
            return None
        if before.nothing:
            again = before.reread or file.modified_ns > before.modified_ns
        else:
            newest = self._known[self._last].modified_ns
            again = not before.waits and file.sha256 != self._last and file.modified_ns > newest
        return None if again else before.name

    def add(self, file: Dropped) -> None:
        self._known[file.sha256] = Taken(file.name, file.modified_ns)
        if file.modified_ns >= self._known[self._last or file.sha256].modified_ns:
            self._last = file.sha256


class _Declared:
    """The manifests of a folder: file → size, sha256, rows. What cannot be read is told by `problems`."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.problems: list[LeftThere] = []

    def read(self, manifest: str, raw: bytes) -> None:
        try:
            found = json.loads(_text(raw))
            if isinstance(found, dict) and "files" in found:
                found = found["files"]
            for entry in found if isinstance(found, list) else [found]:
                self._add(entry)
        except _NoManifest as exc:
            self.problems.append(LeftThere("drop-manifest-broken", manifest, {"reason": str(exc)}))
        except (ValueError, RecursionError):
            self.problems.append(LeftThere("drop-manifest-broken", manifest, {"reason": "不是 JSON / not JSON"}))

    def _add(self, entry: Any) -> None:
        if not isinstance(entry, dict):
            raise _NoManifest("应为对象 / no object")
        if absent := [key for key in ("file", "size", "sha256") if key not in entry]:
            raise _NoManifest(f"缺少 / without {', '.join(absent)}")
        name, size, sha256, rows = entry["file"], entry["size"], str(entry["sha256"]).lower(), entry.get("rows")
        if not isinstance(name, str) or name != Path(name).name or name.startswith(".") or NO_NAME.search(name):
            raise _NoManifest(f"file: {str(name)[:100]!r}")
        for key, number in (("size", size), ("rows", rows)):
            if type(number) is not int and not (key == "rows" and number is None):
                raise _NoManifest(f"{name[:100]}: {key} 应为整数，不加引号 / {key} is no whole number (without quotes)")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise _NoManifest(f"{name[:100]}: sha256 应为 64 位十六进制 / sha256 is not 64 hexadecimal digits")
        told = {"size": size, "sha256": sha256, "rows": rows}
        if self.files.setdefault(_one_form(name), told) != told:
            raise _NoManifest(f"{name[:100]}: 两份清单不一致 / two manifests, two contents")


class _NoManifest(Exception):
    """Why a manifest is none, in both languages."""


def _text(raw: bytes) -> str:
    """What departments' Windows machines write: UTF-8, UTF-16 (PowerShell), GB18030."""
    try:
        return raw.decode("utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")


def _one_form(name: str) -> str:
    """A Mac writes é as e and an accent, others as one character: a manifest of one may name a file of the other."""
    return unicodedata.normalize("NFC", name)


class FileDrop:
    """One source's folder below `root` (`ckanext.gkopen.harvest.drop_root`). `limit`: bytes of the largest file."""

    def __init__(self, source: Source, root: str, *, limit: int, now: datetime):
        self._source, self._root, self._limit, self._now = source, root, limit, now
        self._must_declare = source.manifest == "required"

    def files(self, into: Path, known: Known) -> Iterator[Dropped | LeftThere]:
        """Every new file, the oldest first, and every one that is left where it is with the reason.

        Raises SourceUnreachable and SourceRefused where the folder itself cannot be read, and OSError where there is no
        room for the copy.
        """
        with _Folder(self._root, self._source.folder) as folder:
            names = folder.names()
            declared = self._declared(folder, names)
            yield from declared.problems
            broken = {problem.name.lower() for problem in declared.problems}
            for name in sorted(set(declared.files) - {name for name, _ in names}):
                if declared.files[name]["sha256"] not in known.contents:      # else it was cleared away meanwhile
                    yield LeftThere("drop-file-missing", name)
            fresh = []
            for name, raw in names:
                if name.startswith(".") or name.lower().endswith(UNFINISHED) or _is_manifest(name):
                    continue
                look = folder.look(raw)
                if look is None:
                    continue
                if stat.S_ISDIR(look.st_mode):
                    yield LeftThere("drop-folder", name)
                elif not stat.S_ISREG(look.st_mode):
                    yield LeftThere("drop-not-plain", name)
                elif (name, look.st_size, look.st_mtime_ns) not in known.looks or (
                        name in declared.files and declared.files[name]["sha256"] not in known.contents):
                    fresh.append((look.st_mtime_ns, name, raw, look.st_size))
            contents = _Contents(known)
            for modified, name, raw, size in sorted(fresh):
                told = declared.files.get(name)
                if broken & {MANIFEST, f"{name}{SUFFIX}".lower()}:
                    continue
                found = self._judge(name, size, modified, told) or self._take(
                    folder, raw, Dropped(name, into / "dropped", size, "", modified, (told or {}).get("rows")),
                    told, contents)  # fmt: skip
                yield found
                if isinstance(found, Dropped):
                    contents.add(found)

    def _declared(self, folder: _Folder, names: Sequence[tuple[str, bytes]]) -> _Declared:
        declared = _Declared()
        for name, raw in names:
            if _is_manifest(name):
                try:
                    content, reason = folder.read(raw, MANIFEST_BYTES), f"> {MANIFEST_BYTES}"
                except (_Changed, _Unreadable) as exc:
                    content, reason = None, str(exc)
                if content is None:
                    declared.problems.append(LeftThere("drop-manifest-broken", name, {"reason": reason}))
                else:
                    declared.read(name, content)
        return declared

    def _judge(self, name: str, size: int, modified: int, told: Mapping[str, Any] | None) -> LeftThere | None:
        """What can be said before the file is read."""
        if not name.lower().endswith(KINDS):
            return LeftThere("drop-kind-unknown", name, {"kinds": list(KINDS)})
        if size > self._limit:
            return LeftThere("drop-too-large", name, {"size": size, "limit": self._limit})
        if told is None and self._must_declare:
            return LeftThere("drop-manifest-missing", name, {"manifest": f"{name}{SUFFIX}"})
        if told is not None and told["size"] != size:
            return LeftThere("drop-differs", name, {"what": "size", "told": told["size"], "found": size})
        age = self._now.timestamp() - modified / 1e9
        if told is None and age < -SETTLED_SECONDS:
            return LeftThere("drop-from-the-future", name)
        if told is None and age < SETTLED_SECONDS:
            return LeftThere("drop-unsettled", name, {"seconds": SETTLED_SECONDS})
        return None

    def _take(self, folder: _Folder, raw: bytes, file: Dropped, told: Mapping[str, Any] | None,
              known: _Contents) -> Dropped | LeftThere:  # fmt: skip
        try:
            sha256 = folder.copy(raw, file)
        except _Unreadable as exc:
            return LeftThere("drop-unreadable", file.name, {"reason": str(exc)})
        if sha256 is None:
            return LeftThere("drop-unsettled", file.name, {"seconds": SETTLED_SECONDS})
        if told is not None and told["sha256"] != sha256:
            return LeftThere("drop-differs", file.name, {"what": "sha256", "told": told["sha256"], "found": sha256})
        whole = replace(file, sha256=sha256)
        earlier = known.name(whole)
        return whole if earlier is None else LeftThere("drop-taken-before", file.name, {"earlier": earlier})


def _is_manifest(name: str) -> bool:
    """Windows cares for no capitals in a name."""
    return name.lower() == MANIFEST or name.lower().endswith(SUFFIX)


class _Changed(Exception):
    """It is not the file any more that was looked at."""


class _Unreadable(Exception):
    """The system refuses to give a file's content, and says why."""


class _Folder:
    """An open folder; nothing below it is reached but by a plain name without a link."""

    def __init__(self, root: str, folder: str):
        if not root:
            raise SourceRefused(
                "未设置文件交换目录。请管理员设置 ckanext.gkopen.harvest.drop_root。",
                "there is no folder for dropped files; let the administrator set ckanext.gkopen.harvest.drop_root",
            )
        self._fd = -1
        try:
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            for part in folder.split("/"):
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._fd)
                os.close(self._fd)
                self._fd = below
            self._names = os.listdir(self._fd)  # noqa: PTH208 - pathlib lists no open folder
        except OSError as exc:
            self.close()
            if exc.errno not in NO_FOLDER:
                raise SourceUnreachable(
                    f"目录 {folder} 不存在或无法读取（{exc.strerror}）。请检查 SFTP 目录是否已挂载、有无读取权限，"
                    "以及 folder 与 drop_root。",
                    f"the folder {folder} is not there or cannot be read ({exc.strerror}); check that the drop is "
                    "mounted and may be read, folder in the source file, and drop_root",
                ) from None
            raise SourceRefused(
                f"{folder} 不是普通目录（符号链接不予跟随）。请在 folder 中写实际目录。",
                f"{folder} is not a plain folder (links are not followed); name the real folder in folder",
            ) from None

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def names(self) -> list[tuple[str, bytes]]:
        """Names as texts and as their bytes, in order: departments' Windows machines send names in GB18030, and one
        name may stand there in both encodings."""
        found = []
        for raw in map(os.fsencode, self._names):
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError:
                name = raw.decode("gb18030", "replace")
            found.append((_one_form(name), raw))
        return sorted(found)

    def look(self, raw: bytes) -> os.stat_result | None:
        try:
            return os.stat(raw, dir_fd=self._fd, follow_symlinks=False)
        except OSError:
            return None

    def read(self, raw: bytes, most: int) -> bytes | None:
        """A small plain file whole; None for a larger one. Raises _Changed, _Unreadable."""
        with closing(_Plain(self._fd, raw)) as file:
            content = file.read(most + 1)
        return content if len(content) <= most else None

    def copy(self, raw: bytes, file: Dropped) -> str | None:
        """Copy and hash; None when it is not the file any more that was looked at, or was written to meanwhile.

        Raises _Unreadable where the file cannot be read, OSError where there is no room for the copy.
        """
        digest, size = hashlib.sha256(), 0
        try:
            with closing(_Plain(self._fd, raw)) as source, file.path.open("wb") as target:
                while (block := source.read(BLOCK)) and size <= file.size:
                    digest.update(block)
                    target.write(block)
                    size += len(block)
                after = source.look()
        except _Changed:
            return None
        same = (after.st_size, after.st_mtime_ns) == (file.size, file.modified_ns) and size == file.size
        return digest.hexdigest() if same else None


class _Plain:
    """A plain file opened without following a link and without waiting (a pipe would never answer)."""

    def __init__(self, folder: int, raw: bytes):
        with _told():
            self._fd = os.open(raw, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        if not stat.S_ISREG(self.look().st_mode):
            self.close()
            raise _Changed("not a plain file")

    def look(self) -> os.stat_result:
        return os.fstat(self._fd)

    def read(self, most: int) -> bytes:
        with _told():
            return os.read(self._fd, most)

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def _told() -> Iterator[None]:
    """What the system says of a file in the drop; what it says of the copy is another thing."""
    try:
        yield
    except OSError as exc:
        raise (_Changed if exc.errno in NOT_NOW else _Unreadable)(exc.strerror) from None
