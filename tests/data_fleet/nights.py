"""The table of expected outcomes in data/README.md, read as it stands there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from tests.data_fleet.independent import DATA

_CELL = re.compile(r"\s*\|\s*")


@dataclass(frozen=True)
class Outcome:
    """One line: what a night must find about one part of one model's data."""

    night: date
    model: str
    verdict: str
    metric: str
    over: str
    value: float
    digits: int
    finding: str

    def __str__(self) -> str:
        return f"{self.night} {self.model} {self.metric} {self.over}".strip()


def outcomes() -> list[Outcome]:
    """Return the lines of the table, in order. An empty cell means: as above."""
    found: list[Outcome] = []
    night = model = verdict = ""
    for line in (DATA / "README.md").read_text(encoding="utf-8").splitlines():
        cells = _CELL.split(line.strip())[1:-1]
        if len(cells) != 7 or not re.fullmatch(r"`\w+\.\w+`", cells[3]):
            continue
        night, model, verdict = cells[0] or night, cells[1] or model, cells[2] or verdict
        digits = len(cells[5].partition(".")[2])
        metric, over = cells[3].strip("`"), cells[4]
        found.append(Outcome(date.fromisoformat(night), model, verdict, metric, over, float(cells[5]), digits, cells[6]))
    return found
