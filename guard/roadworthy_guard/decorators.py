"""A function that answers only while its model may.

>>> from roadworthy_guard import Guard, Refused, guarded
>>> @guarded(Guard.nothing(), "credit", "1.0.0")
... def score(row):
...     return 0.5
>>> try:
...     score({"age": 40})
... except Refused as refused:
...     print(refused.decision.state)
unknown
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from roadworthy_guard.decision import GuardError

if TYPE_CHECKING:
    from roadworthy_guard.guard import Guard

F = TypeVar("F", bound=Callable[..., Any])
Segment = str | Callable[..., str | None] | None


def guarded(
    guard: Guard, model: str, version: str | None = None, *, segment: Segment = None, fallback: Callable[..., Any] | None = None,
) -> Callable[[F], F]:
    """Return a decorator for a function or coroutine function that gives a model's answer.

    Parameters
    ----------
    guard : Guard
    model : str
    version : str, optional
    segment : str or callable, optional
        A callable gets the function's arguments and returns the segment of this call.
    fallback : callable, optional
        Answers, with the same arguments, while the model is degraded, and only then: a refusal stays a refusal.

    Raises
    ------
    Refused
        From the decorated function, if neither the model nor a fallback may answer.
    GuardError
        If the function is a generator, whose body would run long after the question was asked; use `Guard.chunks` in it.
    """

    def decorate(function: F) -> F:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            said = f"{function.__qualname__} is a generator, which a check at its call does not stop. Use guard.chunks inside it."
            raise GuardError(said)
        has_fallback = fallback is not None

        def which(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
            scope = segment(*args, **kwargs) if callable(segment) else segment
            decision = guard.require(model, version, scope, fallback=has_fallback)
            return fallback if decision.fallback and fallback is not None else function

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                answer = which(args, kwargs)(*args, **kwargs)
                return await answer if isinstance(answer, Awaitable) else answer

            return cast(F, later)

        @functools.wraps(function)
        def now(*args: Any, **kwargs: Any) -> Any:
            return which(args, kwargs)(*args, **kwargs)

        return cast(F, now)

    return decorate
