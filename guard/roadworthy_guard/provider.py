"""OpenFeature: the flag ``model.<name>.serve`` from a guard's memory. Needs the extra ``openfeature``.

>>> from openfeature import api
>>> from openfeature.evaluation_context import EvaluationContext
>>> from roadworthy_guard import Guard
>>> from roadworthy_guard.provider import SnapshotProvider
>>> provider = SnapshotProvider(Guard.nothing())
>>> provider.resolve_boolean_details("model.credit.serve", True, EvaluationContext(attributes={"version": "1.0.0"})).value
False

Ask with the default ``False``. A default of ``True`` decides whenever OpenFeature itself has no answer: for a flag of another
name, before the provider is set, or after an error of a hook. No provider can prevent that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openfeature.event import ProviderEventDetails
from openfeature.exception import FlagNotFoundError, ProviderNotReadyError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from roadworthy_guard.core import CHANGED, READY, STALE
from roadworthy_guard.decision import ACTIVE, UNKNOWN

if TYPE_CHECKING:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagValueType

    from roadworthy_guard.guard import Guard

_BEFORE, _AFTER = "model.", ".serve"


class SnapshotProvider(AbstractProvider):
    """Answers flags from what a guard holds in memory: no network for an evaluation, in threads and in coroutines alike.

    True means that somebody may answer; where the metadata ``fallback`` is true, that is the fallback and not the model.
    A flag of this shape always has an answer: a model that is not known is False.

    Parameters
    ----------
    guard : Guard
    wait : float
        Seconds that setting the provider may wait for the switch.
    """

    def __init__(self, guard: Guard, wait: float = 2.0) -> None:
        super().__init__()
        self._guard, self._wait = guard, wait
        self._listening = False

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name="roadworthy-guard")

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Wait for the switch; a provider that has not heard it answers False until it has.

        Raises
        ------
        ProviderNotReadyError
            If it was not heard in time.
        """
        if not self._listening:
            self._listening = True
            self._guard.listen(self._happened)
        if not self._guard.wait(self._wait):
            raise ProviderNotReadyError("The switch has not answered yet; every model of tier high is refused until it does.")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Return whether a model may serve; the context may name ``version`` and ``segment``."""
        model = _model(flag_key)
        attributes: Mapping[str, Any] = evaluation_context.attributes if evaluation_context is not None else {}
        version, segment = attributes.get("version"), attributes.get("segment")
        # What is not text names nothing, and what is not named matches every scope: an error would let the default decide.
        decision = self._guard.check(
            model, version if isinstance(version, str) else None, segment if isinstance(segment, str) else None
        )
        if decision.state == UNKNOWN:
            reason = Reason.UNKNOWN
        elif not decision.serves:
            reason = Reason.DISABLED
        elif decision.state == ACTIVE and decision.reason:
            reason = Reason.STALE
        else:
            reason = Reason.STATIC if decision.state == ACTIVE else Reason.TARGETING_MATCH
        return FlagResolutionDetails(
            value=decision.serves, reason=reason, variant=decision.state,
            flag_metadata={
                "state": decision.state, "fence": decision.fence, "epoch": decision.epoch, "sequence": decision.sequence,
                "fallback": decision.fallback, "why": decision.reason,
            },
        )

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Return the same; it only reads memory, so it does not hold up the loop."""
        return self.resolve_boolean_details(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Refuse: the flags are boolean."""
        raise _mismatch(flag_key)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Refuse: the flags are boolean."""
        raise _mismatch(flag_key)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Refuse: the flags are boolean."""
        raise _mismatch(flag_key)

    def resolve_object_details(
        self, flag_key: str, default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Refuse: the flags are boolean."""
        raise _mismatch(flag_key)

    def _happened(self, what: str) -> None:
        if what == CHANGED:
            self.emit_provider_configuration_changed(ProviderEventDetails())
        elif what == STALE:
            self.emit_provider_stale(ProviderEventDetails(message="The switch is no longer heard."))
        elif what == READY:
            self.emit_provider_ready(ProviderEventDetails())


def _model(flag_key: str) -> str:
    if flag_key.startswith(_BEFORE) and flag_key.endswith(_AFTER) and len(flag_key) > len(_BEFORE) + len(_AFTER):
        return flag_key[len(_BEFORE) : -len(_AFTER)]
    raise FlagNotFoundError(f"There is no flag '{flag_key}'. Flags are named model.<name>.serve.")


def _mismatch(flag_key: str) -> TypeMismatchError | FlagNotFoundError:
    try:
        _model(flag_key)
    except FlagNotFoundError as problem:
        return problem
    return TypeMismatchError(f"The flag '{flag_key}' is boolean.")
