"""The audit chain: append-only in the database, and a changed row is found."""

from __future__ import annotations

from typing import Any

import pytest
from ckan import model as ckan_model
from sqlalchemy.exc import DBAPIError

from ckanext.gkopen import model
from ckanext.gkopen.review import audit


def test_each_entry_follows_the_one_before(site: Any) -> None:
    heads = [audit.record("li", "revision.returned", f"r{number}", reason="更正") for number in range(3)]
    ckan_model.Session.commit()
    assert audit.head() == heads[-1]
    assert list(audit.broken()) == []


@pytest.mark.parametrize("change", ["update gkopen.audit set actor = 'x'", "delete from gkopen.audit",
                                    "truncate gkopen.audit"])
def test_the_database_refuses_a_change(site: Any, change: str) -> None:
    head = audit.record("li", "published", "d1")
    ckan_model.Session.commit()
    with pytest.raises(DBAPIError, match="append-only"):
        model.execute(change)
    ckan_model.Session.rollback()
    assert audit.head() == head


def test_a_changed_entry_is_named(site: Any) -> None:
    for number in range(3):
        audit.record("li", "published", f"d{number}")
    ckan_model.Session.commit()
    model.execute("alter table gkopen.audit disable trigger audit_append_only")
    model.execute("update gkopen.audit set actor = 'somebody else' where object = 'd1'")
    model.execute("alter table gkopen.audit enable trigger audit_append_only")
    found = list(audit.broken())
    ckan_model.Session.rollback()
    assert len(found) == 1
    assert "d1" in found[0]
