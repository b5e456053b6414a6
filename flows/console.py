"""The command's first lines. A stop must not wait for imports, so it takes its own road before anything heavy is loaded."""

from __future__ import annotations

import atexit
import os
import sys


def main() -> None:
    """Run ``roadworthy``."""
    arguments = sys.argv[1:]
    if arguments[:2] == ["switch", "stop"] and not {"-h", "--help"} & set(arguments):
        from roadworthy.switch.quick import stop_now

        sys.exit(stop_now(arguments[2:]))
    atexit.register(_end_quietly)  # registered first, so it runs last
    from flows.orchestration import silence

    silence(os.environ)
    from flows.cli import run

    sys.exit(run(arguments))


def _end_quietly() -> None:
    """Close standard error when everything has been said.

    With Great Expectations and duckdb-engine in one process, DuckDB's binding prints forty lines about objects that are
    still referenced while the interpreter is taken down. Nothing is wrong and nobody can act on it.
    """
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
