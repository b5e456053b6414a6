"""``people.lock``: each version of who may do what, signed by a Guardian of the version before.

``people.yaml`` is what people edit; the lock is what programs trust. Its first version is signed by nobody and pinned by its
digest where it is relied on. A key that is not in the last version of the lock proves nothing, whatever ``people.yaml`` says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.canonical import canonical_json, digest_bytes
from roadworthy.errors import RefusedError, StorageError, TamperedError
from roadworthy.people import People
from roadworthy.signing import is_signed_by, public_of, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE = "people.lock"
DOMAIN = b"roadworthy-people-v1\n"
_NAMES = {"by", "people", "previous", "signature"}


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was checked.

    Attributes
    ----------
    root : str
        Digest of the first version; what guards pin. Empty if there is none.
    versions : int
    people : list of dict
        The last version: ``id``, ``public_key``, ``roles``.
    """

    root: str
    versions: int
    people: list[dict[str, Any]]


def extract(people: People) -> list[dict[str, Any]]:
    """Return what of ``people.yaml`` is locked: ids, public keys and roles."""
    rows = [{"id": p.id, "public_key": p.public_key or "", "roles": sorted(p.roles)} for p in people.people]
    return sorted(rows, key=lambda row: str(row["id"]))


def read(folder: Path, root: str | None = None) -> Lock:
    """Read and check the lock of a workspace.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``people.yaml`` lies.
    root : str, optional
        The digest that the first version must have.

    Raises
    ------
    TamperedError
        If a version is not signed by a Guardian of the one before, or the first is not `root`.
    """
    versions = _versions(folder)
    before: list[dict[str, Any]] = []
    digest = first = ""
    for number, version in enumerate(versions, 1):
        if not isinstance(version, dict) or set(version) != _NAMES or not isinstance(version["people"], list):
            raise TamperedError(f"{FILE}: version {number} cannot be understood.", "Restore the file.")
        signed = {name: value for name, value in version.items() if name != "signature"}
        if version["previous"] != digest:
            raise TamperedError(f"{FILE}: version {number} does not follow the version before it.", "Restore the file.")
        if number > 1:
            keys = [p["public_key"] for p in before if p["id"] == version["by"] and "guardian" in p["roles"] and p["public_key"]]
            if not keys or not is_signed_by(keys[0], DOMAIN + canonical_json(signed), str(version["signature"])):
                said = f"{FILE}: version {number} is not signed by a Guardian of version {number - 1}."
                raise TamperedError(said, "Restore the file, and find out who changed it.")
        before, digest = version["people"], digest_bytes(canonical_json(signed))
        first = first or digest
    if root is not None and first != root:
        raise TamperedError(f"{FILE}: its first version is not the one that is pinned ({root[:12]}...).", "Restore the file.")
    return Lock(first, len(versions), before)


def begin(folder: Path, people: People) -> Lock:
    """Write the first version; nobody signs it, so its digest is to be pinned where it is relied on.

    Raises
    ------
    RefusedError
        If there is a lock already.
    """
    if _versions(folder):
        raise RefusedError(f"There is a {FILE} already.", "Sign a new version with 'roadworthy people sign'.")
    _write(folder, [{"by": "", "people": extract(people), "previous": "", "signature": ""}])
    return read(folder)


def add(folder: Path, people: People, by: str, key: Ed25519PrivateKey) -> Lock:
    """Add ``people.yaml`` as it is now as a version, signed by a Guardian of the version before.

    Raises
    ------
    RefusedError
        If nothing changed, or `by` is no Guardian of the version before with this key.
    """
    lock = read(folder)
    if lock.people == extract(people):
        raise RefusedError(f"people.yaml is what the last version of {FILE} says; there is nothing to sign.")
    mine = next((p for p in lock.people if p["id"] == by), None)
    if mine is None or "guardian" not in mine["roles"] or mine["public_key"] != public_of(key):
        said = f"{by} is not a Guardian of version {lock.versions} of {FILE} with this key, and cannot sign the next."
        raise RefusedError(said, "A Guardian who stands in the last version signs.")
    versions = _versions(folder)
    last = {name: value for name, value in versions[-1].items() if name != "signature"}
    new = {"by": by, "people": extract(people), "previous": digest_bytes(canonical_json(last))}
    _write(folder, [*versions, {**new, "signature": sign(key, DOMAIN + canonical_json(new))}])
    return read(folder)


def difference(lock: Lock, people: People) -> list[str]:
    """Say whose entry in ``people.yaml`` is not what the lock's last version says."""
    locked = {p["id"]: p for p in lock.people}
    now = {p["id"]: p for p in extract(people)}
    return sorted(who for who in {*locked, *now} if locked.get(who) != now.get(who))


def check_locked(folder: Path, people: People, who: str) -> None:
    """Refuse a person whose entry in ``people.yaml`` is not what the lock says; without a lock there is nothing to compare.

    Raises
    ------
    RefusedError
        If it differs.
    TamperedError
        If the lock itself does not hold.
    """
    lock = read(folder)
    if lock.versions and who in difference(lock, people):
        said = f"The entry of {who} in people.yaml is not what {FILE} says, so the key in it proves nothing."
        raise RefusedError(said, "Have it signed in: roadworthy people sign")


def _versions(folder: Path) -> list[Any]:
    try:
        found = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise StorageError(f"{FILE} cannot be read ({problem.strerror}).", "Check its permissions.") from problem
    except (ValueError, RecursionError) as problem:
        raise TamperedError(f"{FILE} is not JSON ({problem}).", "Restore the file.") from problem
    if not isinstance(found, list):
        raise TamperedError(f"{FILE} is not a list of versions.", "Restore the file.")
    return found


def _write(folder: Path, versions: list[Any]) -> None:
    import os

    path, temporary = folder / FILE, folder / f".{FILE}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(canonical_json(versions) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as problem:
        raise StorageError(f"{FILE} cannot be written ({problem.strerror}).", "Check its folder.") from problem
