"""The passport: each rule about what is declared, each as one sentence on its line."""

from __future__ import annotations

import copy
import json
from datetime import date

import pytest
import yaml

from roadworthy.errors import DocumentError
from roadworthy.passport import Passport, read_passport
from tests.support import passport_of

DIGEST = "0" * 64
REGRESSION = {"kind": "regression", "label": "y", "prediction": "p"}
CLASSES = {"kind": "multiclass", "label": "y", "prediction": "p"}
SEX = {"name": "sex", "column": "sex", "reference": "f"}
BINS = [{"label": "young", "below": 25}, {"label": "middle", "at_least": 25, "below": 60}, {"label": "old", "at_least": 60}]


def written():
    """A passport as YAML would hold it."""
    return {
        "schema_version": 1, "model": "loan", "version": "1.0.0", "title": "Loans", "summary": "Decides.", "risk_tier": "limited",
        "roles": {"owner": "olga", "guardian": "gustav", "operator": "oscar"},
        "task": {"kind": "binary", "label": "label", "prediction": "decision", "score": "score", "positive": 1, "negative": 0},
        "features": ["age", "income"],
        "protected": [{"name": "age", "column": "age", "reference": "old", "bins": copy.deepcopy(BINS)}],
        "independence": {"unit": "row"},
        "reference": {"path": "reference.parquet", "sha256": DIGEST},
        "batches": {"path": "batches/{date}.parquet"},
        "windows": {"drift": 1},
        "no_artifact_because": "A test needs none.",
        "risk_assessment": {"summary": "A test.", "by": "gustav", "dated": date(2026, 1, 1)},
        "use": {"intended": ["Tests."], "excluded": ["Else."], "human_oversight": "None."},
        "plain": {"what": "Tests.", "affected": "Nobody.", "weakness": "All.", "switch_off": "Nothing."},
    }


def changed(**changes):
    """Change keys, written with __ for a step into a mapping or list; None takes a key out."""
    data = written()
    for path, value in changes.items():
        here, (*steps, last) = data, [int(s) if s.isdigit() else s for s in path.split("__")]
        for step in steps:
            here = here[step]
        if value is None:
            del here[last]
        else:
            here[last] = value
    return data


def read(tmp_path, data, place="models/loan/1.0.0.yaml"):
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False, default_flow_style=False), encoding="utf-8")
    return read_passport(path, place)


def mistake(tmp_path, data):
    """Return the one sentence and the text of the line that it names."""
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, data)
    (said,) = caught.value.problems
    file, line, sentence = said.split(":", 2)
    assert file == "models/loan/1.0.0.yaml"
    return sentence.strip(), (tmp_path / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def test_a_whole_passport_is_read(tmp_path):
    passport, document = read(tmp_path, written())
    assert (passport.id, passport.policy_name, passport.word("age")) == ("loan@1.0.0", "limited", "age")
    assert document.at(("task", "label")).startswith("models/loan/1.0.0.yaml:")
    assert Passport.model_validate(written()) == passport


def test_the_policy_is_the_tier_unless_one_is_named_and_columns_have_words():
    passport = passport_of(policy="strict", glossary={"x": "Income"})
    assert (passport.policy_name, passport.word("x"), passport.word("y")) == ("strict", "Income", "y")


@pytest.mark.parametrize(("changes", "said", "line"), [
    # who
    ({"roles__guardian": None}, "the key 'roles.guardian' is missing.", "roles:"),
    ({"risk_tier": "high", "roles__guardian": "olga"}, "a high-risk model needs three different people; owner is olga", "roles:"),
    ({"risk_tier": "high", "roles__operator": "gustav"}, "a high-risk model needs three different people", "roles:"),
    ({"risk_tier": "tiny"}, "'risk_tier' is 'tiny', but must be 'minimal', 'limited' or 'high'.", "risk_tier:"),
    # names
    ({"roles__owner": "Olga"}, "'Olga' cannot be a name", "owner:"), ({"roles__owner": ""}, "'' cannot be a name", "owner:"),
    ({"roles__owner": "../olga"}, "cannot be a name", "owner:"),
    ({"roles__owner": "olga\n"}, "'olga\\n' cannot be a name", "owner:"),
    ({"roles__owner": "-olga"}, "cannot be a name", "owner:"), ({"roles__owner": "x" * 64}, "cannot be a name", "owner:"),
    ({"protected__0__name": "Age"}, "'Age' cannot be a name", "name:"), ({"policy": "a/b"}, "'a/b' cannot be a name", "policy:"),
    # the task
    ({"task__positive": None}, "a binary task needs 'positive' and 'negative'", "task:"),
    ({"task__negative": 1}, "'positive' and 'negative' are the same value.", "negative:"),
    ({"task__negative": True}, "'positive' and 'negative' are the same value.", "negative:"),
    ({"task__negative": "1"}, "'positive' and 'negative' are the same value.", "negative:"),
    ({"task__negative": "1.0"}, "'positive' and 'negative' are the same value.", "negative:"),
    ({"task__negative": "true"}, "'positive' and 'negative' are the same value.", "negative:"),
    ({"task__favourable": 2}, "'favourable' is 2, which is neither 'positive' nor 'negative'.", "favourable:"),
    ({"task__prediction": None, "task__score": None}, "a binary task needs a 'prediction' or a 'score' column.", "task:"),
    ({"task__prediction": "label"}, "'prediction' and 'label' are the same column 'label', so the model would", "prediction:"),
    ({"task__score": "label"}, "'score' and 'label' are the same column", "score:"),
    ({"task__maturity_days": -1}, "'task.maturity_days' cannot be '-1'", "maturity_days:"),
    ({"task": {"kind": "regression", "label": "y"}}, "a regression task needs a 'prediction' column.", "task:"),
    ({"task": {**REGRESSION, "loss_bound": 0}}, "'task.loss_bound' cannot be '0'", "loss_bound:"),
    ({"task": {**CLASSES, "classes": ["a"]}}, "needs 'classes'", "task:"),
    ({"task": {**CLASSES, "classes": [1, 2, "1"]}}, "the class '1' stands here a second", "'1'"),
    ({"task__kind": "ranking"}, "'task.kind' is 'ranking', but must be", "kind:"),
    ({"task__positive": 0.5}, "is a number ('0.5'), but must be text; put it in quotes or a whole number or", "positive:"),
    # columns
    ({"features": []}, "'features' cannot be '[]'", "features:"),
    ({"features": ["age", "age"]}, "the feature 'age' stands here a second", "- age"),
    ({"features": ["age", "label"]}, "the label 'label' stands under 'features'.", "features:"),
    ({"leaks": ["income"]}, "income stands under 'leaks' and under 'features'; a leak is never a feature.", "leaks:"),
    # protected attributes
    ({"protected": []}, "no protected attribute is declared; declare one under 'protected' or say why", "schema_version:"),
    ({"protected__0__reference": "ancient"}, "the reference 'ancient' is none of its bins (young, middle, old).", "name:"),
    ({"protected__0__values": {"1": "one"}}, "has both 'values' and 'bins'", "name:"),
    ({"protected__0__bins__1__label": "young"}, "has two bins of the same label.", "name:"),
    ({"protected__0__bins__1__at_least": 26}, "bin 'young' ends at 25 and 'middle' starts at 26; bins must follow", "name:"),
    ({"protected__0__bins__1__at_least": 24}, "bins must follow each other without gap or overlap.", "name:"),
    ({"protected__0__bins__0__below": None}, "bin 'young' ends at None", "name:"),
    ({"protected__0__bins__2__below": 60}, "bin 'old' is empty (60 to 60).", "name:"),
    ({"protected__0__bins__2__below": float("inf")}, "'protected[1].bins[3].below' cannot be 'inf'", "below:"),
    ({"protected": [{**SEX, "values": {"f": "women"}}]}, "write its word, 'women'.", "name:"),
    ({"protected": [{**SEX, "column": c} for c in "xy"]}, "two protected attributes have the name 'sex'.", "name:"),
    # data
    ({"batches__path": "batches/all.parquet"}, "'path' must hold {date}, the place of the day (2026-04-01).", "path:"),
    ({"batches__labels": "l/{date}.parquet"}, "'labels' and 'key' go together", "batches:"),
    ({"batches__key": "id"}, "'labels' and 'key' go together", "batches:"),
    ({"batches__path": "../{date}.parquet"}, "the path '../{date}.parquet' leaves the workspace", "path:"),
    ({"batches__path": "/data/{date}.parquet"}, "leaves the workspace", "path:"),
    ({"batches__key": "id", "batches__labels": "a/../../{date}"}, "leaves the workspace", "labels:"),
    ({"reference__path": "/etc/passwd"}, "leaves the workspace", "path:"),
    ({"suite": "../suite.yaml"}, "leaves the workspace", "suite:"),
    ({"telemetry": {"path": "../t.parquet", "rows": "n"}}, "leaves the workspace", "path:"),
    ({"reference__sha256": "abc"}, "'reference.sha256' is 'abc', which does not have the form", "sha256:"),
    ({"reference__sha256": DIGEST.replace("0", "A")}, "does not have the form", "sha256:"),
    ({"reference__sha256": DIGEST + "\n"}, "does not have the form", "sha256:"),
    ({"reference__first": date(2026, 2, 1), "reference__last": date(2026, 1, 1)}, "ends on 2026-01-01, before", "last:"),
    ({"reference__first": "2026-02-01"}, "is text ('2026-02-01'), but must be a date such as 2026-04-01.", "first:"),
    ({"windows__drift": 0}, "'windows.drift' cannot be '0'", "drift:"), ({"windows__drift": 367}, "cannot be '367'", "drift:"),
    ({"independence__unit": "entity"}, "independence by entity needs the 'column' that names it.", "independence:"),
    # the rest
    ({"no_artifact_because": None}, "no artifact is declared; declare it or say why", "schema_version:"),
    ({"artifact": {"path": "../m", "sha256": DIGEST, "format": "onnx"}}, "leaves the workspace", "path:"),
    ({"artifact": {"path": "m", "sha256": DIGEST, "format": "keras"}}, "'artifact.format' is 'keras', but must be", "format:"),
    ({"recipe": {"command": [], "seed": 1}}, "'recipe.command' cannot be '[]'", "command:"),
    ({"use__intended": []}, "'use.intended' cannot be '[]'", "intended:"),
    ({"schema_version": 2}, "'schema_version' is '2', but must be 1.", "schema_version:"),
    ({"extensions": {"password": "hunter2"}}, "'extensions.password' holds a literal secret.", "password:"),
])
def test_what_cannot_be_declared_is_one_sentence_on_its_line(tmp_path, changes, said, line):
    sentence, at = mistake(tmp_path, changed(**changes))
    assert said in sentence and line in at and "hunter2" not in sentence


@pytest.mark.parametrize("changes", [
    {"task__positive": True, "task__negative": False},
    {"task__positive": "yes", "task__negative": "no", "task__favourable": "no"},
    {"task__positive": "1", "task__negative": "01"}, {"task__positive": 1, "task__negative": -1},
    {"task": {**REGRESSION, "loss_bound": 2.5}}, {"task": {**CLASSES, "classes": ["a", "b", 1]}},
    {"protected": [], "no_protected_because": "It prices bolts."}, {"protected__0__bins": [{"label": "old"}]},
    {"protected": [{**SEX, "reference": "women", "values": {"f": "women", "m": "men"}}]}, {"protected": [SEX]},
    {"windows__drift": 366}, {"roles__deputy": "gustav"},
    {"roles__guardian": "olga"}, {"batches__key": "id", "batches__labels": "l/{date}.parquet"},
    {"batches__path": "a b/{date}/x={date}*[1].parquet"}, {"features": ["we'ird \"name\"", "日本", "a,b", "<b>", "{{ x }}", ""]},
    {"artifact": {"path": "m.skops", "sha256": DIGEST, "format": "skops"}}, {"reference__first": date(2026, 1, 1)},
    {"independence": {"unit": "block", "column": "day"}}, {"glossary": {"a": "b"}}, {"vendor": "acme.co"},
])
def test_what_real_models_need_can_be_declared(tmp_path, changes):
    passport, _ = read(tmp_path, changed(**changes))
    assert Passport.model_validate_json(json.dumps(passport.model_dump(mode="json"))) == passport


@pytest.mark.parametrize("place", ["models/loan/2.0.0.yaml", "models/other/1.0.0.yaml"])
def test_a_passport_lies_where_its_name_says(tmp_path, place):
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, written(), place)
    assert caught.value.problems == [f"{place}:3: says loan@1.0.0, but the file is {place}. Rename one: models/loan/1.0.0.yaml."]


def test_a_passport_cannot_be_changed_after_it_was_read():
    with pytest.raises(ValueError, match="frozen"):
        passport_of().model = "other"
