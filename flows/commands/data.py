"""``roadworthy data``: the way in to rows for people, and who took it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flows.commands.options import JsonOption, WorkspaceOption, day_of, err, out
from roadworthy.errors import UsageError
from roadworthy.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Rows for people: each opening is in the ledger, with its purpose.")


@app.command("open")
def open_data(
    model: Annotated[str, typer.Argument(help="model, the version in service, or model@version.")],
    purpose: Annotated[str, typer.Option("--purpose", help="What the data are opened for.")],
    by: Annotated[str, typer.Option("--as", help="Who opens them, by id.")],
    day: Annotated[str | None, typer.Option("--on", metavar="DAY", help="The day whose rows are opened.")] = None,
    reference: Annotated[bool, typer.Option("--reference", help="The reference in place of a day.")] = False,
    columns: Annotated[str, typer.Option("--columns", help="Names with commas; by default what the passport declares.")] = "",
    rows: Annotated[int, typer.Option("--rows", help="How many, from the first on.")] = 20,
    counts: Annotated[bool, typer.Option("--counts", help="Only how many rows and blanks each column has.")] = False,
    identifiers: Annotated[bool, typer.Option("--identifiers", help="Also what names people and cases; the Guardian's.")] = False,
    to: Annotated[Path | None, typer.Option("--out", help="A new CSV file, for your eyes only.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Open rows of a day or of the reference: first it is recorded who, what and why, then they are shown."""
    from flows import looking, sheets
    from roadworthy.ledger import Ledger

    if (day is None) != reference:
        raise UsageError("Either a day or the reference is opened.", "Name one: --on DAY, or --reference.")
    if to is not None and (to.exists() or to.is_symlink()):
        raise UsageError(f"{to} is there already and is not written over.", "Name a new file with --out.")
    here = Workspace.find(workspace)
    names = [name.strip() for name in columns.split(",") if name.strip()]
    wanted = looking.Wanted(model, by, purpose, None if day is None else day_of(day), names, rows, counts, identifiers)
    with Ledger.open(here.state_url) as ledger:
        found = looking.look(here, ledger, wanted, datetime.now(UTC))
    if to is not None:
        sheets.write(to, sheets.text_of(found.columns, found.rows))
    elif as_json:
        table = [[cell if isinstance(cell, bool | int | str | None) else str(cell) for cell in row] for row in found.rows]
        shown = {"entry": found.entry.seq, "columns": found.columns, "rows": table, "withheld": found.withheld}
        typer.echo(json.dumps(shown))
    else:
        typer.echo(sheets.text_of(found.columns, found.rows), nl=False)
    kept = f" {len(found.withheld)} columns that name people or are not declared are not shown." if found.withheld else ""
    err.print(escape(f"Entry {found.entry.seq} of the ledger says that {by} opened this.{kept}"))
    return 0


@app.command("log")
def log(
    model: Annotated[str | None, typer.Argument(help="Only this model, or model@version.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say who opened which data, when and why; the newest first."""
    from flows import looking
    from flows.sheets import cell
    from roadworthy.ledger import Ledger

    with Ledger.open(Workspace.find(workspace).state_url, read_only=True) as ledger:
        found = looking.log(ledger, model)
    if as_json:
        typer.echo(json.dumps(found))
        return 0
    for one in found:
        what = ", ".join(f"{part['role']} {part['path']}" for part in one["what"])
        day = f" on {one['day']}" if one.get("day") else ""
        who = f"{one['at'][:19]}  {one['actor']}  {one['outcome']}  {one['model']}@{one['version']}{day}"
        said = f"{who}: {what}. {one['purpose']}"
        out.print(escape(cell(said)))
    if not found:
        out.print("Nothing was opened yet.")
    return 0
