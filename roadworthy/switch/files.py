"""STOP files: one line of JSON for each stop, appended, never rewritten by a stop.

The bare existence of a STOP file is a stop. An empty one, made by hand, disables the whole model; one that cannot be
understood leaves the model's state unknown, and an unknown model is refused.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roadworthy.canonical import canonical_json, digest_bytes
from roadworthy.ledger.chain import stamp

ANY = "*"
ACTIVE, DEGRADED, UNKNOWN, QUARANTINED, DISABLED = "active", "degraded", "unknown", "quarantined", "disabled"
# `unknown` refuses like the two above it; these say more, so they win over it.
RANK: Mapping[str, int] = {ACTIVE: 0, DEGRADED: 1, UNKNOWN: 2, QUARANTINED: 3, DISABLED: 4}
STATES = (ACTIVE, DEGRADED, QUARANTINED, DISABLED)
SERVING = (ACTIVE, DEGRADED)
MAX_REASON = 500
_MAX_FILE = 1024 * 1024
_FILE = re.compile(r"STOP(\.[a-z0-9][a-z0-9._-]{0,62})?")


@dataclass(frozen=True, slots=True)
class Stop:
    """One change of the switch to a stricter state.

    Attributes
    ----------
    model, version, segment : str
        The scope; ``*`` is every one.
    state : str
        ``degraded``, ``quarantined``, ``disabled``; ``unknown`` for what could not be read.
    at : str
        When, UTC.
    by : str
        Id of a person, or a principal.
    reason : str
    evidence : str
        Address of the bundle that it rests on, if any.
    """

    model: str
    version: str
    segment: str
    state: str
    at: str
    by: str
    reason: str
    evidence: str = ""

    @classmethod
    def make(
        cls, model: str, version: str | None, segment: str | None, *,
        state: str, at: datetime, by: str, reason: str, evidence: str = "",
    ) -> Stop:
        """Return a stop with its words made fit to be stored: valid Unicode, and not endless."""
        return cls(
            model, version or ANY, _words(segment or ANY), state, stamp(at), _words(by)[:MAX_REASON],
            _words(reason)[:MAX_REASON], evidence,
        )

    @property
    def digest(self) -> str:
        """What makes it this stop and no other."""
        return digest_bytes(canonical_json(asdict(self)))

    @property
    def key(self) -> tuple[str, str, str]:
        """The scope: model, version, segment."""
        return self.model, self.version, self.segment

    @property
    def scope(self) -> str:
        """The scope in words, such as ``credit@1.0.0 region:eu``."""
        return scope_of(self.model, self.version, self.segment)

    def concerns(self, model: str, version: str | None, segment: str | None) -> bool:
        """Say whether it speaks of a request; what the request does not name matches every scope."""
        return (
            self.model in (ANY, model)
            and (version is None or self.version in (ANY, version))
            and (segment is None or self.segment in (ANY, segment))
        )


def scope_of(model: str, version: str, segment: str) -> str:
    """Return a scope in words.

    Examples
    --------
    >>> scope_of("credit", "1.0.0", "*"), scope_of("*", "*", "*"), scope_of("credit", "*", "region:eu")
    ('credit@1.0.0', '*', 'credit region:eu')
    """
    return model + (f"@{version}" if version != ANY else "") + (f" {segment}" if segment != ANY else "")


def file_name(model: str) -> str:
    """Return the name of a model's STOP file.

    Examples
    --------
    >>> file_name("credit"), file_name("*")
    ('STOP.credit', 'STOP')
    """
    return "STOP" if model == ANY else f"STOP.{model}"


def write(folder: Path, stop: Stop) -> bool:
    """Make the stop durable in `folder`; return False if the same scope was there as strict already.

    Raises
    ------
    OSError
        If the stop does not hold in this folder afterwards.
    """
    path = folder / file_name(stop.model)
    with suppress(OSError):
        for there in read(path):
            if there.key == stop.key and there.state != UNKNOWN and RANK[there.state] >= RANK[stop.state]:
                return False
    try:
        _keep(path, canonical_json({"schema_version": 1, **asdict(stop)}) + b"\n")
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or not _create_empty(path):
            raise
    return True


def read(path: Path) -> list[Stop]:
    """Return the stops of a file; one whose state is unknown stands for what cannot be understood.

    Raises
    ------
    OSError
        If the file cannot be read; FileNotFoundError if there is none.
    """
    if path.is_dir():  # `mkdir STOP.credit` is a stop as well
        return [_by_hand(path)]
    with path.open("rb") as file:
        data = file.read(_MAX_FILE)
    if not data.strip():
        return [_by_hand(path)]
    return [_parse(line, path) for line in data.splitlines() if line.strip()]


def held(folder: Path, model: str) -> list[Stop]:
    """Return the stops that a folder holds for a model: its own file's and those for all models."""
    found = []
    for name in {file_name(model), file_name(ANY)}:
        try:
            found += read(folder / name)
        except FileNotFoundError:
            continue
        except OSError as problem:
            found.append(_unknown(folder / name, f"cannot be read ({problem.strerror})"))
    return found


def everything(folder: Path) -> list[Stop]:
    """Return every stop of a folder; one that cannot be listed may hold anything, so every model is unknown.

    A file that is named like a STOP file and for no model, such as an editor's ``STOP.credit~``, stops nothing.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return []
    except OSError as problem:
        return [_unknown(folder / "STOP", f"may be there: its folder cannot be listed ({problem.strerror})")]
    models = [ANY if name == "STOP" else name.removeprefix("STOP.") for name in names if _FILE.fullmatch(name)]
    return [stop for model in models for stop in held(folder, model) if stop.model == model]


def lift(folder: Path, model: str, version: str, segment: str, until: str) -> list[Stop]:
    """Take the stops of exactly one scope, made up to `until`, out of a folder; return those that stay in the file.

    A stop that is written at the same time is never lost: the file is set aside by renaming, and a writer whose file was set
    aside writes again.

    Raises
    ------
    OSError
        If the file cannot be changed; then the stop still holds there.
    """
    path = folder / file_name(model)
    aside = folder / f".{path.name}.{os.urandom(8).hex()}.lifted"
    try:
        read(path)  # what cannot be read is not set aside
        path.rename(aside)
    except FileNotFoundError:
        return []
    try:
        kept = [stop for stop in read(aside) if not _lifted(stop, version, segment, until)]
        for stop in kept:
            if stop.state != UNKNOWN:
                write(folder, stop)
            else:
                _keep(path, b"a line that could not be understood was kept\n")
    except BaseException:
        _put_back(aside, path)
        raise
    if aside.is_dir():
        aside.rmdir()
    else:
        aside.unlink()
    _sync(folder)
    return kept


def _lifted(stop: Stop, version: str, segment: str, until: str) -> bool:
    if stop.at > until:
        return False
    # What cannot be understood goes when the whole model is lifted: it cannot have meant more than that.
    return (version, segment) == (ANY, ANY) if stop.state == UNKNOWN else (stop.version, stop.segment) == (version, segment)


def _put_back(aside: Path, path: Path) -> None:
    """Undo the setting aside; where another stop took the place meanwhile, leave a line that refuses."""
    if aside.is_dir():
        aside.rename(path)
        return
    try:
        os.link(aside, path)
    except FileExistsError:
        _keep(path, b"stops that were set aside could not be put back\n")
        return
    aside.unlink()


def _parse(line: bytes, path: Path) -> Stop:
    try:
        found: Any = json.loads(line)
        stop = Stop(**{name: found[name] for name in Stop.__slots__})
        expected = ANY if path.name == "STOP" else path.name.removeprefix("STOP.")
        texts = all(isinstance(getattr(stop, name), str) for name in Stop.__slots__)
        aside = path.name.startswith(".")
        if texts and stop.state in STATES and stop.state != ACTIVE and (aside or stop.model == expected):
            canonical_json(asdict(stop))  # half of a surrogate pair is no text, and could not be passed on
            return stop
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return _unknown(path, "holds what cannot be understood")


def _unknown(path: Path, what: str) -> Stop:
    model = ANY if path.name == "STOP" else path.name.removeprefix("STOP.")
    return Stop(model, ANY, ANY, UNKNOWN, _changed(path), "", f"The file {path.name} {what}, so the state is unknown.")


def _by_hand(path: Path) -> Stop:
    model = ANY if path.name == "STOP" else path.name.removeprefix("STOP.")
    return Stop(model, ANY, ANY, DISABLED, _changed(path), "breakglass", "A STOP file without words.")


def _changed(path: Path) -> str:
    try:
        return stamp(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except (OSError, OverflowError, ValueError):
        return ""


def _keep(path: Path, line: bytes) -> None:
    """Put a line into the file, in a new one or at its end, until it is there to stay."""
    for _ in range(100):
        if _create(path, line) or _append(path, line):
            _sync(path.parent)
            return
    raise OSError(errno.EAGAIN, "It is being changed by another process", str(path))


def _create(path: Path, line: bytes) -> bool:
    """Make the file with its content in one step, so that nobody sees it empty; False if it is there already."""
    if path.exists():
        return False
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        return _create_slowly(path, line)  # a file system without links
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return True


def _create_slowly(path: Path, line: bytes) -> bool:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return True


def _append(path: Path, line: bytes) -> bool:
    """Add a line in one write; False if the file was set aside meanwhile and the line must be written again."""
    if path.is_dir():
        return True  # a folder of that name disables the whole model; there is nothing stricter to add
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return False
    try:
        before = os.fstat(handle).st_size
        # A file made empty by hand disables the whole model; a line of ours must not narrow that.
        hand = canonical_json({"schema_version": 1, **asdict(_by_hand(path))}) + b"\n" if before == 0 else b""
        if os.write(handle, hand + line) != len(hand + line):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        os.fsync(handle)
        mine = os.fstat(handle)
    finally:
        os.close(handle)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev)


def _create_empty(path: Path) -> bool:
    """On a full disk a name may still fit where its words do not; an empty file disables the whole model."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except OSError:
        return False
    return True


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some network shares cannot; the file itself is synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _words(text: str) -> str:
    """Return text from a command line or a request as valid Unicode that every database can keep."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
