"""An incident in words: when it was found, when the stop was where, and what happened since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.markdown import escape, table

_MOMENTS = (
    ("judged_at", "the finding was judged"),
    ("file_at", "the STOP file was written"),
    ("row_at", "the switch's row and the ledger's entry were stored"),
)


def text(told: Mapping[str, Any]) -> str:
    r"""Return an incident as Markdown.

    Parameters
    ----------
    told : mapping
        ``incident`` and ``entries``, as the ledger holds them, the first first.

    Examples
    --------
    >>> first = {"entry": 7, "at": "2026-04-09T04:00:00Z", "by": "automation", "model": "credit", "version": "1.0.0",
    ...          "event": "opened", "state": "disabled", "rules": ["loss"], "reason": "Too | wrong.", "evidence": "ab12",
    ...          "judged_at": "2026-04-09T03:59:59Z", "services": [], "unreached": []}
    >>> print(text({"incident": "2026-04-09-credit-ab12", "entries": [first]}).splitlines()[2])
    credit&#64;1.0.0 was made disabled by automation: Too \| wrong.
    """
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    first, *later = told["entries"]
    yield f"# Incident {escape(told['incident'])}"
    yield ""
    identity = escape(f"{first['model']}@{first['version']}")
    yield f"{identity} was made {escape(first['state'])} by {escape(first['by'])}: {escape(first['reason'], 500)}"
    yield ""
    yield f"Severely broken: {escape(', '.join(first['rules']), 500)}. Evidence: {escape(first['evidence'])}."
    yield ""
    rows = [[first[name], says, ""] for name, says in _MOMENTS if first.get(name)]
    for service in first["services"]:
        rows.append([service["at"], f"the service at {service['url']} answered", service["problem"]])
    for entry in later:
        rows.append(_later(entry))
    yield table(["When (UTC)", "What", "Note"], rows)
    if first["unreached"]:
        yield ""
        yield "Not reached:"
        yield ""
        yield from (f"- {escape(sentence, 500)}" for sentence in first["unreached"])
    yield ""
    entries = ", ".join(str(entry["entry"]) for entry in told["entries"])
    yield f"Entries of the ledger: {entries}. This page is made from them and proves nothing by itself."


def _later(entry: Mapping[str, Any]) -> list[str]:
    if entry["event"] == "receipts":
        missing = [f"{name}: {', '.join(entry[key])}" for key, name in (
            ("late", "late"), ("lost", "lost"), ("never_seen", "never seen")) if entry[key]]
        if not entry["acknowledged"] and not missing:
            return [entry["at"], "no instance sends heartbeats, so there are no receipts", " ".join(entry["problems"])]
        word = "confirmed" if entry["confirmed"] else "not confirmed"
        note = "; ".join([*missing, *entry["problems"]])
        return [entry["last_receipt_at"] or entry["at"], f"{word}: {entry['acknowledged']} acknowledged, the last then", note]
    if entry["event"] == "switched-on":
        until = f"until {entry['until']}, by breaking the glass" if entry["until"] else ""
        return [entry["on_at"], f"switched on: asked by {entry['requested_by']}, approved by {entry['approved_by']}", until]
    return [entry["at"], entry["event"].replace("-", " "), str(entry.get("says", ""))]
