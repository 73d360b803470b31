"""Which packages and data files belong to the distribution; everything else is in pyproject.toml.

`schemas/` and `harvesters/` stand at the top level, where the people who edit them look, and are the packages
`ckanext.gkopen.schemas` and `ckanext.gkopen.harvesters`. Packages are listed one by one: `ckanext` is a
namespace shared with other extensions, and a wheel that owned it would break them.
"""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
SOURCES = {
    "ckanext.gkopen": "ckanext/gkopen",
    "ckanext.gkopen.schemas": "schemas",
    "ckanext.gkopen.harvesters": "harvesters",
}
DATA = (
    "yaml",
    "csv",
    "json",
    "html",
    "css",
    "js",
    "svg",
    "png",
    "webp",
    "ico",
    "woff2",
    "po",
    "pot",
    "mo",
    "mako",
    "xml",
    "lock",
    "txt",
    "ini",
    "j2",
    "sql",
    "tsv",
    "ttl",
    "md",
    "conf",
)


def packages() -> dict[str, str]:
    """Every folder with Python files below the three sources: dotted name → folder, relative to the project."""
    found = {}
    for name, source in SOURCES.items():
        for folder in sorted({path.parent for path in (ROOT / source).rglob("*.py")} | {ROOT / source}):
            parts = folder.relative_to(ROOT / source).parts
            found[".".join((name, *parts))] = folder.relative_to(ROOT).as_posix()
    return found


def data_files(folders: dict[str, str]) -> dict[str, list[str]]:
    """The data files of each package; one that lies in a plain folder belongs to the nearest package above
    it.
    """
    owned: dict[str, list[str]] = {name: [] for name in folders}
    by_folder = {folder: name for name, folder in folders.items()}
    for source in SOURCES.values():
        for path in sorted((ROOT / source).rglob("*")):
            if path.suffix.lstrip(".") in DATA and path.is_file():
                owner = next(parent for parent in path.relative_to(ROOT).parents if parent.as_posix() in by_folder)
                owned[by_folder[owner.as_posix()]].append(path.relative_to(ROOT / owner).as_posix())
    return {name: files for name, files in owned.items() if files}


folders = packages()
setup(
    packages=sorted(folders),
    package_dir=folders,
    package_data=data_files(folders),
    # Babel finds the texts to translate in Python, in CKAN's Jinja dialect and in JavaScript.
    message_extractors={
        "ckanext": [
            ("**.py", "python", None),
            ("**.js", "javascript", None),
            ("**/templates/**.html", "ckan", None),
        ],
    },
)
