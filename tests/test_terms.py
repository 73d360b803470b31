"""One Chinese term for one thing, everywhere: pages, messages, findings, commands, documents."""

from __future__ import annotations

from ckanext.gkopen.embedded.places import PROJECT

INSTEAD = {"归" + "集": "采集"}
"""What is not said here → what is. The platform gathers (归集) what departments have; gkopen harvests it (采集)."""
FOLDERS = ("ckanext", "harvesters", "schemas", "docs")
ENDINGS = (".py", ".html", ".md", ".yaml", ".po", ".js", ".csv")


def test_one_term_for_one_thing() -> None:
    files = [path for folder in FOLDERS for path in (PROJECT / folder).rglob("*") if path.suffix in ENDINGS]
    assert len(files) > 200
    found = [(str(path.relative_to(PROJECT)), word) for path in [*files, *PROJECT.glob("*.md")]
             for word in INSTEAD if word in path.read_text("utf-8")]
    assert found == []
