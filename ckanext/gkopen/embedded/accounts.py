"""The demo's accounts: made once per installation, kept in a file that only its owner can read."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

HEADING = "# role\tname\tpassword\twho this is"


@dataclass(frozen=True)
class Account:
    """`role` is administrator, office (政务公开办), officer (data officer of a body) or reviewer (of a body)."""

    role: str
    name: str
    password: str
    title: str


class Accounts:
    """Lines of `accounts.txt`: role, name, password, title, separated by tabs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[Account]:
        if not self.path.exists():
            return []
        lines = self.path.read_text("utf-8").splitlines()
        return [Account(*line.split("\t")) for line in lines if line and not line.startswith("#")]

    def ensure(self, role: str, name: str, title: str) -> Account:
        """The account of this name; with a new password when it is not in the file yet."""
        known = self.all()
        for account in known:
            if account.name == name:
                return account
        account = Account(role, name, secrets.token_urlsafe(12), title)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            if not known:
                file.write(f"{HEADING}\n")
            file.write("\t".join((account.role, account.name, account.password, account.title)) + "\n")
        return account

    def first(self, role: str) -> Account | None:
        return next((account for account in self.all() if account.role == role), None)
