"""One Prefect server for the tests that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from flows.orchestration import QUIET


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    """Start Prefect's own test server: a temporary database, on the loopback address."""
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update(QUIET)
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
