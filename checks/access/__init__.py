"""Access: what of the state, the keys and the rows of a workspace others could read or change.

Who did open a data set is in the ledger; see docs/access.md. This looks at who could have, past the ledger.
"""

from __future__ import annotations

from pathlib import Path

from checks.subject import Subject
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement, not_measured
from roadworthy.permissions import loose

__all__ = ["FAMILY", "measure"]

FAMILY = tuple(metric for metric in catalogue() if metric.startswith("access."))
SHOWN = 20


def measure(subject: Subject) -> list[Measurement]:
    """Count the permissions that are open to others.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its tables are not read, only `guarded`, which names files and folders.

    Returns
    -------
    list of Measurement
        One count, of the moment of the inspection and not of the day judged. ``details["open"]`` says of the first 20 what is
        open, with paths of the workspace only; ``roadworthy doctor`` says how each is closed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import make_subject, passport_of
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of()) as subject:
    ...     measure(subject)[0].reason
    'Nobody said where state and keys lie.'
    """
    (metric,) = FAMILY
    if subject.guarded is None:
        return [not_measured(metric, "not_applicable", "Nobody said where state and keys lie.")]
    try:
        found = loose(subject.guarded)
    except OSError as problem:
        said = f"The system does not say who may read and change state and keys ({problem.strerror})."
        return [not_measured(metric, "error", said)]
    kinds = {kind: sum(one.kind == kind for one in found) for kind in ("state", "key", "rows")}
    shown = [one.says.replace(str(one.path), _shown(subject.root, one.path)) for one in found[:SHOWN]]
    details = {"clock": "wall", "by_kind": kinds, "open": shown, "do": "Run: roadworthy doctor"}
    how = "modes and owners of files and folders"
    return [Measurement(metric, value=len(found), n=len(subject.guarded), method=how, details=details)]


def _shown(root: Path, path: Path) -> str:
    """Return a path as evidence may hold it: within the workspace, or the last part alone."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
