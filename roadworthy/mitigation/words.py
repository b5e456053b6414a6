"""The plan in words: what an option does, what speaks against it, and what is recommended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from roadworthy.measurement import Measurement
from roadworthy.mitigation.values import AS_IS, Change, Held, Moved, Option
from roadworthy.sentences import number

NEAR = 0.05
"""By how much the share of favourable decisions may change before an option counts as approving or refusing more people."""


def points(change: Change) -> str:
    """Write a change with its sign and its interval.

    Examples
    --------
    >>> points(Change(0.0575, 0.0336, 0.0838, 400))
    '+5.8 points (95 % interval 3.4 to 8.4, n = 400)'
    """
    shown = number(change.value, "difference")
    sign = "+" if change.value > 0 and not shown.startswith("0.0") else ""
    low, high = (number(end, "difference").removesuffix(" points") for end in (change.low, change.high))
    return f"{sign}{shown} (95 % interval {low} to {high}, n = {change.n:,})"


def way_of(option: Option) -> str:
    """Say how an option gains its ratio, if it approves or refuses more people than `NEAR` allows; empty if it does not."""
    change = option.selection_rate_change
    if change is None or abs(change.value) <= NEAR:
        return ""
    return f"gains its ratio by {'approving' if change.value > 0 else 'refusing'} more people"


_SAID = {
    "crosses": "its interval crosses", "breaks": "it stays beyond", "too few": "too few rows decide on",
    "not measured": "it could not be held against",
}


def against(option: Option, now: Option) -> Iterator[str]:
    """Yield what speaks against an option, a sentence each; `now` is how it is.

    What fails now must be cleared; what only warns now may stay undecided, but not all of it, and nothing may get worse.
    """
    before = {(one.rule, one.where): one.word for one in now.held}
    for one in option.held:
        if one.word == "breaks" or (one.word != "clears" and before.get((one.rule, one.where)) == "breaks"):
            yield _short_of(one)
    if option.held and not any(one.word == "clears" for one in option.held):
        yield "It clears none of the limits in question."
    change = option.selection_rate_change
    if (way := way_of(option)) and change is not None:
        yield f"It {way}: {points(change)}, more than {number(NEAR, 'difference')}."
    for one in option.breaks:
        yield f"It newly breaks the rule {one.rule} ({one.limit}){f' for {one.where}' if one.where else ''}."


def undecided(option: Option) -> list[str]:
    """Return what the option leaves undecided of what warned, a sentence each."""
    return [_short_of(one) for one in option.held if one.word not in ("clears", "breaks")]


def _short_of(one: Held) -> str:
    return f"For {one.where}, {_SAID[one.word]} the limit {one.limit} (rule {one.rule})."


def says(
    option: Option, hidden: Callable[[Held], bool] = lambda held: False,
    moves: Callable[[Moved], tuple[str, str] | None] = lambda moved: (f"{moved.gained:,}", f"{moved.lost:,}"),
) -> str:
    """Say in plain sentences what an option does: who, how much, by which definition, of how many.

    Parameters
    ----------
    option : Option
    hidden : callable, optional
        Says of which comparisons no number may be told.
    moves : callable, optional
        Says how many of a group gain and lose, in words; None if nothing may be told of it.
    """
    now = option.name == AS_IS
    told = [f"{one.where}: too few people to show a number." if hidden(one) else one.sentence for one in option.held]
    said = [text if now else f"With this option, {text}" for text in told]
    moved = [
        f"of {m.n:,} with {m.where}, {told_of[0]} more would get the favourable decision and {told_of[1]} would lose it"
        for m in option.moved
        if (told_of := moves(m)) is not None
    ]
    if moved:
        said.append(f"{moved[0][0].upper()}{'; '.join(moved)[1:]}.")
    if option.accuracy_change is not None and option.selection_rate_change is not None:
        said.append(
            f"Accuracy changes by {points(option.accuracy_change)}, the share of favourable decisions by "
            f"{points(option.selection_rate_change)}."
        )
    return " ".join(said)


def recommended(option: Option) -> str:
    """Say that an option is recommended, why, and what it costs.

    Raises
    ------
    ValueError
        If its cost was not measured.
    """
    change, share = option.accuracy_change, option.selection_rate_change
    if change is None or share is None:
        raise ValueError(f"{option.name} is recommended, but its cost was not measured")
    cleared = [one for one in option.held if one.word == "clears"]
    wheres = list(dict.fromkeys(one.where for one in cleared))
    limits = [f"{_and([f'{one.rule} ({one.limit})' for one in cleared if one.where == where])} for {where}" for where in wheres]
    reasons = [
        f"its whole interval clears {_and(limits)}",
        f"it changes the share of favourable decisions by {points(share)}, no more than {number(NEAR, 'difference')}",
        "it breaks no other fairness rule of the policy",
    ]
    cost = f"It costs: accuracy changes by {points(change)}"
    need = "it needs the attribute of each person at the moment of the decision" if option.needs_attribute else ""
    free = "" if need else " It does not need the attribute at the moment of the decision."
    less = list(dict.fromkeys(f"{one.rule} for {one.where}" for one in option.weakens))
    weak = f" Less certain than now: {', '.join(less)}." if less else ""
    still = f" Still undecided: {' '.join(undecided(option))}" if len(cleared) < len(option.held) else ""
    return f"Recommended: {option.title}. {_sentence(reasons)} {cost}{f', and {need}' if need else ''}.{free}{still}{weak}"


def _sentence(reasons: Sequence[str]) -> str:
    text = _and(reasons)
    return f"{text[0].upper()}{text[1:]}."


def _and(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> _and(["a", "b", "c"]), _and(["a"])
    ('a, b, and c', 'a')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}{',' if len(words) > 2 else ''} and {words[-1]}"


def nearest(option: Option | None, counted: Measurement) -> str:
    """Say that no option does all that is asked, and which comes nearest; `counted` says why none was tried."""
    if option is None:
        said = f" {counted.reason}" if counted.reason else ""
        return f"No option could be tried, so there is no plan.{said}"
    return f"No option does what is asked. The nearest is: {option.title}. {' '.join(option.against)}"


def notes(options: Sequence[Option], rows: int) -> tuple[str, ...]:
    """Return what whoever follows the plan must know, as far as it concerns one of the options that were run."""
    run = [o for o in options if not o.why_not and o.name != AS_IS]
    notes = []
    if any(o.needs_attribute for o in run):
        notes.append(
            "To use a protected attribute at the moment of the decision treats people differently because of it. That may itself "
            "be unlawful; the Guardian decides whether such an option may be used at all."
        )
    if any(o.retrained for o in run):
        notes.append("A model that was trained for an option is a new version. It needs its own passport, gate and signatures.")
    if any(o.randomised for o in run):
        notes.append("A randomised option may decide the same person otherwise when asked again; how many is said beside it.")
    if len(run) > 1:
        notes.append(f"All options were compared on the same {rows:,} rows, so the best looks a little better here than it is.")
    return tuple(notes)
