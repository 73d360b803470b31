"""Tokens of business systems: who makes, sees and revokes them, by action, page and command."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ckan.cli.cli import ckan
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.demo import act
from tests.people import call, make_cast


def make(user: str, body: str, name: str = "czj-finance", **more: Any) -> dict[str, Any]:
    return call("gkopen_push_token_create", user, name=name, domain="procurement", organization=body, **more)


def test_officers_reviewers_and_the_administrator_make_tokens_of_their_bodies_only(site: Any) -> None:
    cast = make_cast()
    for number, user in enumerate((cast.officer, cast.reviewer, cast.admin)):
        assert make(user, cast.body, f"system-{number}")["token"].startswith("gkp_")
    for user in (cast.stranger, cast.office, ""):
        with pytest.raises(toolkit.NotAuthorized):
            make(user, cast.body, "theirs")
    assert [row["name"] for row in call("gkopen_push_token_list", cast.officer)["results"]] == [
        "system-0", "system-1", "system-2"]
    assert call("gkopen_push_token_list", cast.stranger)["results"] == []


def test_a_token_is_kept_nowhere_and_its_making_is_in_the_audit(site: Any) -> None:
    cast = make_cast()
    token = make(cast.officer, cast.body)["token"]
    held = model.every("select t::text as text from gkopen.push_token t") + model.every(
        "select a::text as text from gkopen.audit a")
    assert len(held) == 2
    assert all(token not in row["text"] and token[4:] not in row["text"] for row in held)
    assert token not in str(call("gkopen_push_token_list", cast.officer))


def test_a_token_is_revoked_by_its_body_and_stays_in_the_list(site: Any) -> None:
    cast = make_cast()
    make(cast.officer, cast.body)
    with pytest.raises(toolkit.ObjectNotFound):
        call("gkopen_push_token_revoke", cast.stranger, name="czj-finance")
    assert call("gkopen_push_token_revoke", cast.reviewer, name="czj-finance")["revoked_by"] == cast.reviewer
    (row,) = call("gkopen_push_token_list", cast.officer)["results"]
    assert row["revoked_at"]


@pytest.mark.parametrize(("changes", "field"), [
    ({"name": "X Y"}, "name"), ({"days": 0}, "days"), ({"days": 731}, "days"), ({"days": "soon"}, "days"),
    ({"domain": "nothing"}, "domain"), ({"organization": "nowhere"}, "organization"), ({"name": ""}, "name"),
    ({"name": "taken"}, "name"),
])  # fmt: skip
def test_a_wrong_wish_is_refused_in_words(site: Any, changes: dict[str, Any], field: str) -> None:
    cast = make_cast()
    make(cast.officer, cast.body, "taken")
    data = {"name": "fine", "domain": "procurement", "organization": cast.body, **changes}
    with pytest.raises(toolkit.ValidationError) as refused:
        call("gkopen_push_token_create", cast.admin, **data)
    assert set(refused.value.error_dict) == {field}


@pytest.mark.parametrize("end", ["account closed", "role lost", "administrator no more"])
def test_a_token_is_worth_what_its_maker_is(app: Any, cli: Any, end: str) -> None:
    cast = make_cast()
    maker = cast.admin if end == "administrator no more" else cast.officer
    token = make(maker, cast.body)["token"]

    def push(key: str) -> Any:
        return app.post("/api/gkopen/push/procurement", data=b'{"rows": []}', headers={
            "Authorization": f"Bearer {token}", "Idempotency-Key": key, "Content-Type": "application/json"})

    assert push("1").status_code != 401
    if end == "account closed":
        act("user_delete", id=maker)
    elif end == "role lost":
        act("organization_member_create", id=cast.body, username=maker, role="member")
    else:
        act("user_patch", id=maker, sysadmin=False)
    refused = push("2")
    assert (refused.status_code, refused.json["error"]["code"]) == (401, "token-unsupported")
    assert "数据专员" in refused.json["error"]["zh"] and "officer" in refused.json["error"]["en"]
    asked = app.get(f"/api/gkopen/push/procurement/{'0' * 8}-0000-4000-8000-{'0' * 12}",
                    headers={"Authorization": f"Bearer {token}"})
    assert asked.status_code == 401
    assert [row["supported"] for row in call("gkopen_push_token_list", cast.reviewer)["results"]] == [False]
    assert f"refused: {maker} is no officer" in cli.invoke(ckan, ["gkopen", "push-token", "list"]).output


def test_the_commands(cli: Any) -> None:
    cast = make_cast()
    made = cli.invoke(ckan, ["gkopen", "push-token", "create", "czj-finance", "--domain", "procurement", "--org",
                             cast.body, "--days", "30"])
    assert made.exit_code == 0, made.output
    assert re.search(r"^gkp_[\w-]{43}$", made.output, re.MULTILINE)
    listed = cli.invoke(ckan, ["gkopen", "push-token", "list"])
    assert re.search(rf"^czj-finance\tprocurement\t{cast.body}\tuntil ", listed.output, re.MULTILINE)
    assert "revoked" in cli.invoke(ckan, ["gkopen", "push-token", "revoke", "czj-finance"]).output
    again = cli.invoke(ckan, ["gkopen", "push-token", "create", "czj-finance", "--domain", "procurement", "--org",
                              cast.body])
    assert again.exit_code == 2


def test_the_page_shows_a_token_once_and_wants_a_person(app: Any) -> None:
    cast = make_cast()
    assert app.get("/office/tokens/", follow_redirects=False).status_code == 302
    login = app.get("/user/login")
    csrf = re.search(r'name="_csrf_token"[^>]*value="([^"]+)"', login.body)
    assert csrf
    app.post("/user/login", data={"login": cast.officer, "password": "correct-horse-9", "_csrf_token": csrf[1]})
    page = app.get("/office/tokens/", status=200).body
    field = re.search(r'name="_csrf_token"[^>]*value="([^"]+)"', page)
    assert field
    made = app.post("/office/tokens/", data={
        "name": "czj-finance", "domain": "procurement", "organization": cast.body, "days": "90",
        "_csrf_token": field[1]}, status=200)
    (token,) = re.findall(r"gkp_[\w-]{43}", made.body)
    assert token not in app.get("/office/tokens/").body
    app.post("/office/tokens/czj-finance/revoke", data={"_csrf_token": field[1]})
    assert model.value("select revoked_by from gkopen.push_token") == cast.officer
