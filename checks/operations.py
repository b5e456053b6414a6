"""Operations: whether the people who run the fleet have tried its emergency brake lately.

A fact of the wall's clock, not of the day judged, so it is asked at a gate only. The ledger is read by the flows; here its word
is put into a measurement.
"""

from __future__ import annotations

from checks.subject import Subject
from roadworthy.measurement import Measurement, not_measured

METRIC = "operations.drill_age_days"


def measure(subject: Subject) -> list[Measurement]:
    """Return how old the last green drill of the kill switch is.

    Parameters
    ----------
    subject : Subject
        Its tables are not read, only `drilled`.

    Returns
    -------
    list of Measurement
        One at a gate, in whole days, ``insufficient`` where no drill was ever green; none at night.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from roadworthy.operating import Drilled
    >>> from tests.support import make_subject, passport_of
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of()) as subject:
    ...     gate = [measure(replace(subject, drilled=said)) for said in (Drilled(3, "drill-1", "ab"), Drilled(), None)]
    >>> gate[0][0].value, gate[1][0].status, gate[2]
    (3.0, 'insufficient', [])
    """
    drilled = subject.drilled
    if drilled is None:
        return []
    if drilled.days is None:
        reason = "No drill of the kill switch was green yet. Run 'roadworthy switch drill'."
        return [not_measured(METRIC, "insufficient", reason)]
    how = "whole days of wall time since the last green drill in the ledger; no sample"
    details = {"drill": drilled.drill, "clock": "wall"}
    return [Measurement(METRIC, value=drilled.days, n=1, method=how, inputs={"drill": drilled.sha256}, details=details)]
