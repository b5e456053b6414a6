"""One day's raw files become a batch, a quarantine and a receipt: whole or not at all, and twice the same is once.

Labels that come later go the same way, to a file of their own: the key treated as in the batch, so that it still joins.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from checks.identifiers import find
from checks.intake.coding import Coding
from checks.intake.joining import batch_digest, of_labels
from checks.intake.plan import Plan, labels_plan_of, plan_of, query, untouched
from checks.intake.reading import Block, Raw, Told, any_raw, events, raw_files, selected
from checks.intake.receipts import ENTRIES, What, read_receipt, receipt_path
from checks.intake.splitting import Rejected
from checks.intake.writing import BatchWriter, Quarantine, ahead, in_order, publish, sync
from roadworthy.canonical import digest_bytes, digest_file, digest_of, plain
from roadworthy.errors import DataError, RefusedError, StorageError
from roadworthy.ledger import Ledger
from roadworthy.passport import Passport
from roadworthy.pseudonyms import Key, read_key
from roadworthy.sql import connect, literal
from roadworthy.workspace import Workspace

MARK = "roadworthy.intake"


class NoRawFileError(DataError):
    """There is nothing to take in."""


@dataclass(frozen=True)
class TakenIn:
    """What became of a day's raw files: the receipt, and whether everything was there already."""

    receipt: Mapping[str, Any]
    reused: bool


@dataclass(frozen=True)
class _Arrival:
    """What is taken in: where it arrives, how, and what is made of it."""

    what: What
    plan: Plan
    pattern: str
    target: Path
    receipt: Path
    quarantine: Path


@dataclass
class _File:
    received: int = 0
    quarantined: int = 0
    refused: str = ""
    columns: set[str] = field(default_factory=set)


def take_in(
    workspace: Workspace, ledger: Ledger, passport: Passport, day: date, now: datetime,
    environment: Mapping[str, str] | None = None,
) -> TakenIn:
    """Take a day's raw files in.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    passport : Passport
        With an intake section.
    day : date
    now : datetime
        Wall time, for the ledger.
    environment : mapping, optional
        Where ``env:`` looks for keys; by default this process's.

    Returns
    -------
    TakenIn

    Raises
    ------
    NoRawFileError
        If there is no raw file.
    DataError
        If a batch lies there that intake did not make.
    RefusedError
        If the key of pseudonyms cannot be used.

    Notes
    -----
    Everything is written under temporary names and then named: quarantine, batch, receipt, ledger. A run that was killed leaves
    no half file under a name, and the next one makes the same bytes again. What decides the bytes (files, plan, key, day) is
    digested first; where receipt and batch are there for that digest, nothing is done.
    """
    plan = plan_of(passport, _reference_types(workspace.root, passport))
    return _take(workspace, ledger, passport, day, now, environment, _arrival(workspace, passport, day, "batch", plan))


def take_labels_in(
    workspace: Workspace, ledger: Ledger, passport: Passport, day: date, now: datetime,
    environment: Mapping[str, str] | None = None,
) -> TakenIn | None:
    """Take in the labels that have come for a day's batch.

    Parameters
    ----------
    workspace, ledger, passport, now, environment
        As for `take_in`.
    day : date
        The day of the batch, not the day on which they came.

    Returns
    -------
    TakenIn or None
        None if the passport declares no such files, or none has come yet.

    Raises
    ------
    DataError, RefusedError
        As `take_in`.

    Notes
    -----
    A row without a key, or with a label that is none of its type, goes to quarantine. A key that no row of the batch has is
    kept, because the row may come later, and is counted in the receipt. Of two labels for one key the one that stands last
    counts, files in the order of their names without endings (``labels.csv``, ``labels-2.csv``); see `checks.opening`.
    """
    if passport.intake is None or passport.intake.labels is None:
        return None
    if not any_raw(workspace.root, passport.intake.labels, day.isoformat()):
        return None  # so on most of the days that are looked at, and a plan costs more than a look
    plan = labels_plan_of(passport, _reference_types(workspace.root, passport))
    try:
        return _take(workspace, ledger, passport, day, now, environment, _arrival(workspace, passport, day, "labels", plan))
    except NoRawFileError:
        return None


def _arrival(workspace: Workspace, passport: Passport, day: date, what: What, plan: Plan) -> _Arrival:
    root, batches = workspace.root, passport.batches
    pattern, target = (plan.intake.path, batches.path) if what == "batch" else (str(plan.intake.labels), str(batches.labels))
    at = receipt_path(root, passport, day, what)
    kept = _quarantine(workspace, passport, day, what)
    return _Arrival(what, plan, pattern, root / target.replace("{date}", day.isoformat()), at, kept)


def _take(
    workspace: Workspace, ledger: Ledger, passport: Passport, day: date, now: datetime, environment: Mapping[str, str] | None,
    arrival: _Arrival,
) -> TakenIn:
    plan, target, at = arrival.plan, arrival.target, arrival.receipt
    intake = plan.intake
    env = os.environ if environment is None else environment
    key = read_key(intake.key, workspace.root, env) if intake.key is not None else None
    if key is None and plan.coded():
        raise RefusedError("There is no key for pseudonyms.", "Name one under intake.key.")
    files = raw_files(workspace.root, arrival.pattern, day.isoformat())
    if arrival.what == "labels":
        files.sort(key=_as_named)
    if not files:
        said = f"There is no raw file '{arrival.pattern.replace('{date}', day.isoformat())}' for {passport.id}."
        raise NoRawFileError(said, "Deliver it, or ask for another day.")
    sealed = {
        "files": [[one.name, one.sha256] for one in files], "plan": plan.as_dict(), "key_id": key.key_id if key else None,
        "day": day.isoformat(), "model": passport.id, "batch": passport.batches.path,
    }
    if arrival.what == "labels":
        sealed |= {"labels": passport.batches.labels, "rows": batch_digest(workspace.root, passport, day)}
    of = digest_of(sealed)
    at.parent.mkdir(parents=True, exist_ok=True)
    with _alone(at.with_suffix(".lock")):
        receipt = read_receipt(at)
        kept = arrival.quarantine
        if receipt is not None and receipt.get("of") == of and _is(target, receipt["batch"]) and _is(kept, receipt["quarantine"]):
            _enter(ledger, receipt, now, arrival.what)
            return TakenIn(receipt, reused=True)
        _ours(target)
        receipt = _make(workspace, passport, arrival, key, files, day, of)
        part = at.with_suffix(".part")
        part.write_bytes(_written(receipt))
        sync(part)
        publish(part, at)
        _enter(ledger, receipt, now, arrival.what)
    return TakenIn(receipt, reused=False)


def _as_named(raw: Raw) -> tuple[str, str, str]:
    """Sort a name before its longer ones, whatever ending follows: the labels that stand last count."""
    folder, _, name = raw.name.rpartition("/")
    return folder, name.partition(".")[0], name


def _written(receipt: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain(receipt), sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _make(
    workspace: Workspace, passport: Passport, arrival: _Arrival, key: Key | None, files: list[Raw], day: date, of: str
) -> dict[str, Any]:
    """Write quarantine and batch, or labels, and return the receipt."""
    plan, batch = arrival.plan, arrival.target
    metadata = {MARK: of, "roadworthy.key_id": key.key_id if key else ""}
    told: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    columns: set[str] = set()
    con = connect("400MB")
    con.execute("set preserve_insertion_order = true")
    writer = BatchWriter(batch, metadata, plain=list(plan.coded()))
    try:
        with Quarantine(arrival.quarantine) as quarantine, Coding(plan, key) as coding:
            for raw in files:
                line = {"name": raw.name, "sha256": raw.sha256, "bytes": raw.size}
                if raw.sha256 in seen:
                    nothing = dict.fromkeys(("received", "accepted", "quarantined"), 0)
                    told.append({**line, **nothing, "same_as": seen[raw.sha256], "reason": ""})
                    continue
                seen[raw.sha256] = raw.name
                one, before = _File(), writer.rows
                rows = ahead(_rows(con, ahead(events(raw, plan)), raw, plan, day, one, quarantine))
                with closing(in_order(coding.of, rows, coding.at_once)) as coming:
                    for coded in coming:
                        writer.write(coded)
                accepted = writer.rows - before
                if one.refused and not one.received:
                    quarantine.put(raw.name, 0, one.refused, 1, sha256=raw.sha256)
                    one.received, one.quarantined = 1, 1
                columns |= one.columns
                if one.received != accepted + one.quarantined:
                    raise StorageError(f"Rows of {raw.name} were lost on the way.", "Nothing was taken in; report this.")
                counted = {"received": one.received, "accepted": accepted, "quarantined": one.quarantined}
                told.append({**line, **counted, "reason": one.refused})
            writer.close(_schema(con, plan, day))
            quarantine.close()
        found = _identifiers(con, writer.temporary, passport)
        more = {} if arrival.what == "batch" else of_labels(con, workspace.root, passport, day, writer.temporary)
    except BaseException:
        writer.abandon()
        raise
    finally:
        con.close()
    counts = {name: sum(one[name] for one in told) for name in ("received", "accepted", "quarantined")}
    rejected = digest_file(quarantine.temporary)
    publish(quarantine.temporary, quarantine.target)
    made = digest_file(writer.temporary)
    publish(writer.temporary, batch)
    return {
        "schema_version": 1, "model": passport.model, "version": passport.version, "day": day.isoformat(), "of": of,
        "files": told, **counts,
        "batch": {"path": str(batch.relative_to(workspace.root)), "sha256": made, "rows": writer.rows},
        "quarantine": {
            "path": str(quarantine.target.relative_to(workspace.root)), "sha256": rejected, "rows": quarantine.rows,
            "reasons": dict(sorted(quarantine.reasons.most_common(50))),
        },
        "dropped": sorted(columns - set(plan.names))[:500],
        "treated": {c.name: c.treatment.how for c in plan.columns if c.treatment} | dict.fromkeys(plan.dropped, "drop"),
        "key_id": key.key_id if key else None,
        "undeclared_identifiers": found, **more,
    }


def _rows(
    con: duckdb.DuckDBPyConnection, happened: Iterator[Block | Rejected | Told], raw: Raw, plan: Plan, day: date, one: _File,
    quarantine: Quarantine,
) -> Iterator[pa.Table]:
    """Yield a file's rows, treated but for pseudonyms, and set aside what is none."""
    with con.cursor() as cursor:
        for event in happened:
            if isinstance(event, Told):
                one.columns |= set(event.columns)
                one.refused = event.refused or one.refused
            elif isinstance(event, Rejected):
                one.received += event.records
                one.quarantined += event.records
                quarantine.put(raw.name, event.line, event.reason, event.records, text=event.text)
            else:
                one.received += event.table.num_rows
                yield _good(cursor, event, raw, plan, day, one, quarantine)


def _good(
    con: duckdb.DuckDBPyConnection, block: Block, raw: Raw, plan: Plan, day: date, one: _File, quarantine: Quarantine
) -> pa.Table:
    """Return a block's rows, treated but for pseudonyms, and set aside the records that are none."""
    already = untouched(plan, block.held, block.typed)
    numbered = block.table.append_column("roadworthy n", pa.array(np.arange(block.table.num_rows)))
    con.register("arrived", numbered)
    try:
        source = "arrived"
        if plan.intake.format == "jsonl":
            source = "(select * from arrived where json_valid(j) and json_type(case when json_valid(j) then j end) = 'OBJECT')"
        asked = query(plan, source, block.raw, day.isoformat(), typed=block.typed, without=already)
        if len(already) == len(plan.columns) and not con.execute(
            f'select count(*) from ({asked}) where "roadworthy why" is not null'
        ).fetchall()[0][0]:
            return _selected(block.table, block, plan)
        rows = con.sql(asked).to_arrow_table()
    finally:
        con.unregister("arrived")
    why = rows["roadworthy why"]
    good = rows if why.null_count == rows.num_rows else rows.filter(pc.is_null(why))
    if good.num_rows < block.table.num_rows:
        one.quarantined += _set_aside(con, block, raw, rows, quarantine)
    held = block.table if good.num_rows == block.table.num_rows else block.table.take(good["roadworthy n"])
    return _selected(held, block, plan, {name: good[name] for name in plan.names if name not in already})


def _selected(held: pa.Table, block: Block, plan: Plan, made: Mapping[str, pa.ChunkedArray] | None = None) -> pa.Table:
    """Return the plan's columns: what was made of them, or else as they came."""
    return pa.table({name: made[name] if made and name in made else held[block.held[name]] for name in plan.names})


def _set_aside(con: duckdb.DuckDBPyConnection, block: Block, raw: Raw, rows: pa.Table, quarantine: Quarantine) -> int:
    """Put the records of a block that are no rows into quarantine, in the file's order, and return how many."""
    why = dict(zip(rows["roadworthy n"].to_pylist(), rows["roadworthy why"].to_pylist(), strict=True))
    bad = [n for n in range(block.table.num_rows) if n not in why or why[n] is not None]
    block = block.as_text() if block.as_text is not None else block
    wanted = block.table.take(pa.array(bad))
    con.register("bad", wanted)
    try:
        if "j" in block.table.column_names:
            held = [{"text": text} for text in wanted["j"].to_pylist()]
        else:
            held = [{"values": row} for row in con.sql(f"select {selected(block)} from bad").to_arrow_table().to_pylist()]
    finally:
        con.unregister("bad")
    for n, kept in zip(bad, held, strict=True):
        quarantine.put(raw.name, int(block.lines[n]), why.get(n) or "The line is no JSON object.", 1, **kept)
    return len(bad)


def _schema(con: duckdb.DuckDBPyConnection, plan: Plan, day: date) -> pa.Schema:
    """Return the schema of a batch without rows."""
    empty = "(select null::varchar as x, 0::bigint as \"roadworthy n\" limit 0)"
    made = con.sql(query(plan, empty, dict.fromkeys(plan.names, "x"), day.isoformat())).to_arrow_table()
    return made.drop_columns(["roadworthy why", "roadworthy n"]).schema


def _identifiers(con: duckdb.DuckDBPyConnection, batch: Path, passport: Passport) -> dict[str, dict[str, int]]:
    """Return the rows with identifiers that nobody declared, by column and kind."""
    source = f"read_parquet({literal(str(batch))}, hive_partitioning=false)"
    declared = {one.column for one in passport.identifiers}
    columns = {str(r[0]): str(r[1]) for r in con.execute(f"describe select * from {source}").fetchall()}
    looked = find(con, source, {name: kind for name, kind in columns.items() if name not in declared})
    return {one.column: {kind: of.rows for kind, of in one.kinds.items()} for one in looked if one.rows}


def _reference_types(root: Path, passport: Passport) -> dict[str, str]:
    from roadworthy.window import files_of

    found = files_of(root, passport.reference.path)
    if not found:
        return {}
    with duckdb.connect() as con:
        listed = ", ".join(literal(str(path)) for path in found)
        try:
            rows = con.execute(f"describe select * from read_parquet([{listed}], union_by_name=true)").fetchall()
        except duckdb.Error:
            said = f"The reference '{passport.reference.path}' cannot be read, so the types of raw columns are not known."
            raise DataError(said, "Mend it, or name the types under intake.types.") from None
    return {str(row[0]): str(row[1]) for row in rows}


def _quarantine(workspace: Workspace, passport: Passport, day: date, what: What) -> Path:
    folder = workspace.restricted / f"model={passport.model}" / f"version={passport.version}" / f"date={day.isoformat()}"
    return folder / ("quarantine.jsonl" if what == "batch" else "quarantine-labels.jsonl")


def _is(path: Path, recorded: Mapping[str, Any]) -> bool:
    return path.is_file() and digest_file(path) == recorded["sha256"]


def _ours(batch: Path) -> None:
    """Refuse to write over a batch that intake did not make."""
    from pyarrow import parquet

    if not batch.exists():
        return
    try:
        metadata = parquet.read_metadata(batch).metadata or {}
    except (OSError, pa.ArrowException):
        metadata = {}
    if MARK.encode() not in metadata:
        raise DataError(f"{batch} was not made by intake, so it is not written over.", "Move it away, then run intake again.")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time take in a model's day; the lock of a process that was killed is free."""
    with path.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _enter(ledger: Ledger, receipt: Mapping[str, Any], now: datetime, what: What) -> None:
    """Put the receipt on record, once; a receipt that comes back after another is recorded again, for the newest one counts."""
    identity = f"{receipt['model']}@{receipt['version']}:{receipt['day']}"
    body = {k: receipt[k] for k in ("model", "version", "day", "of", "received", "accepted", "quarantined", "key_id")}
    body |= {"files": len(receipt["files"]), "batch": receipt["batch"]["sha256"], "receipt": digest_bytes(_written(receipt))}
    kind = ENTRIES[what]
    before = ledger.latest(kind, model=receipt["model"], version=receipt["version"], day=receipt["day"])
    if before is None or before.body["receipt"] != body["receipt"]:
        after = "" if before is None else f":{before.seq}"
        ledger.append(kind, "automation", body, at=now, key=f"{kind}:{identity}:{receipt['of']}{after}")
