"""When a recipe is run (at the gate and on demand, never at night), what a run rests on, and what the command answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import yaml

from checks.reproducibility import FACTS, REMADE
from checks.subject import Subject, open_subject
from flows import cli, reproducing
from flows.measuring import FAMILIES
from roadworthy.measurement import Measurement, not_measured
from roadworthy.policy import read_policy
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet, run_night

NIGHT = date(2025, 4, 17)
MODELS = ["credit", "flights", "bikes"]
SAME = sys.version_info[:2] == (3, 11)  # the demo's models were trained there; a newer Python has newer libraries
UNSAME = {"reproducibility.artifact_identical": 0.0, "reproducibility.predictions_differ": 0.5}


def made(subject: Subject) -> list[Measurement]:
    return [Measurement(metric, value=UNSAME.get(metric, 0.0), details={"differs": "Differs: x."}) for metric in REMADE]


def refused(subject: Subject) -> list[Measurement]:
    return [not_measured(metric, "error", "The recipe ended with exit code 1.") for metric in REMADE]


def broken(subject: Subject) -> list[Measurement]:
    raise RuntimeError("disk on fire")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_fleet(tmp_path_factory.mktemp("fleet"), "credit", until=NIGHT, keep=1)


@pytest.fixture
def subject(workspace: Workspace):
    with open_subject(workspace.root, workspace.passport("credit@1.0.0"), NIGHT) as opened:
        yield opened


def test_a_recipe_is_run_at_the_gate_alone_and_only_with_its_family(subject: Subject) -> None:
    assert reproducing.reproduce(subject, "nightly", FAMILIES, made) == ([], {})
    assert reproducing.reproduce(subject, "gate", FAMILIES[:1], made) == ([], {})
    found, seconds = reproducing.reproduce(subject, "gate", FAMILIES, made)
    assert [m.metric for m in found] == list(REMADE) and list(seconds) == ["reproduction"]


def test_a_recipe_that_breaks_the_check_is_an_error_and_no_pass(subject: Subject) -> None:
    found, _ = reproducing.reproduce(subject, "gate", FAMILIES, broken)
    assert [(m.metric, m.status) for m in found] == [(metric, "error") for metric in REMADE]


@pytest.mark.parametrize(("remake", "code", "said"), [(made, 1, "Differs: x."), (refused, 3, ""), (broken, 3, "")])
def test_the_command_tells_by_its_exit_code(
    workspace: Workspace, remake: Callable[[Subject], list[Measurement]], code: int, said: str
) -> None:
    found = reproducing.once(workspace, "credit@1.0.0", remake)
    assert (found.exit_code, found.differs) == (code, said)
    assert [m.metric for m in found.measurements] == [*FACTS, *REMADE]


def test_the_command_says_in_a_sentence_that_there_is_no_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["reproduce", "employment", "2014.1", "-w", str(FLEET)]) == 3
    assert capsys.readouterr().out.strip() == "The passport declares no recipe, so nothing can be made again."
    assert cli.run(["reproduce", "employment", "2014.1", "-w", str(FLEET), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def test_another_run_is_made_when_a_file_of_the_recipe_has_changed(workspace: Workspace) -> None:
    def rests_on() -> object:
        with open_subject(workspace.root, workspace.passport("credit@1.0.0"), NIGHT) as opened:
            return reproducing.rests_on(opened, "nightly")

    first = rests_on()
    assert first == rests_on()
    code = workspace.root / "recipes" / "credit.py"
    code.write_text(code.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert rests_on() != first


# --- the demo's models


def test_the_demo_model_for_credit_is_made_again_to_the_byte_at_the_gate(tmp_path: Path) -> None:
    fleet = copy_fleet(tmp_path, "credit", until=NIGHT)
    bundle = run_night(fleet, NIGHT, "gate", ["reproducibility"]).bundle
    policy = read_policy(FLEET / "policies" / "high.yaml")
    ours = {rule.id for rule in policy.rules if rule.metric.startswith("reproducibility.")}
    rules = ours if SAME else ours - {"recipe-libraries"}
    assert {f.rule: f.status for f in bundle.findings if f.rule in rules} == dict.fromkeys(rules, "pass")
    again = next(m for m in bundle.measurements if m.metric == "reproducibility.artifact_identical")
    assert again.value == 1 and again.details["isolation"] and (again.details["differs"] == "Nothing differs." or not SAME)
    assert "reproduction" in bundle.run["timings"]


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_every_demo_model_is_made_again_exactly(model: str) -> None:
    found = reproducing.once(Workspace.open(FLEET), f"{model}@1.0.0")
    assert (found.exit_code, found.differs) == (0, "Nothing differs.") or not SAME
    by = {m.metric.partition(".")[2]: m.value for m in found.measurements}
    assert by["artifact_identical"] == 1 and by["predictions_differ"] == by["prediction_gap"] == 0


def one_other_row(root: Path) -> None:
    path = next((root / "source").glob("*.parquet"))
    table = pd.read_parquet(path)
    table.loc[(table["day"] == 40) & (table["hr"] == 12), "bikers"] += 500
    table.to_parquet(path)


def rewritten(name: str, this: str, that: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert this in text
        (root / name).write_text(text.replace(this, that), encoding="utf-8")

    return change


PASSPORT, RECIPE = "models/bikes/1.0.0.yaml", "recipes/bikes.py"


@pytest.mark.long
@pytest.mark.parametrize(("spoil", "named", "another"), [
    (rewritten(RECIPE, "random_state=0", "random_state=1, max_features=0.5"), "model__random_state of the model", True),
    (rewritten(PASSPORT, "seed: 20261122", "seed: 7"), "seed (recorded 7, used 20261122)", False),
    # The sums over so few rows are exact in double precision, so another order of these rows makes the same trees.
    (rewritten(RECIPE, "sort_values(list(ROW_ORDER), ", 'sort_values("hum", kind="stable", '), "row order (the same", False),
    (rewritten(PASSPORT, "scikit-learn: 1.9.1", "scikit-learn: 1.8.0"), "library scikit-learn (recorded 1.8.0, installed", False),
    (one_other_row, "training rows (1 changed; 2,067 recorded, 2,067 used)", True),
])
def test_on_a_demo_model_each_change_is_found_and_named(
    tmp_path: Path, spoil: Callable[[Path], None], named: str, another: bool
) -> None:
    fleet = copy_fleet(tmp_path, "bikes", until=NIGHT, keep=1)
    spoil(fleet.root)
    found = reproducing.once(Workspace.open(fleet.root), "bikes@1.0.0")
    by = {m.metric.partition(".")[2]: m.value for m in found.measurements}
    assert named in found.differs and found.exit_code == 1
    assert (by["artifact_identical"] == 0) is another and ((by["predictions_differ"] or 0) > 0) is another


def test_the_lock_of_the_recipes_holds_what_the_repository_locks() -> None:
    whole = (FLEET.parent / "requirements.lock").read_text(encoding="utf-8")
    own = (FLEET / "recipes" / "requirements.lock").read_text(encoding="utf-8")
    lines = [line for line in own.splitlines() if line[0] != "#"]
    assert len(lines) == 8 and all(f"\n{line}" in whole for line in lines)
    recorded = yaml.safe_load((FLEET / "models" / "bikes" / "1.0.0.yaml").read_text(encoding="utf-8"))["recipe"]["libraries"]
    assert all(f"{name}=={version}" in lines for name, version in recorded.items())
