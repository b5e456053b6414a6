"""Intervals around estimates: pure functions of counts and sums, so that rows never leave the database.

Every function returns an `Interval`, which carries beside its two ends the standard error and the scale on which it is
roughly normal. A reader who needs another level, or a level that holds for many groups at once, starts from those.

Counts may be fractions: where observations come in blocks, a proportion is judged on the number of independent
observations that would be as informative (`effective_n`), as Rao and Scott do for surveys.

Examples
--------
>>> low, high, *rest = wilson(81, 263)
>>> round(low, 4), round(high, 4)
(0.2553, 0.3662)
"""

from checks.intervals.calibration import ScoreBin, calibration_error, plain_calibration_error
from checks.intervals.means import by_influence, mean, mean_by_unit
from checks.intervals.proportions import clopper_pearson, effective_n, f1, katz_log, mid_p, newcombe, ratio, wilson
from checks.intervals.ranking import RankSums, average_precision, delong, rank_sums
from checks.intervals.scale import CONFIDENCE, Interval, Scale, normal_quantile, on_scale

__all__ = [
    "CONFIDENCE",
    "Interval",
    "RankSums",
    "Scale",
    "ScoreBin",
    "average_precision",
    "by_influence",
    "calibration_error",
    "clopper_pearson",
    "delong",
    "effective_n",
    "f1",
    "katz_log",
    "mean",
    "mean_by_unit",
    "mid_p",
    "newcombe",
    "normal_quantile",
    "on_scale",
    "plain_calibration_error",
    "rank_sums",
    "ratio",
    "wilson",
]
