"""How often a token may come. Counted in Valkey a minute at a time; one that was flushed only counts anew."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from ckan.lib.redis import connect_to_redis
from redis.exceptions import RedisError

from ckanext.gkopen import model

log = logging.getLogger(__name__)

WINDOW = 60
WAITING_MOST = 100
"""Pushes of one token that may wait to be checked."""


def seconds_to_wait(what: str, token_id: Any, most: int) -> int:
    """0 when the token may come, else the seconds until it may again. Without Valkey nobody is kept out."""
    now = time.time()
    key = f"gkopen:{what}:{token_id}:{int(now // WINDOW)}"
    try:
        redis: Any = connect_to_redis()
        number = redis.incr(key)
        redis.expire(key, 2 * WINDOW)
    except RedisError:
        log.warning("Valkey does not answer: pushes are not counted")
        return 0
    return math.ceil(WINDOW - now % WINDOW) if number > most else 0


def queue_is_full(token_id: Any) -> bool:
    waiting = model.value("select count(*) from gkopen.push where token_id = :id and state = 'queued'", id=token_id)
    return waiting >= WAITING_MOST
