"""Nobody sees what is not public to them: every action and every route is tried, by everyone, with what one can know.

The written policy (docs/security.md):

    held, returned and recalled revisions, quarantined rows, findings, sources and runs of a body
        its officers and reviewers, the disclosure office, the portal administrator
    raw pages of harvests, contents that were withdrawn
        nobody, through any exit
    everything else that is not published
        nobody
"""

from __future__ import annotations

import json
import re
from itertools import islice, product
from typing import Any
from urllib.parse import urlencode

import psycopg2
import pysolr
import pytest
from ckan import model as ckan_model
from ckan.tests import helpers
from psycopg2 import sql

from ckanext.gkopen import ids, model
from tests.leaks import crawl, odd
from tests.leaks.crawl import Seen
from tests.leaks.world import (
    CHINESE,
    LATIN,
    MAIL,
    PUBLIC_REASON,
    PUBLIC_ROW,
    WITHDRAWN_BODY,
    World,
    build,
    canary,
)
from tests.people import call

OF_A_BODY = {"held", "second", "heldmeta", "quarantine", "finding", "returned", "returnedwhy", "recalled", "source",
             "filename", "pushed", "frozen", "runrow", "runfinding", "message", "standing"}
OF_ALL = OF_A_BODY | {"otherheld", "runother", "messageother"}
SEES = {
    "": set(), "no-role": set(), "plain-member": set(),
    "zhao-other": {"otherheld", "messageother"},
    "li-officer": OF_A_BODY, "wang-reviewer": OF_A_BODY,
    "zwgk-office": OF_ALL, "portal-admin": OF_ALL,
}
"""Who may see which canary through the actions. What no one may see is in no row: page, gone, goneold, gonetitle, the
raw bytes of pushes, and what the tables behind harvests and mails remember."""
QUICK = ("", "zhao-other")
"""One of each kind is tried by `make test`: nobody, a person of another body, a person of the body."""
NOTHING_SEEN = ("", "no-role", "plain-member")
STOCK = {"group_autocomplete": "KeyError: 'q'", "organization_autocomplete": "KeyError: 'q'",
         "task_status_update_many": "KeyError: 'data'", "user_invite": "KeyError: 'group_id'",
         "package_collaborator_list": "AssertionError"}
"""CKAN's own actions that break on a request without a parameter they need. They answer nothing of the data."""
STOCK_ROUTES = {"dataset_resource.new": "KeyError: 'save'"}
"""CKAN's own form, which the guard refuses anyway, breaks for people with an account where `save` is missing."""
FOR_ACCOUNTS = {"package_show", "package_search", "package_list", "organization_show", "resource_show", "member_list",
                "datastore_search", "current_package_list_with_resources", "user_show", "organization_list_for_user"}
PAGES = ("/", "/dataset/", "/organization/", "/domain/procurement", "/open/", "/about", "/user/login")


@pytest.fixture(scope="module")
def world(servers: Any, fresh_site: Any) -> World:
    """One site for this module: its tests only read."""
    fresh_site.reset()
    return build()


@pytest.fixture
def visitor(world: World, web: Any) -> helpers.CKANTestApp:
    """Without cookies: a message that CKAN keeps in the session would repeat a caller's own words later."""
    app = helpers.CKANTestApp(web)
    app.client = app.test_client(use_cookies=False)
    app.client.environ_base["REMOTE_ADDR"] = "203.0.113.9"         # from outside the networks that /metrics answers
    return app


def state_of(world: World) -> list[Any]:
    return model.every("select id, state, digest from gkopen.revision order by id") + model.every(
        "select dataset_id, part, sha256 from gkopen.public_part order by 1, 2") + model.every(
        "select id, state from gkopen.run order by id")


def tried_by(who: str) -> set[str]:
    """Nobody tries every action; a person those of gkopen that read, and CKAN's that could show more to an account."""
    names = crawl.action_names()
    return names if who == "" else {name for name in names if crawl.reads(name) and (
        name.startswith("gkopen_") or name in FOR_ACCOUNTS)}


@pytest.mark.parametrize("who", [who if who in QUICK else pytest.param(who, marks=pytest.mark.torture) for who in SEES])
def test_actions_show_what_the_policy_says(world: World, visitor: Any, who: str) -> None:
    before = state_of(world)
    with visitor.flask_app.test_request_context():
        seen = crawl.actions(world, who, tried_by(who))
    assert seen.kinds == SEES[who]
    if who in NOTHING_SEEN:
        assert seen.leaks == {}
    assert {name: error for name, error in seen.broken.items() if not error.startswith(STOCK.get(name, "-"))} == {}
    assert "gkopen_domain_list" in seen.answered
    if who == "":
        assert {"package_search", "datastore_search", "organization_show", "tag_list"} <= seen.answered
    assert state_of(world) == before


def unexpected(seen: Seen) -> dict[str, str]:
    """What broke, but for what is known of CKAN's own routes."""
    return {place: error for place, error in seen.broken.items()
            if not error.startswith(STOCK_ROUTES.get(place.split()[0], "-"))}


@pytest.mark.parametrize(("token", "which"), [
    ("", crawl.ALL), ("plain-member", crawl.SOME), pytest.param("plain-member", crawl.ALL, marks=pytest.mark.torture),
    pytest.param("no-role", crawl.ALL, marks=pytest.mark.torture)], ids=["visitor", "member", "member-all", "no-role"])
def test_routes_show_nothing(world: World, visitor: Any, token: str, which: slice) -> None:
    headers = {"Authorization": world.tokens[token]} if token else {}
    before = state_of(world)
    seen = crawl.routes(world, visitor, headers=headers, which=which)
    assert (seen.leaks, state_of(world)) == ({}, before)
    assert unexpected(seen) == {}
    assert {"dataset.search", "feeds.general", "dcat.read_catalog", "gkopen_open.table", "gkopen_dump.dump"} <= (
        seen.answered)


@pytest.mark.parametrize("which", [crawl.SOME, pytest.param(crawl.ALL, marks=pytest.mark.torture)],
                         ids=["some", "all"])
def test_routes_of_a_person_of_another_body(world: World, visitor: Any, which: slice) -> None:
    before = state_of(world)
    seen = crawl.routes(world, visitor, headers={"Authorization": world.tokens[world.cast.stranger]}, which=which)
    assert (seen.kinds <= {"otherheld", "messageother"}, state_of(world)) == (True, before)
    assert unexpected(seen) == {}


def test_the_crawl_finds_what_a_person_may_see(world: World, visitor: Any) -> None:
    """Else an empty result would say nothing."""
    seen = Seen()
    for path in (f"/review/{world.revisions['held']}", "/office/", "/review/"):
        crawl.ask(seen, world, visitor, path, headers={"Authorization": world.tokens[world.cast.officer]})
    assert {"held", "second", "filename"} <= seen.kinds
    assert PUBLIC_ROW in crawl.ask(seen, world, visitor, "/open/procurement.xlsx")


def test_actions_over_http(world: World, visitor: Any) -> None:
    """GET and POST of every action: GET must not reach the writing ones, and no answer is a 5xx."""
    seen = Seen()
    for name in sorted(crawl.action_names()):
        crawl.ask(seen, world, visitor, f"/api/3/action/{name}?id={world.public_name}&q=a&limit=5", "GET", name)
        crawl.ask(seen, world, visitor, f"/api/action/{name}", "POST", name,
                  json={"id": world.revisions["held"], "q": "a", "resource_id": "procurement"})
    assert (seen.leaks, seen.broken) == ({}, {})


def test_odd_values_are_answered(world: World, visitor: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Of every action that reads: what it cannot use is a refusal with words, and never a 500."""
    caplog.set_level("ERROR", "ckanext.gkopen.unfit")      # thousands of tracebacks
    with visitor.flask_app.test_request_context():
        tried, broken = odd.broken({"id": world.public_name, "resource_id": "procurement"})
    assert broken == {}
    print(f"{tried} odd requests, 0 of them a 5xx")
    for path, parameter, said in (("organization_list?all_fields=x", "all_fields", "bool"),
                                  ("group_list?limit=", "limit", "int"),
                                  ("package_list?offset=99999999999999999999", "offset", "int"),
                                  ("group_autocomplete", "q", "string")):
        answer = visitor.get(f"/api/3/action/{path}", status=409)
        assert answer.json["error"]["__type"] == "Validation Error" and said in answer.json["error"][parameter][0], path
    assert visitor.get("/api/3/action/package_search?rows=-1").status_code in (400, 409)


@pytest.mark.parametrize("every", [293, pytest.param(7, marks=pytest.mark.torture)], ids=["some", "many"])
@pytest.mark.parametrize("who", ["", "portal-admin"], ids=["visitor", "admin"])
def test_odd_queries_are_answered(world: World, visitor: Any, who: str, every: int) -> None:
    """Of every route: a parameter that it does not know, or a value that it cannot use, is no error of the portal."""
    seen, headers = Seen(), {"Authorization": world.tokens[who]} if who else {}
    paths = {path for _, path, methods in crawl.addresses(world, visitor.flask_app.url_map.iter_rules(), crawl.FIRST)
             if "GET" in methods}
    queries = [{name: value} for name in odd.QUERIES for value in odd.IN_ADDRESSES]
    for path, query in islice(product(sorted(paths), queries), 0, None, every):
        crawl.ask(seen, world, visitor, f"{path}?{urlencode(query)}", headers=headers)
    print(f"{seen.tried} requests with odd queries")
    assert seen.broken == {}


def test_every_language(world: World, visitor: Any) -> None:
    seen = Seen()
    for language in ("en", "zh_Hant_TW", "zh_Hans_CN"):
        for page in (*PAGES, f"/dataset/{world.public_name}", f"/dataset/{world.withdrawn_name}"):
            crawl.ask(seen, world, visitor, f"/{language}{page}")
    assert (seen.leaks, seen.broken) == ({}, {})


def test_a_search_for_a_canary_finds_nothing(world: World, visitor: Any) -> None:
    for words in (CHINESE, LATIN, canary("held"), canary("gone"), canary("gonetitle")):
        assert call("package_search", "", q=words)["count"] == 0
        assert call("datastore_search", "", resource_id="procurement", q=words)["total"] == 0
        for path in ("/api/2/util/dataset/autocomplete?incomplete=", "/api/3/action/package_autocomplete?q=",
                     "/api/3/action/tag_autocomplete?query=", "/api/3/action/resource_search?query=name:"):
            answer = visitor.get(path + words)
            assert answer.status_code in (200, 409)
            assert f"{LATIN}held" not in answer.body.replace(words, "")


def test_the_index_holds_only_what_is_public(world: World) -> None:
    from ckan.plugins import toolkit

    documents = pysolr.Solr(toolkit.config["solr_url"]).search("*:*", rows=1000, fl="*").docs
    assert {document["name"] for document in documents} == {world.public_name, "all-procurement"}
    text = json.dumps(documents, ensure_ascii=False)
    assert [secret for secret in (*world.secrets, world.withdrawn) if secret in text] == []


def test_the_read_role_of_the_datastore_reaches_only_what_is_public(world: World) -> None:
    from ckan.plugins import toolkit

    found = {}
    with psycopg2.connect(toolkit.config["ckan.datastore.read_url"]) as connection, connection.cursor() as cursor:
        cursor.execute("select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                       " where c.relkind in ('r', 'v', 'm', 'p') and n.nspname not in"
                       " ('pg_catalog', 'information_schema') and has_schema_privilege(n.oid, 'usage')"
                       " and has_table_privilege(c.oid, 'select')")
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("select * from {}.{}").format(sql.Identifier(schema), sql.Identifier(table)))
            found[f"{schema}.{table}"] = json.dumps(cursor.fetchall(), ensure_ascii=False, default=str)
    assert f"public.{ids.table_id('procurement')}" in found
    hidden = (*world.secrets, world.withdrawn, ids.resource_id(world.withdrawn))
    assert {(table, secret) for table, text in found.items() for secret in hidden if secret in text} == set()


def test_lists_hold_no_name_and_no_count_of_what_waits(world: World) -> None:
    assert call("package_list", "") == ["all-procurement", world.public_name]
    for body, count in ((world.cast.other, 0), (WITHDRAWN_BODY, 0), (world.cast.body, 1)):
        shown = call("organization_show", "", id=body, include_datasets=True)
        assert (shown["package_count"], len(shown["packages"])) == (count, count)
        assert [member for member in call("member_list", "", id=body) if member[1] == "package"] == (
            [(world.public, "package", "organization")] if count else [])
    assert "南通市水利局" not in call("tag_list", "")
    assert "南通市水利局" not in {tag["name"] for tag in call("tag_search", "", query="南通")["results"]}
    facets = call("package_search", "", q="*:*", **{"facet.field": ["organization", "tags", "domain"], "rows": 0})
    assert set(facets["search_facets"]["organization"]["items"][0]) and WITHDRAWN_BODY not in json.dumps(facets)
    listed = {entry["name"]: entry for entry in call("gkopen_domain_list", "")}
    assert (listed["procurement"]["datasets"], listed["procurement"]["rows"]) == (1, 1)


def test_what_is_public_stays_the_approved_version(world: World, visitor: Any) -> None:
    rows = call("datastore_search", "", resource_id="procurement")
    assert [row["project_name"] for row in rows["records"]] == [PUBLIC_ROW]
    assert call("package_show", "", id=world.public_name)["title"] == "南通市财政局政府采购"
    assert PUBLIC_ROW in visitor.get(f"/open/procurement/{world.public_name}.csv").body


def test_people_are_not_listed_and_addresses_not_shown(world: World, visitor: Any) -> None:
    for path in ("/user/", f"/user/{world.cast.officer}", "/api/3/action/user_list?all_fields=true",
                 f"/api/3/action/user_show?id={world.cast.officer}",
                 "/api/3/action/user_autocomplete?q=officer", "/api/2/util/user/autocomplete?q=li"):
        answer = visitor.get(path, follow_redirects=False)
        assert answer.status_code in (302, 403, 404) or world.cast.officer not in answer.body, path
    for who in ("", "no-role", world.cast.stranger):
        for name in crawl.action_names() & {"user_show", "user_list", "user_autocomplete", "member_list"}:
            for identifier in (world.cast.officer, "plain-member"):
                try:
                    told = json.dumps(call(name, who, id=identifier, q=identifier, object_type="user"), default=str)
                except crawl.REFUSALS:
                    continue
                assert MAIL not in told and "@example.com" not in told, (name, who)


def test_withdrawn_is_gone_with_a_public_reason(world: World, visitor: Any) -> None:
    name = world.withdrawn_name
    for address in (f"/dataset/{name}", f"/dataset/{world.withdrawn}", f"/dataset/{name}.jsonld",
                    *(f"/open/procurement/{name}.{form}" for form in ("csv", "excel.csv", "xlsx", "jsonl", "zip"))):
        answer = visitor.get(address)
        assert (answer.status_code, PUBLIC_REASON in answer.body) == (410, True), address
    own = ids.resource_id(world.withdrawn)
    for address in (f"/api/3/action/datastore_search?resource_id={own}", f"/datastore/dump/{own}",
                    f"/api/3/action/resource_show?id={own}", f"/api/3/action/package_show?id={name}",
                    f"/api/3/action/datastore_info?id={own}"):
        assert visitor.get(address).status_code == 404, address
    for table in ("package", "resource", "package_tag", "member"):
        column = {"resource": "package_id", "package_tag": "package_id", "member": "table_id"}.get(table, "id")
        assert model.value(f"select count(*) from public.{table} where {column} = :id", id=world.withdrawn) == 0
    assert ckan_model.Package.get(world.withdrawn) is None
    sealed = model.every("select b.sealed_at from gkopen.revision_part p join gkopen.publication u using (revision_id)"
                         " join gkopen.blob b on b.sha256 = p.new_sha256 where u.dataset_id = :d", d=world.withdrawn)
    assert len(sealed) >= 3 and all(blob["sealed_at"] for blob in sealed)


def test_no_address_outside_leads_to_the_private_storage(world: World, visitor: Any) -> None:
    for row in model.every("select sha256 from gkopen.blob"):
        place = f"{row['sha256'][:2]}/{row['sha256'][2:4]}/{row['sha256']}"
        for address in (f"/{place}", f"/file/download/{place}", f"/uploads/{place}", f"/open/{row['sha256']}",
                        f"/open/procurement/{row['sha256']}", f"/open/..%2f..%2fprivate%2f{place}"):
            assert visitor.get(address, follow_redirects=False).status_code in (302, 404), address


def test_a_wrong_or_old_token_is_nobody(world: World, visitor: Any) -> None:
    for token in ("not-a-token", world.tokens[world.cast.officer] + "x"):
        answer = visitor.get("/api/3/action/gkopen_revision_list", headers={"Authorization": token})
        assert answer.status_code == 403
        assert not re.search(f"{CHINESE}|{LATIN}", answer.body)


def test_a_feed_shows_what_its_owner_may_see_and_opens_nothing_else(world: World, visitor: Any) -> None:
    # Made anew: a crawl with a person's token presses the button that makes an earlier address stop working.
    feeds = {name: call("gkopen_feed_create", name)["token"] for name in (world.cast.officer, world.cast.stranger)}
    told = {name: visitor.get(f"/office/feed.atom?token={token}").body for name, token in feeds.items()}
    assert canary("message") in told[world.cast.officer] and canary("messageother") not in told[world.cast.officer]
    assert canary("messageother") in told[world.cast.stranger] and canary("message") not in told[world.cast.stranger]
    for token in ("", "x", world.doors.push_token, world.tokens[world.cast.officer]):
        assert visitor.get(f"/office/feed.atom?token={token}").status_code == 404
    token = feeds[world.cast.officer]
    for way in ({"Authorization": token}, {"Authorization": f"Bearer {token}"}):
        for path in ("/api/3/action/gkopen_revision_list", "/api/3/action/gkopen_message_list", "/office/feed.atom",
                     f"/api/gkopen/push/procurement/{world.doors.pushes[0]}"):
            assert visitor.get(path, headers=way, follow_redirects=False).status_code in (401, 403, 404), path


def test_a_push_token_opens_its_own_door_only(world: World, visitor: Any) -> None:
    headers = {"Authorization": f"Bearer {world.doors.push_token}"}
    seen = Seen()
    for name in sorted(name for name in crawl.action_names() if name.startswith("gkopen_") and crawl.reads(name)):
        crawl.ask(seen, world, visitor, f"/api/3/action/{name}?id={world.public_name}", "GET", name, headers=headers)
    for path in ("/office/", f"/review/{world.revisions['pushed']}", "/office/tokens/", "/office/feed.atom"):
        crawl.ask(seen, world, visitor, path, headers=headers)
    assert (seen.leaks, seen.broken) == ({}, {})
    states = [visitor.get(f"/api/gkopen/push/procurement/{push}", headers=headers).json["state"]
              for push in world.doors.pushes]
    assert states == ["held", "queued", "failed"]
