"""The demo: one night on the demo fleet, compared with what the data are known to hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from flows import printing
from roadworthy.errors import UsageError
from roadworthy.workspace import FILE, Workspace

EXPECTED = "expected.yaml"


def workspace_of(named: str | None) -> Workspace:
    """Return the named workspace, or the demo fleet of this checkout."""
    if named is not None:
        return Workspace.find(named)
    for folder in (Path.cwd() / "data", Path(__file__).resolve().parents[1] / "data"):
        if (folder / FILE).is_file() and (folder / EXPECTED).is_file():
            return Workspace.open(folder)
    raise UsageError(
        "The demo fleet is not here.", "Run it from a clone of the repository, or name a workspace with --workspace."
    )


def run(out: Console, err: Console, named: str | None) -> int:
    """Run the demo night and say whether the expected verdicts appeared."""
    here = workspace_of(named)
    expected: dict[str, Any] = yaml.safe_load((here.root / EXPECTED).read_text(encoding="utf-8"))
    day, verdicts = expected["night"], expected["verdicts"]
    out.print(
        "Four real models, one night. Days are replayed: real tables on the demo's calendar (data/README.md).\n", markup=False
    )
    from flows.cli import _night

    night = _night(here, day, None, quiet=False)
    printing.night(out, night)
    found = {i.identity: i.word for i in night.inspections}
    wrong = [
        f"{identity}: expected {word}, found {found.get(identity, 'nothing')}"
        for identity, word in verdicts.items()
        if found.get(identity) != word
    ]
    out.print()
    from roadworthy.verify import verify

    report = verify(here)
    printing.verified(out, report)
    out.print()
    printing.say(out, "Next, from this folder:")
    command = ".venv/bin/roadworthy"
    for what, how in (
        ("open the night report", str(here.made / "site" / "night.html")),
        ("see the run in Prefect's own pages", "make ui"),
        ("who may serve", f"{command} switch status -w {here.root.name}"),
        ("inspect the next night", f"{command} nightly -w {here.root.name} --date {expected['next_night']}"),
        ("check the record yourself", f"{command} verify {here.root.name}"),
    ):
        out.print(Text(f"  {what:<36}"), Text(how), sep="")
    if wrong:
        err.print(Text("The demo did not show what its data hold: " + "; ".join(wrong) + ". That is a defect.", style="bold red"))
        return 1
    return 0 if report.state == "valid" else 1
