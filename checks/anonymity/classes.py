"""The sizes of the classes of rows that agree in every quasi-identifier, and what can be said from the sizes alone.

How many rows are in small classes depends on how many rows there are: a day has more of them than a year of the same people. So
two tables are compared at the same number of rows (`Sizes.at`), as ecologists compare the richness of unequal samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checks.intervals import effective_n
from checks.subject import Subject, Table
from roadworthy.sql import quote

SMALL = 5
"""A class of fewer rows is small: the least that statistical offices ask of a table of people."""
_FLOATS = ("FLOAT", "DOUBLE", "REAL")


@dataclass(frozen=True)
class Sizes:
    """How many classes there are of each size.

    Attributes
    ----------
    classes : mapping of int to int
        Number of classes by their number of rows.

    Examples
    --------
    >>> sizes = Sizes({1: 2, 4: 1, 10: 1})
    >>> sizes.rows, sizes.count, sizes.smallest, sizes.below(5)
    (16, 4, 1, 6)
    """

    classes: Mapping[int, int]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(size * many for size, many in self.classes.items())

    @property
    def count(self) -> int:
        """All classes."""
        return sum(self.classes.values())

    @property
    def smallest(self) -> int:
        """The rows of the smallest class, which is the k of k-anonymity."""
        return min(self.classes)

    def below(self, size: int) -> int:
        """Return the rows in classes of fewer than `size`."""
        return sum(one * many for one, many in self.classes.items() if one < size)

    def at(self, rows: int) -> Share:
        """Return the share in small classes that a random part of so many of the rows is expected to have.

        Parameters
        ----------
        rows : int
            From 1 to all rows; for all of them it is the share itself.

        Returns
        -------
        Share

        Notes
        -----
        Of a class of c rows among N, a part of m rows holds j with the probability of the hypergeometric distribution. Hurlbert
        1971, The nonconcept of species diversity: rarefaction.

        Examples
        --------
        Of any two of four rows that are pairwise alike, both are in small classes; and so are four of four.

        >>> Sizes({2: 2}).at(2).value, Sizes({2: 2}).at(4).value, Sizes({10: 1}).at(4).value, Sizes({10: 1}).at(10).value
        (1.0, 1.0, 1.0, 0.0)
        """
        import numpy as np
        from scipy.stats import hypergeom

        if rows >= self.rows:
            return Share(self.below(SMALL) / self.rows, self.classes.get(SMALL, 0) * SMALL / self.rows, self.rows)
        sizes = np.array(list(self.classes), float)
        many = np.array(list(self.classes.values()), float)
        held = [float(j * (many * hypergeom.pmf(j, self.rows, sizes, rows)).sum()) for j in range(1, SMALL + 1)]
        small, edge = (min(1.0, part / rows) for part in (sum(held[:-1]), held[-1]))
        return Share(small, edge, rows)


@dataclass(frozen=True)
class Share:
    """A share of rows in small classes, and what its interval needs.

    Attributes
    ----------
    value : float
    edge : float
        Share of rows in classes that one row less would make small.
    rows : int
    """

    value: float
    edge: float
    rows: int

    @property
    def worth(self) -> float:
        """How many independent rows would tell the share as surely.

        Notes
        -----
        Without one row of a small class one row less is in small classes; without one of a class of exactly five, four more are.
        From these differences comes the jackknife's variance, which is too large on average and never too small (Efron and Stein
        1981, The jackknife estimate of variance). Without classes of exactly five it is that of a proportion.
        """
        mean = self.value - (SMALL - 1) * self.edge
        spread = self.value + (SMALL - 1) ** 2 * self.edge - mean * mean
        return float(effective_n(self.value, spread / max(1, self.rows - 1), self.rows))


def value_sql(column: str, kind: str) -> str:
    """Return SQL of a column's value in which NaN is NULL: what is missing is one value.

    Examples
    --------
    >>> value_sql("age", "BIGINT"), value_sql("x", "DOUBLE")
    ('"age"', 'case when not isnan("x") then "x" end')
    """
    name = quote(column)
    return f"case when not isnan({name}) then {name} end" if kind in _FLOATS else name


def class_sql(columns: Sequence[str], kinds: Mapping[str, str]) -> str:
    """Return the select list of what names a class: two hashes of the quasi-identifiers, ``h`` and ``g``.

    Grouping by two whole numbers in place of six columns of text takes a third of the time and half of the memory. Two classes
    become one only if both hashes of 64 bits agree: of ten million different values, with a chance of about three in a million.

    Examples
    --------
    >>> class_sql(["age", "town"], {"age": "BIGINT", "town": "VARCHAR"})
    'hash("age", "town") as h, hash(0, "town", "age") as g'
    """
    values = [value_sql(column, kinds[column]) for column in columns]
    return f"hash({', '.join(values)}) as h, hash(0, {', '.join(reversed(values))}) as g"


def sizes_of(subject: Subject, table: Table, columns: Sequence[str]) -> Sizes:
    """Count the classes of a table.

    Raises
    ------
    duckdb.Error
        If the rows cannot be read to their end.
    """
    inner = f"select {class_sql(columns, table.columns)} from {table.name}"
    counted = f"select count(*) as n from ({inner}) group by h, g"
    found = subject.rows(f"select n, count(*) as classes from ({counted}) group by n order by n")
    return Sizes({int(row["n"]): int(row["classes"]) for row in found})
