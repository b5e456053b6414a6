"""Models that ask before they answer: scikit-learn's estimators and MLflow's pyfunc models. Neither library is imported here.

>>> from roadworthy_guard import Guard, GuardedEstimator, Refused
>>> class Half:
...     def predict(self, X):
...         return [0.5] * len(X)
>>> model = GuardedEstimator(Half(), Guard.nothing(), "credit", "1.0.0")
>>> try:
...     model.predict([[1], [2]])
... except Refused as refused:
...     print(refused.decision.state)
unknown
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from roadworthy_guard.decision import Refused

if TYPE_CHECKING:
    from roadworthy_guard.guard import Guard

_ANSWERS = frozenset(("decision_function", "transform", "inverse_transform", "score_samples", "kneighbors", "forecast"))
_OWN = ("estimator", "guard", "model", "version", "segment", "fallback")


def _answers(name: str) -> bool:
    """Say whether a method of this name gives a model's answers."""
    return not name.startswith("_") and ("predict" in name or name.startswith("staged_") or name in _ANSWERS)


class GuardedEstimator:
    """A scikit-learn estimator whose answers are guarded; everything else of it passes through.

    Guarded is every method with ``predict`` in its name, ``decision_function``, ``transform``, ``score_samples`` and their
    like. `fit` and `score` are not answers to anybody and pass.

    Parameters
    ----------
    estimator : object
        Fitted or not.
    guard : Guard
    model : str
    version, segment : str, optional
    fallback : object, optional
        An estimator, asked by the same method, or a function that gets what ``predict`` gets. Used only while the model is
        degraded; a method that it lacks refuses.
    """

    def __init__(
        self, estimator: Any, guard: Guard, model: str, version: str | None = None, segment: str | None = None,
        fallback: Any = None,
    ) -> None:
        self.estimator = estimator
        self.guard = guard
        self.model = model
        self.version = version
        self.segment = segment
        self.fallback = fallback

    def __getattr__(self, name: str) -> Any:
        """Return the estimator's own attribute, guarded if it gives answers."""
        if name in _OWN or (name.startswith("__") and name != "__sklearn_tags__"):
            raise AttributeError(name)  # not set yet: copying must not run in circles
        found = getattr(self.estimator, name)
        return self._guarded(name, found) if _answers(name) and callable(found) else found

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def answer(*args: Any, **kwargs: Any) -> Any:
            decision = self.guard.require(self.model, self.version, self.segment, fallback=True)
            if not decision.fallback:
                return method(*args, **kwargs)
            other = getattr(self.fallback, name, None)
            if other is None and name == "predict" and callable(self.fallback):
                other = self.fallback
            if other is None:
                raise Refused(decision, f"{decision.reason}; its fallback must answer, and has no {name} here")
            return other(*args, **kwargs)

        return answer

    def fit(self, *args: Any, **kwargs: Any) -> GuardedEstimator:
        """Fit the estimator."""
        self.estimator.fit(*args, **kwargs)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the wrapper's own parameters and, if `deep`, the estimator's as ``estimator__<name>``."""
        found = {name: getattr(self, name) for name in _OWN}
        if deep and hasattr(self.estimator, "get_params"):
            found.update({f"estimator__{name}": value for name, value in self.estimator.get_params(deep=True).items()})
        return found

    def set_params(self, **params: Any) -> GuardedEstimator:
        """Set parameters as `get_params` names them."""
        inner = {}
        for name, value in params.items():
            if name in _OWN:
                setattr(self, name, value)
            elif name.startswith("estimator__"):
                inner[name.removeprefix("estimator__")] = value
            else:
                raise ValueError(f"There is no parameter {name!r}. Known: {', '.join(_OWN)}, estimator__<name>.")
        if inner:
            self.estimator.set_params(**inner)
        return self

    def __sklearn_clone__(self) -> GuardedEstimator:
        """Return an unfitted copy under the same guard."""
        from sklearn.base import clone

        return type(self)(clone(self.estimator), self.guard, self.model, self.version, self.segment, self.fallback)

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether the estimator is fitted."""
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(self.estimator)
        except NotFittedError:
            return False
        return True

    def __repr__(self) -> str:
        """Return the estimator's own words and what guards it."""
        return f"GuardedEstimator({self.estimator!r}, {self.model!r}, {self.version!r})"


class GuardedPyfunc:
    """An MLflow pyfunc model whose answers are guarded.

    Shaped as what it wraps: around what ``mlflow.pyfunc.load_model`` returns, `predict` takes ``(data, params=None)``; around a
    ``PythonModel`` it takes ``(context, model_input, params=None)``.

    Parameters
    ----------
    model : object
        With `predict`.
    guard : Guard or callable
        A callable is called once, in the process that serves: a guard cannot be pickled with a model.
    name : str
        The model's name for the switch.
    version, segment : str, optional
    fallback : object, optional
        Another pyfunc model.
    """

    def __init__(
        self, model: Any, guard: Guard | Callable[[], Guard], name: str, version: str | None = None, segment: str | None = None,
        fallback: Any = None,
    ) -> None:
        self._model, self._given, self._name = model, guard, name
        self._version, self._segment, self._fallback = version, segment, fallback
        self._guard: Guard | None = None

    def load_context(self, context: Any) -> None:
        """Let the models load what they need, and make the guard."""
        for one in (self._model, self._fallback):
            if hasattr(one, "load_context"):
                one.load_context(context)
        self._ready()

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Answer, or let the fallback answer, or raise `Refused`."""
        return self._which("predict").predict(*args, **kwargs)

    def predict_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Answer piece by piece, and ask before each."""
        chosen = self._which("predict_stream")
        pieces = iter(chosen.predict_stream(*args, **kwargs))
        while True:
            try:
                piece = next(pieces)
            except StopIteration:
                return
            if self._which("predict_stream") is not chosen:
                decision = self._ready().check(self._name, self._version, self._segment)
                raise Refused(decision, "it was switched between model and fallback while it answered")
            yield piece

    def _which(self, method: str) -> Any:
        guard = self._ready()
        decision = guard.require(self._name, self._version, self._segment, fallback=self._fallback is not None)
        chosen = self._fallback if decision.fallback else self._model
        if not hasattr(chosen, method):
            raise Refused(decision, f"its {'fallback' if decision.fallback else 'model'} has no {method}")
        return chosen

    def _ready(self) -> Guard:
        if self._guard is None:
            self._guard = self._given() if callable(self._given) else self._given
        return self._guard

    def __getattr__(self, name: str) -> Any:
        """Return the model's own attribute, such as ``metadata``."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._model, name)

    def __getstate__(self) -> Mapping[str, Any]:
        """Leave the guard behind when the model is saved."""
        return {**vars(self), "_guard": None}
