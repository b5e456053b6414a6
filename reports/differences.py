"""What is different between two versions of a model: their passports field by field, their policies, their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from reports.parts import Figure, Part
from reports.source import Source
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.loosening import compare
from roadworthy.passport import Passport
from roadworthy.policy import Policy
from roadworthy.sentences import part as part_words

#: Parts of a passport with the words for them, in the order in which a reader asks.
TITLES = {
    "risk_tier": "Risk tier",
    "artifact": "Artifact",
    "recipe": "Recipe",
    "reference": "Reference data",
    "features": "Features",
    "task": "Task",
    "protected": "Protected attributes",
    "why_this_definition": "Why fairness is defined this way",
    "policy": "Policy",
    "roles": "People who answer for it",
    "use": "Purpose and limits",
    "plain": "In plain words",
    "windows": "Windows",
    "batches": "Batches",
    "suite": "Data suite",
    "fallback": "What answers when it may not",
}
_NOT_TOLD = ("schema_version", "model", "version", "glossary", "extensions", "adopted", "replay", "title", "summary")
_LONGEST = 240
_COMPARED = ("fairness.selection_rate_ratio", "fairness.true_positive_rate_difference")
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class Change(Part):
    """One field that differs."""

    title: str
    field: str
    before: str
    after: str


class PolicyChange(Part):
    """One difference between the policies."""

    kind: Literal["loosened", "tightened", "changed"]
    says: str


class Beside(Part):
    """One number of both versions."""

    title: str
    part: str
    now: Figure
    before: Figure


def passports(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return every field that differs, in the order of `TITLES`; words for columns and the like are left out.

    Examples
    --------
    >>> [(c.title, c.before, c.after) for c in passports({"features": ["age"], "task": {}}, {"features": ["sex"], "task": {}})]
    [('Features', 'age', ''), ('Features', '', 'sex')]
    """
    before, after = _whole(before), _whole(after)
    names = [*TITLES, *(name for name in {**before, **after} if name not in TITLES and name not in _NOT_TOLD)]
    found = []
    for name in names:
        title = TITLES.get(name, name.replace("_", " ").capitalize())
        for field, was, now in _fields(name, before.get(name), after.get(name)):
            found.append(Change(title=title, field=field, before=_text(was), after=_text(now)))
    return found


def _whole(passport: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a passport with the fields that did not exist when it was sealed, so that a new field is no change."""
    try:
        return Passport.model_validate_json(json.dumps(passport)).model_dump(mode="json")
    except ValidationError:
        return passport


def _fields(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the smallest parts that differ; of lists what came and what went."""
    if before == after or (before in _EMPTY and after in _EMPTY):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            yield from _fields(f"{name}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        gone, came = [one for one in before if one not in after], [one for one in after if one not in before]
        yield from ((name, one, None) for one in gone)
        yield from ((name, None, one) for one in came)
        if not gone and not came:
            yield name, before, after
    else:
        yield name, before, after


def _text(value: Any) -> str:
    if value in _EMPTY:
        return ""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}: {_text(one)}" for key, one in value.items() if one not in _EMPTY)
    elif isinstance(value, list):
        text = ", ".join(_text(one) for one in value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def policies(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[PolicyChange]:
    """Return the differences between two sealed policies, what is looser first."""
    try:
        found = compare(Policy.model_validate(before), Policy.model_validate(after))
    except ValidationError:
        said = "The policy under which the version before was judged cannot be read by this version, so it is not compared."
        return [PolicyChange(kind="changed", says=said)]
    return [PolicyChange(kind=change.kind, says=change.says) for change in found]


def numbers(before: Source, after: Source) -> list[Beside]:
    """Return the numbers that both versions have: performance as a whole, and the comparisons of groups."""
    found = []
    order = list(catalogue())
    for m in after.bundle.measurements:
        whole = m.metric.startswith("performance.") and not m.over
        if m.value is None or not (whole or m.metric in _COMPARED):
            continue
        was = before.measured.get((m.metric, canonical_json(m.over)))
        if was is not None and was.value is not None:
            title = catalogue()[m.metric].title
            made = Beside(title=title, part=part_words(m.over, after.word), now=after.figure(m), before=before.figure(was))
            found.append((order.index(m.metric), made.part, made))
    return [made for _, _, made in sorted(found, key=lambda one: one[:2])]
