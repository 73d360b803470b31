"""Progress on the screen: one line a step with its seconds; plain lines on a pipe."""

import shutil
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager


def _cut(text: str, width: int) -> str:
    """The text's beginning that fits into `width` columns; a Chinese character takes two."""
    used = 0
    for position, character in enumerate(text):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            return text[:position]
    return text


class Screen:
    def __init__(self) -> None:
        self.live = sys.stdout.isatty()
        self.title = ""
        self.began = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show the step while it runs, and its duration when it is done."""
        self.title = title
        began = time.monotonic()
        self.now("")
        yield
        self._clear()
        print(f"  {title}  {time.monotonic() - began:.1f} s", flush=True)
        self.title = ""

    def now(self, doing: str) -> None:
        """What the step is at, in place of what it said before; not on a pipe."""
        if self.live:
            self._clear()
            print(_cut(f"· {self.title} {doing}", shutil.get_terminal_size().columns - 1), end="", flush=True)

    def tell(self, line: str) -> None:
        """A line that stays."""
        self._clear()
        print(f"  {line}", flush=True)

    def _clear(self) -> None:
        if self.live:
            print("\r\033[K", end="")
