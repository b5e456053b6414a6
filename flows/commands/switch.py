"""``roadworthy switch``: one person stops, two switch back on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows import printing, telling
from flows.commands.options import JsonOption, WorkspaceOption, out
from flows.commands.starting import starting_app
from roadworthy.workspace import Workspace

switch_app = typer.Typer(no_args_is_help=True, help="The kill switch: one person stops, two switch back on.")
switch_app.add_typer(starting_app)


@switch_app.command("stop")
def switch_stop() -> int:
    """Stop a model now: roadworthy switch stop MODEL --reason TEXT [--version V] [--segment S] [--as PERSON]."""
    out.print(
        "Usage: roadworthy switch stop MODEL --reason TEXT [--version V] [--segment S] [--as PERSON] [--review-by DAY] [-w W]",
        markup=False,
    )
    out.print("Writes the STOP file first, then the record. MODEL may be '*'. Needs no server.", markup=False)
    return 0


@switch_app.command("status")
def switch_status(
    model: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say which models may serve, on what lease, what waits, and where the last stop has arrived."""
    from flows import switching

    rows = switching.status(Workspace.find(workspace), model)
    if as_json:
        out.print_json(json.dumps(rows))
    else:
        telling.switch(out, rows)
    return 0


@switch_app.command("degrade")
def switch_degrade(
    model: str,
    reason: Annotated[str, typer.Option("--reason")],
    by: Annotated[str, typer.Option("--as", help="Who says so, by id.")],
    version: Annotated[str | None, typer.Option("--version")] = None,
    workspace: WorkspaceOption = None,
) -> int:
    """Let the fallback answer instead of the model."""
    from flows import switching

    printing.say(out, switching.degrade(Workspace.find(workspace), model, version, reason, by, datetime.now(UTC)))
    return 0


@switch_app.command("enable")
def switch_enable(
    model: str,
    version: str,
    reason: Annotated[str, typer.Option("--reason")],
    requested_by: Annotated[str, typer.Option("--requested-by", help="Who asks, by id.")],
    approved_by: Annotated[str, typer.Option("--approved-by", help="The Guardian who approves, by id.")],
    evidence: Annotated[str, typer.Option("--evidence", help="Address of a gate run with verdict go.")],
    workspace: WorkspaceOption = None,
) -> int:
    """Switch a model back on: two people, one of them its Guardian, and a green gate."""
    from flows import switching

    printing.say(
        out,
        switching.enable(
            Workspace.find(workspace), model, version, reason, requested_by, approved_by, evidence, datetime.now(UTC)
        ),
    )
    return 0


@switch_app.command("serve")
def switch_serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port")] = 8787,
    key: Annotated[Path | None, typer.Option("--key", help="The service's key; by default .roadworthy/keys/switch.pem.")] = None,
    certificate: Annotated[Path | None, typer.Option("--tls-certificate", help="PEM; with --tls-key it speaks TLS.")] = None,
    private_key: Annotated[Path | None, typer.Option("--tls-key", help="PEM.")] = None,
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="A proxy in front of it ends the TLS.")] = False,
    most: Annotated[int, typer.Option("--most", help="How many different models one actor may stop in an hour.")] = 20,
    origin: Annotated[list[str] | None, typer.Option("--origin", help="A web origin whose pages may ask.")] = None,
    workspace: WorkspaceOption = None,
) -> int:
    """Serve the switch over HTTP: to any OpenFeature client, to guards, and to who may stop."""
    from flows import serving

    address = serving.Address(host, port, certificate, private_key, behind_proxy)
    serving.serve(Workspace.find(workspace), address, key=key, most=most, origins=tuple(origin or ()))
    return 0


@switch_app.command("key")
def switch_key(
    path: Annotated[Path | None, typer.Argument(help="A new file; by default .roadworthy/keys/switch.pem.")] = None,
    workspace: WorkspaceOption = None,
) -> int:
    """Make the service's key, whose public half guards pin."""
    from flows import serving

    written, public = serving.make_key(Workspace.find(workspace), path)
    printing.say(out, f"Written to {written}, readable by you only. Guards pin: {public}")
    return 0


@switch_app.command("token")
def switch_token() -> int:
    """Make a token for a person or a program; it is shown once."""
    from flows import serving

    token, digest = serving.make_token()
    printing.say(out, f"Token (keep it where secrets are kept): {token}")
    printing.say(out, f"For people.yaml, under 'tokens': {digest}")
    return 0
