"""Checks that everything recorded is still what was recorded.

`verify` walks the ledger and every bundle, offline, and answers *valid*, *tampered* with a line for each failure, or *cannot
verify* with what is missing. A chain that nobody outside keeps a head of shows every edit, but not a tail that was cut off
together with its bundles, nor a history that was rewritten from the start: a valid answer says that it is not anchored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from roadworthy.canonical import digest_file
from roadworthy.errors import EXIT_UNDECIDED, RoadworthyError, StorageError, TamperedError
from roadworthy.evidence import Bundle, EvidenceStore, check_bundle, read_bundle
from roadworthy.ledger import Ledger, chain
from roadworthy.ledger.sqlite import DamagedError
from roadworthy.switch import table
from roadworthy.switch.files import ACTIVE, RANK
from roadworthy.workspace import FILE, Workspace

State = Literal["valid", "tampered", "cannot_verify"]
NOT_ANCHORED = (
    "not anchored: no head of the ledger is kept elsewhere, so a tail cut off with its evidence, or a history rewritten from "
    "its first entry, would not show"
)


@dataclass(slots=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    state : str
        ``valid``, ``tampered`` or ``cannot_verify``.
    lines : list of str
        What was checked, then a sentence for each failure, each thing that is missing, and each note.
    anchored : bool
        True if the ledger's head was compared with one kept elsewhere; not yet possible.
    """

    state: State
    lines: list[str] = field(default_factory=list)
    anchored: bool = False

    def __str__(self) -> str:
        word = {"valid": "VALID", "tampered": "TAMPERED", "cannot_verify": "CANNOT VERIFY"}[self.state]
        first, *rest = self.lines
        return "\n".join([f"{word} ({first.rstrip('.')})", *rest])

    @property
    def exit_code(self) -> int:
        """0 valid, 1 tampered, 3 cannot verify."""
        return {"valid": 0, "tampered": TamperedError.exit_code, "cannot_verify": EXIT_UNDECIDED}[self.state]


@dataclass(slots=True)
class _Findings:
    failures: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bundles: int = 0
    files: int = 0
    entries: int = 0

    def report(self) -> Report:
        entries = _count(self.entries, "ledger entry", "ledger entries")
        seen = f"{entries}, {_count(self.bundles, 'bundle')}, {_count(self.files, 'file')}"
        if self.failures:
            return Report("tampered", [f"Checked: {seen}.", *self.failures, *self.missing, *self.notes])
        if self.missing:
            return Report("cannot_verify", [f"Checked: {seen}; nothing of them was changed.", *self.missing, *self.notes])
        return Report("valid", [f"{NOT_ANCHORED}.", f"Consistent: {seen}.", *self.notes])


def verify(what: Workspace | Path, rejudge: bool = False) -> Report:
    """Check every digest, the ledger's chain and every verdict.

    Parameters
    ----------
    what : Workspace or pathlib.Path
        A workspace, or a folder of bundles; without a ledger, a folder of bundles can be found tampered but never valid.
    rejudge : bool
        Judge each recorded run again from its bundle, under its sealed policy, and compare.

    Returns
    -------
    Report
        Its `exit_code` is 0, 1 or 3.
    """
    findings = _Findings()
    if not isinstance(what, Workspace):
        if not (what / FILE).is_file():
            return _folder(what, rejudge)
        try:
            what = Workspace.open(what)
        except RoadworthyError as problem:
            return Report("cannot_verify", ["CANNOT VERIFY.", str(problem)])
    try:
        ledger = Ledger.open(what.state_url, read_only=True)
        store = EvidenceStore(what.evidence)
    except StorageError as problem:
        (findings.failures if isinstance(problem, DamagedError) else findings.missing).append(problem.sentence)
        return findings.report()
    with ledger:
        findings.failures += [f"Ledger: {sentence}." for sentence in ledger.verify()]
        named = _runs(ledger, findings)
        findings.failures += _switch(ledger)
        findings.failures += _kept(ledger, what.made / "kept")
        findings.failures += _kept(ledger, what.made / "drills", "drill")
    for relative, body in named.items():
        _check(store, relative, body, findings, rejudge)
    for relative in store.bundles():
        if relative not in named:
            findings.bundles += 1
            findings.failures.append(
                f"{store.path_of(relative)} is not named by the ledger: either its entry was removed, or a night ended between "
                "writing and recording it; then run that night again."
            )
    return findings.report()


def _folder(folder: Path, rejudge: bool) -> Report:
    findings, store = _Findings(), EvidenceStore(folder)
    for relative in store.bundles():
        _check(store, relative, None, findings, rejudge)
    if findings.bundles == 0:
        findings.missing.append(f"{folder} is neither a workspace nor a folder of bundles.")
    else:
        findings.missing.append("There is no ledger beside these bundles, so nothing says that they are the ones recorded.")
    return findings.report()


def _runs(ledger: Ledger, findings: _Findings) -> dict[str, dict[str, Any]]:
    """Return the body of the entry that names each bundle.

    Read from the sealed bytes and without trusting them: one damaged entry, which the ledger's own check has named, must not
    make all bundles after it look as if nobody had recorded them.
    """
    named: dict[str, dict[str, Any]] = {}
    store = EvidenceStore(Path())
    for seq, sealed in _sealed(ledger, findings):
        try:
            envelope = json.loads(sealed)
            body = envelope["body"]
            if envelope["kind"] != "run":
                continue
            relative = store.relative(body["model"], body["version"], body["day"], body["run_id"])
            if relative in named and named[relative]["evidence"] != body["evidence"]:
                findings.failures.append(f"Ledger: entry {seq} names other evidence for a run than an entry before it.")
            named.setdefault(relative, {**body, "evidence": str(body["evidence"]), "seq": seq})
        except (KeyError, TypeError, ValueError):
            findings.failures.append(f"Ledger: entry {seq} does not say what it records.")
    return named


def _sealed(ledger: Ledger, findings: _Findings) -> Iterator[tuple[int, bytes]]:
    start = 0
    try:
        while True:
            with ledger.reading() as execute:
                rows = chain.page(execute, start)
            for row in rows:
                findings.entries += 1
                yield row[0], row[6] if isinstance(row[6], bytes) else b""
            if not rows:
                return
            start = rows[-1][0]
    except StorageError as problem:
        findings.failures.append(problem.sentence)


def _check(store: EvidenceStore, relative: str, body: dict[str, Any] | None, findings: _Findings, rejudge: bool) -> None:
    path = store.path_of(relative)
    expect = body["evidence"] if body else None
    findings.bundles += 1
    try:
        _, contents, problems = check_bundle(path, expect)
        findings.files += len(contents) + 1
        if problems:
            findings.failures += problems
            return
        bundle = read_bundle(path, expect)
    except RoadworthyError as problem:
        seq = f" Entry {body['seq']} of the ledger names it." if body else ""
        findings.failures.append(problem.sentence + seq)
        return
    findings.failures += _agrees(bundle, body, relative) if body else []
    if rejudge:
        _rejudge(bundle, findings)


def _agrees(bundle: Bundle, body: dict[str, Any], relative: str) -> Iterator[str]:
    """Compare what the ledger says of a run with what the run says of itself."""
    said = {name: bundle.run.get(name) for name in ("run_id", "model", "version", "day", "when")}
    said["verdict"] = bundle.verdict.word
    for name, value in said.items():
        if body.get(name) != value:
            yield f"{bundle.path} says {name} '{value}', but entry {body['seq']} of the ledger recorded '{body.get(name)}'."


def _rejudge(bundle: Bundle, findings: _Findings) -> None:
    from roadworthy.judge import JUDGE_VERSION
    from roadworthy.judge import rejudge as judge_again

    try:
        again = judge_again(bundle)
    except (RoadworthyError, KeyError, TypeError, ValueError) as problem:
        findings.missing.append(f"{bundle.path} could not be judged again: {problem}")
        return
    same = [_plain(f.as_dict()) for f in again.findings] == [_plain(f.as_dict()) for f in bundle.findings]
    if same and _plain(again.verdict.as_dict()) == _plain(bundle.verdict.as_dict()):
        return
    change = f"'{bundle.verdict.word}', now '{again.verdict.word}'"
    if str(JUDGE_VERSION) == bundle.judge_version:
        findings.failures.append(f"{bundle.path} does not follow from its measurements: recorded {change}, by the same judge.")
    else:
        findings.notes.append(f"{bundle.path} is judged differently by version {JUDGE_VERSION}: recorded {change}.")


def _switch(ledger: Ledger) -> Iterator[str]:
    """Compare the switch's rows with the last recorded change of each scope: a row may be stricter, never looser."""
    try:
        last = {(e.body["model"], e.body["version"], e.body["segment"]): e for e in ledger.entries("switch")}
        with ledger.reading() as execute:
            rows = {row.stop.key: row for row in table.rows(execute)} if "switch" in chain.tables(execute) else {}
    except (RoadworthyError, KeyError, ValueError) as problem:
        said = problem.sentence if isinstance(problem, RoadworthyError) else f"{problem}."
        yield f"Switch: its table or its entries cannot be read: {said}"
        return
    for key, entry in last.items():
        recorded = entry.body["to"]
        state = rows[key].stop.state if key in rows else ACTIVE
        if RANK[state] < RANK.get(recorded, 0):
            yield f"Switch: {' '.join(key)} is '{state}', but entry {entry.seq} of the ledger made it '{recorded}'."
    for key, row in rows.items():
        if row.fence and (key not in last or last[key].seq != row.fence):
            yield f"Switch: the row of {' '.join(key)} names entry {row.fence} of the ledger, which is not its last."


def _kept(ledger: Ledger, folder: Path, kind: str = "kept") -> Iterator[str]:
    """Compare what is kept with the ledger; a file that is gone is no failure: it is computed, or drilled, again."""
    try:
        addresses = {str(entry.body["sha256"]): entry.seq for entry in ledger.entries(kind)}
    except (RoadworthyError, KeyError):
        return  # the ledger's own check has named the entry
    for address, seq in addresses.items():  # a file that no entry names is never read
        path = folder / f"{address}.json"
        if path.exists() and (not path.is_file() or digest_file(path) != address):
            yield f"{path} is not what entry {seq} of the ledger recorded."


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))
