"""Who touched the artifact folder: rules that make auditd watch it, and auditd's log read back into counts.

Each rule has a key of its own, so that the log says what was done without anybody knowing system calls by number. An event is
several lines that share a serial number: one of the call, one for each path. Names with odd characters are written in
hexadecimal. A line that cannot be read is counted as such, for it may be the one that matters; and a day on which the log tells
of nobody, not even of the nightly inspection that reads the file, is no quiet day but a watch that is off.

References
----------
.. [1] man 7 audit.rules, man 8 ausearch; https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Event-Enrichment
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import PurePosixPath

from roadworthy.errors import UsageError

KEY = "roadworthy"
_WATCHED = {"write": "w", "attribute": "a", "execute": "x", "read": "r"}
ACTIONS = (*_WATCHED, "other", "refused", "watch-removed", "unreadable")
"""What is counted: done to the files, refused, done to the watch, and lines that cannot be read."""
_LINE = re.compile(r"(?:node=(\S+) )?type=(\w+) msg=audit\((\d{1,12})\.\d+:(\d+)\): ?(.*)", re.DOTALL)
_FIELD = re.compile(r'(\w+)=("[^"]*"|\S*)')
_BETWEEN = re.compile(r"(?:----|time->.*|<no matches>)?\s*")
MOST_EVENTS = 1_000_000
_LONGEST = 1 << 16


def rules(folders: Sequence[PurePosixPath]) -> str:
    """Return the text of a rules file that watches these folders.

    Parameters
    ----------
    folders : sequence of pathlib.PurePosixPath
        Absolute.

    Raises
    ------
    UsageError
        If a name holds what a rules file cannot.

    Examples
    --------
    >>> print(rules([PurePosixPath("/srv/fleet/artifacts")]).splitlines()[-1])
    -a always,exit -F arch=b32 -F dir=/srv/fleet/artifacts -F perm=r -F key=roadworthy-read
    """
    lines = [
        "# Watches the folders of model artifacts. Lay it in /etc/audit/rules.d/roadworthy.rules and run: augenrules --load",
        "# Read back: ausearch --input-logs --raw -k roadworthy > LOG, with LOG under artifact, access_log in the passport.",
        "# The first rule that fits gives an event its key, so what changes a file comes before what reads it.",
    ]
    for folder in folders:
        if not folder.is_absolute() or not re.fullmatch(r"[\x21-\x7e]+", str(folder)):
            raise UsageError(
                f"The folder {str(folder)[:80]!a} cannot stand in a rules file: it holds a blank or another odd character.",
                "Lay the artifacts into a folder without one.",
            )
        for action, permission in _WATCHED.items():
            for bits in ("b64", "b32"):
                lines.append(f"-a always,exit -F arch={bits} -F dir={folder} -F perm={permission} -F key={KEY}-{action}")
    return "\n".join(lines) + "\n"


@dataclass
class _Event:
    keys: tuple[str, ...] = ()
    success: bool = True
    paths: list[tuple[str, str]] = field(default_factory=list)  # with what happened to the name
    cwd: str = ""


@dataclass(frozen=True)
class Accesses:
    """What a log tells of one day: how often each of `ACTIONS` was taken, and how many lines of the log there are."""

    counts: dict[str, int]
    lines: int

    @property
    def events(self) -> int:
        """How many events there are, whatever they did."""
        return sum(count for action, count in self.counts.items() if action != "unreadable")


def accesses(lines: Iterable[str], folder: PurePosixPath, day: date) -> Accesses:
    """Count what was done to the files of a folder on a day.

    Parameters
    ----------
    lines : iterable of str
        A log of auditd, or what ``ausearch --raw`` prints of it.
    folder : pathlib.PurePosixPath
        Relative, as the passport names it; the log may come from another machine, on which it lies elsewhere.
    day : date
        In UTC.

    Raises
    ------
    ValueError
        If the day has more than a million events.

    Examples
    --------
    >>> log = ['type=SYSCALL msg=audit(1775692800.123:7): success=yes key="roadworthy-write"',
    ...        'type=PATH msg=audit(1775692800.123:7): item=0 name="/srv/artifacts/m.skops" nametype=NORMAL']
    >>> accesses(log, PurePosixPath("artifacts"), date(2026, 4, 9)).counts["write"]
    1
    """
    counts: Counter[str] = Counter(dict.fromkeys(ACTIONS, 0))
    events: dict[tuple[str, str], _Event] = {}
    number = 0
    for line in lines:
        if _BETWEEN.fullmatch(line):
            continue
        number += 1
        found = _LINE.match(line.rstrip("\n")) if len(line) <= _LONGEST else None
        if found is None:
            counts["unreadable"] += 1
            continue
        node, kind, seconds, serial, rest = found.groups()
        if datetime.fromtimestamp(int(seconds), UTC).date() != day:
            continue
        fields = dict(_FIELD.findall(rest))
        if kind == "CONFIG_CHANGE":
            counts["watch-removed"] += _removes(fields, rest)
            continue
        event = events.setdefault((node or "", f"{seconds}:{serial}"), _Event())
        if len(events) > MOST_EVENTS:
            raise ValueError(f"The log holds more than {MOST_EVENTS:,} events of the day.")
        _add(event, kind, fields)
    for action in _actions(events.values(), folder):
        counts[action] += 1
    return Accesses({action: counts[action] for action in ACTIONS}, number)


def _add(event: _Event, kind: str, fields: dict[str, str]) -> None:
    if kind == "SYSCALL":
        event.keys = tuple(key for key in _text(fields.get("key", "")).split("\x01") if key.startswith(KEY))
        event.success = fields.get("success", "yes") == "yes"
    elif kind == "PATH":
        event.paths.append((_text(fields.get("name", "")), fields.get("nametype", "")))
    elif kind == "CWD":
        event.cwd = _text(fields.get("cwd", ""))


def _removes(fields: dict[str, str], rest: str) -> bool:
    """Say whether a change of auditd's rules ends our watch."""
    ours = _text(fields.get("key", "")).startswith(KEY)
    return (ours and "remove" in rest) or fields.get("audit_enabled") == "0"


def _actions(events: Iterable[_Event], folder: PurePosixPath) -> Iterator[str]:
    for event in events:
        if not event.keys or not _concerns(event, folder):
            continue
        if not event.success:
            yield "refused"
            continue
        named = event.keys[0].removeprefix(f"{KEY}-")
        changed = any(kind in ("CREATE", "DELETE") for _, kind in event.paths)
        yield named if named in _WATCHED else "write" if changed else "other"


def _concerns(event: _Event, folder: PurePosixPath) -> bool:
    """Say whether a path of the event lies in the folder; an event without a path that can be read may concern any."""
    names = [name for name, _ in event.paths if name]
    wanted = folder.parts
    for name in names:
        parts = (PurePosixPath(event.cwd) / name).parts
        if any(parts[start : start + len(wanted)] == wanted for start in range(len(parts) - len(wanted) + 1)):
            return True
    return not names


def _text(value: str) -> str:
    """Return a value as it was: quoted ones as they stand, others from hexadecimal if they are that."""
    if value.startswith('"'):
        return value.strip('"')
    if value in ("", "(null)"):
        return ""
    if len(value) % 2 == 0 and re.fullmatch(r"[0-9A-F]+", value):
        return bytes.fromhex(value).decode("utf-8", errors="replace")
    return value
