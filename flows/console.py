"""The command's first lines. A stop must not wait for imports, so it takes its own road before anything heavy is loaded."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run ``roadworthy``."""
    arguments = sys.argv[1:]
    if arguments[:2] == ["switch", "stop"] and not {"-h", "--help"} & set(arguments):
        from roadworthy.switch.quick import stop_now

        sys.exit(stop_now(arguments[2:]))
    from flows.orchestration import silence

    silence(os.environ)
    from flows.cli import run

    sys.exit(run(arguments))
