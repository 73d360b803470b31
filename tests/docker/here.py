"""Stands for the program `docker` where there is none: a service's command runs on this machine, with the environment
that compose.yaml gives the service. `machine.json` beside it says what stands for names of services, for the databases
of production and for /var/lib/ckan. Only what the scripts of docker/ ask for is understood.
"""

import json
import os
import sys
from pathlib import Path

import yaml
from setup_files import PROJECT, VARIABLE, filled

FOLDER = Path(os.environ["GKOPEN_MACHINE"])
OPTIONS = ("-T", "--rm", "--no-deps")


def main(words: list[str]) -> None:
    compose, _, file, _, env_file, verb, *rest = words
    assert compose == "compose", words
    if verb in ("stop", "up"):
        return                                             # servers run; web and worker are the test's to start
    assert verb in ("exec", "run"), words
    service, *command = (word for word in rest if word not in OPTIONS)
    machine = json.loads((FOLDER / "machine.json").read_text("utf-8"))

    def here(text: str) -> str:
        for there, name in machine["names"].items():
            text = text.replace(there, name)
        return text

    values = filled(Path(env_file))
    described = yaml.safe_load(Path(file).read_text("utf-8"))["services"][service]
    environment = {name: here(VARIABLE.sub(lambda found: values[found.group(1)], str(value)))
                   for name, value in described["environment"].items()}
    command = command or described["command"]
    if service == "postgres":
        command = [machine["databases"].get(word, word) for word in command]
        command = [f"--dbname={machine['databases'][word[9:]]}" if word.startswith("--dbname=") else word
                   for word in command]
    command = [word.replace("/var/lib/ckan", str(FOLDER)) for word in command]
    os.chdir(PROJECT)
    os.execvpe(command[0], command, {**os.environ, **machine["environment"], **environment})


if __name__ == "__main__":
    main(sys.argv[1:])
