"""The gate report: may this candidate be released, why, and who decides next.

It is the card's data in the order in which a Guardian reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import card as cards
from reports import render

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
    made = cards.build(bundle, snapshot, settings_note)
    twin = json.dumps(made.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return render.write(folder, {"gate.html": html(made), "gate.json": twin})


def html(card: cards.Card) -> str:
    """Return the page."""
    return render.page("gate", card=card, page_title=f"Gate: {card.title} {card.version}: {card.verdict.title}")
