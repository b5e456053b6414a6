"""The attacks and their intervals: known answers from outside, simulations where nothing leaks, and hostile shapes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import roc_auc_score, roc_curve

from checks.intervals import delong, rank_sums
from checks.membership.attacks import effect_of, halves, likelihood_ratio, told
from checks.membership.confidence import confidence


def one_target(scores, members):
    return told(scores[None, :], (np.arange(len(scores)) < members)[None, :], np.arange(len(scores)))


def test_the_area_and_the_share_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(0.7, 1, 700), rng.normal(0, 1, 1500)])
    found, truth = one_target(scores, 700), np.arange(2200) < 700
    assert found.auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert found.auc == pytest.approx(mannwhitneyu(scores[:700], scores[700:]).statistic / (700 * 1500), abs=1e-12)
    rates, shares, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert found.named == pytest.approx(shares[rates <= 0.01].max(), abs=2 / 700)
    assert found.low < found.named < found.high
    known = norm.cdf(norm.ppf(0.01) + 0.7)  # what the share is of two such normals
    assert found.low < known < found.high


def test_the_interval_of_one_target_is_delongs():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 9, 300)
    counts = [(int((values[:120] == v).sum()), int((values[120:] == v).sum())) for v in range(9)]
    found = one_target(values.astype(float), 120)
    assert found.interval[:2] == pytest.approx(delong(rank_sums(counts))[:2], abs=2e-3)


def test_the_likelihood_ratio_is_that_of_two_normals_with_known_centres():
    rng = np.random.default_rng(2)
    member = halves(np.zeros(3_000, dtype=int), np.arange(3_000), 32, seed=3)
    lift = 1.0
    sure = rng.normal(size=3_000) * 5 + lift * member + rng.normal(size=(32, 3_000))
    found = told(likelihood_ratio(sure, member), member, np.arange(3_000))
    assert found.auc == pytest.approx(norm.cdf(lift / np.sqrt(2)), abs=0.02), "two normals, one apart"
    by_loss = told(sure, member, np.arange(3_000))
    assert by_loss.auc < 0.57, "rows differ so much that the cheap attack hardly sees it"


@pytest.mark.parametrize("models", [8, 16])
def test_where_nothing_leaks_the_interval_holds_a_half_as_often_as_it_says(models):
    rng, held, areas = np.random.default_rng(4), 0, []
    for turn in range(100):
        label = rng.integers(0, 2, 200)
        member = halves(label, np.arange(200), models, turn)
        sure = rng.normal(size=200) + rng.normal(0, 0.3, (models, 200)) + rng.normal(0, 0.2, (models, 1))
        found = told(likelihood_ratio(sure, member), member, np.arange(200))
        areas.append(found.auc)
        held += found.interval.low <= 0.5 <= found.interval.high
    assert held / 100 >= 0.88
    assert abs(np.mean(areas) - 0.5) < 4 * np.std(areas) / np.sqrt(100), "shadows that count unevenly do worse than chance"


def test_labels_of_membership_given_at_random_are_not_told_apart():
    rng, held, named = np.random.default_rng(5), 0, 0
    for _ in range(200):
        found = one_target(rng.normal(size=1_400), 300)
        held += found.interval.low <= 0.5 <= found.interval.high
        named += found.low <= 0.01 <= found.high
    assert 0.90 <= held / 200 <= 0.99 and named / 200 >= 0.95


def test_too_few_others_resolve_no_small_rate():
    scores = np.arange(1_099.0)
    assert one_target(scores, 100).named is None and one_target(np.arange(1_100.0), 100).named is not None


def test_a_model_that_answers_the_same_tells_nothing_and_says_how_little():
    found = one_target(np.zeros(2_000), 500)
    assert (found.auc, found.named) == (0.5, 0.0) and found.interval.low < 0.5 < found.interval.high
    member = halves(np.zeros(100, dtype=int), np.arange(100), 8, seed=1)
    assert told(likelihood_ratio(np.zeros((8, 100)), member), member, np.arange(100)).auc == 0.5


def test_rows_that_hang_together_make_the_interval_wider():
    rng = np.random.default_rng(6)
    days = np.repeat(np.arange(60), 20)
    sure = rng.normal(size=60)[days] + rng.normal(0, 0.3, 1_200)
    apart = one_target(sure, 600).interval
    together = told(sure[None, :], (np.arange(1_200) < 600)[None, :], days).interval
    assert together.high - together.low > 3 * (apart.high - apart.low)
    assert effect_of(sure, days) > 10


@pytest.mark.parametrize("rows", [41, 100, 777])
def test_halves_are_halves_of_every_class_and_keep_a_person_whole(rows):
    rng = np.random.default_rng(7)
    label, person = rng.integers(0, 3, rows), np.arange(rows) // 2
    alone = halves(label, np.arange(rows), 16, seed=8)
    for k in range(3):
        inside = alone[:, label == k].sum(axis=1)
        assert (abs(inside - (label == k).sum() / 2) <= 1.5).all()
    assert (alone.sum(axis=0) == 8).all() and (alone[0::2] != alone[1::2]).all()
    whole = halves(label, person, 16, seed=8)
    assert all((whole[:, 2 * k] == whole[:, 2 * k + 1]).all() for k in range(rows // 2))
    assert (alone == halves(label, np.arange(rows), 16, seed=8)).all()


def test_confidence_reads_the_chance_of_the_truth_and_keeps_what_is_missing():
    chances = np.array([[0.2, np.nan], [0.5, 0.1], [0.3, 0.2]])
    found = confidence(np.array([1.0, 0.0]), chances, "multiclass")
    assert found[0] == 0.0 and np.isnan(found[1])
    sure = confidence(np.array([1.0, 0.0]), np.array([[1.0, 1.0]]), "binary")
    assert sure.tolist() == pytest.approx([6.9068, -6.9068], abs=1e-3)
    errors = confidence(np.array([1.0, 5.0]), np.array([[1.0, 4.0]]), "regression", spread=2.0)
    assert errors[0] > errors[1]
