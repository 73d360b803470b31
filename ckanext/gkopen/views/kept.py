"""A checked workbook is kept until its officer submits it: the browser carries a signed ticket, not the file again."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from ckan import model as ckan_model
from ckan.plugins import toolkit
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import blobs

KEPT_SECONDS = 2 * 3600


@dataclass(frozen=True, slots=True)
class Kept:
    """One checked file: the ticket that stands for it, its name and its bytes."""

    ticket: str
    filename: str
    data: bytes

    def as_upload(self) -> FileStorage:
        return FileStorage(BytesIO(self.data), self.filename)


def keep(upload: FileStorage) -> Kept:
    """Store an uploaded file privately. The ticket is good for the person who uploaded it, for two hours."""
    data, filename = upload.read(), upload.filename or "upload"
    sha256 = blobs.put(data, upload.mimetype)
    ckan_model.Session.commit()
    return Kept(_signer().dumps([toolkit.current_user.id, sha256, filename]), filename, data)


def find(ticket: str) -> Kept | None:
    """The file of a ticket; None when it is not this person's, too old, or its content was sealed."""
    try:
        owner, sha256, filename = _signer().loads(ticket, max_age=KEPT_SECONDS)
        if owner == toolkit.current_user.id:
            return Kept(ticket, filename, blobs.read(sha256))
    except (BadSignature, blobs.Sealed, blobs.Missing):
        pass
    return None


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(toolkit.config["SECRET_KEY"], salt="gkopen-kept-upload")
