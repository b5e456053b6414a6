"""German credit: trained on 600 applications; the other 400 are the demo's batches.

Sex, marital status, nationality and everything that names a person are no inputs. Age is one, as banks use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipes.shared import SEED, SOURCE, fit, out_of_fold, pipeline, probability, run

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

CATEGORIES = (
    "status_of_existing_checking_account", "credit_history", "purpose", "savings_account_or_bonds", "present_employment_since",
    "other_debtors_or_guarantors", "property", "other_installment_plans", "housing", "job", "telephone",
)
NUMBERS = (
    "duration_in_month", "credit_amount", "installment_rate_in_percentage_of_disposable_income", "present_residence_since", "age",
    "number_of_existing_credits_at_this_bank", "number_of_people_being_liable_to_provide_maintenance_for",
)
FEATURES = (*CATEGORIES, *NUMBERS)
LABEL = "good_credit"
ROW_ORDER = ("application_id",)
TRAINED_ON = 600
FOLDS = 10
THRESHOLD = 0.5


def rows() -> pd.DataFrame:
    """Return all applications, in the order of a seeded permutation of their numbers."""
    import numpy as np
    import pandas as pd

    table = pd.read_parquet(SOURCE / "german_credit.parquet").sort_values("application_id", ignore_index=True)
    return table.iloc[np.random.default_rng(SEED).permutation(len(table))].reset_index(drop=True)


def model() -> Pipeline:
    """Return the untrained model: small trees, because 600 rows feed no large ones."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, l2_regularization=1.0, early_stopping=False, random_state=0,
    )
    return pipeline(CATEGORIES, NUMBERS, trees)


def trained_on() -> pd.DataFrame:
    """Return the first 600 applications of the permutation: what the model is shown of them, in the order of training."""
    return rows()[:TRAINED_ON].sort_values(list(ROW_ORDER))[[*FEATURES, LABEL]]


def train() -> Pipeline:
    """Train on the first 600 applications of the permutation."""
    found = trained_on()
    return fit(model(), found[list(FEATURES)], found[LABEL])


def reference_scores(found: pd.DataFrame) -> Any:
    """Score the training rows by models that have not seen them: ten folds in the permutation's order."""
    import numpy as np

    return out_of_fold(model, found, features=FEATURES, label=LABEL, fold=np.arange(len(found)) % FOLDS, score=probability)


if __name__ == "__main__":
    run(train, trained_on, ROW_ORDER)
