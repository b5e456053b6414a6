"""The recorded facts that can be checked without training: digests of files, the lock file, versions.

Each is one measurement of the whole that a night can afford, with the names of what differs. The numbers are facts and carry no
sampling error.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from checks.opening import Opening
from checks.reproducibility.words import listed, shown
from checks.subject import Subject
from roadworthy.measurement import Measurement, not_measured
from roadworthy.recipe import Recipe

DATA, CODE = "reproducibility.data_matches", "reproducibility.code_matches"
LOCK, LIBRARIES = "reproducibility.lock_matches", "reproducibility.libraries_differ"
METRICS = (DATA, CODE, LOCK, LIBRARIES)
NO_RECIPE = "The passport declares no recipe, so nothing can be made again."

_LOCK_BYTES = 16 << 20


def measure(subject: Subject) -> list[Measurement]:
    """Measure whether data, code, lock file and libraries are those that are recorded.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Measurement
        One of each of `METRICS`, over the whole. ``data_matches``, ``code_matches`` and ``lock_matches`` are 1 or 0,
        ``libraries_differ`` is a count. What is not recorded is ``insufficient``; without a recipe all are ``not_applicable``.
    """
    recipe = subject.passport.recipe
    if recipe is None:
        return [not_measured(metric, "not_applicable", NO_RECIPE) for metric in METRICS]
    return [
        _files(subject, DATA, recipe.data, "data that the recipe reads"),
        _files(subject, CODE, recipe.code, "code of the recipe"),
        _lock(subject, recipe),
        _libraries(subject, recipe),
    ]


def differing(subject: Subject, recipe: Recipe) -> list[str]:
    """Return every recorded fact that is no longer so, a short text each: files, lock file, Python, libraries."""
    parts = [*files_differing(subject, recipe.data), *files_differing(subject, recipe.code)]
    return [*parts, *environment_differing(subject, recipe)]


def files_differing(subject: Subject, recorded: Mapping[str, str]) -> list[str]:
    """Return a short text for each file that is missing, cannot be read, or is not the one that is recorded."""
    opening = Opening(subject.con, subject.root, subject.passport, subject.links, subject.digests)
    found = []
    for name, digest in recorded.items():
        path = subject.root / name
        try:
            if not path.is_file():
                found.append(f"{shown(name)} is missing")
            elif (now := opening.digest(path)) != digest:
                found.append(f"{shown(name)} was changed (recorded {digest[:12]}..., now {now[:12]}...)")
        except (OSError, ValueError) as problem:  # ValueError: a name that the disk cannot have
            found.append(f"{shown(name)} cannot be read ({type(problem).__name__})")
    return found


def state(subject: Subject, recipe: Recipe, whole: bool) -> dict[str, Any]:
    """Return digests of the recipe's files as they are now, and the installed versions of the recorded libraries.

    Parameters
    ----------
    subject : Subject
    recipe : Recipe
    whole : bool
        With everything that making the artifact again rests on, beside what `measure` looks at.
    """
    opening = Opening(subject.con, subject.root, subject.passport, subject.links, subject.digests)
    more = (recipe.record, recipe.frozen) if whole else ()
    found: dict[str, str | None] = {}
    for name in (*recipe.data, *recipe.code, recipe.lock, *more):
        if name is None:
            continue
        path = subject.root / name
        try:
            found[name] = opening.digest(path) if path.is_file() else None
        except (OSError, ValueError):
            found[name] = None  # told where it is measured
    here = {name: installed(name) for name in recorded_libraries(subject, recipe)}
    return {"files": found, "libraries": here, **({"python": platform.python_version()} if whole else {})}


def python_differing(recipe: Recipe) -> list[str]:
    """Return a short text if the Python that runs this is not the one that is recorded, as far as that is told."""
    here = platform.python_version()
    if recipe.python is None or f"{here}.".startswith(f"{recipe.python}."):
        return []
    return [f"Python (recorded {recipe.python}, here {here})"]


def libraries_differing(recorded: Mapping[str, str], pinned: Mapping[str, str] | None = None) -> list[str]:
    """Return a short text for each library that is not installed in the recorded version, or that the lock file contradicts.

    Examples
    --------
    >>> libraries_differing({"no-such-library": "1.0"}, {"No_Such_Library": "1.1"})
    ['library no-such-library (recorded 1.0, not installed, the lock file pins 1.1)']
    """
    from packaging.utils import canonicalize_name

    pins_by_name = {canonicalize_name(name): version for name, version in (pinned or {}).items()}
    found = []
    for name, version in recorded.items():
        here, pin = installed(name), pins_by_name.get(canonicalize_name(name), version)
        if here != version or pin != version:
            said = "not installed" if here is None else f"installed {shown(here)}"
            more = f", the lock file pins {shown(pin)}" if pin != version else ""
            found.append(f"library {shown(name)} (recorded {shown(version)}, {said}{more})")
    return found


def environment_differing(subject: Subject, recipe: Recipe) -> list[str]:
    """Return a short text for everything in which this environment is not that of the lock: its file, Python, each library.

    A lock file that is not the recorded one pins nothing. Empty where nothing differs, or nothing is recorded.
    """
    lock = {} if recipe.lock is None or recipe.lock_sha256 is None else {recipe.lock: recipe.lock_sha256}
    libraries = libraries_differing(recorded_libraries(subject, recipe), pinned(subject, recipe))
    return [*files_differing(subject, lock), *python_differing(recipe), *libraries]


def installed(name: str) -> str | None:
    """Return the version of an installed library, or None."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        return None
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def recorded_libraries(subject: Subject, recipe: Recipe) -> dict[str, str]:
    """Return every version that is recorded: those that the lock file pins for this Python and system, and the passport's."""
    from packaging.utils import canonicalize_name

    named = {canonicalize_name(name) for name in recipe.libraries}
    others = {name: at for name, at in pinned(subject, recipe).items() if canonicalize_name(name) not in named}
    return {**recipe.libraries, **others}


def pinned(subject: Subject, recipe: Recipe) -> dict[str, str]:
    """Return the versions that the lock file pins for this Python and system; none where there is no file to be read."""
    if recipe.lock is None:
        return {}
    try:
        with (subject.root / recipe.lock).open("rb") as file:
            content = file.read(_LOCK_BYTES)
    except (OSError, ValueError):
        return {}  # that the file is missing or unreadable is told of the file
    return pins(content.decode("utf-8", "replace"))


def pins(text: str) -> dict[str, str]:
    r"""Return what a lock file in the form of pip pins for this Python and system; other lines are passed over.

    Examples
    --------
    >>> pins("# by hand\nnumpy==2.3.5 ; python_version >= '3' \\\n    --hash=sha256:00\nold==1 ; python_version < '3'\n-e .")
    {'numpy': '2.3.5'}
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found = {}
    for line in text.splitlines():
        said = line.split("#")[0].partition(" --hash")[0].rstrip(" \\")
        if not re.match(r"[A-Za-z0-9]", said):
            continue
        try:
            one = Requirement(said)
        except InvalidRequirement:
            continue
        exact = re.fullmatch(r"={2,3}([^*,]+)", str(one.specifier))
        if exact and (one.marker is None or one.marker.evaluate()):
            found[one.name] = exact[1]
    return found


def _files(subject: Subject, metric: str, recorded: Mapping[str, str], what: str) -> Measurement:
    if not recorded:
        return not_measured(metric, "insufficient", f"The passport records no digest of the {what}.")
    parts = files_differing(subject, recorded)
    return Measurement(
        metric, value=0.0 if parts else 1.0, n=len(recorded), stats={"differ": len(parts)}, method="SHA-256 of each file",
        inputs=dict(recorded), details=told(parts),
    )


def _lock(subject: Subject, recipe: Recipe) -> Measurement:
    if recipe.lock is None or recipe.lock_sha256 is None:
        return not_measured(LOCK, "insufficient", "The passport does not record both the lock file and its digest.")
    recorded = {recipe.lock: recipe.lock_sha256}
    parts = files_differing(subject, recorded)
    return Measurement(
        LOCK, value=0.0 if parts else 1.0, method="SHA-256 of the file", inputs=recorded, details=told(parts)
    )


def _libraries(subject: Subject, recipe: Recipe) -> Measurement:
    recorded = recorded_libraries(subject, recipe)
    if not recorded:
        said = "The passport records no version of a library, and no lock file that pins one."
        return not_measured(LIBRARIES, "insufficient", said)
    parts = libraries_differing(recorded, pinned(subject, recipe))
    method = "versions of passport and lock file against installed ones"
    return Measurement(
        LIBRARIES, value=float(len(parts)), n=len(recorded), method=method,
        details=told(parts),
    )


def told(parts: list[str]) -> dict[str, str]:
    """Return what differs as details of a measurement: one sentence, or that nothing does."""
    return {"differs": f"Differs: {listed(parts)}." if parts else "Nothing differs."}
