"""python -m ckanext.gkopen.embedded.approve USER: approve all held revisions, as the demo's disclosure
office does.

One process for all of them, because CKAN takes seconds to load. CKAN_INI names the settings file. Prints a
line for each revision, `number/all name`. A reviewer's own submission or one with a finding that stops it
stays held.
"""

import os
import sys
from typing import Any

from ckan.cli import load_config
from ckan.config.middleware import make_app
from ckan.plugins import toolkit


def act(action: str, user: str, **data: Any) -> Any:
    context: Any = {"user": user}
    return toolkit.get_action(action)(context, data)


def held(user: str) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        page = act("gkopen_revision_list", user, state="held", cursor=cursor)
        found += page["results"]
        cursor = page["cursor"]
        if not cursor:
            return found


def approve_all(user: str) -> None:
    """Approve, then bring everything to the exits."""
    from ckanext.gkopen.logic.action.revision import MOST_AT_ONCE
    from ckanext.gkopen.publish import outbox

    revisions = held(user)
    for start in range(0, len(revisions), MOST_AT_ONCE):
        several = revisions[start:start + MOST_AT_ONCE]
        results = act("gkopen_revisions_approve", user, revisions=[
            {"id": revision["id"], "digest": revision["digest"]} for revision in several])["results"]
        for number, (revision, result) in enumerate(zip(several, results, strict=True), start + 1):
            why = f": stays held, {result['error']}" if "error" in result else ""
            print(f"{number}/{len(revisions)} {revision['dataset']['title']}{why}", flush=True)
    for done in outbox.drain():
        print(done.sink, flush=True)


if __name__ == "__main__":
    app: Any = make_app(load_config(os.environ["CKAN_INI"]))
    with app._wsgi_app.test_request_context():
        approve_all(sys.argv[1])
