"""The settings of the image are complete, and nginx keeps no page that belongs to somebody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ckan.cli import CKANConfigLoader

from ckanext.gkopen.embedded.places import PROJECT

from .setup_files import DOCKER, VARIABLE, compose, example


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """As CKAN reads them in the web container, secrets made up."""
    values = {name: value or "0f" * 32 for name, value in example().items()}
    for name, value in compose()["services"]["web"]["environment"].items():
        monkeypatch.setenv(name, VARIABLE.sub(lambda found: values[found.group(1)], str(value)))
    return dict(CKANConfigLoader(str(DOCKER / "production.ini")).get_config())


def test_it_stands_on_the_settings_of_demo_and_tests(settings: dict[str, Any]) -> None:
    common = dict(CKANConfigLoader(str(PROJECT / "ckanext/gkopen/embedded/site.ini")).get_config())
    for name in ("ckan.plugins", "scheming.dataset_schemas", "ckan.auth.public_user_details"):
        assert settings[name] == common[name]


def test_nothing_is_left_open(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        assert "%(" not in str(value), name
    for kind in ("SESSION", "REMEMBER"):
        flags = [settings[f"{kind}_COOKIE_{flag}"] for flag in ("SECURE", "HTTPONLY", "SAMESITE")]
        assert flags == ["true", "true", "Lax"]
    assert settings["debug"] == "false"


def test_secrets_come_from_the_environment(settings: dict[str, Any]) -> None:
    for name in ("SECRET_KEY", "WTF_CSRF_SECRET_KEY", "api_token.jwt.encode.secret", "api_token.jwt.decode.secret"):
        assert settings[name].endswith("0f" * 32)


def test_folders_are_volumes(settings: dict[str, Any]) -> None:
    mounted = [entry.split(":")[1] for entry in compose()["services"]["web"]["volumes"]]
    for name in ("ckan.webassets.path", "ckan.files.storage.gkopen_private.path",
                 "ckan.files.storage.gkopen_public.path"):
        assert any(settings[name] == place or settings[name].startswith(f"{place}/") for place in mounted)


def directives() -> str:
    return "\n".join(line.split("#")[0] for line in (DOCKER / "nginx/portal.conf").read_text("utf-8").splitlines())


def location(name: str) -> str:
    found = re.search(rf"location {re.escape(name)} \{{(.*?)\n    \}}", directives(), re.DOTALL)
    assert found, name
    return found.group(1)


def test_braces_close_and_lines_end() -> None:
    depth = 0
    for line in directives().splitlines():
        depth += line.count("{") - line.count("}")
        assert depth >= 0
        if line.strip() and not line.rstrip().endswith(("{", "}", ";")):
            raise AssertionError(f"not ended: {line}")
    assert depth == 0


def test_pages_of_somebody_are_never_kept() -> None:
    pages = location("/")
    assert "proxy_no_cache $personal" in pages
    assert "proxy_cache_bypass $personal" in pages
    assert re.search(r'map "\$http_cookie\$http_authorization\$http_x_ckan_api_key" \$personal', directives())
    # This would make nginx keep answers that set a session cookie.
    assert "proxy_ignore_headers" not in directives()


def test_published_files_and_the_interface_are_passed_through() -> None:
    language = "/[a-z]{2}(?:_[A-Za-z]+)*"
    for name in ("/open", f'~ "^{language}/open(?:/|$)"', "@open", f'~ "^(?:{language})?/(?:api|datastore/dump)/"',
                 f'~ "^(?:{language})?/user/login"'):
        assert "proxy_pass http://portal" in location(name)
        assert "proxy_cache off" in location(name)
    assert "return 404" in location("= /metrics")


def test_nginx_lets_the_largest_submission_pass() -> None:
    declared = (PROJECT / "ckanext/gkopen/config_declaration.yaml").read_text("utf-8")
    limit = re.search(r"submission_max_size\n\s+type: int\n\s+default: (\d+)", declared)
    accepted = re.search(r"client_max_body_size (\d+)m", directives())
    assert limit
    assert accepted
    assert int(accepted.group(1)) > int(limit.group(1))
