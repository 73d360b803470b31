"""Which tests the workers of `-n2` take together, and in which order.

The tests of a file stay together, in their order: they may share a site. So do those of a folder below TOGETHER, which
share something that is slow to start.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TOGETHER = ("tests/browser", "tests/harvesters")
LONGEST = ("tests/browser", "tests/leaks/test_leaks.py", "tests/torture/test_servers.py", "tests/torture/test_kills.py",
           "tests/torture/test_loader.py", "tests/harvesters", "tests/races/test_harvests.py",
           "tests/docker/test_restore.py", "tests/torture/test_mixed.py")
"""These first, in this order, so that no worker ends long before the other."""


class Sharing(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = next((unit for unit in LONGEST if unit in self.workqueue), None)
        if longest:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
