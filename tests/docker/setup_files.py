"""What the tests of docker/ read: the compose file, the Dockerfile's stages, the names in .env.example."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
DOCKER = PROJECT / "docker"
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?::\?[^}]*)?\}")


def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))


def filled(path: Path) -> dict[str, str]:
    """Name → value of a file like .env."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def example() -> dict[str, str]:
    return filled(DOCKER / ".env.example")


@dataclass
class Stage:
    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for found, rest in self.instructions if found == word]


def stages() -> list[Stage]:
    """The Dockerfile's stages with their instructions, continued lines joined."""
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found: list[Stage] = []
    for line in kept.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, rest = line.split(None, 1)
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(name, base))
        else:
            found[-1].instructions.append((word, " ".join(rest.split())))
    return found


@dataclass(frozen=True)
class Copied:
    """One COPY: `stage` is the stage that the sources come from, None for the build's context."""

    sources: tuple[str, ...]
    target: str
    stage: str | None


def copied(stage: Stage) -> list[Copied]:
    found = []
    for rest in stage.all("COPY"):
        words = shlex.split(rest)
        options = [word for word in words if word.startswith("--")]
        paths = [word for word in words if not word.startswith("--")]
        origin = next((word.removeprefix("--from=") for word in options if word.startswith("--from=")), None)
        found.append(Copied(tuple(paths[:-1]), paths[-1], origin))
    return found
