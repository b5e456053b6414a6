"""The drift family finds what changed, raises no alarm where nothing did, and survives any table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from checks import drift
from checks.drift.profile import merge
from checks.drift.shift import merge_ordered
from checks.subject import on_reference, open_subject
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.workspace import Workspace
from tests.support import DAY, make_subject, passport_of, write_parquet

DEMO = Path(__file__).resolve().parents[3] / "data"
OF_ALARMS = {"drift.score_move", "drift.segment_move", "drift.drill_down"}  # measured only where a column is alarmed
FAMILY = {metric for metric in catalogue() if metric.startswith("drift.")} - OF_ALARMS


def frame(n: int, seed: int = 0, **columns) -> dict:
    """Return a table of the minimal passport, with columns replaced, added, or (None) removed."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 3, n)
    made = {
        "age": rng.integers(18, 90, n), "income": rng.lognormal(10, 1, n), "sex": rng.choice(["male", "female"], n),
        "score": score, "prediction": (score >= 0.5).astype("int8"), "label": (rng.random(n) < score).astype("int8"),
    }
    return {name: values for name, values in {**made, **columns}.items() if values is not None}


def measured(tmp_path, reference, batch, passport=None, **more) -> list[Measurement]:
    batches = batch if isinstance(batch, dict) and all(isinstance(k, date) for k in batch) else {DAY: batch}
    with make_subject(tmp_path, passport or passport_of(), reference, batches, **more) as subject:
        found = drift.measure(subject)
    assert {m.metric for m in found} == FAMILY, "each metric of the family is spoken of, whatever happens"
    for m in found:
        assert set(m.over) <= set(catalogue()[m.metric].over)
        low, high = catalogue()[m.metric].range
        if m.value is not None:
            assert (low is None or m.value >= low) and (high is None or m.value <= high)
    return found


def pick(found, metric, column=None) -> Measurement:
    over = {"column": column} if column else {}
    (one,) = [m for m in found if m.metric == f"drift.{metric}" and dict(m.over) == over]
    return one


def alarms(found: list[Measurement], alpha: float = 0.005, effect: float = 0.1) -> set[str]:
    """Return columns that Benjamini and Hochberg reject with an effect, over PSI of columns and score."""
    judged = ("drift.psi", "drift.score_psi")
    tested = sorted((m.p_value, i) for i, m in enumerate(found) if m.metric in judged and m.p_value is not None)
    passing = [p for rank, (p, _) in enumerate(tested, 1) if p <= alpha * rank / len(tested)]
    limit = max(passing, default=-1.0)
    return {found[i].over["column"] for p, i in tested if p <= limit and found[i].value >= effect}


def test_the_same_distribution_raises_no_alarm(tmp_path):
    found = measured(tmp_path, frame(5000, 1), frame(800, 2))
    assert alarms(found) == set()
    assert {m.status for m in found if m.metric == "drift.psi"} == {"measured"}
    assert abs(pick(found, "label_rate_change").value) < 0.05


@pytest.mark.parametrize("day", ["2025-04-15", "2025-04-16", "2025-04-17"])
def test_the_stable_control_of_the_demo_fleet_never_alarms(day):
    """Employment of 2016, 2017 and 2018 against 2015: 8,000 real rows a year, of which a drift alarm would be false."""
    workspace = Workspace.open(DEMO)
    with open_subject(workspace.root, workspace.passport("employment@2014.1"), date.fromisoformat(day)) as subject:
        found = drift.measure(subject)
    assert alarms(found) == set()
    assert sum(m.status == "measured" for m in found if m.metric == "drift.psi") >= 16
    label = pick(found, "label_rate_change")
    assert -0.1 < label.low < label.high < 0.1
    assert pick(found, "score_psi", "predicted_probability").value < 0.05
    for m in found:
        if m.metric in ("drift.missing_change", "drift.new_category_share", "drift.not_finite_share"):
            assert m.status == "measured"
            assert abs(m.value) < 0.02


def test_a_reference_is_at_no_distance_from_itself(tmp_path):
    with make_subject(tmp_path, passport_of(), frame(500), {DAY: frame(50)}) as subject:
        found = drift.measure(on_reference(subject))
    assert {m.value for m in found if m.metric in ("drift.psi", "drift.score_psi", "drift.ks")} == {0}
    assert pick(found, "volume_ratio").status == "not_applicable"


def test_a_shift_of_a_cauchy_is_found(tmp_path):
    """Bins of equal width over both samples score it 0.0000; deciles see it."""
    rng = np.random.default_rng(3)
    reference, batch = frame(20_000, 1, income=rng.standard_cauchy(20_000)), frame(2000, 2, income=rng.standard_cauchy(2000) + 1)
    found = measured(tmp_path, reference, batch)
    assert alarms(found) == {"income"}
    assert pick(found, "psi", "income").value == pytest.approx(0.43, abs=0.12)
    assert pick(found, "ks", "income").value > 0.2


def test_more_blanks_are_found_and_are_no_shift_of_the_values(tmp_path):
    """5 % to 15 % missing: dropped before the comparison elsewhere."""
    rng = np.random.default_rng(4)

    def blank(n: int, share: float):
        return pa.array(rng.lognormal(10, 1, n), mask=rng.random(n) < share)

    found = measured(tmp_path, frame(5000, 1, income=blank(5000, 0.05)), frame(1000, 2, income=blank(1000, 0.15)))
    change = pick(found, "missing_change", "income")
    assert change.low > 0.05 and change.value == pytest.approx(0.1, abs=0.03) and change.p_value < 1e-6
    assert alarms(found) == set()


def test_a_category_never_seen_is_found_and_named(tmp_path):
    rng = np.random.default_rng(5)
    batch = rng.choice(["male", "female", '<b>"; drop table'], 1000, p=[0.46, 0.46, 0.08])
    new = pick(measured(tmp_path, frame(5000, 1), frame(1000, 2, sex=batch)), "new_category_share", "sex")
    assert new.low > 0.05 and new.p_value < 1e-9
    ((word, rows),) = new.details["most_frequent"]
    assert (word, rows) == ('<b>"; drop table', (batch == '<b>"; drop table').sum())


def test_rare_categories_that_are_always_coming_are_expected(tmp_path):
    """A column of thousands of levels has never-seen ones every night; the reference says how many."""
    rng = np.random.default_rng(6)

    def dest(n: int):
        return [f"level {int(v)}" for v in 3000 * rng.random(n) ** 3]

    reference, batch = frame(9000, 1, dest=dest(9000)), frame(900, 2, dest=dest(900))
    new = pick(measured(tmp_path, reference, batch, passport_of(features=["dest"])), "new_category_share", "dest")
    assert new.value > 0.01
    assert new.p_value > 0.01
    assert new.details["expected_share"] == pytest.approx(new.value, abs=0.02)


def test_nan_and_infinity_are_counted_apart(tmp_path):
    income = np.random.default_rng(7).lognormal(10, 1, 1000)
    income[:30], income[30:40], income[40:45] = np.nan, np.inf, -np.inf
    found = measured(tmp_path, frame(3000, 1), frame(1000, 2, income=pa.array(income, pa.float64())))
    broken = pick(found, "not_finite_share", "income")
    assert broken.value == 0.045
    assert dict(broken.stats) == {"nan": 30, "plus_infinity": 10, "minus_infinity": 5}
    assert pick(found, "missing_change", "income").value == 0
    assert pick(found, "psi", "income").stats["batch_n"] == 955


def test_a_shift_of_the_score_has_a_metric_of_its_own(tmp_path):
    rng = np.random.default_rng(8)
    found = measured(tmp_path, frame(5000, 1), frame(1000, 2, score=rng.beta(5, 2, 1000)))
    assert alarms(found) == {"score"}
    assert "score" not in {m.over.get("column") for m in found if m.metric == "drift.psi"}


def test_a_regression_has_its_prediction_as_score_and_no_rate(tmp_path):
    passport = passport_of(task={"kind": "regression", "label": "label", "prediction": "score"})
    found = measured(tmp_path, frame(2000, 1), frame(500, 2), passport)
    assert pick(found, "score_psi", "score").status == "measured"
    assert pick(found, "label_rate_change").status == "not_applicable"


def test_the_rate_of_the_outcome_is_compared(tmp_path):
    rng = np.random.default_rng(9)
    label = (rng.random(2000) < 0.7).astype(bool)
    found = measured(tmp_path, frame(5000, 1, label=rng.random(5000) < 0.5), frame(2000, 2, label=label))
    rate = pick(found, "label_rate_change")
    assert rate.value == pytest.approx(0.2, abs=0.03) and rate.low > 0.1 and rate.p_value < 1e-9
    assert rate.stats["positives"] == label.sum()


def test_a_rate_is_no_surer_than_its_independent_blocks(tmp_path):
    """Forty rows of one day share its weather: they are not forty observations."""
    rng = np.random.default_rng(10)

    def days(count: int) -> dict:
        bad = rng.beta(0.5, 0.5, count).repeat(40)
        return frame(40 * count, 1, label=(rng.random(40 * count) < bad).astype("int8"), day=np.arange(count).repeat(40))

    reference, batch = days(90), days(14)
    by_row = pick(measured(tmp_path / "a", reference, batch), "label_rate_change")
    block = passport_of(independence={"unit": "block", "column": "day"})
    by_day = pick(measured(tmp_path / "b", reference, batch, block), "label_rate_change")
    assert by_day.value == by_row.value
    assert by_day.high - by_day.low > 3 * (by_row.high - by_row.low)
    assert by_day.stats["effective_n"] < 50


def test_labels_that_are_not_there_yet_are_insufficient(tmp_path):
    empty = frame(100, 2, label=pa.array([None] * 100, pa.int8()))
    assert pick(measured(tmp_path / "a", frame(500, 1), empty), "label_rate_change").status == "insufficient"
    assert pick(measured(tmp_path / "b", frame(500, 1), frame(100, 2, label=None)), "label_rate_change").status == "insufficient"


def batches(rows: list[int]) -> dict:
    """Return batches of so many rows on the days up to DAY, the last one today's."""
    return {DAY - timedelta(days=len(rows) - 1 - i): frame(n, i) for i, n in enumerate(rows)}


def test_the_volume_is_held_against_the_median_of_earlier_days(tmp_path):
    found = pick(measured(tmp_path, frame(500, 1), batches([100, 90, 110, 400, 100, 100, 95, 105, 40])), "volume_ratio")
    assert found.value == 0.4
    assert found.low <= found.value <= found.high
    assert found.stats["days"] == 8


def test_a_delivery_cut_short_shows_in_a_window_of_many_days(tmp_path):
    passport = passport_of(windows={"drift": 7})
    found = measured(tmp_path, frame(500, 1), batches([100] * 8 + [30]), passport)
    assert pick(found, "volume_ratio").value == 0.3
    assert pick(found, "psi", "age").stats["batch_n"] == 630


def test_the_volume_is_held_against_the_same_weekday(tmp_path):
    """A quiet Thursday among busy days is what Thursdays are."""
    days = {DAY - timedelta(days=back): frame(30 if back % 7 == 0 else 300, back) for back in range(1, 57)}
    found = measured(tmp_path / "quiet", frame(500, 1), {**days, DAY: frame(30, 1)})
    weekday = pick(found, "weekday_volume_ratio")
    assert (weekday.value, weekday.stats["days"], weekday.low <= 1 <= weekday.high) == (1.0, 8, True)
    assert "8 Thursdays before" in weekday.method
    assert pick(found, "volume_ratio").value == 0.1
    few = {day: rows for day, rows in days.items() if DAY - day < timedelta(days=28)}
    lacking = pick(measured(tmp_path / "few", frame(500, 1), {**few, DAY: frame(30, 1)}), "weekday_volume_ratio")
    assert lacking.status == "insufficient" and "3 of the 8 Thursdays" in lacking.reason


def test_a_category_that_no_longer_comes_is_found(tmp_path):
    rng = np.random.default_rng(13)
    words = rng.choice(["north", "south", "east", "rare"], 5000, p=[0.5, 0.3, 0.195, 0.005])
    gone = rng.choice(["north", "south"], 400)
    night = measured(tmp_path / "gone", frame(5000, 1, sex=words), frame(400, 2, sex=gone))
    found = pick(night, "vanished_category_share", "sex")
    assert found.details["categories"] == [["east", int((words == "east").sum())]]
    assert found.value == (words == "east").mean() and found.p_value < 1e-9
    assert found.stats["too_rare"] == 1 and found.high > (np.isin(words, ["east", "rare"])).mean()
    few = pick(measured(tmp_path / "few", frame(5000, 1, sex=words), frame(9, 2, sex=gone[:9])), "vanished_category_share", "sex")
    assert few.status == "insufficient"


def test_every_distance_of_a_column_is_that_of_scipy(tmp_path):
    rng = np.random.default_rng(14)
    x, y = rng.normal(size=4000), rng.normal(size=900) + 0.3
    found = measured(tmp_path, frame(4000, 1, income=x), frame(900, 2, income=y))
    moved, chi = pick(found, "wasserstein", "income"), pick(found, "cramers_v", "income").stats["chi_square"]
    assert moved.stats["least"] <= stats.wasserstein_distance(x, y) / moved.stats["spread"] <= moved.stats["most"]
    assert moved.value == pytest.approx(stats.wasserstein_distance(x, y) / x.std(), abs=0.01)
    assert moved.low <= 0.3 <= moved.high
    ks = pick(found, "ks", "income")
    assert ks.value <= stats.ks_2samp(x, y).statistic <= ks.value + ks.stats["gap"]
    assert ks.stats["gap"] < 0.05
    cells = pick(found, "psi", "income").details["cells"]
    before, now = (np.array([cell[i] for cell in cells]) for i in (1, 2))
    expected = stats.chi2_contingency(merge_ordered(before, now), correction=False)
    assert (chi["statistic"], chi["p"]) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue, rel=1e-9))
    assert chi["freedom"] == expected.dof
    assert pick(found, "total_variation", "income").value == pytest.approx(np.abs(before / 4000 - now / 900).sum() / 2)


def test_two_profiles_alone_give_what_the_night_measured(tmp_path):
    rng = np.random.default_rng(15)
    days = {DAY - timedelta(days=back): frame(200 + back, back, sex=rng.choice(["male", "new"], 200 + back)) for back in range(3)}
    with make_subject(tmp_path, passport_of(windows={"drift": 3}), frame(2000, 1), days) as subject:
        night = drift.measure(subject)
        plan, there = drift.reference_profile(subject)
        subject.con.execute("create table day_of as select *, date '2026-04-09' - (age % 2)::int as day from batch")
        batch = replace(subject.batch, name="day_of")
        counted = drift.profile_by_day(subject.con, batch, plan, "day")
        again = drift.compare(subject, plan, there, reduce(merge, counted.values()), batch)
    assert len(counted) == 2
    unnamed = {m.over["column"] for m in night if m.details.get("most_frequent")}
    assert unnamed == {"sex"}
    same = {(m.metric, m.over.get("column")): m for m in night}
    for m in again:
        told = same[m.metric, m.over.get("column")]
        if "most_frequent" in told.details:
            assert "most_frequent" not in m.details
            told = replace(told, details={k: v for k, v in told.details.items() if k != "most_frequent"})
        assert m == told


def test_without_days_to_compare_with_the_schema_is_still_that_of_the_reference(tmp_path):
    passport = passport_of(drift={"against": "rolling", "days": 7})
    found = measured(tmp_path, frame(500, 1), frame(100, 2, extra=np.zeros(100)), passport)
    told = next(m for m in found if m.metric == "drift.psi")
    assert told.status == "insufficient" and "nothing to compare with (rolling)" in told.reason
    assert pick(found, "new_columns").value == 1


def test_an_empty_day_has_a_volume_of_zero_and_no_distribution(tmp_path):
    found = measured(tmp_path, frame(500, 1), batches([50] * 8 + [0]))
    assert pick(found, "volume_ratio").value == 0
    assert {m.status for m in found if m.metric == "drift.psi"} == {"insufficient"}


def test_a_usual_volume_needs_a_week(tmp_path):
    assert pick(measured(tmp_path, frame(500, 1), batches([50] * 7)), "volume_ratio").status == "insufficient"


def test_a_broken_earlier_day_does_not_count(tmp_path):
    days = batches([50] * 9)
    broken = write_parquet(frame(1), tmp_path / passport_of().batches.path.replace("{date}", min(days).isoformat()))
    with make_subject(tmp_path, passport_of(), frame(500, 1), {d: b for d, b in days.items() if d != min(days)}) as subject:
        broken.write_bytes(b"PAR1 cut short")
        assert pick(drift.measure(subject), "volume_ratio").stats["days"] == 7


def test_a_missing_day_is_an_error_where_it_is_due_and_insufficient_where_not(tmp_path):
    for due, status in ((True, "error"), (False, "insufficient")):
        passport = passport_of(batches={"due": due})
        found = measured(tmp_path / str(due), frame(500, 1), {DAY - timedelta(days=3): frame(5)}, passport)
        assert {m.status for m in found if m.metric not in ("drift.label_rate_change",)} == {status}
        assert all("There is no batch" in m.reason for m in found)


def test_a_file_cut_short_is_an_error(tmp_path):
    path = write_parquet(frame(1000), tmp_path / passport_of().batches.path.replace("{date}", DAY.isoformat()))
    path.write_bytes(path.read_bytes()[:2000])
    found = measured(tmp_path, frame(500, 1), {})
    assert {m.status for m in found} == {"error"}


def test_a_reference_that_is_not_there_is_an_error_and_the_schema_is_still_read(tmp_path):
    found = measured(tmp_path, None, {**batches([50] * 8), DAY: frame(50, income=None)})
    assert pick(found, "missing_columns").details["columns"] == ["income"]
    assert pick(found, "type_changes").status == "error"
    assert pick(found, "volume_ratio").status == "measured"
    assert {m.status for m in found if m.metric == "drift.psi"} == {"error"}


def test_a_column_that_is_missing_or_of_another_type_is_an_error_of_its_own(tmp_path):
    batch = frame(500, 2, income=None, age=np.array([str(v) for v in range(500)]), extra=np.zeros(500))
    found = measured(tmp_path, frame(2000, 1), batch)
    assert pick(found, "missing_columns").details["columns"] == ["income"]
    assert pick(found, "type_changes").details["types"] == {"age": "BIGINT -> VARCHAR"}
    assert pick(found, "new_columns").details["columns"] == ["extra"]
    for column in ("income", "age"):
        assert pick(found, "psi", column).status == "error"
    assert pick(found, "missing_change", "age").value == 0
    assert pick(found, "psi", "sex").status == "measured"


def test_a_wider_number_and_a_column_without_values_are_no_change_of_type(tmp_path):
    batch = frame(300, 2, age=np.full(300, 40.0), sex=pa.array([None] * 300, pa.int32()))
    found = measured(tmp_path, frame(2000, 1), batch)
    assert pick(found, "type_changes").value == 0
    assert pick(found, "missing_change", "sex").value == 1
    assert pick(found, "psi", "sex").status == "insufficient"
    assert pick(found, "psi", "age").p_value < 1e-9


def test_columns_that_name_rows_or_hold_anything_are_not_compared(tmp_path):
    passport = passport_of(
        features=["age", "id", "at", "note", "tags"], time="at", identifiers=[{"column": "id", "purpose": "p", "basis": "b"}],
    )

    def rows(n: int, seed: int) -> dict:
        return frame(n, seed, id=np.arange(n), at=[datetime(2026, 1, 1, tzinfo=UTC)] * n, note=[f"text {i}" for i in range(n)],
                     tags=pa.array([["a"]] * n))

    found = measured(tmp_path, rows(600, 1), rows(200, 2), passport)
    for column in ("id", "at", "note", "tags"):
        left_out = pick(found, "psi", column)
        assert (left_out.status, bool(left_out.reason)) == ("not_applicable", True)
    assert "label" not in {m.over.get("column") for m in found}


@pytest.mark.parametrize(("reference", "batch"), [(1, 1), (10, 500), (500, 1), (500, 19), (20, 20)])
def test_tiny_tables_end_as_measurements(tmp_path, reference, batch):
    found = measured(tmp_path, frame(reference, 1), frame(batch, 2))
    expected = "measured" if min(reference, batch) >= 20 else "insufficient"
    assert {m.status for m in found if m.metric in ("drift.psi", "drift.ks")} == {expected}
    assert {m.status for m in found if m.metric == "drift.missing_change"} == {"measured"}


KINDS = {
    "numbers": [1.5, 2.5], "whole": [1, 2], "constant": [7], "words": ["a", "性"], "truths": [True, False],
    "money": [Decimal("1.10"), Decimal("2")], "dates": [date(2026, 1, 1), date(1, 1, 1)],
    "times": [datetime(2026, 1, 1), datetime(9000, 1, 1)], "nothing": [None], "broken": [np.nan, np.inf, -np.inf],
    "huge": [2**62, -(2**62)], "blob": [b"x", b"y"],
}


@pytest.mark.parametrize("before", KINDS)
def test_any_kind_of_column_may_become_any_other(tmp_path, before):
    features = list(KINDS)
    reference = frame(60, 1, **{name: (KINDS[before] * 60)[:60] for name in features})
    batch = frame(60, 2, **{name: (values * 60)[:60] for name, values in KINDS.items()})
    found = measured(tmp_path, reference, batch, passport_of(features=features))
    assert {m.over.get("column") for m in found if m.metric == "drift.psi"} >= set(features)
    assert pick(found, "type_changes").status == "measured"


NAMES = [
    'quote"d', "it's", "two words", "a=b", "*", "{{ 7 * 7 }}", "<b>bold</b>", "列名", "select", "-- x", "a.b", "%s", "?", "$1",
    " ", "c0",
]


def test_hostile_names_and_values_are_only_names_and_values(tmp_path):
    def rows(n: int, seed: int) -> dict:
        rng = np.random.default_rng(seed)
        words = {f"{name}!": rng.choice(NAMES, n) for name in NAMES}
        return frame(n, seed, **{name: rng.normal(size=n) for name in NAMES}, **words)

    features = [*NAMES, *(f"{name}!" for name in NAMES)]
    found = measured(tmp_path, rows(1000, 11), rows(400, 12), passport_of(features=features, time="c0 of the table"))
    statuses = {m.over["column"]: m.status for m in found if m.metric == "drift.psi"}
    assert {statuses[name] for name in features} == {"measured"}
    assert alarms(found) == set()


@pytest.mark.parametrize("column", ["income", "age"])
def test_a_constant_column_that_moves_is_found(tmp_path, column):
    reference = frame(2000, 1, **{column: np.full(2000, 5)})
    assert alarms(measured(tmp_path / "same", reference, frame(500, 2, **{column: np.full(500, 5)}))) == set()
    assert alarms(measured(tmp_path / "moved", reference, frame(500, 2, **{column: np.full(500, 6)}))) == {column}


def test_evidence_holds_no_value_of_a_single_row(tmp_path):
    income = np.random.default_rng(11).lognormal(10, 1, 500)
    income[0] = 123456789.125
    names = np.array(["common"] * 497 + ["Jane Doe", "John Roe", "J. Bloggs"])
    found = measured(tmp_path, frame(500, 1, income=income, sex=names), frame(500, 2, income=income, sex=names))
    text = repr([m.as_dict() for m in found])
    for single in ("123456789", "1.23457e+08", "Jane Doe", "J. Bloggs"):
        assert single not in text


def test_the_same_tables_give_the_same_measurements(tmp_path):
    reference, batch = frame(3000, 1), frame(700, 2)
    first = measured(tmp_path / "a", reference, batch, threads=1)
    second = measured(tmp_path / "b", reference, batch, threads=2)
    assert [m.as_dict() for m in first] == [m.as_dict() for m in second]


def test_fifty_thousand_levels_are_measured_and_raise_no_alarm(tmp_path):
    rng = np.random.default_rng(16)

    def levels(n: int):
        return pa.array((50_000 * rng.random(n) ** 2).astype(int)).cast(pa.string())

    reference, batch = frame(200_000, 1, dest=levels(200_000)), frame(1000, 2, dest=levels(1000))
    found = measured(tmp_path, reference, batch, passport_of(features=["dest"], protected=[]))
    of_levels = {m.metric: m for m in found if m.over.get("column") == "dest"}
    assert {m.status for metric, m in of_levels.items() if metric != "drift.vanished_category_share"} == {"measured"}
    assert "none can be missed" in of_levels["drift.vanished_category_share"].reason
    assert of_levels["drift.cramers_v"].value < 0.03
    assert alarms(found) == set()


@pytest.mark.long
def test_two_thousand_columns_are_measured(tmp_path):
    rng = np.random.default_rng(12)

    def rows(n: int) -> dict:
        numbers = {f"n{i}": rng.normal(size=n) for i in range(1600)}
        return frame(n, 1, **numbers, **{f"c{i}": rng.choice(["a", "b", "c"], n) for i in range(400)})

    features = [f"n{i}" for i in range(1600)] + [f"c{i}" for i in range(400)]
    found = measured(tmp_path, rows(3000), rows(1000), passport_of(features=features))
    assert sum(m.status == "measured" for m in found if m.metric == "drift.psi") == 2002
    assert alarms(found) == set()
