"""Mails about changes of state, from an outbox: to officers and reviewers of the body, by CKAN's mail settings.

A mail names sources, datasets and days, and links to the page; it never holds a value of the data, a cause in a
platform's own words, or a secret. A message that could not be sent is tried again for two days; its Message-ID is
always the same, so that a mail server tells a repetition.
"""

from __future__ import annotations

import hashlib
import logging
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Any
from urllib.parse import urlsplit

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import logs, model
from ckanext.gkopen.oversight import words
from ckanext.gkopen.review import roles

log = logging.getLogger(__name__)

TIMEOUT = 20
"""Seconds for each answer of the mail server."""
LONGEST = 60
"""Seconds for a mail in all: a server that sends letter after letter would hold the worker up for hours."""
ATTEMPTS = 14
"""1, 2, 4 … minutes apart, at most six hours: about two days."""
FOR_REVIEWERS = {"revision_waiting", "standing_declined"}
FOR_OFFICERS = {"revision_returned"}
FOR_THE_OFFICE = {"duty_overdue", "calendar_unknown"}


def address(message_id: int, kind: str, body_id: str | None) -> None:
    """Put the mails of a message on the list, one a person; nothing where mails are switched off."""
    if not toolkit.config["ckanext.gkopen.notify.mail"]:
        return
    model.insert_many("mail", ("message_id", "user_id"), [(message_id, user) for user in recipients(kind, body_id)])


def recipients(kind: str, body_id: str | None) -> list[str]:
    """Ids of the active accounts with an e-mail address that a message goes to; the administrators where there is
    nobody else."""
    bodies: set[str] = {body_id} if body_id else set()
    capacities = ([roles.REVIEWER] if kind in FOR_REVIEWERS else [roles.OFFICER] if kind in FOR_OFFICERS
                  else [roles.OFFICER, roles.REVIEWER])
    found = _members(bodies, capacities)
    if kind in FOR_THE_OFFICE:
        found |= _members(roles.disclosure_offices(), [roles.REVIEWER])
    if not found:
        found = {row[0] for row in ckan_model.Session.query(ckan_model.User.id).filter(
            ckan_model.User.sysadmin.is_(True), ckan_model.User.state == "active", ckan_model.User.email > "")}
    return sorted(found)


def _members(bodies: set[str], capacities: list[str]) -> set[str]:
    return {row["id"] for row in model.every(
        'select u.id from public.member m join public."user" u on u.id = m.table_id where m.table_name = \'user\''
        " and m.state = 'active' and m.group_id = any(:bodies) and m.capacity = any(:capacities)"
        " and u.state = 'active' and u.email > ''", bodies=sorted(bodies), capacities=capacities)}


def send_one() -> bool:
    """Send one mail that is due and check it off, in one transaction. False when none is due."""
    row = model.one(
        'select m.message_id, m.user_id, m.attempts, g.kind, g.params, u.email, u.state from gkopen.mail m'
        " join gkopen.message g on g.id = m.message_id left join public.\"user\" u on u.id = m.user_id"
        " where m.sent_at is null and m.given_up_at is null and m.not_before <= now()"
        " order by m.not_before, m.message_id limit 1 for update of m skip locked")
    if row is None:
        ckan_model.Session.rollback()
        return False
    try:
        if not row["email"] or row["state"] != "active":
            _close(row, "given_up_at", "no address")
        else:
            _send(_written(row), row["email"])
            _close(row, "sent_at", None)
            logs.event("mail.sent", message=row["message_id"], kind=row["kind"])
    except (OSError, smtplib.SMTPException, ValueError) as error:
        _failed(row, error)
    ckan_model.Session.commit()
    return True


def _written(row: dict[str, Any]) -> EmailMessage:
    """Both languages in one plain text: Chinese first."""
    subject, advice, path = words.said(row["kind"], row["params"])
    site = toolkit.config["ckan.site_url"].rstrip("/")
    title, sender = toolkit.config["ckan.site_title"], toolkit.config.get("smtp.mail_from") or ""
    host = urlsplit(site).hostname or "localhost"
    message = EmailMessage()
    message["Subject"] = f"【{title}】{subject.zh}"
    message["From"] = formataddr((title, sender or f"gkopen@{host}"))
    message["To"] = row["email"]
    message["Date"] = formatdate()
    person = hashlib.sha256(str(row["user_id"]).encode()).hexdigest()[:16]
    message["Message-ID"] = f"<gkopen-{row['message_id']}-{person}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{subject.zh}\n{advice.zh}\n\n{subject.en}\n{advice.en}\n\n{site}{path}\n\n"
                        "同一状态只通知一次。 / Sent once for each change of state.\n")
    return message


def _send(message: EmailMessage, recipient: str) -> None:
    """By CKAN's settings (smtp.*). STARTTLS checks the server's certificate, which CKAN's own mailer does not."""
    config = toolkit.config
    host, _, port = (config.get("smtp.server") or "localhost").rpartition(":") if ":" in (
        config.get("smtp.server") or "") else (config.get("smtp.server") or "localhost", "", "25")
    server = _Bounded(host, int(port), timeout=TIMEOUT)
    try:
        if toolkit.asbool(config.get("smtp.starttls")):
            server.starttls(context=ssl.create_default_context())
        if config.get("smtp.user"):
            server.login(config["smtp.user"], config.get("smtp.password") or "")
        server.send_message(message, to_addrs=[recipient])
        with suppress(OSError, smtplib.SMTPException):    # it has the mail, whatever it says to this
            server.quit()
    finally:
        server.close()


class _Bounded(smtplib.SMTP):
    """Its connection ends after LONGEST, whatever it is at; what waits for an answer then learns that there is none."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._end = threading.Timer(LONGEST, self._cut)
        self._end.daemon = True
        self._end.start()
        return connection

    def _cut(self) -> None:
        with suppress(OSError, AttributeError):           # it has ended meanwhile
            self.sock.shutdown(socket.SHUT_RDWR)          # type: ignore[union-attr]

    def close(self) -> None:
        if hasattr(self, "_end"):
            self._end.cancel()
        super().close()


def _close(row: dict[str, Any], column: str, error: str | None) -> None:
    assert column in ("sent_at", "given_up_at")
    model.execute(f"update gkopen.mail set {column} = now(), attempts = attempts + 1, error = :error"
                  " where message_id = :message and user_id = :user", error=error, message=row["message_id"],
                  user=row["user_id"])


def _failed(row: dict[str, Any], error: Exception) -> None:
    """Try later; an address that the server refuses for good is given up. Only the kind of the error is kept."""
    refused = isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values())
    said = f"{type(error).__name__} {getattr(error, 'smtp_code', '')}".strip()
    log.warning("a mail about message %s could not be sent: %s", row["message_id"], said)
    if refused or row["attempts"] + 1 >= ATTEMPTS:
        _close(row, "given_up_at", said)
        return
    if isinstance(error, smtplib.SMTPConnectError) or not isinstance(
            error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused | ValueError):
        # The server is away, which is found out slowly: the others ask after it once a minute, not each in turn.
        model.execute("update gkopen.mail set not_before = now() + interval '1 minute' where (message_id, user_id) in"
                      " (select message_id, user_id from gkopen.mail where sent_at is null and given_up_at is null"
                      " and not_before <= now() for update skip locked)")
    model.execute("update gkopen.mail set attempts = attempts + 1, error = :error, not_before = now() +"
                  " least(make_interval(mins => :minutes), interval '6 hours')"
                  " where message_id = :message and user_id = :user", error=said, minutes=2 ** row["attempts"],
                  message=row["message_id"], user=row["user_id"])
