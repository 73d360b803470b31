"""The demo city: bodies, people and sources, made from the simulator's data folder. Safe to repeat."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml
from ckan import model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.embedded.accounts import Accounts
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.oversight import duties

OFFICE = "zwgkb"
"""The disclosure office (政务公开办公室): reviews all bodies."""

PEOPLE = (
    ("administrator", "admin", "门户管理员 / portal administrator", None),
    ("office", "office", "政务公开办审核人 / disclosure office, reviews all bodies", OFFICE),
    ("officer", "officer", "数据专员 / data officer of every body of the demo", "*"),
    ("reviewer", "reviewer", "市财政局审核人 / reviewer of the finance bureau", "jianghai-czj"),
)
"""(role in accounts.txt, account, who it is, body: "*" for all of them)."""

DUTIES = (
    ("hotline", "jianghai-rx", "monthly", None, "2024-07-01", "2024-12-31"),
    ("budget", "jianghai-wgl", "yearly", "{period}-budget", "2024-01-01", "2025-12-31"),
    ("budget", "jianghai-jyj", "yearly", "{period}-budget", "2022-01-01", "2023-12-31"),
)
"""What three bodies owe (domain, body, cycle, part, first and last day): some of it is there, some of it is late."""

CAPACITY = {"office": "admin", "officer": "editor", "reviewer": "admin"}


def make_city(folder: Path, platform: str, accounts: Accounts) -> None:
    """Make what is missing: bodies, accounts (with the passwords of accounts.txt), memberships and sources."""
    toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
    city = yaml.safe_load((folder / "city.yaml").read_text("utf-8"))
    make_body(OFFICE, {"zh": "江海市政务公开办公室（演示）", "en": "Jianghai Disclosure Office (demo)"},
              disclosure_office=True)
    for body in city["bodies"]:
        make_body(body["id"], body["title"], short_names=list(body.get("short", ())), uscc=body["uscc"],
                  region_code=str(body["region"]))
    for role, name, title, body in PEOPLE:
        account = accounts.ensure(role, name, title)
        make_user(name, title.partition(" / ")[0], account.password, administrator=role == "administrator")
        members = [entry["id"] for entry in city["bodies"]] if body == "*" else [body] if body else []
        for organization in members:
            act("organization_member_create", id=organization, username=name, role=CAPACITY[role])
    for file in sorted((folder / "sources").glob("*.yaml")):
        source = load_source(file.read_text("utf-8"), file.name, platform=platform)
        ledger.save_source(source, "admin", replace=True)
    for domain, body, cycle, part, since, until in DUTIES:
        found = bodies.find(body)
        if not duties.every(domain, found["id"]):
            duties.keep(get_domain(domain), found, "office", cycle=cycle, part=part, since=date.fromisoformat(since),
                        until=date.fromisoformat(until))
    model.Session.commit()


def act(action: str, **data: Any) -> Any:
    """An action as the site itself."""
    return toolkit.get_action(action)({"user": toolkit.config["ckan.site_id"], "ignore_auth": True}, data)


def make_body(name: str, title: dict[str, str], **more: Any) -> None:
    if model.Group.get(name) is None:
        act("organization_create", name=name, title=title["zh"], title_en=title["en"], tier="city",
            kind="department", **more)


def make_user(name: str, full_name: str, password: str, *, administrator: bool = False) -> None:
    if model.User.get(name) is not None:
        return
    act("user_create", name=name, fullname=full_name, email=f"{name}@example.com", password=password)
    user = model.User.get(name)
    assert user is not None
    user.sysadmin = administrator
    model.Session.commit()
