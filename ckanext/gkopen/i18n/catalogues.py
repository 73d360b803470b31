"""Our own texts and those of CKAN that its Chinese catalogue lacks, in one catalogue a language.

English is the language of the msgids and needs no catalogue. zh_Hans_CN is translated by hand; of CKAN's texts that
only its zh_Hant_TW has, the simplified form is taken from there by OpenCC. zh_Hant_TW is made from zh_Hans_CN.

Chinese has one form for all numbers, but each plural stands here twice: flask-babel merges catalogues into one whose
plural rule is the English one, and looks for the second form. For the same reason CKAN's own plurals are repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import opencc
import polib
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_file
from ckan.lib.extract import extract_ckan

from ckanext.gkopen.i18n import DOMAIN

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
SOURCES = (PROJECT / "ckanext/gkopen", PROJECT / "harvesters", PROJECT / "schemas")
CORE = "CKAN"
"""Comment of the entries that stand in for a text which CKAN's own Chinese catalogue lacks."""
KEYWORDS = {**DEFAULT_KEYWORDS, "ungettext": (1, 2), "N_": None, "Refused": None}
TAIWAN = {"机构": "機關", "发布": "發布", "领域": "領域", "登录": "登入"}
"""Words that OpenCC's phrases do not bring into the usage of Taiwan's government portals."""


@dataclass(slots=True)
class Catalogues:
    """`template`: what the sources say now; `hans`: the catalogue that people edit; `hant`: made from it."""

    template: polib.POFile
    hans: polib.POFile
    hant: polib.POFile

    @classmethod
    def read(cls) -> Catalogues:
        hans = _read("zh_Hans_CN")
        return cls(_template(), hans, _traditional(hans))

    def update(self) -> None:
        """The simplified catalogue gets what is new and loses what is gone; the traditional one is made anew."""
        wanted = {entry.msgid: entry for entry in self.template}
        for entry in [entry for entry in self.hans if entry.tcomment != CORE and entry.msgid not in wanted]:
            self.hans.remove(entry)
        known = {entry.msgid: entry for entry in self.hans}
        for msgid, entry in wanted.items():
            if msgid in known:
                known[msgid].occurrences = entry.occurrences
                known[msgid].tcomment = ""
            else:
                self.hans.append(_empty(entry))
        known = {entry.msgid for entry in self.hans}
        for entry in core_gaps():
            if entry.msgid not in known:
                self.hans.append(entry)
        self.hans.sort(key=lambda entry: (entry.tcomment == CORE, entry.msgid))
        self.hant = _traditional(self.hans)

    def write(self) -> None:
        self.template.save(str(HERE / f"{DOMAIN}.pot"))
        for lang, catalogue in (("zh_Hans_CN", self.hans), ("zh_Hant_TW", self.hant)):
            folder = HERE / lang / "LC_MESSAGES"
            folder.mkdir(parents=True, exist_ok=True)
            catalogue.save(str(folder / f"{DOMAIN}.po"))
            catalogue.save_as_mofile(str(folder / f"{DOMAIN}.mo"))

    def untranslated(self) -> list[str]:
        """Msgids of ours without a whole Chinese text, and those whose placeholders differ."""
        known = {entry.msgid: entry for entry in self.hans}
        return [entry.msgid for entry in self.template
                if entry.msgid not in known or not _whole(known[entry.msgid])]

    def problems(self) -> list[str]:
        """What `update` would have to change, one sentence each."""
        told = [f"no Chinese: {msgid!r}: translate it in i18n/zh_Hans_CN" for msgid in self.untranslated()]
        wanted = {entry.msgid for entry in self.template}
        told += [f"not used any more: {entry.msgid!r}: run python -m ckanext.gkopen.i18n"
                 for entry in self.hans if entry.tcomment != CORE and entry.msgid not in wanted]
        for lang, catalogue in (("zh_Hans_CN", self.hans), ("zh_Hant_TW", self.hant)):
            file = HERE / lang / "LC_MESSAGES" / f"{DOMAIN}.mo"
            compiled = {entry.msgid: texts(entry) for entry in polib.mofile(str(file))} if file.exists() else {}
            if compiled != {entry.msgid: texts(entry) for entry in catalogue if any(texts(entry))}:
                told.append(f"{lang} is not compiled from what is written: run python -m ckanext.gkopen.i18n")
        return told


def texts(entry: polib.POEntry | polib.MOEntry) -> list[str]:
    """The translations of an entry: one, or one a plural form."""
    return [entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural)] or [entry.msgstr]


def core_gaps() -> Iterator[polib.POEntry]:
    """Texts that CKAN's zh_Hans_CN lacks and its zh_Hant_TW has, in simplified characters and words of the mainland;
    and all of its plurals."""
    core = files("ckan") / "i18n"
    ours, other = ({entry.msgid: entry for entry in polib.pofile(str(core / lang / "LC_MESSAGES/ckan.po"))
                    if _translated(entry)} for lang in ("zh_Hans_CN", "zh_Hant_TW"))
    convert = _converter("tw2sp")
    for msgid, entry in other.items():
        if msgid not in ours:
            yield _converted(entry, convert, CORE)
    for entry in ours.values():
        if entry.msgid_plural:
            yield _converted(entry, str, CORE)


def _template() -> polib.POFile:
    template = _new()
    found: dict[str, polib.POEntry] = {}
    for source in SOURCES:
        for path in sorted(source.rglob("*")):
            method = _method(path)
            if method is None:
                continue
            for _, message, _, _ in extract_from_file(method, path, KEYWORDS, strip_comment_tags=False):
                msgid, plural = (message[0], message[1]) if isinstance(message, tuple) else (message, "")
                entry = found.setdefault(msgid, polib.POEntry(msgid=msgid, msgid_plural=plural,
                                                              msgstr_plural={0: "", 1: ""} if plural else {}))
                place = (path.relative_to(PROJECT).as_posix(), "")
                if place not in entry.occurrences:
                    entry.occurrences.append(place)
    template.extend(sorted(found.values(), key=lambda entry: entry.msgid))
    return template


def _method(path: Path):
    if path.suffix == ".html" and "templates" in path.parts:
        return extract_ckan
    return {".py": "python", ".js": "javascript"}.get(path.suffix)


def _read(lang: str) -> polib.POFile:
    file = HERE / lang / "LC_MESSAGES" / f"{DOMAIN}.po"
    return polib.pofile(str(file)) if file.exists() else _new(lang)


def _new(lang: str = "") -> polib.POFile:
    catalogue = polib.POFile(wrapwidth=110)
    catalogue.metadata = {"Project-Id-Version": DOMAIN, "Content-Type": "text/plain; charset=utf-8",
                          "Content-Transfer-Encoding": "8bit", "Language": lang,
                          "Plural-Forms": "nplurals=2; plural=(n != 1);"}
    return catalogue


def _traditional(hans: polib.POFile) -> polib.POFile:
    """All of ours, and of CKAN's texts those that its own traditional catalogue lacks."""
    core = files("ckan") / "i18n/zh_Hant_TW/LC_MESSAGES/ckan.po"
    has = {entry.msgid for entry in polib.pofile(str(core)) if _translated(entry) and not entry.msgid_plural}
    convert = _converter("s2twp")
    hant = _new("zh_Hant_TW")
    hant.extend(_converted(entry, convert, entry.tcomment) for entry in hans
                if any(texts(entry)) and not (entry.tcomment == CORE and entry.msgid in has))
    return hant


@cache
def _converter(name: str):
    convert = opencc.OpenCC(name).convert
    if name != "s2twp":
        return convert

    def with_words(text: str) -> str:
        for word, other in TAIWAN.items():
            text = text.replace(word, other)
        return convert(text)

    return with_words


def _converted(entry: polib.POEntry, convert, comment: str) -> polib.POEntry:
    plural = convert(entry.msgstr_plural[0]) if entry.msgid_plural else ""
    return polib.POEntry(msgid=entry.msgid, msgid_plural=entry.msgid_plural, msgstr=convert(entry.msgstr),
                         msgstr_plural={0: plural, 1: plural} if entry.msgid_plural else {},
                         tcomment=comment, occurrences=[] if comment == CORE else entry.occurrences,
                         flags=[flag for flag in entry.flags if flag.endswith("format")])


def _empty(entry: polib.POEntry) -> polib.POEntry:
    return polib.POEntry(msgid=entry.msgid, msgid_plural=entry.msgid_plural, occurrences=entry.occurrences,
                         msgstr_plural={0: "", 1: ""} if entry.msgid_plural else {})


def _translated(entry: polib.POEntry) -> bool:
    return not entry.obsolete and not entry.fuzzy and all(texts(entry))


def _whole(entry: polib.POEntry) -> bool:
    return all(text and _placeholders(text) == _placeholders(entry.msgid) for text in texts(entry))


def _placeholders(text: str) -> set[str]:
    return {piece.partition("}")[0] for piece in text.split("{")[1:]}
