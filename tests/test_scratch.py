"""What a killed process leaves in the folder for temporary files goes with the next sweep."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ckanext.gkopen import scratch

AT_WORK = """
from ckanext.gkopen import scratch
with scratch.folder() as folder:
    (folder / "rows").write_text("nobody has reviewed this")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@contextmanager
def at_work() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    with subprocess.Popen([sys.executable, "-c", AT_WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_process_left_is_swept_and_nobodys_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gkopen-of-somebody").mkdir()
    with at_work() as (_, others), at_work() as (process, left):
        assert {others.parent, left.parent} == {tmp_path}
        process.kill()
        process.wait()
        assert (left / "rows").exists()
        assert scratch.sweep() == [], "its maker might just be about to lock it"
        monkeypatch.setattr(scratch, "FRESH", -1.0)
        assert scratch.sweep() == [str(left)]
        assert scratch.sweep() == []
        assert sorted(place.name for place in tmp_path.iterdir()) == sorted(["gkopen-of-somebody", others.name])


def test_a_folder_is_gone_after_its_work_whatever_happened(tmp_path: Path) -> None:
    with pytest.raises(ValueError), scratch.folder() as folder:
        (folder / "rows").touch()
        raise ValueError
    assert list(tmp_path.iterdir()) == []
