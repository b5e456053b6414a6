"""Which columns stand in for a protected attribute: how well the inputs tell it, and how much of the score those carry.

A model that does not read an attribute may read it off the other columns. Of each declared attribute this says:

- `explainability.proxy_strength`: of two people of different groups, how often the other inputs tell which is which. 0.5 is
  chance, 1 is always (`checks.explainability.telling`).
- `explainability.proxy_column`: the part of that, above chance, that is lost when the values of one column are exchanged between
  people. Parts need not add up to 1: of two columns that say the same, either can stand in for the other. So `details` hold how
  well the column tells the attribute alone, too.
- `explainability.proxy_score_share`: what each column decides of the score (`explainability.importance`), weighted by how well
  that column alone tells the attribute (twice the area under the ROC curve, less 1), added up over all columns. 0 where the
  columns that decide tell nothing of the attribute; 1 where all that decides tells it without a doubt.

An input that is the attribute itself is left out of all three, and `details["input_itself"]` names it: it is no proxy but the
thing. People without the attribute, or outside its bins, are left out and counted. Only the reference is looked at, so the
answer is kept until the reference changes.

Examples
--------
>>> from checks.explainability.proxies import measure
>>> measurements = measure(subject, importances)            # doctest: +SKIP
"""

from __future__ import annotations

import importlib.metadata
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from checks.counts import MISSING, OUTSIDE, group
from checks.explainability.encoding import Encoding, Numbers, encoding_of, keys
from checks.explainability.sample import sample
from checks.explainability.telling import Codes, Told, interval_of, spread, tell
from checks.intervals import CONFIDENCE, by_influence, normal_quantile
from checks.subject import Subject
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement, Status, not_measured
from roadworthy.passport import Passport, Protected
from roadworthy.sql import quote

STRENGTH, COLUMN, SHARE = METRICS = (
    "explainability.proxy_strength", "explainability.proxy_column", "explainability.proxy_score_share",
)
VERSION = 1
"""Counts up when the same reference would give another answer."""
ROWS = 4_000
CELLS = 1_000_000
"""Rows times columns of the sample."""
LEAST_ROWS = 20
"""Rows of a group below which it is told together with other small ones."""
MOST_GROUPS = 6
"""Groups that are told apart; of more, the smallest are one."""
_KEPT = "proxies"
_OTHERS = "(smaller groups)"


@dataclass(frozen=True)
class _People:
    """The rows that belong to a group.

    Attributes
    ----------
    rows : ndarray of int
        Their places in the sample.
    codes : ndarray of int
        Their groups, as places in `names`.
    names : list of str
    left_out : dict of str to int
        Rows in no group, by why; and of groups too small to be told.
    joined : list of str
        Groups that are told as one.
    """

    rows: Codes
    codes: Codes
    names: list[str]
    left_out: dict[str, int]
    joined: list[str]


def measure(subject: Subject, importances: Sequence[Measurement]) -> list[Measurement]:
    """Measure the proxies of every protected attribute.

    Parameters
    ----------
    subject : checks.subject.Subject
    importances : sequence of Measurement
        What each column decides of the score; other metrics among them are not read.

    Returns
    -------
    list of Measurement
        Of each attribute its strength, up to five columns, and its share of the score. Nothing in the data raises: what
        cannot be measured has a status and a reason.
    """
    passport, reference = subject.passport, subject.reference
    if not passport.protected:
        said = f"The passport declares no protected attribute: {passport.no_protected_because}"
        return [not_measured(metric, "not_applicable", said) for metric in METRICS]
    if not reference:
        status: Status = "error" if reference.broken else "insufficient"
        return [not_measured(metric, status, reference.problem) for metric in METRICS]
    decides = {str(m.over["column"]): m for m in importances if m.metric == "explainability.importance" and m.over}
    key = _key(subject, decides)
    kept = subject.kept.get(_KEPT, key) if subject.kept is not None else None
    if kept is not None:
        return [Measurement.from_dict(one) for one in kept]
    found = _measure(subject, decides)
    if subject.kept is not None and any(m.value is not None for m in found):
        subject.kept.put(_KEPT, key, [m.as_dict() for m in found])
    return found


def _key(subject: Subject, decides: dict[str, Measurement]) -> dict[str, Any]:
    """Return everything that the answer depends on."""
    passport = subject.passport
    return {
        "reference": subject.reference.digest,
        "features": list(passport.features),
        "protected": [p.model_dump(mode="json") for p in passport.protected],
        "independence": passport.independence.model_dump(mode="json"),
        "glossary": passport.glossary,
        "importances": {name: [m.value, m.low, m.high, m.details.get("high_alone")] for name, m in decides.items()},
        "seed": subject.seed,
        "version": VERSION,
        "scikit-learn": importlib.metadata.version("scikit-learn"),
    }


def _measure(subject: Subject, decides: dict[str, Measurement]) -> list[Measurement]:
    passport, reference = subject.passport, subject.reference
    inputs = {"reference": reference.digest}
    there = [p for p in passport.protected if p.column in reference.columns]
    read = keys(passport.features, reference.columns)
    wanted = {**read, **{f"g{i}": group(p) for i, p in enumerate(there)}}
    unit = passport.independence.column if passport.independence.unit != "row" else None
    if unit in reference.columns:
        wanted["unit"] = f"cast({quote(str(unit))} as varchar)"
    try:
        drawn = sample(subject, reference, wanted, max(1, min(ROWS, CELLS // max(1, len(read)))))
        encoding = encoding_of(drawn, passport.features, reference.columns)
        x = encoding.matrix(drawn)
    except DataError as problem:
        return [not_measured(metric, "error", problem.sentence, inputs=inputs) for metric in METRICS]
    found = []
    for protected in passport.protected:
        if protected not in there:
            found += _none(protected, "insufficient", f"The reference has no column '{protected.column}'.", inputs)
            continue
        people = _people(drawn.column(f"g{there.index(protected)}"))
        units = _units(drawn.column("unit"), people) if "unit" in wanted else None
        try:
            one = _Attribute(passport, protected, people, units, encoding, x, subject.seed)
        except DataError as problem:
            found += _none(protected, "insufficient", problem.sentence, inputs)
            continue
        found += [one.strength(inputs), *one.columns(inputs), one.score_share(decides, inputs)]
    return found


def _none(protected: Protected, status: Status, reason: str, inputs: dict[str, str]) -> list[Measurement]:
    over = {"attribute": protected.name}
    return [not_measured(metric, status, reason, over=over, inputs=inputs) for metric in METRICS]


def _people(values: pa.ChunkedArray) -> _People:
    """Return who belongs to which group, the largest first; small groups are one."""
    words = values.to_pylist()
    counts = Counter(words)
    left_out = {name: counts.pop(name) for name in (MISSING, OUTSIDE) if name in counts}
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    apart = [name for name in ranked[:MOST_GROUPS] if counts[name] >= LEAST_ROWS]
    joined = [name for name in ranked if name not in apart]
    rest = sum(counts[name] for name in joined)
    names = [*apart, _OTHERS] if rest >= LEAST_ROWS else apart
    if 0 < rest < LEAST_ROWS:
        left_out[_OTHERS] = rest
    place = {name: i for i, name in enumerate(apart)} | (dict.fromkeys(joined, len(apart)) if rest >= LEAST_ROWS else {})
    if len(joined) == 1 and len(names) > len(apart):
        names[-1] = joined[0]
    codes = np.array([place.get(word, -1) for word in words], dtype=np.int64)
    rows = np.flatnonzero(codes >= 0)
    return _People(rows, codes[rows], names, left_out, joined if len(joined) > 1 else [])


def _units(values: pa.ChunkedArray, people: _People) -> Codes:
    """Return the unit of each person; a row without one is a unit of its own."""
    words = np.array([f"row {i}" if word is None else f"unit {word}" for i, word in enumerate(values.to_pylist())], dtype=object)
    return np.asarray(np.unique(words[people.rows].astype(str), return_inverse=True)[1], dtype=np.int64)


class _Attribute:
    """One attribute and how well its groups are told; raises DataError where that cannot be asked."""

    def __init__(
        self, passport: Passport, protected: Protected, people: _People, units: Codes | None, encoding: Encoding, x: Numbers,
        seed: int,
    ) -> None:
        if len(people.names) < 2:
            raise DataError(f"Fewer than two groups of '{protected.name}' have {LEAST_ROWS} rows in the reference.")
        self.passport, self.protected, self.people = passport, protected, people
        places = [i for i, name in enumerate(encoding.columns) if name != protected.column]
        if not places:
            raise DataError(f"The model reads no column besides '{protected.name}' that varies and can be read.")
        self.names = [list(encoding.columns)[i] for i in places]
        categorical = encoding.categorical[places]
        self.told: Told = tell(x[people.rows][:, places], categorical, people.codes, units, seed)
        self.codes = people.codes[self.told.asked]
        self.units = None if units is None else units[self.told.asked]
        self.interval = interval_of(self.told.together, self.codes, self.units)
        self.unread = len(encoding.unread)

    @property
    def stats(self) -> dict[str, int]:
        """Rows asked about of the smallest group, and of all others."""
        smallest = int(np.bincount(self.codes).min())
        return {"positives": smallest, "negatives": len(self.codes) - smallest}

    @property
    def _area(self) -> str:
        several = len(self.people.names) > 2
        return "area under the ROC curve" + (", each group against all others, weighted by its share" if several else "")

    @property
    def _short(self) -> str:
        return "mean AUC of the groups" if len(self.people.names) > 2 else "AUC"

    def strength(self, inputs: dict[str, str]) -> Measurement:
        """Return how well the other columns together tell the groups."""
        value, n, title = self.told.together.value, len(self.codes), self.passport.word(self.protected.column)
        own = self.protected.column in self.passport.features
        others = "The other inputs" if own else "The inputs"
        said = (
            f"{others} tell '{title}' about {100 * value:.0f} times of 100 for two people of different groups, where 50 is "
            f"chance ({self._area}: {value:.2f}, {100 * CONFIDENCE:.0f} % interval {self.interval.low:.2f} to "
            f"{self.interval.high:.2f}, n = {n:,})."
        )
        if own:
            said += f" '{title}' is an input itself, and there is no stronger proxy than that."
        details: dict[str, Any] = {
            "sentence": said,
            "groups": {
                name: int((self.codes == code).sum()) for code, name in enumerate(self.people.names)
            },
            "learned_from": len(self.told.learned),
            "columns": len(self.names),
            "unread": self.unread,
            "input_itself": self.protected.column if own else None,
            "left_out": self.people.left_out,
            "joined": self.people.joined,
        }
        method = f"gradient-boosted trees on the other inputs, asked about rows not learned from; {self._area}; "
        return Measurement(
            STRENGTH, {"attribute": self.protected.name}, value, self.interval.low, self.interval.high, CONFIDENCE, None, n,
            self.stats, method + f"{self.interval.method} interval", inputs, details=details,
        )

    def columns(self, inputs: dict[str, str]) -> list[Measurement]:
        """Return the part that each of the columns carries which go furthest with the answer."""
        over = {"attribute": self.protected.name}
        if self.interval.low <= 0.5:
            said = f"The other inputs do not surely tell '{self.protected.name}' better than chance, so no column is named."
            return [not_measured(COLUMN, "not_applicable", said, over=over, inputs=inputs)]
        together, found = self.told.together, []
        for place, exchanged in self.told.without.items():
            above = together.value - 0.5
            part = (together.value - exchanged.value) / above
            influence = (together.influence - exchanged.influence - part * together.influence) / above
            squares, n = spread(influence, self.codes, self.units)
            interval = by_influence(part, squares, n)
            low, value, high = (min(1.0, max(0.0, end)) for end in (interval.low, part, interval.high))
            alone = self.told.alone[place]
            of_alone = interval_of(alone, self.codes, self.units)
            column, title = self.names[place], self.passport.word(self.names[place])
            said = (
                f"'{title}' carries about {100 * value:.0f} % of what the inputs tell of '{self.protected.name}' "
                f"(loss of {self._short} above 0.5 when its values are exchanged between people, n = {len(self.codes):,}); "
                f"alone it tells it {100 * alone.value:.0f} times of 100."
            )
            details = {"sentence": said, "alone": alone.value, "alone_low": of_alone.low, "alone_high": of_alone.high}
            found.append(Measurement(
                COLUMN, {**over, "column": column}, value, low, high, CONFIDENCE, None, len(self.codes), self.stats,
                f"loss of {self._short} above 0.5 when the column is exchanged; delta-method interval", inputs, details=details,
            ))
        if not found:
            said = "No single column goes with what the inputs tell."
            found.append(not_measured(COLUMN, "insufficient", said, over=over, inputs=inputs))
        return sorted(found, key=lambda m: -(m.value or 0.0))

    def score_share(self, decides: dict[str, Measurement], inputs: dict[str, str]) -> Measurement:
        """Return how much of what decides the score tells the attribute."""
        over = {"attribute": self.protected.name}
        known = {name: m for name, m in decides.items() if m.value is not None}
        if not known:
            why = next((m.reason for m in decides.values() if m.reason), "It is not known what decides the score.")
            return not_measured(SHARE, "insufficient", why, over=over, inputs=inputs)
        total = max(1.0, sum(m.value or 0.0 for m in known.values()))
        value, doubt, influence, carried = 0.0, 0.0, np.zeros(len(self.codes)), list[tuple[float, str]]()
        for name, alone in zip(self.names, self.told.alone, strict=True):
            m = known.get(name)
            if m is None or m.value is None:
                continue
            tells = 2 * alone.value - 1
            value += tells * m.value / total
            influence += 2 * alone.influence * m.value / total
            doubt += abs(tells) * _error(m) / total
            carried.append((tells * m.value / total, name))
        squares, n = spread(influence, self.codes, self.units)
        interval = by_influence(value, squares + doubt**2, n)
        low, shown, high = (min(1.0, max(0.0, end)) for end in (interval.low, value, interval.high))
        own = known.get(self.protected.column)
        top = sorted(carried, key=lambda one: (-one[0], one[1]))[:3]
        title = self.passport.word(self.protected.column)
        said = (
            f"Of what decides the score, {100 * shown:.0f} % lies in columns as far as they tell '{title}' (importance of each "
            f"column times 2 AUC - 1 of the column alone, n = {len(self.codes):,})"
        )
        named = [f"'{self.passport.word(name)}'" for part, name in top if part > 0.005]
        said += f", most of it in {' and '.join(named[:2])}." if named and shown > 0.01 else "."
        if own is not None and own.value is not None:
            said += f" '{title}' itself is an input and decides {100 * own.value:.0f} % of the score."
        details = {
            "sentence": said,
            "columns": {name: max(0.0, part) for part, name in top},
            "input_itself": self.protected.column if self.protected.column in self.passport.features else None,
            "own_importance": own.value if own is not None else None,
            "importance_unknown": sorted(set(self.names) - set(known)),
        }
        method = (
            "sum over the other inputs of their importance for the score times 2 AUC - 1 of the column alone for the attribute; "
            "delta-method interval, with that of the importances"
        )
        return Measurement(
            SHARE, over, shown, low, high, CONFIDENCE, None, len(self.codes), self.stats, method, inputs, details=details
        )


def _error(m: Measurement) -> float:
    """Return the standard error of an importance: of the column exchanged alone, which its upper end leaves behind."""
    if m.low is None or m.high is None:
        return 0.0
    high = float(m.details.get("high_alone", m.high))
    return max(0.0, high - m.low) / (2 * normal_quantile(m.confidence or CONFIDENCE)) if math.isfinite(high) else 0.0
