"""What was approved of a version: the digests of its artifact and image, as they stood when it was approved or went live."""

from __future__ import annotations

from pathlib import Path

from roadworthy.canonical import digest_file
from roadworthy.errors import RoadworthyError
from roadworthy.evidence import EvidenceStore, read_bundle
from roadworthy.ledger import Ledger
from roadworthy.passport import Passport
from roadworthy.workspace import Workspace


def approved_digests(workspace: Workspace, ledger: Ledger, passport: Passport) -> dict[str, str] | None:
    """Return the approved digests of a version.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    passport : Passport
        As it stands today; what was approved is read from the evidence that the approval rests on.

    Returns
    -------
    dict or None
        ``artifact``, and ``image`` if one was declared; ``problem``, a sentence, if the evidence cannot be read. None if the
        version is neither approved nor live, or was taken over without a gate.
    """
    entries = [e for e in ledger.entries("release", passport.model) if e.body.get("version") == passport.version]
    if not entries or entries[-1].body.get("state") not in ("approved", "live"):
        return None
    rests_on = [e.body["evidence"] for e in entries if e.body.get("state") in ("approved", "live") and e.body.get("evidence")]
    if not rests_on:
        return None
    run = next((e for e in ledger.entries("run", passport.model) if e.body.get("evidence") == rests_on[-1]), None)
    try:
        if run is None:
            return {"problem": f"the ledger knows no run with the evidence {rests_on[-1][:12]}..."}
        bundle = read_bundle(EvidenceStore(workspace.evidence).path_of(run.body["path"]), expect=rests_on[-1])
    except RoadworthyError as problem:
        return {"problem": problem.sentence}
    declared = bundle.run["passport"].get("artifact") or {}
    named = {"artifact": declared.get("sha256"), "image": declared.get("image")}
    return {key: value for key, value in named.items() if isinstance(value, str)}


def supply_digests(root: Path, passport: Passport) -> dict[str, str | None]:
    """Return the digest of each file that is declared beside the artifact, so that another report makes another run."""
    names = passport.artifact.others() if passport.artifact is not None else []
    return {name: digest_file(root / name) if (root / name).is_file() else None for name in names}
