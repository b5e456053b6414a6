"""``roadworthy switch``, the slow half: asking, approving, extending, a new epoch. Two people, never automation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows import printing, telling
from flows.commands.keys import moment_of, signed
from flows.commands.options import JsonOption, WorkspaceOption, err, out
from roadworthy.errors import UsageError
from roadworthy.workspace import Workspace

starting_app = typer.Typer(no_args_is_help=True)
AsOption = Annotated[str, typer.Option("--as", help="Who you are, by id in people.yaml.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Your private key; its passphrase is asked for.")]


@starting_app.command("requests")
def switch_requests(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> int:
    """List what waits for a Guardian's approval."""
    from flows import switching

    found = switching.requests_of(Workspace.find(workspace), datetime.now(UTC))
    if as_json:
        out.print_json(json.dumps(found))
    else:
        telling.requests(out, found)
    return 0


@starting_app.command("request")
def switch_request(
    model: str,
    by: AsOption,
    reason: Annotated[str, typer.Option("--reason", help="What was wrong, and what was done.")],
    key: KeyOption = None,
    version: Annotated[str | None, typer.Option("--version")] = None,
    segment: Annotated[str | None, typer.Option("--segment")] = None,
    gate: Annotated[list[str] | None, typer.Option("--gate", help="Address of a green gate; by default the newest.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Break the glass until then, an hour at most.")] = None,
    workspace: WorkspaceOption = None,
) -> int:
    """Ask to switch a scope on again; nothing changes until a Guardian approves."""
    from flows import switching
    from roadworthy.switch.requests import DOMAIN, Wish

    here = Workspace.find(workspace)
    end = None if until is None else moment_of(until, here)
    wish = Wish(model, version or "*", segment or "*", by, reason, datetime.now(UTC), tuple(gate or ()), end)
    asked = switching.request(here, wish, lambda statement: signed(key, DOMAIN, statement))
    printing.say(out, f"Request {asked.id}, until {asked.expires_at[:16]} UTC.")
    printing.say(out, f"Next: roadworthy switch approve {asked.id} --as GUARDIAN --key FILE")
    return 0


@starting_app.command("approve")
def switch_approve(request: str, by: AsOption, key: KeyOption = None, workspace: WorkspaceOption = None) -> int:
    """Approve a request as the model's Guardian: with a green gate the scope is on again."""
    from flows import switching
    from roadworthy.switch.requests import DOMAIN

    def sign(statement: bytes) -> str:
        printing.say(err, f"You sign: {statement.decode()}")
        return signed(key, DOMAIN, statement)

    printing.say(out, switching.approve(Workspace.find(workspace), request, by, sign, datetime.now(UTC)))
    return 0


@starting_app.command("extend")
def switch_extend(
    model: str,
    version: str,
    until: Annotated[str, typer.Option("--until", help="When the lease is to end instead.")],
    owner: Annotated[str, typer.Option("--owner", help="The Owner, by id.")],
    guardian: Annotated[str, typer.Option("--guardian", help="The Guardian, by id.")],
    owner_key: Annotated[Path | None, typer.Option("--owner-key", help="The Owner's key.")] = None,
    guardian_key: Annotated[Path | None, typer.Option("--guardian-key", help="The Guardian's key.")] = None,
    owner_signature: Annotated[str, typer.Option("--owner-signature", help="What the Owner signed on another machine.")] = "",
    guardian_signature: Annotated[str, typer.Option("--guardian-signature", help="What the Guardian signed elsewhere.")] = "",
    workspace: WorkspaceOption = None,
) -> int:
    """Extend a lease once, signed by Owner and Guardian; with one key only, its signature is printed for the other to use."""
    from flows import switching
    from roadworthy.switch.extending import DOMAIN

    here, now = Workspace.find(workspace), datetime.now(UTC)
    end = moment_of(until, here)
    statement = switching.extension(here, model, version, end, now)
    printing.say(err, f"To be signed: {statement.decode()}")
    first = owner_signature or signed(owner_key, DOMAIN, statement)
    second = guardian_signature or signed(guardian_key, DOMAIN, statement)
    if bool(first) != bool(second):
        who = "owner" if first else "guardian"
        printing.say(out, f"Nothing is extended yet. For the other's command: --{who}-signature {first or second}")
        return 0
    if not first:
        raise UsageError("Nobody has signed.", "Name --owner-key or --guardian-key.")
    entry = switching.extend(here, model, version, end, now, (owner, first), (guardian, second))
    printing.say(out, f"The lease of {model}@{version} ends on {end:%Y-%m-%d %H:%M} UTC now; entry {entry} of the ledger.")
    return 0


@starting_app.command("epoch")
def switch_epoch(
    by: AsOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
) -> int:
    """Begin a new epoch after a backup of the state was restored."""
    from flows import switching

    here = Workspace.find(workspace)
    printing.say(err, "After this, guards and services take the database as it is now for the newest word, even if it loosens.")
    printing.say(err, "Do it only after a backup was restored, when 'roadworthy switch status' shows every stop that must hold.")
    if not yes:
        typer.confirm("Begin a new epoch?", abort=True, err=True)
    epoch, sequence = switching.new_epoch(here, by, datetime.now(UTC))
    printing.say(out, f"Epoch {epoch} began, at sequence {sequence}.")
    return 0


@starting_app.command("drill")
def switch_drill(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> int:
    """Stop the canary and see whether services, guards and the enable path obey; 0 if the drill is green."""
    from flows import drilling
    from roadworthy.ledger import Ledger

    here = Workspace.find(workspace)
    with Ledger.open(here.state_url) as ledger:
        found = drilling.run(here, ledger)
    if as_json:
        out.print_json(json.dumps(found.as_dict()))
    else:
        telling.drill(out, found)
    return 0 if found.green else 1
