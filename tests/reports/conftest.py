"""Fixtures of the tests of the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadworthy.evidence import Bundle
from tests.reports.bundles import bundle_of


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Return `bundle_of` with a fresh folder for each call."""
    made = 0

    def make(*args: Any, **kwargs: Any) -> Bundle:
        nonlocal made
        made += 1
        return bundle_of(tmp_path / f"evidence-{made}", *args, **kwargs)

    return make
