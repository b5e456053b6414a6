"""What a language model finds of people's names, and what it takes for one, on the planted texts of the tests.

Run: ``python benchmarks/names.py MODEL`` with the extra ``pii`` and the name or path of a spaCy pipeline. The texts go through
`checks.privacy.inside` in its own process, as at night. Prints the tables of docs/privacy.md, and how often the policies' rule
would warn of a column of cells that are wrongly taken for names at such a rate.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks.intervals import wilson
from checks.isolation import ask
from checks.privacy import language, names
from tests.checks.privacy import planted

EACH = 400
LIMIT = 0.10
RATES = (0.01, 0.02, 0.04, 0.05, 0.06, 0.08, 0.15)


def told(model: str, groups: Sequence[Sequence[str]]) -> tuple[list[float], float]:
    """Return the share of each group's texts that hold a name, and how many texts a second were read, the start included."""
    files = language.files_of(model, Path.cwd())
    keys = {f"part {place}": name for place, name in enumerate(files)}
    texts = [text for group in groups for text in group]
    began = time.perf_counter()
    handed = {key: files[name] for key, name in keys.items()}
    answer = ask(names.JOB, {"named": keys}, {"cells": pa.table({"text": texts})}, handed, names.LIMITS)
    seconds, at, shares = time.perf_counter() - began, 0, []
    found = answer.tables["told"].column("name").to_pylist()
    for group in groups:
        shares.append(sum(found[at : at + len(group)]) / len(group))
        at += len(group)
    print(f"{answer.values}  digest {language.digest_of_files(files)}  {answer.peak_memory >> 20} MB")
    return shares, len(texts) / seconds


def _upper(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def _lower(texts: Sequence[str]) -> list[str]:
    return [text.lower() for text in texts]


def warns(rate: float, cells: int) -> float:
    """Return how often the upper end of the interval lies beyond the limit, if so many cells are drawn and judged so wrongly."""
    least = next(k for k in range(cells + 1) if wilson(k, cells).high > LIMIT)
    return float(binom.sf(least - 1, cells, rate))


def main(model: str) -> None:
    forms = ("as it is", "in capitals", "in small letters")
    named = {f"{one}, in a note": planted.notes(one, EACH) for one in planted.PEOPLE}
    named |= {f"{one}, alone": planted.people(one, EACH) for one in planted.PEOPLE}
    groups = [[*named.values()], [*planted.DECOYS.values()]]
    shares, speed = told(model, [form(texts) for kind in groups for texts in kind for form in (list, _upper, _lower)])
    print(f"{speed:,.0f} texts/s")
    for title, kind in (("names found", named), ("no name, taken for one", planted.DECOYS)):
        print(f"\n| {title} | texts | {' | '.join(forms)} |\n|---|---|---|---|---|")
        for name, texts in kind.items():
            here, shares = shares[:3], shares[3:]
            print(f"| {name} | {len(texts)} | " + " | ".join(f"{share:.3f}" for share in here) + " |")
    print("\n| cells taken for a name | " + " | ".join(f"{n} cells" for n in (200, 500)) + " |\n|---|---|---|")
    for rate in RATES:
        print(f"| {rate:.0%} | " + " | ".join(f"{warns(rate, n):.4f}" for n in (200, 500)) + " |")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python benchmarks/names.py MODEL")
    main(sys.argv[1])
