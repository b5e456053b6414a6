"""How a person opens data: who may, for what purpose, and nothing before it is in the ledger.

Everything that no line of `ALLOWED` grants is refused. A refusal is recorded too. People are named here and not yet proven: who
may run the command on this machine is trusted to say who they are, and the entry says so (``signed: false``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from checks.counts import is_numeric
from checks.identifiers import find, redact_all
from checks.subject import Table, open_subject
from flows.opening import KIND
from roadworthy.canonical import digest_file, digest_of
from roadworthy.errors import DataError, RefusedError, UsageError
from roadworthy.ledger import Entry, Ledger
from roadworthy.passport import Passport, Tier, Windows
from roadworthy.registry import Registry
from roadworthy.sql import quote
from roadworthy.window import files_of
from roadworthy.workspace import Workspace

NOTHING, COUNTS, ROWS, NAMED = 0, 1, 2, 3
"""What may be seen: nothing, how many rows and blanks, rows without identifiers, rows with them. More includes less."""

ALLOWED: Mapping[str, Mapping[Tier, int]] = {
    "owner": {"minimal": ROWS, "limited": ROWS, "high": COUNTS},
    "operator": {"minimal": ROWS, "limited": ROWS, "high": ROWS},
    "guardian": {"minimal": NAMED, "limited": NAMED, "high": NAMED},
    "auditor": {"minimal": COUNTS, "limited": COUNTS, "high": COUNTS},
}
_WORDS = {COUNTS: "counts", ROWS: "rows without identifiers", NAMED: "rows with identifiers"}
MOST_ROWS = 10_000
SHORTEST, LONGEST = 10, 300
_ANY_DAY = date(2000, 1, 1)



@dataclass(frozen=True)
class Wanted:
    """What a person asks for.

    Attributes
    ----------
    model : str
        ``model``, which means the version in service, or ``model@version``.
    who : str
        Id of a person in people.yaml.
    purpose : str
        What for, in a sentence.
    day : date or None
        The day; None: the reference.
    columns : sequence of str
        By default every declared one that is no identifier.
    rows : int
        How many, from the first on.
    counts, identifiers : bool
        Only how many rows and blanks there are; also the columns that name people and cases.
    """

    model: str
    who: str
    purpose: str
    day: date | None = None
    columns: Sequence[str] = ()
    rows: int = 20
    counts: bool = False
    identifiers: bool = False

    @property
    def level(self) -> int:
        """What it takes to be allowed."""
        return COUNTS if self.counts else NAMED if self.identifiers else ROWS


@dataclass(frozen=True)
class Looked:
    """What a person was shown, and the entry that says so.

    Attributes
    ----------
    entry : Entry
    columns : list of str
    rows : list of tuple
        Of `columns`; for counts a row for each column, with its rows and blanks.
    withheld : list of str
        Columns that lie there and were not shown, where none were named.
    """

    entry: Entry
    columns: list[str]
    rows: list[tuple[Any, ...]]
    withheld: list[str]


def look(workspace: Workspace, ledger: Ledger, wanted: Wanted, now: datetime) -> Looked:
    """Record that a person opens data, and return them; in this order, so that without a ledger there are no data.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    wanted : Wanted
    now : datetime
        Wall time, with time zone.

    Raises
    ------
    UsageError
        If what is asked for does not exist or is not said.
    RefusedError
        If the person may not see it.
    StorageError
        If it cannot be recorded.
    DataError
        If the data cannot be read; that they were opened is recorded then.
    """
    _check(wanted)
    passport = workspace.passport(_identity(workspace, ledger, wanted.model))
    path = passport.reference.path if wanted.day is None else passport.batches.path
    body: dict[str, Any] = {
        "model": passport.model, "version": passport.version, "by": "person", "signed": False, "purpose": wanted.purpose.strip(),
        "day": wanted.day.isoformat() if wanted.day is not None else None,
        "what": [{"role": "reference" if wanted.day is None else "batches", "path": path}],
        "columns": list(wanted.columns), "rows": 0 if wanted.counts else wanted.rows,
        "sees": _WORDS[wanted.level], "outcome": "refused",
    }
    try:
        _may(workspace, passport, wanted)
    except RefusedError as refused:
        ledger.append(KIND, wanted.who, body | {"why": refused.sentence}, at=now)
        raise
    body["outcome"], body["what"] = "opened", [body["what"][0] | _files(workspace.root, path, wanted.day)]
    entry = ledger.append(KIND, wanted.who, body, at=now)
    return Looked(entry, *_read(workspace, passport, wanted))


def log(ledger: Ledger, model: str | None = None, most: int = 200) -> list[dict[str, Any]]:
    """Return who opened what, the newest first.

    Parameters
    ----------
    ledger : Ledger
    model : str, optional
        ``model`` or ``model@version``; by default all.
    most : int
    """
    name, _, version = (model or "").partition("@")
    found = ledger.newest(KIND, most, model=name or None, **({"version": version} if version else {}))
    return [{"entry": one.seq, "at": one.at.isoformat(), "actor": one.actor, **one.body} for one in found]


def _check(wanted: Wanted) -> None:
    if not SHORTEST <= len(wanted.purpose.strip()) <= LONGEST or not wanted.purpose.isprintable():
        said = f"A purpose is one line of {SHORTEST} to {LONGEST} characters."
        raise UsageError(said, "Say what the data are opened for, such as: complaint 4711 of 3 May.")
    if not 1 <= wanted.rows <= MOST_ROWS:
        raise UsageError(f"{wanted.rows} rows cannot be shown.", f"Ask for 1 to {MOST_ROWS}.")
    if wanted.counts and wanted.identifiers:
        raise UsageError("Counts hold no identifiers.", "Ask for one of the two.")


def _identity(workspace: Workspace, ledger: Ledger, model: str) -> str:
    if "@" in model:
        return model
    versions = [identity for identity in workspace.passports() if identity.partition("@")[0] == model]
    champion = Registry(workspace, ledger).champion(model) if len(versions) > 1 else None
    if champion is None and len(versions) != 1:
        raise UsageError(f"Which version of '{model}' is meant is not clear.", f"Known: {', '.join(versions) or 'none'}.")
    return f"{model}@{champion}" if champion is not None else versions[0]


def _may(workspace: Workspace, passport: Passport, wanted: Wanted) -> None:
    person = workspace.people().find(wanted.who)
    if person is None:  # not recorded under a name that anybody could have typed
        raise UsageError(f"'{wanted.who[:60]}' is not in people.yaml.", "Name yourself with --as.")
    named = [role for role in ("owner", "guardian", "operator") if getattr(passport.roles, role) == person.id]
    roles = [role for role in (*named, "auditor") if role in person.roles]
    level = max((ALLOWED[role][passport.risk_tier] for role in roles), default=NOTHING)
    if level < wanted.level:
        has = " and ".join(roles) or "no role for this model"
        may = f"may see {_WORDS[level]}" if level else "may see nothing of it"
        said = f"{person.name} ({has}) {may}: {passport.id} is of tier {passport.risk_tier}, and {_WORDS[wanted.level]} are more."
        raise RefusedError(said, "docs/access.md says who may see what.")
    hidden = _identifiers(passport)
    asked = [name for name in wanted.columns if name.lower() in hidden]
    if asked and not wanted.identifiers and not wanted.counts:
        raise RefusedError(f"The column '{asked[0]}' names people or cases.", "The Guardian may see it with --identifiers.")


def _identifiers(passport: Passport) -> set[str]:
    """Return the columns that name people and cases, in small letters, because DuckDB knows columns by these."""
    key = [passport.batches.key] if passport.batches.key is not None else []
    return {name.lower() for name in (*(one.column for one in passport.identifiers), *key)}


def _files(root: Path, path: str, day: date | None) -> dict[str, Any]:
    files = files_of(root, path, day)
    digests = {str(file.relative_to(root)): digest_file(file) for file in files}
    return {"files": len(files), "sha256": next(iter(digests.values())) if len(digests) == 1 else digest_of(digests)}


def _read(
    workspace: Workspace, passport: Passport, wanted: Wanted
) -> tuple[list[str], list[tuple[Any, ...]], list[str]]:
    narrow = passport.model_copy(update={"windows": Windows(drift=1, performance=1, fairness=1)})
    with open_subject(workspace.root, narrow, wanted.day or _ANY_DAY) as subject:
        table = subject.reference if wanted.day is None else subject.batch
        if not table:
            raise DataError(table.problem, "That they were asked for is recorded.")
        names = _columns(passport, table, wanted)
        withheld = [] if wanted.columns else [name for name in table.columns if name not in names]
        if wanted.counts:
            told = ", ".join(f"count({quote(name)})" for name in names)
            (counted,) = subject.con.execute(f"select {told} from {table.name}").fetchall()
            rows = [(name, table.rows, table.rows - filled) for name, filled in zip(names, counted, strict=True)]
            return ["column", "rows", "blank"], rows, []
        chosen = ", ".join(quote(name) for name in names)
        numbers = {name: table.columns[name] for name in names if is_numeric(table.columns[name])}
        try:
            kinds = {} if wanted.identifiers else {one.column: one.kinds for one in find(subject.con, table.name, numbers)}
            found = subject.con.execute(f"select {chosen} from {table.name} limit {int(wanted.rows)}").fetchall()
        except duckdb.Error as problem:  # its text may quote a cell
            said = f"The rows cannot be read to their end ({type(problem).__name__})."
            raise DataError(said, "That they were asked for is recorded.") from None
    if wanted.identifiers:
        return names, found, withheld
    hidden = {at: f"[{min(kinds[name])}]" for at, name in enumerate(names) if kinds.get(name)}
    return names, list(_without_identifiers(found, hidden)), withheld


def _columns(passport: Passport, table: Table, wanted: Wanted) -> list[str]:
    there = {name.lower(): name for name in table.columns}
    if wanted.columns:
        missing = [name for name in wanted.columns if name.lower() not in there]
        if missing:
            raise UsageError(f"There is no column '{missing[0][:60]}'.", "That it was asked for is recorded.")
        return list(dict.fromkeys(there[name.lower()] for name in wanted.columns))
    if wanted.counts or wanted.identifiers:
        return list(table.columns)
    task, hidden = passport.task, _identifiers(passport)
    declared = [
        *passport.features, task.label, task.prediction, task.score, *task.class_scores, passport.time, *passport.segments,
        *(one.column for one in passport.protected),
    ]
    wished = [name.lower() for name in declared if name is not None]
    shown = [there[name] for name in dict.fromkeys(wished) if name in there and name not in hidden]
    if not shown:
        raise DataError("No declared column lies there that is not an identifier.", "Name columns with --columns.")
    return shown


def _without_identifiers(rows: Sequence[tuple[Any, ...]], hidden: Mapping[int, str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows with ``[kind]`` in the place of each identifier that a pattern finds in a text or in what is nested.

    A column of numbers that holds identifiers, as cards and phones are kept too, is hidden as a whole: `hidden` has what
    stands in its place.
    """
    plain = (bool, int, float, Decimal, date, datetime, type(None))
    texts = [str(cell) for row in rows for cell in row if not isinstance(cell, plain)]
    redacted = iter(redact_all(texts))
    for row in rows:
        shown = (cell if isinstance(cell, plain) else next(redacted) for cell in row)
        yield tuple(hidden[at] if at in hidden and cell is not None else cell for at, cell in enumerate(shown))
