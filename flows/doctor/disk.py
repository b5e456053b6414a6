"""Where state and evidence lie: writable, on a local disk, with space, and not open to everyone."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flows.doctor.check import Check
from roadworthy.errors import RoadworthyError, StorageError
from roadworthy.ledger.database import file_of
from roadworthy.workspace import FILE, Workspace

LEAST_FREE = 1_000_000_000  # bytes
MOUNTS = Path("/proc/mounts")

#: File systems on which SQLite's locks and write-ahead log cannot be trusted.
NETWORK = re.compile(
    r"^(nfs\d?|cifs|smb\w*|ncpfs|afs|9p|ceph|glusterfs|lustre|gpfs|beegfs\w*|pvfs2|ocfs2|gfs2?|davfs|virtiofs|prl_fs|vboxsf|vmhgfs"
    r"|fuse\.(sshfs|s3fs|rclone|goofys|gcsfuse|blobfuse2?|mount-s3|davfs2?|glusterfs|ceph(-fuse)?|juicefs|vmhgfs-fuse|cifs|smbnetfs))$"
)


def folders(workspace: Workspace) -> Iterator[Check]:
    """Look at the folders of state and evidence."""
    state = state_file(workspace)
    if state is not None:
        yield _writable("State", state.parent)
        yield local("State's file system", state.parent, mounts())
    try:
        evidence = workspace.evidence
    except RoadworthyError as problem:
        yield Check("Evidence", False, problem.sentence, problem.do)
        return
    yield _writable("Evidence", evidence)
    places = [evidence] if state is None else [evidence, state.parent]
    yield space(places)


def state_file(workspace: Workspace) -> Path | None:
    """Return the SQLite file of ledger and switch, or None where a database server keeps them, or nothing that is known."""
    try:
        return file_of(workspace.state_url)
    except StorageError:
        return None  # `state` says it


def _writable(what: str, folder: Path) -> Check:
    """Write, sync and remove a file in `folder`, or in the nearest folder above if it is not there yet."""
    there = nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"roadworthy doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        return Check(what, False, f"{there} cannot be written ({problem.strerror}).", "Check its owner, its mode and the disk.")
    return Check(what, True, f"{folder} can be written." if there == folder else f"{folder} can be made in {there}.")


def local(what: str, folder: Path, mounted: str | None) -> Check:
    """Say whether `folder` is on a local disk.

    Parameters
    ----------
    what : str
    folder : pathlib.Path
    mounted : str or None
        Text of ``/proc/mounts``; None where the system has none, and then nothing is known.
    """
    there = nearest(folder).resolve()
    if mounted is None:
        return Check(what, True, f"Unknown: this system does not say what {there} lies on.",
                     "See to it yourself that it is a local disk: SQLite loses data on network file systems.")
    kind, point = kind_of(there, mounted)
    if not kind:
        return Check(what, True, f"Unknown: {there} lies on no mount that the system names.")
    if NETWORK.match(kind):
        return Check(what, False, f"{there} is on a network file system ({kind} at {point}), where SQLite can lose records.",
                     f"Set state_url in {FILE} to a file on a local disk.")
    return Check(what, True, f"{kind}, local.")


def kind_of(path: Path, mounted: str) -> tuple[str, str]:
    r"""Return the type and the mount point of the file system that `path` lies on; empty if none of them holds it.

    Examples
    --------
    >>> kind_of(Path("/data/my disk/x"), "/dev/a / ext4 rw 0 0\nhost:/e /data/my\\040disk nfs4 rw 0 0\n")
    ('nfs4', '/data/my disk')
    """
    best: tuple[str, str] = ("", "")
    for line in mounted.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point, kind = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), parts[1]), parts[2]
        # A later line about the same point hides the earlier one.
        if path.is_relative_to(point) and len(Path(point).parts) >= len(Path(best[1] or "/").parts):
            best = (kind, point)
    return best


def mounts() -> str | None:
    """Return the text of ``/proc/mounts``, or None on a system without it."""
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def space(places: list[Path], least: int = LEAST_FREE) -> Check:
    """Say how much room the fullest of some folders has."""
    free, where = min((shutil.disk_usage(nearest(place)).free, nearest(place)) for place in places)
    said = f"{free / 1e9:,.1f} GB are free at {where}."
    return Check("Disk", free >= least, said, f"Free some space; a night needs up to {least / 1e9:,.0f} GB.")


def permissions(workspace: Workspace) -> Check:
    """Say whether someone else could change what is declared or recorded, or read a secret."""
    wrong = []
    for path in (workspace.root, workspace.root / FILE, workspace.root / "people.yaml", workspace.root / "models",
                 workspace.root / "policies", workspace.made, workspace.made / "switch", state_file(workspace)):
        if path is not None and path.exists() and stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH:
            wrong.append((f"everyone can write {path}", f"chmod o-w '{path}'"))
    for path in _secret_files(workspace):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            wrong.append((f"others can read the secret file {path}", f"chmod 600 '{path}'"))
    if wrong:
        said = "; ".join(what for what, _ in wrong)
        return Check("Permissions", False, f"{said[:1].upper()}{said[1:]}.", "Run: " + "; ".join(do for _, do in wrong))
    return Check("Permissions", True, "Nothing is open to everyone.")


def _secret_files(workspace: Workspace) -> Iterator[Path]:
    alerts = workspace.settings.alerts
    references = [*alerts.owner, *alerts.guardian, *alerts.operator]
    with suppress(RoadworthyError):  # `passport lint` speaks about people
        references += [person.contact for person in workspace.people().people if person.contact]
    for reference in references:
        if reference.startswith("file:"):
            yield workspace.root / Path(reference.removeprefix("file:")).expanduser()


def nearest(folder: Path) -> Path:
    """Return `folder`, or the nearest folder above it that exists."""
    for there in (folder, *folder.parents):
        if there.is_dir():
            return there
    return Path("/")
