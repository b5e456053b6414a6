"""Waiting, and guards of the test service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from roadworthy_guard import Guard
from tests.guard.service import TOKEN, Key, Service, content

KEY = Key(1)
#: Seconds after which a model of tier high must refuse in these tests; the polls follow from it.
BOUND = 0.8


def until(true: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait until something holds; return the seconds it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come to hold"
        time.sleep(0.002)
    return time.monotonic() - began


@contextmanager
def heard(service: Service, **given: Any) -> Iterator[Guard]:
    """A guard that has heard the service."""
    with Guard.remote(service.url, TOKEN, keys=[KEY.public], **{"bounds": {"high": BOUND}, **given}) as guard:
        assert guard.wait(10.0), guard.health()
        yield guard


@contextmanager
def served(**given: Any) -> Iterator[tuple[Service, Guard]]:
    """A service with a model of each tier, and a guard that has heard it."""
    with Service(KEY, content()) as service, heard(service, **given) as guard:
        yield service, guard


def refuses(guard: Guard, model: str = "credit") -> bool:
    return not guard.check(model, "1.0.0").serves
