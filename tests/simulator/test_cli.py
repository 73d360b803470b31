"""The command: its help, its mistakes, and a run from start to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner

from ckanext.gkopen.simulator.cli import simulate
from ckanext.gkopen.simulator.faults import FAULTS


def run(*arguments: str, **environ: str):
    return CliRunner().invoke(simulate, list(arguments), env={"GKOPEN_SECRET_DEMO": None, **environ})


def test_help_speaks_both_languages_and_names_every_fault():
    shown = run("--help").output
    assert "共享交换平台模拟器" in shown
    assert "The simulated exchange platform" in shown
    assert all(name in shown.replace("\n  ", " ") for name in FAULTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "nonsense"], "truncated_json"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--rows", "5", "--data", "."], "--rows"),
        ([], "GKOPEN_SECRET_DEMO"),
    ],
)
def test_mistakes_say_what_to_do(arguments, said):
    result = run(*arguments)
    assert result.exit_code != 0
    assert said in result.output


def test_a_folder_without_a_city_is_named(tmp_path):
    result = run("--data", str(tmp_path), GKOPEN_SECRET_DEMO="x")
    assert result.exit_code == 1
    assert "city.yaml" in result.output


def test_it_serves_generated_rows_until_it_is_told_to_stop():
    command = [sys.executable, "-m", "ckanext.gkopen.simulator", "--port", "0", "--rows", "12", "--fault", "html*1"]
    environ = {**os.environ, "GKOPEN_SECRET_DEMO": "only-for-tests"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[0]
            headers = {"Authorization": "Bearer only-for-tests"}
            first = requests.get(f"{url}/bearer/data/gen-hotline", headers=headers, timeout=5)
            assert "统一身份认证" in first.text
            second = requests.get(f"{url}/bearer/data/gen-hotline", headers=headers, timeout=5)
            assert second.json()["totalrecords"] == 12
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=5) == 0
        finally:
            process.kill()


def test_a_taken_port_is_one_sentence(unused_tcp_port_socket):
    port = unused_tcp_port_socket.getsockname()[1]
    result = run("--port", str(port), GKOPEN_SECRET_DEMO="x")
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.output
