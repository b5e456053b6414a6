"""The record of an incident: what was found when, where the stop was written when, and what happened since.

An incident is a chain of ledger entries of kind ``incident`` with one id; what happens later is another entry, and no entry is
changed. The files under ``.roadworthy/incidents`` are made from the entries and can be made again.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.inspect import Inspected
from flows.services import caller_of
from roadworthy.errors import RoadworthyError
from roadworthy.ledger import Entry, Ledger
from roadworthy.ledger.chain import stamp
from roadworthy.switch import beats, proof
from roadworthy.switch.calling import Answer, Caller
from roadworthy.switch.files import ACTIVE, ANY
from roadworthy.workspace import Workspace

log = logging.getLogger("roadworthy.progress")
FOLDER = "incidents"
WAIT, EVERY = 10.0, 0.25
_NAMED = 100


def written_at(paths: Sequence[Path]) -> str:
    """Return when the first of these STOP files was written, by the file system's own clock; empty if there is none."""
    found = []
    for path in paths:
        try:
            found.append(path.stat().st_mtime_ns)
        except OSError:
            continue  # lifted or out of reach since; the others tell
    return stamp(datetime.fromtimestamp(min(found) / 1e9, UTC)) if found else ""


def opened(
    workspace: Workspace, ledger: Ledger, inspected: Inspected, state: str, rules: Sequence[str], fence: int,
    times: Mapping[str, str], answers: Sequence[Answer], unreached: Sequence[str], now: datetime,
) -> str:
    """Open the incident of a stop and return its id; the same evidence opens it once.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    inspected : Inspected
    state : str
        What the model was made.
    rules : sequence of str
        What was severely broken.
    fence : int
        The ledger's entry of the stop; 0 if it has none yet.
    times : mapping
        ``judged_at``, ``file_at``, ``row_at``, UTC; empty for what did not happen.
    answers : sequence of Answer
    unreached : sequence of str
    now : datetime
    """
    bundle = inspected.bundle
    run, name = bundle.run, _name(inspected)
    body = {
        "model": run["model"], "version": run["version"], "incident": name, "event": "opened", "state": state,
        "rules": list(rules), "reason": bundle.verdict.reason[:500], "evidence": bundle.address, "fence": fence, **times,
        "services": [
            {
                "url": one.url, "at": one.at, "problem": one.problem, "tries": one.tries, "epoch": one.number("epoch"),
                "sequence": one.number("sequence"),
            }
            for one in answers
        ],
        "unreached": [sentence[:500] for sentence in unreached[:_NAMED]],
    }
    ledger.append("incident", "automation", body, at=now, key=f"incident:{name}:opened")
    write(workspace, ledger, name)
    return name


def has(ledger: Ledger, inspected: Inspected) -> bool:
    """Say whether the incident of a run was opened."""
    return ledger.has(f"incident:{_name(inspected)}:opened")


def _name(inspected: Inspected) -> str:
    run = inspected.bundle.run
    return f"{run['day']}-{run['model']}-{inspected.bundle.address[:12]}"


def settle(
    workspace: Workspace, ledger: Ledger, names: Sequence[str], *, wait: float = WAIT, caller: Caller | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for the receipts of stops, for some seconds in all, and record who has acknowledged and who has not.

    Parameters
    ----------
    workspace : Workspace
    ledger : Ledger
    names : sequence of str
        Ids of incidents.
    wait : float
        Seconds.
    caller : Caller, optional
    pause : callable, optional
    """
    last = time.monotonic() + wait
    for name in names:
        entries = of(ledger, name)
        if not entries or any(entry.body["event"] == "receipts" for entry in entries):
            continue
        while True:
            found = _receipts(workspace, ledger, entries[0], caller)
            if found["confirmed"] or not found["late"] or time.monotonic() >= last:
                break
            pause(EVERY)
        body = {**_about(entries[0]), "event": "receipts", **found}
        ledger.append("incident", "automation", body, at=datetime.now(UTC), key=f"incident:{name}:receipts")
        write(workspace, ledger, name)


def refresh(workspace: Workspace, ledger: Ledger, now: datetime) -> list[str]:
    """Note in each open incident that its model was switched on again; return the ids that changed."""
    changed = []
    on = [e for e in ledger.entries("switch") if e.body.get("to") == ACTIVE]
    for name, entries in _all(ledger).items():
        first = entries[0]
        if any(entry.body["event"] == "switched-on" for entry in entries):
            continue  # what opened it was lifted; a later stop is an incident of its own
        for entry in on:
            mine = entry.body["model"] in (first.body["model"], ANY) and entry.body["version"] in (first.body["version"], ANY)
            # An inspection stops every segment; lifting one of them does not lift that.
            if mine and entry.body["segment"] == ANY and entry.seq > first.seq:
                body = {
                    **_about(first), "event": "switched-on", "fence": entry.seq, "on_at": stamp(entry.at),
                    **{name: str(entry.body.get(name, "")) for name in ("requested_by", "approved_by", "until")},
                }
                ledger.append("incident", "automation", body, at=now, key=f"incident:{name}:on:{entry.seq}")
                changed.append(name)
                break
    for name in dict.fromkeys(changed):
        write(workspace, ledger, name)
    return changed


def note(workspace: Workspace, ledger: Ledger, name: str, event: str, words: Mapping[str, Any], now: datetime) -> None:
    """Append what else was done, once for each kind of event."""
    entries = of(ledger, name)
    if entries:
        ledger.append(
            "incident", "automation", {**_about(entries[0]), "event": event, **words}, at=now, key=f"incident:{name}:{event}"
        )
        write(workspace, ledger, name)


def of(ledger: Ledger, name: str) -> list[Entry]:
    """Return the entries of an incident, the first first."""
    return [entry for entry in ledger.entries("incident") if entry.body.get("incident") == name]


def write(workspace: Workspace, ledger: Ledger, name: str) -> list[Path]:
    """Make the files of an incident from its entries and return them; what cannot be written is logged and can be made again."""
    from reports import incident as pages

    entries = of(ledger, name)
    told = {
        "incident": name,
        "entries": [{"entry": e.seq, "at": stamp(e.at), "by": e.actor, **e.body} for e in entries],
    }
    folder = workspace.made / FOLDER
    contents = {
        f"{name}.json": json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n", f"{name}.md": pages.text(told),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in contents.items():
            temporary = folder / f".{file}.{os.getpid()}.tmp"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(folder / file)
    except OSError as problem:  # the entries stand; a page must not make a night undecided
        log.warning("The pages of incident %s could not be written: %s", name, problem)
        return []
    return [folder / file for file in contents]


def _all(ledger: Ledger) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in ledger.entries("incident"):
        found.setdefault(str(entry.body["incident"]), []).append(entry)
    return found


def _about(first: Entry) -> dict[str, Any]:
    return {name: first.body[name] for name in ("model", "version", "incident")}


def _receipts(workspace: Workspace, ledger: Ledger, first: Entry, caller: Caller | None) -> dict[str, Any]:
    """Return who has acknowledged: by the table beside the ledger, and by what each service that took the stop says."""
    model, now = str(first.body["model"]), datetime.now(UTC)
    words: dict[str, set[str]] = {word: set() for word in proof.MEANS}
    times: list[str] = []
    entry = _entry(ledger, int(first.body["fence"]))
    with ledger.reading() as execute:
        found = proof.proof_of(execute, entry, now, model, beats.read(workspace.made, now)) if entry is not None else None
    for receipt in found.receipts if found else ():
        words[receipt.word].add(receipt.instance)
    times += [found.last_at] if found and found.last_at else []
    problems = _ask_services(workspace, first, model, words, times, caller)
    confirmed, late = words["confirmed"], words["late"] - words["confirmed"]
    silent = {word: sorted(words[word] - confirmed - late)[:_NAMED] for word in ("lost", "never seen")}
    return {
        "confirmed": bool(confirmed) and not late, "acknowledged": len(confirmed), "late": sorted(late)[:_NAMED],
        "lost": silent["lost"], "never_seen": silent["never seen"], "last_receipt_at": max(times, default=""),
        "problems": problems[:_NAMED],
    }


def _ask_services(
    workspace: Workspace, first: Entry, model: str, words: dict[str, set[str]], times: list[str], caller: Caller | None
) -> list[str]:
    took = [one for one in first.body["services"] if not one["problem"]]
    if not took:
        return []
    try:
        found = caller or caller_of(workspace)
    except RoadworthyError as problem:
        return [problem.sentence]
    problems: list[str] = []
    if found is None:
        return problems
    for one in took:
        answer = found.proof(Answer(one["url"], body=one), model)
        if answer.problem or answer.body is None:
            problems.append(answer.problem)
            continue
        for word, name in (("confirmed", "acknowledged"), ("late", "late"), ("lost", "lost")):
            names = answer.body.get(name)
            words[word] |= {str(instance)[:200] for instance in names} if isinstance(names, list) else set()
        last = answer.body.get("last_at")
        times += [last] if isinstance(last, str) and last else []
    return problems


def _entry(ledger: Ledger, seq: int) -> Entry | None:
    return next((e for e in ledger.entries("switch", after=seq - 1) if e.seq == seq), None) if seq else None
