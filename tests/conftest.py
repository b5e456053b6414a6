"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

# A test says what is right, not how fast: a deadline fails on a busy machine and nowhere else.
settings.register_profile("roadworthy", deadline=None)
settings.load_profile("roadworthy")
