"""A checked workbook is kept until its officer submits it: the browser carries a signed ticket, not the file again."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from ckan.plugins import toolkit
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import checked


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
    return Kept(_signer().dumps([toolkit.current_user.id, checked.keep(data, upload.mimetype), filename]), filename,
                data)


def find(ticket: str) -> Kept | None:
    """The file of a ticket; None when it is not this person's, or too old."""
    try:
        owner, name, filename = _signer().loads(ticket, max_age=int(checked.KEPT.total_seconds()))
    except BadSignature:
        return None
    data = checked.read(name) if owner == toolkit.current_user.id else None
    return Kept(ticket, filename, data) if data is not None else None


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(toolkit.config["SECRET_KEY"], salt="gkopen-kept-upload")
