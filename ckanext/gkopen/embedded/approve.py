"""python -m ckanext.gkopen.embedded.approve USER: approve all held revisions, as the demo's disclosure
office does.

One process for all of them, because CKAN takes seconds to load. CKAN_INI names the settings file. Prints a
line for each revision, `number/all name`. A reviewer's own submission or one with a finding that stops it
stays held.
"""

import os
import sys
from typing import Any

from ckan import model
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
    from ckanext.gkopen.publish import outbox
    from ckanext.gkopen.review.decide import Refused

    revisions = held(user)
    for number, revision in enumerate(revisions, 1):
        said = revision["dataset"]["title"]
        try:
            shown = act("gkopen_revision_show", user, id=revision["id"])
            act("gkopen_revision_approve", user, id=revision["id"], digest=shown["digest"])
        except (Refused, toolkit.ValidationError, toolkit.NotAuthorized) as error:
            model.Session.rollback()
            said = f"{said}: stays held, {error}"
        print(f"{number}/{len(revisions)} {said}", flush=True)
    for done in outbox.drain():
        print(done.sink, flush=True)


if __name__ == "__main__":
    app: Any = make_app(load_config(os.environ["CKAN_INI"]))
    with app._wsgi_app.test_request_context():
        approve_all(sys.argv[1])
