"""The simulated platform: what it checks, what it serves, and that an officer's edit shows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from openpyxl import Workbook

from ckanext.gkopen.harvesters import load_source, open_transport
from ckanext.gkopen.simulator.faults import FAULTS, parse_fault
from ckanext.gkopen.simulator.folder import Folder, FolderError
from ckanext.gkopen.simulator.platform import Platform
from ckanext.gkopen.simulator.server import running

SECRET = "only-for-tests"
CITY = """\
city: {zh: 试验市, en: Test city}
platform: {secret_env: GKOPEN_SECRET_DEMO, caller: me, page_size: 3, calls_per_minute: 1000}
bodies:
- {id: a, title: {zh: 甲局, en: Body A}, short: [甲], uscc: "11999999000000001U", region: "320600"}
services:
- {id: cars, family: bearer, body: a, domain: parking, file: cars.csv, title: {zh: 停车场, en: Car parks},
   watermark: 更新时间, numbers: [泊位], catalogue: {信息资源代码: "1/1", 是否向社会开放: 否}}
- {id: signed, family: national, body: a, domain: parking, file: cars.csv, title: {zh: 停车场, en: Car parks}}
- {id: noncy, family: header, body: a, domain: parking, file: cars.csv, title: {zh: 停车场, en: Car parks}}
"""
CARS = """\
名称,泊位,金额,更新时间
东,120,90071992547409.93,2026-01-05 08:00:00
西,约90,"1,234.50",2026-02-05 08:00:00
南,007,0.10,2026-03-05 08:00:00
北,5,-1,2026-03-06 08:00:00
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "city.yaml").write_text(CITY, encoding="utf-8")
    (tmp_path / "cars.csv").write_text(CARS, encoding="utf-8-sig")
    return tmp_path


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[str, Platform]]:
    with running(folder, SECRET) as address:
        yield address


def bearer(url: str, **params: str | int) -> requests.Response:
    return requests.get(
        f"{url}/bearer/data/cars", params=params, headers={"Authorization": f"Bearer {SECRET}"}, timeout=5
    )


def test_pages_are_capped_and_numbers_keep_the_digits_of_the_file(served):
    url, _ = served
    answer = bearer(url, page=1, rows=500)
    assert '"totalrecords":4' in answer.text
    assert answer.text.count('"名称"') == 3
    # 泊位 is declared a number: those cells that are one leave as such, the others as text.
    assert re.findall(r'"泊位":("?[^,]+?"?),', answer.text) == ["120", '"约90"', '"007"']
    assert '"金额":"90071992547409.93"' in answer.text
    assert [row["名称"] for row in bearer(url, page=2, rows=500).json()["data"]] == ["北"]


def test_since_gives_what_changed(served):
    url, _ = served
    rows = bearer(url, updateTime="2026-03-05 00:00:00").json()["data"]
    assert [row["名称"] for row in rows] == ["南", "北"]
    assert bearer(url, updateTime="2027-01-01 00:00:00").json()["totalrecords"] == 0


def test_an_edit_shows_in_the_next_call_whatever_excel_saved(served, folder):
    url, _ = served
    assert bearer(url).json()["data"][0]["名称"] == "东"
    (folder / "cars.csv").write_bytes(CARS.replace("东", "东门").encode("gb18030"))
    assert bearer(url).json()["data"][0]["名称"] == "东门"
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for line in (["名称", "泊位"], ["中心", 120], ["临时", 12.5]):
        sheet.append(line)
    book.save(folder / "cars.xlsx")
    (folder / "city.yaml").write_text(CITY.replace("file: cars.csv", "file: cars.xlsx"), encoding="utf-8")
    assert bearer(url).json()["data"] == [{"名称": "中心", "泊位": 120}, {"名称": "临时", "泊位": 12.5}]


def test_the_catalogue_says_what_city_yaml_says(served):
    url, _ = served
    headers = {"Authorization": f"Bearer {SECRET}"}
    entry = requests.get(f"{url}/bearer/catalogue/cars", headers=headers, timeout=5).json()["data"]
    assert entry["是否向社会开放"] == "否"
    assert entry["信息资源提供方"] == "甲局"
    assert [item["信息项名称"] for item in entry["信息项"]] == ["名称", "泊位", "金额", "更新时间"]
    (listed,) = requests.get(f"{url}/bearer/catalogue", headers=headers, timeout=5).json()["data"]
    assert listed == entry


@pytest.mark.parametrize("path", ["bearer/data/cars", "bearer/catalogue", "bearer/catalogue/cars"])
def test_nothing_is_served_unsigned(served, path):
    url, _ = served
    answer = requests.get(f"{url}/{path}", timeout=5)
    assert answer.status_code == 401
    assert "东" not in answer.text


@pytest.mark.parametrize(
    ("service", "family", "signer"),
    [("signed", "national", "{family: national, requester: me}"), ("noncy", "header", "{family: header, id: me}")],
)
def test_a_call_made_twice_is_a_replay(served, monkeypatch, service, family, signer):
    url, _ = served
    text = f"""{{name: aa, title: t, domain: parking, organization: a, transport: exchange, service: {service},
        url: '{url}/{family}/data/{{service}}', signer: {signer}, secret_env: GKOPEN_SECRET_A, update_cycle: daily}}"""
    sent: list[requests.PreparedRequest] = []
    send = requests.Session.send
    monkeypatch.setattr(
        requests.Session, "send", lambda self, request, **how: (sent.append(request), send(self, request, **how))[1]
    )
    transport = open_transport(load_source(text), SECRET, allowed_hosts=["127.0.0.1"])
    assert sum(len(page.rows) for page in transport.pages()) == 4
    transport.close()
    with requests.Session() as session:
        answer = session.send(sent[0], timeout=5)
    assert answer.json()["code"] == "403"
    assert "重复" in answer.json()["message"]


def test_the_rate_is_limited_with_retry_after(served, folder):
    url, _ = served
    (folder / "city.yaml").write_text(CITY.replace("calls_per_minute: 1000", "calls_per_minute: 2"), encoding="utf-8")
    assert [bearer(url).status_code for _ in range(3)] == [200, 200, 429]
    assert 1 <= int(bearer(url).headers["Retry-After"]) <= 61


def test_faults_are_switched_over_http_from_this_machine(served):
    url, platform = served
    answer = requests.post(f"{url}/_faults", json={"faults": ["html*1", "short_page:3@cars"]}, timeout=5).json()
    assert [fault["name"] for fault in answer["on"]] == ["html", "short_page"]
    assert set(answer["known"]) == set(FAULTS)
    assert "<html>" in bearer(url).text
    assert bearer(url).json()["totalrecords"] == 4
    wrong = requests.post(f"{url}/_faults", json={"faults": ["nonsense"]}, timeout=5)
    assert wrong.status_code == 400
    assert "truncated_json" in wrong.text
    assert requests.get(f"{url}/_calls", timeout=5).json() == {"cars": 2}
    assert platform.calls["cars"] == 2


def test_faults_are_not_switched_from_elsewhere(folder):
    """Behind the simulator's own socket the caller's address is what counts, not a header."""
    platform = Platform(Folder(folder), SECRET)
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/_faults", "REMOTE_ADDR": "10.0.0.9", "SERVER_NAME": "x",
        "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_FOR": "127.0.0.1",
    }  # fmt: skip
    list(platform(environ, lambda line, headers: status.append(line)))
    assert status == ["404 NOT FOUND"]


@pytest.mark.parametrize(
    ("text", "name", "value", "service", "times"),
    [
        ("slow", "slow", None, None, None),
        ("429:30", "429", 30, None, None),
        ("500_on_page_7@cars*2", "500_on_page_N", 7, "cars", 2),
    ],
)
def test_how_a_fault_is_written(text, name, value, service, times):
    fault = parse_fault(text)
    assert (fault.name, fault.value, fault.service, fault.times) == (name, value, service, times)


def drifted(served: tuple[str, Platform], fault: str) -> list[dict]:
    url, platform = served
    platform.faults.replace([parse_fault(fault)])
    return json.loads(bearer(url).text, parse_float=str)["data"]


def test_drifting_columns(served):
    assert list(drifted(served, "drift_add")[0]) == ["名称", "泊位", "金额", "更新时间", "备用字段"]
    assert list(drifted(served, "drift_remove")[0]) == ["名称", "泊位", "金额"]
    assert list(drifted(served, "drift_rename")[0]) == ["名称（新）", "泊位", "金额", "更新时间"]
    assert drifted(served, "drift_swap")[0]["名称"] == "120"
    assert drifted(served, "drift_retype")[0]["泊位"] == "约120左右"
    assert drifted(served, "numbers_as_text")[0]["泊位"] == "120"


def test_a_stopping_server_lets_no_waiting_call_hang(folder):
    began = time.monotonic()
    with running(folder, SECRET, faults=[parse_fault("timeout")]) as (url, _), pytest.raises(requests.Timeout):
        requests.get(f"{url}/bearer/data/cars", timeout=0.2)
    assert time.monotonic() - began < 3


BROKEN = [
    ("city: [", "city.yaml"),
    (CITY.replace("family: bearer", "family: carrier-pigeon"), "cars"),
    (CITY.replace("body: a", "body: nobody"), "cars"),
    (CITY.replace("file: cars.csv, ", ""), "file"),
    (CITY.replace("secret_env", "secret"), "secret_env"),
]


@pytest.mark.parametrize(("text", "said"), BROKEN)
def test_a_wrong_city_yaml_is_named(folder, text, said):
    (folder / "city.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FolderError, match=said):
        Folder(folder).city()


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "gone.csv"])
def test_only_files_of_the_folder_are_served(folder, name):
    (folder.parent / "secret.csv").write_text("a\n1\n")
    (folder / "city.yaml").write_text(CITY.replace("file: cars.csv", f"file: {name}"), encoding="utf-8")
    served = Folder(folder)
    with pytest.raises(FolderError):
        served.table(served.city().services["cars"])
