"""What many looks and few rows allow to be said: Benjamini and Hochberg's correction, and what a shift test can see.

Without a shift, the population stability index over ``1/n + 1/m`` is chi-square with ``cells - 1`` degrees of freedom; with a
true shift of size ``d`` it is noncentral chi-square with noncentrality ``d / (1/n + 1/m)``, because to second order it is
Pearson's statistic. So the counts alone tell how large a shift would have been seen, and how sure it is that a shift is larger
or smaller than a limit.

References
----------
.. [1] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57(1).
.. [2] Patnaik, P. B. (1949). The non-central chi-square and F distributions and their applications. Biometrika 36.
.. [3] Yurdakul, B. and Naranjo, J. (2020). Statistical properties of the population stability index. Journal of Risk
       Model Validation 14(4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

POWER = 0.9
"""How often an effect would be seen that a day is said to be able to see."""

SURE = 0.005
"""How often, at most, a shift of exactly the limit is called surely larger than it; and as often surely smaller."""


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return Benjamini and Hochberg's adjusted p-values [1]_; one that is at most alpha is a rejection at rate alpha.

    Examples
    --------
    >>> adjusted([0.01, 0.04, 0.03, 0.5])
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]
    """
    order = sorted(range(len(p_values)), key=lambda i: (p_values[i], i))
    found, least = [1.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        least = min(least, p_values[order[rank - 1]] * len(order) / rank)
        found[order[rank - 1]] = least
    return found


class ShiftTest(NamedTuple):
    """The counts behind a measured population stability index.

    Attributes
    ----------
    psi : float
        The index itself, with its bias.
    cells : int
        At least 2.
    noise : float
        ``1/n + 1/m``.
    """

    psi: float
    cells: int
    noise: float

    @classmethod
    def of(cls, stats: Mapping[str, Any]) -> ShiftTest | None:
        """Read the counts from a measurement's statistics; None if they are not there."""
        psi, cells = stats.get("psi"), stats.get("cells")
        sizes = [stats.get("batch_n"), stats.get("reference_n")]
        rows = [float(size) for size in sizes if isinstance(size, int | float) and size > 0]
        if not isinstance(psi, int | float) or not isinstance(cells, int) or cells < 2 or len(rows) != 2:
            return None
        return cls(float(psi), cells, sum(1 / size for size in rows))

    def smallest_effect(self, level: float, power: float = POWER) -> float:
        """Return the smallest shift that a test at `level` would have seen with probability `power`.

        Parameters
        ----------
        level : float
            The p-value that is still a rejection: with `m` columns, alpha / m at worst [1]_.

        Returns
        -------
        float
            In units of the index, >= 0.

        Examples
        --------
        >>> round(ShiftTest(0.0, 10, 1 / 200 + 1 / 20_000).smallest_effect(0.005 / 30), 3)
        0.201
        """
        return _noncentrality(self.cells - 1, level, power) * self.noise

    def above(self, limit: float) -> float:
        """Return the probability of so large an index, or a larger one, if the true shift were exactly `limit`."""
        return 1 - self.below(limit)

    def below(self, limit: float) -> float:
        """Return the probability of so small an index, or a smaller one, if the true shift were exactly `limit`.

        Examples
        --------
        >>> found = ShiftTest(0.3, 10, 1 / 1_000 + 1 / 20_000)
        >>> found.above(0.1) < 0.001, found.below(0.6) < 0.001
        (True, True)
        """
        from scipy import special

        statistic, freedom, centre = self.psi / self.noise, self.cells - 1, limit / self.noise
        found = float(special.chndtr(statistic, freedom, centre))
        if math.isfinite(found):
            return found
        # Beyond about 1e10 rows the series does not converge; there the distribution is normal.
        return float(special.ndtr((statistic - freedom - centre) / math.sqrt(2 * (freedom + 2 * centre))))


@lru_cache(maxsize=4096)
def _noncentrality(freedom: int, level: float, power: float) -> float:
    """Return the noncentrality at which a chi-square test at `level` has `power` [2]_."""
    from scipy import special

    critical = special.chdtri(freedom, level)
    return max(0.0, float(special.chndtrinc(critical, freedom, 1 - power)))
