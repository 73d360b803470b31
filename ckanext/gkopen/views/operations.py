"""For operators: /healthz (the process lives), /readyz (it can serve), /metrics (Prometheus, from known networks)."""

from __future__ import annotations

import ipaddress
from math import inf

from ckan import model as ckan_model
from ckan.lib.redis import is_redis_available
from ckan.lib.search import SearchError, SolrConnectionError, is_available
from ckan.plugins import toolkit
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from ckanext.gkopen import model
from ckanext.gkopen.logic.action.common import OVERTAKEN
from ckanext.gkopen.oversight import health, watch
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.review import waiting

blueprint = Blueprint("gkopen_operations", __name__)


@blueprint.route("/healthz")
def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


@blueprint.route("/readyz")
def readyz() -> Response:
    """200 when PostgreSQL, Solr and Valkey answer, else 503; one line each."""
    states = {"postgresql": _database(), "solr": is_available(), "valkey": is_redis_available()}
    text = "".join(f"{name} {'ok' if fine else 'does not answer'}\n" for name, fine in states.items())
    return Response(text, status=200 if all(states.values()) else 503, mimetype="text/plain")


def _database() -> bool:
    try:
        return model.value("select 1") == 1
    except SQLAlchemyError:
        ckan_model.Session.rollback()
        return False


@blueprint.route("/metrics")
def metrics() -> Response:
    """Gauges in Prometheus' text format, for those who ask the program itself: what a proxy passes on comes from
    anywhere, though it has the proxy's address, and /en/metrics is one more way to spell it."""
    if "X-Forwarded-For" in request.headers:
        return toolkit.abort(404)
    address = ipaddress.ip_address(request.remote_addr or "0.0.0.0")
    networks = toolkit.config["ckanext.gkopen.metrics_networks"]
    if not any(address in ipaddress.ip_network(network) for network in networks):
        return toolkit.abort(404)
    return Response("".join(_lines()), mimetype="text/plain; version=0.0.4")


def _lines() -> list[str]:
    behind = outbox.waiting()
    lines = [_gauge("outbox_rows", "Exits that are behind a publication.", behind["rows"]),
             _gauge("outbox_oldest_seconds", "Age of the oldest publication that an exit is behind.",
                    behind["oldest"]),
             _gauge("outbox_failing_rows", "Exits that failed at least once.", behind["failing"])]
    lines += _messages() + _sources() + _search()
    for name, text, sql in (
            ("revisions", "Revisions by state.", "select state, count(*) from gkopen.revision group by state"),
            ("runs", "Harvest runs by state; of those that were held or stopped, what a person decided, or overtaken.",
             f"select case when {OVERTAKEN} then 'overtaken' else coalesce(r.decision, r.state) end, count(*)"
             " from gkopen.run r group by 1"),
            ("datasets", "Datasets by state.", "select state, count(*) from gkopen.dataset group by state")):
        lines.append(f"# HELP gkopen_{name} {text}\n# TYPE gkopen_{name} gauge\n")
        lines += [f'gkopen_{name}{{state="{state}"}} {number}\n' for state, number in model.execute(sql)]
    return lines


def _messages() -> list[str]:
    """Queues of oversight: runs that wait, revisions that wait, mails that wait or could not be sent."""
    row = model.one(
        "select (select count(*) from gkopen.run r join gkopen.source s on s.id = r.source_id where r.state = 'queued'"
        "  and (s.state = 'active' or r.trigger = 'manual')) as queued,"
        " (select count(*) from gkopen.mail where sent_at is null and given_up_at is null) as mails,"
        " (select count(*) from gkopen.mail where given_up_at is not null) as lost,"
        " (select coalesce(max(extract(epoch from now() - waitstart)), 0) from pg_locks where not granted) as locked,"
        " (select extract(epoch from now() - since) from gkopen.watched where subject = :look) as looked",
        look=watch.LOOK)
    assert row is not None
    return [_gauge("worker_seen_seconds", "Seconds since a worker last looked for changes of state: it does each minute"
                   " between runs. Infinite: never.", inf if row["looked"] is None else row["looked"]),
            _gauge("lock_wait_seconds", "How long a session of the database has waited for another one's lock.",
                   row["locked"]),
            _gauge("queue_runs", "Runs that wait for a worker.", row["queued"]),
            _gauge("review_oldest_seconds", "How long the oldest waits for review, also where its source sent it"
                   " again.", waiting.oldest_seconds()),
            _gauge("mails_waiting", "Mails that wait to be sent.", row["mails"]),
            _gauge("mails_given_up", "Mails that could not be sent at all.", row["lost"])]


def _sources() -> list[str]:
    """One line a source: its health, and its last run. Of a paused one only how old and how long its runs are: it is
    neither good nor bad, and nobody waits for it."""
    rows = [(row, health.of(row)) for row in health.sources()]
    active = [(row, found) for row, found in rows if row["state"] == "active"]
    lines: list[str] = []
    for name, text, listed, pick in (
            ("source_good", "1 for a source that is good or only set rows aside, else 0.", active,
             lambda row, found: int(found["state"] in ("good", "partly"))),
            ("source_good_age_seconds", "Seconds since the last good run.", rows,
             lambda row, found: found["age_seconds"]),
            ("source_lag_seconds", "How much more than one cycle ago the last good run was.", active,
             lambda row, found: found["lag_seconds"]),
            ("source_failures", "Failed runs in a row.", active, lambda row, found: row["failures"]),
            ("source_run_seconds", "Duration of the last run.", rows, lambda row, found: row["last_seconds"]),
            ("source_rows_quarantined", "Rows that the last run set aside.", rows,
             lambda row, found: (row["last_counts"] or {}).get("rows_quarantined"))):
        lines.append(f"# HELP gkopen_{name} {text}\n# TYPE gkopen_{name} gauge\n")
        lines += [f'gkopen_{name}{{source="{row["name"]}"}} {value}\n' for row, found in listed
                  if (value := pick(row, found)) is not None]
    return lines


def _search() -> list[str]:
    """An index that was lost answers well: there is nothing. Nothing is said where it does not answer: /readyz does."""
    stored = ckan_model.Session.query(ckan_model.Package).filter_by(state="active", private=False).count()
    try:
        found = toolkit.get_action("package_search")({"ignore_auth": True}, {"rows": 0})["count"]
    except (SearchError, SolrConnectionError):
        return []
    return [_gauge("search_lacks", "Public datasets that the search does not find.", stored - found)]


def _gauge(name: str, text: str, number: float) -> str:
    return f"# HELP gkopen_{name} {text}\n# TYPE gkopen_{name} gauge\ngkopen_{name} {number}\n"
