"""The demo fleet is what it says: its files, its models, its declarations."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from checks.artifact import seal
from roadworthy.canonical import digest_file
from roadworthy.documents import read_document
from roadworthy.passport import Passport
from roadworthy.workspace import Workspace
from tests.data_fleet.independent import reference, rows

DATA = Path(__file__).resolve().parents[2] / "data"
NIGHT = date(2025, 4, 17)
TRAINED = ["bikes@1.0.0", "credit@1.0.0", "flights@1.0.0"]
FLEET = [*TRAINED, "employment@2014.1"]


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace.open(DATA)


def test_every_passport_loads_and_names_people_policies_and_suites_that_exist(workspace: Workspace) -> None:
    assert sorted(workspace.passports()) == sorted(FLEET)
    for one in FLEET:
        passport = workspace.passport(one)
        assert workspace.policy(passport.policy_name).rules_for(passport.risk_tier, passport.task.kind, "nightly")
        assert passport.suite is not None and read_document(DATA / passport.suite).data["suite"] == passport.model
        assert passport.replay is not None and passport.adopted is not None
        for words in passport.plain.model_dump().values():
            assert len(words.split()) < 60


def test_every_column_a_reader_meets_has_a_plain_name(workspace: Workspace) -> None:
    for one in FLEET:
        passport = workspace.passport(one)
        unnamed = set(reference(passport.model).columns) - set(passport.glossary)
        assert not unnamed, f"{one}: {unnamed}"


@pytest.mark.parametrize("one", FLEET)
def test_the_passports_digests_are_those_of_the_files(workspace: Workspace, one: str) -> None:
    passport = workspace.passport(one)
    assert digest_file(DATA / passport.reference.path) == passport.reference.sha256
    if passport.artifact is not None:
        assert digest_file(DATA / passport.artifact.path) == passport.artifact.sha256


@pytest.mark.parametrize("one", TRAINED)
def test_the_artifact_is_signed_with_the_key_that_the_passport_names(workspace: Workspace, one: str) -> None:
    artifact = workspace.passport(one).artifact
    assert artifact is not None and artifact.signature is not None
    key = DATA / artifact.signature.public_key
    assert digest_file(key) == artifact.signature.public_key_sha256
    seal.check((DATA / artifact.signature.path).read_bytes(), key.read_bytes(), {".": digest_file(DATA / artifact.path)})


def test_no_private_key_lies_in_the_fleet() -> None:
    names = [path for path in DATA.rglob("*") if path.is_file() and ".roadworthy" not in path.parts and path.suffix != ".parquet"]
    assert [path.name for path in names if b"PRIVATE KEY" in path.read_bytes()] == []


def test_the_five_tables_are_those_whose_digests_came_with_them() -> None:
    told = json.loads((DATA / "source" / "manifest.json").read_text(encoding="utf-8"))
    assert len(told) == 5
    for name, entry in told.items():
        assert digest_file(DATA / "source" / name) == entry["sha256_file"]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(folder / "build.py"), "--check"], capture_output=True, text=True, check=False)


def test_the_builder_finds_its_own_files_unchanged() -> None:
    found = check(DATA)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_builder_finds_a_changed_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    copy = tmp_path / "a copy"
    shutil.copytree(DATA, copy, ignore=shutil.ignore_patterns(".roadworthy", "__pycache__"))
    days = sorted((copy / "batches" / "flights").glob("date=*/part.parquet"))
    days[0].write_bytes(days[0].read_bytes()[:-1] + b"?")
    days[1].unlink()
    (days[2].parent / "more.parquet").write_bytes(b"")
    found = check(copy)
    assert found.returncode == 1
    said = sorted(line.rpartition(": ")[2] for line in found.stdout.splitlines())
    assert said == ["changed", "missing", "not in manifest.json"]


def test_the_fleet_stays_small_enough_for_a_clone() -> None:
    assert sum(p.stat().st_size for p in DATA.rglob("*") if p.is_file() and ".roadworthy" not in p.parts) < 8e6


@pytest.mark.parametrize("one", TRAINED)
def test_an_artifact_needs_no_trust_but_the_declared(workspace: Workspace, one: str) -> None:
    from skops.io import get_untrusted_types

    passport = workspace.passport(one)
    assert passport.artifact is not None
    wanted = get_untrusted_types(file=DATA / passport.artifact.path)
    assert wanted == passport.extensions["skops_trusted"].split(",")
    assert wanted == json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))["skops_trusted"]


@pytest.mark.parametrize("one", TRAINED)
def test_the_loaded_artifact_gives_the_stored_predictions_to_the_last_digit(workspace: Workspace, one: str) -> None:
    import skops.io

    passport = workspace.passport(one)
    assert passport.artifact is not None
    model = skops.io.load(DATA / passport.artifact.path, trusted=passport.extensions["skops_trusted"].split(","))
    batch = rows(passport.model, NIGHT + timedelta(days=100) if passport.model != "credit" else NIGHT, 14)
    assert len(batch) > 300
    inputs = batch[list(passport.features)]
    if passport.task.kind == "regression":
        assert (model.predict(inputs).round(9) == batch[passport.task.prediction]).all()
        return
    scores = model.predict_proba(inputs)[:, 1].round(9)
    assert (scores == batch[passport.task.score]).all()
    assert ((scores >= 0.5) == batch[passport.task.prediction].astype(bool)).all()


def trained_again(model: str, out: Path) -> str:
    subprocess.run([sys.executable, "-m", f"recipes.{model}", str(out)], cwd=DATA, check=True)
    return digest_file(out)


def test_a_recipe_makes_the_same_bytes_again(workspace: Workspace, tmp_path: Path) -> None:
    artifact = workspace.passport("credit@1.0.0").artifact
    assert artifact is not None
    assert trained_again("credit", tmp_path / "again.skops") == artifact.sha256


@pytest.mark.long
@pytest.mark.parametrize("model", ["bikes", "flights"])
def test_the_other_recipes_make_the_same_bytes_again(workspace: Workspace, tmp_path: Path, model: str) -> None:
    artifact = workspace.passport(f"{model}@1.0.0").artifact
    assert artifact is not None
    assert trained_again(model, tmp_path / "again.skops") == artifact.sha256


@pytest.mark.long
def test_building_again_changes_no_byte(tmp_path: Path) -> None:
    copy = tmp_path / "data"
    built = ("batches", "artifacts", "references", "telemetry", "manifest.json")
    shutil.copytree(DATA, copy, ignore=shutil.ignore_patterns(".roadworthy", "__pycache__", *built[:-1]))
    (copy / built[-1]).unlink()
    subprocess.run([sys.executable, str(copy / "build.py")], check=True)
    assert (copy / "manifest.json").read_bytes() == (DATA / "manifest.json").read_bytes()


def test_reference_and_batches_hold_the_same_columns(workspace: Workspace) -> None:
    for one in FLEET:
        model = workspace.passport(one).model
        columns = list(reference(model).columns)
        for path in sorted((DATA / "batches" / model).glob("date=*/part.parquet"))[::50]:
            assert list(pd.read_parquet(path).columns) == columns


def declared(passport: Passport) -> set[str]:
    task = passport.task
    named = {*passport.features, task.label, task.prediction, task.score, passport.time, passport.independence.column}
    named |= {p.column for p in passport.protected} | {i.column for i in passport.identifiers}
    return {c for c in named if c is not None}


def test_batches_hold_what_the_passport_declares_and_nothing_else(workspace: Workspace) -> None:
    for one in FLEET:
        passport = workspace.passport(one)
        assert set(reference(passport.model).columns) == declared(passport)


def test_leaks_names_and_sex_are_no_inputs(workspace: Workspace) -> None:
    bikes, credit = workspace.passport("bikes@1.0.0"), workspace.passport("credit@1.0.0")
    assert bikes.leaks == ["casual", "registered"]
    assert not set(bikes.leaks) & set(reference("bikes").columns)
    held = set(reference("credit").columns)
    assert not {c for c in held if c.startswith("pii_")} and "personal_status_and_sex" not in held
    assert not {"sex", "foreign_worker", "application_id"} & set(credit.features)


def test_no_application_is_found_again_by_its_first_number() -> None:
    table = pd.read_parquet(DATA / "source" / "german_credit.parquet")
    built = pd.concat([reference("credit"), rows("credit", NIGHT, 10)])
    assert len(built) == len(table) == built["application_id"].nunique()
    assert not set(built["application_id"]) & set(table["application_id"])


def test_every_protected_attribute_of_a_table_is_declared(workspace: Workspace) -> None:
    columns = {one: {p.column for p in workspace.passport(one).protected} for one in FLEET}
    assert columns["credit@1.0.0"] == {"age", "sex", "foreign_worker"}
    assert columns["employment@2014.1"] == {"SEX", "RAC1P", "AGEP", "DIS", "CIT"}


def test_three_people_answer_for_a_model_of_tier_high(workspace: Workspace) -> None:
    for one in FLEET:
        roles = workspace.passport(one).roles
        assert len({roles.owner, roles.guardian, roles.operator}) == 3


@pytest.mark.parametrize(("model", "column"), [("flights", "flight_date"), ("bikes", "timestamp")])
def test_a_shifted_day_keeps_its_weekday_and_lies_where_the_passport_says(workspace: Workspace, model: str, column: str) -> None:
    replay = workspace.passport(f"{model}@1.0.0").replay
    assert replay is not None and replay.shift_days is not None and replay.shift_days % 7 == 0
    days = sorted((DATA / "batches" / model).iterdir())
    assert len(days) == 275
    for folder in days:
        shown = date.fromisoformat(folder.name.removeprefix("date="))
        real = pd.to_datetime(pd.read_parquet(folder / "part.parquet", columns=[column])[column]).dt.date.unique()
        assert list(real) == [shown - timedelta(days=replay.shift_days)]


def test_batches_and_references_share_no_day() -> None:
    assert reference("flights")["flight_date"].max() < rows("flights", date(2025, 3, 31), 1)["flight_date"].min()
    assert reference("bikes")["timestamp"].max() < rows("bikes", date(2025, 2, 28), 1)["timestamp"].min()


def test_known_answers_of_german_credit_say_that_the_table_is_the_right_copy() -> None:
    table = pd.read_parquet(DATA / "source" / "german_credit.parquet")
    good, women = table["good_credit"], table["sex"] == "female"
    assert good[women].mean() - good[~women].mean() == pytest.approx(-0.0748013090229, abs=1e-12)
    assert good[women].mean() / good[~women].mean() == pytest.approx(0.896567328205, abs=1e-11)
    young = table["age"] <= 25
    assert good[young].mean() - good[~young].mean() == pytest.approx(-0.149448, abs=1e-6)
    assert good[young].mean() / good[~young].mean() == pytest.approx(0.794826, abs=1e-6)


def test_no_rule_about_drift_can_stop_a_model(workspace: Workspace) -> None:
    for name in ("minimal", "limited", "high"):
        for rule in workspace.policy(name).rules:
            assert rule.because.endswith(".") and rule.clauses
            if rule.breach == "severe" and rule.metric != "endpoint.refuses_when_stopped":  # of a model that is stopped already
                assert rule.metric.startswith("performance.")


def test_a_column_that_only_marks_the_time_is_no_input(workspace: Workspace) -> None:
    for one in ("flights@1.0.0", "bikes@1.0.0"):
        passport = workspace.passport(one)
        assert not {passport.time, passport.independence.column} & set(passport.features)
