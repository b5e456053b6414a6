"""A bundle with what every section of a page asks of it at hand: words, evidence ids, limits, and what must be withheld."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reports.numbers import limit_text
from reports.parts import Figure, Line
from reports.withholding import FEWEST_PEOPLE, NOTHING_SHOWN, withheld
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import Metric, catalogue
from roadworthy.finding import ORDER, Finding
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit
from roadworthy.sentences import part as part_words

if TYPE_CHECKING:
    from roadworthy.evidence import Bundle

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
        self.references = {p["name"]: str(p.get("reference")) for p in self.passport.get("protected", [])}
        self.few = _few(bundle.measurements, self.references)
        self.beside = _beside(bundle.measurements, self.references, self.few)
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
        or in the one that it is compared with, it is withheld; and so is another one, from which it could be worked out.
        """
        if "segment" in over:
            return any(column in self._columns_of_few() for column in over["segment"])
        if "group" not in over:
            gap = metric.endswith(("_difference", "uncovered_share"))
            return gap and str(over.get("attribute")) in self.few_in
        if (metric, canonical_json(over)) in self.beside or self._compared_with_few(metric, over["group"]):
            return True
        m = self.measured.get((metric, canonical_json(over)))
        cells = [n, *(_cells(m) if m is not None else [])]
        return any(isinstance(x, int) and 0 < x < FEWEST_PEOPLE for x in cells) or self.withholds(over["group"])

    def withholds(self, group: Mapping[str, Any]) -> bool:
        """Say whether nothing is shown of a group, or of a combination of it with another."""
        parts = [group, *({name: value} for name, value in group.items())]
        return any(canonical_json(part) in self.few for part in parts)

    def _compared_with_few(self, metric: str, group: Mapping[str, Any]) -> bool:
        """Say whether a comparison would tell of a reference group of which nothing is shown."""
        compares = "_ratio" in metric or "_difference" in metric
        return compares and self.withholds({name: self.references.get(name) for name in group})

    def _columns_of_few(self) -> set[str]:
        names = {part for name in self.few_in for part in name.split(" × ")}
        return {str(p.get("column")) for p in self.passport.get("protected", []) if p["name"] in names}

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
            return NOTHING_SHOWN
        return finding.note

    def previous(self, m: Measurement) -> float | None:
        """Return the value of the night before, if the state carried one forward."""
        points = self.bundle.state.get("points", {}).get(f"{m.metric}|{canonical_json(m.over).decode()}", [])
        if self.hides(m.metric, m.over, m.n) or len(points) < 2 or points[-1][0] != self.run["day"]:
            return None
        return float(points[-2][1])


_SIZES = ("fairness.selection_rate", "fairness.base_rate", "fairness.mean_error", "fairness.intersection_selection_rate")


def _few(measurements: Iterable[Measurement], references: Mapping[str, str]) -> set[bytes]:
    """Return the groups of which nothing is shown, as the sizes of all groups of an attribute decide it."""
    tables: dict[tuple[str, str], dict[bytes, int]] = {}
    groups: dict[bytes, Mapping[str, Any]] = {}
    for m in measurements:
        if m.metric in _SIZES and "group" in m.over and m.n is not None:
            group = m.over["group"]
            groups[canonical_json(group)] = group
            tables.setdefault((m.metric, attribute_name(group)), {})[canonical_json(group)] = m.n
    found: set[bytes] = set()
    for (_, name), sizes in tables.items():
        last, gone, before = reference_of(name, references), withheld(sizes, reference_of(name, references)), -1
        while " × " in name and len(gone) > before:  # each group of one attribute is the total of its combinations
            before = len(gone)
            for part in {(one, str(value)) for key in sizes for one, value in groups[key].items()}:
                line = {key: n for key, n in sizes.items() if str(groups[key][part[0]]) == part[1]}
                gone |= withheld(line, last, gone)
        found |= gone
    return found


def _beside(
    measurements: Iterable[Measurement], references: Mapping[str, str], few: set[bytes]
) -> set[tuple[str, bytes]]:
    """Return the numbers of groups that are withheld because a count behind another group's number is small.

    The totals of favourable decisions, of deserving people and of both stand elsewhere on the page, by what precision and recall
    are shares of. So each kind of count of a metric is a table of its own.
    """
    tables: dict[tuple[str, str, bytes, str], dict[bytes, int]] = {}
    keys: dict[tuple[str, bytes, bytes], tuple[str, bytes]] = {}
    for m in measurements:
        if "group" not in m.over or m.status != "measured":
            continue
        group, rest = canonical_json(m.over["group"]), canonical_json({k: v for k, v in m.over.items() if k != "group"})
        keys[m.metric, group, rest] = (m.metric, canonical_json(m.over))
        name = attribute_name(m.over["group"])
        own, reference = _kinds(m)
        for kind, count in own.items():
            table = tables.setdefault((m.metric, name, rest, kind), {})
            table[group] = count
            if kind in reference:
                table[reference_of(name, references)] = reference[kind]
    found = set()
    for (metric, name, rest, kind), counts in tables.items():
        last = reference_of(name, references)
        # The sizes of groups of which nothing is shown are withheld among all sizes.
        open_to = {group: count for group, count in counts.items() if kind != "n" or group not in few}
        gone = withheld(open_to, last, few)
        if last in gone and (metric, last, rest) not in keys:  # every comparison would tell of it
            gone = set(open_to)
        found |= {keys[metric, group, rest] for group in gone if (metric, group, rest) in keys}
    return found


def reference_of(name: str, references: Mapping[str, str]) -> bytes:
    """Return the key of the reference group of an attribute, or of a combination."""
    return canonical_json({one: references.get(one) for one in name.split(" × ")})


def _kinds(m: Measurement) -> tuple[dict[str, int], dict[str, int]]:
    """Return the counts of people that a measurement tells of its group, and of the reference group, by kind."""
    s = m.stats
    if m.metric.endswith("_rate"):
        return {kind: s[kind] for kind in ("positives", "negatives") if isinstance(s.get(kind), int)}, {}
    sides: list[dict[str, int]] = []
    for who in ("group", "reference"):
        chosen, cases = s.get(f"selected_{who}"), s.get(f"cases_{who}")
        side = {"cases": cases} if isinstance(cases, int) else {}
        if isinstance(chosen, int) and isinstance(cases, int):
            side |= {"chosen": chosen, "others": cases - chosen}
        sides.append(side)
    if not sides[0] and m.n is not None:
        return {"n": m.n}, {}
    return sides[0], sides[1]


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
