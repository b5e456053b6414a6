"""Vendors: what whoever supplies a model showed, signed and promised, as of the day judged.

The register is ``vendors.yaml``; see `roadworthy.vendors`. Papers are checked by their digests and by the calendar, promises
about calls against the log of serving. A model of our own has no vendor, and nothing of this applies to it.
"""

from __future__ import annotations

from checks.subject import Subject
from checks.vendor import papers
from checks.vendor.promises import promises
from checks.vendor.sheet import FAMILY, Sheet
from roadworthy.canonical import digest_file
from roadworthy.errors import DocumentError
from roadworthy.measurement import Measurement, Status
from roadworthy.vendors import FILE, read_vendors

__all__ = ["FAMILY", "measure"]


def measure(subject: Subject) -> list[Measurement]:
    """Measure every vendor metric of the catalogue.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its batches are not read, only ``vendors.yaml``, the documents that it names, and the log of serving.

    Returns
    -------
    list of Measurement
        Certificates and documents one by one, over their names; everything else once. ``details["claim"]`` says whose word it
        is: ``self-declared``, ``document`` or ``measured``. Without a vendor all are ``not_applicable``; of a vendor whom the
        register does not know all are an ``error``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import make_subject, passport_of
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of()) as subject:
    ...     measure(subject)[0].status
    'not_applicable'
    """
    who = subject.passport.vendor
    if who is None:
        return _all("not_applicable", "The model is no vendor's: its passport names none.", "")
    try:
        vendor = read_vendors(subject.root).find(who)
        inputs = {"vendors": digest_file(subject.root / FILE)}
    except DocumentError as wrong:
        return _all("error", f"The register of vendors cannot be read: {wrong.problems[0]}", who)
    if vendor is None:
        return _all("error", f"The passport names the vendor '{who}', who is not in {FILE}.", who)
    sheet = Sheet(who, inputs)
    torn = papers.documents(subject.root, vendor, sheet)
    papers.certificates(subject, vendor, torn, sheet)
    papers.agreement(subject, vendor, torn, sheet)
    papers.exit_plan(vendor, torn, sheet)
    papers.sub_processors(vendor, torn, sheet)
    papers.clauses(subject, vendor, torn, sheet)
    papers.review(subject, vendor, sheet)
    promises(subject, vendor, sheet)
    return sheet.found


def _all(status: Status, reason: str, who: str) -> list[Measurement]:
    sheet = Sheet(who)
    for metric in FAMILY:
        sheet.refuse(metric.partition(".")[2], status, reason)
    return sheet.found
