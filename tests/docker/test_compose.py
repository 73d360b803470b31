"""compose.yaml hangs together: keys of the specification, health checks, volumes, paths, variables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ckan.config.environment import CONFIG_FROM_ENV_VARS

from .setup_files import DOCKER, VARIABLE, compose, example, stages

TOP_LEVEL = {"name", "services", "networks", "volumes"}
# Those of the Compose specification's service that are used here; an unknown one stops `docker compose`.
SERVICE_KEYS = {
    "image", "build", "init", "restart", "environment", "env_file", "volumes", "ports", "networks", "depends_on",
    "healthcheck", "command", "stop_grace_period", "shm_size", "logging",
}  # fmt: skip
CONDITIONS = {"service_healthy", "service_completed_successfully", "service_started"}
DURATION = re.compile(r"\d+(ms|s|m|h)")
# Read by the programs of images that are not ours.
READ_BY_IMAGES = {
    "postgres": {"POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"},
    "valkey": {"VALKEY_EXTRA_FLAGS"},
    "solr": {"SOLR_HEAP", "SOLR_MODULES"},
    "nginx": {"GKOPEN_GATEWAY"},
}
SERVICES: dict[str, dict[str, Any]] = compose()["services"]


def runs_once(name: str) -> bool:
    waiting = [service["depends_on"].get(name, {}) for service in SERVICES.values() if "depends_on" in service]
    return any(entry.get("condition") == "service_completed_successfully" for entry in waiting)


def test_it_has_the_parts_of_a_portal() -> None:
    assert set(SERVICES) == {"nginx", "web", "worker", "init", "postgres", "valkey", "solr"}
    assert {key for key in compose() if not key.startswith("x-")} == TOP_LEVEL


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_only_keys_of_the_specification(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    assert set(service.get("build", {})) <= {"context", "dockerfile", "target", "args"}
    for entry in service.get("depends_on", {}).values():
        assert entry["condition"] in CONDITIONS
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert set(service["networks"]) <= set(compose()["networks"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_whether_it_is_healthy(name: str) -> None:
    service = SERVICES[name]
    if runs_once(name):
        assert service["restart"] == "no"
        return
    check = service["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert len(check["test"]) > 1
    assert service["restart"] == "unless-stopped"
    for key in ("interval", "timeout"):
        assert DURATION.fullmatch(check[key])


@pytest.mark.parametrize("name", SERVICES)
def test_a_services_log_does_not_fill_the_disk(name: str) -> None:
    """Docker's own default has no limit."""
    options = SERVICES[name]["logging"]["options"]
    assert re.fullmatch(r"\d+m", options["max-size"]) and int(options["max-file"]) > 1


def test_who_waits_for_health_waits_for_a_service_that_tells_it() -> None:
    for name, service in SERVICES.items():
        for other, entry in service.get("depends_on", {}).items():
            if entry["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"


def test_the_portals_own_addresses_are_the_health_checks() -> None:
    assert "/readyz" in " ".join(SERVICES["web"]["healthcheck"]["test"])
    assert "/healthz" in " ".join(SERVICES["nginx"]["healthcheck"]["test"])
    assert "/ckan/admin/ping" in " ".join(SERVICES["solr"]["healthcheck"]["test"])


def test_every_volume_is_declared_and_used() -> None:
    named = set()
    for service in SERVICES.values():
        for entry in service.get("volumes", []):
            source, target = entry.split(":")[:2]
            assert target.startswith("/")
            if source.startswith("."):
                assert (DOCKER / source).exists(), source
                assert entry.endswith(":ro")
            else:
                named.add(source)
    assert named == set(compose()["volumes"])


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        image = service["image"]
        tag = image.rpartition(":")[2]
        assert re.search(r"\d", tag), f"{name}: {image}"
        assert tag != "latest"


def test_a_build_names_a_stage_of_the_dockerfile() -> None:
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["target"] in {stage.name for stage in stages()}
            context = (DOCKER / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()


def test_only_nginx_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert compose()["networks"]["inside"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"nginx", "worker"}


def test_variables_of_the_compose_file_are_those_of_the_example() -> None:
    text = "\n".join(line for line in (DOCKER / "compose.yaml").read_text("utf-8").splitlines()
                     if not line.lstrip().startswith("#"))
    assert set(VARIABLE.findall(text)) == set(example())
    # Everything that looks like a variable is one: `$X` would be replaced too.
    assert text.replace("$$", "").count("$") == len(VARIABLE.findall(text))


def test_every_variable_of_the_portal_is_read() -> None:
    read = set(CONFIG_FROM_ENV_VARS.values())
    for path in ("production.ini", "gunicorn.py", "init.py", "worker_health.py"):
        text = (DOCKER / path).read_text("utf-8")
        read |= set(re.findall(r"%\(([A-Z0-9_]+)\)s", text)) | set(re.findall(r'"(CKAN_[A-Z0-9_]+)"', text))
    passed = set(SERVICES["init"]["environment"])
    assert set(SERVICES["web"]["environment"]) < passed
    assert passed <= read


@pytest.mark.parametrize("name", READ_BY_IMAGES)
def test_every_variable_of_another_image_is_read(name: str) -> None:
    in_the_check = set(re.findall(r"\$\$([A-Z_]+)", " ".join(SERVICES[name]["healthcheck"]["test"])))
    assert set(SERVICES[name]["environment"]) == READ_BY_IMAGES[name] | in_the_check


def test_solr_has_the_analysis_that_the_schema_asks_for() -> None:
    types = (DOCKER.parent / "ckanext/gkopen/solr/conf/types.xml").read_text("utf-8")
    assert "solr.ICU" in types
    assert SERVICES["solr"]["environment"]["SOLR_MODULES"] == "analysis-extras"


def test_a_secret_that_is_missing_stops_the_start() -> None:
    text = (DOCKER / "compose.yaml").read_text("utf-8")
    for name, value in example().items():
        if not value and name.endswith(("PASSWORD", "KEY", "SECRET")):
            assert f"${{{name}:?" in text, name


def test_the_databases_have_the_language_of_the_tested_ones() -> None:
    """The order of texts and the folding of letters are those that the tests ran with (embedded/postgres.py)."""
    tested = (DOCKER.parent / "ckanext/gkopen/embedded/postgres.py").read_text("utf-8")
    for option in SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split():
        if option != "--data-checksums":
            assert f'"{option}"' in tested, option
    assert SERVICES["postgres"]["image"].startswith("postgres:18")
