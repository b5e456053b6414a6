"""A workspace with an intake section, raw files, and what became of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from checks.intake import TakenIn, take_in
from roadworthy.ledger import Ledger
from roadworthy.passport import Passport
from roadworthy.workspace import Workspace
from tests.support import DAY, passport_of

KEY = "00112233445566778899aabbccddeeff" * 2
NOW = datetime(2026, 4, 10, 6, tzinfo=UTC)
TYPES = {"age": "BIGINT", "income": "DOUBLE", "label": "BIGINT", "prediction": "BIGINT", "score": "DOUBLE", "sex": "VARCHAR"}
HEADER = "customer,age,income,sex,label,prediction,score"


def passport_with(form: str = "csv", **intake: Any) -> Passport:
    declared = {"path": f"incoming/{{date}}.{form}", "format": form, "types": TYPES, "key": "env:PSEUDONYMS", **intake}
    identifiers = [{"column": "customer", "purpose": "Complaints.", "basis": "Contract."}]
    return passport_of(identifiers=identifiers, intake={k: v for k, v in declared.items() if v is not None})


def workspace_in(root: Path) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    settings = {"schema_version": 1, "name": "Test", "time_zone": "UTC"}
    (root / "roadworthy.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (root / "incoming").mkdir(exist_ok=True)
    return Workspace.open(root)


def line(n: int) -> str:
    return f"C-{n:05d},{20 + n % 60},{1000 + n}.5,{'male' if n % 2 else 'female'},{n % 2},{n % 2},0.25"


def deliver(root: Path, data: bytes | str, ending: str = "csv", name: str | None = None) -> Path:
    path = root / "incoming" / f"{name or DAY.isoformat()}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def take(workspace: Workspace, passport: Passport, key: str = KEY) -> TakenIn:
    with Ledger.open(workspace.state_url) as ledger:
        done = take_in(workspace, ledger, passport, DAY, NOW, {"PSEUDONYMS": key})
    receipt = done.receipt
    assert receipt["received"] == receipt["accepted"] + receipt["quarantined"]
    assert receipt["accepted"] == batch_of(workspace, done).num_rows and receipt["quarantined"] == receipt["quarantine"]["rows"]
    assert sum(one["records"] for one in quarantine_of(workspace, done)) == receipt["quarantined"]
    return done


def batch_of(workspace: Workspace, done: TakenIn) -> pa.Table:
    return pq.ParquetFile(workspace.root / done.receipt["batch"]["path"]).read()


def quarantine_of(workspace: Workspace, done: TakenIn) -> list[dict[str, Any]]:
    text = (workspace.root / done.receipt["quarantine"]["path"]).read_text(encoding="utf-8")
    return [json.loads(one) for one in text.splitlines()]
