"""Explainability: which columns decide the model's score.

`measure` fits a surrogate, trees that give nearly the same score from the same columns, and asks of it how much of the score
each declared feature decides. It says how far the surrogate agrees with the model, and keeps silent where that is not far
enough. No artifact is loaded. Later, SHAP values of the model itself take the surrogate's place where an artifact can be run
safely.

The rooms: `sample` draws a bounded number of rows, `encoding` makes numbers of them, `surrogate` learns the score, `cells` cuts
columns up, `importance` exchanges them, and `measure` puts them together.
"""

from checks.explainability.measure import measure

__all__ = ["measure"]
