"""Roadworthy's guard says before each answer whether a model may give it.

>>> from roadworthy_guard import Guard, Refused, guarded
>>> guard = Guard.nothing()  # in earnest: Guard.remote(URL, "env:TOKEN", keys=[...]) or Guard.embedded(WORKSPACE, root=...)
>>> guard.check("credit", "1.0.0", segment="region:eu").state
'unknown'

==============  ====================================================================================
``guard``       the face: `Guard.remote`, `Guard.embedded`
``decorators``  `guarded`: a function, sync or async
``wrappers``    `GuardedEstimator` (scikit-learn), `GuardedPyfunc` (MLflow)
``asgi``        `GuardMiddleware`: 503 for routes whose model may not serve
``batch``       a check for each chunk and around publishing
``provider``    `SnapshotProvider` for OpenFeature (extra ``openfeature``)
==============  ====================================================================================

Behind the face: ``core`` (what is held, and the check), ``deciding`` (the pure decision), ``content`` and ``snapshot`` (what the
switch says, verified), ``client`` and ``wire`` (a service), ``store``, ``memory``, ``people`` and ``enabling`` (no service),
``stopfiles``, ``kept``, ``clock``, ``keys``, ``words``. Of everything but the standard library it needs only cryptography.
"""

from roadworthy_guard.asgi import GuardMiddleware
from roadworthy_guard.clock import Clock
from roadworthy_guard.decision import Decision, GuardError, Refused
from roadworthy_guard.decorators import guarded
from roadworthy_guard.guard import Guard
from roadworthy_guard.wrappers import GuardedEstimator, GuardedPyfunc

__all__ = [
    "Clock", "Decision", "Guard", "GuardError", "GuardMiddleware", "GuardedEstimator", "GuardedPyfunc", "Refused", "guarded",
]
