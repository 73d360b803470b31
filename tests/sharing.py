"""Which tests the workers of `-n2` take together, and in which order.

The tests of a file stay together, in their order: they may share a site. So do those of a folder below TOGETHER, which
share something that is slow to start.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TOGETHER = ("tests/browser", "tests/harvesters")
# The longest first, so that no worker ends long before the other. Rough seconds; what is not here counts as nothing.
LONG: dict[str, int] = {}


class Sharing(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = max(self.workqueue, key=lambda unit: LONG.get(unit, 0))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
