"""What a person sees of the switch in the terminal: who may serve, what waits, where a stop has arrived, and drills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.printing import say


def switch(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print which models may serve, and below what hangs on them."""
    table = Table(expand=True)
    for name in ("Model", "State", "Since, by"):
        table.add_column(name, no_wrap=True)
    table.add_column("Reason", ratio=1, min_width=20)
    for row in rows:
        style = "green" if row["state"] == "active" else "bold red"
        since = str(row.get("since") or "")[:16].replace("T", " ")
        told = "\n".join(part for part in (since, str(row.get("by") or "")) if part)
        table.add_row(
            Text(f"{row['model']}@{row['version']}"),
            Text(row["state"], style=style),
            Text(told),
            Text(str(row.get("reason") or "")),
        )
    console.print(table)
    for sentence in dict.fromkeys(sentence for row in rows for sentence in _hangs_on(row)):
        say(console, sentence)


def _hangs_on(row: Mapping[str, Any]) -> Iterator[str]:
    identity, lease = f"{row['model']}@{row['version']}", row.get("lease")
    if lease:
        word = "lapsed on" if lease["lapsed"] else "ends on"
        more = f", extended by {lease['extended_by']}" if lease["extended_by"] else ""
        half = " Half of it is over." if lease["half_over"] and not lease["lapsed"] else ""
        yield f"Lease of {identity}: {word} {_minute(lease['until'])}{more}.{half}"
    for term in row.get("terms") or ():
        if term["until"]:
            yield f"The glass of {term['scope']} is broken until {_minute(term['until'])}; then it is {term['then_state']}."
        elif term["review_by"]:
            yield f"The stop of {term['scope']} is to be looked at again by {term['review_by']}{': DUE' if term['due'] else ''}."
    for one in row.get("requests") or ():
        yield f"Waits for a Guardian: {_request(one)}"
    found = row.get("proof")
    if found:
        told = f"Last stop of {found['scope']} ({_minute(found['since'])}, entry {found['fence']})"
        if not found["receipts"]:
            yield f"{told}: no instance sends heartbeats, so nothing is proven beyond this host and its STOP files."
            return
        yield f"{told}: {'confirmed' if found['confirmed'] else 'NOT confirmed'}."
        for one in found["receipts"]:
            yield f"  {one['word']}: {one['instance']}, heard at {one['seen_at'][:19].replace('T', ' ')} UTC"


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _request(one: Mapping[str, Any]) -> str:
    act = "break the glass of" if one["act"] == "break-glass" else "switch on"
    signed = "signed" if one["signed"] else "not signed"
    until = _minute(one["expires_at"])
    return f"{one['id']}, {one['requested_by']} asks to {act} {one['scope']} ({signed}, until {until}): {one['reason']}"


def requests(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Print the requests that wait."""
    for one in found:
        say(console, _request(one))
    if not found:
        say(console, "Nothing waits for an approval.")


def drill(console: Console, found: Any) -> None:
    """Print a drill: green or red, the seconds, and what was not as it must be."""
    console.print(Text("GREEN" if found.green else "RED", style="bold green" if found.green else "bold red"))
    for place, ms in found.refused.items():
        say(console, f"Refused {'on this host' if place == 'here' else f'by {place}'} after {ms / 1000:.2f} s.")
    told = ", ".join(f"{len(names)} {word}" for word, names in found.instances.items() if names)
    say(console, f"Instances: {told}." if told else "No instance sends heartbeats, so no receipts were waited for.")
    for sentence in found.enabling:
        say(console, f"Refused to switch on: {sentence}")
    for sentence in found.problems:
        say(console, f"WRONG: {sentence}")
