"""Settings of every test."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.postgres import postgres

__all__ = ["postgres"]

# A test says what is right, not how fast: a deadline fails on a busy machine and nowhere else.
settings.register_profile("roadworthy", deadline=None)
# Where a change is judged, the same change gets the same answer; people's own runs go on searching.
settings.register_profile("judged", deadline=None, derandomize=True)
settings.load_profile("judged" if os.environ.get("CI") else "roadworthy")
