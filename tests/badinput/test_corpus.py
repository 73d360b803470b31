"""Every kind of bad file in every domain: named, placed, explained in two languages, and no row lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ckanext.gkopen.domains import UnknownDomain, get_domain
from ckanext.gkopen.examine import examine, render
from ckanext.gkopen.normalise.raw import MAX_TEXT_BYTES
from ckanext.gkopen.records import Finding, Options, Unreadable

from .corpus import Base, Case, cases

CORPUS = list(cases())


def explained(findings: list[Finding]) -> None:
    for finding in findings:
        for lang in ("zh", "en"):
            told = " ".join(render(finding, lang).values())
            assert "…" not in told, told
            assert not re.search(r"\{\w*\}", told), told


def test_the_corpus_is_large():
    assert len(CORPUS) >= 200
    assert len({case.id for case in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.id)
def test_bad_file(case: Case, tmp_path: Path):
    path = tmp_path / "raw"
    path.write_bytes(case.data)
    domain = get_domain(case.domain)
    if case.rows is None:
        with pytest.raises(Unreadable) as refused:
            examine(domain, path, filename=case.filename, options=Options())
        findings = refused.value.findings
    else:
        x = examine(domain, path, filename=case.filename, options=Options())
        findings = x.findings
        assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
        counts = (x.rows_in, x.rows_quarantined, x.rows_duplicate)
        assert counts == (case.rows, case.bad, case.duplicate), [f.as_dict() for f in findings if f.line]
        for column in x.table.columns:
            assert "\ufffd" not in str(column.to_pylist())
    explained(findings)
    if not case.codes:
        assert not [f for f in findings if f.severity == "error"]
        return
    found = [f for f in findings if f.code in case.codes]
    assert found, [f.as_dict() for f in findings]
    if case.line is not None:
        assert case.line in [f.line for f in found]
    assert "13912345678" not in str([f.as_dict() for f in findings])


@pytest.mark.parametrize("name", ["budget", "parking"])
def test_too_large_is_said_before_reading(name, tmp_path):
    path = tmp_path / "raw.csv"
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)
    with pytest.raises(Unreadable) as refused:
        examine(get_domain(name), path, filename="表.csv", options=Options())
    assert refused.value.findings[0].code == "file-too-large"
    explained(refused.value.findings)


def test_unknown_domain_names_those_that_are():
    with pytest.raises(UnknownDomain, match="budget"):
        get_domain("budgets")


def test_rare_characters_are_exact(tmp_path):
    case = next(case for case in CORPUS if case.id == "parking-gb18030-rare")
    path = tmp_path / "raw.csv"
    path.write_bytes(case.data)
    x = examine(get_domain("parking"), path, filename="表.csv", options=Options())
    assert x.encoding == "gb18030"
    assert any("𠮷㐂䶮" in name for name in x.table["name"].to_pylist())


def test_nothing_personal_stands_in_a_note(tmp_path):
    text = f"停车场一览表 联系电话13912345678\n{Base('parking').csv()}注：联系人张三，电话13812345678\n"
    path = tmp_path / "raw.csv"
    path.write_text(text)
    x = examine(get_domain("parking"), path, filename="表.csv", options=Options())
    assert x.rows_ok == 4
    said = str(x.notes) + str([f.as_dict() for f in x.findings])
    assert not any(secret in said for secret in ("13912345678", "13812345678", "张三"))
    assert [f.params["at"] for f in x.findings if f.code == "personal-outside"] == [1, 7]
    explained(x.findings)


HOSTILE = """
import re, resource, sys
from pathlib import Path
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Options, Unreadable
for path in map(Path, sys.argv[1:]):
    # Ten seconds of processor time for each file: then the system ends the process, and the test fails.
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 10, resource.RLIM_INFINITY))
    try:
        examine(get_domain("parking"), path, filename=path.name, options=Options())
    except Unreadable as error:
        print(error.findings[0].code)
# not ru_maxrss: a child inherits that of the process which started it
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_hostile_files_are_refused_in_little_memory(tmp_path):
    paths = []
    for kind in ("workbook-bomb", "workbook-xxe", "columns-100000"):
        case = next(case for case in CORPUS if case.id == f"parking-{kind}")
        paths.append(tmp_path / f"{kind}.{case.filename.rsplit('.', 1)[1]}")
        paths[-1].write_bytes(case.data)
    paths.append(tmp_path / "large.csv")
    with paths[-1].open("wb") as file:
        file.truncate(2 << 30)
    done = subprocess.run([sys.executable, "-c", HOSTILE, *map(str, paths)], check=True, text=True, capture_output=True)
    *codes, megabytes = done.stdout.split()
    assert codes == ["zip-bomb", "xml-entities", "too-many-columns", "file-too-large"]
    assert int(megabytes) < 300
