"""Renders what was recorded: cards, the night report, and the state snapshot they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadworthy.errors import UsageError
from roadworthy.evidence import Bundle, EvidenceStore, read_bundle
from roadworthy.ledger import Ledger
from roadworthy.registry import Registry
from roadworthy.switch import Switch
from roadworthy.workspace import Workspace

HISTORY = 30


@dataclass(frozen=True)
class Shown:
    """Where a page lies, the link to it, and for a card its verdict in words that need no statistics."""

    html: Path
    link: str
    plain: str = ""


def snapshot(workspace: Workspace, ledger: Ledger, model: str, version: str) -> dict[str, Any]:
    """Return the recorded state that a page shows besides the evidence: switch, release, ledger head, past verdicts."""
    decision = Switch.open(workspace, ledger).may_serve(model, version)
    release = Registry(workspace, ledger).release(model, version)
    seq, head = ledger.head()
    past = ledger.newest("run", HISTORY, model=model, version=version, when="nightly")
    newest: dict[str, list[str]] = {}
    for entry in reversed(past):  # oldest first; a later run of the same day stands in its place
        newest[entry.body["day"]] = [entry.body["day"], entry.body["verdict"], entry.body["evidence"]]
    return {
        "switch": {
            "state": decision.state,
            "reason": decision.reason,
            "since": decision.since,
            "by": decision.by,
            "scope": decision.scope,
        },
        "release": {"state": release.state, "since": release.since},
        "ledger": {"head": head, "entries": seq},
        "history": [newest[day] for day in sorted(newest)],
    }


def pages(workspace: Workspace) -> Path:
    """Return the folder of the pages."""
    return workspace.made / "site"


def card(workspace: Workspace, ledger: Ledger, bundle: Bundle) -> Shown:
    """Write the card of one run, with the simple note beside it, and return where the card is."""
    from reports import card as cards
    from reports import note as notes

    run = bundle.run
    made = cards.build(bundle, snapshot(workspace, ledger, run["model"], run["version"]), workspace.settings.note)
    folder = pages(workspace) / "models" / run["model"] / run["version"]
    files = cards.write(made, folder)
    notes.write(notes.build(made, bundle), folder)
    html = next(f for f in files if f.suffix == ".html")
    return Shown(html, link_to(workspace, html), made.verdict.plain)


def night(workspace: Workspace, ledger: Ledger, day: str, bundles: Sequence[Bundle], failed: Sequence[tuple[str, str]]) -> Shown:
    """Write the night report over all models and return where it is."""
    from reports import night as nights

    items: list[Any] = [(b, snapshot(workspace, ledger, b.run["model"], b.run["version"])) for b in bundles]
    items += [nights.Failed(*_split(identity), sentence) for identity, sentence in failed]
    files = nights.write(nights.build(items, day, workspace.settings.name, workspace.settings.note), pages(workspace))
    html = next(f for f in files if f.suffix == ".html")
    return Shown(html, link_to(workspace, html))


def gate(workspace: Workspace, ledger: Ledger, bundle: Bundle) -> Shown:
    """Write the gate report of one run and return where it is."""
    from reports import gate as gates

    run = bundle.run
    folder = pages(workspace) / "models" / run["model"] / run["version"]
    files = gates.write(bundle, snapshot(workspace, ledger, run["model"], run["version"]), folder)
    html = next(f for f in files if f.suffix == ".html")
    return Shown(html, link_to(workspace, html))


def release_notes(workspace: Workspace, ledger: Ledger, model: str, version: str) -> list[Path]:
    """Write the release notes of a version and return their files: page, Markdown, JSON.

    Raises
    ------
    UsageError
        If there is no evidence of the version.
    """
    from reports import release_notes as notes

    bundle = _evidence(workspace, ledger, model, version)
    if bundle is None:
        raise UsageError(f"There is no evidence of {model}@{version} yet.", f"Run: roadworthy gate {model} {version}")
    previous = Registry(workspace, ledger).before(model, version)
    before = (_evidence(workspace, ledger, model, previous) or previous) if previous is not None else ""
    made = notes.build(bundle, snapshot(workspace, ledger, model, version), before, workspace.settings.note)
    return notes.write(made, pages(workspace) / "models" / model / version)


def _evidence(workspace: Workspace, ledger: Ledger, model: str, version: str) -> Bundle | None:
    """Return the newest evidence of a version: that of its gate, else of a night; None if there is none."""
    found = (ledger.latest("run", model=model, version=version, when=when) for when in ("gate", "nightly"))
    entry = next((one for one in found if one is not None), None)
    if entry is None:
        return None
    body = entry.body
    return read_bundle(EvidenceStore(workspace.evidence).path_of(body["path"]), expect=body["evidence"])


def link_to(workspace: Workspace, page: Path) -> str:
    """Return the address of a page: under `card_url` if the workspace serves its pages, else the file's own."""
    base = workspace.settings.card_url
    if base is None:
        return page.resolve().as_uri()
    return f"{base.rstrip('/')}/{page.relative_to(pages(workspace)).as_posix()}"


def _split(identity: str) -> tuple[str, str]:
    model, _, version = identity.partition("@")
    return model, version
