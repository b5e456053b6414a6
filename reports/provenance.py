"""Where each required field of a card comes from: measured by a machine, stated by a person, or missing.

Missing is shown as missing and counted; no field is ever filled with a phrase that looks like an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.parts import NotInspected, Origin, Provenance
from reports.source import FAMILIES, NEEDED, Source

#: Fields of the passport that a reader of the card needs, with the words for them. Dots lead into the passport.
STATED = {
    "title": "Title",
    "summary": "Summary",
    "plain.what": "What it does, in plain words",
    "plain.affected": "Who is affected",
    "plain.weakness": "Known weakness",
    "plain.switch_off": "When it is switched off",
    "use.intended": "Intended uses",
    "use.excluded": "Excluded uses",
    "use.human_oversight": "Human oversight",
    "use.limits": "Known limits",
    "roles.owner": "Owner",
    "roles.guardian": "Guardian",
    "roles.operator": "Operator",
    "risk_assessment.summary": "Risk assessment",
    "fallback.what": "What answers when it may not",
}
#: Fields that a high-risk model must have besides.
STATED_HIGH = {
    "why_this_definition": "Why fairness is defined this way",
    "recipe": "Recipe that makes the artifact again",
    "telemetry": "Where cost and latency are logged",
    "quasi_identifiers": "Columns that together may point at a person",
}
#: Pairs of which one is needed.
EITHER = (
    ("protected", "no_protected_because", "Protected attributes"),
    ("artifact", "no_artifact_because", "The file that is the model"),
)

#: What this version does not look into.
UNINSPECTED = (
    ("privacy", "Privacy"),
    ("reproduction", "Making the artifact again"),
)


def _get(passport: Mapping[str, Any], path: str) -> Any:
    value: Any = passport
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def provenance(source: Source) -> Provenance:
    """Count the required fields by where they come from."""
    passport = source.passport
    fields: list[Origin] = []
    for family in NEEDED:
        there = any(m.metric.startswith(family + ".") and m.status == "measured" for m in source.bundle.measurements)
        fields.append(
            Origin(
                field=family,
                title=FAMILIES[family],
                state="measured" if there else "missing",
                source=source.evidence(family + ".") if there else "nothing was measured tonight",
            )
        )
    for role in ("reference", "batch"):
        digest = source.run.get("inputs_digests", {}).get(role)
        fields.append(
            Origin(
                field=f"data.{role}",
                title=f"Digest of the {role}",
                state="measured" if digest else "missing",
                source=source.evidence("run") if digest else source.run.get("problems", {}).get(role, "not read"),
            )
        )
    wanted = {**STATED, **(STATED_HIGH if passport["risk_tier"] == "high" else {})}
    for path, title in wanted.items():
        there = bool(_get(passport, path))
        fields.append(
            Origin(
                field=path,
                title=title,
                state="stated" if there else "missing",
                source="passport" if there else f"'{path}' is empty in the passport",
            )
        )
    for first, second, title in EITHER:
        there = bool(passport.get(first) or passport.get(second))
        fields.append(
            Origin(
                field=first,
                title=title,
                state="stated" if there else "missing",
                source="passport" if there else f"'{first}' is empty in the passport",
            )
        )
    for name, title in UNINSPECTED:
        fields.append(Origin(field=name, title=title, state="missing", source="not inspected by this version"))
    states = [f.state for f in fields]
    return Provenance(
        measured=states.count("measured"), stated=states.count("stated"), missing=states.count("missing"), fields=fields
    )


def not_inspected(source: Source) -> list[NotInspected]:
    """Say what this version does not look into, and what the passport states about it."""
    p = source.passport
    says = "Not inspected by this version. Nothing below was checked."
    names = [f"{i['column']}: {i['purpose']} ({i['basis']})" for i in p.get("identifiers", [])]
    privacy = [
        *(f"Identifier {text}" for text in names),
        *(
            [f"Columns that together may point at a person: {', '.join(p['quasi_identifiers'])}"]
            if p.get("quasi_identifiers")
            else []
        ),
    ]
    recipe = [f"Made by: {' '.join(p['recipe']['command'])} (seed {p['recipe']['seed']})"] if p.get("recipe") else []
    stated = {"privacy": privacy, "reproduction": recipe}
    return [NotInspected(title=title, says=says, stated=stated[name]) for name, title in UNINSPECTED]
