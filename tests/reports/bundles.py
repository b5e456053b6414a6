"""Evidence bundles built in memory: real passport, real policy, real judge; only the numbers are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from roadworthy.canonical import digest_of
from roadworthy.evidence import Bundle, EvidenceStore, bundle_files, read_bundle
from roadworthy.judge import Context, judge
from roadworthy.measurement import Measurement, not_measured
from roadworthy.passport import Passport
from roadworthy.policy import Policy
from tests.support import passport_of

DAY = date(2026, 4, 9)

RULES: list[dict[str, Any]] = [
    {
        "id": "expectations-critical",
        "metric": "data_quality.expectation",
        "over": {"expectation": "any", "severity": "critical"},
        "limit": ">= 1",
        "test": "exact",
        "breach": "fail",
        "because": "A model is only as good as what it is fed.",
    },
    {
        "id": "score-shift",
        "metric": "drift.score_psi",
        "over": {"column": "any"},
        "limit": "<= 0.20",
        "test": "exact",
        "breach": "warn",
        "because": "A score that moves means that people are treated differently than at approval.",
    },
    {
        "id": "column-shift",
        "metric": "drift.psi",
        "over": {"column": "any"},
        "limit": "<= 0.10",
        "test": "bh",
        "alpha": 0.005,
        "breach": "warn",
        "because": "Values that moved are the first sign that the world is not what the model learned.",
    },
    {
        "id": "columns-missing",
        "metric": "drift.missing_columns",
        "limit": "<= 0",
        "test": "exact",
        "breach": "fail",
        "because": "A model that lacks a column guesses.",
    },
    {
        "id": "accuracy",
        "metric": "performance.accuracy",
        "limit": ">= 0.70",
        "test": "interval",
        "min": {"n": 100},
        "breach": "fail",
        "tasks": ["binary"],
        "because": "Below this the desk does better without the model.",
    },
    {
        "id": "auc",
        "metric": "performance.roc_auc",
        "limit": ">= 0.65",
        "test": "interval",
        "min": {"n": 100},
        "breach": "warn",
        "tasks": ["binary"],
        "because": "Ranking is what the officers use the score for.",
    },
    {
        "id": "worse-than-accepted",
        "metric": "performance.accuracy",
        "limit": ">= -0.08",
        "test": "interval",
        "against": "reference",
        "breach": "warn",
        "tasks": ["binary"],
        "because": "It must not get worse than on the day it was accepted.",
    },
    {
        "id": "day-errors",
        "metric": "performance.day_error_rate",
        "limit": "<= 0.55",
        "test": "interval",
        "breach": "severe",
        "tasks": ["binary"],
        "because": "A day on which most decisions are wrong must not be followed by another.",
    },
    {
        "id": "four-fifths",
        "metric": "fairness.selection_rate_ratio",
        "over": {"group": "any"},
        "limit": ">= 0.80",
        "test": "interval",
        "min": {"n": 30},
        "breach": "fail",
        "clauses": ["29 CFR 1607.4(D)"],
        "because": "Equal treatment: every group gets at least four fifths of the reference group's share.",
    },
    {
        "id": "missed",
        "metric": "fairness.true_positive_rate_difference",
        "over": {"group": "any"},
        "limit": "between -0.15 and 0.15",
        "test": "interval",
        "min": {"n": 30},
        "breach": "warn",
        "required": False,
        "because": "Those who deserve a yes should get it in every group.",
    },
]

PASSPORT: dict[str, Any] = {
    "model": "credit",
    "version": "2.4.0",
    "title": "Consumer credit decisions",
    "risk_tier": "high",
    "summary": "Says who gets a consumer loan; an officer sees the score and decides.",
    "roles": {"owner": "olga", "guardian": "gustav", "operator": "oscar"},
    "task": {"label": "good_credit", "prediction": "decision", "score": "score", "maturity_days": 7},
    "features": [f"feature_{i}" for i in range(24)],
    "protected": [
        {
            "name": "age",
            "column": "age",
            "reference": "25 and over",
            "bins": [{"label": "below 25", "below": 25}, {"label": "25 and over", "at_least": 25}],
        },
        {"name": "sex", "column": "sex", "reference": "male", "note": "The code table of 1994 that gives the sex is disputed."},
    ],
    "windows": {"drift": 1, "performance": 28, "fairness": 28},
    "replay": {
        "how": "by permutation",
        "says": "The table has no dates; its rows are dealt out over days by a fixed permutation.",
    },
    "glossary": {"feature_3": "Duration of the loan", "feature_7": "Amount", "good_credit": "Repaid"},
    "identifiers": [{"column": "pii_name", "purpose": "Match with the core system", "basis": "Contract"}],
    "plain": {
        "what": "Estimates whether an applicant will repay. An officer decides; the model declines nobody by itself.",
        "affected": "About a thousand applicants for consumer loans.",
        "weakness": "It is least certain for applicants under 25, because it has seen few of them.",
        "switch_off": "When most decisions of a day prove wrong, or when the Guardian or the Operator says so.",
    },
    "use": {
        "intended": ["Ranking applications for an officer's review"],
        "excluded": ["Automatic declines", "Pricing or marketing"],
        "human_oversight": "An officer decides every case and may overrule the score.",
        "limits": ["Learned from applications of the 1990s"],
    },
    "fallback": {"kind": "rule", "what": "An officer decides without a score."},
    "why_this_definition": "The decision is a scarce good, so shares are compared.",
    "recipe": {"command": ["python", "train.py"], "seed": 7},
    "quasi_identifiers": ["age", "sex", "residence"],
}


def measured(**changed: Measurement) -> list[Measurement]:
    """Return the measurements of an ordinary night; `changed` replaces by name."""

    def group(metric: str, attribute: str, value: str, *numbers: Any, n: int, **rest: Any) -> Measurement:
        v, low, high = numbers if len(numbers) == 3 else (numbers[0], None, None)
        return Measurement(
            f"fairness.{metric}",
            {"group": {attribute: value}},
            v,
            low,
            high,
            0.95 if low is not None else None,
            n=n,
            method="fairlearn on counts",
            **rest,
        )

    found: dict[str, Measurement] = {
        "rows": Measurement("data_quality.rows", value=500, n=500),
        "e1": Measurement(
            "data_quality.expectation", {"expectation": "age is between 18 and 100", "severity": "critical"}, 1.0, n=500
        ),
        "e2": Measurement(
            "data_quality.expectation", {"expectation": "amount is never null", "severity": "critical"}, 1.0, n=500
        ),
        "e3": Measurement(
            "data_quality.expectation", {"expectation": "purpose is one of ten", "severity": "minor"}, 0.996, n=500
        ),
        "score": Measurement("drift.score_psi", {"column": "score"}, 0.043, p_value=0.2, n=500),
        "missing": Measurement("drift.missing_columns", value=0, n=500),
        "volume": Measurement("drift.volume_ratio", value=0.98, n=500),
        "label": Measurement("drift.label_rate_change", value=0.012, low=-0.03, high=0.054, confidence=0.95, n=480),
        "accuracy": Measurement(
            "performance.accuracy", value=0.773, low=0.735, high=0.807, confidence=0.95, n=480, method="Wilson"
        ),
        "auc": Measurement("performance.roc_auc", value=0.798, low=0.761, high=0.835, confidence=0.95, n=480, method="DeLong"),
        "brier": Measurement("performance.brier", value=0.1671, low=0.1545, high=0.1797, confidence=0.95, n=480),
        "day": Measurement("performance.day_error_rate", value=0.21, low=0.12, high=0.33, confidence=0.95, n=62),
        "rate_young": group("selection_rate", "age", "below 25", 0.57, 0.46, 0.67, n=76),
        "rate_old": group("selection_rate", "age", "25 and over", 0.75, 0.71, 0.79, n=424),
        "ratio_young": group("selection_rate_ratio", "age", "below 25", 0.76, 0.63, 0.92, n=76, stats={"scale": "log"}),
        "tpr_young": group("true_positive_rate_difference", "age", "below 25", -0.09, -0.22, 0.04, n=41),
        "fpr_young": group("false_positive_rate_difference", "age", "below 25", -0.05, -0.20, 0.10, n=35),
        "rate_f": group("selection_rate", "sex", "female", 0.65, 0.57, 0.72, n=155),
        "rate_m": group("selection_rate", "sex", "male", 0.74, 0.69, 0.78, n=338),
        "rate_x": group("selection_rate", "sex", "(missing)", 0.857, 0.487, 0.974, n=7),
        "rate_u": group("selection_rate", "sex", "unsaid", 0.75, 0.467, 0.911, n=12),  # withheld beside the seven
        "ratio_f": group("selection_rate_ratio", "sex", "female", 0.93, 0.84, 1.03, n=155, stats={"scale": "log"}),
        "ratio_x": group("selection_rate_ratio", "sex", "(missing)", 1.158, 0.853, 1.572, n=7, stats={"scale": "log"}),
        "tpr_f": group("true_positive_rate_difference", "sex", "female", -0.02, -0.10, 0.06, n=101),
        "fpr_f": group("false_positive_rate_difference", "sex", "female", -0.06, -0.17, 0.05, n=54),
        "gap": Measurement("fairness.demographic_parity_difference", {"attribute": "sex"}, 0.207, n=500),
    }
    for i in range(24):
        found[f"psi{i}"] = Measurement(
            "drift.psi", {"column": f"feature_{i}"}, round(0.002 * i, 4), p_value=round(1 - 0.035 * i, 4), n=500
        )
    found |= changed
    return list(found.values())


def bundle_of(
    folder: Path,
    measurements: Sequence[Measurement] | None = None,
    *,
    passport: Passport | None = None,
    rules: Sequence[Mapping[str, Any]] = RULES,
    when: Any = "nightly",
    day: date = DAY,
    run: Mapping[str, Any] | None = None,
    history: Mapping[str, Any] | None = None,
    waivers: Sequence[Mapping[str, Any]] = (),
) -> Bundle:
    """Judge the measurements and return them as a bundle that was written and read back."""
    passport = passport or passport_of(**PASSPORT)
    measurements = measured() if measurements is None else measurements
    policy = Policy.model_validate(
        {"schema_version": 1, "policy": passport.risk_tier, "title": "Rules for the tests", "rules": list(rules)}
    )
    if history is None:
        points = [[f"2026-03-{d:02d}", round(0.03 + 0.002 * (d % 7), 4), None, None] for d in range(12, 32)]
        points += [[f"2026-04-{d:02d}", round(0.04 + 0.02 * (d % 3), 4), None, None] for d in range(1, 9) if d != 5]
        accuracy = [["2026-04-08", 0.781, 0.744, 0.815]]
        history = {"points": {'drift.score_psi|{"column":"score"}': points, "performance.accuracy|{}": accuracy}, "persist": {}}
    base = [Measurement("performance.accuracy", value=0.79, low=0.775, high=0.805, confidence=0.95, n=1000)]
    honoured = [
        {"id": w["id"], "rule": w["rule"], "over": w["over"], "expires": w["expires"], "by": w["granted_by"]}
        for w in waivers
        if w["honoured"]
    ]
    context = Context(
        passport.risk_tier, passport.task.kind, when, day, honoured, history, {"reference": base}, passport.glossary
    )
    judged = judge(measurements, policy, context)
    started = {
        "schema_version": 1,
        "run_id": f"{when}-0123456789abcdef",
        "when": when,
        "model": passport.model,
        "version": passport.version,
        "day": day.isoformat(),
        "as_of": f"{day.isoformat()}T23:59:59+02:00",
        "started_at": "2026-11-22T02:00:00+00:00",
        "finished_at": "2026-11-22T02:00:07+00:00",
        "actor": "automation",
        "workspace": {"name": "Tests", "note": "", "time_zone": "Europe/Berlin"},
        "passport": passport.model_dump(mode="json"),
        "passport_digest": digest_of(passport.model_dump(mode="json")),
        "policy": {
            "name": policy.policy,
            "title": policy.title,
            "digest": policy.digest,
            "content": policy.model_dump(mode="json"),
        },
        "inputs_digests": {"reference": "a" * 64, "batch": "b" * 64, "labelled": "c" * 64, "decided": "d" * 64},
        "code": {"version": "0.1.0", "digest": "e" * 64, "python": "3.11.2"},
        "tools": {
            "duckdb": "2.0.0",
            "fairlearn": "0.15.0",
            "great-expectations": "1.24.1",
            "scipy": "1.15.3",
            "scikit-learn": "1.9.0",
        },
        "seed": 20261122,
        "rows": {"reference": 1000, "batch": 500, "labelled": 480, "decided": 500},
        "days": {
            "reference": {"first": None, "last": None, "found": 0, "missing": []},
            "batch": {"first": "2026-04-09", "last": "2026-04-09", "found": 1, "missing": []},
            "labelled": {"first": "2026-03-06", "last": "2026-04-02", "found": 27, "missing": ["2026-03-29"]},
            "decided": {"first": "2026-03-13", "last": "2026-04-09", "found": 28, "missing": []},
        },
        "problems": {},
        "timings": {"data_quality": 1.91, "drift": 0.42, "performance": 0.31, "fairness": 0.55},
    }
    people = {
        "owner": {"id": "olga", "name": "Olga Moreau", "team": "Retail Lending"},
        "guardian": {"id": "gustav", "name": "Gustav Okafor", "team": "Model Risk"},
        "operator": {"id": "oscar", "name": "Oscar Lind", "team": "ML Platform"},
    }
    inputs = {
        "context": context.as_dict(),
        "waivers": [dict(w) for w in waivers],
        "predecessor": None,
        "as_of": started["as_of"],
        "people": people,
    }
    files = bundle_files({**started, **(run or {})}, inputs, measurements, judged.findings, judged.verdict, judged.state)
    address = EvidenceStore(folder).write(passport.model, passport.version, day, str(started["run_id"]), files)
    return read_bundle(address.path)


def snapshot_of(bundle: Bundle, switch: str = "active", release: str = "live", **rest: Any) -> dict[str, Any]:
    """Return a recorded state."""
    stopped = (
        {"reason": bundle.verdict.reason, "since": "2026-11-22T02:00:08+00:00", "by": "automation"} if switch != "active" else {}
    )
    return {
        "switch": {
            "state": switch,
            "reason": "",
            "since": "2026-01-01T00:00:00+00:00",
            "by": "automation",
            "scope": "version",
            **stopped,
        },
        "release": {"state": release, "since": "2026-03-01"},
        "ledger": {"head": "f" * 64, "entries": 41},
        "history": [
            ["2026-04-07", "clear", "1" * 64],
            ["2026-04-08", "watch", "2" * 64],
            [bundle.run["day"], bundle.verdict.word, bundle.address],
        ],
        **rest,
    }


STOP = measured(day=Measurement("performance.day_error_rate", value=0.79, low=0.68, high=0.87, confidence=0.95, n=80))
BREACH = measured(
    ratio_young=Measurement(
        "fairness.selection_rate_ratio", {"group": {"age": "below 25"}}, 0.5, 0.42, 0.6, 0.95, n=76, stats={"scale": "log"}
    )
)
CLEAR = measured(
    ratio_young=Measurement(
        "fairness.selection_rate_ratio", {"group": {"age": "below 25"}}, 0.96, 0.90, 1.02, 0.95, n=276, stats={"scale": "log"}
    ),
    ratio_x=not_measured(
        "fairness.selection_rate_ratio", "not_applicable", "It is the reference group.", over={"group": {"sex": "male"}}
    ),
    tpr_young=Measurement(
        "fairness.true_positive_rate_difference", {"group": {"age": "below 25"}}, -0.02, -0.1, 0.06, 0.95, n=141
    ),
)
UNDECIDED = measured(
    accuracy=not_measured(
        "performance.accuracy", "error", "The labelled file 'batches/2026-04-02.parquet' cannot be read as Parquet."
    )
)
