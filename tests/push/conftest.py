"""A business system with a token, on a fresh site."""

from __future__ import annotations

from typing import Any

import pytest

from tests.people import call, make_cast
from tests.push.system import System


@pytest.fixture
def system(app: Any) -> System:
    cast = make_cast()
    made = call("gkopen_push_token_create", cast.officer, name="czj-finance", domain="procurement",
                organization=cast.body)
    return System(app.flask_app, cast, made["token"])
