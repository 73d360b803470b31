"""What is approved of a domain, brought to every exit from nothing on: after damage, or after a restore.

The outbox says what an exit still lacks, by its own books. Where these are wrong (a row was changed by hand, a disk
lost a file, two databases were restored from two moments) nothing would ever be done; here they are not believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish import outbox, packages, publication, publisher, store, table
from ckanext.gkopen.publish.standards import STANDARDS

STEP = 100
"""Datasets whose files or documents are made in one transaction: others have their turn between."""


def rebuild(domain: Domain) -> Iterator[tuple[str, int]]:
    """Yields CKAN's packages, and then each exit, with the number of its datasets once it is done.

    Readers see what they saw, or what is approved; a file whose bytes are wrong is missing until it is made. What is
    published meanwhile is brought to the exits as ever.
    """
    rows, public = _published(domain), publication.public_of(domain)
    for start in range(0, len(public), STEP):
        with publisher.door():
            packages.write(publication.packages_of(public[start:start + STEP]))
        ckan_model.Session.commit()
    if public:
        yield "packages", len(public)
    for sink in outbox.SINKS if rows else ():
        if sink == "standards" and domain.name not in STANDARDS:
            continue
        if sink == "datastore":
            table.bring_anew(domain, lambda: outbox.wanted_rows(_published(domain)))
            ckan_model.Session.commit()
        else:
            _make(domain, sink, rows)
        yield sink, len(rows)


def _published(domain: Domain) -> list[dict[str, Any]]:
    """The datasets of which something is or was public, as the outbox names them."""
    return model.every("select id as dataset_id, domain, name, seq, seq as newest, state, false as urgent"
                       " from gkopen.dataset where domain = :domain and seq > 0 order by id", domain=domain.name)


def _make(domain: Domain, sink: str, rows: list[dict[str, Any]]) -> None:
    if sink == "files":
        _remove_changed(domain)
    step = len(rows) if sink in outbox.OF_ALL_BODIES else STEP
    for start in range(0, len(rows), step):
        some = [{**row, "sink": sink} for row in rows[start:start + step]]
        outbox.take_turns(some)
        outbox.WORK[sink](some)
        ckan_model.Session.commit()


def _remove_changed(domain: Domain) -> None:
    """Files that are not what their name says: whoever makes them would take them for whole."""
    for row in model.every("select sha256, size, variants from gkopen.file where domain = :domain"
                           " and sha256 is not null", domain=domain.name):
        store.remove(store.location(row["sha256"], coding)
                     for coding, what in store.damaged(row["sha256"], row["size"], row["variants"])
                     if what == "changed")
