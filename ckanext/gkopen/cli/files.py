"""`ckan gkopen check | submit | nil`: one file, or the word that there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.cli.common import FAILED, act, command, gkopen, person
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Options, Unreadable


@command(gkopen)
@click.argument("domain_name", metavar="DOMAIN")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
def check(domain_name: str, file: Path, form: str) -> None:
    """Findings for one file; writes nothing. Exit 0 clean, 1 findings, 2 cannot be read."""
    item = get_domain(domain_name)
    try:
        examined = examine(item, file, filename=file.name, options=Options())
        findings, code = examined.findings, 1 if examined.findings else 0
        counts = {"rows_in": examined.rows_in, "rows_ok": examined.rows_ok,
                  "rows_quarantined": examined.rows_quarantined, "rows_duplicate": examined.rows_duplicate}
    except Unreadable as error:
        findings, code, counts = error.findings, FAILED, None
    if form == "json":
        click.echo(json.dumps({"file": str(file), "domain": item.name, "readable": code != FAILED, "counts": counts,
                               "findings": [f.as_dict() | {"zh": render(f, "zh"), "en": render(f, "en")}
                                            for f in findings]}, ensure_ascii=False, default=str))
        sys.exit(code)
    for f in findings:
        where = ":".join(str(part) for part in (file.name, f.sheet, f.line) if part is not None)
        said = render(f, "zh")
        click.echo(f"{where}\t{f.severity}\t{f.code}\t{f.label or f.field or ''}\t{said['message']}\t{said['fix']}")
    if counts:
        click.echo(f"{counts['rows_in']} rows = {counts['rows_ok']} good + {counts['rows_quarantined']} quarantined"
                   f" + {counts['rows_duplicate']} duplicate; {len(findings)} findings")
    sys.exit(code)


@command(gkopen)
@click.argument("domain_name", metavar="DOMAIN")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--org", required=True, help="the responsible body: name, title or credit code")
@click.option("--as", "user", help="the officer who submits; without it the operator of this machine")
def submit(domain_name: str, file: Path, org: str, user: str | None) -> None:
    """A file into the pipeline; prints the revision that waits for review."""
    outcome = act("gkopen_submission_create", person(user) if user else None, domain=domain_name, organization=org,
                   upload=file, filename=file.name)
    click.echo(f"{outcome['state']}: rows {outcome['rows_in']} = {outcome['rows_ok']} good"
               f" + {outcome['rows_quarantined']} quarantined + {outcome['rows_duplicate']} duplicate;"
               f" +{outcome['added']} ~{outcome['changed']} -{outcome['removed']}")
    for code, number in sorted(outcome["findings"].items()):
        click.echo(f"  {number:6d} × {code}")
    if outcome["revision_id"]:
        click.echo(outcome["revision_id"])
    sys.exit(1 if outcome["state"] == "returned" or outcome["rows_quarantined"] else 0)


@command(gkopen)
@click.argument("domain_name", metavar="DOMAIN")
@click.option("--org", required=True, help="the responsible body")
@click.option("--part", required=True, help="such as 2026-05")
@click.option("--as", "user", help="the officer who reports")
@click.option("--take-back", "reason", metavar="REASON", help="take back the one that was made, for this reason")
def nil(domain_name: str, org: str, part: str, user: str | None, reason: str | None) -> None:
    """A nil report (零报告): nothing to disclose for a part."""
    who, of = person(user) if user else None, {"domain": domain_name, "organization": org, "part": part}
    if reason is None:
        act("gkopen_nil_report", who, **of)
    else:
        act("gkopen_nil_recall", who, **of, reason=reason)
    click.echo(f"{org} {domain_name} {part}: nil report {'recorded' if reason is None else 'taken back'}")
