"""``roadworthy switch stop``: the STOP file is on disk before anything heavy could have been imported.

Nothing but the standard library is loaded until the file is written; after that, the settings are read for more targets, and
row and ledger are written through ``sqlite3`` or psycopg by the same statements as everywhere else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn, TextIO

from roadworthy.errors import EXIT_UNDECIDED, RoadworthyError, UsageError
from roadworthy.switch import places, stopping
from roadworthy.switch.files import ANY, DISABLED, Stop

WAIT = 5.0


def stop_now(argv: Sequence[str], now: datetime | None = None) -> int:
    """Stop a model and return the exit code: 0 if the stop holds, 3 if it could be written nowhere, 64 for bad usage.

    Parameters
    ----------
    argv : sequence of str
        ``MODEL --reason TEXT [--version V] [--segment S] [--as PERSON] [--review-by DAY] [--workspace W]``.
    now : datetime, optional
        For tests.
    """
    try:
        asked = _parser().parse_args(list(argv))
        root = _root(asked.workspace)
        _check(root, asked.model, asked.version)
        _check_day(asked.review_by)
        by = asked.by or f"os-user:{_login()}"
        at = now or datetime.now(UTC)
        stop = Stop.make(asked.model, asked.version, asked.segment, state=DISABLED, at=at, by=by, reason=asked.reason)
        here = places.Places(root, root / places.FOLDER)
        outcome = stopping.write_own(here, stop)
        said = len(outcome.reached)
        for path in outcome.reached:
            _say(f"{stop.scope} is stopped: {path}")
        here = places.places(root)
        if here.problem:
            outcome.unreached.append(here.problem)
        outcome = stopping.finish(here, stop, outcome, stopping.direct(here, WAIT))
        if asked.review_by:
            stopping.review_by(stopping.direct(here, WAIT), stop, outcome, asked.review_by)
    except RoadworthyError as problem:
        _say(str(problem), sys.stderr)
        return problem.exit_code if isinstance(problem, UsageError) else EXIT_UNDECIDED
    for path in outcome.reached[said:]:
        _say(f"  also: {path}" if path != outcome.reached[0] else f"{stop.scope} is stopped: {path}")
    if outcome.fence:
        _say(f"Recorded in the ledger as entry {outcome.fence}." if outcome.changed else
             f"It was stopped before; entry {outcome.fence} of the ledger.")
    for sentence in dict.fromkeys(outcome.unreached):
        _say(f"Warning: {sentence}", sys.stderr)
    if asked.by and not _is_person(root, asked.by):
        _say(f"Warning: '{asked.by}' is not in people.yaml; the stop holds and is recorded under that name.", sys.stderr)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", usage.replace("usage:", "Usage:"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="roadworthy switch stop", allow_abbrev=False, description="Take a model off the road, now.")
    parser.add_argument("model", metavar="MODEL", help="name of a model, or '*' for all")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why, in a sentence")
    parser.add_argument("--version", metavar="V", help="only this version")
    parser.add_argument("--segment", metavar="S", help="only this segment, such as region:eu")
    parser.add_argument("--as", dest="by", metavar="PERSON", help="who stops it, by id in people.yaml")
    parser.add_argument("--review-by", metavar="DAY", help="when it must be looked at again, such as 2026-04-09")
    parser.add_argument("-w", "--workspace", metavar="W", help="by default ROADWORTHY_WORKSPACE or the nearest folder upward")
    return parser


def _root(named: str | None) -> Path:
    chosen = named or os.environ.get("ROADWORTHY_WORKSPACE")
    do = "Name one with --workspace."
    if chosen:
        root = Path(chosen).absolute()
        # A missing or broken roadworthy.yaml must not keep a model on the road, a mistyped folder must be said.
        if not (root / places.FILE).exists() and not (root / "models").is_dir():
            raise UsageError(f"{root} is not a workspace: it has no {places.FILE}.", do)
        return root
    start = Path.cwd()
    for folder in (start, *start.parents):
        if (folder / places.FILE).exists():
            return folder
    raise UsageError("No workspace here or in any folder above.", do)


def _check(root: Path, model: str, version: str | None) -> None:
    if model == ANY:
        if version is not None:
            raise UsageError("A version needs a model; '*' is every model.", "Leave out --version.")
        return
    known = places.models(root)
    if model not in known:
        raise UsageError(f"There is no model '{model}' in {root / 'models'}.", f"Known: {', '.join(known) or 'none'}.")
    there = places.versions(root, model)
    if version is not None and version not in there:
        raise UsageError(f"There is no version '{version}' of {model}.", f"Known: {', '.join(there) or 'none'}.")


def _check_day(text: str | None) -> None:
    try:
        if text is None or date.fromisoformat(text).isoformat() == text:
            return
    except ValueError:
        pass
    raise UsageError(f"'{text}' is not a day.", "Write it as 2026-04-09.")


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _is_person(root: Path, who: str) -> bool:
    import yaml

    try:
        found = yaml.safe_load((root / "people.yaml").read_bytes())
        return any(person["id"] == who for person in found["people"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return False


def _say(text: str, to: TextIO | None = None) -> None:
    """Print at once, and never fail because the reader went away or cannot show a character."""
    stream = to or sys.stdout
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except (OSError, ValueError):
        return


