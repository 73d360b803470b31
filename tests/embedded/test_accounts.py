"""The demo's accounts are made once and are nobody else's to read."""

from ckanext.gkopen.embedded.accounts import Accounts


def test_an_account_keeps_its_password(tmp_path):
    accounts = Accounts(tmp_path / "accounts.txt")
    office = accounts.ensure("office", "zwgkb", "政务公开办")
    officer = accounts.ensure("officer", "czj", "财政局数据专员")
    assert accounts.ensure("office", "zwgkb", "政务公开办") == office
    assert Accounts(accounts.path).all() == [office, officer]
    assert office.password != officer.password
    assert accounts.first("officer") == officer
    assert accounts.first("reviewer") is None


def test_only_the_owner_can_read_them(tmp_path):
    accounts = Accounts(tmp_path / "accounts.txt")
    accounts.ensure("office", "zwgkb", "政务公开办")
    assert accounts.path.stat().st_mode & 0o077 == 0
