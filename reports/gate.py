"""The gate report: may this candidate be released, why, and who decides next.

It is the card's data in the order in which a Guardian reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import card as cards
from reports import mitigation, render
from reports.source import Source

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle


def write(bundle: Bundle, snapshot: Mapping[str, Any], folder: Path, settings_note: str = "") -> list[Path]:
    """Write ``gate.html`` and ``gate.json`` into `folder` and return their paths.

    Raises
    ------
    reports.lint.Contradiction
        If two things on the report do not agree.
    OSError
        If the folder cannot be written.
    """
    made, plan = cards.build(bundle, snapshot, settings_note), mitigation.section(Source(bundle))
    values = {**made.model_dump(mode="json"), "mitigation": plan.model_dump(mode="json") if plan is not None else None}
    twin = json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return render.write(folder, {"gate.html": html(made, plan), "gate.json": twin})


def html(card: cards.Card, plan: mitigation.Section | None = None) -> str:
    """Return the page; with the mitigation plan, if there is one."""
    return render.page("gate", card=card, plan=plan, page_title=f"Gate: {card.title} {card.version}: {card.verdict.title}")
