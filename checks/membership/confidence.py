"""How sure a model is of the truth of each row: the one number that every attack reads.

A model that learned a row by heart is surer of its truth than it would be otherwise. Confidence is the loss turned round and
stretched, so that it is roughly normal over models that differ in what they learned from (Carlini et al. 2022, section V).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

EDGE = 1e-3
"""Chances nearer than this to 0 or 1 count as this near where models are compared; a forest may say 1."""
SHARP = 1e-9
"""The same where rows of one model are ranked, and the spread of their confidence is of no account."""


def confidence(truth: Numbers, answers: Numbers, kind: str, spread: float = 1.0, edge: float = EDGE) -> Numbers:
    """Return how sure the answers are of the truth.

    Parameters
    ----------
    truth : ndarray of shape (rows,)
        1 or 0, the place of the class, or the number.
    answers : ndarray of shape (outputs, rows)
        The chance of 1, of each class, or the number.
    kind : {"binary", "multiclass", "regression"}
    spread : float
        Of a number: the size of an error that counts as large. Greater than 0.
    edge : float
        In (0, 0.5): chances and errors nearer than this to certainty count as this near.

    Returns
    -------
    ndarray of shape (rows,)
        ``log(p / (1 - p))`` of the chance p given to the truth; of a number ``-log(|error| / spread + edge)``. NaN where
        there is no answer.

    Examples
    --------
    >>> confidence(np.array([1.0, 0.0]), np.array([[0.9, 0.9]]), "binary").round(2).tolist()
    [2.2, -2.2]
    >>> confidence(np.array([3.0]), np.array([[2.0]]), "regression", spread=1.0).round(2).tolist()
    [-0.0]
    """
    if kind == "regression":
        return np.asarray(-np.log(np.abs(truth - answers[0]) / spread + edge))
    if kind == "binary":
        chance = np.where(truth == 1, answers[0], 1 - answers[0])
    else:
        chance = answers[truth.astype(np.int64), np.arange(len(truth))]
    kept = np.clip(chance, edge, 1 - edge)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def spread_of(truth: Numbers, kind: str) -> float:
    """Return the size of an error that counts as large: the standard deviation of the numbers, 1 where there is none.

    Examples
    --------
    >>> spread_of(np.array([1.0, 3.0]), "regression"), spread_of(np.array([1.0, 3.0]), "multiclass")
    (1.0, 1.0)
    """
    found = float(np.std(truth)) if kind == "regression" else 1.0
    return found if found > 0 else 1.0
