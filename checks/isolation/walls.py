"""What a process gives up before it loads anything that is not ours.

The order is: no new privileges and no core dumps; bounds on memory, time and file size; a network namespace in which nothing is
connected, with a process namespace in which nobody else can be seen or signalled; and last the files: it may write in its own
folder and read nothing but programs, libraries and that folder. Each wall that the kernel refuses is missing from the list that
`standing` returns, and never claimed. Without the network namespace the process counts as not isolated.

Only the standard library is imported here: a user namespace is refused to a process that has threads.

References
----------
.. [1] man 7 user_namespaces, network_namespaces, pid_namespaces, landlock.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

NETWORK, PROCESSES, FILES = "network namespace", "process namespace", "files"
NOT_ISOLATED = "not isolated"

_standing: list[str] = []

_NEWPID, _NEWUSER, _NEWNET, _NEWIPC = 0x20000000, 0x10000000, 0x40000000, 0x08000000
_SET_PDEATHSIG, _SET_NO_NEW_PRIVS, _SET_DUMPABLE = 1, 38, 4
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights over files each version of Landlock knows; 16 from the fifth on
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE, _IOCTL = (1 << bit for bit in (0, 1, 2, 3, 14, 15))
_OF_A_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL  # the others are rights over folders
_BENEATH = 1
_SCOPED = 3  # sockets without a name in the file system, and signals


def standing() -> tuple[str, ...]:
    """Return the walls around this process; none in a process that raised none."""
    return tuple(_standing)


def isolation() -> str:
    """Return ``network namespace``, or ``not isolated`` where the kernel refused one or this is no child at all."""
    return NETWORK if NETWORK in _standing else NOT_ISOLATED


def bound(limits: Mapping[str, Any]) -> None:
    """Bound this process and all that it starts: address space, processor time, size of a file; no core dumps.

    Parameters
    ----------
    limits : mapping
        ``memory`` and ``file`` in bytes, ``seconds`` of processor time.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # whoever asked is gone: nobody would read the answer
        libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, int(limits["seconds"]) + 1),
        (resource.RLIMIT_FSIZE, int(limits["file"])), (resource.RLIMIT_AS, int(limits["memory"])),
    ):
        hard = resource.getrlimit(what)[1]
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (lowest, lowest))


def separate() -> None:
    """Leave the network, and the other processes, for namespaces of one's own; returns in the process that is inside.

    Notes
    -----
    The first process of a process namespace takes all others with it when it ends. It only waits, so that nothing which a model
    does can make it outlive the one that asked.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    processes = True
    if libc.unshare(_NEWUSER | _NEWNET | _NEWIPC | _NEWPID) != 0:
        processes = False
        if libc.unshare(_NEWUSER | _NEWNET) != 0 and libc.unshare(_NEWNET) != 0:
            return
    _standing.append(NETWORK)
    if processes:
        _standing.append(PROCESSES)
        for _ in range(2):  # the first of the two is the namespace's first process
            _wait_for(os.fork())
            libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _wait_for(child: int) -> None:
    """Return at once in the child; in its parent, end as the child ends."""
    if child == 0:
        return
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def confine(folder: Path) -> None:
    """Let this process write in `folder` alone, and read nothing but it, programs, libraries and devices.

    Parameters
    ----------
    folder : pathlib.Path
        It exists. All that this process needs to read beside it must be where Python finds modules, or belong to the system.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return
    rights = (1 << _RIGHTS.get(version, 16)) - 1
    asked = struct.pack("=QQQ", rights, 0, _SCOPED if version >= 6 else 0)[: 24 if version >= 6 else 8]
    rules = libc.syscall(_CREATE_RULESET, asked, ctypes.c_size_t(len(asked)), 0)
    if rules < 0:
        return
    try:
        allowed = [(path, _READ | _LIST | _EXECUTE) for path in _readable()]
        allowed += [(Path("/dev/null"), _READ | _WRITE), (folder, rights)]
        if all([_allow(libc, rules, path, which & rights) for path, which in allowed]) and _restrict(libc, rules):
            _standing.append(FILES)
    finally:
        os.close(rules)


def _restrict(libc: ctypes.CDLL, rules: int) -> bool:
    return bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> bool:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # what is not there needs no right
    try:
        which = rights if path.is_dir() else rights & _OF_A_FILE
        return bool(libc.syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", which, place), 0) == 0)
    finally:
        os.close(place)


def _readable() -> Iterable[Path]:
    """Return where programs and libraries lie; of the folders that are not the system's, only what Python imports from."""
    system = ("/usr", "/lib", "/lib64", "/bin", "/opt", "/nix/store", "/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup")
    files = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd",
             "/dev/urandom", "/dev/random", "/dev/zero")
    ours = Path(__file__).resolve().parents[2]
    packages = [ours / name for name in ("checks", "roadworthy")]
    python = [Path(path) for path in (sys.prefix, sys.base_prefix, *sys.path) if path and Path(path) != ours]
    return [*(Path(path) for path in (*system, *files)), *packages, *python]
