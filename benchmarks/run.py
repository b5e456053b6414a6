"""Runs every benchmark of this folder, one after the other: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ORDER = (
    "identifiers", "anonymity", "intake", "membership",
    "night", "drift", "drift_peers", "backfill", "data_quality", "performance", "estimate", "shap", "fairness", "switch", "guard",
    "severe_rules", "operating_characteristics", "fairness_error_rates", "privacy_error_rates",
)


def main() -> int:
    """Return 0 if every benchmark ran."""
    failed = []
    for name in ORDER:
        script = HERE / f"{name}.py"
        if not script.is_file():
            continue
        print(f"\n=== {name}\n", flush=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"Did not run to the end: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
