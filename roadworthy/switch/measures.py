"""What a severe night does to a model: take it off the road, or let its fallback answer first.

The policy decides, rule by rule (`on_severe`). The strictest severe finding counts, and a second severe night in a row is no
first one any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from roadworthy.switch.files import DEGRADED, DISABLED


def severe_rules(findings: Iterable[Any]) -> list[str]:
    """Return the ids of the rules that are severely broken, each once."""
    return list(dict.fromkeys(finding.rule for finding in findings if finding.status == "severe"))


def measure_for(severe: Sequence[str], rules: Sequence[Mapping[str, Any]], *, severe_before: bool, fallback: bool) -> str:
    """Return the state that a severe night asks for.

    Parameters
    ----------
    severe : sequence of str
        Ids of the rules that are severely broken.
    rules : sequence of mapping
        The sealed policy's; what it does not say of a rule means ``disable``.
    severe_before : bool
        The night before was severe as well.
    fallback : bool
        The version declares what answers in its place. Without one, degrading would let a lower tier go on as it is.

    Examples
    --------
    >>> rules = [{"id": "loss", "on_severe": "degrade"}, {"id": "leak", "on_severe": "disable"}]
    >>> nights = ((["loss"], False), (["loss"], True), (["leak"], False))
    >>> [measure_for(severe, rules, severe_before=before, fallback=True) for severe, before in nights]
    ['degraded', 'disabled', 'disabled']
    """
    first = {str(rule["id"]): rule.get("on_severe") == "degrade" for rule in rules}
    mild = bool(severe) and all(first.get(rule, False) for rule in severe)
    return DEGRADED if mild and fallback and not severe_before else DISABLED
