"""A closer look at the columns that moved, for a person: an Evidently report on a sample.

Runs only where columns are alarmed, for those columns only. It leaves two files in the restricted store, a page to open and a
snapshot that an Evidently workspace of the user can show, and a measurement that names them and holds no row. It decides
nothing: Evidently judges each sample by rules of its own, with which the policy has nothing to do.

Examples
--------
>>> from checks.drift.drill_down import drill_down
>>> measurements = drill_down(subject, ["wind_speed"], workspace.restricted)            # doctest: +SKIP
"""

from __future__ import annotations

import json
import logging
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from checks.drift.plan import kind_of, number_sql
from checks.explainability.encoding import numbers
from checks.explainability.sample import sample
from checks.restricted import folder_of, write
from checks.subject import Subject, Table
from roadworthy.canonical import digest_bytes
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.sql import quote

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("drift.drill_down",)
ROWS = 5_000
MOST_COLUMNS = 12
MOST_CATEGORIES = 50
LEAST_VALUES = 20
"""Values of a column in either sample below which there is nothing to look at."""
_SMALL_CELL = 5
_RARE = "(rare)"
_LONGEST = 60
_MADE_UP = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}")


def drill_down(subject: Subject, columns: Sequence[str], restricted: Path) -> list[Measurement]:
    """Write report and snapshot of the columns that moved, and say where they lie.

    Parameters
    ----------
    subject : checks.subject.Subject
    columns : sequence of str
        Those that are alarmed; at most 12 of them are looked at, the first ones.
    restricted : pathlib.Path
        Folder of what holds rows. The files lie in ``model=.../version=.../date=.../drill-down/`` under it, named by the
        SHA-256 of their bytes; folders are made with mode 0700, files with 0600.

    Returns
    -------
    list of Measurement
        One, ``drift.drill_down``: 1 if every column looked at is shown, 0 if one has nothing that could be (no values, lists),
        with the reason under ``not_shown``; and the files' paths relative to `restricted`, their digests, the rows drawn and the
        columns. Where a table is missing, or Evidently or the disk fails, the reason instead; nothing raises.

    Notes
    -----
    Of baseline and batch at most 5,000 rows each are drawn. Evidently writes names and words into its page as they are, so
    markup in them is taken apart first; words of fewer than 5 rows are one word, ``(rare)``.
    """
    inputs = {t.role: t.digest for t in (subject.baseline, subject.batch) if t.digest}
    for table in (subject.batch, subject.baseline):
        if not table:
            status: Status = "error" if table.broken else "insufficient"
            return [not_measured(METRICS[0], status, table.problem, inputs=inputs)]
    looked_at = list(dict.fromkeys(columns))[:MOST_COLUMNS]
    try:
        before, after, words, why_not = _frames(subject, looked_at)
        written: dict[str, Path] = {}
        if not before.columns.empty:
            files = _report(subject, before, after, words)
            folder = folder_of(subject, restricted, "drill-down")
            written = {ending: write(folder, content, ending) for ending, content in files.items()}
    except BaseException as problem:  # Evidently derives an exception of its own from BaseException
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            raise
        logging.getLogger(__name__).exception("the drill-down of %s could not be made", subject.passport.id)
        # The exception's own text may hold a value of a row.
        said = f"It ended with {type(problem).__name__}; the log says more."
        said = problem.sentence if isinstance(problem, DataError) else said
        return [not_measured(METRICS[0], "error", f"The drill-down could not be made. {said}", inputs=inputs)]
    named = {"html": "page", "json": "snapshot"}
    details: dict[str, Any] = {
        **{named[e]: {"path": str(path.relative_to(restricted)), "sha256": path.stem} for e, path in written.items()},
        "columns": [name for name in looked_at if name not in why_not],
        "not_shown": why_not,
        "left_out": len(set(columns)) - len(looked_at),
        "rows": {"baseline": min(subject.baseline.rows, ROWS), "batch": min(subject.batch.rows, ROWS)},
        "seed": subject.seed,
    }
    method = "Evidently's drift preset on a seeded sample; for people to look at, decides nothing"
    return [Measurement(
        METRICS[0], {}, float(not why_not), n=min(details["rows"].values()), method=method, inputs=inputs, details=details,
    )]


def _frames(subject: Subject, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame, list[str], dict[str, str]]:
    """Return samples of baseline and batch, which of their columns hold words, and why the other columns are not shown."""
    import pandas as pd

    tables = (subject.baseline, subject.batch)
    asked: dict[str, list[str]] = {}
    why_not: dict[str, str] = {}
    for name in columns:
        kinds = [kind_of(table.columns[name]) if name in table.columns else "" for table in tables]
        sql = [_sql(name, table) if kind else None for table, kind in zip(tables, kinds, strict=True)]
        lacking = next((table.role for table, kind in zip(tables, kinds, strict=True) if not kind), None)
        if lacking:
            why_not[name] = f"The {lacking} has no column '{name}'."
        elif "empty" in kinds:
            why_not[name] = f"'{name}' holds no value in the {tables[kinds.index('empty')].role}."
        elif None in sql:
            why_not[name] = f"'{name}' holds neither numbers nor words."
        elif (kinds[0] in _WORDS) != (kinds[1] in _WORDS):
            why_not[name] = f"'{name}' holds words in one table and numbers in the other."
        else:
            asked[name] = [str(one) for one in sql]
    if not asked:
        return pd.DataFrame(), pd.DataFrame(), [], why_not
    drawn = [
        sample(subject, table, {f"c{i}": both[side] for i, both in enumerate(asked.values())}, ROWS)
        for side, table in enumerate(tables)
    ]
    before, after, words = pd.DataFrame(index=range(drawn[0].num_rows)), pd.DataFrame(index=range(drawn[1].num_rows)), list[str]()
    shown = dict(zip(asked, plain_names(list(asked)), strict=True))
    for i, name in enumerate(asked):
        sides = [rows.column(f"c{i}") for rows in drawn]
        of_words = kind_of(subject.batch.columns[name]) in _WORDS
        made = _words(sides) if of_words else [numbers(side) for side in sides]
        pair = [pd.Series(one, dtype=object if of_words else float) for one in made]
        if min(int(one.notna().sum()) for one in pair) < LEAST_VALUES:
            why_not[name] = f"A sample holds fewer than {LEAST_VALUES} values of '{name}'."
            continue
        before[shown[name]], after[shown[name]] = pair
        words += [shown[name]] if of_words else []
    return before, after, words, why_not


_WORDS = ("text", "truth")


def _sql(name: str, table: Table) -> str | None:
    kind = kind_of(table.columns[name])
    if kind in _WORDS:
        return f"cast({quote(name)} as varchar)"
    if kind in ("other", "empty"):
        return None
    return number_sql(name, table.columns[name])


def _words(sides: Sequence[pa.ChunkedArray]) -> list[list[str | None]]:
    """Return the words of both samples, cleaned, with all but the frequent ones as one."""
    values = [side.to_pylist() for side in sides]
    counts = [Counter(word for word in side if word is not None) for side in values]
    often = [word for word in counts[0] | counts[1] if max(count[word] for count in counts) >= _SMALL_CELL]
    kept = sorted(often, key=lambda word: (-sum(count[word] for count in counts), word))[:MOST_CATEGORIES]
    shown = dict(zip(kept, plain_names(kept), strict=True))
    return [[None if word is None else shown.get(word, _RARE) for word in side] for side in values]


def plain_names(names: Sequence[str]) -> list[str]:
    """Return names without markup and control characters, short, and all different.

    Examples
    --------
    >>> plain_names(["age", "<b>x</b>", "‹b›x‹/b›"])
    ['age', '‹b›x‹/b›', '‹b›x‹/b› (2)']
    """
    found: dict[str, None] = {}
    for name in names:
        text = "".join(_SAFE.get(c, c) if unicodedata.category(c)[0] != "C" else " " for c in name).strip() or "(blank)"
        text = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
        number, shown = 1, text
        while shown in found:
            number += 1
            shown = f"{text} ({number})"
        found[shown] = None
    return list(found)


_SAFE = {"<": "‹", ">": "›", "&": "＆", '"': "”", "'": "’", "\\": "∖", "`": "’"}


def _report(subject: Subject, before: pd.DataFrame, after: pd.DataFrame, words: list[str]) -> dict[str, bytes]:
    """Return page and snapshot of Evidently's report, by the ending of their files."""
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently reads it each time before it would send
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        names = list(before.columns)
        declared = DataDefinition(
            numerical_columns=[name for name in names if name not in words],
            categorical_columns=words,
        )
        current, reference = (Dataset.from_pandas(frame, data_definition=declared) for frame in (after, before))
        passport = subject.passport
        report = Report([DataDriftPreset(columns=names)], metadata={"model": passport.id, "day": subject.day.isoformat()})
        run = report.run(
            current, reference, timestamp=datetime.combine(subject.day, time()), name=f"{passport.id} {subject.day.isoformat()}",
            tags=["drill-down"],
        )
        page, snapshot = run.get_html_str(as_iframe=False), json.loads(run.dumps(), parse_float=_rounded)
    return {"html": _same_each_time(page).encode(), "json": _same_each_time(json.dumps(snapshot)).encode()}


def _rounded(text: str) -> float:
    """Return a number to ten digits: Evidently adds up categories in an order that differs between processes."""
    return float(f"{float(text):.10g}")


def _same_each_time(text: str) -> str:
    """Return the text with its made-up ids counted through, so that the same samples give the same bytes."""
    seen: dict[str, str] = {}

    def counted(found: re.Match[str]) -> str:
        made_up = found[0]
        if made_up not in seen:
            digits = digest_bytes(str(len(seen)).encode())[:32]
            with_dashes = f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
            seen[made_up] = with_dashes if "-" in made_up else digits
        return seen[made_up]

    return _MADE_UP.sub(counted, text)
