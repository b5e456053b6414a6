"""Billing files in the shape of FOCUS, the FinOps Open Cost and Usage Specification, added up by day.

Read are the columns ``BillingCurrency``, ``ChargePeriodStart``, ``ChargePeriodEnd``, the column of the cost, and those that
choose lines: ``Tags`` (a JSON object), ``ResourceId``, ``ServiceName``. Every kind of charge counts, credits and taxes too, so
that the sum is what the invoice says. A charge for several days is spread evenly over them. Days are those of UTC, as in FOCUS.

A line that is meant and cannot be read (no amount, no period, tags that are no JSON) makes the whole bill an error, and so does a
second currency: leaving it out would make the sum wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from checks.cost.log import MOST, moment_sql, opening_of
from checks.subject import Subject
from roadworthy.canonical import digest_of
from roadworthy.errors import RoadworthyError
from roadworthy.measurement import Status
from roadworthy.spending import Bills
from roadworthy.sql import literal, quote
from roadworthy.window import Window, files_of

PERIOD = ("ChargePeriodStart", "ChargePeriodEnd")
MOST_DAYS = 366
"""Days that one charge may cover; a longer one is taken for a mistake."""
_NULLS = "['', 'NULL', 'null']"


@dataclass(frozen=True)
class Billed:
    """What was charged, by day.

    Attributes
    ----------
    days : dict of date to float
        Days without a charge are not in it.
    lines : int
        That were chosen and touch the window.
    credits : float
        The part of the sum that is negative.
    status, problem : str
        Why nothing can be said; an empty problem if something can.
    digest : str
        Of the files.
    """

    days: dict[date, float] = field(default_factory=dict)
    lines: int = 0
    credits: float = 0.0
    status: Status = "insufficient"
    problem: str = ""
    digest: str = ""

    @property
    def total(self) -> float:
        """The sum over all days."""
        return math.fsum(self.days.values())


def read_bills(subject: Subject, bills: Bills, currency: str, window: Window) -> Billed:
    """Read the billing files that the passport names and add up the chosen lines by day.

    Parameters
    ----------
    subject : Subject
    bills : roadworthy.spending.Bills
    currency : str
        That all chosen lines must be in.
    window : Window

    Returns
    -------
    Billed
        Nothing in the files raises; what is wrong is said in `Billed.problem`.

    Notes
    -----
    https://focus.finops.org: ``ChargePeriodStart`` is in and ``ChargePeriodEnd`` is out; a cost may be negative and is never
    null; values of tags are text, numbers, truth values or null.
    """
    try:
        found = files_of(subject.root, bills.path)
        if not found:
            return Billed(problem=f"There is no bill at '{bills.path}'.")
        opening = opening_of(subject)
        digest = digest_of([[str(path.relative_to(subject.root)), opening.digest(path)] for path in found])
    except RoadworthyError as problem:
        return Billed(status="error", problem=problem.sentence)
    except OSError as problem:
        return Billed(status="error", problem=f"A bill at '{bills.path}' cannot be read ({problem.strerror}).")
    try:
        return _read(subject, bills, currency, window, found, digest)
    except (duckdb.Error, ValueError) as problem:  # ValueError: a name that is not UTF-8, or holds a NUL
        said = f"The bills at '{bills.path}' cannot be read ({str(problem).splitlines()[0][:160]})."
        return Billed(status="error", problem=said, digest=digest)


def _read(subject: Subject, bills: Bills, currency: str, window: Window, found: list[Path], digest: str) -> Billed:
    def wrong(said: str) -> Billed:
        return Billed(status="error", problem=said, digest=digest)

    scan = _scan(found)
    if scan is None:
        return wrong(f"The bills at '{bills.path}' must be all Parquet or all CSV, with names without '*', '?' and '['.")
    columns = {str(row["column_name"]): str(row["column_type"]) for row in subject.rows(f"describe select * from {scan}")}
    wanted = ["BillingCurrency", *PERIOD, bills.cost, *_choosing(bills)]
    if missing := [name for name in wanted if name not in columns]:
        return wrong(f"The bills at '{bills.path}' have no column '{missing[0]}', which FOCUS names and the passport needs.")
    start, end = (moment_sql(quote(name), columns[name]) for name in PERIOD)
    amount = f"try_cast(cast({quote(bills.cost)} as varchar) as double)"
    chosen, torn = _chosen(bills, columns)
    days = "cast(date_diff('day', cast(s as date), cast(e - interval 1 microsecond as date)) + 1 as integer)"
    lines = (
        f"select {start} as s, {end} as e, {amount} as amount, cast({quote('BillingCurrency')} as varchar) as currency, "
        f"{torn} as torn from {scan} where {chosen} or {torn}"
    )
    touching = f"s >= timestamp '{window.last + timedelta(days=1)}' or e <= timestamp '{window.first}'"
    lines = f"select * from ({lines}) where not coalesce({touching}, false)"
    sums = subject.rows(
        f"select count(*) as lines, count(*) filter (torn) as torn, "
        f"count(*) filter (coalesce(abs(amount) <= {MOST}, false) is false) as no_amount, "
        f"count(*) filter (s is null or e is null or e <= s or ({days}) > {MOST_DAYS}) as no_period, "
        f"list(distinct coalesce(left(currency, 12), 'none') order by coalesce(left(currency, 12), 'none')) as currencies "
        f"from ({lines})"
    )[0]
    for key, what in (("torn", "tags that are no JSON object"), ("no_amount", f"no number as '{bills.cost}'"),
                      ("no_period", "no charge period of 1 to 366 days")):
        if sums[key]:
            return wrong(f"{sums[key]:,} of {sums['lines']:,} chosen lines of the bills have {what}, so the sum is not known.")
    if sums["lines"] and sums["currencies"] != [currency]:
        named = ", ".join(str(one) for one in sums["currencies"][:4])
        return wrong(f"The chosen lines of the bills are in {named}, but the passport says {currency}; nothing is converted.")
    covered = f"generate_series(cast(s as date)::timestamp, cast(s as date)::timestamp + to_days({days} - 1), interval 1 day)"
    by_day = subject.rows(
        f"select day, fsum(amount / days) as cost, fsum(least(amount, 0) / days) as credits from "
        f"(select unnest({covered})::date as day, amount, {days} as days from ({lines})) "
        "where day between ? and ? group by day order by day",
        [window.first, window.last],
    )
    charged = {row["day"]: float(row["cost"]) for row in by_day}
    credit = math.fsum(float(row["credits"]) for row in by_day)
    said = "" if charged else f"No line of the bills is chosen and falls on {window.first} to {window.last}."
    return Billed(charged, int(sums["lines"]), credit, problem=said, digest=digest)


def _scan(found: list[Path]) -> str | None:
    names = [path.name.lower() for path in found]
    if any(c in str(path) for path in found for c in "*?["):
        return None
    listed = f"[{', '.join(literal(str(path)) for path in found)}]"
    if all(name.endswith(".parquet") for name in names):
        return f"read_parquet({listed}, union_by_name=true, hive_partitioning=false)"
    if all(name.endswith((".csv", ".csv.gz")) for name in names):
        return (
            f"read_csv({listed}, header=true, all_varchar=true, union_by_name=true, hive_partitioning=false, delim=',', "
            f"quote='\"', escape='\"', nullstr={_NULLS})"
        )
    return None


def _choosing(bills: Bills) -> list[str]:
    used = (("Tags", bills.tags), ("ResourceId", bills.resources), ("ServiceName", bills.services))
    return [name for name, wanted in used if wanted]


def _chosen(bills: Bills, columns: dict[str, str]) -> tuple[str, str]:
    """Return SQL that is true of the lines that are meant, and SQL that is true where only tags that cannot be read hide it."""
    parts = [
        f"coalesce(cast({quote(name)} as varchar) in ({', '.join(literal(one) for one in wanted)}), false)"
        for name, wanted in (("ResourceId", bills.resources), ("ServiceName", bills.services))
        if wanted
    ]
    if not bills.tags:
        return " and ".join(parts), "false"
    tags = quote("Tags")
    text = tags if columns["Tags"] == "VARCHAR" else f"cast(to_json({tags}) as varchar)"
    torn = " and ".join([*parts, f"{text} is not null", f"not json_valid({text})"])
    for key, value in bills.tags.items():
        place = literal("/" + key.replace("~", "~0").replace("/", "~1"))  # a JSON pointer: a key may hold any character
        parts.append(
            f"coalesce(case when json_valid({text}) then json_extract_string({text}, {place}) end = {literal(value)}, false)"
        )
    return " and ".join(parts), f"({torn})"
