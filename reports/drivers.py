"""What drives the score, how steady that is, and which columns speak of a protected attribute.

Nothing is computed here; it is chosen, ordered and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.parts import Drivers, Line, Proxy
from reports.source import Source
from roadworthy.canonical import canonical_json
from roadworthy.measurement import Measurement

SHOWN_COLUMNS = 8
SHOWN_PROXY_COLUMNS = 4
_FAMILY = "explainability."
_STEADY = ("rank_agreement", "top_overlap", "shift")
_TRUSTED = ("additivity_error", "answers_agree", "fidelity")
_WITH = {"reference": "the reference", "previous night": "the night before", "previous version": "the version before"}


def drivers(source: Source) -> Drivers | None:
    """Return the columns that decide most of the score, from SHAP values of the model where there are any.

    Otherwise those that a stand-in of the model says, which the card says too; None where the family measured nothing at all.
    """
    found = _by_metric(source)
    shares, exchanged = found.get("shap_share", []), found.get("importance", [])
    if not (shares or exchanged or found.get("fidelity")):
        return None
    shown = shares if any(m.value is not None for m in shares) else exchanged
    told = sorted((m for m in shown if m.value is not None), key=lambda m: (-(m.value or 0.0), canonical_json(m.over)))
    directions = {str(m.over.get("column")): m for m in found.get("shap_direction", [])}
    fidelity = next(iter(found.get("fidelity", [])), None)
    why_not = [m.reason for m in (*shares, *exchanged) if m.reason and m.status != "not_applicable"]
    return Drivers(
        columns=[_column(source, m, directions) for m in told[:SHOWN_COLUMNS]],
        more_columns=max(0, len(told) - SHOWN_COLUMNS),
        explained=str(told[0].details.get("explained", "exchanged")) if told else "",
        scale=str(told[0].details.get("scale", "")) if told else "",
        fidelity=source.line(fidelity) if fidelity is not None else None,
        interactions=[_pair(source, m) for m in found.get("shap_interaction", []) if m.value is not None],
        steady=[_beside(source, m) for short in _STEADY for m in found.get(short, [])],
        trusted=[source.line(m) for short in _TRUSTED for m in found.get(short, [])],
        proxies=_proxies(source, found),
        missing="" if told else next(iter(why_not), ""),
    )


def _by_metric(source: Source) -> dict[str, list[Measurement]]:
    """Return what the family measured or could not, by metric, without what does not apply."""
    found: dict[str, list[Measurement]] = {}
    for m in source.bundle.measurements:
        if m.metric.startswith(_FAMILY) and (m.status != "not_applicable" or m.metric == f"{_FAMILY}shap_direction"):
            found.setdefault(m.metric.removeprefix(_FAMILY), []).append(m)
    for listed in found.values():
        listed.sort(key=lambda m: canonical_json(m.over))
    return found


def _column(source: Source, m: Measurement, directions: Mapping[str, Measurement]) -> Line:
    column = str(m.over["column"])
    line = source.line(m, part="", title=source.word(column))
    said = _direction(directions.get(column))
    return line.model_copy(update={"note": "; ".join(x for x in (line.note, said) if x)})


def _direction(m: Measurement | None) -> str:
    """Say which way a column pushes the score, from the rank correlation or, for words, from their mean effects."""
    if m is None:
        return ""
    if m.value is not None and m.low is not None and m.high is not None:
        if m.low > 0:
            return "More of it raises the score."
        return "More of it lowers the score." if m.high < 0 else "It pushes both ways."
    words = [w for w in m.details.get("words", []) if isinstance(w, Sequence) and len(w) >= 2]
    if len(words) < 2:
        return ""
    ranked = sorted(words, key=lambda w: (-float(w[1]), str(w[0])))
    highest, lowest = str(ranked[0][0])[:60], str(ranked[-1][0])[:60]
    return f"Highest with '{highest}', lowest with '{lowest}'."


def _pair(source: Source, m: Measurement) -> Line:
    pair = m.over.get("pair")
    names = [str(pair[key]) for key in ("first", "second")] if isinstance(pair, Mapping) else [str(pair)]
    return source.line(m, part="", title=" and ".join(source.word(name) for name in names))


def _beside(source: Source, m: Measurement) -> Line:
    other = str(m.over.get("with", ""))
    return source.line(m, part=f"with {_WITH.get(other, other)}")


def _proxies(source: Source, found: Mapping[str, Sequence[Measurement]]) -> list[Proxy]:
    """Return each protected attribute with how well the features tell it, through which columns, and what they carry."""
    declared = {p["name"]: p for p in source.passport.get("protected", [])}
    strength = {str(m.over.get("attribute")): m for m in found.get("proxy_strength", [])}
    carried = {str(m.over.get("attribute")): m for m in found.get("proxy_score_share", [])}
    proxies = []
    for name in dict.fromkeys([*declared, *strength, *carried]):
        if name not in strength and name not in carried:
            continue
        columns = [m for m in found.get("proxy_column", []) if m.over.get("attribute") == name and m.value is not None]
        columns.sort(key=lambda m: (-(m.value or 0.0), canonical_json(m.over)))
        lines = [source.line(m, part="") for m in (strength.get(name), carried.get(name)) if m is not None]
        shown = [source.line(m, part="", title=source.word(str(m.over["column"]))) for m in columns[:SHOWN_PROXY_COLUMNS]]
        word = source.word(str(declared.get(name, {}).get("column", name)))
        proxies.append(Proxy(name=name, title=word[:1].upper() + word[1:], lines=lines, columns=shown))
    return proxies

