"""Scoring in bulk: ask before each chunk, and again around publishing.

>>> from roadworthy_guard import Guard, Refused
>>> try:
...     for chunk in Guard.nothing().chunks([[1, 2], [3]], "credit", "1.0.0"):
...         print("scored", chunk)
... except Refused as refused:
...     print(refused.decision.state)
unknown
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from roadworthy_guard.decision import Decision, Refused

if TYPE_CHECKING:
    from roadworthy_guard.guard import Guard

T = TypeVar("T")


def chunks(
    guard: Guard, iterable: Iterable[T], model: str, version: str | None = None, segment: str | None = None, *,
    degraded: bool = False,
) -> Iterator[T]:
    """Yield what `iterable` yields, and ask before each.

    A check costs microseconds, so chunks of a thousand rows are free.

    Parameters
    ----------
    guard : Guard
    iterable : iterable
        Its items are the chunks: frames, record batches, lists.
    model : str
    version, segment : str, optional
    degraded : bool
        True if the caller scores with the fallback while the model is degraded.

    Raises
    ------
    Refused
        Before the first chunk that may not be scored. The next one is not taken from `iterable`, but where the stop came while
        it was waited for.
    """
    items = iter(iterable)
    while True:
        guard.require(model, version, segment, fallback=degraded, now=True)
        try:
            item = next(items)
        except StopIteration:
            return
        guard.require(model, version, segment, fallback=degraded, now=True)  # taking it may have taken long
        yield item


@contextmanager
def publishing(
    guard: Guard, model: str, version: str | None = None, segment: str | None = None, *, began: Decision | None = None,
    degraded: bool = False,
) -> Iterator[Decision]:
    """Ask before results are published, and again when they are, so that a stop in between is not missed.

    Parameters
    ----------
    guard : Guard
    model : str
    version, segment : str, optional
    began : Decision, optional
        The decision under which scoring began. If the model was stopped and switched on again since, what was scored before
        the stop is not published.
    degraded : bool
        True if the results are the fallback's where the decision says so.

    Yields
    ------
    Decision
        For the results' own record: epoch, sequence, fence.

    Raises
    ------
    Refused
        On entering, and nothing is published; or on leaving, after a stop came while publishing: put it inside your
        transaction, so that the error undoes it.
    """
    before = guard.require(model, version, segment, fallback=degraded, now=True)
    if began is not None and _other(began, before):
        raise Refused(before, "it was stopped and switched on again since scoring began; score again")
    yield before
    after = guard.require(model, version, segment, fallback=degraded, now=True)
    if _other(before, after):
        raise Refused(after, "its state changed while results were being published")


def _other(one: Decision, two: Decision) -> bool:
    return (one.state, one.fence, one.epoch) != (two.state, two.fence, two.epoch)
