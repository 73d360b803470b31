"""Rules for the Dockerfile: pinned images, no root, nothing copied that is not there or not let in."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from .setup_files import DOCKER, PROJECT, Stage, copied, stages

STAGES = {stage.name: stage for stage in stages()}
INSTRUCTIONS = {
    "FROM", "RUN", "COPY", "ARG", "ENV", "WORKDIR", "USER", "EXPOSE", "CMD", "ENTRYPOINT", "HEALTHCHECK", "VOLUME",
}  # fmt: skip


def let_in(path: str) -> bool:
    """Whether the .dockerignore beside the Dockerfile lets a path of the context into the build: the last line that
    matches it or a folder above it decides."""
    allowed = True
    for line in (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        above = [path, *(path.rsplit("/", up)[0] for up in range(1, path.count("/") + 1))]
        if "**/" in line:
            above += [part.rsplit("/", 1)[-1] for part in above]
        if any(fnmatch(part, pattern) for part in above):
            allowed = line.startswith("!")
    return allowed


def test_there_are_two_images() -> None:
    assert list(STAGES) == ["portal", "solr"]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_the_base_image_is_pinned(stage: Stage) -> None:
    image, _, tag = stage.base.partition(":")
    assert image
    assert re.match(r"\d+\.\d+", tag), stage.base


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_it_does_not_run_as_root(stage: Stage) -> None:
    users = stage.all("USER")
    assert users
    assert users[-1] not in {"root", "0"}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_instructions_are_known_and_add_is_not_used(stage: Stage) -> None:
    assert {word for word, _ in stage.instructions} <= INSTRUCTIONS
    assert all(rest.startswith("[") for rest in stage.all("CMD"))


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_every_copied_path_is_there_and_let_in(stage: Stage) -> None:
    for copy in copied(stage):
        for source in copy.sources:
            if copy.stage:
                assert copy.stage in STAGES
                made = " ".join(rest for _, rest in STAGES[copy.stage].instructions)
                assert source in made, f"{source} is made by no instruction of {copy.stage}"
            else:
                assert (PROJECT / source).exists(), source
                assert let_in(source), f"{source} is kept out by Dockerfile.dockerignore"


@pytest.mark.parametrize("path", ["docker/.env", "docker/backups", "var", ".git", "tests", ".venv",
                                  "ckanext/gkopen/__pycache__"])
def test_secrets_and_data_stay_out(path: str) -> None:
    assert not let_in(path)


def test_packages_come_from_the_lock() -> None:
    installs = [rest for rest in STAGES["portal"].all("RUN") if "pip install" in rest]
    assert len(installs) == 2
    assert all("--no-deps" in rest and "--no-cache-dir" in rest for rest in installs)
    assert "--requirement requirements.lock" in installs[0]


def test_system_packages_are_few_and_leave_no_lists() -> None:
    for rest in STAGES["portal"].all("RUN"):
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest


def test_no_secret_is_built_in() -> None:
    for stage in STAGES.values():
        for word in ("ARG", "ENV"):
            assert not re.search(r"PASSWORD|SECRET|TOKEN|KEY", " ".join(stage.all(word)))


def test_solr_has_the_configuration_and_version_that_the_tests_have() -> None:
    assert any("python -m ckanext.gkopen.solr.schema /srv/solr-conf" in rest for rest in STAGES["portal"].all("RUN"))
    tested = (PROJECT / "ckanext/gkopen/solr/jars.lock").read_text("utf-8")
    version = STAGES["solr"].base.partition(":")[2]
    assert re.search(rf"org\.apache\.solr:solr-core:{re.escape(version)} ", tested)


def test_the_web_server_is_started_with_files_that_are_copied() -> None:
    files = {source for copy in copied(STAGES["portal"]) for source in copy.sources}
    started = " ".join(STAGES["portal"].all("CMD") + STAGES["portal"].all("ENV"))
    for name in re.findall(r"docker/[a-z_]+\.(?:py|ini)", started):
        assert name in files
