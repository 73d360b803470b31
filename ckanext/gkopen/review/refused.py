"""Why a decision cannot be taken, in words for the person who wants to take it."""

from __future__ import annotations

from typing import Any

N_ = str          # marks a text for translation where it is not passed to Refused at once
NOT_WAITING = N_("This revision is not waiting for a decision: it is {state}.")
OVERTAKEN = N_("What is public has changed since this revision was checked. It was compared again and waits as revision"
               " {revision}.")
NOTHING_LEFT = N_("What is public has changed since this revision was checked. Compared again, nothing is left to"
                  " publish.")


class Refused(Exception):
    """The decision cannot be taken. `message` is an English msgid with `{placeholders}`, `values` fill it."""

    def __init__(self, message: str, **values: Any):
        super().__init__(message.format(**values))
        self.message, self.values = message, values


class Stale(Refused):
    """What is public changed since the revision was compared; `revision_id` is the one compared again, or None."""

    def __init__(self, revision_id: str | None):
        super().__init__(OVERTAKEN if revision_id else NOTHING_LEFT, revision=revision_id)
        self.revision_id = revision_id
