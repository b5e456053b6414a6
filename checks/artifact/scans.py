"""Read what scanners reported: bandit, pip-audit, Trivy, Grype, and whatever writes SARIF 2.1.0.

A report counts as one only if it says what it scanned and that nothing went wrong. One of a shape that is not known is an error
and never clean; so is one that scanned nothing, skipped something or failed somewhere.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SEVERITIES = ("critical", "high", "medium", "low", "unknown")
_WORDS = {"negligible": "low", "moderate": "medium", "important": "high", "undefined": "unknown", "": "unknown"}
_LEVELS = {"error": "high", "warning": "medium", "note": "low", "none": "low"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Unreadable(Exception):
    """The report cannot be believed: a sentence why."""


@dataclass(frozen=True)
class Weakness:
    """One thing that a scanner found: by all its ids, how severe, and in which file or package."""

    ids: tuple[str, ...]
    severity: str
    where: str = ""


@dataclass(frozen=True)
class Scan:
    """What a report says.

    Attributes
    ----------
    weaknesses : list of Weakness
    scanned : int
        Files, packages or targets that were looked at.
    suppressed : int
        Findings that somebody had told the scanner not to count.
    made : datetime, optional
        When it was made, in UTC.
    subjects : frozenset of str
        Digests of what was scanned, as ``sha256:...``.
    database : datetime, optional
        When the scanner's list of weaknesses was made.
    """

    weaknesses: list[Weakness]
    scanned: int
    suppressed: int = 0
    made: datetime | None = None
    subjects: frozenset[str] = field(default_factory=frozenset)
    database: datetime | None = None


def read(tool: str, content: bytes) -> Scan:
    """Return what a report says.

    Parameters
    ----------
    tool : str
        ``bandit``, ``pip-audit``, ``trivy``, ``grype`` or ``sarif``.
    content : bytes
        JSON.

    Raises
    ------
    Unreadable
        If it is of another shape, or not the report of a scan that looked at everything.

    Examples
    --------
    >>> read("pip-audit", b'{"dependencies": [{"name": "numpy", "version": "2.4.6", "vulns": []}]}').scanned
    1
    >>> read("trivy", b'{"Results": []}')
    Traceback (most recent call last):
    checks.artifact.scans.Unreadable: It has another shape than reports of trivy (SchemaVersion 2).
    """
    reader, shape = _READERS[tool]
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise Unreadable("It cannot be read as JSON.") from problem
    try:
        scan = reader(found)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as problem:
        raise Unreadable(f"It has another shape than reports of {shape}.") from problem
    if scan.scanned < 1:
        raise Unreadable("It says of nothing that it was scanned.")
    return scan


def _severity(word: Any) -> str:
    small = word.lower() if isinstance(word, str) else ""
    small = _WORDS.get(small, small)
    return small if small in SEVERITIES else "unknown"


def _time(text: Any) -> datetime | None:
    """Return a time in UTC; None where there is none. Scanners write nanoseconds, which Python does not read."""
    if text is None:
        return None
    cut = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    made = datetime.fromisoformat(cut)
    return made.astimezone(UTC) if made.tzinfo is not None else made.replace(tzinfo=UTC)


def _list(of: Any, key: str) -> list[Any]:
    """Return a list under a key, empty where it is missing or null."""
    found = of.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise TypeError(key)
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _bandit(report: Any) -> Scan:
    files = {name: one for name, one in report["metrics"].items() if name != "_totals"}
    if errors := report["errors"]:
        raise Unreadable(f"{len(errors)} files could not be scanned.")
    totals = report["metrics"]["_totals"]
    found = [Weakness((_text(r["test_id"]),), _severity(r["issue_severity"]), _text(r["filename"])) for r in report["results"]]
    return Scan(found, len(files), int(totals["nosec"]) + int(totals["skipped_tests"]), _time(report.get("generated_at")))


def _pip_audit(report: Any) -> Scan:
    packages = report["dependencies"]
    skipped = [one for one in packages if "skip_reason" in one]
    if skipped:
        raise Unreadable(f"{len(skipped)} packages were skipped.")
    found = [
        Weakness((_text(v["id"]), *map(_text, _list(v, "aliases"))), _severity(v.get("severity")), _text(one["name"]))
        for one in packages
        for v in one["vulns"]
    ]
    return Scan(found, len(packages))


def _trivy(report: Any) -> Scan:
    if report["SchemaVersion"] != 2:
        raise ValueError("schema")
    results = _list(report, "Results")
    found = [
        Weakness((_text(v["VulnerabilityID"]),), _severity(v.get("Severity")), _text(v.get("PkgName", "")))
        for one in results for v in _list(one, "Vulnerabilities")
    ]
    found += [
        Weakness((_text(m["ID"]),), _severity(m.get("Severity")), _text(one.get("Target", "")))
        for one in results for m in _list(one, "Misconfigurations") if m.get("Status", "FAIL") == "FAIL"
    ]
    found += [
        Weakness((_text(s["RuleID"]),), _severity(s.get("Severity")), _text(one.get("Target", "")))
        for one in results for s in _list(one, "Secrets")
    ]
    about = report.get("Metadata") or {}
    named = [about.get("ImageID"), *_list(about, "RepoDigests")]
    suppressed = sum(len(_list(one, "ExperimentalModifiedFindings")) for one in results)
    return Scan(found, len(results), suppressed, _time(report.get("CreatedAt")), _digests(named))


def _grype(report: Any) -> Scan:
    found = [
        Weakness(
            (_text(m["vulnerability"]["id"]), *(_text(r["id"]) for r in _list(m, "relatedVulnerabilities"))),
            _severity(m["vulnerability"].get("severity")), _text(m["artifact"]["name"]),
        )
        for m in report["matches"]
    ]
    target, by = report["source"]["target"], report["descriptor"]
    if by["name"] != "grype":
        raise ValueError("name")
    image = target if isinstance(target, dict) else {}  # of a folder it is only its path
    named = [image.get("imageID"), image.get("manifestDigest"), *_list(image, "repoDigests")]
    data = by.get("db") or {}
    built = data.get("built") or (data.get("status") or {}).get("built")
    ignored = len(_list(report, "ignoredMatches"))
    return Scan(found, 1 if target else 0, ignored, _time(by.get("timestamp")), _digests(named), _time(built))


def _digests(named: list[Any]) -> frozenset[str]:
    return frozenset(one for text in named if isinstance(text, str) for one in _DIGEST.findall(text))


def _sarif(report: Any) -> Scan:
    if report["version"] != "2.1.0":
        raise ValueError("version")
    found: list[Weakness] = []
    suppressed, times, subjects = 0, list[datetime](), set[str]()
    for run in report["runs"]:
        _check_run(run)
        driver = run["tool"]["driver"]
        rules = {rule["id"]: rule for part in (driver, *_list(run["tool"], "extensions")) for rule in _list(part, "rules")}
        for result in _results(run):
            if any(one.get("status", "accepted") == "accepted" for one in _list(result, "suppressions")):
                suppressed += 1
                continue
            name = result.get("ruleId") or (result.get("rule") or {}).get("id")
            if name is None:
                name = _list(driver, "rules")[result["ruleIndex"]]["id"]
            found.append(Weakness((_text(name),), _level(result, rules.get(name, {})), _place(result)))
        times += [made for one in _list(run, "invocations") if (made := _time(one.get("endTimeUtc"))) is not None]
        hashes = [(one.get("hashes") or {}).get("sha-256") for one in _list(run, "artifacts")]
        subjects |= {f"sha256:{digest.lower()}" for digest in hashes if isinstance(digest, str)}
    return Scan(found, len(report["runs"]), suppressed, min(times, default=None), _digests(sorted(subjects)))


def _check_run(run: Mapping[str, Any]) -> None:
    for one in _list(run, "invocations"):
        if one["executionSuccessful"] is not True:
            raise Unreadable("One of its runs did not succeed.")
        failed = [n for key in ("toolExecutionNotifications", "toolConfigurationNotifications") for n in _list(one, key)]
        if any(note.get("level") == "error" for note in failed):
            raise Unreadable("One of its runs tells of an error.")
    if not isinstance(run.get("results"), list):
        raise Unreadable("One of its runs has no results, so it did not look for any.")


def _results(run: Mapping[str, Any]) -> Iterator[Any]:
    for result in run["results"]:
        gone = result.get("baselineState") == "absent"
        if not gone and result.get("kind", "fail") in ("fail", "open", "review"):
            yield result


def _level(result: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """Return the severity: by the score that code scanning gives a rule, else by the level."""
    score = ((result.get("properties") or {}) | (rule.get("properties") or {})).get("security-severity")
    if score is not None:
        points = float(score)
        if not math.isfinite(points):
            return "unknown"
        return "critical" if points >= 9 else "high" if points >= 7 else "medium" if points >= 4 else "low"
    default = (rule.get("defaultConfiguration") or {}).get("level", "warning")
    return _LEVELS.get(result.get("level", default), "unknown")


def _place(result: Mapping[str, Any]) -> str:
    for one in _list(result, "locations"):
        place = ((one.get("physicalLocation") or {}).get("artifactLocation") or {}).get("uri")
        if isinstance(place, str):
            return place
    return ""


_READERS: dict[str, tuple[Callable[[Any], Scan], str]] = {
    "bandit": (_bandit, "bandit (-f json)"), "pip-audit": (_pip_audit, "pip-audit (-f json)"),
    "trivy": (_trivy, "trivy (SchemaVersion 2)"), "grype": (_grype, "grype (-o json)"), "sarif": (_sarif, "SARIF 2.1.0"),
}
