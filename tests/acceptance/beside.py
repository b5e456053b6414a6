"""Ways to break the rules about what lies beside the batches: the log of serving, bills, and the papers of a vendor."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from roadworthy.canonical import digest_bytes
from roadworthy.ledger import Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch.drilling import Drill, record
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import Edit

_BLOCKS = re.compile(r"^(?:telemetry|cost|vendor):.*\n(?:^[ \t].*\n|^#.*\n)*", re.MULTILINE)
_WINDOW = re.compile(r"^windows:.*$", re.MULTILINE)
LOG = "{path: log.parquet, rows: rows, wall_ms: wall, cpu_ms: cpu, date: day, calls: calls, failed: failed}"
SIGNED = b"signed"


def edit(rule: str) -> Edit:
    """Return an edit of the passport that names a log of 400 calls, a price and a budget, or a vendor."""

    def change(text: str) -> str:
        said = f"telemetry: {LOG}\ncost: {{currency: EUR, budget_per_month: 100, prices: {{cpu_hour: 3600}}}}\n"
        said += "vendor: acme\n" if rule.startswith("vendor-") else ""
        return _WINDOW.sub("windows: {drift: 14, performance: 14, fairness: 14, cost: 30}", _BLOCKS.sub("", text)) + said

    return change


def spoil(rule: str) -> Callable[[Path], None]:
    """Return what writes the log and the register of vendors beside a copied fleet, with what the rule forbids."""

    def write(root: Path) -> None:
        day = max(date.fromisoformat(path.name[5:]) for path in (root / "batches").glob("*/date=*"))
        table = _log(day)
        if rule in _LOGS:
            table = _LOGS[rule](table)
        table.to_parquet(root / "log.parquet")
        (root / "signed.pdf").write_bytes(SIGNED)
        vendor = _vendor(day)
        if rule in _VENDORS:
            _VENDORS[rule](vendor, day)
        told = {"schema_version": 1, "vendors": [vendor]}
        (root / "vendors.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")

    return write


def drilled(root: Path, days: int) -> None:
    """Record that the kill switch was drilled so many days ago, and was green."""
    workspace, then = Workspace.open(root), datetime.now(UTC) - timedelta(days=days)
    with Ledger.open(workspace.state_url) as ledger:
        record(ledger, Drill("drill-before", "zz-canary", stamp(then)), "0" * 64, then)


def _log(day: date) -> pd.DataFrame:
    days = [day - timedelta(days=k) for k in range(30) for _ in range(20)]
    wall = 40 + np.random.default_rng(1).permutation(len(days)) / 30  # no two calls take as long, and no day is slow
    return pd.DataFrame({"day": days, "rows": 10, "wall": wall, "cpu": 0.1, "calls": 1, "failed": 0})


_LOGS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "cost-budget": lambda t: t.assign(cpu=200.0),  # 0.2 EUR a call, 20 calls a day: 120 EUR a month
    "cost-processor": lambda t: t.assign(cpu=20.0),
    "cost-latency": lambda t: t.assign(wall=t["wall"] * 40),
    "cost-latency-worst": lambda t: t.assign(wall=t["wall"] * [80 if k % 20 == 0 else 1 for k in range(len(t))]),
    "cost-log-whole": lambda t: t[t["day"] > t["day"].min() + timedelta(days=10)],
    "cost-log-readable": lambda t: t.assign(wall=[-1.0 if k % 20 == 0 else 50.0 for k in range(len(t))]),
    "vendor-availability": lambda t: t.assign(failed=[int(k % 5 == 0) for k in range(len(t))]),
    "vendor-latency": lambda t: t.assign(wall=t["wall"] * 10),
}


def _vendor(day: date) -> dict[str, Any]:
    """Return a vendor with whom everything is in order."""
    before, after = day - timedelta(days=50), day + timedelta(days=400)
    return {
        "id": "acme", "documents": [{"id": "signed", "path": "signed.pdf", "sha256": digest_bytes(SIGNED)}],
        "contract": {
            "dpa": {"document": "signed", "signed_on": before}, "exit_plan": "signed",
            "exit_notice_days": 90, "deletion_days": 30,
            "sla": {"availability": 0.95, "p95_ms": 200},
        },
        "data": {"countries": ["DE"], "trains_on_our_data": False},
        "security": {"breach_notice_hours": 24, "last_pen_test": before},
        "sub_processors": [{"name": "Host", "country": "DE", "purpose": "hosting"}],
        "certificates": [{"standard": "ISO/IEC 27001", "expires": after}], "review": {"last": before, "every_days": 90},
    }


def _put(part: str, key: str, value: Callable[[date], Any]) -> Callable[[dict[str, Any], date], None]:
    def change(vendor: dict[str, Any], day: date) -> None:
        vendor[part][key] = value(day)

    return change


def _expires(days: int) -> Callable[[dict[str, Any], date], None]:
    return lambda vendor, day: vendor["certificates"][0].update(expires=day + timedelta(days=days))


_VENDORS: dict[str, Callable[[dict[str, Any], date], None]] = {
    "vendor-certificates": _expires(-1),
    "vendor-certificates-soon": _expires(59),
    "vendor-documents": lambda vendor, _day: vendor["documents"][0].update(sha256="0" * 64),
    "vendor-agreement": _put("contract", "dpa", lambda _day: None),
    "vendor-sub-processors": lambda vendor, _day: vendor["sub_processors"][0].update(country="US"),
    "vendor-security": _put("security", "breach_notice_hours", lambda _day: None),
    "vendor-training": _put("data", "trains_on_our_data", lambda _day: True),
    "vendor-exit": _put("contract", "exit_plan", lambda _day: None),
    "vendor-review": _put("review", "last", lambda day: day - timedelta(days=91)),
}
