"""Load a model inside: by the format that its passport declares, and only the bytes that it names.

A file of skops is read type by type, and only types that skops trusts itself or that the passport names are made. A pickle runs
whatever it holds; it is loaded only in a process around which the network wall stands, and only the very bytes in which the
auditor found nothing that runs. Anything else cannot be run here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.isolation import walls
from roadworthy.canonical import digest_bytes
from roadworthy.errors import RoadworthyError
from roadworthy.passport import Passport

TRUSTED = "skops_trusted"
"""The key under a passport's ``extensions`` that names types which skops does not know, with commas between them."""
PICKLED = "pickle_trusted"
"""The key under which it names classes that a pickle may be made of besides those of the auditor's list, as ``module:Class``."""
_NAMED = 5
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class ArtifactError(RoadworthyError):
    """The artifact cannot be run: a sentence why."""


def order_of(passport: Passport) -> dict[str, Any]:
    """Return what a job inside must know to load the artifact of a passport, as JSON values.

    Raises
    ------
    ArtifactError
        If the passport declares none, or wants a pickle to name what is no class of a package, such as one of Python itself.

    Examples
    --------
    >>> from tests.support import passport_of
    >>> order_of(passport_of(artifact={"path": "m.skops", "sha256": "0" * 64, "format": "skops"}))["format"]
    'skops'
    """
    declared = passport.artifact
    if declared is None:
        raise ArtifactError("No artifact is declared.")
    trusted, pickled = (
        [one.strip() for one in passport.extensions.get(key, "").split(",") if one.strip()] for key in (TRUSTED, PICKLED)
    )
    for name in pickled:
        if not _CLASS.fullmatch(name) or re.split("[.:]", name)[0] in sys.stdlib_module_names:
            raise ArtifactError(
                f"Under extensions, {PICKLED} names {name[:80]!a}, which is no class of a package.", "Write it as module:Class."
            )
    return {"format": declared.format, "sha256": declared.sha256, "trusted": trusted, PICKLED: pickled}


def load(path: Path, order: Mapping[str, Any]) -> Any:
    """Return the model that lies in a file.

    Parameters
    ----------
    path : pathlib.Path
    order : mapping
        As `order_of` gives it.

    Raises
    ------
    ArtifactError
        If the bytes are not those declared, the format cannot be run or holds types that nobody trusts, or loading failed.
    """
    content = path.read_bytes()
    found, declared = digest_bytes(content), str(order["sha256"])
    if found != declared:
        raise ArtifactError(
            f"The artifact has digest {found[:12]}..., but the passport says {declared[:12]}...: it is not the model that was "
            "accepted, so it was not loaded."
        )
    kind = order["format"]
    if kind == "skops":
        _audited(content)
        return _from_skops(content, list(order.get("trusted", ())))
    if kind in ("pickle", "joblib"):
        return _from_pickle(content, kind, list(order.get(PICKLED, ())))
    raise ArtifactError(f"An artifact of format '{kind}' cannot be run here; 'skops' can.")


def _audited(content: bytes) -> None:
    from checks.auditor import opinion_of

    opinion = opinion_of(content, "skops")
    if not opinion.clean:
        raise ArtifactError(f"The artifact was not loaded, for it is no file that skops can read safely. {opinion.said}")


def _from_skops(content: bytes, trusted: list[str]) -> Any:
    from skops.io import get_untrusted_types, loads

    try:
        unknown = sorted(set(get_untrusted_types(data=content)).difference(trusted))
    except Exception as problem:
        raise ArtifactError(f"The artifact is no file that skops can read ({type(problem).__name__}).") from problem
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise ArtifactError(
            f"The artifact holds types that nobody declared trusted: {', '.join(unknown[:_NAMED])}{more}.",
            f"If they are known to be harmless, name them under extensions, {TRUSTED}.",
        )
    try:
        return loads(content, trusted=trusted)
    except Exception as problem:
        raise ArtifactError(f"The artifact could not be loaded ({type(problem).__name__}).") from problem


def _from_pickle(content: bytes, kind: str, also: list[str]) -> Any:
    if walls.isolation() != walls.NETWORK:
        raise ArtifactError(
            f"An artifact of format '{kind}' runs code when it is loaded, and this system grants no process without a network, "
            "so it was not loaded.",
            "Store it as 'skops', or allow user namespaces.",
        )
    import io

    import joblib

    from checks.auditor import Danger, audited_pickle

    try:
        content, _ = audited_pickle(content, kind, also=also)
    except Danger as danger:
        raise ArtifactError(f"The artifact was not loaded. {danger.sentence}") from danger
    try:
        return joblib.load(io.BytesIO(content))
    except MemoryError:
        raise
    except Exception as problem:
        raise ArtifactError(f"The artifact could not be loaded ({type(problem).__name__}).") from problem
