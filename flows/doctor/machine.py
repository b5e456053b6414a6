"""The machine without its disks: Python, packages, telemetry, the clock, and where alerts go."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from zoneinfo import available_timezones

from flows.doctor.check import Check
from flows.orchestration import QUIET
from roadworthy.errors import RoadworthyError, StorageError
from roadworthy.secrets import resolve
from roadworthy.workspace import FILE, Workspace

OLDEST, NEWEST = (3, 11), (3, 13)
SWITCHES = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED", "GX_ANALYTICS_ENABLED")
TOLERANCE = timedelta(minutes=5)  # clocks of the machines that share a folder differ a little

#: What a version outside the bounds breaks; found by running the libraries together.
BREAKS = {
    "fastapi": "the Prefect server does not start on 0.151 and later",
    "sqlalchemy": "Prefect's cron schedules make no runs on 2.1, without an error",
    "pandas": "Evidently does not import on 3.1",
    "great-expectations": "the data-quality checks use a private method of exactly this version",
    "prefect": "only this series is tested",
}
_PIN = re.compile(r"^([A-Za-z0-9][^\n\\]*)", re.MULTILINE)  # a requirement up to its hashes


def python(version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> Check:
    """Say whether this Python is one that Roadworthy runs on."""
    ok = OLDEST <= version <= NEWEST
    return Check("Python", ok, f"{version[0]}.{version[1]}.", "Use Python 3.11, 3.12 or 3.13.")


def packages(lock: str | None = None, required: Iterable[str] | None = None, installed: Mapping[str, str] | None = None) -> Check:
    """Compare what is installed with what Roadworthy needs and with the lock.

    Parameters
    ----------
    lock : str, optional
        Text of requirements.lock; by default that of the checkout, if this is one.
    required : iterable of str, optional
        Requirements with bounds; by default those of the installed distribution.
    installed : mapping of str to str, optional
        Version by normalised name; by default of this environment.
    """
    from packaging.requirements import Requirement

    pinned = [Requirement(text) for text in _PIN.findall(_lock() if lock is None else lock)]
    pins = {_normal(one.name): str(one.specifier)[2:] for one in pinned if one.marker is None or one.marker.evaluate()}
    there = _installed() if installed is None else installed
    wrong = []
    for text in _required() if required is None else required:
        one = Requirement(text)
        name = _normal(one.name)
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        if name not in there:
            wrong.append(f"{name} is missing")
        elif not one.specifier.contains(there[name], prereleases=True):
            why = f" ({BREAKS[name]})" if name in BREAKS else ""
            wrong.append(f"{name} is {there[name]}, but must be {one.specifier}{why}")
    if wrong:
        return Check("Packages", False, "; ".join(wrong) + ".", "Install what requirements.lock names: make setup.")
    if not pins:
        return Check("Packages", True, "Within the declared bounds. There is no requirements.lock here to compare with.")
    other = [f"{name} {there[name]} (lock: {pin})" for name, pin in sorted(pins.items()) if name in there and there[name] != pin]
    if other:
        return Check("Packages", True, f"Within the declared bounds, but not as tested: {', '.join(other)}.")
    return Check("Packages", True, f"As in requirements.lock ({sum(name in there for name in pins)} packages).")


@cache
def evidently(command: tuple[str, ...] = (sys.executable, "-P", "-c", "import evidently")) -> Check:
    """Say whether Evidently imports; a wrong pandas breaks it, and its own metadata does not say so."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode == 0:
        return Check("Evidently", True, "Imports.")
    last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    return Check("Evidently", False, f"Does not import ({last[:160]}).", "Install what requirements.lock names: make setup.")


def telemetry(env: Mapping[str, str]) -> Check:
    """Say whether the switches that keep libraries from reporting home are off in this process."""
    on = [f"{name}={env[name]}" if name in env else f"{name} is not set" for name in SWITCHES if env.get(name) != QUIET[name]]
    if on:
        wanted = " ".join(f"{name}={QUIET[name]}" for name in SWITCHES)
        return Check("Telemetry", False, f"Not off: {', '.join(on)}.", f"Set: {wanted}.")
    return Check("Telemetry", True, "Off in Prefect, Great Expectations and Evidently.")


def clock(workspace: Workspace | None, now: datetime) -> Check:
    """Say whether the clock can be believed: time zones known, the year sane, nothing recorded in the future."""
    if not available_timezones():
        return Check("Clock", False, "Python finds no time zones.", "Install the system's tzdata, or the package tzdata.")
    said = f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if not 2026 <= now.year < 2100:
        return Check("Clock", False, f"It says {said}, which cannot be.", "Set the clock, best by NTP.")
    if workspace is None:
        return Check("Clock", True, f"{said}.")
    newest, what = _newest(workspace)
    if newest is not None and newest > now + TOLERANCE:
        return Check("Clock", False, f"It says {said}, but {what} is of {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC.",
                     "Set the clock, best by NTP: leases, expiries and the ledger depend on it.")
    return Check("Clock", True, f"{said}; days begin and end in {workspace.settings.time_zone}.")


def language_model(workspace: Workspace, version: str | None) -> Check:
    """Say whether the language model that the workspace asks for names can be had; nothing of it is run.

    Parameters
    ----------
    workspace : Workspace
        Whose settings name one.
    version : str or None
        Of spaCy, as `checks.privacy.language.library` gives it.
    """
    from checks.privacy.language import files_of

    names, what = workspace.settings.privacy.names, "Names of people"
    if names is None:
        return Check(what, True, "Nobody asked for them.")
    if version is None:
        return Check(what, False, "spaCy is not installed, so no night can look for them.", "Run: pip install 'roadworthy[pii]'")
    try:
        found = files_of(names.model, workspace.root)
    except RoadworthyError as problem:
        return Check(what, False, problem.sentence, problem.do or "Name another under privacy.names.")
    return Check(what, True, f"'{names.model}' has {len(found)} files; spaCy {version} reads it at night.")


def alerts(workspace: Workspace, env: Mapping[str, str]) -> Check:
    """Say where alerts go, without showing an address."""
    by_role = workspace.settings.alerts
    told, wrong = [], []
    for role in ("owner", "guardian", "operator"):
        references = getattr(by_role, role)
        if references:
            told.append(f"{role} ({len(references)})")
        for reference in references:
            if (why := _unusable(reference, workspace.root, env)) is not None:
                wrong.append(f"{role}: {why}")
    if wrong:
        return Check("Alerts", False, " ".join(wrong), f"Mend what {FILE} names under 'alerts'.")
    if not told:
        return Check("Alerts", True, f"No address is configured, so nobody is told; {FILE} takes them under 'alerts'.")
    return Check("Alerts", True, f"Configured for {', '.join(told)}. Nothing was sent.")


def _unusable(reference: str, root: Path, env: Mapping[str, str]) -> str | None:
    """Say why a reference leads to no address, or None. A Prefect secret is not looked up: that needs a server."""
    if reference.startswith("prefect:"):
        return None
    try:
        address = resolve(reference, root, env)
    except RoadworthyError as problem:
        return str(problem)
    import apprise

    return None if apprise.Apprise().add(address) else f"What {reference} points at is not an Apprise address."


def _newest(workspace: Workspace) -> tuple[datetime | None, str]:
    """Return the time of the newest thing recorded, and what it is."""
    found: list[tuple[datetime, str]] = []
    declared = [workspace.root / FILE, workspace.root / "people.yaml", *workspace.passports().values()]
    for path in [*declared, *sorted(workspace.made.glob("*"))]:
        try:
            found.append((datetime.fromtimestamp(path.stat().st_mtime, UTC), f"the file {path.relative_to(workspace.root)}"))
        except OSError:
            continue  # not there, or gone meanwhile
    entry = _last_entry(workspace)
    if entry is not None:
        found.append((entry, "the last entry of the ledger"))
    return max(found, default=(None, ""), key=lambda one: one[0] or datetime.min.replace(tzinfo=UTC))


def _last_entry(workspace: Workspace) -> datetime | None:
    from roadworthy.ledger import Ledger

    try:
        with Ledger.open(workspace.state_url, read_only=True) as ledger:
            seq, _ = ledger.head()
            return next((entry.at for entry in ledger.entries(after=seq - 1)), None)
    except StorageError:
        return None  # no ledger yet, or one that `verify` has to speak about


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> dict[str, str]:
    found: dict[str, str] = {}
    for one in metadata.distributions():
        if one.metadata["Name"]:
            found.setdefault(_normal(one.metadata["Name"]), one.version)  # the first on the path is the one that is imported
    return found


def _required() -> list[str]:
    try:
        return metadata.requires("roadworthy") or []
    except metadata.PackageNotFoundError:
        return []


def _lock() -> str:
    root = Path(__file__).resolve().parents[2]
    file = root / "requirements.lock"
    return file.read_text(encoding="utf-8") if file.is_file() and (root / "pyproject.toml").is_file() else ""
