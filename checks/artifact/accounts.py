"""Hold reports of scanners against the exceptions that stand, their dates, and what they speak of; read the log of accesses."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from checks.artifact import auditd, scans
from roadworthy.canonical import digest_bytes
from roadworthy.measurement import Measurement, not_measured
from roadworthy.supply import Accepted, Artifact, Report

FINDINGS, SUPPRESSED, AGE = "artifact.scanner_findings", "artifact.suppressed_findings", "artifact.report_age_days"
DATABASE, MATCHES, ACCESSES = "artifact.scanner_database_age_days", "artifact.report_subject_matches", "artifact.file_accesses"
PRESENT, EXPIRED = "artifact.reports_present", "artifact.exceptions_expired"
OF_REPORTS = (FINDINGS, SUPPRESSED, AGE, DATABASE, MATCHES)
MOST_BYTES = 256 << 20
_NAMED = 20


def of_reports(root: Path, artifact: Artifact, day: date, now: datetime, lock: str | None) -> list[Measurement]:
    """Return what the scanners found, how old it is, and whether it speaks of this model.

    Parameters
    ----------
    root : pathlib.Path
        The workspace's folder.
    artifact : roadworthy.supply.Artifact
    day : date
        The day judged; an exception stands until its last day.
    now : datetime
        Wall time: a report from the future is no report.
    lock : str, optional
        Digest of the lock file, which scanners of dependencies may have looked at.

    Returns
    -------
    list of Measurement
        For each scanner a count for each severity, among others; a report that cannot be believed is an ``error`` in each.
    """
    found = [Measurement(PRESENT, value=float(len(artifact.reports)), method="count of declared reports")]
    expired = [one for one in artifact.exceptions if one.until < day]
    found.append(Measurement(
        EXPIRED, value=float(len(expired)), n=len(artifact.exceptions), method="count of exceptions whose last day is over",
        details={"ids": [one.id[:80] for one in expired[:_NAMED]]},
    ))
    if not artifact.reports:
        said = "No report of a scanner is declared."
        return [*found, *(not_measured(metric, "not_applicable", said) for metric in OF_REPORTS)]
    for report in artifact.reports:
        found += _of_report(root, artifact, report, day, now, lock)
    return found


def _of_report(
    root: Path, artifact: Artifact, report: Report, day: date, now: datetime, lock: str | None
) -> list[Measurement]:
    over = {"scanner": report.scanner}
    try:
        content = read_bytes(root / report.path)
        scan = scans.read(report.tool, content)
        made = _made(report, scan, now)
    except OSError as problem:
        said = f"The report of {report.scanner} cannot be read ({problem.strerror})."
    except (scans.Unreadable, ValueError) as problem:
        said = f"The report of {report.scanner} cannot be believed: {problem}"
    else:
        inputs = {"report": digest_bytes(content)}
        return [
            *_findings(scan, artifact.exceptions, over, day, inputs), *_ages(scan, made, over, day, inputs),
            _matches(report, scan, artifact, lock, over, inputs),
        ]
    severities = [{**over, "severity": severity} for severity in scans.SEVERITIES]
    parts = [(FINDINGS, part) for part in severities] + [(metric, over) for metric in OF_REPORTS if metric != FINDINGS]
    return [not_measured(metric, "error", said, over=part) for metric, part in parts]


def read_bytes(path: Path) -> bytes:
    """Return the content of a file of a bounded size.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is larger than any report is.
    """
    place = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(place, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if content is None or len(content) > MOST_BYTES:
        raise ValueError(f"It is no file of at most {MOST_BYTES >> 20} MB.")
    return content


def _made(report: Report, scan: scans.Scan, now: datetime) -> datetime | None:
    declared = datetime.combine(report.made, time(), UTC) if report.made is not None else None
    made = scan.made or declared
    if any(one is not None and one > now for one in (made, scan.database)):
        raise scans.Unreadable("It is dated in the future.")
    return made


def _findings(
    scan: scans.Scan, exceptions: list[Accepted], over: Mapping[str, str], day: date, inputs: Mapping[str, str]
) -> list[Measurement]:
    """Count what no exception covers on the day, for each severity, and what the scanner was told not to count."""
    standing = [one for one in exceptions if day <= one.until and one.scanner in (None, over["scanner"])]
    counted, ids, accepted = Counter[str](), dict[str, list[str]](), Counter[str]()
    for weakness in scan.weaknesses:
        if any(one.id in weakness.ids and one.where in (None, weakness.where) for one in standing):
            accepted[weakness.severity] += 1
            continue
        counted[weakness.severity] += 1
        ids.setdefault(weakness.severity, []).append(weakness.ids[0][:80])
    found = []
    for severity in scans.SEVERITIES:
        named = sorted(set(ids.get(severity, ())))
        details: dict[str, Any] = {"ids": named[:_NAMED], "more": max(0, len(named) - _NAMED), "accepted": accepted[severity]}
        found.append(Measurement(
            FINDINGS, {**over, "severity": severity}, float(counted[severity]), n=scan.scanned, inputs=inputs, details=details,
            method="count in the scanner's report, without exceptions that stand",
        ))
    told = "count of what the scanner was told to leave out"
    return [*found, Measurement(SUPPRESSED, over, float(scan.suppressed), n=scan.scanned, method=told, inputs=inputs)]


def _ages(
    scan: scans.Scan, made: datetime | None, over: Mapping[str, str], day: date, inputs: Mapping[str, str]
) -> list[Measurement]:
    end = datetime.combine(day + timedelta(days=1), time(), UTC)

    def age(metric: str, since: datetime | None, lacking: Measurement) -> Measurement:
        if since is None:
            return lacking
        days = max(0.0, (end - since).total_seconds() / 86_400)  # newer than the day judged is not older than it
        return Measurement(
            metric, over, days, method="days from then to the end of the day judged", inputs=inputs,
            details={"dated": since.isoformat()},
        )

    no_date = not_measured(
        AGE, "error", "The report does not say when it was made; write the day under 'made' in the passport.", over=over,
        inputs=inputs,
    )
    no_database = not_measured(DATABASE, "not_applicable", "The report names no database.", over=over, inputs=inputs)
    return [age(AGE, made, no_date), age(DATABASE, scan.database, no_database)]


def _matches(
    report: Report, scan: scans.Scan, artifact: Artifact, lock: str | None, over: Mapping[str, str], inputs: Mapping[str, str]
) -> Measurement:
    """Say whether what was scanned is the artifact, its image or the lock file, by digest."""
    ours = {f"sha256:{artifact.sha256}", *(one for one in (artifact.image, f"sha256:{lock}" if lock else None) if one)}
    told = scan.subjects or frozenset([report.subject_digest] if report.subject_digest is not None else [])
    if not told:
        said = "Neither the report nor the passport says by digest what was scanned; write it under 'subject_digest'."
        return not_measured(MATCHES, "insufficient", said, over=over, inputs=inputs)
    return Measurement(
        MATCHES, over, float(bool(told & ours)), method="digest of what was scanned against artifact, image and lock file",
        inputs=inputs, details={"scanned": sorted(told)[:_NAMED], "named_by": "report" if scan.subjects else "passport"},
    )


def of_accesses(root: Path, artifact: Artifact, day: date) -> list[Measurement]:
    """Return how often the artifact's folder was written, read and so on, on the day judged (UTC)."""
    if artifact.access_log is None:
        return [not_measured(ACCESSES, "not_applicable", "No log of accesses is declared.")]
    try:
        content = read_bytes(root / artifact.access_log)
        folder = PurePosixPath(artifact.path).parent
        lines = content.decode("utf-8", errors="replace").split("\n")
        found = auditd.accesses(lines, folder, day)
    except OSError as problem:
        return [not_measured(ACCESSES, "error", f"The log of accesses cannot be read ({problem.strerror}).")]
    except ValueError as problem:
        return [not_measured(ACCESSES, "error", f"The log of accesses cannot be read: {problem}")]
    inputs = {"access_log": digest_bytes(content)}
    if found.events == 0 and found.counts["unreadable"] == 0:
        said = (
            "The log tells of nobody on this day, not even of the inspection that reads the artifact; auditd may not be running, "
            "or its rules may not be loaded."
        )
        return [not_measured(ACCESSES, "insufficient", said, inputs=inputs)]
    return [
        Measurement(
            ACCESSES, {"action": action}, float(count), n=found.events, inputs=inputs, details={"lines": found.lines},
            method="events in auditd's log on the day (UTC)",
        )
        for action, count in found.counts.items()
    ]
