"""Files that an officer has checked and not submitted: kept privately for two hours, then swept.

They are no content of the portal (`blobs`): nothing refers to them, and what is submitted is stored again as it came.
"""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from uuid import uuid4

from ckan import model as ckan_model
from ckan.lib import files

from ckanext.gkopen import blobs, model

KEPT = timedelta(hours=2)


def keep(data: bytes, media_type: str) -> str:
    """Store a file and commit; the name under which it is read. It is listed first, so that none is forgotten."""
    name = uuid4().hex
    model.execute("insert into gkopen.checked (name) values (:name)", name=name)
    ckan_model.Session.commit()
    storage = files.get_storage(blobs.STORAGE)
    storage.upload(storage.prepare_location(_location(name)), files.Upload(BytesIO(data), name, len(data), media_type))
    return name


def read(name: str) -> bytes | None:
    """The file; None when it was swept."""
    if not model.value("select 1 from gkopen.checked where name = :name", name=name):
        return None
    storage = files.get_storage(blobs.STORAGE)
    try:
        return storage.content(files.FileData(storage.prepare_location(_location(name))))
    except files.exc.MissingFileError:
        return None


def sweep() -> list[str]:
    """Delete what was kept for long enough; returns the names. The caller commits."""
    gone = [row["name"] for row in model.every(
        "delete from gkopen.checked where at < now() - :kept returning name", kept=KEPT)]
    storage = files.get_storage(blobs.STORAGE)
    for name in gone:
        held = files.FileData(storage.prepare_location(_location(name)))
        if storage.exists(held):
            storage.remove(held)
    return gone


def _location(name: str) -> str:
    """Beside the contents, which lie in folders of two digits."""
    return f"checked/{name}"
