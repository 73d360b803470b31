"""Mails about changes of state, from an outbox: to officers and reviewers of the body, by CKAN's mail settings.

What is on the list for one person and is of one kind goes into one mail, with a line and a link each: a platform that
is away for a night is one mail, whatever the number of its sources, and another one when it is good again. A mail names
sources, datasets and days, and links to the page; it never holds a value of the data, a cause in a platform's own
words, or a secret. What could not be sent is tried again for two days; the Message-ID of a mail is then the same, so
that a mail server tells a repetition.
"""

from __future__ import annotations

import hashlib
import logging
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Any
from urllib.parse import urlsplit

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import logs, model
from ckanext.gkopen.domains import Text
from ckanext.gkopen.oversight import words
from ckanext.gkopen.review import decide, roles

log = logging.getLogger(__name__)

TIMEOUT = 20
"""Seconds for each answer of the mail server."""
LONGEST = 60
"""Seconds for a mail in all: a server that sends letter after letter would hold the worker up for hours."""
ATTEMPTS = 14
"""1, 2, 4 … minutes apart, at most six hours: about two days."""
GATHER = timedelta(minutes=5)
"""So long a mail about a source waits for others: runs come one after the other."""
MOST = 100
"""Messages that a mail tells of; further ones go into the next."""
FOR_REVIEWERS = {"revision_waiting", "standing_declined", "standing_ending", "source_undecided"}
FOR_OFFICERS = {"revision_returned"}
OF_RUNS = ("source_", "body_")
FOR_THE_OFFICE = {"duty_overdue", "calendar_unknown"}


def address(message_id: int, kind: str, body_id: str | None, revision: str | None = None) -> None:
    """Put the mails of a message on the list, one a person; nothing where mails are switched off."""
    if not toolkit.config["ckanext.gkopen.notify.mail"]:
        return
    wait = GATHER if kind.startswith(OF_RUNS) else timedelta()
    model.execute("insert into gkopen.mail (message_id, user_id, not_before) select :message, u, now() + :wait"
                  " from unnest(cast(:users as text[])) u", message=message_id, wait=wait,
                  users=recipients(kind, body_id, revision))


def recipients(kind: str, body_id: str | None, revision: str | None = None) -> list[str]:
    """Ids of the active accounts with an e-mail address that a message goes to; the administrators where there is
    nobody else. Of a body none of whose reviewers may decide on the `revision`, the disclosure office does."""
    bodies: set[str] = {body_id} if body_id else set()
    capacities = ([roles.REVIEWER] if kind in FOR_REVIEWERS else [roles.OFFICER] if kind in FOR_OFFICERS
                  else [roles.OFFICER, roles.REVIEWER])
    found = _members(bodies, capacities)
    if kind in FOR_REVIEWERS:
        own = _proposers(revision) if revision else set()
        found = (found - own) or (_members(roles.disclosure_offices(), [roles.REVIEWER]) - own)
    if kind in FOR_THE_OFFICE:
        found |= _members(roles.disclosure_offices(), [roles.REVIEWER])
    if not found:
        found = {row[0] for row in ckan_model.Session.query(ckan_model.User.id).filter(
            ckan_model.User.sysadmin.is_(True), ckan_model.User.state == "active", ckan_model.User.email > "")}
    return sorted(found)


def _proposers(revision_id: str) -> set[str]:
    """Ids of those who may not decide on a revision, as it is their own."""
    revision = model.one("select * from gkopen.revision where id = :id", id=revision_id)
    names = decide.proposers_of([revision])[revision_id] if revision else set()
    return {row["id"] for row in model.every('select id from public."user" where name = any(:names)',
                                             names=sorted(names))}


def _members(bodies: set[str], capacities: list[str]) -> set[str]:
    return {row["id"] for row in model.every(
        'select u.id from public.member m join public."user" u on u.id = m.table_id where m.table_name = \'user\''
        " and m.state = 'active' and m.group_id = any(:bodies) and m.capacity = any(:capacities)"
        " and u.state = 'active' and u.email > ''", bodies=sorted(bodies), capacities=capacities)}


def send_one() -> bool:
    """Send one mail that is due and check it off, in one transaction. False when none is due."""
    first = model.one(
        "select m.message_id, m.user_id, g.kind, u.email, u.state from gkopen.mail m"
        " join gkopen.message g on g.id = m.message_id left join public.\"user\" u on u.id = m.user_id"
        " where m.sent_at is null and m.given_up_at is null and m.not_before <= now()"
        " order by m.not_before, m.message_id limit 1 for update of m skip locked")
    if first is None:
        ckan_model.Session.rollback()
        return False
    # One that was tried before waits for its own time: its attempts are counted.
    rows = model.every(
        "select m.message_id, g.params from gkopen.mail m join gkopen.message g on g.id = m.message_id"
        " where m.user_id = :user and g.kind = :kind and m.sent_at is null and m.given_up_at is null"
        " and (m.not_before <= now() or m.attempts = 0) order by m.message_id = :first desc, m.message_id limit :most"
        " for update of m skip locked", user=first["user_id"], kind=first["kind"], first=first["message_id"], most=MOST)
    user, ids = first["user_id"], sorted(row["message_id"] for row in rows)
    try:
        if not first["email"] or first["state"] != "active":
            _close(user, ids, "given_up_at", "no address")
        else:
            told = [row["params"] for row in sorted(rows, key=lambda row: row["message_id"])]
            _send(_written(first["kind"], told, first["email"], _name(user, ids)), first["email"])
            _close(user, ids, "sent_at", None)
            logs.event("mail.sent", messages=ids, kind=first["kind"])
    except (OSError, smtplib.SMTPException, ValueError) as error:
        _failed(user, ids, error)
    ckan_model.Session.commit()
    return True


def _name(user: str, ids: Sequence[int]) -> str:
    """The same for the same messages to the same person, and another one as soon as one more is told of."""
    person = hashlib.sha256(user.encode()).hexdigest()[:16]
    several = "" if len(ids) == 1 else "-" + hashlib.sha256(repr(list(ids)).encode()).hexdigest()[:16]
    return f"gkopen-{ids[0]}{several}-{person}"


def _written(kind: str, told: Sequence[dict[str, Any]], email: str, name: str) -> EmailMessage:
    """Both languages in one plain text: Chinese first. `told`: the params of each message."""
    said = [words.said(kind, params) for params in told]
    subject, advice, path = said[0]
    site = toolkit.config["ckan.site_url"].rstrip("/")
    title, sender = toolkit.config["ckan.site_title"], toolkit.config.get("smtp.mail_from") or ""
    host = urlsplit(site).hostname or "localhost"
    if len(said) > 1:
        number = len(said)
        subject = Text(f"{subject.zh} 等 {number} 项", f"{subject.en} and {number - 1} more")
        each = "\n".join(f"{each.zh}\n{each.en}\n{site}{link}\n" for each, _, link in said)
    else:
        each = f"{site}{path}\n"
    message = EmailMessage()
    message["Subject"] = f"【{title}】{subject.zh}"
    message["From"] = formataddr((title, sender or f"gkopen@{host}"))
    message["To"] = email
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{name}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{subject.zh}\n{advice.zh}\n\n{subject.en}\n{advice.en}\n\n{each}\n"
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


def _close(user: str, ids: Sequence[int], column: str, error: str | None) -> None:
    assert column in ("sent_at", "given_up_at")
    model.execute(f"update gkopen.mail set {column} = now(), attempts = attempts + 1, error = :error"
                  " where message_id = any(:ids) and user_id = :user", error=error, ids=list(ids), user=user)


def _failed(user: str, ids: Sequence[int], error: Exception) -> None:
    """Try later; an address that the server refuses for good is given up. Only the kind of the error is kept."""
    refused = isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values())
    said = f"{type(error).__name__} {getattr(error, 'smtp_code', '')}".strip()
    log.warning("a mail about message %s could not be sent: %s", ", ".join(map(str, ids)), said)
    if refused:
        _close(user, ids, "given_up_at", said)
        return
    last = [row["message_id"] for row in model.every(
        "select message_id from gkopen.mail where message_id = any(:ids) and user_id = :user and attempts + 1 >= :most",
        ids=list(ids), user=user, most=ATTEMPTS)]
    _close(user, last, "given_up_at", said)
    if isinstance(error, smtplib.SMTPConnectError) or not isinstance(
            error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused | ValueError):
        # The server is away, which is found out slowly: the others ask after it once a minute, not each in turn.
        model.execute("update gkopen.mail set not_before = now() + interval '1 minute' where (message_id, user_id) in"
                      " (select message_id, user_id from gkopen.mail where sent_at is null and given_up_at is null"
                      " and not_before <= now() for update skip locked)")
    model.execute("update gkopen.mail set attempts = attempts + 1, error = :error, not_before = now() +"
                  " least(make_interval(mins => cast(2 ^ attempts as int)), interval '6 hours')"
                  " where message_id = any(:ids) and user_id = :user and given_up_at is null",
                  error=said, ids=list(ids), user=user)
