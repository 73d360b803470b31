"""What a worker does for oversight between harvests: standing approvals, changes of state, mails."""

from __future__ import annotations

import logging

from ckan import model as ckan_model

from ckanext.gkopen.harvest.ledger import lost
from ckanext.gkopen.oversight import mail, standing, watch

log = logging.getLogger(__name__)


def work() -> bool:
    """One piece of each. True when there was something to do. An error of oversight never stops harvests and exits."""
    try:
        busy = standing.work_one()
        if watch.due():
            busy = bool(watch.look()) or busy
        return mail.send_one() or busy
    except Exception as error:
        if lost(error):
            raise                                         # the database is gone: the worker waits for it
        ckan_model.Session.rollback()
        log.exception("oversight failed; it is tried again with the next round")
        return False
