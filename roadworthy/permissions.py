"""Who else can read or change what a workspace keeps: its state, its keys, and the rows that are for few eyes.

State may be read by others, because whoever serves a model reads the switch; it may be changed by nobody else. Keys, and what
holds rows, may not even be read. A group that is its owner's alone, as many systems give to each user, counts as the owner.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["state", "key", "rows"]

MOST = 20_000  # files and folders of one store that are looked at
_WORDS = {"state": "state", "key": "key or secret", "rows": "store of rows"}
_OTHERS_READ = {"state": 0, "key": stat.S_IRWXG | stat.S_IRWXO, "rows": stat.S_IRWXG | stat.S_IRWXO}


@dataclass(frozen=True, slots=True)
class Guarded:
    """A file or folder that is looked at, and what lies there: ``state``, a ``key``, or ``rows`` (with all that is in it)."""

    kind: Kind
    path: Path


@dataclass(frozen=True, slots=True)
class Loose:
    """One permission too many: what is open, said in words, and the command that closes it."""

    path: Path
    kind: Kind
    says: str
    do: str


def loose(guarded: Sequence[Guarded], me: int | None = None) -> list[Loose]:
    """Return what others can read or change though they must not; what is not there is not open.

    Parameters
    ----------
    guarded : sequence of Guarded
    me : int, optional
        User id that must own everything; by default that of this process.

    Raises
    ------
    OSError
        If the disk does not say who may do what: that must not be taken for nothing found.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     key = Path(folder) / "key"
    ...     _ = key.write_text("s3cret")
    ...     key.chmod(0o644)
    ...     [one.says.partition("key ")[0] for one in loose([Guarded("key", key)])]
    ['others can read the ']
    """
    owner = os.geteuid() if me is None else me
    return [found for one in guarded for path in _all(one) for found in _of(path, one.kind, owner)]


def _all(one: Guarded) -> Iterator[Path]:
    if not os.path.lexists(one.path):
        return
    yield one.path
    if one.kind != "rows" or one.path.is_symlink() or not one.path.is_dir():
        return
    seen = 0
    for folder, folders, files in os.walk(one.path, onerror=_raise):
        for name in sorted((*folders, *files)):
            seen += 1
            if seen > MOST:
                return  # the folder above is closed or is said to be open: what lies deeper is closed or open with it
            yield Path(folder) / name


def _raise(problem: OSError) -> None:
    raise problem


def _of(path: Path, kind: Kind, owner: int) -> Iterator[Loose]:
    link, word, shown = path.is_symlink(), _WORDS[kind], shlex.quote(str(path))
    if link and kind != "state":
        yield Loose(path, kind, f"the {word} {path} is a symbolic link, which leads wherever its folder's owner wants",
                    f"put the file itself in the place of {shown}")
        return
    if link and path.lstat().st_uid not in (owner, 0):
        yield Loose(path, kind, f"the {word} {path} is a symbolic link that someone else made", f"rm {shown}")
        return
    try:
        found = path.stat()
    except FileNotFoundError:
        return  # removed meanwhile, or a link to nothing
    if kind == "key" and not stat.S_ISREG(found.st_mode):
        yield Loose(path, kind, f"the {word} {path} is not a file", f"put a file in the place of {shown}")
        return
    if found.st_uid not in (owner, 0):
        yield Loose(path, kind, f"the {word} {path} belongs to user {found.st_uid}", f"chown {owner} {shown}")
    mode = stat.S_IMODE(found.st_mode)
    closed = "700" if stat.S_ISDIR(found.st_mode) else "600"
    if mode & _OTHERS_READ[kind]:
        yield Loose(path, kind, f"others can read the {word} {path} (mode {mode:04o})", f"chmod {closed} {shown}")
    elif _others_write(found):
        yield Loose(path, kind, f"others can change the {word} {path} (mode {mode:04o})", f"chmod go-w {shown}")
    above = path.parent.stat()
    if kind == "key" and _others_write(above) and not above.st_mode & stat.S_ISVTX:
        said = f"others can put another file in the place of the {word} {path}"
        yield Loose(path, kind, said, f"chmod go-w {shlex.quote(str(path.parent))}")


def _others_write(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _own_group(found.st_uid, found.st_gid)


@cache
def _own_group(uid: int, gid: int) -> bool:
    """Say whether a group is its owner's alone: it has the user's name and no other member."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(uid).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False  # nobody knows who is in it
    return group.gr_name == user and not set(group.gr_mem) - {user}
