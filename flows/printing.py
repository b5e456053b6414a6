"""What a person sees in the terminal: the same words as on the pages, worst first."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from roadworthy.catalogue import catalogue
from roadworthy.figures import number

STYLE = {
    "stop": "bold red",
    "no-go": "bold red",
    "breach": "bold yellow",
    "undecided": "bold magenta",
    "conditional": "bold yellow",
    "watch": "bold cyan",
    "clear": "bold green",
    "go": "bold green",
}
MARK = {"stop": "✕", "no-go": "✕", "breach": "▲", "conditional": "!", "undecided": "?", "watch": "!", "clear": "✓", "go": "✓"}
MEANS = {
    "stop": "taken off the road",
    "breach": "breaks a rule",
    "undecided": "could not be decided",
    "watch": "needs an eye",
    "clear": "nothing to do",
    "go": "passes",
    "conditional": "passes with conditions",
    "no-go": "must not be released",
}


_SHOWN_DAYS = 10


class _Lines(logging.Handler):
    """Shows what the flows log as progress: a line for each finished step, a spinner for the one that runs."""

    def __init__(self, console: Console, status: Status | None) -> None:
        super().__init__()
        self.console, self.status, self.started = console, status, time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        text = Text(f"{time.monotonic() - self.started:5.1f} s  {record.getMessage()}", style="dim")
        self.console.print(text)
        if self.status is not None:
            self.status.update(escape(record.getMessage()))


@contextmanager
def progress(console: Console, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show progress on standard error while something runs; `quiet` shows none."""
    log = logging.getLogger("roadworthy.progress")
    if quiet:
        yield lambda _text: None
        return
    with console.status("Starting") as status:
        handler = _Lines(console, status if console.is_terminal else None)
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        try:
            yield log.info
        finally:
            log.removeHandler(handler)


class _Bars(logging.Handler):
    """Shows a bar for each model whose days are logged as done; what else is logged stands above as a line."""

    def __init__(self, shown: Progress) -> None:
        super().__init__()
        self.shown, self.bars = shown, dict[str, TaskID]()

    def emit(self, record: logging.LogRecord) -> None:
        name, total = getattr(record, "of", ("", 0))
        if not name:
            self.shown.console.print(Text(record.getMessage(), style="dim"))
            return
        if name not in self.bars:
            self.bars[name] = self.shown.add_task(escape(name), total=total)
        self.shown.advance(self.bars[name])


@contextmanager
def bars(console: Console, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show on standard error how many days of each model are done; `quiet` shows nothing."""
    if quiet:
        yield lambda _text: None
        return
    log = logging.getLogger("roadworthy.progress")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeRemainingColumn())
    with Progress(*columns, console=console) as shown:
        handler = _Bars(shown)
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        try:
            yield log.info
        finally:
            log.removeHandler(handler)


def say(console: Console, text: str) -> None:
    """Print one sentence."""
    console.print(escape(text))


def night(console: Console, found: Any) -> None:
    """Print a night: a row a model, worst first, and where to look."""
    table = Table(title=f"Night of {found.day}", title_justify="left", title_style="bold", show_lines=True, expand=True)
    table.add_column("Model", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Why", ratio=1)
    order = list(STYLE)
    for one in sorted(found.inspections, key=lambda i: order.index(i.word)):
        word = "already off the road" if one.word == "stop" and not one.acted.stopped and found.acting else MEANS[one.word]
        word = "the fallback answers" if one.acted.stopped and one.acted.state == "degraded" else word
        why = Text(one.plain or one.reason)
        if one.plain and one.word != "clear":
            why.append(f"\n{one.reason}", style="dim")
        if one.acted.unreached:
            why.append(f" NOT REACHED: {' '.join(one.acted.unreached)}", style="bold red")
        table.add_row(Text(one.identity), Text(f"{MARK[one.word]} {one.word}\n{word}", style=STYLE[one.word]), why)
    console.print(table)
    if not found.acting:
        say(console, "A later night is recorded, or this day is past: recorded only; switch, lease and alerts were left alone.")
    if found.report:
        say(console, f"Night report: {found.report}")
    for one in found.inspections:
        if one.link:
            say(console, f"Card of {one.identity}: {one.link}")


def night_as_dict(found: Any) -> dict[str, Any]:
    """Return a night as JSON values."""
    return {
        "day": found.day.isoformat(),
        "verdict": found.word,
        "exit_code": found.exit_code,
        "acting": found.acting,
        "report": found.report,
        "models": [
            {
                "model": i.identity,
                "verdict": i.word,
                "reason": i.reason,
                "stopped": i.acted.stopped,
                "state": i.acted.state,
                "unreached": list(i.acted.unreached),
                "incident": i.acted.incident,
                "card": i.link,
                "evidence": i.inspected.bundle.address if i.inspected else None,
                "findings": [f.as_dict() for f in i.inspected.bundle.findings] if i.inspected else [],
            }
            for i in found.inspections
        ],
    }


def backfill(console: Console, found: Any) -> None:
    """Print what was recorded of days past: a row a model, and what could not be decided."""
    table = Table(title=f"{found.first} to {found.last}", title_justify="left", title_style="bold", expand=True)
    table.add_column("Model", no_wrap=True)
    for name in ("Recorded", "There before", "Has a night"):
        table.add_column(name, justify="right")
    table.add_column("Verdicts", ratio=1)
    for identity in dict.fromkeys(day.identity for day in found.days):
        days = [day for day in found.days if day.identity == identity]
        words = [day.word for day in days if day.how != "night"]
        told = ", ".join(f"{words.count(word)} {word}" for word in STYLE if word in words)
        counts = (str(sum(day.how == how for day in days)) for how in ("recorded", "there", "night"))
        table.add_row(Text(identity), *counts, Text(told or "none"))
    if table.row_count:
        console.print(table)
    for identity, sentence in found.problems.items():
        say(console, f"{identity} could not be recorded: {sentence}")
    undecided = [day for day in found.days if day.word == "undecided" and day.how != "night"]
    for day in undecided[:_SHOWN_DAYS]:
        say(console, f"{day.identity} {day.day} could not be decided: {day.reason}")
    if len(undecided) > _SHOWN_DAYS:
        say(console, f"So could not {len(undecided) - _SHOWN_DAYS} more days; --json names them.")
    say(console, "Recorded only: switch, lease, alerts and sequential tests were left alone. The next night shows the trend.")


def backfill_as_dict(found: Any) -> dict[str, Any]:
    """Return what was recorded of days past as JSON values."""
    return {
        "first": found.first.isoformat(),
        "last": found.last.isoformat(),
        "exit_code": found.exit_code,
        "problems": found.problems,
        "days": [
            {
                "model": d.identity, "day": d.day.isoformat(), "how": d.how, "verdict": d.word, "reason": d.reason,
                "evidence": d.evidence,
            }
            for d in found.days
        ],
    }


def gate(console: Console, found: Any) -> None:
    """Print a gate: the word, why, the findings that are not a pass, and what is next."""
    verdict = found.bundle.verdict
    console.print(
        Text(f"{MARK[verdict.word]} {verdict.word}", style=STYLE[verdict.word]), Text(f"{found.identity}: {MEANS[verdict.word]}.")
    )
    say(console, verdict.reason)
    table = Table(show_lines=True, expand=True)
    for name in ("Status", "Rule", "Finding"):
        table.add_column(name, ratio=1 if name == "Finding" else None)
    for finding in found.bundle.findings:
        if finding.status not in ("pass", "waived"):
            table.add_row(Text(finding.status), Text(finding.rule), Text(finding.sentence))
    if table.row_count:
        console.print(table)
    if found.plan:
        say(console, f"Mitigation plan: {found.plan}")
    if found.next:
        say(console, f"Next: {found.next}")
    if found.link:
        say(console, f"Gate report: {found.link}")


def gate_as_dict(found: Any) -> dict[str, Any]:
    """Return a gate as JSON values."""
    return {
        "model": found.identity,
        "verdict": found.bundle.verdict.as_dict(),
        "evidence": found.bundle.address,
        "exit_code": found.exit_code,
        "report": found.link,
        "next": found.next,
        "mitigation": found.plan,
        "findings": [f.as_dict() for f in found.bundle.findings],
    }


def reproduced(console: Console, found: Any) -> None:
    """Print what was compared when a model version was made again, and what differs."""
    unmeasured = {m.reason for m in found.measurements if m.value is None}
    if len(unmeasured) == 1 and all(m.value is None for m in found.measurements):
        say(console, unmeasured.pop())
        return
    table = Table(expand=True)
    for name in ("Compared", "Result"):
        table.add_column(name, ratio=1)
    for m in found.measurements:
        metric = catalogue()[m.metric]
        if m.value is None:
            table.add_row(Text(metric.title), Text(f"{m.status.replace('_', ' ')}: {m.reason}"))
        elif metric.range == [0, 1] and metric.unit == "count":
            table.add_row(Text(metric.title), Text("yes" if m.value else "no"))
        else:
            rows = f" of {m.n:,}" if m.n is not None and metric.unit == "count" else f", n = {m.n:,}" if m.n is not None else ""
            table.add_row(Text(metric.title), Text(f"{number(m.value, metric.unit)}{rows}"))
    console.print(table)
    isolation = next((str(m.details["isolation"]) for m in found.measurements if "isolation" in m.details), "")
    if isolation:
        how = "without a network" if isolation != "not isolated" else "not isolated, for this system grants no network namespace"
        say(console, f"The recipe ran {how}.")
    if found.differs:
        say(console, found.differs)


def reproduced_as_dict(found: Any) -> dict[str, Any]:
    """Return what making a model version again found as JSON values."""
    return {
        "model": found.identity, "exit_code": found.exit_code, "differs": found.differs, "seconds": found.seconds,
        "measurements": [m.as_dict() for m in found.measurements],
    }


def verified(console: Console, report: Any) -> None:
    """Print what `verify` found."""
    word = {
        "valid": ("VALID", "bold green"),
        "tampered": ("TAMPERED", "bold red"),
        "cannot_verify": ("CANNOT VERIFY", "bold magenta"),
    }[report.state]
    console.print(Text(word[0], style=word[1]))
    for line in report.lines:
        say(console, f"  {line}")


def doctor(console: Console, found: Sequence[Any]) -> None:
    """Print what is right and wrong with the machine."""
    for one in found:
        mark, style = ("✓", "green") if one.ok else ("✕", "bold red")
        console.print(
            Text(f"{mark} {one.what}: ", style=style), Text(one.says + (f" {one.do}" if not one.ok and one.do else "")), sep=""
        )
    bad = sum(not f.ok for f in found)
    say(console, "This machine is fit to run." if not bad else f"{bad} thing{'s' if bad > 1 else ''} to mend.")


def intake(out: Console, done: Any) -> None:
    """Print what was taken in, by model."""
    for identity, one in done.taken.items():
        _taken(out, f"{identity} {done.day}", one, "rows")
    for identity, days in done.labels.items():
        for day, one in days.items():
            if not one.reused:
                _taken(out, f"{identity} {day}", one, "labels")
                if unknown := one.receipt["keys_without_row"]:
                    out.print(f"  {unknown:,} of {one.receipt['keys']:,} keys have no row in the batch; they were kept.")
    for identity, reason in done.problems.items():
        out.print(escape(f"{identity} {done.day}: not taken in. {reason}"))
    if not done.taken and not done.problems:
        out.print("No live model has an intake section.")


def _taken(out: Console, head: str, one: Any, what: str) -> None:
    receipt = one.receipt
    again = " (already there)" if one.reused else ""
    out.print(escape(f"{head}: {receipt['accepted']:,} of {receipt['received']:,} {what} taken in{again}."))
    if receipt["dropped"]:
        out.print(escape(f"  Dropped, because undeclared: {', '.join(map(ascii, receipt['dropped'][:10]))}."))
    for reason, rows in receipt["quarantine"]["reasons"].items():
        out.print(escape(f"  Quarantined: {rows:,} row{'' if rows == 1 else 's'}. {reason}"))
    for column, kinds in receipt["undeclared_identifiers"].items():
        found = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
        out.print(escape(f"  Undeclared identifiers in {column!a}: {found}."))
