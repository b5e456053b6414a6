"""Fills the sections of a card from measurements, findings and the passport.

Nothing is computed here; it is chosen, ordered and named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reports import charts
from reports.numbers import figure as written
from reports.numbers import limit_text, plural
from reports.parts import (
    Attribute,
    Check,
    Drift,
    Estimate,
    Evidence,
    Figure,
    Group,
    Line,
    Matrix,
    MatrixRow,
    Point,
    Quality,
    Series,
)
from reports.source import FAMILIES, Source, applies, attribute_name, ends, limit_words, rank, worst
from roadworthy.canonical import canonical_json
from roadworthy.catalogue import catalogue
from roadworthy.finding import Finding
from roadworthy.measurement import Measurement
from roadworthy.policy import Limit
from roadworthy.sentences import part as part_words

SHOWN_PER_RULE = 12
SHOWN_COLUMNS = 8
SHOWN_EXPECTATIONS = 40
SHOWN_PARTS = 12
SHOWN_METRICS = 5

_TOOLS = {
    "data_quality": ("great-expectations", "duckdb"),
    "drift": ("duckdb", "scipy"),
    "performance": ("duckdb", "scikit-learn", "scipy"),
    "estimate": ("duckdb", "scikit-learn", "scipy"),
    "fairness": ("duckdb", "fairlearn", "scipy"),
    "mitigation": ("duckdb", "fairlearn", "scikit-learn", "scipy"),
    "explainability": ("duckdb", "scikit-learn", "shap"),
    "artifact": ("skops",),
    "reproducibility": ("scikit-learn", "skops"),
    "privacy": ("duckdb", "scikit-learn"),
    "cost": ("duckdb", "scipy"),
    "vendor": ("scipy",),
}
_PLACES = ("severe", "error", "fail", "warn", "insufficient", "waived", "open", "pass", "beside")
_BY_PART = tuple(
    f"performance.{name}"
    for name in (
        "error_rate", "recall", "precision", "roc_auc", "brier", "f1", "mae", "rmse", "r2", "bias", "class_recall",
        "class_precision", "class_f1",
    )
)
_NAMED = 6
_ERRORS = ("performance.day_error_rate", "performance.day_mae", "performance.error_rate", "performance.mae")
_OVER_REST = (
    "drift.psi", "drift.jensen_shannon", "drift.ks", "drift.total_variation", "drift.cramers_v", "drift.wasserstein",
    "drift.ks_exact", "drift.wasserstein_exact", "drift.score_move",
)


def headroom_of(check: Check) -> charts.Headroom | None:
    """Return the bar of one check."""
    limit = Limit.parse(check.limit)
    low, high = catalogue()[check.metric].range
    if check.against != "absolute":
        low = high = None
    elif check.figure.unit == "ratio" and high is None and limit.at_least is not None and limit.at_least < 1:
        high = 1.0
    f = check.figure
    return charts.headroom(f.value, f.low, f.high, limit.at_least, limit.at_most, (low, high))


def checks(source: Source) -> list[Check]:
    """Return the table of checks, worst first.

    Every finding that does not pass has a line of its own, up to `SHOWN_PER_RULE` of one rule; the passing ones of a rule
    share one line, which shows the closest to the limit, and so do those that are withheld or have no number for the same
    reason, and those of a family that do not apply to the model. Lines and `more` add up to the number of findings.
    """
    grouped: dict[tuple[str, str, str], list[Check]] = {}
    for finding in source.bundle.findings:
        check = _check(source, finding)
        alike = "withheld" if check.figure.hidden else check.figure.reason
        # What does not apply to the model for one reason is one line, of however many rules of the family.
        grouped.setdefault((check.status, check.rule if check.applies else check.family, alike), []).append(check)
    found: list[Check] = []
    for (status, _, alike), lines in grouped.items():
        lines.sort(key=_closeness)
        shown = 1 if status == "pass" or alike else SHOWN_PER_RULE
        rest = len(lines) - shown
        kept = lines[:shown]
        if rest > 0:
            kept[-1] = kept[-1].model_copy(update={"more": rest})
        found += kept
    order: list[str] = list(FAMILIES)
    return sorted(found, key=lambda c: (weight(c), order.index(c.family) if c.family in order else len(order)))


def weight(check: Check) -> int:
    """Return the place of a line in the table: what decides the verdict first, what need not be decided late."""
    late = check.status == "insufficient" and not check.required
    return _PLACES.index("beside" if late and not check.applies else "open" if late else check.status)


def _closeness(check: Check) -> float:
    bar = headroom_of(check)
    if bar is None:
        return 1000.0
    return bar.start + bar.width if bar.passes else bar.start


def _check(source: Source, finding: Finding) -> Check:
    metric, against = catalogue()[finding.metric], source.against.get(finding.rule, "absolute")
    unit = "difference" if against != "absolute" and metric.unit == "share" else metric.unit
    m = source.measured.get((finding.metric, canonical_json(finding.over)))
    reason = "" if finding.value is not None else (m.reason if m is not None and m.reason else finding.sentence)
    return Check(
        rule=finding.rule,
        metric=finding.metric,
        title=metric.title,
        part=part_words(finding.over, source.word) or _unneeded(source, m),
        family=finding.family,
        status=finding.status,
        figure=source.figure(finding, unit, reason),
        limit=finding.limit,
        limit_words=limit_words(finding, metric, against),
        against=against,
        because=finding.because,
        note=source.note(finding),
        more=0,
        required=finding.required,
        applies=applies(source, finding),
        evidence=source.evidence(finding.metric),
    )


def _unneeded(source: Source, m: Measurement | None) -> str:
    """Return the names of the columns that the model does as well without, those that speak of a person first."""
    if m is None or m.metric != "privacy.unneeded_columns":
        return ""
    names = [source.word(str(column)) for column in m.details.get("columns") or ()]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def performance(source: Source) -> list[Line]:
    """Return the performance of the model as a whole, in the catalogue's order."""
    return [source.line(m) for m in _ordered(source, "performance") if not m.over]


def trend(source: Source) -> Series | None:
    """Return the last nights of the model's errors; a line goes up where the model gets worse."""
    told = (series(source, metric) for metric in _ERRORS if metric in catalogue())
    return next((one for one in told if one is not None and len(one.points) > 1), None)


def parts_of_performance(source: Source) -> list[Matrix]:
    """Return the performance by class and by segment, a table each, what is judged bad first; the rest is in the evidence."""
    tables: dict[str, dict[str, dict[str, Measurement]]] = {}
    for m in _ordered(source, "performance"):
        if "segment" in m.over:
            for column, value in m.over["segment"].items():
                tables.setdefault(source.word(str(column)), {}).setdefault(str(value), {})[m.metric] = m
        elif "class" in m.over:
            tables.setdefault("class", {}).setdefault(str(m.over["class"]), {})[m.metric] = m
    return [_matrix(source, title, rows) for title, rows in tables.items()]


def _matrix(source: Source, title: str, parts: Mapping[str, Mapping[str, Measurement]]) -> Matrix:
    there = {metric for found in parts.values() for metric, m in found.items() if m.value is not None}
    wanted = [metric for metric in _BY_PART if metric in there][:SHOWN_METRICS]
    rows = []
    for name, found in parts.items():
        figures = [source.figure(found[metric]) if metric in found else None for metric in wanted]
        status = worst([f for m in found.values() for f in source.findings(m.metric, m.over)])
        rows.append(MatrixRow(name=name, figures=figures, status=status))
    rows.sort(key=lambda row: (-rank(row.status), -max((f.n or 0 for f in row.figures if f is not None), default=0), row.name))
    titles = [catalogue()[metric].title for metric in wanted]
    return Matrix(title=title, metrics=titles, rows=rows[:SHOWN_PARTS], more=max(0, len(rows) - SHOWN_PARTS))


def estimates(source: Source) -> list[Estimate]:
    """Return what is estimated before labels come, with how far each estimate is off where labels are known.

    An estimate of a group is shown where a rule finds it bad; the others are in the evidence.
    """
    found = _ordered(source, "estimate")
    shares = {metric.id.partition(".")[2] for metric in catalogue().values() if metric.unit == "share"}
    off = {
        str(m.over.get("metric")): source.figure(m, "difference" if m.over.get("metric") in shares else None)
        for m in found
        if m.metric == "estimate.miss"
    }
    bad = ("warn", "fail", "severe")
    shown = [
        m for m in found if m.metric != "estimate.miss" and (not m.over or worst(source.findings(m.metric, m.over)) in bad)
    ]
    return [Estimate(line=source.line(m), miss=None if m.over else off.get(m.metric.partition(".")[2])) for m in shown]


def _ordered(source: Source, family: str) -> list[Measurement]:
    """Return what a family measured or could not, in the catalogue's order, without what does not apply."""
    order = list(catalogue())
    found = [m for m in source.bundle.measurements if m.metric.startswith(family + ".") and m.status != "not_applicable"]
    return sorted(found, key=lambda m: (order.index(m.metric), canonical_json(m.over)))


def fairness(source: Source) -> list[Attribute]:
    """Return each protected attribute with its groups, in the passport's order; combinations come last."""
    by_group: dict[bytes, dict[str, Measurement]] = {}
    by_attribute: dict[str, list[Measurement]] = {}
    groups: dict[str, dict[bytes, Mapping[str, Any]]] = {}
    for m in source.bundle.measurements:
        if not m.metric.startswith("fairness.") or m.metric.startswith("fairness.intersection_"):
            continue
        if "group" in m.over:
            group = m.over["group"]
            key = canonical_json(group)
            by_group.setdefault(key, {})[m.metric] = m
            groups.setdefault(attribute_name(group), {})[key] = group
        elif "attribute" in m.over:
            by_attribute.setdefault(str(m.over["attribute"]), []).append(m)
    declared = {p["name"]: p for p in source.passport.get("protected", [])}
    names = [*declared, *(n for n in [*groups, *by_attribute] if n not in declared)]
    found = []
    for name in dict.fromkeys(names):
        if name not in groups and name not in by_attribute:
            continue
        protected = declared.get(name, {})
        rows = [_group(source, group, by_group[key], protected.get("reference")) for key, group in groups.get(name, {}).items()]
        rows.sort(
            key=lambda g: (
                g.ratio is None or g.ratio.value is None,
                g.ratio.value if g.ratio and g.ratio.value is not None else 0.0,
                g.name,
            )
        )
        found.append(
            Attribute(
                name=name,
                title=_upper(source.word(str(protected.get("column", name)))),
                reference=str(protected.get("reference", "")),
                note=str(protected.get("note", "")),
                groups=rows,
                lines=[source.line(m, part="") for m in by_attribute.get(name, [])],
            )
        )
    return found


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _group(source: Source, group: Mapping[str, Any], found: Mapping[str, Measurement], reference: Any) -> Group:
    def get(metric: str) -> Figure | None:
        m = found.get(f"fairness.{metric}")
        return None if m is None else source.figure(m)

    findings = [f for m in found.values() for f in source.findings(m.metric, m.over)]
    rate = found.get("fairness.selection_rate")
    n = rate.n if rate is not None else max((m.n for m in found.values() if m.n is not None), default=None)
    is_reference = len(group) == 1 and str(next(iter(group.values()))) == str(reference)
    status = worst(findings)
    return Group(
        name=", ".join(str(v) for v in group.values()),
        reference=is_reference,
        hidden=source.withholds(group),
        n=None if source.withholds(group) else n,
        rate=get("selection_rate"),
        ratio=get("selection_rate_ratio"),
        deserved=get("true_positive_rate_difference"),
        undeserved=get("false_positive_rate_difference"),
        outcome=get("base_rate"),
        status=status,
        note=next((source.note(f) for f in findings if f.note and f.status == status), ""),
    )


def drift(source: Source) -> Drift:
    """Return what moved: the score's last nights, the columns that moved most, and what speaks of the batch as a whole."""
    measured = [m for m in source.bundle.measurements if m.metric.startswith("drift.")]
    columns: list[tuple[float, str, Line]] = []
    for m in measured:
        if m.metric != "drift.psi":
            continue
        column = m.over.get("column")
        line = source.line(m, part="", title="Every column" if column is None else source.word(str(column)))
        others = [
            o for o in measured if o.over.get("column") == column and o.metric not in _OVER_REST and o.metric != "drift.score_psi"
        ]
        said = [
            f"{catalogue()[o.metric].title}: {written(o.value, catalogue()[o.metric].unit, o.low, o.high)}"
            for o in others
            if o.value is not None and worst(source.findings(o.metric, o.over)) not in (None, "pass")
        ]
        beside = [f for o in others for f in source.findings(o.metric, o.over) if f.status in ("warn", "fail", "severe")]
        bad = worst([*source.findings(m.metric, m.over), *beside])
        line = line.model_copy(update={"note": "; ".join([*([line.note] if line.note else []), *said]), "status": bad})
        columns.append((-(m.value if m.value is not None else -1.0), str(column), line))
    columns.sort(key=lambda c: (-rank(c[2].status) if c[2].status in ("fail", "severe", "warn") else 0, c[0], c[1]))
    lines = [line for _, _, line in columns]
    apart = ("drift.drill_down", "drift.score_move", "drift.segment_move")
    shapes = [
        source.line(m)
        for m in measured
        if m.metric not in apart and m.status != "not_applicable" and ("column" not in m.over or m.metric == "drift.score_psi")
    ]
    order = list(catalogue())
    shapes.sort(key=lambda line: (order.index(line.metric), line.part))
    return Drift(
        score=series(source, "drift.score_psi"),
        columns=lines[:SHOWN_COLUMNS],
        more_columns=max(0, len(lines) - SHOWN_COLUMNS),
        shapes=shapes,
        moved=_moved(measured),
        movers=_movers(source, measured),
        drill_down=_drill_down(measured),
    )


def _moved(measured: Sequence[Measurement]) -> str:
    """Return the sentence that explains an alarm, as it was composed when the columns were looked at."""
    told = (str(m.details.get("sentence") or "") for m in measured if m.metric == "drift.score_move")
    return next((sentence for sentence in told if sentence), "")


def _movers(source: Source, measured: Sequence[Measurement]) -> list[Line]:
    found = [m for m in measured if m.metric in ("drift.score_move", "drift.segment_move") and m.value is not None and m.over]
    found.sort(key=lambda m: (m.metric, -abs(m.value or 0.0), canonical_json(m.over)))
    lines = [source.line(m, title=part_words(m.over, source.word), part="") for m in found[:SHOWN_COLUMNS]]
    # A part of the move may be negative or above one, where columns cancel; it is read in per cent all the same.
    return [line.model_copy(update={"figure": line.figure.model_copy(update={"unit": "share"})}) for line in lines]


def _drill_down(measured: Sequence[Measurement]) -> str:
    """Say where the drill-down lies; it holds rows, so no page links to it."""
    found = next((m for m in measured if m.metric == "drift.drill_down"), None)
    if found is None:
        return ""
    if found.status == "error":
        return found.reason
    page = str((found.details.get("page") or {}).get("path", ""))
    return f"A drill-down lies in the restricted store: {page}" if page else ""


def series(source: Source, metric: str) -> Series | None:
    """Return the last nights of one metric, from the state that was carried forward, or tonight alone if no rule speaks of it."""
    points = source.bundle.state.get("points", {})
    whole_first = sorted(points, key=lambda k: (k != metric + "|{}", k))
    key = next((k for k in whole_first if k.startswith(metric + "|") and points[k]), None)
    found = [m for m in source.bundle.measurements if m.metric == metric and m.value is not None]
    tonight = min(found, key=lambda m: bool(m.over), default=None)
    info = catalogue()[metric]
    if key is not None:
        over = json.loads(key.partition("|")[2])
        rows = [Point(day=p[0], value=p[1], low=p[2], high=p[3]) for p in points[key]]
    elif tonight is not None and tonight.value is not None:
        over = dict(tonight.over)
        rows = [Point(day=source.run["day"], value=tonight.value, low=tonight.low, high=tonight.high)]
    else:
        return None
    limits = [f.limit for f in source.findings(metric, over)]
    limit = limits[0] if limits else ""
    both = ends(limit) if limit else []
    end = both[-1] if both else None
    return Series(
        metric=metric,
        title=info.title,
        part=part_words(over, source.word),
        unit=info.unit,
        points=rows,
        limit=limit_text(limit, info.unit) if limit else "",
        limit_value=end,
        sentence=_told(rows, info.unit, limit),
        evidence=source.evidence(metric),
    )


def _told(points: Sequence[Point], unit: str, limit: str) -> str:
    """Say what the line shows, for those who cannot see it."""
    last = points[-1]
    near = ends(limit) if limit else []
    if len(points) == 1:
        text = f"One night so far, {last.day}: {written(last.value, unit, near=near)}."
    else:
        low, high = min(p.value for p in points), max(p.value for p in points)
        text = (
            f"{plural(len(points), 'night')} from {points[0].day} to {last.day}: between {written(low, unit, near=near)} "
            f"and {written(high, unit, near=near)}, last {written(last.value, unit, near=near)}."
        )
    if limit:
        parsed = Limit.parse(limit)
        beyond = sum(not parsed.holds(p.value) for p in points)
        text += (
            f" Beyond the limit ({limit_text(limit, unit)}) on {plural(beyond, 'night')}."
            if beyond
            else f" Never beyond the limit ({limit_text(limit, unit)})."
        )
    return text


def quality(source: Source) -> Quality:
    """Return what the data had to be, broken expectations first."""
    found: list[Line] = []
    rest: list[Line] = []
    for m in source.bundle.measurements:
        if m.status == "not_applicable":
            continue
        if m.metric == "data_quality.expectation":
            line = source.line(m, title=str(m.over.get("expectation", "")), part=str(m.over.get("severity", "")))
            found.append(line.model_copy(update={"note": str(m.details.get("because") or line.note)}))
        elif m.metric.startswith("data_quality."):
            rest.append(source.line(m))
    found.sort(key=lambda x: (-rank(x.status), x.figure.value is not None and x.figure.value >= 1.0, x.title))
    rest.sort(key=lambda x: (-rank(x.status), x.title, -(x.figure.value or 0.0), x.part))
    return Quality(
        expectations=found[:SHOWN_EXPECTATIONS],
        more_expectations=max(0, len(found) - SHOWN_EXPECTATIONS),
        lines=rest[:SHOWN_COLUMNS],
        more_lines=max(0, len(rest) - SHOWN_COLUMNS),
    )


def evidence(source: Source) -> list[Evidence]:
    """Return the items that the page's numbers can be read back from: one for each family, then the files of the bundle."""
    digests = source.bundle.manifest
    tools = source.run.get("tools", {})

    def item(what: str, made_by: str, file: str, holds: str) -> Evidence:
        return Evidence(id=f"E{len(found) + 1}", what=what, made_by=made_by, file=file, sha256=digests.get(file, ""), holds=holds)

    found: list[Evidence] = []
    for family in source.families:
        held = sum(m.metric.startswith(family + ".") for m in source.bundle.measurements)
        by = ", ".join(f"{t} {tools[t]}" for t in _TOOLS.get(family, ()) if t in tools)
        found.append(item(FAMILIES[family], by, "measurements.parquet", plural(held, "measurement")))
    code = f"roadworthy {source.run.get('code', {}).get('version', '')}".strip()
    found.append(item("Findings", code, "findings.json", plural(len(source.bundle.findings), "finding")))
    found.append(item("Verdict", code, "verdict.json", "one verdict"))
    found.append(item("The run", code, "run.json", "who, what, when; passport, policy and digests"))
    found.append(item("What else the judge saw", code, "inputs.json", "waivers, baselines, history"))
    found.append(item("Carried forward", code, "state.json", "the last nights of each series"))
    return found
