"""The command line: ``roadworthy``.

Each command is a few lines: it finds the workspace, calls the flow or function that does the work, prints, and returns
the exit code of the design's table. Errors are one sentence; ``--debug`` shows the traceback.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from flows import printing
from flows.commands.data import app as data_app
from flows.commands.options import JsonOption, WorkspaceOption, err, out
from flows.commands.people import people_app
from flows.commands.switch import switch_app
from roadworthy.errors import EXIT_USAGE, DocumentError, RoadworthyError, UsageError
from roadworthy.workspace import Workspace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Inspects machine-learning models every night, certifies releases, and takes a model off the road when it is not safe.",
)
passport_app = typer.Typer(no_args_is_help=True, help="The passports of model versions.")
app.add_typer(switch_app, name="switch")
app.add_typer(people_app, name="people")
app.add_typer(passport_app, name="passport")
app.add_typer(data_app, name="data")



def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; every expected error is one sentence on standard error."""
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        code = app(arguments, standalone_mode=False, prog_name="roadworthy")
        return int(code or 0)
    except typer.Exit as done:
        return int(done.exit_code)
    except DocumentError as problem:
        if debug:
            raise
        for sentence in problem.problems:
            err.print(escape(sentence))
        return problem.exit_code
    except RoadworthyError as problem:
        if debug:
            raise
        err.print(escape(str(problem)))
        return problem.exit_code
    except typer.Abort:
        err.print("Stopped by you; what was recorded stays recorded.")
        return 130
    except KeyboardInterrupt:
        err.print("Stopped by you; what was recorded stays recorded.")
        return 130
    except OSError as problem:
        if debug:
            raise
        where = f" ({problem.filename})" if problem.filename else ""
        err.print(
            escape(
                f"The system refused: {problem.strerror or problem}{where}. Check disk space and permissions, then run it again."
            )
        )
        return 3
    except Exception as problem:  # Typer's own usage errors come as click exceptions of its vendored copy
        message = getattr(problem, "format_message", None)
        if message is None:
            raise
        err.print(escape(f"{message()} See 'roadworthy --help'."))
        return EXIT_USAGE


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a day.", "Write it as 2026-04-09.") from None


@app.command()
def nightly(
    workspace: WorkspaceOption = None,
    day: Annotated[
        str | None,
        typer.Option("--date", metavar="DAY", help="The day to inspect (2026-04-09); by default the latest that is due."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only this model, or model@version.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Inspect every live model version on the day's batch: the main job."""
    here, chosen = Workspace.find(workspace), None if day is None else _day(day)
    night = _night(here, chosen, model, quiet=as_json)
    if as_json:
        out.print_json(json.dumps(printing.night_as_dict(night)))
    else:
        printing.night(out, night)
    return int(night.exit_code)


def _night(here: Workspace, day: date | None, model: str | None, quiet: bool) -> Any:
    from flows.orchestration import prepare
    from roadworthy.calendar import check_day

    if day is not None:
        check_day(day, here.settings, datetime.now(UTC))
    prepare(here.made / "prefect")
    with printing.progress(err, quiet) as say:
        say("Loading Prefect and the checks")
        from flows import nightly as flow
        from flows.measuring import warm

        warm()
        say("Starting Prefect (up to 20 s when no server is running)")
        return flow.main(here, day, model)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day to record (2026-01-01).")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="The last; it must be over.")],
    workspace: WorkspaceOption = None,
    model: Annotated[str | None, typer.Option("--model", help="Only this model, or model@version.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Record past days in one grouped pass; run again, it goes on where it was. Acts on nothing."""
    from flows.orchestration import prepare
    from roadworthy.calendar import check_day

    here, start, end = Workspace.find(workspace), _day(first), _day(last)
    for day in (start, end):
        check_day(day, here.settings, datetime.now(UTC))  # a wrong day is said before anything is started
    if start > end:
        raise UsageError(f"--from {start} is after --to {end}.", "Write them the other way round.")
    prepare(here.made / "prefect")
    with printing.bars(err, quiet=as_json) as say:
        say("Starting Prefect (up to 20 s when no server is running)")
        from flows import backfill as flow

        done = flow.main(here, start, end, model)
    if as_json:
        out.print_json(json.dumps(printing.backfill_as_dict(done)))
    else:
        printing.backfill(out, done)
    return int(done.exit_code)


@app.command()
def gate(
    model: str,
    version: str,
    workspace: WorkspaceOption = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="DAY", help="Judge the candidate on the data up to this day.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Run the release gate on one model version."""
    from flows.orchestration import prepare

    here = Workspace.find(workspace)
    here.passport(f"{model}@{version}")  # a wrong name is said before anything is started
    prepare(here.made / "prefect")
    with printing.progress(err, as_json) as say:
        say("Loading Prefect and the checks")
        from flows import gate as flow

        say("Starting Prefect (up to 20 s when no server is running)")
        passed = flow.main(here, model, version, None if day is None else _day(day))
    if as_json:
        out.print_json(json.dumps(printing.gate_as_dict(passed)))
    else:
        printing.gate(out, passed)
    return int(passed.exit_code)


@app.command()
def reproduce(model: str, version: str, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> int:
    """Make a model version again by its recorded recipe and say what differs; records only that data were opened."""
    from flows import reproducing

    here = Workspace.find(workspace)
    here.passport(f"{model}@{version}")
    with printing.progress(err, as_json) as say:
        say("Running the recipe (as long as the training takes)")
        found = reproducing.once(here, f"{model}@{version}")
    if as_json:
        out.print_json(json.dumps(printing.reproduced_as_dict(found)))
    else:
        printing.reproduced(out, found)
    return int(found.exit_code)


@app.command()
def intake(
    workspace: WorkspaceOption = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="DAY", help="The day to take in; by default the latest that is due.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only this model, or model@version.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Take a day's raw files in as batches: checked, without undeclared columns, with pseudonyms, and with a receipt."""
    from flows.orchestration import prepare
    from roadworthy.calendar import check_day

    here, chosen = Workspace.find(workspace), None if day is None else _day(day)
    if chosen is not None:
        check_day(chosen, here.settings, datetime.now(UTC))
    prepare(here.made / "prefect")
    with printing.progress(err, as_json) as say:
        say("Starting Prefect (up to 20 s when no server is running)")
        from flows import intake as flow

        done = flow.main(here, chosen, model)
    if as_json:
        receipts = {identity: dict(one.receipt) for identity, one in done.taken.items()}
        told = {"day": done.day.isoformat(), "taken": receipts, "problems": dict(done.problems)}
        labels = {identity: {str(of): dict(one.receipt) for of, one in days.items()} for identity, days in done.labels.items()}
        out.print_json(json.dumps(told | {"labels": labels}))
    else:
        printing.intake(out, done)
    return int(done.exit_code)


@app.command("filter")
def filter_text() -> int:
    """Pass text from standard input to standard output, with [kind] in the place of each identifier in it."""
    from flows.filtering import filtered

    # What is not UTF-8 passes as it is; an identifier is found in what is.
    text = (line.decode("utf-8", "replace").rstrip("\r\n") for line in sys.stdin.buffer)
    for line in filtered(text):
        print(line, flush=False)
    return 0


@app.command()
def demo(workspace: WorkspaceOption = None) -> int:
    """Inspect the demo fleet on its demo night and say whether the expected verdicts appeared."""
    from flows import demo as demonstration

    return demonstration.run(out, err, workspace)


@app.command()
def verify(
    path: Annotated[str | None, typer.Argument(help="A workspace; by default the one here.")] = None,
    workspace: WorkspaceOption = None,
    rejudge: Annotated[bool, typer.Option("--rejudge", help="Judge every recorded run again under its sealed policy.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Check every digest, the ledger's chain and every verdict, offline."""
    from roadworthy.verify import verify as check

    report = check(Workspace.find(path or workspace), rejudge=rejudge)
    if as_json:
        out.print_json(json.dumps({"state": report.state, "anchored": report.anchored, "lines": list(report.lines)}))
    else:
        printing.verified(out, report)
    return {"valid": 0, "tampered": 1, "cannot_verify": 3}[report.state]


@app.command()
def card(model: str, version: str, workspace: WorkspaceOption = None) -> int:
    """Render the card of a model version from its newest evidence."""
    from flows import show
    from roadworthy.evidence import EvidenceStore, read_bundle
    from roadworthy.ledger import Ledger

    here = Workspace.find(workspace)
    ledger = Ledger.open(here.state_url)
    entry = ledger.latest("run", model=model, version=version, when="nightly") or ledger.latest(
        "run", model=model, version=version, when="gate"
    )
    if entry is None:
        raise UsageError(f"There is no evidence of {model}@{version} yet.", f"Run: roadworthy nightly --model {model}")
    body = entry.body
    made = show.card(here, ledger, read_bundle(EvidenceStore(here.evidence).path_of(body["path"]), expect=body["evidence"]))
    out.print(escape(str(made.html)))
    return 0


@app.command("release-notes")
def release_notes(model: str, version: str, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> int:
    """Say what changed in a version, how it treats groups, what else could be done, and its known limits."""
    from flows import show
    from roadworthy.ledger import Ledger

    here = Workspace.find(workspace)
    here.passport(f"{model}@{version}")  # a wrong name is said before anything is looked for
    files = show.release_notes(here, Ledger.open(here.state_url), model, version)
    if as_json:
        out.print_json(next(f for f in files if f.suffix == ".json").read_text(encoding="utf-8"))
    else:
        for path in files:
            out.print(escape(str(path)))
    return 0


@app.command()
def doctor(
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    server: Annotated[
        bool, typer.Option("--server", help="Also start a Prefect server and see whether a schedule fires (about a minute).")
    ] = False,
) -> int:
    """Say whether this machine is fit to run."""
    from flows import doctor as doctors

    try:
        here: Workspace | None = Workspace.find(workspace)
    except UsageError:
        if workspace is not None:
            raise
        here = None
    with printing.progress(err, as_json) as say:
        found = doctors.examine(here, server=server, say=say)
    if as_json:
        out.print_json(json.dumps([{"what": f.what, "ok": f.ok, "says": f.says, "do": f.do} for f in found]))
    else:
        printing.doctor(out, found)
    return 0 if all(f.ok for f in found) else 1


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="The folder to make.")]) -> int:
    """Make a new workspace: settings, people, policies and a passport to fill in."""
    from flows import init as initial

    made = initial.make(folder)
    for path in made:
        out.print(escape(f"  {path}"))
    out.print(
        escape(
            f"A workspace lies in {folder}. Next: fill in people.yaml and models/, "
            f"then 'roadworthy passport lint --workspace {folder}'."
        )
    )
    return 0


@app.command()
def schemas(
    folder: Annotated[Path | None, typer.Argument(help="Where to write them.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the packaged schemas are up to date.")] = False,
) -> int:
    """Write the JSON Schemas of passport, policy, people, workspace and the others."""
    from flows import schemas as published

    if check:
        stale = published.stale()
        for name in stale:
            err.print(escape(f"roadworthy/schemas/{name} is out of date. Run: roadworthy schemas roadworthy/schemas"))
        return 1 if stale else 0
    for path in published.write(folder or Path("schemas")):
        out.print(escape(str(path)))
    return 0


@passport_app.command("lint")
def lint(
    workspace: WorkspaceOption = None,
    model: Annotated[str | None, typer.Argument(help="model or model@version; by default all.")] = None,
) -> int:
    """Say whether passports, people, policies and suites are complete and agree with the data."""
    from flows import lint as linting

    here = Workspace.find(workspace)
    problems = linting.check(here, model)
    for sentence in problems:
        err.print(escape(sentence))
    known = linting.chosen(here, model)
    if not problems:
        out.print(escape(f"{len(known)} passport{'' if len(known) == 1 else 's'} complete: {', '.join(known)}."))
    return 1 if problems else 0


@app.command("audit-rules")
def audit_rules(workspace: WorkspaceOption = None) -> int:
    """Print rules with which auditd watches the folders of model artifacts."""
    from flows import watching

    typer.echo(watching.rules_of(Workspace.find(workspace)), nl=False)
    return 0


@app.callback()
def _common(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.CRITICAL, stream=sys.stderr)
