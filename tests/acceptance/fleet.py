"""The demo fleet, copied into a test's own folder and changed there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import yaml

from flows.inspect import Inspected, inspect
from flows.mitigating import Mitigate, mitigate
from roadworthy.ledger import Ledger
from roadworthy.policy import When
from roadworthy.workspace import Workspace
from tests.once import ONCE

FLEET = Path(__file__).resolve().parents[2] / "data"
Change = Callable[[pd.DataFrame], pd.DataFrame]
Edit = Callable[[str], str]


def unchanged(table: pd.DataFrame) -> pd.DataFrame:
    return table


def same(text: str) -> str:
    return text


def copy_fleet(
    root: Path,
    model: str,
    *,
    until: date,
    keep: int = 45,
    change: Change = unchanged,
    change_reference: Change = unchanged,
    edit: Edit = same,
    only_last: bool = False,
) -> Workspace:
    """Copy what one model of the demo fleet needs, up to `until`, and change its batches, reference or passport.

    Parameters
    ----------
    keep : int
        How many of the newest batches up to `until` to copy.
    only_last : bool
        Change only the newest batch.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name in ("roadworthy.yaml", "people.yaml", "vendors.yaml"):
        shutil.copy(FLEET / name, root / name)
    for name in ("policies", "suites", "signatures", f"artifacts/{model}"):
        if (FLEET / name).exists():
            shutil.copytree(FLEET / name, root / name, dirs_exist_ok=True)
    (root / "models" / model).mkdir(parents=True)
    for passport in (FLEET / "models" / model).glob("*.yaml"):
        text = passport.read_text(encoding="utf-8")
        (root / "models" / model / passport.name).write_text(edit(text), encoding="utf-8")
        recipe = yaml.safe_load(text).get("recipe", {})
        for name in (*recipe.get("data", ()), *recipe.get("code", ()), *([recipe["lock"]] if "lock" in recipe else ())):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(FLEET / name, root / name)
    (root / "references").mkdir(exist_ok=True)
    if change_reference is unchanged:
        shutil.copy(FLEET / "references" / f"{model}.parquet", root / "references")
    else:
        change_reference(pd.read_parquet(FLEET / "references" / f"{model}.parquet")).to_parquet(
            root / "references" / f"{model}.parquet"
        )
    days = sorted(p for p in (FLEET / "batches" / model).glob("date=*") if p.name[5:] <= until.isoformat())[-keep:]
    for folder in days:
        target = root / "batches" / model / folder.name
        target.mkdir(parents=True)
        if change is unchanged or (only_last and folder is not days[-1]):
            shutil.copy(folder / "part.parquet", target)
        else:
            change(pd.read_parquet(folder / "part.parquet")).to_parquet(target / "part.parquet")
    return Workspace.open(root)


def identity_of(workspace: Workspace) -> str:
    return next(iter(workspace.passports()))


def run_night(workspace: Workspace, day: date, when: When = "nightly", only: Collection[str] | None = None) -> Inspected:
    """Inspect the workspace's one model on a day, as the flow's task does.

    Parameters
    ----------
    only : collection of str, optional
        Families to measure, where a test asks about their rules alone; the rules of the others are then without a measurement.
    """
    families = ONCE if only is None else tuple(family for family in ONCE if family[0] in only)
    with_plan: Mitigate = mitigate if only is None or "mitigation" in only else lambda *_: ([], {})
    with Ledger.open(workspace.state_url) as ledger:
        now = datetime.now(UTC)
        return inspect(workspace, ledger, identity_of(workspace), day, when, "automation", now, families, with_plan)
