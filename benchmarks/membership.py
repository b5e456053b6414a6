"""How much four kinds of model give away of who they learned from, by the cheap attack and by the strong one.

Run ``python benchmarks/membership.py``; it takes about half a minute. Rows are synthetic (scikit-learn's `make_classification`, a
tenth of the labels turned round), so the table shows the shape and not what another model will do. Each model is trained on 16
random halves and attacked by its loss and by the likelihood ratio of its shadows.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks.membership.attacks import halves, likelihood_ratio, told
from checks.membership.confidence import confidence

ROWS, SHADOWS, SEED = 2_000, 16, 20261122
MODELS = {
    "logistic regression": LogisticRegression(max_iter=1_000),
    "forest, trees grown to the end": RandomForestClassifier(100, random_state=0),
    "forest, leaves of 20": RandomForestClassifier(100, min_samples_leaf=20, random_state=0),
    "gradient boosting": GradientBoostingClassifier(random_state=0),
}


def main() -> None:
    rows, label = make_classification(
        ROWS, n_features=20, n_informative=8, flip_y=0.1, class_sep=0.8, random_state=SEED,
    )
    member = halves(label, np.arange(ROWS), SHADOWS, SEED)
    print(f"{ROWS:,} rows, {SHADOWS} models on half of them each")
    print(f"{'model':32} {'AUC by loss':>26} {'AUC by ratio':>26} {'named at 1 %, loss':>20} {'named, ratio':>24} {'seconds':>8}")
    for name, model in MODELS.items():
        began = time.perf_counter()
        sure = []
        for inside in member:
            fitted = clone(model).fit(rows[inside], label[inside])
            sure.append(confidence(label.astype(float), fitted.predict_proba(rows)[:, 1][None, :], "binary"))
        loss, ratio = (told(s, member, np.arange(ROWS)) for s in (np.array(sure), likelihood_ratio(np.array(sure), member)))
        print(
            f"{name:32} {_auc(loss):>26} {_auc(ratio):>26} {_share(loss.named):>20} "
            f"{f'{_share(ratio.named)} ({_share(ratio.low)} to {_share(ratio.high)})':>24} {time.perf_counter() - began:>8.1f}"
        )


def _auc(found) -> str:
    return f"{found.auc:.3f} ({found.interval.low:.3f} to {found.interval.high:.3f})"


def _share(value: float | None) -> str:
    return "not told" if value is None else f"{100 * value:.1f} %"


if __name__ == "__main__":
    main()
