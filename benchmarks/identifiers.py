"""Identifiers in a million free-text notes, beside presidio's patterns on a sample of them, in one run.

Usage: python benchmarks/identifiers.py [--rows 1000000] [--sample 2000] [--hits 0.05]

Notes of a call centre, of which a share holds an identifier of one of six kinds; the rest hold order numbers, dates, times and
versions. What is timed is `checks.identifiers.find` on the whole column, and presidio-analyzer with its pattern recognisers alone
(no language model) on the sample, if it is installed; else it is skipped by name. The recall of both is counted on the sample.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checks.identifiers import find, redact_all
from tests.checks.identifiers.planted import DECOYS, PLANTED, in_text

KINDS = ("e-mail", "IBAN", "card number", "phone number", "US social security number", "IP address")


def notes(rows: int, share: float, seed: int = 20261122) -> tuple[list[str], list[str]]:
    """Return texts, and the identifier in each or nothing; beyond 50,000 different ones they come again with other numbers."""
    r = random.Random(seed)
    texts, planted = [], []
    for _ in range(min(rows, 50_000)):
        if r.random() < share:
            value = PLANTED[r.choice(KINDS)][1](r)
            texts.append(in_text(r, value))
            planted.append(value)
        else:
            texts.append(DECOYS["prose_order" if r.random() < 0.7 else "prose"](r))
            planted.append("")
    return texts, planted


def presidio(texts: list[str], planted: list[str]) -> tuple[float, float] | None:
    """Return seconds and recall of presidio's patterns, or None if it is not installed."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        return None
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    # It would download the list of public suffixes at its first address otherwise.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    nothing = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
    nothing.load()
    engine = AnalyzerEngine(nlp_engine=nothing, supported_languages=["en"])
    engine.analyze(texts[0], "en")
    started, found = time.perf_counter(), 0
    for text, value in zip(texts, planted, strict=True):
        spans = [(one.start, one.end) for one in engine.analyze(text, "en")]
        at = text.find(value) if value else -1
        found += at >= 0 and any(start <= at + 2 and end >= at + len(value) - 2 for start, end in spans)
    return time.perf_counter() - started, found / max(1, sum(map(bool, planted)))


def main() -> None:
    """Print rows a second, their ratio and the recall."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=2_000)
    parser.add_argument("--hits", type=float, default=0.05)
    given = parser.parse_args()
    texts, planted = notes(given.rows, given.hits)
    with duckdb.connect(config={"threads": 2}) as con:
        con.register("written", pa.table({"v": texts, "n": range(len(texts))}))
        times = max(1, given.rows // len(texts))
        con.execute(f"create table notes as select v || ' no ' || r.i as v from written, range({times}) r(i)")
        rows = con.execute("select count(*) from notes").fetchall()[0][0]
        started, busy = time.perf_counter(), time.process_time()
        found = find(con, "notes", {"v": "VARCHAR"})[0]
        wall, cpu = time.perf_counter() - started, time.process_time() - busy
    print(f"find      {rows:>10,} rows  {wall:8.2f} s wall  {cpu:8.2f} s CPU  {rows / wall:>12,.0f} rows/s")
    print(f"          rows with an identifier: {found.rows:,} of {times * sum(map(bool, planted)):,} planted")
    sample, truth = texts[: given.sample], planted[: given.sample]
    left = redact_all(sample)
    gone = sum(value not in text for value, text in zip(truth, left, strict=True) if value)
    print(f"          recall on the sample: {gone / max(1, sum(map(bool, truth))):.3f}")
    other = presidio(sample, truth)
    if other is None:
        print("presidio  skipped: presidio-analyzer is not installed")
        return
    seconds, recall = other
    speed = len(sample) / seconds
    print(f"presidio  {len(sample):>10,} rows  {seconds:8.2f} s wall  {'':14}  {speed:>12,.0f} rows/s   recall {recall:.3f}")
    print(f"ratio     {rows / wall / speed:.0f}")


if __name__ == "__main__":
    main()
