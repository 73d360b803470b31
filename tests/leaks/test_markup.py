"""Markup in rows, file names, titles and reasons is text on every page; a form without its token does nothing."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from ckanext.gkopen import model
from tests.leaks.world import approve, drain, row, submit
from tests.people import call, make_cast

MARK = "xssmark"
ATTACKS = (f"<script>{MARK}()</script>", f"</script><img src=x onerror={MARK}()>", f"\"'><svg onload={MARK}()>")


class Elements(HTMLParser):
    """Collects what would run: elements and attributes that carry the mark."""

    def __init__(self) -> None:
        super().__init__()
        self.run: list[str] = []
        self.script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.script = tag == "script" and dict(attrs).get("type") != "application/ld+json"
        self.run += [f"{tag} {name}" for name, value in attrs if name.startswith("on") and MARK in (value or "")]

    def handle_endtag(self, tag: str) -> None:
        self.script = False

    def handle_data(self, data: str) -> None:
        if self.script and MARK in data:
            self.run.append(f"script {data[:40]}")


def running(page: str) -> list[str]:
    parser = Elements()
    parser.feed(page)
    return parser.run


def test_the_parser_sees_what_would_run() -> None:
    assert running("".join(ATTACKS))


def test_markup_is_shown_as_text(app: Any) -> None:
    cast = make_cast()
    rows = [row(number, attack.replace('"', "”")) for number, attack in enumerate(ATTACKS, 1)]
    first = submit(cast.officer, cast.body, *rows, filename=f"{ATTACKS[0]}.csv")["revision_id"]
    name = f"{cast.body}-procurement"
    first = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                 metadata={"title": ATTACKS[1], "notes": "".join(ATTACKS)})["revision_id"]
    approve(cast.reviewer, first)
    drain()
    second = submit(cast.officer, cast.body, *rows, row(9, ATTACKS[0], date=ATTACKS[0]),
                    row(10, ATTACKS[1]), filename=f"{ATTACKS[1]}.csv")["revision_id"]
    call("gkopen_revision_return", cast.reviewer, id=second, reason=ATTACKS[0])
    public = (f"/dataset/{name}", "/domain/procurement", "/dataset/", "/open/", "/", f"/organization/{cast.body}",
              "/dataset/?q=" + ATTACKS[0])
    for page in public:
        body = app.get(page, status=200).body
        assert running(body) == [], page
    assert MARK in app.get(f"/dataset/{name}").body
    app.set_session_user(cast.officer)
    for page in ("/office/", f"/review/{second}", f"/review/{first}", f"/office/metadata/{name}"):
        body = app.get(page, status=200).body
        assert running(body) == [], page
    call("gkopen_dataset_withdraw", cast.reviewer, id=name, reason=ATTACKS[1])
    drain()
    assert running(app.get(f"/dataset/{name}", status=410).body) == []


def test_every_form_of_ours_wants_its_token(app: Any) -> None:
    cast = make_cast()
    held = submit(cast.officer, cast.body, row(1, "停车场收费系统采购"))["revision_id"]
    app.set_session_user(cast.office)
    tried = 0
    for rule in app.flask_app.url_map.iter_rules():
        if rule.endpoint.startswith("gkopen_") and "POST" in (rule.methods or ()):
            values = {name: {"what": "harvest"}.get(name, held) for name in rule.arguments}
            built = rule.build(values, append_unknown=False)
            assert built is not None
            # The door for business systems knows tokens alone, and no session.
            wanted = 401 if rule.endpoint.startswith("gkopen_push.") else 400
            assert app.post(built[1], data={"reason": "x", "digest": "0"}).status_code == wanted, built[1]
            tried += 1
    assert tried >= 7
    assert model.value("select state from gkopen.revision where id = :id", id=held) == "held"


def test_a_log_in_changes_the_session_and_its_cookie_is_guarded(app: Any) -> None:
    cast = make_cast()
    page = app.get("/user/login")
    before = app.client.get_cookie("ckan", domain="test.ckan.net")
    token = page.body.split('name="_csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    answer = app.post("/user/login", data={"login": cast.officer, "password": "correct-horse-9",
                                           "_csrf_token": token}, follow_redirects=False)
    assert answer.status_code == 302
    cookies = [value for name, value in answer.headers if name == "Set-Cookie" and value.startswith("ckan=")]
    assert cookies and before is not None
    assert before.value not in cookies[0]
    assert "HttpOnly" in cookies[0] and "SameSite=Lax" in cookies[0]
