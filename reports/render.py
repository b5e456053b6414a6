"""Turns data into one self-contained file: no script, no request, a policy that allows neither.

The style sheet stands in the page, and the page's Content-Security-Policy allows exactly that sheet by its hash, so a
string that slipped through escaping could still load nothing and run nothing.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from reports import charts, numbers
from reports.parts import STATUS, Check, Figure, Line, Point, Series
from roadworthy.policy import Limit

if TYPE_CHECKING:
    from reports.card import Card

SHEET = "style.css"
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def page(template: str, **values: Any) -> str:
    """Render a template of this folder with the style sheet and its hash.

    Parameters
    ----------
    template : str
        Name without ending, such as ``"card"``.
    **values
        What the template prints. Everything is escaped.
    """
    sheet = style()
    text = environment().get_template(f"{template}.html.j2").render(policy=policy_for(sheet), **values)
    return "\n".join(line for line in (raw.strip() for raw in text.splitlines()) if line) + "\n"


def policy_for(sheet: str) -> str:
    """Return the Content-Security-Policy that allows one style sheet and nothing else.

    Examples
    --------
    >>> policy_for("").split("; ")[1]
    "style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def style() -> str:
    """Return the style sheet, without comments and needless blanks."""
    text = _file(SHEET)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return (
        re.sub(r"\s+", " ", text)
        .replace(" {", "{")
        .replace("{ ", "{")
        .replace("; ", ";")
        .replace(";}", "}")
        .replace("} ", "}")
        .strip()
    )


@cache
def environment() -> Environment:
    """Return the one Jinja environment: everything escaped, an unknown name is an error."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        loader=FunctionLoader(_template),
        finalize=clean,
    )
    made.filters.update(
        figure=_figure,
        span=_span,
        count=numbers.count,
        tidy=numbers.tidy,
        plural=lambda n, one, many=None: numbers.plural(n, one, many),
        short=lambda text: text[:12],
        moment=_moment,
        ends=_ends,
        before=_before,
        point=_point,
        group_axis=_group_axis,
        first_evidence=_first_evidence,
        last_score=_last_score,
        bare=_bare,
        words=lambda text: text.split(" "),
        has_interval=lambda rows: any(r.figure.low is not None for r in rows),
        of=lambda part, whole: round(100.0 * part / whole, 2) if whole else 0.0,
    )
    made.globals.update(
        status_of=lambda status: STATUS[status],
        share_domain=_share_domain,
        headroom=_headroom,
        marks=_marks,
        group_marks=_group_marks,
        ticks=_ticks,
        spark=_spark,
        shared_domain=_shared_domain,
    )
    return made


def write(folder: Path, files: dict[str, str | bytes]) -> list[Path]:
    """Write files whole or not at all, and return their paths.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files.items():
        target, new = folder / name, folder / f".{name}.{secrets.token_hex(6)}"
        data = content.encode() if isinstance(content, str) else content
        try:
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
        written.append(target)
    return written


def clean(value: Any) -> Any:
    """Take characters out of a string that nobody sees but that turn text around or hide it."""
    return _UNSEEN.sub("", value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _template(name: str) -> str:
    if name == SHEET:
        return style()
    return _file(name)


def _file(name: str) -> str:
    return resources.files("reports").joinpath("templates", name).read_text(encoding="utf-8")


def _figure(f: Figure | None, near: list[float] | None = None) -> str:
    if f is None:
        return numbers.DASH
    if f.hidden:
        return "withheld"
    return numbers.figure(f.value, f.unit, f.low, f.high, near or ())


def _span(f: Figure | None) -> str:
    return numbers.DASH if f is None else numbers.interval(f.low, f.high, f.unit)


def _moment(text: str) -> str:
    """Write an ISO time to the minute; a day stays a day."""
    return (
        text
        if len(text) <= 10
        else f"{text[:10]} {text[11:16]}"
        + (" UTC" if text.endswith(("+00:00", "Z")) else text[-6:] if text[-6:-5] in "+-" else "")
    )


def _headroom(check: Check) -> charts.Headroom | None:
    from reports.sections import headroom_of

    return headroom_of(check)


def _marks(line: Line, domain: tuple[float, float] | None = None) -> charts.Marks | None:
    """Return the marks of a line; without limit, earlier value or common scale there is nothing to see."""
    f = line.figure
    if domain is None and not line.ends and line.previous is None:
        return None
    return charts.marks(f.value, f.low, f.high, line.ends, line.previous, domain)


def _group_marks(f: Figure | None, limits: list[float], domain: tuple[float, float]) -> charts.Marks | None:
    return None if f is None else charts.marks(f.value, f.low, f.high, limits, None, domain)


def _ticks(ends: list[float], domain: tuple[float, float], digits: int = 1) -> list[tuple[float, str, bool]]:
    """Return place, text and whether it is a limit, for the axis over a column of marks."""
    found = [(charts.place(end, domain), f"{end:.2f}", True) for end in ends]
    if all(abs(charts.place(1.0, domain) - x) > 22 for x, _, _ in found) and domain[0] < 1.0 < domain[1]:
        found.append((charts.place(1.0, domain), f"{1.0:.{digits}f}", False))
    return found


def _spark(series: Series, floor: float | None = 0.0) -> charts.Spark | None:
    from datetime import date

    return charts.spark([(date.fromisoformat(p.day), p.value) for p in series.points], series.limit_value, floor)


def _ends(check: Check) -> list[float]:
    limit = Limit.parse(check.limit)
    return [end for end in (limit.at_least, limit.at_most) if end is not None]


def _before(line: Line) -> str:
    f = line.figure
    return numbers.figure(line.previous, f.unit, f.low, f.high, line.ends)


def _point(point: Point, series: Series) -> str:
    return numbers.figure(point.value, series.unit, near=[] if series.limit_value is None else [series.limit_value])


def _group_axis(card: Card) -> tuple[list[float], tuple[float, float]]:
    """Return the limits of the ratio and one domain for all groups, so that rows can be compared by eye."""
    found = [g.ratio for a in card.fairness for g in a.groups if g.ratio is not None]
    ends = sorted(
        {end for k in card.checks if k.metric == "fairness.selection_rate_ratio" and k.against == "absolute" for end in _ends(k)}
    )
    far = [min(v, 2.0) for f in found for v in (f.value, f.low, f.high) if v is not None]
    return ends, charts.domain_of([*far, *ends, 1.0])


def _first_evidence(card: Card) -> str:
    groups = [g for a in card.fairness for g in a.groups]
    return next(
        (f.evidence for g in groups for f in (g.ratio, g.rate) if f is not None),
        card.fairness[0].lines[0].figure.evidence if card.fairness[0].lines else card.evidence[0].id,
    )


def _last_score(series: Series | None, day: str) -> str:
    """Write the number of the night, never that of an earlier one."""
    return "not measured" if series is None or series.points[-1].day != day else _point(series.points[-1], series)


def _shared_domain(rows: list[Line]) -> tuple[float, float]:
    """Return one range for all rows, from zero, so that they can be compared by eye."""
    known = [v for r in rows for v in (r.figure.value, r.figure.high, *r.ends) if v is not None]
    return (0.0, 1.06 * max(known)) if known and max(known) > 0 and min(known) >= 0 else charts.domain_of(known)


def _share_domain(rows: list[Line]) -> tuple[float, float] | None:
    """Return one range for all shares of a table, or None if fewer than two rows are shares."""
    known = [
        (r.figure.low, r.figure.value, r.figure.high, *r.ends)
        for r in rows
        if r.figure.unit == "share" and r.figure.value is not None
    ]
    return charts.domain_of([v for row in known for v in row]) if len(known) > 1 else None


def _bare(f: Figure | None) -> str:
    """Return a figure without its unit, for a column whose head names it."""
    text = _figure(f)
    return text.partition(numbers.NBSP)[0] if f is not None and not f.hidden else text
