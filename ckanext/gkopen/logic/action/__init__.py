"""gkopen's actions (interface.md). Every one validates, checks access and answers plain data; lists have a cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ckanext.gkopen.logic.action import (
    change,
    domain,
    message,
    oversight,
    push,
    query,
    report,
    revision,
    row,
    run,
    source,
    standing,
    submission,
    trail,
)

_ACTIONS = (
    submission.gkopen_submission_create, submission.gkopen_check, submission.gkopen_nil_report,
    submission.gkopen_nil_recall,
    revision.gkopen_revision_list, revision.gkopen_revision_show, revision.gkopen_revision_diff,
    revision.gkopen_revision_approve, revision.gkopen_revisions_approve, revision.gkopen_revision_return,
    revision.gkopen_revision_recall,
    report.gkopen_finding_list, report.gkopen_revision_quarantine, report.gkopen_run_quarantine,
    revision.gkopen_dataset_withdraw, revision.gkopen_dataset_rollback,
    source.gkopen_source_list, source.gkopen_source_show, source.gkopen_source_create, source.gkopen_source_update,
    source.gkopen_source_pause, source.gkopen_source_resume,
    source.gkopen_run_create, source.gkopen_run_list, source.gkopen_run_show,
    run.gkopen_run_cancel, run.gkopen_run_release, run.gkopen_run_discard, run.gkopen_run_accept,
    oversight.gkopen_oversight_list, oversight.gkopen_duty_list, oversight.gkopen_duty_set,
    oversight.gkopen_duty_remove, oversight.gkopen_respite_grant,
    message.gkopen_message_list, message.gkopen_feed_create,
    standing.gkopen_standing_grant, standing.gkopen_standing_list, standing.gkopen_standing_revoke,
    push.gkopen_push_token_create, push.gkopen_push_token_list, push.gkopen_push_token_revoke,
    domain.gkopen_domain_list, domain.gkopen_domain_show,
    change.gkopen_change_list, change.gkopen_publication_list, row.gkopen_row_history,
    query.gkopen_rows, query.gkopen_aggregate, trail.gkopen_trail_show,
)


def functions() -> dict[str, Callable[..., Any]]:
    """For IActions: name → function."""
    return {function.__name__: function for function in _ACTIONS}
