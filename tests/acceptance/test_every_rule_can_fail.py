"""Every rule of every policy of the demo fleet: a changed batch, sent through the night, makes it fail.

A rule that no data can break is not a control. `test_no_rule_is_left_out` fails when a policy gains a rule that has no
case here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from _pytest.mark import ParameterSet

from checks import membership, minimisation
from checks.explainability import attribution
from checks.privacy import names
from roadworthy.canonical import digest_file
from roadworthy.policy import Policy, Rule, When, read_policy
from tests.acceptance import beside
from tests.acceptance.fleet import FLEET, Change, Edit, copy_fleet, run_night, same, unchanged

NIGHT: date = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))["night"]
QUIET = {"flights": NIGHT, "bikes": NIGHT - timedelta(days=33), "credit": NIGHT, "employment": NIGHT}
SCORE = {"flights": "score", "bikes": "predicted_bikers", "credit": "score", "employment": "predicted_probability"}
PREDICTION = {"flights": "predicted_late", "bikes": "predicted_bikers", "credit": "decision", "employment": "prediction"}
LABEL = {"flights": "late15", "bikes": "bikers", "credit": "good_credit", "employment": "employed"}
NUMBER = {"flights": "distance", "bikes": "windspeed", "credit": "credit_amount", "employment": "AGEP"}
WORD = {"flights": "carrier", "bikes": "weathersit", "credit": "purpose", "employment": "MAR"}


def put(column: str, values: Callable[[pd.DataFrame], object]) -> Change:
    return lambda table: table.assign(**{column: values(table)})


def blank(column: str, share: float) -> Change:
    """Set a share of the cells to null, every n-th row so that no luck is involved."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        out = table.copy()
        kept = np.arange(len(out)) % 100 >= share * 100
        out[column] = out[column].astype("object").where(kept, None)
        return out

    return change


@dataclass(frozen=True)
class Case:
    """One way to break one rule."""

    model: str
    change: Change = unchanged
    change_reference: Change = unchanged
    edit: Edit = same
    nights: int = 1
    wanted: str = ""  # what the rule says, where it is not its breach: without a receipt nothing can be decided
    later: int = 0  # days after the model's quiet night, for a rule that needs a longer past
    spoil: Callable[[Path], None] = lambda _root: None  # changes what no batch holds


def unpin(text: str) -> str:
    """Take the digest of the reference out of a passport, so that the reference may be changed."""
    lines = text.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith("reference:"))
    return "".join(
        line for i, line in enumerate(lines) if not (i > start and line.strip().startswith("sha256:") and i < start + 4)
    )


def wrong(model: str, share: float) -> Change:
    """Make a share of the decisions contradict the label, however good they were."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        flip = np.arange(len(table)) % 100 < share * 100
        truth = table[LABEL[model]].fillna(0).astype(int)
        return table.assign(**{PREDICTION[model]: np.where(flip, 1 - truth, truth)})

    return change


def case_of(rule: str, model: str) -> Case:
    """Return the case for a rule on a model of the fleet."""
    label, score, prediction, number, word = LABEL[model], SCORE[model], PREDICTION[model], NUMBER[model], WORD[model]
    rng = np.random.default_rng(20261122)
    cases: dict[str, Case] = {
        "data-agreed": Case(model, lambda t: t.head(0) if model == "none" else t.assign(column_that_nobody_announced=1)),
        "data-usual": Case(
            model,
            {
                "bikes": put("temp", lambda t: t["temp"] + 5),
                "credit": put("duration_in_month", lambda t: t["duration_in_month"] * 100),
                "flights": put("humid", lambda t: t["humid"] + 200),
                "employment": put("MAR", lambda _t: "9"),
            }[model],
        ),
        "drill-recent": Case(model, spoil=lambda root: beside.drilled(root, days=8)),
        "data-leak-absent": Case(model, put("known_later", lambda _t: 1), edit=lambda s: _leaks(s, "known_later")),
        "data-leak-strength": Case(
            model, change_reference=put(number, lambda t: t[label].fillna(0).astype("int32") * 1000), edit=unpin
        ),
        "drift-columns-missing": Case(model, lambda t: t.drop(columns=[number])),
        "drift-columns-new": Case(model, put("column_that_nobody_announced", lambda _t: 1)),
        "drift-types": Case(model, put(number, lambda t: t[number].astype(str) + " units")),
        "drift-not-finite": Case(model, put({"flights": "temp", "bikes": "windspeed"}.get(model, score), lambda _t: np.inf)),
        "drift-score": Case(model, put(score, lambda t: t[score] / 4 + (0 if model == "bikes" else 0.7))),
        "drift-inputs": Case(model, put(number, lambda t: t[number] * 3 + 7), nights=2),
        "drift-outcome": Case(model, put(label, lambda t: (np.arange(len(t)) % 20 > 0).astype(int))),
        "drift-blanks": Case(model, blank(word, 0.5)),
        "drift-categories-new": Case(model, put(word, lambda _t: "never seen")),
        "drift-drill-down": Case(
            model, put("windspeed", lambda t: np.inf + 0 * t["windspeed"]) if model == "bikes" else blank(word, 1.0)
        ),
        "drift-volume": Case(model, lambda t: pd.concat([t] * 60, ignore_index=True), later=21),
        "labels-arrive": Case(model, blank(label, 0.9)),
        "predictions-usable": Case(model, lambda t: blank(score, 0.5)(blank(prediction, 0.5)(t))),
        "forecast-good": Case(model, put(prediction, lambda t: t[label] + rng.normal(0, 1.2 * t[label].std(), len(t)))),
        "forecast-stop": Case(model, put(prediction, lambda t: t[label] + 200)),
        "errors-few": Case(model, wrong(model, 0.6)),
        "errors-stop": Case(model, wrong(model, 0.95)),
        "better-than-chance": Case(model, put(score, lambda t: 1 - t[score])),
        "day-not-lost": Case(model, wrong(model, 0.95)),
        "four-fifths": Case(model, lambda t: t.assign(**{prediction: t[prediction].where(~_group(t, model), 0)})),
        "gap-among-deserving": Case(model, lambda t: t.assign(**{prediction: t[prediction].where(~_group(t, model), 0)})),
        "gap-among-undeserving": Case(model, lambda t: t.assign(**{prediction: t[prediction].where(~_group(t, model), 0)})),
        "score-means-the-same": Case(model, lambda t: t.assign(**{score: t[score].where(~_group(t, model), 0.97)})),
        "combinations": Case(model, lambda t: t.assign(**{prediction: t[prediction].where(~_group(t, model), 0)})),
        "mitigation-planned": Case(model, edit=lambda s: s.replace(f"  score: {score}\n", "")),
        "artifact-served": Case(model, put(score, lambda t: 0.9 * t[score])),
        "explanation-adds-up": Case(model, spoil=_other_counts),
        "surrogate-faithful": Case(model, change_reference=put(score, lambda t: rng.uniform(size=len(t))), edit=unpin),
        "reasons-steady": Case(model, _never_seen if model == "credit" else _three_times),
        "reasons-kept": Case(model, spoil=_another_before),
        "proxies-carry-little": Case(model, change_reference=put("sex", _told), edit=unpin),
        "recipe-data": Case(model, spoil=_one_other_row),
        "recipe-code": Case(model, spoil=_rewritten("recipes/shared.py", "SEED = 20261122", "SEED = 1")),
        "recipe-lock": Case(model, spoil=_rewritten("recipes/requirements.lock", "numpy==", "numpy>=")),
        "recipe-libraries": Case(model, edit=lambda s: s.replace("numpy: 2.3.5", "numpy: 1.26.4")),
        "reproduced": Case(model, spoil=_rewritten("recipes/credit.py", "learning_rate=0.05", "learning_rate=0.06")),
        "reproduced-bytes": Case(model, spoil=_rewritten("recipes/credit.py", "learning_rate=0.05", "learning_rate=0.06")),
        "training-settings": Case(model, edit=lambda s: s.replace("seed: 20261122", "seed: 1")),
        "training-rows": Case(model, spoil=_one_other_row),
        "reasons-given": Case(model, _all_alike),
        "access-permissions": Case(model, spoil=_open_to_others),
        "intake-receipt": Case(model, edit=_came_around, wanted="error"),
        "identifiers-declared": Case(model, put("note", lambda t: [f"person{i}@example.org" for i in range(len(t))])),
        "members-hidden": Case(model, change_reference=_by_heart, edit=_learned_from),
        "members-not-named": Case(model, _unsure, change_reference=_by_heart, edit=_learned_from),
        "inputs-needed": Case(model, spoil=_one_column_decides),
        "people-no-name": Case(
            model, change_reference=put(number, lambda t: np.arange(len(t)) + 0.5), edit=lambda s: _quasi(unpin(s), number),
        ),
        "people-no-finer": Case(
            model, put(number, lambda t: rng.uniform(size=len(t))), edit=lambda s: _quasi(unpin(s), number),
            change_reference=put(number, lambda t: np.arange(len(t)) % 2 + 0.5),
        ),
        "kept-no-longer": Case(model, edit=lambda s: re.sub(r"(retention:\n  days: )\d+", r"\g<1>3", s)),
        "groups-covered": Case(model, blank("age" if model == "credit" else "AGEP", 0.5)),
    }
    if rule.startswith(("cost-", "vendor-")):
        return Case(model, edit=beside.edit(rule), spoil=beside.spoil(rule))
    return cases[rule]


def _told(table: pd.DataFrame) -> object:
    """Return a sex that follows from the column which decides most of the score."""
    return np.where(table["status_of_existing_checking_account"].isin(["no account", ">= 200 DM or salary"]), "male", "female")


def _by_heart(table: pd.DataFrame) -> pd.DataFrame:
    """Return people of whose truth the recorded scores are far surer than they are of anybody else's."""
    return table.assign(predicted_probability=table["employed"].astype(float))


def _unsure(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(predicted_probability=0.1 + 0.8 * table["predicted_probability"])


def _learned_from(text: str) -> str:
    return re.sub(r"(  path: references/employment.parquet\n)", r"\1  seen: in_sample\n", unpin(text))


def _one_column_decides(root: Path) -> None:
    """Let the vendor's model be ours: a tree of two leaves, which can read one of its columns and is given sixteen."""
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from sklearn.tree import DecisionTreeClassifier

    [passport] = (root / "models" / "employment").glob("*.yaml")
    text = passport.read_text(encoding="utf-8")
    table = pd.read_parquet(root / "references" / "employment.parquet")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    fitted = make_pipeline(codes, DecisionTreeClassifier(max_depth=1, random_state=0))
    fitted.fit(table[yaml.safe_load(text)["features"]], table["employed"])
    skops.io.dump(fitted, root / "model.skops")
    said = f"artifact: {{path: model.skops, sha256: {digest_file(root / 'model.skops')}, format: skops}}\n"
    said += "recipe: {command: [python, -c, pass], seed: 1}\nextensions: {skops_trusted: sklearn.tree._tree.Tree}\n"
    kept = re.sub(r"^(?:no_artifact_because|extensions):.*\n(?:^[ \t].*\n)*", "", text, flags=re.MULTILINE)
    passport.write_text(kept + said, encoding="utf-8")


def _open_to_others(root: Path) -> None:
    (root / ".roadworthy").mkdir()
    (root / ".roadworthy").chmod(0o777)


def _rewritten(name: str, this: str, that: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert this in text
        (root / name).write_text(text.replace(this, that), encoding="utf-8")

    return change


def _one_other_row(root: Path) -> None:
    """Change one cell of the table that the credit model learned from, in a row that it learned from."""
    path = root / "source" / "german_credit.parquet"
    table = pd.read_parquet(path)
    order = np.random.default_rng(20261122).permutation(len(table))
    table.loc[table.sort_values("application_id").index[order[0]], "age"] += 40
    table.to_parquet(path)


def _all_alike(table: pd.DataFrame) -> pd.DataFrame:
    """Return people who are the same in every column and half of whom are refused: nothing can be the reason."""
    person = pd.read_parquet(FLEET / "references" / "credit.parquet").iloc[0]
    alike = {name: person[name] for name in table.columns if name in person.index and name not in ("application_id", "decision")}
    return table.assign(**alike, decision=np.arange(len(table)) % 2)


def _never_seen(table: pd.DataFrame) -> pd.DataFrame:
    """Return people all of whose words are new, so that only numbers are left to decide by."""
    features = yaml.safe_load((FLEET / "models" / "credit" / "1.0.0.yaml").read_text(encoding="utf-8"))["features"]
    return table.assign(**{name: "never seen" for name in features if not pd.api.types.is_numeric_dtype(table[name])})


def _three_times(table: pd.DataFrame) -> pd.DataFrame:
    """Return flights whose numbers are far from all that was learned; what the model answered and what came true stay."""
    features = yaml.safe_load((FLEET / "models" / "flights" / "1.0.0.yaml").read_text(encoding="utf-8"))["features"]
    return table.assign(**{name: table[name] * 3 + 7 for name in features if pd.api.types.is_numeric_dtype(table[name])})


def _other_counts(root: Path) -> None:
    """Change how many rows each branch is said to have been grown on: the answers stay, their explanation no longer adds up."""
    import skops.io

    path, passport = root / "artifacts" / "credit" / "1.0.0.skops", root / "models" / "credit" / "1.0.0.yaml"
    before = digest_file(path)
    fitted = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    for row in fitted[-1]._predictors:
        row[0].nodes["count"][1] *= 3
    skops.io.dump(fitted, path)
    passport.write_text(passport.read_text(encoding="utf-8").replace(before, digest_file(path)), encoding="utf-8")


def _another_before(root: Path) -> None:
    """Put a version into service before this one, though its name comes after, that decides by what this one hardly reads."""
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    path, passport = root / "artifacts" / "credit" / "1.0.0.skops", root / "models" / "credit" / "1.0.0.yaml"
    columns = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))[0]
    reference = pd.read_parquet(root / "references" / "credit.parquet")
    fitted = make_pipeline(columns, LogisticRegression(tol=100.0))
    fitted[-1].fit(columns.transform(reference), reference["good_credit"])
    hardly = ("telephone", "job", "number_of_people_being_liable_to_provide_maintenance_for", "present_residence_since")
    places = [str(name).partition("__")[2] in hardly for name in columns.get_feature_names_out()]
    fitted[-1].coef_ = np.where(places, 5.0, 0.001).reshape(1, -1) / np.maximum(1e-9, columns.transform(reference).std(axis=0))
    other = path.with_name("9.0.0.skops")
    skops.io.dump(fitted, other)
    text = passport.read_text(encoding="utf-8").replace(digest_file(path), digest_file(other))
    text = text.replace("1.0.0.skops", "9.0.0.skops").replace('version: "1.0.0"', 'version: "9.0.0"')
    text = re.sub(r"(adopted:\n  since: )\S+", r"\g<1>2024-01-01", text)
    passport.with_name("9.0.0.yaml").write_text(text, encoding="utf-8")


def _group(table: pd.DataFrame, model: str) -> pd.Series:
    return table["sex"].eq("female") if model == "credit" else table["SEX"].astype(str).eq("2")


def _came_around(text: str) -> str:
    """Ask for a receipt of a batch that did not come through intake."""
    return text + "intake: {path: 'raw/{date}.csv', format: csv, required: true, key: env:PSEUDONYMS}\n"


def _quasi(text: str, column: str) -> str:
    """Name one column as all that could lead to a person."""
    lines = [line for line in text.splitlines() if not line.startswith(("quasi_identifiers:", "sensitive:"))]
    return "\n".join([*lines, f"quasi_identifiers: [{column}]"]) + "\n"


def _leaks(text: str, column: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("leaks:")]
    return "\n".join([*lines, f"leaks: [{column}]"]) + "\n"


@cache
def _policy(path: Path) -> Policy:
    """Return a policy of the fleet; reading one takes as long as some of these nights, and none of them changes the fleet."""
    return read_policy(path)


def _rules() -> list[ParameterSet]:
    """Return every rule of every policy; one that an earlier policy has to the letter is broken again in the long tier."""
    found, seen = [], set()
    for path in sorted((FLEET / "policies").glob("*.yaml")):
        for rule in _policy(path).rules:
            if rule.metric.startswith(("artifact.", "endpoint.")):
                continue  # no data can break them; see test_every_artifact_rule_can_fail and test_every_endpoint_rule_can_fail
            if rule.metric == names.METRIC:
                continue  # no data alone can break it; see test_every_names_rule_can_fail
            trains = rule.when == "gate" and rule.metric.startswith(("reproducibility.", "privacy."))
            said = rule.model_dump_json(exclude={"because", "clauses"})
            marks = [pytest.mark.long] if trains or said in seen else []
            seen.add(said)
            found.append(pytest.param(path.stem, rule.id, marks=marks, id=f"{path.stem}-{rule.id}"))
    return found


def _model_for(policy: str, rule: str) -> str:
    """Return a model of the fleet on which the rule can speak; a policy is tried on other models too."""
    tasks = next(r for r in _policy(FLEET / "policies" / f"{policy}.yaml").rules if r.id == rule).tasks
    if tasks == ["regression"]:
        return "bikes"
    if rule == "drift-volume":
        return "flights"  # the only model with weeks of days before its quiet night
    if rule == "score-means-the-same":
        return "employment"  # the only model whose groups are large enough
    if rule.startswith(("recipe-", "reproduced", "training-")):
        return "credit"  # the recipe that takes the least time
    if rule in ("members-hidden", "members-not-named", "inputs-needed"):
        return "employment"  # enough rows to tell, and as it is nobody says what it learned from
    if rule == "mitigation-planned":
        return "employment"  # nothing can be trained again, so without scores nothing is left to try
    own = {"minimal": "bikes", "limited": "flights", "high": "credit"}[policy]
    return own if not tasks or "binary" not in tasks or own != "bikes" else "flights"


def _families(rule: Rule) -> tuple[str, ...]:
    """Return what has to be measured for a rule: its own family and what it reads beside it."""
    family = "shap" if rule.metric in attribution.METRICS else rule.metric.partition(".")[0]
    family = "membership" if rule.metric in (*membership.METRICS, *minimisation.METRICS) else family
    beside = {"mitigation": ("fairness",)}.get(family, ())
    return (family, *beside, *(("explainability",) if rule.hardly_used_below is not None else ()))


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, date, Rule], set[str]]:
    """Return what a rule says of a model's unchanged data; measured once for each model, policy, night, occasion and family."""
    known: dict[tuple[object, ...], dict[str, set[str]]] = {}

    def statuses(model: str, policy: str, night: date, rule: Rule) -> set[str]:
        key = model, policy, night, _when(rule), _families(rule)
        if key not in known:
            workspace = copy_fleet(
                tmp_path_factory.mktemp("as it is"), model, until=night, edit=lambda text: f"{text}policy: {policy}\n"
            )
            found: dict[str, set[str]] = {}
            for one in run_night(workspace, night, _when(rule), _families(rule)).bundle.findings:
                found.setdefault(one.rule, set()).add(one.status)
            known[key] = found
        return known[key][rule.id]

    return statuses


def _when(rule: Rule) -> When:
    return "gate" if rule.when == "gate" else "nightly"


@pytest.mark.parametrize(("policy", "rule"), _rules())
def test_a_changed_batch_breaks_the_rule(
    tmp_path: Path, policy: str, rule: str, as_it_is: Callable[[str, str, date, Rule], set[str]]
) -> None:
    model = _model_for(policy, rule)
    case = case_of(rule, model)
    night = QUIET[model] + timedelta(days=case.later)
    declared = next(r for r in _policy(FLEET / "policies" / f"{policy}.yaml").rules if r.id == rule)
    wanted = case.wanted or declared.breach
    assert wanted not in as_it_is(model, policy, night, declared), "the rule is broken already, so breaking it proves nothing"
    workspace = copy_fleet(
        tmp_path / "changed",
        model,
        until=night,
        change=case.change,
        change_reference=case.change_reference,
        only_last=rule == "drift-volume",
        edit=lambda text: case.edit(text) + f"policy: {policy}\n",
    )
    case.spoil(workspace.root)
    for back in range(case.nights - 1, -1, -1):
        found = run_night(workspace, night - timedelta(days=back), _when(declared), _families(declared)).bundle
    assert wanted in {f.status for f in found.findings if f.rule == rule}


def test_a_group_that_gets_no_yes_at_all_fails_and_is_not_too_small_to_tell(tmp_path: Path) -> None:
    refused = case_of("four-fifths", "credit").change
    workspace = copy_fleet(tmp_path / "refused", "credit", until=NIGHT, change=refused)
    found = [f for f in run_night(workspace, NIGHT, only=["fairness"]).bundle.findings if f.over == {"group": {"sex": "women"}}]
    assert {f.status for f in found if f.rule == "four-fifths"} == {"fail"}
