"""Privacy: identifiers of people in a day's data, how well people are hidden among others, and how long rows are kept.

`undeclared` reads the day's rows for identifiers, `names` asks a language model for names of people if the workspace names one,
`checks.anonymity` counts who looks alike, `retention` looks at how old the rows on disk are. Evidence holds counts, kinds and
shapes, never a value.
"""

from __future__ import annotations

from checks import anonymity
from checks.privacy import names, retention, undeclared
from checks.privacy.undeclared import COLUMNS, UNDECLARED
from checks.subject import Subject
from roadworthy.measurement import Measurement

__all__ = ["COLUMNS", "UNDECLARED", "measure"]


def measure(subject: Subject) -> list[Measurement]:
    """Measure what of privacy can be measured without the model.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Measurement
        Of `undeclared`, `names`, `checks.anonymity` and `retention`, in this order; each of their metrics has at least one.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import DAY, make_subject, passport_of
    >>> rows = {"note": ["write to jane@example.org", "nothing to say"], "age": [41, 42]}
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of(), None, {DAY: rows}) as subject:
    ...     found = measure(subject)
    >>> sorted({m.metric.partition(".")[2] for m in found if m.status == "measured"})
    ['identifier_columns', 'undeclared_identifiers']
    """
    return [*undeclared.measure(subject), *names.measure(subject), *anonymity.measure(subject), *retention.measure(subject)]
