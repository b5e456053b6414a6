"""Heartbeats of embedded guards: files beside the workspace, one for each process, written by `roadworthy_guard.beats`."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from pathlib import Path

from roadworthy.ledger.chain import moment, stamp
from roadworthy.switch.service.instances import FORGET, MOST, Instance

FOLDER = "guards"
PREFIX = "embedded:"  # what a service hears of begins with the id of a principal, which holds no colon
_FILE = re.compile(r"([A-Za-z0-9.-]{1,200})\.json", re.ASCII)
_MAX_FILE = 4096


def read(made: Path, now: datetime) -> list[Instance]:
    """Return the embedded guards that were heard of in the last day; a file that cannot be understood tells of none.

    Parameters
    ----------
    made : pathlib.Path
        The workspace's ``.roadworthy``.
    now : datetime
        A heartbeat from after it, by a clock that was ahead, is of one that is alive: in doubt a stop is not confirmed.

    Examples
    --------
    >>> read(Path("nowhere"), datetime(2026, 4, 1))
    []
    """
    try:
        with os.scandir(made / FOLDER) as entries:
            names = sorted(one.name for one in entries if _FILE.fullmatch(one.name) and one.is_file(follow_symlinks=False))
    except OSError:
        return []
    found = [_instance(made / FOLDER / name) for name in names[:MOST]]
    return [one for one in found if one is not None and one.seen_at >= stamp(now - FORGET)]


def _instance(path: Path) -> Instance | None:
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_MAX_FILE))
        models, order = told["models"], (told["epoch"], told["sequence"])
        if told["schema_version"] != 1 or not isinstance(models, list) or not all(isinstance(one, str) for one in models):
            return None
        if not all(type(number) is int and 0 <= number < 2**53 for number in order):
            return None
        seen, acted = stamp(moment(told["seen_at"])), stamp(moment(told["acted_at"]))
        return Instance(f"{PREFIX}{path.stem}", tuple(models), *order, seen, acted)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
