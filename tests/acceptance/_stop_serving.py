"""A serving process for test_stop_end_to_end: asks its guard before each answer, and logs when the answer changes.

Usage: URL TOKEN KEY MODEL VERSION LOG
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from roadworthy_guard import Guard


def main() -> None:
    url, token, key, model, version, log = sys.argv[1:]
    with Guard.remote(url, token, keys=[key], instance="serving") as guard, Path(log).open("w", buffering=1) as out:
        last = None
        while True:
            decision = guard.check(model, version)
            if decision.state != last:
                last = decision.state
                out.write(f"{datetime.now(UTC).isoformat()} {'serves' if decision.serves else 'refuses'} {decision.state}\n")
            time.sleep(0.002)


if __name__ == "__main__":
    main()
