"""Settings of these tests."""

from __future__ import annotations

import os

# As in the process inside: compiling takes ten seconds, and what is compiled a tenth of one.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
