"""What a day is compared with, counted once and kept: the plan and the profile of the baseline.

A fixed reference does not change, so a night that finds its profile costs one profile of the day. What is kept is keyed by
the digest of the data, the columns with their types, and `PROFILE_VERSION`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from checks.counts import columns_of
from checks.drift.plan import ColumnPlan, Plan, plan_of
from checks.drift.profile import ColumnCounts, Profile, profile
from checks.subject import Subject
from roadworthy.passport import Passport

PROFILE_VERSION = 1
"""Raised whenever the meaning of a cell changes, so that what was kept before is counted again."""

KIND = "reference-profile"

_SAYS_WHICH_ROW = {
    "identifier": "names rows", "key": "names rows", "time": "is the time of the event", "unit": "names what is independent",
}


def compared(passport: Passport) -> dict[str, str]:
    """Return each column that is read, protected or answered with, and why it is not compared, if it is not.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> compared(passport_of())
    {'age': '', 'income': '', 'prediction': '', 'score': '', 'sex': ''}
    """
    found = {}
    for name, roles in columns_of(passport).items():
        if not {"feature", "protected", "score", "prediction"} & set(roles) or "label" in roles:
            continue
        why = next((said for role, said in _SAYS_WHICH_ROW.items() if role in roles), "")
        found[name] = f"'{name}' {why}: it has no distribution to compare." if why else ""
    return found


def reference_profile(subject: Subject) -> tuple[Plan, Profile]:
    """Return plan and profile of the subject's baseline, as kept, or made now and kept.

    Parameters
    ----------
    subject : checks.subject.Subject
        With a baseline that can be read.

    Returns
    -------
    plan : Plan
        Of every column that is compared.
    counted : Profile
        The baseline, counted under it.

    Notes
    -----
    A baseline in which a column could not be read is not kept: the next night may read it.
    """
    baseline = subject.baseline
    wanted = [name for name, why_not in compared(subject.passport).items() if not why_not and name in baseline.columns]
    key = {"data": baseline.digest, "columns": {name: baseline.columns[name] for name in wanted}, "version": PROFILE_VERSION}
    fixed = subject.passport.drift.against == "fixed"  # days that move on are another baseline tomorrow
    kept = subject.kept if baseline.digest and fixed else None
    if kept is not None and (found := kept.get(KIND, key)) is not None:
        return from_json(found)
    plan = plan_of(subject.con, baseline, wanted)
    counted = subject.count(baseline, plan) if subject.count is not None else profile(subject.con, baseline, plan)
    if kept is not None and not plan.problems and not counted.problems:
        kept.put(KIND, key, to_json(plan, counted))
    return plan, counted


def to_json(plan: Plan, counted: Profile) -> dict[str, Any]:
    """Return plan and profile as JSON values; `from_json` is the inverse, to the last bit.

    Examples
    --------
    >>> plan = Plan({"x": ColumnPlan("x", "number", edges=(0.1,))})
    >>> counted = Profile(3, {"x": ColumnCounts((1, 2), 0)}, plan.digest)
    >>> from_json(to_json(plan, counted)) == (plan, counted)
    True
    """
    return {
        "plan": {"columns": [asdict(column) for column in plan.columns.values()], "problems": plan.problems},
        "profile": {
            "rows": counted.rows, "columns": [[name, asdict(column)] for name, column in counted.columns.items()],
            "plan": counted.plan, "problems": counted.problems,
        },
    }


def from_json(content: dict[str, Any]) -> tuple[Plan, Profile]:
    """Return plan and profile from what `to_json` made of them."""
    planned, counted = content["plan"], content["profile"]
    columns = [ColumnPlan(**_tuples(column, ("edges", "fine", "top", "rest"))) for column in planned["columns"]]
    counts = {name: ColumnCounts(**_tuples(column, ("cells", "fine"))) for name, column in counted["columns"]}
    return (
        Plan({column.name: column for column in columns}, planned["problems"]),
        Profile(counted["rows"], counts, counted["plan"], counted["problems"]),
    )


def _tuples(values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {**values, **{name: tuple(values[name]) for name in names}}
