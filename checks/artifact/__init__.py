"""Artifact: whether the file that is the model is the accepted one, may be loaded, is vouched for, and what scanners say of it.

Nothing is loaded here. `measure` reads bytes: the artifact's digest against the passport's and the approved one, an auditor's
opinion of what loading it would do, its signature, the list of its parts, the reports of scanners with the exceptions that stand
until a day, and the log of who touched the file.

The rooms: `asking` has the file looked at in a process that holds nothing, `inside` is that process's program, `seal` reads the
signature, `scans` the reports, `accounts` holds them against exceptions and dates, `parts` the list of parts, `auditd` the log,
and `measuring` puts them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.subject import Subject
    from roadworthy.measurement import Measurement

__all__ = ["measure"]


def measure(subject: Subject) -> list[Measurement]:
    """Return what is known of the artifact without loading it; see `checks.artifact.measuring.measure`."""
    from checks.artifact import measuring  # the process inside imports this package, and needs none of that

    return measuring.measure(subject)
