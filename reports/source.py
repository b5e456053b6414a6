"""A bundle with what every section of a page asks of it at hand: words, evidence ids, limits, and what must be withheld."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reports.numbers import limit_text
from reports.parts import Figure, Line
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import Metric, catalogue
from roadworthy.finding import ORDER, Finding
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit
from roadworthy.sentences import part as part_words

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

FEWEST_PEOPLE = 10

FAMILIES = {
    "data_quality": "Data quality",
    "drift": "Drift",
    "performance": "Performance",
    "estimate": "Performance before labels",
    "fairness": "Fairness",
    "mitigation": "Other ways of deciding",
    "explainability": "What drives the score",
    "cost": "Cost and latency",
    "vendor": "The vendor",
    "endpoint": "The endpoint",
    "privacy": "Privacy",
    "reproducibility": "Reproducibility",
    "artifact": "Artifact and supply chain",
    "access": "Who else could open it",
    "operations": "Operation",
}
#: Families without which a card is not complete; an estimate is an aid where labels come late.
NEEDED = ("data_quality", "drift", "performance", "fairness", "explainability")
_BETTER = {"up": "higher is better", "down": "lower is better", "target": "best near zero", "none": ""}


class Source:
    """A bundle with what every section asks of it at hand.

    Parameters
    ----------
    bundle : roadworthy.evidence.Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.run = bundle.run
        self.passport: Mapping[str, Any] = bundle.run["passport"]
        rules = bundle.run["policy"].get("content", {}).get("rules", [])
        self.against = {rule["id"]: rule.get("against", "absolute") for rule in rules}
        self.families = [f for f in FAMILIES if any(m.metric.startswith(f + ".") for m in bundle.measurements)]
        self.by_part: dict[tuple[str, bytes], list[Finding]] = {}
        for finding in bundle.findings:
            self.by_part.setdefault((finding.metric, canonical_json(finding.over)), []).append(finding)
        self.measured = {(m.metric, canonical_json(m.over)): m for m in bundle.measurements}
        self.few = {
            canonical_json(m.over["group"])
            for m in bundle.measurements
            if m.metric == "fairness.selection_rate" and "group" in m.over and m.n is not None and 0 < m.n < FEWEST_PEOPLE
        }
        # The widest gap of an attribute may be the gap to such a group, and would tell its rate.
        self.few_in = {
            attribute_name(m.over["group"])
            for m in bundle.measurements
            if "group" in m.over and canonical_json(m.over["group"]) in self.few
        }

    def word(self, column: str) -> str:
        """Return the passport's word for a column."""
        return str(self.passport.get("glossary", {}).get(column, column))

    def evidence(self, metric: str) -> str:
        """Return the id of the evidence item that holds a metric."""
        family = metric.partition(".")[0]
        return f"E{self.families.index(family) + 1}" if family in self.families else f"E{len(self.families) + 1}"

    def hides(self, metric: str, over: Mapping[str, Any], n: int | None) -> bool:
        """Say whether a number speaks of so few people that it could point at one of them.

        A share tells two counts, of those who are in it and of those who are not. If either is one to nine people, in the group
        or in the one that it is compared with, it is withheld.
        """
        if "group" not in over:
            gap = metric.startswith("fairness.") and metric.endswith("_difference")
            return gap and str(over.get("attribute")) in self.few_in
        m = self.measured.get((metric, canonical_json(over)))
        cells = [n, *(_cells(m) if m is not None else [])]
        return any(isinstance(x, int) and 0 < x < FEWEST_PEOPLE for x in cells) or canonical_json(over["group"]) in self.few

    def findings(self, metric: str, over: Mapping[str, Any]) -> list[Finding]:
        """Return the findings about one measurement."""
        return self.by_part.get((metric, canonical_json(over)), [])

    def figure(self, m: Measurement | Finding, unit: str | None = None, reason: str = "") -> Figure:
        """Return the number of a measurement or a finding, withheld if it speaks of too few people."""
        hidden = self.hides(m.metric, m.over, m.n)
        confidence, method = (m.confidence, m.method) if isinstance(m, Measurement) else (None, "")
        if isinstance(m, Measurement):
            reason = m.reason
        return Figure(
            value=None if hidden else m.value,
            low=None if hidden else m.low,
            high=None if hidden else m.high,
            confidence=confidence,
            n=None if hidden else m.n,
            unit=unit or catalogue()[m.metric].unit,
            method=method,
            reason="" if hidden else reason,
            hidden=hidden,
            evidence=self.evidence(m.metric),
        )

    def line(self, m: Measurement, title: str | None = None, part: str | None = None) -> Line:
        """Return one metric with its limits and its worst finding."""
        metric = catalogue()[m.metric]
        found = self.findings(m.metric, m.over)
        absolute = [f for f in found if self.against.get(f.rule, "absolute") == "absolute"]
        note = next((self.note(f) for f in found if f.note and f.status != "pass"), "")
        return Line(
            metric=m.metric,
            title=title or metric.title,
            part=part_words(m.over, self.word) if part is None else part,
            better=_BETTER[metric.direction],
            figure=self.figure(m),
            limits=[limit_words(f, metric, self.against.get(f.rule, "absolute")) for f in found],
            ends=[end for f in absolute for end in ends(f.limit)],
            status=worst(found),
            previous=self.previous(m),
            note=note,
        )

    def note(self, finding: Finding) -> str:
        """Return what changed a finding's status, without a number about too few people."""
        if finding.note and self.hides(finding.metric, finding.over, finding.n):
            return "One of its counts is under ten people, so no number is shown."
        return finding.note

    def previous(self, m: Measurement) -> float | None:
        """Return the value of the night before, if the state carried one forward."""
        points = self.bundle.state.get("points", {}).get(f"{m.metric}|{canonical_json(m.over).decode()}", [])
        if self.hides(m.metric, m.over, m.n) or len(points) < 2 or points[-1][0] != self.run["day"]:
            return None
        return float(points[-2][1])


def _cells(m: Measurement) -> list[Any]:
    """Return the counts of people that a measurement of a group tells."""
    found: list[Any] = [m.stats.get("cases_group")]
    for who in ("group", "reference"):
        chosen, cases = m.stats.get(f"selected_{who}"), m.stats.get(f"cases_{who}")
        if isinstance(chosen, int) and isinstance(cases, int):
            found += [chosen, cases - chosen]
    if m.metric.endswith("_rate"):  # a group's own share
        found += [m.stats.get("positives"), m.stats.get("negatives")]
    return found


def worst(findings: Iterable[Finding]) -> str | None:
    """Return the worst status, or None without findings."""
    ranks = [ORDER.index(f.status) for f in findings]
    return ORDER[max(ranks)] if ranks else None


def rank(status: str | None) -> int:
    """Return how bad a status is; no status is the best."""
    return next((i for i, known in enumerate(ORDER) if known == status), -1)


def attribute_name(group: Mapping[str, Any]) -> str:
    """Return the name of an attribute or of a combination."""
    return " × ".join(str(k) for k in group)


def limit_words(finding: Finding, metric: Metric, against: str) -> str:
    """Return the limit of a finding in words, with what it is held against."""
    unit = "difference" if against != "absolute" and metric.unit == "share" else metric.unit
    suffix = {
        "absolute": "",
        "reference": " against the reference",
        "champion": " against the live version",
        "previous": " against the night before",
    }[against]
    return limit_text(finding.limit, unit) + suffix


def ends(limit: str) -> list[float]:
    """Return the ends of a limit as numbers."""
    parsed = Limit.parse(limit)
    return [end for end in (parsed.at_least, parsed.at_most) if end is not None]


def applies(source: Source, finding: Finding) -> bool:
    """Say whether the subject of a finding applies to the model at all."""
    m = source.measured.get((finding.metric, canonical_json(finding.over)))
    return m is None or m.status != "not_applicable"
