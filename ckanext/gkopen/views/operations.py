"""For operators: /healthz (the process lives), /readyz (it can serve), /metrics (Prometheus, from known networks)."""

from __future__ import annotations

import ipaddress

from ckan import model as ckan_model
from ckan.lib.redis import is_redis_available
from ckan.lib.search import is_available
from ckan.plugins import toolkit
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from ckanext.gkopen import model
from ckanext.gkopen.publish import outbox

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
    """Gauges in Prometheus' text format."""
    address = ipaddress.ip_address(request.remote_addr or "0.0.0.0")
    networks = toolkit.config["ckanext.gkopen.metrics_networks"]
    if not any(address in ipaddress.ip_network(network) for network in networks):
        return toolkit.abort(404)
    return Response("".join(_lines()), mimetype="text/plain; version=0.0.4")


def _lines() -> list[str]:
    waiting = outbox.waiting()
    lines = [_gauge("outbox_rows", "Exits that are behind a publication.", waiting["rows"]),
             _gauge("outbox_oldest_seconds", "Age of the oldest publication that an exit is behind.",
                    waiting["oldest"]),
             _gauge("outbox_failing_rows", "Exits that failed at least once.", waiting["failing"])]
    for name, text, sql in (
            ("revisions", "Revisions by state.", "select state, count(*) from gkopen.revision group by state"),
            ("runs", "Harvest runs by state.", "select state, count(*) from gkopen.run group by state"),
            ("datasets", "Datasets by state.", "select state, count(*) from gkopen.dataset group by state")):
        lines.append(f"# HELP gkopen_{name} {text}\n# TYPE gkopen_{name} gauge\n")
        lines += [f'gkopen_{name}{{state="{state}"}} {number}\n' for state, number in model.execute(sql)]
    return lines


def _gauge(name: str, text: str, number: float) -> str:
    return f"# HELP gkopen_{name} {text}\n# TYPE gkopen_{name} gauge\ngkopen_{name} {number}\n"
