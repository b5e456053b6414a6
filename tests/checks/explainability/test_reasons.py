"""Reasons of single decisions: what counted against the person, in words, with nothing in them that leads to the person."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from checks.explainability.asking import Explained
from checks.explainability.reasons import measure, principal
from checks.isolation import IsolationError
from checks.subject import Subject
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from tests.checks.explainability.worlds import FEATURES, answered, model, opened, people, stored
from tests.support import DAY, make_subject, passport_of

SLOPES = {"age": 0.5, "income": 2.0, "rent": -1.0, "idle": 0.0}


def applicants(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return people whose score is a sum of known parts; granted from zero on."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list(SLOPES))
    margin = sum(slope * frame[name] for name, slope in SLOPES.items())
    score = 1 / (1 + np.exp(-margin))
    named = {"applicant": [f"person-{i:05d}" for i in range(n)], "sex": ["male", "female"] * (n // 2)}
    return frame.assign(**named, score=score, prediction=(margin >= 0).astype(int), label=1)


def explained(frame: pd.DataFrame, features: list[str], **changed: Any) -> Explained:
    """Return what an explanation of a linear model is by its formula: slope times distance from the mean."""
    values = np.column_stack([SLOPES[name] * (frame[name] - frame[name].mean()) if name in SLOPES else 0 * frame["age"]
                              for name in features])
    base = np.array([sum(slope * frame[name].mean() for name, slope in SLOPES.items())])
    margins = (base[0] + values.sum(axis=1))[None, :]
    made = Explained(
        tuple(features), np.arange(len(frame)), values[None, :, :], base, margins, 1 / (1 + np.exp(-margins)), "linear",
        "log-odds", "by formula", "model", "network namespace",
    )
    return replace(made, **changed)


@contextmanager
def subject_of(root: Path, frame: pd.DataFrame, passport: Passport, **changed: Any) -> Iterator[Subject]:
    with make_subject(root, passport, frame, {DAY: frame}) as subject:
        told = explained(frame, list(passport.features), **changed)
        subject.once[f"explained {subject.decided.digest}"] = len(frame), told
        yield subject


def written(root: Path, m: Measurement) -> tuple[dict[str, Any], str]:
    read = [(root / m.details[ending]["path"]).read_text(encoding="utf-8") for ending in ("json", "md")]
    return json.loads(read[0]), read[1]


def reasons_of(root: Path, frame: pd.DataFrame, **fields: Any) -> tuple[Measurement, dict[str, Any], str]:
    passport = passport_of(**{"features": list(SLOPES), "protected": [], **fields})
    with subject_of(root, frame, passport) as subject:
        (m,) = measure(subject, root / "restricted")
    return m, *written(root / "restricted", m)


# --- known answers


def test_the_reasons_of_a_linear_model_are_those_of_its_formula(tmp_path: Path) -> None:
    frame = applicants()
    m, made, _ = reasons_of(tmp_path, frame)
    accepted = frame[frame["prediction"] == 1]
    assert m.value == 1.0 and m.n == 50 and m.low < 1.0 == m.high and len(made["cases"]) == 50
    for case in made["cases"]:
        row = frame.iloc[case["row"]]
        assert row["prediction"] == 0
        behind = {name: slope * (accepted[name].mean() - row[name]) for name, slope in SLOPES.items()}
        helped = {name for name, slope in SLOPES.items() if slope * (row[name] - frame[name].mean()) >= 0}
        wanted = sorted((name for name in behind if behind[name] > 0.01 and name not in helped), key=lambda name: -behind[name])
        got = [reason["column"] for reason in case["reasons"]]
        assert got[: len(wanted)] == wanted[:4] and set(got).isdisjoint(helped)
        for reason in case["reasons"]:
            assert reason["behind"] == pytest.approx(behind[reason["column"]], abs=1e-9)
        assert case["behind"] == pytest.approx(sum(behind.values()), abs=1e-9), "all columns together are the whole distance"


def test_the_artifact_itself_is_asked_where_nobody_has_asked_it_yet(tmp_path: Path) -> None:
    fitted = model()
    passport = stored(tmp_path, fitted, protected=[], glossary={"income": "yearly income", "town": "place"})
    now = answered(fitted, people(120, 3))
    with opened(tmp_path, passport, answered(fitted, people(300, 1)), now) as subject:
        (m,) = measure(subject, tmp_path / "restricted")
    made, page = written(tmp_path / "restricted", m)
    assert m.details["explained"] == "model" and made["scale"] == "log-odds" and m.value > 0.9
    accepted = now[now["prediction"] == 1]
    for case in made["cases"]:
        row, reasons = now.iloc[case["row"]], {r["column"]: r["behind"] for r in case["reasons"]}
        assert "idle" not in reasons and set(reasons) <= set(FEATURES)
        if "income" in reasons:
            assert reasons["income"] == pytest.approx(2 * (accepted["income"].mean() - row["income"]), abs=1e-9)
    assert "yearly income: -" in page and "in the middle" in page


def test_a_column_that_helped_or_counts_for_nothing_is_no_reason() -> None:
    names = np.array([True, True, True, False, True])
    behind, values = np.array([0.9, 0.5, 1e-6, 2.0, -0.3]), np.array([0.2, -0.5, -1e-6, -2.0, -0.4])
    assert principal(behind, values, names, 1e-4) == [1]
    many = np.linspace(1, 2, 9)
    assert principal(many, -many, np.ones(9, dtype=bool), 1e-4) == [8, 7, 6, 5], "four at most, the strongest first"


def test_which_side_is_favourable_turns_the_reasons_round(tmp_path: Path) -> None:
    """The score speaks of the positive value; where the negative one is good for the person, a high score is the reason."""
    frame = applicants()
    _, made, _ = reasons_of(tmp_path, frame, task={"favourable": 0})
    assert made["cases"] and all(frame.iloc[case["row"]]["prediction"] == 1 for case in made["cases"])
    for case in made["cases"]:
        for reason in case["reasons"]:
            row = frame.iloc[case["row"]]
            assert SLOPES[reason["column"]] * (row[reason["column"]] - frame[reason["column"]].mean()) > 0


def test_of_several_classes_the_favourable_one_is_explained(tmp_path: Path) -> None:
    frame = applicants()
    frame["grade"] = np.where(frame["prediction"] == 1, "yes", np.where(frame["rent"] > 0, "later", "no"))
    kinds = {"kind": "multiclass", "label": "label", "prediction": "grade", "classes": ["no", "later", "yes"]}
    passport = passport_of(task={**kinds, "favourable": "yes"}, features=list(SLOPES), protected=[])
    one = explained(frame, list(SLOPES))
    outputs = np.concatenate([0 * one.outputs, -one.outputs, one.outputs])
    three = {"outputs": outputs, "bases": np.zeros(3), "margins": outputs.sum(axis=2)}
    with subject_of(tmp_path, frame, passport, answers=np.repeat(one.answers, 3, axis=0), **three) as subject:
        (m,) = measure(subject, tmp_path / "restricted")
    made, _ = written(tmp_path / "restricted", m)
    assert all(frame.iloc[case["row"]]["grade"] != "yes" for case in made["cases"])
    first = made["cases"][0]
    row = frame.iloc[first["row"]]
    assert all(SLOPES[r["column"]] * (row[r["column"]] - frame[r["column"]].mean()) < 0 for r in first["reasons"])


# --- who may not be found, and what may not be hidden


def test_no_identifier_is_ever_written_though_it_is_an_input_with_words_of_its_own(tmp_path: Path) -> None:
    frame = applicants()
    passport = passport_of(
        features=[*SLOPES, "applicant"], protected=[], glossary={"applicant": "name of the applicant"},
        identifiers=[{"column": "applicant", "purpose": "To find a case.", "basis": "Contract."}],
    )
    values = np.concatenate([explained(frame, list(SLOPES)).outputs, np.full((1, len(frame), 1), -9.0)], axis=2)
    with subject_of(tmp_path, frame, passport, outputs=values) as subject:
        told = subject.once[f"explained {subject.decided.digest}"]
        whole = replace(told[1], margins=told[1].bases[:, None] + values.sum(axis=2))
        subject.once[f"explained {subject.decided.digest}"] = told[0], whole
        (m,) = measure(subject, tmp_path / "restricted")
    made, page = written(tmp_path / "restricted", m)
    text = page + json.dumps(made) + json.dumps(m.as_dict())
    assert made["cases"] and "person-" not in text and "applicant" not in text


def test_an_identifier_that_decides_most_of_the_score_is_still_no_reason(tmp_path: Path) -> None:
    declared = [{"column": "income", "purpose": "To find a case.", "basis": "Contract."}]
    frame = applicants()
    for which, fields in enumerate(({"identifiers": declared}, {"independence": {"unit": "entity", "column": "income"}})):
        named, made, page = reasons_of(tmp_path / f"with-{which}", frame, **fields)
        assert named.value is not None and made["cases"]
        assert "income" not in json.dumps(made["cases"]) and "income" not in page
    _, made, _ = reasons_of(tmp_path / "without", frame)
    assert "income" in json.dumps(made["cases"])


def test_a_protected_attribute_is_named_and_marked(tmp_path: Path) -> None:
    protected = [{"name": "age", "column": "age", "reference": "old", "bins": [
        {"label": "young", "below": 0}, {"label": "old", "at_least": 0}]}]
    m, made, page = reasons_of(tmp_path, applicants(), protected=protected)
    marked = {reason["column"] for case in made["cases"] for reason in case["reasons"] if reason["protected"]}
    assert marked == {"age"} and m.details["with_protected"] > 0
    assert "a notice may not hide it" in page and "protected attribute is one" in m.details["sentence"]


def test_cells_and_words_cannot_do_anything_on_the_page(tmp_path: Path) -> None:
    frame = applicants()
    hostile = "<script>alert(1)</script>|[x](javascript:1)\u202e\n# head https://x.example `code`"
    frame["rent"] = [hostile if p == 0 else "fine" for p in frame["prediction"]]
    passport = passport_of(features=list(SLOPES), protected=[], glossary={"rent": hostile}, title=hostile)
    with make_subject(tmp_path, passport, frame, {DAY: frame}) as subject:
        values = explained(applicants(), list(SLOPES))
        outputs = values.outputs.copy()
        outputs[0, :, 2] = np.where(frame["prediction"] == 0, -3.0, 3.0)
        told = replace(values, outputs=outputs, margins=values.bases[:, None] + outputs.sum(axis=2))
        subject.once[f"explained {subject.decided.digest}"] = len(frame), told
        (m,) = measure(subject, tmp_path / "restricted")
    _, page = written(tmp_path / "restricted", m)
    for live in ("<script", "\u202e", "\n# head", "https://", "](javascript", "`code`", ">|["):
        assert live not in re.sub(r"\\.", "", page), live
    assert page.count("\n# ") == 0 and page.startswith("# Reasons")


def test_files_are_for_few_eyes_and_named_by_their_bytes(tmp_path: Path) -> None:
    m, made, _ = reasons_of(tmp_path, applicants())
    path = tmp_path / "restricted" / m.details["json"]["path"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stem == m.details["json"]["sha256"]
    for folder in path.relative_to(tmp_path).parents:
        assert folder == Path() or stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
    assert "cases" not in json.dumps(m.as_dict()) and made["cases"][0]["file"] == f"batches/{DAY}.parquet"
    again, *_ = reasons_of(tmp_path / "elsewhere", applicants())
    assert again.details["json"]["sha256"] == m.details["json"]["sha256"], "the same window gives the same bytes"


# --- what cannot be given


def test_people_who_are_all_alike_have_no_single_reason(tmp_path: Path) -> None:
    frame = pd.concat([applicants().head(1)] * 100, ignore_index=True).assign(prediction=[0, 1] * 50)
    m, made, page = reasons_of(tmp_path, frame)
    assert m.value == 0.0 and m.n == 50 and all(case["reasons"] == [] for case in made["cases"]) and "No single reason" in page


def test_nobody_refused_nobody_granted_and_nobody_judged(tmp_path: Path) -> None:
    passport = passport_of(features=list(SLOPES), protected=[])
    with subject_of(tmp_path / "granted", applicants().assign(prediction=1), passport) as subject:
        (m,) = measure(subject, tmp_path)
    assert m.status == "insufficient" and "unfavourable" in m.reason
    refused, _, _ = reasons_of(tmp_path / "refused", applicants().assign(prediction=0))
    assert refused.status == "measured" and "mean of the reference" in refused.details["baseline"]
    bare = passport_of(task={"favourable": None}, protected=[])
    with make_subject(tmp_path / "bare", bare, applicants(), {DAY: applicants()}) as subject:
        assert [m.status for m in measure(subject, tmp_path)] == ["not_applicable"]


def test_an_explanation_that_does_not_add_up_or_was_not_had_gives_no_reasons(tmp_path: Path) -> None:
    frame, passport = applicants(), passport_of(features=list(SLOPES), protected=[])
    with subject_of(tmp_path, frame, passport) as subject:
        key = f"explained {subject.decided.digest}"
        told = subject.once[key][1]
        subject.once[key] = len(frame), replace(told, margins=told.margins + np.eye(1, len(frame)))
        (m,) = measure(subject, tmp_path / "restricted")
        assert m.status == "error" and "no reasons" in m.reason
        subject.once[key] = IsolationError("It was ended after 120 s.")
        (m,) = measure(subject, tmp_path / "restricted")
        assert m.status == "error" and "120 s" in m.reason
        assert not (tmp_path / "restricted").exists()


def test_days_without_rows_or_columns_and_a_full_disk_are_said(tmp_path: Path) -> None:
    passport = passport_of(features=list(SLOPES), protected=[])
    with make_subject(tmp_path / "a", passport, applicants(), {}) as subject:
        assert [m.status for m in measure(subject, tmp_path)] == ["insufficient"]
    with make_subject(tmp_path / "b", passport, applicants(), {DAY: applicants().drop(columns="income")}) as subject:
        (m,) = measure(subject, tmp_path)
        assert m.status == "insufficient" and "'income'" in m.reason
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with subject_of(tmp_path / "c", applicants(), passport) as subject:
        (m,) = measure(subject, tmp_path / "file")
        assert m.status == "error" and "restricted store" in m.reason
