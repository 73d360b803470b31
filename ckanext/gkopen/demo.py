"""The demo city: bodies, people and sources, made from the simulator's data folder. Safe to repeat."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import yaml
from ckan import model
from ckan.plugins import toolkit

from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source

OFFICE = "zwgkb"
"""The disclosure office (政务公开办公室): reviews all bodies."""

PEOPLE = (("admin", "门户管理员", None, None), ("office", "政务公开办审核人", OFFICE, "admin"),
          ("officer", "数据专员", "*", "editor"))
"""(account, full name, body or "*" for every body, CKAN role)"""


def make_city(folder: Path, platform: str) -> dict[str, str]:
    """Make what is missing; returns the passwords of the accounts that were made now (account → password)."""
    city = yaml.safe_load((folder / "city.yaml").read_text("utf-8"))
    _body(OFFICE, {"zh": city["city"]["zh"] + "政务公开办公室", "en": city["city"]["en"] + " Disclosure Office"},
          disclosure_office=True)
    for body in city["bodies"]:
        _body(body["id"], body["title"], short_names=list(body.get("short", ())), uscc=body["uscc"],
              region_code=str(body["region"]))
    passwords = {name: password for name, full, _, _ in PEOPLE if (password := _user(name, full))}
    _roles([OFFICE, *(body["id"] for body in city["bodies"])])
    for file in sorted((folder / "sources").glob("*.yaml")):
        ledger.save_source(load_source(file.read_text("utf-8"), file.name, platform=platform), "admin", replace=True)
    model.Session.commit()
    return passwords


def _act(action: str, **data: Any) -> Any:
    return toolkit.get_action(action)({"user": toolkit.config["ckan.site_id"], "ignore_auth": True}, data)


def _body(name: str, title: dict[str, str], **more: Any) -> None:
    if model.Group.get(name) is None:
        toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
        _act("organization_create", name=name, title=title["zh"], title_en=title["en"], tier="city", kind="department",
             **more)


def _user(name: str, full_name: str) -> str | None:
    """The new account's password, or None when the account is there."""
    if model.User.get(name) is not None:
        return None
    password = secrets.token_urlsafe(9)
    _act("user_create", name=name, fullname=full_name, email=f"{name}@example.com", password=password)
    if name == "admin":
        user = model.User.get(name)
        assert user is not None
        user.sysadmin = True
        model.Session.commit()
    return password


def _roles(bodies: list[str]) -> None:
    for name, _, body, role in PEOPLE:
        for organization in bodies if body == "*" else [body] if body else []:
            _act("organization_member_create", id=organization, username=name, role=role)
