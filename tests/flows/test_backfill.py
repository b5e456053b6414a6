"""Past days are recorded once, whatever happens on the way, and move nothing but the trend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from flows import past
from flows.cli import run
from flows.inspect import inspect
from flows.measuring import FAMILIES
from flows.past import METRICS, PastDay, record
from roadworthy.errors import UsageError
from roadworthy.evidence import Bundle, EvidenceStore, read_bundle
from roadworthy.ledger import Ledger
from roadworthy.trend import joined
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet

FLIGHTS = "flights@1.0.0"
NIGHT = date(2025, 4, 17)
DAYS = [date(2025, 4, 13) + timedelta(days=k) for k in range(4)]
ROOT = FLEET.parent


def flights(root: Path, window: int = 14) -> Workspace:
    """A copy; with 14 days compared at once, as declared, nothing alarms."""
    declared = "windows: {drift: 14,"
    assert declared in (FLEET / "models" / "flights" / "1.0.0.yaml").read_text(encoding="utf-8")
    return copy_fleet(root, "flights", until=NIGHT, edit=lambda text: text.replace(declared, f"windows: {{drift: {window},"))


def change(workspace: Workspace, day: date, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = workspace.root / "batches" / "flights" / f"date={day}" / "part.parquet"
    how(pd.read_parquet(path)).to_parquet(path)


def fill(workspace: Workspace, days: Sequence[date] = DAYS, **more: Any) -> list[PastDay]:
    with Ledger.open(workspace.state_url) as ledger:
        return record(workspace, ledger, FLIGHTS, days, "automation", datetime.now(UTC), **more)


def bundles(workspace: Workspace) -> dict[str, Bundle]:
    """The newest backfilled run of each day."""
    with Ledger.open(workspace.state_url) as ledger:
        entries = [e for e in ledger.entries("run") if e.body["when"] == "backfill"]
    store = EvidenceStore(workspace.evidence)
    return {e.body["day"]: read_bundle(store.path_of(e.body["path"]), expect=e.body["evidence"]) for e in entries}


def night(workspace: Workspace, day: date = NIGHT) -> Bundle:
    cheap = tuple(family for family in FAMILIES if family[0] in ("drift", "performance"))
    with Ledger.open(workspace.state_url) as ledger:
        return inspect(workspace, ledger, FLIGHTS, day, "nightly", "automation", datetime.now(UTC), cheap).bundle


def kinds(workspace: Workspace) -> Counter[str]:
    with Ledger.open(workspace.state_url) as ledger:
        return Counter(entry.kind for entry in ledger.entries())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = flights(tmp_path_factory.mktemp("filled") / "w")
    assert [day.how for day in fill(workspace)] == ["recorded"] * len(DAYS)
    return workspace


def test_every_day_is_evidence_that_verifies_and_follows_from_its_measurements(filled: Workspace) -> None:
    found = bundles(filled)
    assert [*found] == [day.isoformat() for day in DAYS]
    assert {bundle.run["when"] for bundle in found.values()} == {"backfill"}
    assert verify(filled).state == "valid"
    assert verify(filled, rejudge=True).state == "valid"


def test_nothing_is_done_but_recording(filled: Workspace) -> None:
    assert set(kinds(filled)) <= {"run", "kept", "data-access"} and kinds(filled)["data-access"] == 1
    assert not list((filled.made / "switch").glob("STOP*"))


def test_no_row_enters_a_sequential_test_and_what_is_left_out_is_said(filled: Workspace) -> None:
    policy = filled.policy("limited")
    sequential = {rule.id for rule in policy.rules if rule.test == "sequential"}
    for bundle in bundles(filled).values():
        assert not {f.rule for f in bundle.findings} & sequential
        assert {f.metric for f in bundle.findings} <= set(METRICS)
        assert not bundle.state.get("sequential", {}).get("series") and not bundle.state.get("wealth")
        assert sequential & set(bundle.run["policy"]["left_out"]) == {
            rule.id for rule in policy.rules_for("limited", "binary", "nightly") if rule.id in sequential
        }
        assert bundle.run["policy"]["digest"] == policy.digest


def test_the_same_days_again_record_nothing(filled: Workspace) -> None:
    with Ledger.open(filled.state_url) as ledger:
        before = ledger.head()
    assert [day.how for day in fill(filled)] == ["there"] * len(DAYS)
    with Ledger.open(filled.state_url) as ledger:
        assert ledger.head() == before


def test_a_night_finds_the_trend_and_nothing_else(filled: Workspace, tmp_path: Path) -> None:
    alone, after = night(flights(tmp_path / "alone")), night(filled)
    keys = [key for key, points in after.state["points"].items() if len(points) == len(DAYS) + 1]
    assert any(key.startswith("drift.score_psi|") for key in keys) and any(k.startswith("performance.day_error") for k in keys)
    assert [point[0] for point in after.state["points"][keys[0]]] == [*(d.isoformat() for d in DAYS), NIGHT.isoformat()]
    assert [f.as_dict() for f in after.findings] == [f.as_dict() for f in alone.findings]
    assert {**after.state, "points": 0} == {**alone.state, "points": 0}
    assert verify(filled, rejudge=True).state == "valid"


def test_a_night_whose_backfill_was_changed_is_decided_and_says_so(tmp_path: Path) -> None:
    workspace = flights(tmp_path)
    fill(workspace, DAYS[-1:])
    [bundle] = bundles(workspace).values()
    state = bundle.path / "state.json"
    state.chmod(0o644)
    state.write_text("{}")
    after = night(workspace)
    assert "is not what was recorded" in after.run["problems"]["backfill"]
    assert all(len(points) == 1 for points in after.state["points"].values())
    assert verify(workspace).state == "tampered"


def test_a_day_that_has_a_night_is_left_to_it(tmp_path: Path) -> None:
    workspace = flights(tmp_path)
    seen = night(workspace, DAYS[1])
    done = fill(workspace, DAYS[:3])
    assert [day.how for day in done] == ["recorded", "night", "recorded"]
    assert done[1].evidence == seen.address
    key = next(key for key in seen.state["points"] if key.startswith("drift.score_psi|"))
    points = bundles(workspace)[DAYS[2].isoformat()].state["points"][key]
    assert [point[0] for point in points] == [day.isoformat() for day in DAYS[:3]]
    assert points[1] == seen.state["points"][key][-1], "the night's own point stands in the trend"


def test_a_day_without_a_batch_a_broken_one_and_one_of_another_schema_stop_no_other(tmp_path: Path) -> None:
    workspace = flights(tmp_path, window=1)
    days = [date(2025, 4, 10) + timedelta(days=k) for k in range(6)]
    (tmp_path / "batches" / "flights" / f"date={days[1]}" / "part.parquet").unlink()
    (tmp_path / "batches" / "flights" / f"date={days[3]}" / "part.parquet").write_bytes(b"PAR1 not really")
    change(workspace, days[5], lambda table: table.drop(columns="humid"))
    done = {day.day: day for day in fill(workspace, [date(2025, 1, 1), *days])}
    assert {day for day, one in done.items() if one.word == "undecided"} == {date(2025, 1, 1), days[1], days[3], days[4], days[5]}
    assert "no batch" in done[date(2025, 1, 1)].reason and "no batch" in done[days[1]].reason
    assert "cannot be read" in done[days[3]].reason and "no column 'humid'" in done[days[5]].reason
    assert verify(workspace, rejudge=True).state == "valid"


def test_labels_that_come_later_are_recorded_beside_what_was_known(tmp_path: Path) -> None:
    workspace = flights(tmp_path, window=1)
    path = tmp_path / "batches" / "flights" / f"date={DAYS[1]}" / "part.parquet"
    whole = path.read_bytes()
    change(workspace, DAYS[1], lambda table: table.assign(late15=table["late15"].where(table["late15"] > 1)))
    before = {day.day: day for day in fill(workspace)}
    path.write_bytes(whole)
    assert [day.how for day in fill(workspace)] == ["there", "recorded", "recorded", "recorded"]
    with Ledger.open(workspace.state_url) as ledger:
        last = ledger.latest("run", day=DAYS[2].isoformat(), when="backfill")
    assert last is not None and last.body["supersedes"] == before[DAYS[2]].evidence
    found = {m.metric: m for m in bundles(workspace)[DAYS[2].isoformat()].measurements}
    assert found["performance.day_error_rate"].status == "measured"


def test_a_policy_that_says_nothing_of_past_days_is_refused(tmp_path: Path) -> None:
    workspace = flights(tmp_path)
    path = tmp_path / "policies" / "limited.yaml"
    policy = yaml.safe_load(path.read_text())
    policy["rules"] = [rule for rule in policy["rules"] if rule["metric"] not in METRICS]
    path.write_text(yaml.safe_dump(policy))
    with pytest.raises(UsageError, match="No rule of the policy 'limited'"):
        fill(workspace)


@pytest.mark.parametrize(("first", "last", "said"), [
    ("2025-04-05", "2025-04-01", "is after"), ("2025-04-01", "2999-01-01", "is not over"), ("soon", "2025-04-01", "is not a day"),
    ("1700-01-01", "2025-04-01", "before 1900"),
])
def test_days_that_cannot_be_are_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str, last: str, said: str
) -> None:
    workspace = flights(tmp_path)
    assert run(["backfill", "--from", first, "--to", last, "--workspace", str(workspace.root)]) == 64
    assert said in capsys.readouterr().err
    assert not workspace.made.exists()


def test_points_of_one_day_are_the_nights_own() -> None:
    mine = {"points": {"a": [["2026-01-02", 1.0, None, None]]}, "persist": {"r": [["2026-01-02", True]]}}
    december = [[f"2025-12-{d:02}", 0.0, None, None] for d in range(1, 32)]
    theirs = {"points": {"a": [*december, ["2026-01-02", 9.0, None, None]], "b": [["2026-01-01", 5.0, None, None]]}}
    both = joined(mine, theirs | {"persist": {"other": [["2026-01-01", True]]}})
    assert len(both["points"]["a"]) == 30 and both["points"]["a"][-1] == ["2026-01-02", 1.0, None, None]
    assert both["points"]["b"] == theirs["points"]["b"]
    assert both["persist"] == mine["persist"]
    assert joined({}, {}) == {}


class StoppedError(Exception):
    """Ends a backfill from inside."""


def test_stopped_in_the_middle_it_goes_on_and_the_passes_change_no_number(filled: Workspace, tmp_path: Path) -> None:
    workspace = flights(tmp_path)

    def stop(one: PastDay) -> None:
        if one.day == DAYS[1]:
            raise StoppedError

    with pytest.raises(StoppedError):
        fill(workspace, each=stop)
    assert [day.how for day in fill(workspace, at_once=3)] == ["there", "there", "recorded", "recorded"]
    mine, theirs = bundles(workspace), bundles(filled)
    assert [*mine] == [*theirs]
    for day, bundle in theirs.items():
        assert [m.as_dict() for m in mine[day].measurements] == [m.as_dict() for m in bundle.measurements]
        assert mine[day].verdict == bundle.verdict
    assert verify(workspace, rejudge=True).state == "valid"


PROGRAM = """
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from flows.past import record
from roadworthy.ledger import Ledger
from roadworthy.workspace import Workspace
workspace, first, n = Workspace.open(Path(sys.argv[1])), date.fromisoformat(sys.argv[2]), int(sys.argv[3])
days = [first + timedelta(days=k) for k in range(n)]
with Ledger.open(workspace.state_url) as ledger:
    record(workspace, ledger, "flights@1.0.0", days, "automation", datetime.now(UTC), lambda one: print(one.how, flush=True), 3)
"""


def start(workspace: Workspace) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(workspace.root), DAYS[0].isoformat(), str(len(DAYS))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


def recorded(workspace: Workspace) -> Counter[str]:
    with Ledger.open(workspace.state_url) as ledger:
        return Counter(e.body["day"] for e in ledger.entries("run"))


@pytest.mark.long
def test_killed_in_the_middle_it_goes_on_with_nothing_lost_and_nothing_doubled(tmp_path: Path) -> None:
    workspace = flights(tmp_path)
    first = start(workspace)
    assert first.stdout is not None
    for _ in range(2):
        assert first.stdout.readline() == "recorded\n"
    first.send_signal(signal.SIGKILL)
    first.communicate()
    again = start(workspace).communicate(timeout=120)[0].split()
    assert again[:2] == ["there"] * 2 and len(again) == len(DAYS)
    assert recorded(workspace) == dict.fromkeys((day.isoformat() for day in DAYS), 1)
    assert verify(workspace, rejudge=True).state == "valid"


@pytest.mark.long
def test_two_at_once_record_each_day_once(tmp_path: Path) -> None:
    workspace = flights(tmp_path)
    both = [start(workspace), start(workspace)]
    assert [len(one.communicate(timeout=180)[0].split()) for one in both] == [len(DAYS)] * 2
    assert [one.returncode for one in both] == [0, 0]
    assert recorded(workspace) == dict.fromkeys((day.isoformat() for day in DAYS), 1)
    assert verify(workspace, rejudge=True).state == "valid"


def test_the_deployment_names_a_flow_that_is_there() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    [found] = [one for one in deployments if one["name"] == "drift-backfill"]
    assert "schedules" not in found and "triggers" not in found
    module, _, name = found["entrypoint"].partition(":")
    assert f"def {name}(" in (ROOT / module).read_text()


@pytest.mark.long
@pytest.mark.prefect
def test_the_command_tells_what_was_recorded(prefect_server: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = flights(tmp_path)
    asked = ["backfill", "--from", "2025-04-13", "--to", "2025-04-15", "--workspace", str(workspace.root), "--json"]
    assert run(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["model"], one["day"], one["how"]) for one in told["days"]] == [
        (FLIGHTS, f"2025-04-{k}", "recorded") for k in (13, 14, 15)
    ]
    (tmp_path / "batches" / "flights" / "date=2025-04-16" / "part.parquet").unlink()
    asked[4] = "2025-04-16"
    assert run([*asked[:-1]]) == 3
    shown = capsys.readouterr()
    assert "1 undecided" in shown.out and "There is no batch for 2025-04-16" in shown.out
    assert run([*asked[:-1], "--model", "nobody"]) == 64
    passport = tmp_path / "models" / "flights" / "1.0.0.yaml"
    passport.write_text(passport.read_text().replace("risk_tier: limited", "risk_tier: whatever"))
    assert run([*asked[:-1]]) == 3
    assert "risk_tier" in capsys.readouterr().out
    assert past.WHEN == "backfill"
