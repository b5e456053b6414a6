"""Makes the artifact again at the gate, and on demand: too much for a night, which checks the recorded digests alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from checks.subject import Subject, open_subject
from flows.measuring import guarded
from flows.opening import by_flow
from roadworthy.calendar import latest_due
from roadworthy.ledger import Ledger
from roadworthy.measurement import Measurement
from roadworthy.policy import When
from roadworthy.window import newest_day
from roadworthy.workspace import Workspace

FAMILY = "reproducibility"
Remake = Callable[[Subject], list[Measurement]]


def _remake(subject: Subject) -> list[Measurement]:
    from checks.reproducibility import remake

    return remake(subject)


def reproduce(
    subject: Subject, when: When, families: Sequence[tuple[str, Any]], remake: Remake = _remake
) -> tuple[list[Measurement], dict[str, float]]:
    """Return what came of running the recorded recipe, and the seconds it took.

    Nothing at night, and nothing where the family is not asked for. A recipe that could not be run is an ``error`` measurement
    of each metric, and the gate goes on.

    Parameters
    ----------
    subject : Subject
    when : {"nightly", "gate"}
    families : sequence of (str, callable)
        The families that are measured.
    remake : callable, optional
        `checks.reproducibility.remake`, or what stands for it.
    """
    if when != "gate" or not any(name == FAMILY for name, _ in families):
        return [], {}
    from checks.reproducibility import REMADE

    made, seconds = guarded(FAMILY, REMADE, lambda: remake(subject), subject)
    return made, {"reproduction": seconds}


def rests_on(subject: Subject, when: When) -> dict[str, Any] | None:
    """Return what a recipe's measurements rest on beside the passport, so that a change of any of it makes another run.

    None without a recipe. At night these are the files of data, code and lock and the installed versions of libraries; at the
    gate also the record, the frozen sample and the version of Python.
    """
    from checks.reproducibility import state

    recipe = subject.passport.recipe
    return None if recipe is None else state(subject, recipe, whole=when == "gate")


@dataclass(frozen=True)
class Reproduced:
    """What making a model version again found, outside of any gate; only that data were opened is recorded.

    Attributes
    ----------
    identity : str
    measurements : list of Measurement
        Of the family, all of them.
    seconds : float
    """

    identity: str
    measurements: list[Measurement]
    seconds: float

    @property
    def differs(self) -> str:
        """What differs, as far as it is known: of everything together, else of each recorded fact that is no longer so."""
        by = {m.metric.partition(".")[2]: str(m.details.get("differs") or "") for m in self.measurements}
        return by["artifact_identical"] or " ".join(text for text in by.values() if text.startswith("Differs"))

    @property
    def exit_code(self) -> int:
        """0 if everything that was recorded is so still, 1 if something differs, 3 if no recipe could be run to its end."""
        by = {m.metric.partition(".")[2]: m for m in self.measurements}
        made = by["artifact_identical"], by["predictions_differ"]
        if any(m.status == "error" for m in self.measurements) or not any(m.status == "measured" for m in made):
            return 3
        differ = any(m.value for name, m in by.items() if name.endswith("_differ") or name == "prediction_gap")
        return int(differ or any(m.value == 0 for name, m in by.items() if name.endswith(("_matches", "_identical"))))


def once(workspace: Workspace, identity: str, remake: Remake = _remake) -> Reproduced:
    """Make a model version again and compare everything that its passport records.

    Parameters
    ----------
    workspace : Workspace
    identity : str
        ``model@version``.
    remake : callable, optional
    """
    from checks.reproducibility import FACTS, REMADE, measure

    passport = workspace.passport(identity)
    now = datetime.now(UTC)
    due = latest_due(workspace.settings, now)
    day = newest_day(workspace.root, passport.batches.path, not_after=due) or due
    with Ledger.open(workspace.state_url) as ledger:
        by_flow(workspace, ledger, passport, day, "reproduction on demand", "automation", now)
    with open_subject(workspace.root, passport, day, spill=workspace.made / "spill") as subject:
        facts, first = guarded(FAMILY, FACTS, lambda: measure(subject), subject)
        made, then = guarded(FAMILY, REMADE, lambda: remake(subject), subject)
    return Reproduced(identity, [*facts, *made], first + then)
