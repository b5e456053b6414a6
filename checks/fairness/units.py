"""Rows that hang together: what the rows of a group are worth where one person or one day gives many of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.counts import decision_column, favourable, group
from checks.fairness.counted import Names, free_names
from checks.subject import Subject, Table
from roadworthy.passport import Protected
from roadworthy.sql import quote

Code = tuple[int, int]
_CODES: tuple[Code, ...] = ((0, 0), (0, 1), (1, 0), (1, 1))
_CASES: tuple[frozenset[Code], ...] = (
    frozenset(_CODES), frozenset({(1, 0), (1, 1)}), frozenset({(0, 0), (0, 1)}), frozenset({(0, 1), (1, 1)}),
)


@dataclass(frozen=True)
class Moments:
    """Sums over the units of a group.

    Attributes
    ----------
    units : dict of frozenset to int
        Units that have any row in these cells, for the cells that a rate may be a share of.
    products : dict of ((int, int), (int, int)) to float
        Sum over the units of rows in one cell times rows in the other.
    """

    units: dict[frozenset[Code], int]
    products: dict[tuple[Code, Code], float]

    def of(self, cases: frozenset[Code], chosen: frozenset[Code], share: float) -> tuple[int, float]:
        """Return the units and the sum over them of ``(chosen - share * cases) ** 2``.

        Examples
        --------
        Two units of ten rows each; all of the first are chosen and none of the second.

        >>> all_of, none_of = (0, 1), (0, 0)
        >>> moments = Moments({frozenset(_CODES): 2}, {(all_of, all_of): 100.0, (none_of, none_of): 100.0})
        >>> moments.of(frozenset(_CODES), frozenset({(0, 1), (1, 1)}), 0.5)
        (2, 50.0)
        """
        weight = {code: (code in chosen) - share * (code in cases) for code in _CODES}
        squares = sum(weight[a] * weight[b] * n for (a, b), n in self.products.items())
        return self.units[cases], max(0.0, squares)


def moments(subject: Subject, table: Table, attributes: Sequence[Protected], by_label: bool) -> dict[Names, Moments]:
    """Return the moments of each group of one attribute, or of several together.

    Raises
    ------
    duckdb.Error
        If DuckDB cannot count the rows.
    """
    passport, free = subject.passport, free_names(table)
    decision, label = decision_column(passport), passport.task.label
    unit = quote(passport.independence.column or "")
    d, y, *cells = (next(free) for _ in range(2 + len(_CODES)))
    names = [next(free) for _ in attributes]
    known = f"{favourable(passport, label, table.columns[label])} as {y}" if by_label else f"0 as {y}"
    spelled = ", ".join(f"{group(p)} as {name}" for p, name in zip(attributes, names, strict=True))
    decided = favourable(passport, decision, table.columns[decision])
    rows = f"select {spelled}, {unit}, {known}, {decided} as {d} from {table.name}"
    each = ", ".join(
        f"count(*) filter (where {y} = {a} and {d} = {b}) as {name}" for name, (a, b) in zip(cells, _CODES, strict=True)
    )
    listed = ", ".join(names)
    inner = f"select {listed}, {each} from ({rows}) where {y} is not null and {d} is not null group by {listed}, {unit}"
    of = dict(zip(_CODES, cells, strict=True))
    counts = [f"count(*) filter (where {_plus(of[code] for code in sorted(cases))} > 0)" for cases in _CASES]
    pairs = [(a, b) for a in _CODES for b in _CODES if a <= b]
    sums = [f"sum({of[a]} * {of[b]})" for a, b in pairs]
    found = {}
    for row in subject.con.execute(f"select {listed}, {', '.join(counts + sums)} from ({inner}) group by {listed}").fetchall():
        numbers = row[len(names):]
        products: dict[tuple[Code, Code], float] = {}
        for (a, b), total in zip(pairs, numbers[len(_CASES):], strict=True):
            products[a, b] = products[b, a] = float(total)
        units = {cases: int(n) for cases, n in zip(_CASES, numbers, strict=False)}
        found[tuple(str(name) for name in row[: len(names)])] = Moments(units, products)
    return found


def _plus(terms: Iterable[str]) -> str:
    return " + ".join(terms)
