"""``roadworthy people``: keys, and the signed record of who may do what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows import printing
from flows.commands.keys import passphrase
from flows.commands.options import JsonOption, WorkspaceOption, out
from roadworthy.workspace import Workspace

people_app = typer.Typer(no_args_is_help=True, help="Keys of people, and people.lock: who may do what, signed.")


@people_app.command("key")
def people_key(path: Annotated[Path, typer.Argument(help="A new file for the private key.")]) -> int:
    """Make a key pair; the private half stays with you, the public half goes into people.yaml."""
    from roadworthy.signing import generate

    public = generate(path, passphrase(path, new=True))
    printing.say(out, f"Written to {path}, encrypted and readable by you only. For people.yaml, under 'public_key': {public}")
    return 0


@people_app.command("begin")
def people_begin(workspace: WorkspaceOption = None) -> int:
    """Write the first version of people.lock, and print the root that guards pin."""
    from roadworthy.people_lock import begin

    here = Workspace.find(workspace)
    lock = begin(here.root, here.people())
    printing.say(out, f"people.lock begins with {len(lock.people)} people. Root to pin: {lock.root}")
    return 0


@people_app.command("sign")
def people_sign(
    by: Annotated[str, typer.Option("--as", help="A Guardian of the version before, by id.")],
    key: Annotated[Path, typer.Option("--key", help="Their private key.")],
    workspace: WorkspaceOption = None,
) -> int:
    """Sign people.yaml as it is now as the next version."""
    from roadworthy.people_lock import add, difference, read
    from roadworthy.signing import load_private

    here = Workspace.find(workspace)
    changed = difference(read(here.root), here.people())
    lock = add(here.root, here.people(), by, load_private(key, passphrase(key)))
    printing.say(out, f"Version {lock.versions} of people.lock is signed by {by}. Changed: {', '.join(changed)}.")
    return 0


@people_app.command("check")
def people_check(
    root: Annotated[str | None, typer.Option("--root", help="The root that the first version must have.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check every signature of people.lock and compare it with people.yaml; 1 if they differ."""
    from roadworthy.people_lock import difference, read

    here = Workspace.find(workspace)
    lock = read(here.root, root)
    differs = difference(lock, here.people()) if lock.versions else []
    if as_json:
        out.print_json(json.dumps({"root": lock.root, "versions": lock.versions, "differs": differs}))
    elif not lock.versions:
        printing.say(out, "There is no people.lock. Make one with 'roadworthy people begin'.")
    else:
        several = "s" if lock.versions > 1 else ""
        printing.say(out, f"people.lock holds {lock.versions} version{several}. Root to pin: {lock.root}")
        if differs:
            printing.say(out, f"Not as signed: {', '.join(differs)}. A Guardian signs with 'roadworthy people sign'.")
    return 1 if differs or not lock.versions else 0
