"""Explainability: which columns decide the model's score.

`measure` fits a surrogate, trees that give nearly the same score from the same columns, and asks of it how much of the score
each declared feature decides. It says how far the surrogate agrees with the model, and keeps silent where that is not far
enough. Where an artifact is declared, SHAP values share its own answers out among the columns; it is run in isolation and never
loaded here. A model without one is explained by its surrogate, and says so. `explain_rows` gives the values of single rows.

The rooms: `sample` draws a bounded number of rows, `encoding` makes numbers of them, `surrogate` learns the score, `cells` cuts
columns up, `importance` exchanges them, and `measure` puts them together. `asking` hands rows and artifact to the process
inside, where `inside` runs `explainers` by the kind of the model, `trees` for trees, and `folding` adds the values up by the
user's columns.
"""

from checks.explainability.asking import Explained, explain_rows
from checks.explainability.measure import measure

__all__ = ["Explained", "explain_rows", "measure"]
