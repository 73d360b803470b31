"""The organisations of one process or project: one entry each, with an id that stays.

An organisation is known by its unified social credit code, else by its name without width, case and spaces. The id
that it got first holds for the whole process, so that what refers to it never has to change.
"""

from __future__ import annotations

from functools import lru_cache

from ckanext.gkopen.codes import fold
from ckanext.gkopen.publish.standards.exact import Object, digest

SCHEME = "CN-USCC"
_folded = lru_cache(50_000)(fold)
"""Few names stand in many notices."""


class Parties:
    """`refer` names an organisation in a role; `mentioned` lists those named since the last call, with all roles."""

    def __init__(self) -> None:
        self._by_name: dict[str, Object] = {}
        self._by_code: dict[str, Object] = {}
        self._mentioned: dict[str, Object] = {}

    def refer(self, name: str | None, role: str, uscc: str | None = None, region: str | None = None) -> Object | None:
        """A reference `{id, name}`; None without a name."""
        if not name:
            return None
        party = self._find(name, uscc)
        if role not in party["roles"]:
            party["roles"].append(role)
        if region and "address" not in party:
            party["address"] = {"region": region, "countryName": "中国"}
        self._mentioned[party["id"]] = party
        return {"id": party["id"], "name": party["name"]}

    def mentioned(self) -> list[Object]:
        parties = [{**party, "roles": sorted(party["roles"])} for party in self._mentioned.values()]
        self._mentioned = {}
        return parties

    def _find(self, name: str, uscc: str | None) -> Object:
        folded = _folded(name)
        party = self._by_code.get(uscc) if uscc else None
        if party is None:
            party = self._by_name.get(folded)
            if party is not None and uscc and party.get("identifier"):
                party = None  # the same name with another code is another organisation
        if party is None:
            party = {"id": f"{SCHEME}-{uscc}" if uscc else f"CN-NAME-{digest(folded)}", "name": name, "roles": []}
        if uscc and "identifier" not in party:
            party["identifier"] = {"scheme": SCHEME, "id": uscc, "legalName": name}
        if uscc:
            self._by_code[uscc] = party
        self._by_name.setdefault(folded, party)
        return party
